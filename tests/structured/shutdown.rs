//! `Runtime::shutdown_gracefully`: running work may finish, and what does not is named.

use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use reveille::runtime::{Builder, Runtime};
use reveille::task::{self, CancellationToken};

/// Longer than any test takes: a shutdown that uses all of it has failed.
const LONG: Duration = Duration::from_secs(600);
const SHORT: Duration = Duration::from_millis(30);

fn runtime(workers: usize) -> Runtime {
    Builder::new().workers(workers).max_blocking_threads(1).build().unwrap()
}

/// Spawns a task with a name onto the runtime.
fn named<F>(runtime: &Runtime, name: &str, future: F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let builder = task::Builder::new().name(name.to_owned());
    runtime.block_on(async { drop(builder.spawn(future).unwrap()) });
}

#[test]
fn an_idle_runtime_ends_at_once() {
    let report = runtime(2).shutdown_gracefully(LONG);
    assert!(report.is_complete());
    assert_eq!(report.finished_tasks, 0);
}

#[test]
fn what_runs_may_finish_and_spawn_what_it_needs() {
    for workers in [1, 2] {
        let runtime = runtime(workers);
        let task = runtime.spawn(async {
            // The shutdown begins before, even on a slow machine.
            task::sleep(Duration::from_millis(500)).await;
            let closure = task::spawn_blocking(|| task::block_on(task::spawn(async { 1 })));
            let child = task::spawn(async {
                task::sleep(Duration::from_millis(5)).await;
                2
            });
            closure.await + child.await
        });
        let report = runtime.shutdown_gracefully(LONG);
        assert!(report.is_complete(), "{report}");
        assert!(report.finished_tasks >= 1);
        assert_eq!(task::block_on(task), 3);
    }
}

#[test]
fn a_detached_closure_is_waited_for() {
    let runtime = runtime(1);
    let done = Arc::new(AtomicUsize::new(0));
    runtime.block_on(async {
        for _ in 0..2 {
            let done = Arc::clone(&done);
            drop(task::spawn_blocking(move || {
                task::block_on(task::sleep(Duration::from_millis(5)));
                done.fetch_add(1, Ordering::SeqCst);
            }));
        }
    });
    assert!(runtime.shutdown_gracefully(LONG).is_complete());
    // The second one was queued behind the first, on one thread.
    assert_eq!(done.load(Ordering::SeqCst), 2);
}

#[test]
fn what_does_not_finish_is_named_with_its_location() {
    let runtime = runtime(2);
    named(&runtime, "the reader", pending());
    let line = line!() + 1;
    runtime.spawn(async { pending::<()>().await });
    runtime.spawn(async {});
    let report = runtime.shutdown_gracefully(SHORT);
    assert_eq!(report.cancelled.len(), 2, "{report}");
    assert_eq!((report.stuck_workers, report.running_closures), (0, 0));
    let by_name = report.cancelled.iter().find(|task| task.name.is_some()).unwrap();
    assert_eq!(by_name.name.as_deref(), Some("the reader"));
    let other = report.cancelled.iter().find(|task| task.name.is_none()).unwrap();
    let place = other.spawned_at.unwrap();
    assert!(place.file() == file!() && place.line() == line);
    assert!(!other.is_stuck && other.id != by_name.id);
    let text = report.to_string();
    assert!(text.contains("'the reader', spawned at"), "{text}");
}

#[test]
fn a_draining_runtime_refuses_tasks_from_outside() {
    let runtime = runtime(1);
    let handle = runtime.handle();
    let (on_start, started) = mpsc::channel::<()>();
    let (release, released) = mpsc::channel::<()>();
    runtime.spawn(async move {
        drop(on_start);
        // Spawned from inside, so that the runtime is certainly draining; see below.
        while released.try_recv().is_err() {
            task::sleep(Duration::from_millis(1)).await;
        }
    });
    assert!(started.recv().is_err());
    let outsider = thread::Builder::new()
        .spawn(move || {
            // Accepted until the shutdown has begun, and refused from then on.
            let refused =
                std::iter::repeat_with(|| task::block_on(handle.spawn(async {}).result()))
                    .find_map(Result::err)
                    .unwrap();
            release.send(()).unwrap();
            refused
        })
        .unwrap();
    let report = runtime.shutdown_gracefully(LONG);
    assert!(report.is_complete(), "{report}");
    assert!(outsider.join().unwrap().is_cancelled());
}

#[test]
fn a_stuck_poll_and_a_stuck_closure_are_reported_and_not_waited_for() {
    let runtime = runtime(1);
    let (release, released) = mpsc::channel::<()>();
    let (also, also_released) = mpsc::channel::<()>();
    let (on_start, started) = mpsc::channel();
    let closure_started = on_start.clone();
    named(&runtime, "wedged", async move {
        on_start.send(()).unwrap();
        let _ = released.recv();
    });
    runtime.block_on(async {
        drop(task::spawn_blocking(move || {
            closure_started.send(()).unwrap();
            let _ = also_released.recv();
        }));
        drop(task::spawn_blocking(|| unreachable!("there is one thread, and it is taken")));
    });
    started.recv().unwrap();
    started.recv().unwrap();
    let report = runtime.shutdown_gracefully(SHORT);
    assert_eq!(report.stuck_workers, 1, "{report}");
    assert_eq!((report.running_closures, report.dropped_closures), (1, 1), "{report}");
    let wedged = report.cancelled.iter().find(|task| task.name.is_some()).unwrap();
    assert!(wedged.is_stuck && wedged.name.as_deref() == Some("wedged"));
    assert!(!report.is_complete());
    drop((release, also));
}

#[test]
fn a_token_that_is_cancelled_ends_the_tasks_before_the_shutdown() {
    let runtime = runtime(2);
    let token = CancellationToken::new();
    for _ in 0..100 {
        let token = token.clone();
        runtime.spawn(async move { token.run(pending::<()>()).await.unwrap_err() });
    }
    token.cancel();
    let report = runtime.shutdown_gracefully(LONG);
    assert!(report.is_complete(), "{report}");
}

#[test]
fn a_runtime_may_end_itself() {
    let runtime = runtime(1);
    let handle = runtime.handle();
    let (sender, receiver) = mpsc::channel::<Runtime>();
    let ends = handle.spawn(async move {
        let report = receiver.recv().unwrap().shutdown_gracefully(LONG);
        assert!(report.is_complete());
    });
    sender.send(runtime).unwrap();
    task::block_on(ends);
    while handle.is_running() {
        thread::yield_now();
    }
}

#[test]
fn a_shutdown_without_grace_time_counts_the_tasks_that_were_still_queued() {
    let runtime = Builder::new().workers(1).max_spare_threads(0).build().unwrap();
    let (release, released) = mpsc::channel::<()>();
    let (on_start, started) = mpsc::channel();
    runtime.spawn(async move {
        on_start.send(()).unwrap();
        let _ = released.recv();
    });
    started.recv().unwrap();
    // The only worker is in a poll, and there is no spare one: these stay in the queue.
    for _ in 0..10 {
        runtime.spawn(async {});
    }
    let report = runtime.shutdown(SHORT);
    assert_eq!((report.cancelled_tasks, report.stuck_workers), (11, 1));
    drop(release);
}

#[test]
fn a_hundred_thousand_tasks_finish_or_are_cancelled_and_all_are_counted() {
    let runtime = runtime(2);
    let ended = Arc::new(AtomicUsize::new(0));
    for n in 0..100_000 {
        let ended = Arc::clone(&ended);
        runtime.spawn(async move {
            match n % 2 {
                0 => task::yield_now().await,
                _ => pending().await,
            }
            ended.fetch_add(1, Ordering::Relaxed);
        });
    }
    let report = runtime.shutdown_gracefully(Duration::from_secs(5));
    let ended = ended.load(Ordering::Relaxed);
    // A slow machine does not end all tasks that could end.
    assert!(report.cancelled.len() >= 50_000);
    assert_eq!(report.cancelled.len() + ended, 100_000);
    // Some tasks had ended before the shutdown began.
    assert!(report.finished_tasks <= ended);
}
