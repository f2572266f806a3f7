//! `block_on` and the state that it shares with the program: the park token and the stack of the
//! thread, and the polls around it.

#![expect(clippy::disallowed_methods, reason = "threads of the program's own, with their sizes")]

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::mpsc;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use reveille_runtime::budget::{charge, is_left, poll_proceed};
use reveille_runtime::runtime::Runtime;
use reveille_runtime::time::Sleep;
use reveille_runtime::{Builder, block_on, random, spawn, spawn_blocking, spawn_local, yield_now};

const SHORT: Duration = Duration::from_millis(5);

/// A thread with a park token does not park this long.
const LONG: Duration = Duration::from_secs(30);

/// Whether the calling thread had a park token. Consumes it.
fn had_token() -> bool {
    let start = Instant::now();
    thread::park_timeout(LONG);
    start.elapsed() < LONG
}

#[test]
fn an_unpark_before_block_on_is_kept() {
    thread::current().unpark();
    block_on(async {
        Sleep::after(SHORT).await;
        spawn(Sleep::after(SHORT)).await;
        spawn_blocking(|| thread::sleep(SHORT)).await;
    });
    assert!(had_token());
}

#[test]
fn an_unpark_during_block_on_is_kept() {
    let this = thread::current();
    block_on(async {
        spawn(async move { this.unpark() }).await;
        Sleep::after(SHORT).await;
        spawn(Sleep::after(SHORT)).await;
    });
    assert!(had_token());
}

#[test]
fn block_on_leaves_no_park_token() {
    block_on(async {
        for _ in 0..10 {
            spawn(Sleep::after(SHORT)).await;
        }
    });
    let start = Instant::now();
    // A park may end spuriously, but hardly ten times.
    for _ in 0..10 {
        thread::park_timeout(SHORT);
    }
    assert!(start.elapsed() >= SHORT);
}

/// Spawns `tasks` nested waits and awaits them all.
async fn nested_waits(tasks: usize, spawn: impl Fn(usize) -> Joins) -> usize {
    let handles: Vec<_> = (0..tasks).map(spawn).collect();
    let mut sum = 0;
    for handle in handles {
        sum += handle.await;
    }
    sum
}

type Joins = Pin<Box<dyn Future<Output = usize>>>;

/// A `block_on` inside a poll, which waits for a timer.
fn nested_wait(number: usize) -> usize {
    block_on(async move {
        Sleep::after(SHORT).await;
        number
    })
}

#[test]
fn local_tasks_that_block_on_do_not_overflow_the_stack() {
    const TASKS: usize = 5_000;
    for stack_size in [256 << 10, 2 << 20] {
        let thread = thread::Builder::new().stack_size(stack_size).spawn(|| {
            let local =
                |number| -> Joins { Box::pin(spawn_local(async move { nested_wait(number) })) };
            block_on(nested_waits(TASKS, local))
        });
        assert_eq!(thread.unwrap().join().unwrap(), TASKS * (TASKS - 1) / 2);
    }
}

#[test]
fn tasks_that_block_on_without_a_spare_thread_do_not_overflow_the_stack() {
    const TASKS: usize = 5_000;
    for stack_size in [256 << 10, 2 << 20] {
        let builder = Builder::new().workers(1).max_spare_threads(0);
        let runtime = builder.stack_size(stack_size).build().unwrap();
        let spawn =
            |number| -> Joins { Box::pin(runtime.spawn(async move { nested_wait(number) })) };
        let sum = runtime.block_on(nested_waits(TASKS, spawn));
        assert_eq!(sum, TASKS * (TASKS - 1) / 2);
    }
}

#[test]
fn a_block_on_inside_a_nested_block_on_runs_the_tasks_of_the_worker() {
    let runtime = Builder::new().workers(1).max_spare_threads(0).build().unwrap();
    let sum = runtime.block_on(runtime.spawn(async {
        block_on(async {
            // In the first poll of the outer one, in a later poll, and in a local task of it.
            let first = block_on(async { spawn(async { 1 }).await });
            yield_now().await;
            let later = block_on(async { spawn(async { 2 }).await });
            let local = spawn_local(async { block_on(async { spawn(async { 4 }).await }) }).await;
            first + later + local + spawn(async { 8 }).await
        })
    }));
    assert_eq!(sum, 15);
}

#[test]
fn a_runtime_makes_progress_in_its_block_on_inside_that_of_another_runtime() {
    let outer = Builder::new().workers(1).max_spare_threads(0).build().unwrap();
    let inner = Builder::new().workers(1).max_spare_threads(0).build().unwrap();
    let handle = outer.handle();
    let sum = outer.block_on(outer.spawn(async move {
        inner.block_on(async {
            let innermost = handle.block_on(async { spawn(async { 1 }).await });
            innermost + spawn(async { 2 }).await
        })
    }));
    assert_eq!(sum, 3);
}

/// A future inside a poll that is always runnable does not starve the other tasks of its thread.
#[test]
fn a_nested_block_on_that_never_waits_lets_local_tasks_run() {
    let (sender, receiver) = mpsc::channel();
    block_on(async {
        let other = spawn_local(async move { sender.send(()) });
        spawn_local(async move {
            block_on(async {
                while receiver.try_recv().is_err() {
                    yield_now().await;
                }
            });
        })
        .await;
        other.await.unwrap();
    });
}

/// Runs operations in a loop inside a poll until 1,000 were ready. Returns the number of refused
/// and of ready ones.
fn operate_in_a_loop() -> (usize, usize) {
    let mut cx = Context::from_waker(Waker::noop());
    let (mut refused, mut ready) = (0, 0);
    while ready < 1_000 && refused < 100_000 {
        match poll_proceed(&mut cx) {
            Poll::Ready(()) => ready += 1,
            Poll::Pending => refused += 1,
        }
    }
    (refused, ready)
}

#[test]
fn a_loop_inside_a_poll_gets_another_budget() {
    let expected = |(refused, ready): (usize, usize)| {
        assert_eq!(ready, 1_000);
        assert!((1..1_000).contains(&refused), "{refused} refusals");
    };
    expected(block_on(async { operate_in_a_loop() }));
    expected(block_on(spawn_local(async { operate_in_a_loop() })));
    expected(block_on(spawn(async { operate_in_a_loop() })));
    expected(block_on(spawn(async { spawn_local(async { operate_in_a_loop() }).await })));
    assert_eq!(operate_in_a_loop(), (0, 1_000), "there is no budget outside a poll");
}

#[test]
fn each_poll_begins_with_one_budget() {
    let runtime = Builder::new().workers(1).event_budget(3).build().unwrap();
    let ready = runtime.block_on(runtime.spawn(async {
        let _ = operate_in_a_loop();
        yield_now().await;
        let mut ready = 0;
        poll_fn(|cx| {
            ready += 1;
            poll_proceed(cx).map(|()| ready -= 1)
        })
        .await;
        let mut cx = Context::from_waker(Waker::noop());
        while poll_proceed(&mut cx).is_ready() {
            ready += 1;
        }
        ready
    }));
    assert_eq!(ready, 2, "one of three units was taken before");
}

#[test]
fn a_long_operation_counts_as_no_refusal() {
    let has_more = block_on(async {
        (0..100).any(|_| {
            charge(usize::MAX);
            is_left()
        })
    });
    assert!(!has_more, "the budget was filled again");
}

#[test]
fn a_seed_reaches_the_random_numbers_of_tasks_and_of_block_on() {
    let numbers = |seed: u64| {
        let runtime = Builder::new().workers(1).seed(seed).build().unwrap();
        let draw = |runtime: &Runtime| {
            let here = runtime.block_on(async { [random::next_u64(), random::next_u64()] });
            let there = runtime.block_on(runtime.spawn(async { random::next_u64() }));
            (here, there)
        };
        (draw(&runtime), draw(&runtime))
    };
    let first = numbers(7);
    assert_eq!(first, numbers(7));
    assert_ne!(first, numbers(8));
    assert_ne!(first.0, first.1, "the numbers repeat");
}

#[test]
fn a_seed_applies_only_inside_its_block_on() {
    let outside = || {
        let runtime = Builder::new().workers(1).seed(7).build().unwrap();
        runtime.block_on(async { random::next_u64() });
        random::next_u64()
    };
    assert_ne!(outside(), outside());
}
