//! Tests in which the system refuses a chosen thread of a pool, or starts it late.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use reveille_primitive::lock::assert_none_held;

use super::start::start as start_pool;
use crate::config::Config;
use crate::runtime::Runtime;
use crate::threads::{Spawner, ThreadSpec, system_spawner};

fn start(config: Config) -> io::Result<Runtime> {
    start_pool(config).map(Runtime::new)
}

/// Threads of one runtime: how many were requested, and how many are alive.
#[derive(Default)]
struct Threads {
    asked: AtomicUsize,
    alive: AtomicUsize,
}

/// Makes threads except those whose number `refuses` names.
fn spawner(
    threads: &Arc<Threads>,
    refuses: impl Fn(usize) -> bool + Send + Sync + 'static,
) -> Spawner {
    let (system, threads) = (system_spawner(), Arc::clone(threads));
    Arc::new(move |spec: ThreadSpec| {
        assert_none_held("the start of a thread");
        if refuses(threads.asked.fetch_add(1, Ordering::SeqCst)) {
            return Err(io::Error::other("no more threads"));
        }
        threads.alive.fetch_add(1, Ordering::SeqCst);
        let (threads, body) = (Arc::clone(&threads), spec.body);
        let body = Box::new(move || {
            body();
            threads.alive.fetch_sub(1, Ordering::SeqCst);
        });
        system(ThreadSpec { body, ..spec })
    })
}

#[test]
fn a_start_fails_and_leaves_no_thread_whichever_is_refused() {
    // The monitor of one worker starts with it. That of several starts when it is needed.
    for (workers, refused) in [(3, 0), (3, 1), (3, 2), (1, 0), (1, 1)] {
        let threads = Arc::default();
        let spawner = spawner(&threads, move |number| number == refused);
        let error = start(Config { workers: Some(workers), spawner, ..Config::default() }).err();
        assert!(error.expect("a thread is missing").to_string().contains("no more threads"));
        assert_eq!(threads.asked.load(Ordering::SeqCst), refused + 1);
        assert_eq!(threads.alive.load(Ordering::SeqCst), 0);
    }
}

#[test]
fn a_refused_spare_thread_is_requested_again() {
    let threads = Arc::default();
    // One worker and the monitor; the next two are refused.
    let spawner = spawner(&threads, |number| number == 2 || number == 3);
    let runtime = start(Config { workers: Some(1), spawner, ..Config::default() }).unwrap();
    let (starts, has_started) = mpsc::channel();
    let (go_on, waits) = mpsc::channel();
    let blocked = runtime.spawn(async move {
        starts.send(()).unwrap();
        waits.recv().unwrap();
    });
    has_started.recv().unwrap();
    runtime.block_on(runtime.spawn(async move { go_on.send(()).unwrap() }));
    runtime.block_on(blocked);
    assert_eq!(threads.asked.load(Ordering::SeqCst), 5);
    drop(runtime);
    assert_eq!(threads.alive.load(Ordering::SeqCst), 0);
}

#[test]
fn a_task_spawned_while_every_further_thread_is_refused_runs() {
    let threads = Arc::default();
    let spawner = spawner(&threads, |number| number >= 2);
    let runtime = start(Config { workers: Some(1), spawner, ..Config::default() }).unwrap();
    let closure = runtime.block_on(runtime.spawn(async {
        let closure = crate::spawn_blocking(|| 1);
        closure.result().await.map_err(|error| error.to_string())
    }));
    let text = "the blocking pool could not start a thread for a closure: no more threads";
    assert_eq!(closure, Err(format!("the task panicked: {text}")));
    assert_eq!(runtime.block_on(runtime.spawn(async { 2 })), 2);
    drop(runtime);
    assert_eq!(threads.alive.load(Ordering::SeqCst), 0);
}

/// The first poll of the runtime spawns a task that only its own worker can take, and blocks until
/// that task has run.
fn block_first_poll(runtime: &Runtime) {
    let first = runtime.spawn(async {
        let (go_on, waits) = mpsc::channel();
        drop(crate::spawn(async move { go_on.send(()).unwrap() }));
        waits.recv().unwrap();
    });
    runtime.block_on(first);
}

// Only on Linux: elsewhere the monitor starts with the workers.
#[cfg(target_os = "linux")]
#[test]
fn the_monitor_starts_when_the_first_poll_blocks() {
    let threads = Arc::default();
    let spawner = spawner(&threads, |_| false);
    let runtime = start(Config { workers: Some(2), spawner, ..Config::default() }).unwrap();
    assert_eq!(threads.asked.load(Ordering::SeqCst), 2, "nothing needs the monitor");
    block_first_poll(&runtime);
    assert!(threads.asked.load(Ordering::SeqCst) >= 3);
    drop(runtime);
    assert_eq!(threads.alive.load(Ordering::SeqCst), 0);
}

#[test]
fn a_refused_monitor_is_requested_again() {
    let threads = Arc::default();
    // Elsewhere than on Linux the monitor starts with the workers, and a spare thread is refused.
    let refused = if cfg!(target_os = "linux") { 2 } else { 3 };
    let spawner = spawner(&threads, move |number| number == refused);
    let runtime = start(Config { workers: Some(2), spawner, ..Config::default() }).unwrap();
    block_first_poll(&runtime);
    assert!(threads.asked.load(Ordering::SeqCst) >= 3);
    drop(runtime);
    assert_eq!(threads.alive.load(Ordering::SeqCst), 0);
}

#[test]
fn a_runtime_that_ends_before_its_monitor_has_started_leaves_no_thread() {
    for _ in 0..20 {
        let threads = Arc::default();
        let spawner = spawner(&threads, |_| false);
        let runtime = start(Config { workers: Some(2), spawner, ..Config::default() }).unwrap();
        drop(runtime.spawn(async {}));
        drop(runtime);
        assert_eq!(threads.alive.load(Ordering::SeqCst), 0);
    }
}

#[test]
fn a_thread_that_begins_after_the_shutdown_ends_at_once() {
    let (begin, may_begin) = mpsc::channel::<()>();
    let (ends, end) = mpsc::channel();
    let gate = std::sync::Mutex::new(Some((may_begin, ends)));
    let system = system_spawner();
    let spawner: Spawner = Arc::new(move |spec: ThreadSpec| {
        // The worker is the first.
        let Some((may_begin, ends)) = gate.lock().unwrap().take() else { return system(spec) };
        let ThreadSpec { name, stack_size, body } = spec;
        let body = Box::new(move || {
            may_begin.recv().unwrap();
            ends.send(catch_unwind(AssertUnwindSafe(body)).is_ok()).unwrap();
        });
        system(ThreadSpec { name, stack_size, body })
    });
    let runtime = start(Config { workers: Some(1), spawner, ..Config::default() }).unwrap();
    assert_eq!(runtime.shutdown(Duration::ZERO).stuck_workers, 1);
    begin.send(()).unwrap();
    assert!(end.recv().unwrap(), "it panicked");
}
