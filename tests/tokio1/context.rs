//! With the feature `tokio1`, a tokio context exists wherever reveille polls, and nowhere else.

use reveille_watchdog as _;

use std::time::Duration;

use async_std::task;
use tokio::runtime::{Builder, Handle};

/// The variable with the name of the test, set in the process that the test starts.
const CHILD: &str = "REVEILLE_TEST_TOKIO1";

fn has_context() -> bool {
    Handle::try_current().is_ok()
}

#[test]
fn point_17_block_on_has_the_context_until_it_returns() {
    assert!(!has_context());
    task::block_on(async {
        assert!(has_context());
        task::yield_now().await;
        assert!(has_context());
    });
    task::Builder::new().blocking(async { assert!(has_context()) });
    assert!(!has_context());
}

#[test]
fn block_on_that_panicked_leaves_no_context_behind() {
    let panicked = std::panic::catch_unwind(|| task::block_on(async { panic!("on purpose") }));
    assert!(panicked.is_err());
    assert!(!has_context());
}

#[async_std::test]
async fn the_attributes_have_the_context() {
    assert!(has_context());
}

#[test]
fn nested_block_on_has_the_context_and_restores_it() {
    task::block_on(async {
        task::block_on(async { assert!(has_context()) });
        assert!(has_context());
    });
    assert!(!has_context());
}

#[test]
fn point_17_workers_have_the_context() {
    assert!(task::block_on(task::spawn(async { has_context() })));
    assert!(task::block_on(async { task::spawn(async { has_context() }).await }));
    let named = task::Builder::new().name("named".to_string()).spawn(async { has_context() });
    assert!(task::block_on(named.unwrap()));
}

#[test]
fn point_17_local_tasks_have_the_context_in_block_on_and_on_workers() {
    assert!(task::block_on(async { task::spawn_local(async { has_context() }).await }));
    let on_a_worker = task::spawn(async { task::spawn_local(async { has_context() }).await });
    assert!(task::block_on(on_a_worker));
}

#[test]
fn blocking_closures_and_a_block_on_inside_them_have_the_context() {
    assert!(task::block_on(task::spawn_blocking(has_context)));
    let inside = || task::block_on(async { has_context() });
    assert!(task::block_on(task::spawn_blocking(inside)));
}

/// The thread that takes over from a worker whose poll blocks has the context too.
#[test]
fn threads_that_take_over_have_the_context() {
    let runtime = reveille::runtime::Builder::new().workers(1).build().unwrap();
    let (blocked, gate) = std::sync::mpsc::channel();
    let (sender, receiver) = std::sync::mpsc::channel();
    let blocking = runtime.spawn(async move {
        let has = reveille::task::spawn(async { has_context() });
        blocked.send(()).unwrap();
        // Blocks the only worker until a task has run. Only a thread that takes the worker over can
        // run it.
        receiver.recv().unwrap();
        has.await
    });
    gate.recv().unwrap();
    let released = runtime.spawn(async move {
        sender.send(()).unwrap();
        has_context()
    });
    assert!(task::block_on(released));
    assert!(task::block_on(blocking));
    assert!(runtime.metrics().takeovers >= 1);
}

#[test]
fn an_explicit_runtime_has_the_context() {
    let runtime = reveille::runtime::Builder::new().workers(1).build().unwrap();
    assert!(runtime.block_on(async { has_context() }));
    assert!(task::block_on(runtime.spawn(async { has_context() })));
}

#[test]
fn all_threads_are_in_the_context_of_one_runtime() {
    let id = || Handle::current().id();
    let here = task::block_on(async move { id() });
    assert_eq!(here, task::block_on(task::spawn(async move { id() })));
    assert_eq!(here, task::block_on(task::spawn_blocking(id)));
}

/// A context that the program entered itself is kept.
#[test]
fn the_programs_own_context_is_restored() {
    let own = Builder::new_current_thread().enable_all().build().unwrap();
    let _guard = own.enter();
    let id = Handle::current().id();
    task::block_on(async move { assert_ne!(Handle::current().id(), id) });
    assert_eq!(Handle::current().id(), id);
}

/// Runs inside a task of tokio's current-thread runtime, which cannot turn its timers meanwhile.
#[test]
fn block_on_inside_a_single_threaded_tokio_runtime_ends() {
    let own = Builder::new_current_thread().enable_all().build().unwrap();
    own.block_on(async {
        task::block_on(async { tokio::time::sleep(Duration::from_millis(5)).await });
    });
}

/// Runs `child` in a process of its own, where nothing has started the runtime yet.
fn in_a_process_of_its_own(name: &str, child: impl FnOnce()) {
    with_tokio_workers(2, name, child);
}

/// The same, with this number of workers of tokio.
fn with_tokio_workers(workers: usize, name: &str, child: impl FnOnce()) {
    if std::env::var_os(CHILD).is_some() {
        return child();
    }
    let output = reveille_watchdog::itself()
        .args(["--exact", name, "--test-threads", "1"])
        .env(CHILD, name)
        .env("TOKIO_WORKER_THREADS", workers.to_string())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

/// The number of tokio's threads in this process.
fn tokio_threads() -> usize {
    let threads = std::fs::read_dir("/proc/self/task").unwrap();
    let names = threads.map(|thread| std::fs::read_to_string(thread.unwrap().path().join("comm")));
    // A thread that has just ended has no name.
    names.filter(|name| name.as_ref().is_ok_and(|name| name.trim() == "reveille-tokio1")).count()
}

/// Waits for tokio's clock, so that one of its threads has begun and has its name.
async fn is_served() -> bool {
    tokio::time::sleep(Duration::from_millis(1)).await;
    tokio_threads() > 0
}

/// The feature alone starts nothing: the first poll of a `block_on` does.
#[cfg(target_os = "linux")]
#[test]
fn tokio_starts_with_the_first_poll() {
    in_a_process_of_its_own("tokio_starts_with_the_first_poll", || {
        drop(async_std::task::sleep(Duration::ZERO));
        assert_eq!(tokio_threads(), 0);
        assert!(task::block_on(is_served()));
    });
}

/// None of the program's code runs on a thread of reveille, so nothing could use the context there.
#[cfg(target_os = "linux")]
#[test]
fn files_timers_and_a_runtime_without_tasks_start_no_tokio() {
    in_a_process_of_its_own("files_timers_and_a_runtime_without_tasks_start_no_tokio", || {
        let runtime = reveille::runtime::Builder::new().workers(1).build().unwrap();
        futures_lite::future::block_on(async {
            task::sleep(Duration::from_millis(1)).await;
            async_std::fs::read("Cargo.toml").await.unwrap();
            async_std::net::TcpListener::bind("localhost:0").await.unwrap();
        });
        assert_eq!(tokio_threads(), 0);
        assert!(futures_lite::future::block_on(runtime.spawn(is_served())));
    });
}

#[cfg(target_os = "linux")]
#[test]
fn tokio_starts_with_the_first_blocking_closure() {
    in_a_process_of_its_own("tokio_starts_with_the_first_blocking_closure", || {
        let serve = || futures_lite::future::block_on(is_served());
        assert!(futures_lite::future::block_on(task::spawn_blocking(serve)));
    });
}

/// One worker is handed to another thread and back, repeatedly.
#[test]
fn a_worker_has_the_context_after_a_handoff() {
    let runtime = reveille::runtime::Builder::new().workers(1).build().unwrap();
    for _ in 0..3 {
        let blocks = runtime.spawn(async {
            // Hands the worker off, and waits for a worker afterwards.
            let nested = task::block_on(reveille::task::spawn(async { has_context() }));
            task::yield_now().await;
            nested && has_context()
        });
        assert!(task::block_on(blocks));
    }
}

/// Uses the timers of both runtimes inside one of our polls, which ends only after the timers.
#[test]
fn a_runtime_of_tokio_that_blocks_on_inside_a_poll_makes_progress() {
    const SHORT: Duration = Duration::from_millis(5);
    let nested = || {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            task::sleep(SHORT).await;
            tokio::time::sleep(SHORT).await;
            task::spawn(task::sleep(SHORT)).await;
            task::spawn_local(task::sleep(SHORT)).await;
        });
    };
    task::block_on(async { nested() });
    task::block_on(async { task::spawn_local(async move { nested() }).await });
    task::block_on(task::spawn(async move { nested() }));
    task::block_on(task::spawn_blocking(nested));
}

/// The only worker of tokio waits in `block_on` for tasks that it has to run itself.
#[test]
fn block_on_in_a_task_of_tokio_lets_the_other_tasks_of_its_thread_run() {
    let name = "block_on_in_a_task_of_tokio_lets_the_other_tasks_of_its_thread_run";
    with_tokio_workers(1, name, || {
        let sum = task::block_on(async {
            let outer = tokio::spawn(async {
                let next = tokio::spawn(async { 1 });
                let nested = tokio::spawn(async {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                    task::block_on(tokio::spawn(async { 2 })).unwrap()
                });
                let runtime = reveille::runtime::Builder::new().workers(1).build().unwrap();
                let own = runtime.block_on(tokio::spawn(async { 4 })).unwrap();
                task::block_on(async { next.await.unwrap() + nested.await.unwrap() + own })
            });
            outer.await.unwrap()
        });
        assert_eq!(sum, 7);
    });
}

#[test]
fn a_guard_gives_the_context_to_code_outside_of_tasks() {
    assert!(!has_context());
    let interval = {
        let _guard = reveille::tokio1::enter();
        assert!(has_context());
        let inner = reveille::tokio1::enter();
        assert_eq!(Handle::current().id(), task::block_on(async { Handle::current().id() }));
        drop(inner);
        assert!(has_context());
        tokio::time::interval(Duration::from_millis(1))
    };
    assert!(!has_context());
    task::block_on(async move {
        let mut interval = interval;
        interval.tick().await;
    });
}

/// What is dropped between two `block_on`s may use tokio, as a pool does that closes connections in
/// the background.
#[test]
fn a_guard_lets_main_drop_what_spawns_on_drop() {
    struct SpawnsOnDrop(std::sync::mpsc::Sender<u8>);
    impl Drop for SpawnsOnDrop {
        fn drop(&mut self) {
            let sender = self.0.clone();
            tokio::spawn(async move { sender.send(1) });
        }
    }
    let (sender, receiver) = std::sync::mpsc::channel();
    let pool = task::block_on(async { SpawnsOnDrop(sender) });
    let guard = reveille::tokio1::enter();
    drop(pool);
    drop(guard);
    assert_eq!(receiver.recv(), Ok(1));
}

#[test]
fn a_local_task_in_a_task_of_tokio_runs_while_it_is_awaited_on_its_thread() {
    let name = "a_local_task_in_a_task_of_tokio_runs_while_it_is_awaited_on_its_thread";
    with_tokio_workers(1, name, || {
        let sum = task::block_on(async {
            let outer = tokio::spawn(async {
                let local = task::spawn_local(async {
                    task::sleep(Duration::from_millis(1)).await;
                    task::spawn_local(async { 3 }).await
                });
                let blocking = task::block_on(async { task::spawn_local(async { 4 }).await });
                local.await + blocking
            });
            outer.await.unwrap()
        });
        assert_eq!(sum, 7);
    });
}

/// While the `block_on` sleeps, tokio gives its thread's tasks to another thread, on which the task
/// is then polled.
#[test]
fn a_local_task_whose_thread_tokio_has_replaced_is_a_panic_and_not_a_hang() {
    let name = "a_local_task_whose_thread_tokio_has_replaced_is_a_panic_and_not_a_hang";
    with_tokio_workers(1, name, || {
        let error = task::block_on(async {
            let outer = tokio::spawn(async {
                let thread = std::thread::current().id();
                task::block_on(async {
                    // Ends when another thread of tokio has run it.
                    let other = async move { assert_ne!(std::thread::current().id(), thread) };
                    tokio::spawn(other).await.unwrap();
                });
                let local = task::spawn_local(std::future::pending::<()>());
                tokio::task::yield_now().await;
                assert_ne!(std::thread::current().id(), thread);
                local.await;
            });
            outer.await.unwrap_err()
        });
        assert_names_spawn_local(error);
    });
}

#[test]
fn a_local_task_of_another_thread_of_tokio_is_a_panic_and_not_a_hang() {
    let name = "a_local_task_of_another_thread_of_tokio_is_a_panic_and_not_a_hang";
    in_a_process_of_its_own(name, || {
        let (handles, handle) = std::sync::mpsc::channel();
        let (over, is_over) = std::sync::mpsc::channel::<()>();
        let error = task::block_on(async move {
            // Keeps its thread until the other task has ended on another one.
            let first = tokio::spawn(async move {
                handles.send(task::spawn_local(std::future::pending::<()>())).unwrap();
                let _ = is_over.recv();
            });
            let second = tokio::spawn(async move { handle.recv().unwrap().await });
            let error = second.await.unwrap_err();
            drop(over);
            first.await.unwrap();
            error
        });
        assert_names_spawn_local(error);
    });
}

/// Asserts that a task of tokio has panicked because its local task is on another thread.
fn assert_names_spawn_local(error: tokio::task::JoinError) {
    let payload = error.into_panic();
    let text = payload.downcast_ref::<String>().map(String::as_str);
    let text = text.or(payload.downcast_ref::<&str>().copied()).unwrap();
    assert!(text.contains("`spawn_local`") && text.contains("another thread"), "{text}");
}
