//! Large futures, short sleeps, and runtimes that end inside themselves.

use std::hint::black_box;
use std::pin::pin;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use reveille::runtime::{Builder, Runtime};
use reveille::task::{self, JoinSet};
use reveille_tests::child::passes_in_own_process;
use reveille_tests::conformance;

use super::{PATIENCE, is_pending, soon};

/// A sixth of the stack below.
const LARGE_BYTES: usize = 300 << 10;

/// A future of [`LARGE_BYTES`].
async fn large() -> u8 {
    let bytes = [7; LARGE_BYTES];
    task::yield_now().await;
    black_box(&bytes)[LARGE_BYTES - 1]
}

/// Runs `test` on a thread with the usual stack of 2 MiB.
fn on_the_usual_stack(test: fn() -> u8) {
    let thread = thread::Builder::new().stack_size(2 << 20).spawn(test).unwrap();
    assert_eq!(thread.join().unwrap(), 7);
}

// tokio#2055, #6673 and #4203: without optimisation each function keeps a copy of its argument.
#[test]
fn a_large_future_or_closure_does_not_overflow_the_stack() {
    passes_in_own_process(&[], || {
        on_the_usual_stack(|| task::block_on(large()));
        on_the_usual_stack(|| task::block_on(task::spawn(large())));
        on_the_usual_stack(|| task::block_on(async { task::spawn_local(large()).await }));
        on_the_usual_stack(|| task::block_on(task::Builder::new().spawn(large()).unwrap()));
        on_the_usual_stack(|| {
            let bytes = [7; LARGE_BYTES];
            task::block_on(task::spawn_blocking(move || black_box(&bytes)[0]))
        });
        on_the_usual_stack(|| {
            let runtime = Builder::new().workers(1).build().unwrap();
            let handle = runtime.spawn(large());
            runtime.block_on(handle)
        });
        on_the_usual_stack(|| {
            task::block_on(async {
                let mut set = JoinSet::new();
                set.spawn(large());
                set.join_next().await.unwrap().unwrap()
            })
        });
    });
}

// glommio#326: a sleep of microseconds that never ended.
async fn the_shortest_sleeps_end() {
    for ns in 0..500 {
        soon(task::sleep(Duration::from_nanos(ns * 7))).await;
    }
}

async fn a_sleep_that_is_dropped_does_not_delay_the_short_one_behind_it() {
    for _ in 0..100 {
        assert!(is_pending(pin!(task::sleep(Duration::from_secs(3_600)))).await);
        soon(task::sleep(Duration::from_micros(3))).await;
    }
}

conformance!(
    the_shortest_sleeps_end,
    a_sleep_that_is_dropped_does_not_delay_the_short_one_behind_it,
);

/// Ends a runtime of two workers by calling `end` inside it. Fails instead of hanging.
fn ends_inside(end: impl FnOnce(Runtime, mpsc::Sender<()>) + Send + 'static) {
    let (sender, receiver) = mpsc::channel();
    let runtime = Builder::new().workers(2).build().unwrap();
    let handle = runtime.handle();
    drop(handle.spawn(async move { end(runtime, sender) }));
    receiver.recv_timeout(PATIENCE).expect("the runtime ends");
}

// tokio#2046, iroh-blobs#260: a thread of the runtime may be the one that drops it.
#[test]
fn a_runtime_may_be_dropped_by_its_own_task() {
    ends_inside(|runtime, sender| {
        drop(runtime);
        sender.send(()).unwrap();
    });
}

#[test]
fn a_runtime_may_be_dropped_by_its_own_blocking_closure() {
    ends_inside(|runtime, sender| {
        drop(task::spawn_blocking(move || {
            drop(runtime);
            sender.send(()).unwrap();
        }));
    });
}

#[test]
fn a_runtime_may_be_shut_down_by_its_own_task() {
    ends_inside(|runtime, sender| {
        runtime.shutdown(Duration::from_secs(1));
        sender.send(()).unwrap();
    });
}
