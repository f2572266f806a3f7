//! Point 9: the environment variables for threads. Each is read once, so each test is a process of
//! its own.

use std::sync::{Arc, Barrier, Condvar, Mutex};

use async_std::task::{self, block_on};
use reveille_tests::child::passes_in_own_process;

fn thread_name() -> String {
    std::thread::current().name().unwrap_or_default().to_owned()
}

#[test]
fn point_09_threads_have_the_name_of_async_stds() {
    passes_in_own_process(&[], || {
        assert_eq!(block_on(task::spawn(async { thread_name() })), "async-std/runtime");
    });
}

#[test]
fn point_09_the_environment_names_the_threads() {
    passes_in_own_process(&[("ASYNC_STD_THREAD_NAME", "bees")], || {
        assert_eq!(block_on(task::spawn(async { thread_name() })), "bees");
    });
}

/// Waits until there are `expected` threads with exactly this name, which is that of workers. They
/// start one after the other.
///
/// If the system takes the processor from a worker in the middle of a poll, another thread goes on
/// with its tasks, and both exist until the surplus one has been without work for ten seconds.
#[cfg(target_os = "linux")]
fn wait_for_workers(name: &str, expected: usize) {
    let count = || {
        let threads = std::fs::read_dir("/proc/self/task").unwrap();
        let names = threads
            .filter_map(|thread| std::fs::read_to_string(thread.ok()?.path().join("comm")).ok());
        names.filter(|found| found.trim_end() == name).count()
    };
    while count() < expected {
        std::thread::yield_now();
    }
    // Excess threads would exist by now or start during a thousand more tasks.
    for _ in 0..1_000 {
        block_on(task::spawn(async {}));
    }
    while count() != expected {
        std::thread::yield_now();
    }
}

// Only on Linux: it counts threads in /proc.
#[cfg(target_os = "linux")]
#[test]
fn point_09_the_environment_says_how_many_workers() {
    let environment = [("ASYNC_STD_THREAD_COUNT", "3"), ("ASYNC_STD_THREAD_NAME", "bees")];
    passes_in_own_process(&environment, || {
        block_on(task::spawn(async {}));
        wait_for_workers("bees", 3);
    });
}

// Only on Linux: it counts threads in /proc.
#[cfg(target_os = "linux")]
#[test]
fn point_09_there_are_as_many_workers_as_processors() {
    passes_in_own_process(&[("ASYNC_STD_THREAD_NAME", "bees")], || {
        block_on(task::spawn(async {}));
        let processors = std::thread::available_parallelism().unwrap().get();
        wait_for_workers("bees", processors);
    });
}

/// Starts `closures` that wait until `together` of them run at the same time. Returns the largest
/// number that ran at the same time.
fn at_once(closures: usize, together: usize) -> usize {
    let state = Arc::new((Mutex::new((0_usize, 0_usize)), Condvar::new()));
    let tasks: Vec<_> = (0..closures)
        .map(|_| {
            let state = Arc::clone(&state);
            task::spawn_blocking(move || {
                let (counts, changed) = &*state;
                let mut counts = counts.lock().unwrap();
                counts.0 += 1;
                counts.1 = counts.1.max(counts.0);
                changed.notify_all();
                let mut counts = changed.wait_while(counts, |(_, most)| *most < together).unwrap();
                counts.0 -= 1;
            })
        })
        .collect();
    tasks.into_iter().for_each(block_on);
    state.0.lock().unwrap().1
}

#[test]
fn point_09_the_environment_limits_the_blocking_threads() {
    passes_in_own_process(&[("BLOCKING_MAX_THREADS", "3")], || {
        assert_eq!(at_once(50, 3), 3);
    });
}

/// As many closures block as threads are allowed, so the limit is reached.
#[test]
fn point_09_there_may_be_five_hundred_blocking_threads() {
    passes_in_own_process(&[], || {
        let barrier = Arc::new(Barrier::new(500));
        let tasks: Vec<_> = (0..500)
            .map(|_| {
                let barrier = Arc::clone(&barrier);
                task::spawn_blocking(move || barrier.wait().is_leader())
            })
            .collect();
        let leaders = tasks.into_iter().map(block_on).filter(|is_leader| *is_leader);
        assert_eq!(leaders.count(), 1);
        assert_eq!(at_once(520, 500), 500);
    });
}
