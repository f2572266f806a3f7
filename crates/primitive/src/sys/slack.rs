//! The timer slack of a thread: how late the system may end its timed waits.
//!
//! By default Linux lets them end up to 50 µs late, so that it can wake several threads together.
//! That is a third to a half of the lateness of a timer on an idle machine.
//!
//! Threads and processes inherit the slack of the thread that starts them. They inherit it as their
//! default too, so they cannot restore the original default. Threads and processes that reveille
//! starts get the usual slack back. Those that a user starts through std in a task keep the slack
//! of the task's thread. That costs only wake-ups that the system would otherwise have combined.

#[cfg(target_os = "linux")]
use std::num::NonZeroU64;

/// The timer slack that a thread had before it was changed.
#[derive(Debug)]
pub struct TimerSlack {
    #[cfg(target_os = "linux")]
    before_ns: NonZeroU64,
}

/// The slack, in nanoseconds, that the first thread had before it reduced its slack: the usual one.
#[cfg(target_os = "linux")]
static USUAL_NS: std::sync::OnceLock<NonZeroU64> = std::sync::OnceLock::new();

#[cfg(target_os = "linux")]
impl TimerSlack {
    /// Sets the timer slack of the calling thread to 1 ns, the least. Takes one or two system calls
    /// of 0.1 µs. Returns `None` if nothing was changed, because the slack was least already or the
    /// system refused.
    ///
    /// Threads and processes that this thread starts afterwards inherit the least slack, unless
    /// they call [`usual`](TimerSlack::usual).
    #[must_use = "restore the slack of a thread that the caller does not own"]
    pub fn least() -> Option<TimerSlack> {
        let before_ns = slack_ns()?;
        if before_ns == NonZeroU64::MIN || !set_slack_ns(NonZeroU64::MIN) {
            return None;
        }
        let _ = USUAL_NS.set(before_ns);
        Some(TimerSlack { before_ns })
    }

    /// Restores the former slack of the calling thread.
    pub fn restore(self) {
        // The system accepted this value before. If it refuses it now, the thread keeps the least
        // slack.
        let _ = set_slack_ns(self.before_ns);
    }

    /// Gives the calling thread the usual slack of this process, if it has the least.
    pub fn usual() {
        let _ = TimerSlack::before_usual();
    }

    /// Runs `start` with the usual slack, so that the processes that it starts inherit that slack.
    pub fn as_usual<R>(start: impl FnOnce() -> R) -> R {
        struct RestoreSlack(Option<TimerSlack>);

        impl Drop for RestoreSlack {
            fn drop(&mut self) {
                if let Some(least) = self.0.take() {
                    least.restore();
                }
            }
        }

        let _restore = RestoreSlack(TimerSlack::before_usual());
        start()
    }

    /// Sets the usual slack if the thread has the least, and returns the least.
    fn before_usual() -> Option<TimerSlack> {
        let usual_ns = *USUAL_NS.get()?;
        let before_ns = slack_ns()?;
        (before_ns == NonZeroU64::MIN && set_slack_ns(usual_ns)).then_some(TimerSlack { before_ns })
    }
}

/// The slack of the calling thread in nanoseconds. `None` for a thread with a real-time policy:
/// those have no slack.
///
/// A direct system call, because rustix has it in a module that adds half a second to each build.
#[cfg(target_os = "linux")]
#[allow(unsafe_code, reason = "see above")]
fn slack_ns() -> Option<NonZeroU64> {
    // SAFETY: PR_GET_TIMERSLACK ignores the other arguments and accesses no memory of this process.
    let ns = unsafe { libc::syscall(libc::SYS_prctl, libc::PR_GET_TIMERSLACK, 0, 0, 0, 0) };
    u64::try_from(ns).ok().and_then(NonZeroU64::new)
}

/// Sets the slack of the calling thread. Returns `false` if the system refuses.
#[cfg(target_os = "linux")]
#[allow(unsafe_code, reason = "as slack_ns")]
fn set_slack_ns(ns: NonZeroU64) -> bool {
    // SAFETY: PR_SET_TIMERSLACK takes a number, accesses no memory of this process, and only
    // changes when timed waits end.
    unsafe { libc::syscall(libc::SYS_prctl, libc::PR_SET_TIMERSLACK, ns.get(), 0, 0, 0) == 0 }
}

#[cfg(not(target_os = "linux"))]
impl TimerSlack {
    /// Changes nothing: this system has no such setting per thread.
    #[must_use = "restore the slack of a thread that the caller does not own"]
    pub fn least() -> Option<TimerSlack> {
        None
    }

    /// Changes nothing.
    pub fn restore(self) {}

    /// Changes nothing.
    pub fn usual() {}

    /// Runs `start`.
    pub fn as_usual<R>(start: impl FnOnce() -> R) -> R {
        start()
    }
}

// Only on Linux: it alone has a timer slack for each thread.
#[cfg(all(test, target_os = "linux", not(reveille_loom)))]
mod tests {
    use super::*;

    fn slack() -> u64 {
        slack_ns().expect("a slack").get()
    }

    #[test]
    fn the_slack_of_one_thread_is_reduced_and_restored() {
        let before = slack();
        let taken = TimerSlack::least().expect("test threads have the default of 50 us");
        assert_eq!(slack(), 1);
        assert!(TimerSlack::least().is_none());
        taken.restore();
        assert_eq!(slack(), before);
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a thread as users start it")]
    fn a_thread_that_inherited_the_least_slack_gets_the_usual_one() {
        let before = slack();
        let taken = TimerSlack::least().expect("test threads have the default of 50 us");
        let child = std::thread::spawn(|| {
            let inherited = slack();
            let during = TimerSlack::as_usual(slack);
            let restored = slack();
            TimerSlack::usual();
            [inherited, during, restored, slack()]
        });
        assert_eq!(child.join().expect("no panic"), [1, before, 1, before]);
        taken.restore();
        TimerSlack::usual();
        assert_eq!(slack(), before);
    }
}
