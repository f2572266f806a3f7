//! The executors through the public API: spawned tasks run on every executor, and end.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use reveille_runtime::{
    Builder, block_on, runtime::Handle, spawn, spawn_blocking, spawn_local, task, time, yield_now,
};

#[cfg(target_os = "linux")]
use crate::child;

#[test]
fn block_on_returns_the_output_of_a_borrowing_future() {
    let text = String::from("borrowed");
    assert_eq!(block_on(async { text.len() }), 8);
}

#[test]
fn spawned_tasks_run_without_any_block_on() {
    let (sender, receiver) = mpsc::channel();
    spawn(async move { sender.send(7).unwrap() });
    assert_eq!(receiver.recv(), Ok(7));
}

#[test]
fn many_tasks_spawn_many_tasks() {
    let count = Arc::new(AtomicUsize::new(0));
    block_on(async {
        let mut outer = Vec::new();
        for _ in 0..100 {
            let count = Arc::clone(&count);
            outer.push(spawn(async move {
                let inner: Vec<_> = (0..100)
                    .map(|_| {
                        let count = Arc::clone(&count);
                        spawn(async move {
                            yield_now().await;
                            count.fetch_add(1, Ordering::Relaxed);
                        })
                    })
                    .collect();
                for task in inner {
                    task.await;
                }
            }));
        }
        for task in outer {
            task.await;
        }
    });
    assert_eq!(count.load(Ordering::Relaxed), 10_000);
}

#[test]
fn local_tasks_share_an_rc() {
    let sum = Rc::new(Cell::new(0));
    block_on(async {
        let tasks: Vec<_> = (1..=3)
            .map(|n| {
                let sum = Rc::clone(&sum);
                spawn_local(async move {
                    yield_now().await;
                    sum.set(sum.get() + n);
                })
            })
            .collect();
        for task in tasks {
            task.await;
        }
    });
    assert_eq!(sum.get(), 6);
}

#[test]
fn unfinished_local_tasks_resume_at_the_next_block_on() {
    let (sender, receiver) = mpsc::channel();
    block_on(async {
        spawn_local(async move {
            for n in 0..3 {
                sender.send(n).unwrap();
                yield_now().await;
            }
        });
    });
    while receiver.try_recv() != Ok(2) {
        block_on(yield_now());
    }
}

#[test]
fn local_tasks_work_on_workers() {
    let sum = block_on(spawn(async {
        let shared = spawn_blocking(|| 1).await;
        let (sender, receiver) = mpsc::channel();
        spawn_local(async move {
            let rc = Rc::new(41);
            yield_now().await;
            sender.send(*rc).unwrap();
        });
        loop {
            match receiver.try_recv() {
                Ok(value) => return value + shared,
                Err(_) => time::Sleep::after(Duration::from_millis(1)).await,
            }
        }
    }));
    assert_eq!(sum, 42);
}

/// The worker must not park while its local task has just woken another task.
#[test]
fn a_task_awaits_a_local_task_of_its_worker() {
    let runtime = Builder::new().workers(1).build().unwrap();
    for number in 0..100 {
        let task = runtime.spawn(async move { spawn_local(async move { number }).await });
        assert_eq!(runtime.block_on(task), number);
    }
}

#[test]
fn a_sleep_never_ends_early() {
    block_on(async {
        for _ in 0..20 {
            let start = time::now();
            time::Sleep::after(Duration::from_millis(2)).await;
            assert!(time::now() - start >= Duration::from_millis(2));
        }
    });
}

#[test]
fn sleeps_on_the_pool_end() {
    block_on(async {
        let tasks: Vec<_> =
            (0..200).map(|n| spawn(time::Sleep::after(Duration::from_millis(n % 20)))).collect();
        for task in tasks {
            task.await;
        }
    });
}

#[test]
fn a_sleep_started_in_block_on_ends_in_a_task() {
    let mut sleep = time::Sleep::after(Duration::from_millis(20));
    block_on(std::future::poll_fn(|cx| {
        assert!(std::pin::Pin::new(&mut sleep).poll(cx).is_pending());
        std::task::Poll::Ready(())
    }));
    let (sender, receiver) = mpsc::channel();
    spawn(async move {
        sleep.await;
        sender.send(()).unwrap();
    });
    assert_eq!(receiver.recv(), Ok(()));
}

#[test]
fn a_million_sleeps_pend_and_are_dropped() {
    let runtime = Builder::new().workers(2).build().unwrap();
    runtime.block_on(runtime.spawn(async {
        let mut sleeps: Vec<_> = (0..1_000_000_u64)
            .map(|n| time::Sleep::after(Duration::from_secs(60 + n % 3_600)))
            .collect();
        sleeps.push(time::Sleep::after(Duration::MAX));
        std::future::poll_fn(|cx| {
            for sleep in &mut sleeps {
                assert!(std::pin::Pin::new(sleep).poll(cx).is_pending());
            }
            std::task::Poll::Ready(())
        })
        .await;
        drop(sleeps);
        time::Sleep::after(Duration::from_millis(1)).await;
    }));
}

#[test]
fn the_event_budget_lets_other_tasks_run() {
    use reveille_runtime::budget::poll_proceed;
    let runtime = Builder::new().workers(1).event_budget(3).build().unwrap();
    let ready = runtime.block_on(runtime.spawn(async {
        let mut ready = 0;
        std::future::poll_fn(|cx| {
            while poll_proceed(cx).is_ready() {
                ready += 1;
            }
            std::task::Poll::Ready(())
        })
        .await;
        ready
    }));
    assert_eq!(ready, 3);
}

#[test]
fn block_on_inside_every_workers_poll_makes_progress() {
    let runtime = Builder::new().workers(2).build().unwrap();
    let handle = runtime.handle();
    let total: usize = runtime.block_on(async {
        let tasks: Vec<_> = (0..16)
            .map(|n| {
                handle.spawn(async move {
                    block_on(async move { handle.spawn(async move { n }).await })
                })
            })
            .collect();
        let mut total = 0;
        for task in tasks {
            total += task.await;
        }
        total
    });
    assert_eq!(total, 120);
}

#[test]
fn block_on_inside_block_on_nests() {
    let value = block_on(async {
        let inner = block_on(async { spawn(async { 1 }).await });
        yield_now().await;
        inner + 1
    });
    assert_eq!(value, 2);
}

#[test]
fn block_on_works_inside_spawn_blocking() {
    let value = block_on(spawn_blocking(|| block_on(async { spawn(async { 5 }).await })));
    assert_eq!(value, 5);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "blocks a worker on purpose")]
fn a_blocked_poll_stops_no_other_task() {
    let runtime = Builder::new().workers(1).build().unwrap();
    let (release, blocked) = mpsc::channel::<()>();
    let stuck = runtime.spawn(async move { blocked.recv().is_ok() });
    // The only worker is, or will be, inside `recv`. Other tasks, timers and wakes still work.
    runtime.block_on(async {
        for n in 0..10 {
            assert_eq!(spawn(async move { n }).await, n);
            time::Sleep::after(Duration::from_millis(1)).await;
            spawn(time::Sleep::after(Duration::from_millis(1))).await;
        }
    });
    release.send(()).unwrap();
    assert!(runtime.block_on(stuck));
    assert!(runtime.metrics().takeovers >= 1);
    std::thread::sleep(Duration::from_millis(1));
}

#[test]
fn a_dropped_runtime_drops_its_futures_and_joins_its_threads() {
    struct OnDrop(mpsc::Sender<()>);
    impl Drop for OnDrop {
        fn drop(&mut self) {
            let _ = self.0.send(());
        }
    }
    let (sender, receiver) = mpsc::channel();
    let runtime = Builder::new().workers(2).build().unwrap();
    for _ in 0..100 {
        let guard = OnDrop(sender.clone());
        runtime.spawn(async move {
            let _guard = guard;
            std::future::pending::<()>().await;
        });
    }
    let handle = runtime.handle();
    drop(runtime);
    assert_eq!(receiver.try_iter().count(), 100);
    assert!(!handle.is_running());
    let late = handle.spawn(async { 1 });
    assert_eq!(block_on(late.cancel()), None);
}

#[test]
fn a_shutdown_counts_the_tasks_that_never_ran() {
    let runtime = Builder::new().workers(1).max_spare_threads(0).build().unwrap();
    let (started, start) = mpsc::channel();
    let (release, gate) = mpsc::channel::<()>();
    drop(runtime.spawn(async move {
        started.send(()).unwrap();
        gate.recv().unwrap();
    }));
    start.recv().unwrap();
    for _ in 0..10 {
        drop(runtime.spawn(async {}));
    }
    let report = runtime.shutdown(Duration::ZERO);
    assert_eq!((report.stuck_workers, report.cancelled_tasks), (1, 11));
    release.send(()).unwrap();
}

// Only on Linux: it counts threads and descriptors in /proc.
#[cfg(target_os = "linux")]
#[test]
fn a_thousand_runtimes_leave_nothing_behind() {
    // Alone, because other tests have threads and descriptors of their own.
    let output = child::run(|| {
        let threads = || std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count);
        let fds = || std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
        let build = || {
            let runtime = Builder::new().workers(2).build().unwrap();
            runtime.block_on(async { spawn(async { 1 }).await })
        };
        build();
        let before = (threads(), fds());
        for _ in 0..1_000 {
            assert_eq!(build(), 1);
        }
        // A thread that watches all runtimes may have started meanwhile.
        assert!(threads() < before.0 + 10, "{} threads", threads());
        assert!(fds() < before.1 + 10, "{} descriptors", fds());
    });
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_metrics_of_a_runtime_start_at_zero() {
    for _ in 0..10 {
        let runtime = Builder::new().workers(3).build().unwrap();
        assert_eq!(runtime.metrics().polls, 0);
        runtime.block_on(runtime.spawn(yield_now()));
        assert_eq!(runtime.metrics().polls, 2);
    }
}

#[test]
fn a_detached_task_without_wakers_is_not_dropped() {
    struct OnDrop(Arc<AtomicUsize>);
    impl Drop for OnDrop {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let drops = Arc::new(AtomicUsize::new(0));
    let runtime = Builder::new().workers(1).build().unwrap();
    let (sender, receiver) = mpsc::channel();
    let guard = OnDrop(Arc::clone(&drops));
    drop(runtime.spawn(async move {
        let _guard = guard;
        sender.send(()).unwrap();
        std::future::pending::<()>().await;
    }));
    receiver.recv().unwrap();
    // The worker has finished that poll when it has run another task.
    runtime.block_on(runtime.spawn(yield_now()));
    assert_eq!(drops.load(Ordering::SeqCst), 0);
    drop(runtime);
    assert_eq!(drops.load(Ordering::SeqCst), 1);
}

#[test]
fn the_current_task_has_a_name() {
    let name = block_on(task::spawn_named(Some("named".into()), async {
        task::try_current().and_then(|task| task.name().map(str::to_owned))
    }));
    assert_eq!(name.as_deref(), Some("named"));
    assert!(task::try_current().is_none());
    assert!(Handle::current().is_running());
}

#[test]
fn a_panic_reaches_the_awaiter_and_workers_survive() {
    let task = spawn(async { panic!("expected by the test") });
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| block_on(task)));
    assert!(caught.is_err());
    assert_eq!(block_on(spawn(async { 3 })), 3);
}
