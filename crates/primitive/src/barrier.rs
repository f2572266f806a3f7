//! An asymmetric pair of barriers: light on the side that passes often, heavy on the other.
//!
//! [`light`] is a compiler fence when [`heavy`] can run a barrier on every core that runs a thread
//! of this process (Linux's `membarrier`), and a full fence otherwise. Either way, of two threads
//! where one stores A, passes `light`, loads B and the other stores B, passes `heavy`, loads A, at
//! least one sees the other's store.

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
    use std::sync::Once;
    use std::sync::atomic::{AtomicBool, Ordering, compiler_fence, fence};

    /// Whether the kernel runs the barriers for us. False until [`prepare`] has asked it, and for
    /// good where it refuses (before Linux 4.14, or under a seccomp filter).
    static EXPEDITED: AtomicBool = AtomicBool::new(false);

    /// Registers this process with the kernel. Called before the first pair of barriers is used.
    pub(crate) fn prepare() {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            let registered = membarrier(libc::MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED);
            EXPEDITED.store(registered, Ordering::SeqCst);
        });
    }

    #[inline]
    pub(crate) fn light() {
        if EXPEDITED.load(Ordering::Relaxed) {
            compiler_fence(Ordering::SeqCst);
        } else {
            fence(Ordering::SeqCst);
        }
    }

    pub(crate) fn heavy() {
        fence(Ordering::SeqCst);
        if EXPEDITED.load(Ordering::Relaxed) {
            let is_done = membarrier(libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED);
            assert!(is_done, "a registered process may always ask for its barrier");
        }
    }

    /// Asks the kernel, and returns whether it agrees. By libc, so that this crate and those above
    /// it need not wait for all of rustix to be compiled.
    fn membarrier(command: impl Into<i64>) -> bool {
        let command: i64 = command.into();
        // SAFETY: the call takes three numbers and reads no memory of ours; no flags are set, so
        // the last one is ignored.
        let answer = unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) };
        answer == 0
    }
}
