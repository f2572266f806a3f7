//! Writes to pipes without SIGPIPE.
//!
//! A write to a pipe without a reader raises SIGPIPE on the writing thread, and the default action
//! of SIGPIPE ends the process. Sockets have a flag that prevents it (`MSG_NOSIGNAL`); pipes have
//! no such flag before Linux 6.18. Rust programs ignore the signal from the start, so for most of
//! them this costs one system call, which checks that. Command-line tools that restore the default,
//! and libraries in programs of other languages, pay for the rest.
//!
//! If the signal is not ignored, the thread blocks it during the write and then removes the signal
//! that the write raised. A signal that was pending before stays pending.
//!
//! On systems other than Linux it only calls the function that writes.

use std::io;

/// Calls `write`, which may write to a pipe, without raising SIGPIPE. The error of a pipe without a
/// reader is still `BrokenPipe`.
///
/// # Errors
///
/// Returns the error of `write`.
pub fn without_sigpipe<R>(write: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
    #[cfg(target_os = "linux")]
    let _held = if linux::is_ignored() { None } else { linux::BlockedSignal::new() };
    write()
}

#[cfg(target_os = "linux")]
#[allow(unsafe_code, reason = "the C library queries and blocks signals")]
mod linux {
    use std::mem::MaybeUninit;
    use std::ptr;

    use libc::{SIGPIPE, sigset_t};

    /// Returns whether the process ignores the signal.
    pub(super) fn is_ignored() -> bool {
        let mut action = MaybeUninit::<libc::sigaction>::zeroed();
        // SAFETY: the new action is null, so the call changes nothing. It writes the current action
        // to `action`, which has room for it.
        let result = unsafe { libc::sigaction(SIGPIPE, ptr::null(), action.as_mut_ptr()) };
        // SAFETY: all bytes are initialised: zero, or what the call wrote.
        let action = unsafe { action.assume_init() };
        result == 0 && action.sa_sigaction == libc::SIG_IGN
    }

    /// Blocks the signal on this thread. The drop consumes a signal that was raised in the meantime
    /// and restores the thread's mask.
    pub(super) struct BlockedSignal {
        only: sigset_t,
        before: sigset_t,
        was_pending: bool,
    }

    impl BlockedSignal {
        /// `None` if the system refuses.
        pub(super) fn new() -> Option<BlockedSignal> {
            let only = only_sigpipe();
            let mut before = empty();
            let was_pending = is_pending();
            // SAFETY: both sets are initialised and live during the call.
            let result = unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &only, &mut before) };
            (result == 0).then_some(BlockedSignal { only, before, was_pending })
        }
    }

    impl Drop for BlockedSignal {
        fn drop(&mut self) {
            if !self.was_pending && is_pending() {
                let no_wait = libc::timespec { tv_sec: 0, tv_nsec: 0 };
                // The thread blocks the signal, so no handler takes it. Retry only if another
                // signal interrupts the call.
                // SAFETY: the set and the time are initialised and live during the call. The
                // pointer for the information may be null.
                while unsafe { libc::sigtimedwait(&self.only, ptr::null_mut(), &no_wait) } == -1
                    && std::io::Error::last_os_error().raw_os_error() == Some(libc::EINTR)
                {
                }
            }
            // SAFETY: the set is initialised (the system wrote it in `new`) and lives during the
            // call. The pointer for the old mask may be null.
            unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &self.before, ptr::null_mut()) };
        }
    }

    fn empty() -> sigset_t {
        let mut set = MaybeUninit::<sigset_t>::zeroed();
        // SAFETY: the call writes one set, for which `set` has room.
        unsafe { libc::sigemptyset(set.as_mut_ptr()) };
        // SAFETY: all bytes are initialised: zero, or what the call wrote.
        unsafe { set.assume_init() }
    }

    fn only_sigpipe() -> sigset_t {
        let mut set = empty();
        // SAFETY: the set is initialised, and the number is that of a signal.
        unsafe { libc::sigaddset(&mut set, SIGPIPE) };
        set
    }

    fn is_pending() -> bool {
        let mut set = empty();
        // SAFETY: the call writes one set, for which `set` has room.
        unsafe { libc::sigpending(&mut set) };
        // SAFETY: the set is initialised, and the number is that of a signal.
        unsafe { libc::sigismember(&set, SIGPIPE) == 1 }
    }
}
