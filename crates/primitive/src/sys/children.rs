//! The child processes of a thread. The system may tie a child to the thread that started it.

/// Returns whether the calling thread has started processes that have not been waited for. Reads a
/// file, which takes some microseconds. Returns `false` where the system has no such file (systems
/// other than Linux, and kernels without `CONFIG_PROC_CHILDREN`).
#[must_use]
pub fn has_children() -> bool {
    #[cfg(all(target_os = "linux", not(reveille_loom)))]
    {
        use std::io::Read as _;

        let children = std::fs::File::open("/proc/thread-self/children");
        children.and_then(|mut file| file.read(&mut [0])).is_ok_and(|count| count > 0)
    }
    #[cfg(not(all(target_os = "linux", not(reveille_loom))))]
    false
}

// Only on Linux: it asks for the children of a thread.
#[cfg(all(test, target_os = "linux", not(reveille_loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_thread_has_a_child_until_it_is_waited_for() {
        assert!(!has_children());
        let mut child = std::process::Command::new("sleep").arg("100").spawn().expect("a child");
        let has_one = has_children();
        child.kill().expect("it is ours");
        child.wait().expect("it is ours");
        assert!(has_one && !has_children());
    }
}
