//! Measurements for the tests of overload and exhaustion, and the clock that they may read.

use std::fs;
use std::time::{Duration, Instant};

/// The system's clock: these tests measure wall time.
#[expect(clippy::disallowed_methods, reason = "what a figure says was measured from outside")]
pub fn now() -> Instant {
    Instant::now()
}

/// Blocks this thread, as a poll should not.
#[expect(clippy::disallowed_methods, reason = "blocking is what the test is about")]
pub fn block_thread(duration: Duration) {
    std::thread::sleep(duration);
}

/// The number of threads of this process, without the one that looks for lints in debug builds: it
/// ends a quarter of a second after the last runtime.
///
/// # Panics
///
/// Panics where there is no `/proc`.
pub fn threads() -> usize {
    let is_watch = |thread: &fs::DirEntry| {
        let name = fs::read_to_string(thread.path().join("comm"));
        name.is_ok_and(|name| name.starts_with("reveille-deadlo"))
    };
    let threads = fs::read_dir("/proc/self/task").expect("there is a /proc");
    threads.filter_map(Result::ok).filter(|thread| !is_watch(thread)).count()
}

/// The names of the threads of this process. A thread sets its name itself, after it has started.
///
/// # Panics
///
/// Panics where there is no `/proc`.
pub fn thread_names() -> Vec<String> {
    let threads = fs::read_dir("/proc/self/task").expect("there is a /proc");
    // A thread may end meanwhile.
    let names =
        threads.filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("comm")).ok());
    names.map(|name| name.trim_end().to_owned()).collect()
}

/// The number of open descriptors of this process.
///
/// # Panics
///
/// Panics where there is no `/proc`.
pub fn descriptors() -> usize {
    // One of them is the descriptor of the folder itself.
    fs::read_dir("/proc/self/fd").expect("there is a /proc").count() - 1
}

/// Waits until `count` returns `wanted`, or half a minute has passed. Returns the last count.
pub fn settle(wanted: usize, count: impl Fn() -> usize) -> usize {
    let start = now();
    loop {
        let seen = count();
        if seen == wanted || start.elapsed() > Duration::from_secs(30) {
            return seen;
        }
        block_thread(Duration::from_millis(1));
    }
}

/// Waits until `count` has not changed for a tenth of a second, and returns it. A thread that was
/// joined can stay in the system's list for a moment, and a new one has its name a moment later.
///
/// # Panics
///
/// Panics if the count still changes after half a minute.
pub fn settled(count: impl Fn() -> usize) -> usize {
    let start = now();
    let (mut seen, mut since) = (count(), start);
    while since.elapsed() < Duration::from_millis(100) {
        assert!(start.elapsed() < Duration::from_secs(30), "the count still changes");
        block_thread(Duration::from_millis(1));
        let next = count();
        if next != seen {
            (seen, since) = (next, now());
        }
    }
    seen
}
