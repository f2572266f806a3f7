//! The behaviour that async-global-executor's users rely on, and where the shim works differently.

#![allow(clippy::disallowed_methods, reason = "tests start threads")]

use reveille_watchdog as _;

use std::cell::Cell;
use std::future::poll_fn;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Waker};
use std::thread::{self, ThreadId};
use std::time::Duration;

use async_global_executor::{
    Task, block_on, init, spawn, spawn_blocking, spawn_local, spawn_more_threads,
    stop_current_thread, stop_thread,
};
use futures_lite::{FutureExt, future};
use reveille_runtime::{Builder, task};

/// Sends the thread that drops it.
struct SendsDrop(mpsc::Sender<ThreadId>);

impl Drop for SendsDrop {
    fn drop(&mut self) {
        // Some tests no longer wait for it.
        let _ = self.0.send(thread::current().id());
    }
}

/// Never ends, and sends the thread that drops it.
async fn held(dropped: SendsDrop) {
    let _dropped = dropped;
    future::pending::<()>().await;
}

#[test]
fn tasks_of_all_kinds_end_with_their_output() {
    let sum = block_on(async {
        let (one, two) = future::zip(spawn(async { 1 }), spawn_local(async { 2 })).await;
        let nested = spawn(async { spawn_local(async { spawn(async { 3 }).await }).await });
        one + two + nested.await + spawn_blocking(|| 4).await
    });
    assert_eq!(sum, 10);
}

#[test]
fn a_task_that_is_woken_during_its_polls_is_polled_again() {
    let polls = |count: usize| async move {
        let mut seen = 0;
        poll_fn(|cx| {
            seen += 1;
            cx.waker().wake_by_ref();
            if seen < count { Poll::Pending } else { Poll::Ready(seen) }
        })
        .await
    };
    assert_eq!(block_on(spawn(polls(1000))), 1000);
    assert_eq!(block_on(spawn_local(polls(1000))), 1000);
}

#[test]
fn wakes_of_other_threads_are_not_lost() {
    let cell: Arc<Mutex<Option<Waker>>> = Arc::default();
    let turn = Arc::new(AtomicUsize::new(0));
    let (waiting, seen) = (cell.clone(), turn.clone());
    let task = spawn(async move {
        for round in 1..=2000 {
            poll_fn(|cx| {
                *waiting.lock().unwrap() = Some(cx.waker().clone());
                if seen.load(Ordering::SeqCst) >= round { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
        }
    });
    while !task.is_finished() {
        turn.fetch_add(1, Ordering::SeqCst);
        let waker = cell.lock().unwrap().take();
        waker.into_iter().for_each(Waker::wake);
        thread::yield_now();
    }
    block_on(task);
}

#[test]
fn dropping_a_handle_drops_the_future() {
    let (sender, dropped) = mpsc::channel();
    let task = spawn(held(SendsDrop(sender)));
    drop(task);
    assert!(dropped.recv().is_ok());
}

#[test]
fn cancel_waits_until_the_future_is_dropped() {
    struct SetsOnDrop(Arc<AtomicBool>);
    impl Drop for SetsOnDrop {
        fn drop(&mut self) {
            thread::sleep(Duration::from_millis(1));
            self.0.store(true, Ordering::SeqCst);
        }
    }
    for _ in 0..20 {
        let is_dropped = Arc::new(AtomicBool::new(false));
        let guard = SetsOnDrop(is_dropped.clone());
        let task = spawn(async move {
            let _guard = guard;
            future::pending::<()>().await;
        });
        assert_eq!(block_on(task.cancel()), None);
        assert!(is_dropped.load(Ordering::SeqCst));
    }
    let task = spawn(async { 5 });
    while !task.is_finished() {
        thread::yield_now();
    }
    assert_eq!(block_on(task.cancel()), Some(5));
}

#[test]
fn a_panic_resumes_where_the_task_is_awaited() {
    let panics = || async { panic!("planned") };
    let tasks: [Task<()>; 2] = [spawn(panics()), spawn_local(panics())];
    for task in tasks {
        let panic = block_on(AssertUnwindSafe(task).catch_unwind()).unwrap_err();
        assert_eq!(panic.downcast_ref::<&str>(), Some(&"planned"));
    }
}

#[test]
fn a_detached_task_runs() {
    let (sender, receiver) = mpsc::channel();
    spawn(async move { sender.send(7) }).detach();
    assert_eq!(receiver.recv(), Ok(7));
}

#[test]
fn a_task_is_one_task_of_reveille_until_it_ends() {
    let ids = |kind: &str| {
        let kind = kind.to_owned();
        async move {
            let first = task::try_current().map(|task| task.id());
            assert!(first.is_some(), "{kind}");
            for _ in 0..10 {
                future::yield_now().await;
                assert_eq!(task::try_current().map(|task| task.id()), first, "{kind}");
            }
        }
    };
    block_on(spawn(ids("spawn")));
    block_on(spawn_local(ids("spawn_local")));
}

#[test]
fn the_tasks_of_a_runtime_end_with_it() {
    for _ in 0..20 {
        let runtime = Builder::new().workers(2).build().unwrap();
        let (sender, dropped) = mpsc::channel();
        let tasks = runtime.block_on(async move {
            let tasks: Vec<Task<()>> =
                (0..10).map(|_| spawn(held(SendsDrop(sender.clone())))).collect();
            future::yield_now().await;
            tasks
        });
        drop(runtime);
        assert_eq!(dropped.iter().count(), 10, "each future was dropped");
        for task in tasks {
            assert_eq!(future::block_on(task.fallible()), None);
        }
    }
}

/// A task that another thread wakes all the time, which may hold its `Runnable` for a moment.
#[test]
fn a_task_that_is_woken_while_its_runtime_ends_is_dropped() {
    for _ in 0..50 {
        let runtime = Builder::new().workers(1).build().unwrap();
        let (sender, dropped) = mpsc::channel();
        let (wakers, waker) = mpsc::channel::<Waker>();
        let guard = SendsDrop(sender);
        let future = async move {
            let _guard = guard;
            let mut wakers = Some(wakers);
            poll_fn(|cx| {
                wakers.take().into_iter().for_each(|wakers| {
                    wakers.send(cx.waker().clone()).expect("the test waits for it");
                });
                Poll::<()>::Pending
            })
            .await;
        };
        let mut future = Some(future);
        // Spawns onto this runtime.
        let task = runtime.block_on(poll_fn(|_| Poll::Ready(future.take().map(spawn)))).unwrap();
        let waker = waker.recv().unwrap();
        let is_over = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !is_over.load(Ordering::SeqCst) {
                    waker.wake_by_ref();
                }
            });
            drop(runtime);
            assert!(dropped.recv().is_ok());
            is_over.store(true, Ordering::SeqCst);
        });
        assert_eq!(future::block_on(task.fallible()), None);
    }
}

#[test]
fn a_local_future_stays_on_its_thread_whatever_thread_cancels_it() {
    let (sender, dropped) = mpsc::channel();
    let own = thread::current().id();
    block_on(async {
        let task = spawn_local(held(SendsDrop(sender)));
        future::yield_now().await;
        thread::spawn(move || drop(task)).join().unwrap();
        // The cancelled task is polled once more, here.
        while dropped.try_recv() != Ok(own) {
            future::yield_now().await;
        }
    });
}

#[test]
fn a_local_future_is_dropped_when_its_thread_ends() {
    let (sender, dropped) = mpsc::channel();
    let thread = thread::spawn(move || {
        let task = spawn_local(held(SendsDrop(sender)));
        block_on(future::yield_now());
        task.detach();
        thread::current().id()
    });
    assert_eq!(dropped.recv().ok(), thread.join().ok());
}

#[test]
fn local_tasks_share_what_cannot_be_sent() {
    let shared = Rc::new(Cell::new(0));
    block_on(async {
        let tasks: Vec<Task<()>> = (0..10)
            .map(|number| {
                let shared = shared.clone();
                spawn_local(async move {
                    future::yield_now().await;
                    shared.set(shared.get() + number);
                })
            })
            .collect();
        for task in tasks {
            task.await;
        }
    });
    assert_eq!(shared.get(), 45);
}

#[test]
fn a_task_that_is_polled_by_another_executor_ends() {
    let task = spawn(async { spawn_blocking(|| 3).await });
    assert_eq!(future::block_on(task), 3);
}

#[test]
fn no_thread_is_added_and_none_stopped() {
    init();
    block_on(async {
        assert_eq!(spawn_more_threads(3).await.unwrap(), 0);
        assert!(!stop_thread().await);
        assert!(!stop_current_thread().await);
    });
}

#[test]
fn a_waker_that_is_kept_after_the_end_does_nothing() {
    let (wakers, waker) = mpsc::channel::<Waker>();
    block_on(spawn(async move {
        let ends = AtomicBool::new(false);
        poll_fn(|cx: &mut Context<'_>| {
            if ends.swap(true, Ordering::SeqCst) {
                return Poll::Ready(());
            }
            wakers.send(cx.waker().clone()).unwrap();
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }));
    let waker = waker.recv().unwrap();
    waker.wake_by_ref();
    waker.wake();
}

// Only on Linux: it lists threads in /proc.
#[cfg(target_os = "linux")]
#[test]
fn no_thread_of_the_original_runs() {
    block_on(async {
        spawn(async { spawn_blocking(|| ()).await }).await;
        for entry in std::fs::read_dir("/proc/self/task").unwrap() {
            // A thread may end meanwhile.
            let path = entry.unwrap().path().join("comm");
            let name = std::fs::read_to_string(path).unwrap_or_default();
            for prefix in ["async-global", "async-io", "blocking-"] {
                assert!(!name.starts_with(prefix), "{name}");
            }
        }
    });
}
