//! The time for which a worker was not parked.
//!
//! The worker reads the time before and after each wait anyway, so this takes two stores there and
//! nothing in a poll.

use reveille_primitive::atomic::{AtomicU64, Ordering};

/// How many times a reader tries again when the worker parks or wakes meanwhile.
const READS_MAX: u32 = 8;

/// The busy time of one worker. Its owner writes it, and any thread reads it. Times are in
/// nanoseconds of the runtime's clock.
#[derive(Debug, Default)]
pub(crate) struct BusyTime {
    /// The busy time up to the last park.
    before_ns: AtomicU64,
    /// When the worker woke, plus one; 0 while it is parked or has not begun.
    awake_since: AtomicU64,
}

impl BusyTime {
    /// The worker begins to run, or continues on another thread.
    pub(crate) fn begin(&self, now: u64) {
        if self.awake_since.load(Ordering::Relaxed) == 0 {
            self.awake_since.store(now + 1, Ordering::Release);
        }
    }

    /// The worker parks.
    pub(crate) fn park(&self, now: u64) {
        let since = self.awake_since.load(Ordering::Relaxed);
        if since > 0 {
            let before = self.before_ns.load(Ordering::Relaxed);
            // Relaxed: a reader that sees it checks `awake_since` again.
            self.before_ns.store(before + (now + 1).saturating_sub(since), Ordering::Relaxed);
            // Release: a reader that sees the worker parked sees the time before.
            self.awake_since.store(0, Ordering::Release);
        }
    }

    /// Resets the busy time for another runtime. No thread runs the worker.
    pub(crate) fn reset(&self) {
        self.before_ns.store(0, Ordering::Relaxed);
        self.awake_since.store(0, Ordering::Release);
    }

    /// The busy time until `now`.
    pub(crate) fn until(&self, now: u64) -> u64 {
        let mut busy = 0;
        for _ in 0..READS_MAX {
            let since = self.awake_since.load(Ordering::Acquire);
            // Acquire: the second read of `awake_since` comes after it.
            busy = self.before_ns.load(Ordering::Acquire);
            if since > 0 {
                busy += (now + 1).saturating_sub(since);
            }
            if self.awake_since.load(Ordering::Relaxed) == since {
                break;
            }
        }
        busy
    }
}

#[cfg(test)]
mod tests {
    use super::BusyTime;

    #[test]
    fn the_time_between_wakes_and_parks_is_summed() {
        let busy = BusyTime::default();
        assert_eq!(busy.until(5), 0);
        busy.begin(0);
        assert_eq!(busy.until(7), 7);
        // A handoff does not begin again.
        busy.begin(5);
        busy.park(10);
        assert_eq!(busy.until(50), 10);
        busy.begin(100);
        assert_eq!(busy.until(101), 11);
        // The worker's estimate of the time may be ahead of the reader's clock.
        assert_eq!(busy.until(99), 10);
        busy.park(99);
        busy.park(120);
        assert_eq!(busy.until(200), 10);
        busy.reset();
        assert_eq!(busy.until(300), 0);
    }
}
