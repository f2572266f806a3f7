//! How punctually the system ends a thread's timed waits.
//!
//! Linux lets them end up to 50 µs late, so that it can wake several threads at once. That is a
//! third to a half of the lateness of a timer on a machine that is idle.

/// What the timer slack of a thread was before [`TimerSlack::least`] took it away.
#[derive(Debug)]
pub struct TimerSlack {
    #[cfg(target_os = "linux")]
    before_ns: std::num::NonZeroU64,
}

#[cfg(target_os = "linux")]
impl TimerSlack {
    /// Makes the timed waits of the calling thread end as punctually as the system can: one or two
    /// system calls of 0.1 µs. `None` when nothing was changed, because they do already or the
    /// system refuses.
    ///
    /// Threads and processes that this thread starts from now on are as punctual.
    #[must_use = "the slack of a thread that is not ours is to be restored"]
    pub fn least() -> Option<TimerSlack> {
        use rustix::thread::{current_timer_slack, set_current_timer_slack};

        use std::num::NonZeroU64;

        // 0 is what threads with a real-time policy have.
        let before_ns = NonZeroU64::new(current_timer_slack().ok()?)?;
        if before_ns == NonZeroU64::MIN {
            return None;
        }
        set_current_timer_slack(Some(NonZeroU64::MIN)).ok()?;
        Some(TimerSlack { before_ns })
    }

    /// Gives the calling thread the slack it had.
    pub fn restore(self) {
        // It was in force before, so the system takes it; refused, the thread stays punctual.
        let _ = rustix::thread::set_current_timer_slack(Some(self.before_ns));
    }
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
}

#[cfg(all(test, target_os = "linux", not(loom)))]
mod tests {
    use super::*;
    use rustix::thread::current_timer_slack;

    #[test]
    fn the_slack_is_taken_from_one_thread_and_given_back() {
        let before = current_timer_slack().expect("a slack");
        let slack = TimerSlack::least().expect("test threads have the default of 50 us");
        assert_eq!(current_timer_slack().expect("a slack"), 1);
        assert!(TimerSlack::least().is_none());
        slack.restore();
        assert_eq!(current_timer_slack().expect("a slack"), before);
    }
}
