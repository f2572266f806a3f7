//! How punctually the system ends a thread's timed waits.
//!
//! Linux lets them end up to 50 µs late, so that it can wake several threads at once. That is a
//! third to a half of the lateness of a timer on a machine that is idle.
//!
//! A thread hands its slack to the threads and processes that it starts, as their default even, so
//! that they cannot ask for another. What this project starts gets the usual one back; what a user
//! starts by std's means in a task is as punctual as the task's thread, which costs it nothing but
//! wake-ups that would otherwise have been shared.

#[cfg(target_os = "linux")]
use std::num::NonZeroU64;

/// What the timer slack of a thread was before [`TimerSlack::least`] took it away.
#[derive(Debug)]
pub struct TimerSlack {
    #[cfg(target_os = "linux")]
    before_ns: NonZeroU64,
}

/// What the first thread had that gave its slack up, in nanoseconds.
#[cfg(target_os = "linux")]
static USUAL_NS: std::sync::OnceLock<NonZeroU64> = std::sync::OnceLock::new();

#[cfg(target_os = "linux")]
impl TimerSlack {
    /// Makes the timed waits of the calling thread end as punctually as the system can: one or two
    /// system calls of 0.1 µs. `None` when nothing was changed, because they do already or the
    /// system refuses.
    ///
    /// Threads and processes that this thread starts from now on are as punctual, unless
    /// [`usual`](TimerSlack::usual) is said to them.
    #[must_use = "the slack of a thread that is not ours is to be restored"]
    pub fn least() -> Option<TimerSlack> {
        let before_ns = slack_ns()?;
        if before_ns == NonZeroU64::MIN || !set_slack_ns(NonZeroU64::MIN) {
            return None;
        }
        let _ = USUAL_NS.set(before_ns);
        Some(TimerSlack { before_ns })
    }

    /// Gives the calling thread the slack it had.
    pub fn restore(self) {
        // It was in force before, so the system takes it; refused, the thread stays punctual.
        let _ = set_slack_ns(self.before_ns);
    }

    /// Gives the calling thread the slack that threads of this process have, if it has the least:
    /// from the thread that started it.
    pub fn usual() {
        let _ = TimerSlack::before_usual();
    }

    /// Runs `start` with the usual slack, which processes inherit that it starts.
    pub fn as_usual<R>(start: impl FnOnce() -> R) -> R {
        struct Restore(Option<TimerSlack>);

        impl Drop for Restore {
            fn drop(&mut self) {
                if let Some(least) = self.0.take() {
                    least.restore();
                }
            }
        }

        let _restore = Restore(TimerSlack::before_usual());
        start()
    }

    /// Sets the usual slack. Returns the least if that was in force.
    fn before_usual() -> Option<TimerSlack> {
        let usual_ns = *USUAL_NS.get()?;
        let before_ns = slack_ns()?;
        (before_ns == NonZeroU64::MIN && set_slack_ns(usual_ns)).then_some(TimerSlack { before_ns })
    }
}

/// The slack of the calling thread. `None` for a thread with a real-time policy, which has none.
///
/// By a system call of our own: rustix has it in a module that costs each build half a second.
#[cfg(target_os = "linux")]
#[allow(unsafe_code, reason = "see above")]
fn slack_ns() -> Option<NonZeroU64> {
    // SAFETY: the call takes numbers only, and no more than the first of them.
    let ns = unsafe { libc::syscall(libc::SYS_prctl, libc::PR_GET_TIMERSLACK, 0, 0, 0, 0) };
    u64::try_from(ns).ok().and_then(NonZeroU64::new)
}

/// Sets the slack of the calling thread. `false` if the system refuses.
#[cfg(target_os = "linux")]
#[allow(unsafe_code, reason = "as slack_ns")]
fn set_slack_ns(ns: NonZeroU64) -> bool {
    // SAFETY: the call takes numbers only, and changes nothing but when timed waits end.
    unsafe { libc::syscall(libc::SYS_prctl, libc::PR_SET_TIMERSLACK, ns.get(), 0, 0, 0) == 0 }
}

#[cfg(not(target_os = "linux"))]
impl TimerSlack {
    /// Changes nothing: this system has no such setting per thread.
    #[must_use = "the slack of a thread that is not ours is to be restored"]
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

#[cfg(all(test, target_os = "linux", not(reveille_loom)))]
mod tests {
    use super::*;

    fn slack() -> u64 {
        slack_ns().expect("a slack").get()
    }

    #[test]
    fn the_slack_is_taken_from_one_thread_and_given_back() {
        let before = slack();
        let taken = TimerSlack::least().expect("test threads have the default of 50 us");
        assert_eq!(slack(), 1);
        assert!(TimerSlack::least().is_none());
        taken.restore();
        assert_eq!(slack(), before);
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a thread as users start it")]
    fn a_thread_that_inherited_the_least_gets_the_usual() {
        let before = slack();
        let taken = TimerSlack::least().expect("test threads have the default of 50 us");
        let child = std::thread::spawn(|| {
            let inherited = slack();
            let lent = TimerSlack::as_usual(slack);
            let restored = slack();
            TimerSlack::usual();
            [inherited, lent, restored, slack()]
        });
        assert_eq!(child.join().expect("no panic"), [1, before, 1, before]);
        taken.restore();
        TimerSlack::usual();
        assert_eq!(slack(), before);
    }
}
