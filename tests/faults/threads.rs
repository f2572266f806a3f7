//! Thread exhaustion: the system refuses new threads. Operations that need one fail with an error
//! that says so. Everything else continues, and all operations work again when threads are
//! available.
//!
//! The stack size makes a thread fail to start, because limits on the number of threads do not
//! apply to root.

use std::sync::mpsc;
use std::time::Duration;

use reveille::runtime::Builder;
use reveille::task;
use reveille_tests::measure::{block_thread, descriptors, now, threads};
use reveille_tests::{child, test_name};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// While this value exists, the address space has no room for another stack.
struct NoThreads(Rlimit);

impl NoThreads {
    fn begin() -> NoThreads {
        wait_for_sleepers();
        let before = getrlimit(Resource::As);
        let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
        let pages: u64 = pages.split(' ').next().unwrap().parse().unwrap();
        // A stack is 2 MiB; half of one is left for everything else.
        let current = pages * rustix::param::page_size() as u64 + (1 << 20);
        setrlimit(Resource::As, Rlimit { current: Some(current), ..before }).unwrap();
        NoThreads(before)
    }
}

impl Drop for NoThreads {
    fn drop(&mut self) {
        setrlimit(Resource::As, self.0).unwrap();
    }
}

/// Waits until every other thread sleeps: a thread that is still starting needs memory, and std
/// aborts the process if there is none.
fn wait_for_sleepers() {
    let own = std::fs::read_link("/proc/thread-self").unwrap();
    let all_sleep = || {
        let mut others = std::fs::read_dir("/proc/self/task").unwrap();
        others.all(|task| {
            let task = task.unwrap();
            let stat = std::fs::read_to_string(task.path().join("stat")).unwrap_or_default();
            own.file_name() == Some(&task.file_name())
                || stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('S'))
        })
    };
    let start = now();
    let mut in_a_row = 0;
    while in_a_row < 5 {
        assert!(start.elapsed() < Duration::from_secs(60), "a thread never sleeps");
        in_a_row = if all_sleep() { in_a_row + 1 } else { 0 };
        block_thread(Duration::from_millis(2));
    }
}

#[test]
fn a_runtime_without_threads_is_an_error_and_leaves_nothing() {
    if child::has_run(test_name!()) {
        return;
    }
    /// Three quarters of all addresses, which neither 32 nor 64 bits have in one piece.
    const TOO_LARGE: usize = usize::MAX / 4 * 3;
    let before = (threads(), descriptors());
    let error = Builder::new().workers(2).stack_size(TOO_LARGE).build().expect_err("no such room");
    println!("{error}");
    assert!(error.to_string().starts_with("could not create a worker thread: "), "{error}");
    assert_eq!((threads(), descriptors()), before);
}

#[test]
fn closures_without_a_thread_are_refused_and_everything_else_continues() {
    if child::has_run(test_name!()) {
        return;
    }
    let runtime = Builder::new().workers(2).build().unwrap();
    runtime.block_on(runtime.spawn(async {
        task::sleep(Duration::from_millis(1)).await;
        let refused = {
            let _no_threads = NoThreads::begin();
            let closure = task::spawn_blocking(|| 1);
            task::spawn(task::sleep(Duration::from_millis(5))).await;
            closure.result().await
        };
        let error = refused.expect_err("there was no thread");
        println!("{error}");
        let text = "the task panicked: the blocking pool could not start a thread for a closure: ";
        assert!(error.to_string().starts_with(text), "{error}");
        assert_eq!(task::spawn_blocking(|| 1).await, 1);
    }));
}

#[test]
fn a_blocked_worker_is_handed_off_once_a_thread_can_start() {
    if child::has_run(test_name!()) {
        return;
    }
    let runtime = Builder::new().workers(1).build().unwrap();
    let (starts, has_started) = mpsc::channel();
    let (go_on, waits) = mpsc::channel::<()>();
    let no_threads = NoThreads::begin();
    let blocked = runtime.spawn(async move {
        starts.send(()).unwrap();
        waits.recv().unwrap();
    });
    has_started.recv().unwrap();
    // Only the blocked thread can run this task, because no spare thread can be started.
    let waiting = runtime.spawn(async { 7 });
    block_thread(Duration::from_millis(100));
    assert!(!waiting.is_finished());
    assert_eq!(runtime.metrics().takeovers, 0);
    let start = now();
    drop(no_threads);
    assert_eq!(runtime.block_on(waiting), 7);
    println!("relieved {:?} after threads came back", start.elapsed());
    go_on.send(()).unwrap();
    runtime.block_on(blocked);
    assert!(runtime.shutdown(Duration::from_secs(60)).is_complete());
}

#[test]
fn a_block_on_inside_a_poll_without_a_spare_thread_polls_its_workers_tasks_itself() {
    if child::has_run(test_name!()) {
        return;
    }
    let runtime = Builder::new().workers(1).build().unwrap();
    let no_threads = NoThreads::begin();
    let sum = runtime.block_on(runtime.spawn(async {
        let other = task::spawn(async {
            task::sleep(Duration::from_millis(1)).await;
            40
        });
        task::block_on(other) + 2
    }));
    assert_eq!(sum, 42);
    drop(no_threads);
    assert!(runtime.shutdown(Duration::from_secs(60)).is_complete());
}
