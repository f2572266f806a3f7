//! The number of threads of this process.

/// How many threads the process has. `None` where the system does not say (systems other than
/// Linux, and a Linux without `/proc`). Reads a folder, which takes some microseconds.
#[must_use]
pub fn thread_count() -> Option<usize> {
    #[cfg(all(target_os = "linux", not(reveille_loom)))]
    {
        std::fs::read_dir("/proc/self/task").ok().map(Iterator::count)
    }
    #[cfg(not(all(target_os = "linux", not(reveille_loom))))]
    {
        None
    }
}

// Only on Linux: it alone counts the threads of a process.
#[cfg(all(test, target_os = "linux", not(reveille_loom)))]
#[expect(clippy::disallowed_methods, reason = "threads as users start them")]
mod tests {
    use super::thread_count;

    #[test]
    fn a_thread_counts_while_it_runs() {
        // Other tests start threads too, so only a lower bound is certain.
        let threads: Vec<_> = std::iter::repeat_with(std::sync::mpsc::channel::<()>)
            .take(20)
            .map(|(sender, receiver)| (sender, std::thread::spawn(move || receiver.recv())))
            .collect();
        assert!(thread_count().is_some_and(|count| count > 20));
        for (sender, thread) in threads {
            drop(sender);
            thread.join().expect("it only waits").expect_err("nothing was sent");
        }
    }
}
