//! Point 9: the environment variables for threads. Each is read once, so each test is a process of
//! its own.

#[cfg(target_os = "linux")]
use std::process::{Command, Stdio};
use std::sync::{Arc, Barrier, Condvar, Mutex};

use async_std::task::{self, block_on};
#[cfg(target_os = "linux")]
use reveille_tests::child::in_own_process;
use reveille_tests::child::passes_in_own_process;
#[cfg(target_os = "linux")]
use reveille_tests::measure::thread_names;

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

/// The number of threads with exactly this name, which is that of workers. Waits until there are
/// `expected`, which start one after the other.
#[cfg(target_os = "linux")]
fn workers(name: &str, expected: usize) -> usize {
    let count = || thread_names().iter().filter(|found| *found == name).count();
    while count() < expected {
        std::thread::yield_now();
    }
    // Excess threads would exist by now or start during a thousand more tasks.
    for _ in 0..1_000 {
        block_on(task::spawn(async {}));
    }
    count()
}

/// Like [`passes_in_own_process`], in one of three processes. If the system takes the processor
/// of a worker in the middle of a poll, another thread goes on with its tasks, and is one more.
#[cfg(target_os = "linux")]
fn passes_in_one_of_three(environment: &[(&str, &str)], body: impl FnOnce() + Copy) {
    let mut said = Vec::new();
    for _ in 0..3 {
        let prepare = |command: &mut Command| {
            command.envs(environment.iter().copied());
            Stdio::null()
        };
        // In that process itself there is nothing to check.
        let Some(finished) = in_own_process(prepare, body) else { return };
        if finished.status.success() && finished.stdout.contains("1 passed") {
            return;
        }
        said.push(finished.stderr);
    }
    panic!("{}", said.join("\n"));
}

// Only on Linux: it counts threads in /proc.
#[cfg(target_os = "linux")]
#[test]
fn point_09_the_environment_says_how_many_workers() {
    let environment = [("ASYNC_STD_THREAD_COUNT", "3"), ("ASYNC_STD_THREAD_NAME", "bees")];
    passes_in_one_of_three(&environment, || {
        block_on(task::spawn(async {}));
        assert_eq!(workers("bees", 3), 3);
    });
}

// Only on Linux: it counts threads in /proc.
#[cfg(target_os = "linux")]
#[test]
fn point_09_there_are_as_many_workers_as_processors() {
    passes_in_one_of_three(&[("ASYNC_STD_THREAD_NAME", "bees")], || {
        block_on(task::spawn(async {}));
        let processors = std::thread::available_parallelism().unwrap().get();
        assert_eq!(workers("bees", processors), processors);
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
