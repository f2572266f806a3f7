//! A pair of asymmetric barriers: a light one for the side that executes it often, and a heavy one
//! for the other.
//!
//! [`light`] is a compiler fence if [`heavy`] can run a barrier on every core that runs a thread of
//! this process (Linux's `membarrier`), and a full fence otherwise. Both guarantee this: if one
//! thread stores A, executes `light` and loads B, and another stores B, executes `heavy` and loads
//! A, then at least one of them sees the other's store.

#[cfg(any(reveille_loom, not(target_os = "linux")))]
pub(crate) use full::{heavy, light, prepare};
#[cfg(all(not(reveille_loom), target_os = "linux"))]
pub(crate) use system::{heavy, light, prepare};

#[cfg(any(reveille_loom, not(target_os = "linux")))]
mod full {
    use crate::atomic::{Ordering, fence};

    pub(crate) fn prepare() {}

    pub(crate) fn light() {
        fence(Ordering::SeqCst);
    }

    pub(crate) fn heavy() {
        fence(Ordering::SeqCst);
    }
}

#[cfg(all(not(reveille_loom), target_os = "linux"))]
mod system {
    use std::io;
    use std::mem::MaybeUninit;
    use std::sync::Once;
    use std::sync::atomic::{Ordering, compiler_fence};
    use std::time::Duration;

    use crate::asymmetric::{Asymmetric, System};

    static PAIR: Asymmetric<Linux> = Asymmetric::new(Linux);

    /// Registers this process with the kernel. Called before the first pair of barriers is used.
    pub(crate) fn prepare() {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| PAIR.prepare());
    }

    #[inline]
    pub(crate) fn light() {
        PAIR.light();
    }

    pub(crate) fn heavy() {
        PAIR.heavy();
    }

    #[derive(Debug)]
    struct Linux;

    impl System for Linux {
        #[inline]
        fn compiler_fence(&self) {
            compiler_fence(Ordering::SeqCst);
        }

        /// Fails before Linux 4.14, and under some seccomp filters.
        fn register(&self) -> bool {
            membarrier(libc::MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED)
        }

        /// Fails under a seccomp filter that was installed after `register`.
        fn barrier(&self) -> bool {
            membarrier(libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED)
        }

        /// Moves this thread to one processor after the other. Each move displaces the thread that
        /// runs there, and the kernel executes a full barrier when it switches threads. A thread
        /// that migrates between processors in the meantime is switched as well.
        ///
        /// If the system refuses that too, this waits instead. Processors make a store visible
        /// within a microsecond, although no manual guarantees a time.
        fn sweep(&self) {
            if visit_processors().is_err() {
                wait(Duration::from_millis(10));
            }
        }
    }

    /// Makes the system call, and returns whether it succeeded. rustix has it in a module that this
    /// crate does not need otherwise.
    fn membarrier(command: impl Into<i64>) -> bool {
        let command: i64 = command.into();
        // SAFETY: the call takes three numbers and accesses no memory of this process; no flags are
        // set, so it ignores the last one.
        let answer = unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) };
        answer == 0
    }

    /// Moves the calling thread to each processor that it may use, and then restores its affinity.
    fn visit_processors() -> io::Result<()> {
        let before = affinity()?;
        for processor in 0..libc::CPU_SETSIZE as usize {
            // SAFETY: a set is an array of integers, for which all zero is valid: the empty set.
            let mut one: libc::cpu_set_t = unsafe { MaybeUninit::zeroed().assume_init() };
            // SAFETY: the number is below the size of the set.
            unsafe { libc::CPU_SET(processor, &mut one) };
            match set_affinity(&one) {
                // There is no such processor, or no thread of this process may use it.
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => {}
                moved => moved?,
            }
        }
        set_affinity(&before)
    }

    fn affinity() -> io::Result<libc::cpu_set_t> {
        // SAFETY: a set is an array of integers, for which all zero is valid: the empty set.
        let mut set: libc::cpu_set_t = unsafe { MaybeUninit::zeroed().assume_init() };
        // SAFETY: the kernel writes at most as many bytes as the second argument says, the size of
        // `set`.
        let got = unsafe { libc::sched_getaffinity(0, size_of_val(&set), &mut set) };
        if got == 0 { Ok(set) } else { Err(io::Error::last_os_error()) }
    }

    fn set_affinity(set: &libc::cpu_set_t) -> io::Result<()> {
        // SAFETY: the kernel reads as many bytes as the second argument says, the size of `set`.
        let done = unsafe { libc::sched_setaffinity(0, size_of_val(set), set) };
        if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    #[expect(clippy::disallowed_methods, reason = "no event says when a store is visible")]
    fn wait(time: Duration) {
        std::thread::sleep(time);
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_sweep_restores_the_affinity_of_the_thread() {
            let before = affinity().expect("the mask of this thread");
            visit_processors().expect("every processor of this thread's");
            let after = affinity().expect("the mask of this thread");
            // SAFETY: both sets are initialised.
            assert!(unsafe { libc::CPU_EQUAL(&before, &after) });
        }
    }
}
