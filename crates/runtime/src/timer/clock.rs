//! The runtime's clock: the system's monotonic clock, or a virtual one that a test sets.
//!
//! Only this file reads the system's time. All other code gets an [`Instant`], or a number of
//! nanoseconds since the clock's origin, which is the unit of the wheel.
//!
//! # Saturation
//!
//! 64 bits of nanoseconds are 584 years. An instant before the origin counts as 0. One beyond the
//! range counts as [`NEVER_NS`], which a clock never reaches.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// A deadline that is never reached.
pub(crate) const NEVER_NS: u64 = u64::MAX;

/// The system's clock. There is one for the process, so that all times have the same origin.
pub(crate) fn system_clock() -> &'static Clock {
    static CLOCK: OnceLock<Clock> = OnceLock::new();
    CLOCK.get_or_init(Clock::system)
}

/// A clock. All clones of a clock show the same time.
#[derive(Clone, Debug)]
pub(crate) enum Clock {
    /// The system's monotonic clock.
    System {
        /// The instant that counts as 0.
        origin: Instant,
    },
    /// A clock that moves only when it is set.
    Virtual(Arc<VirtualClock>),
}

/// The time of a [`Clock::Virtual`]. Tests set it; a simulated runtime will advance it when no task
/// can run.
#[derive(Debug)]
pub(crate) struct VirtualClock {
    origin: Instant,
    /// Nanoseconds since the origin. A std atomic even under loom, because it publishes no other
    /// data.
    now_ns: AtomicU64,
}

impl Clock {
    /// The system's clock, with the current time as its origin.
    pub(crate) fn system() -> Clock {
        Clock::System { origin: system_now() }
    }

    /// Makes a clock that shows its origin until [`VirtualClock::advance`] moves it.
    ///
    /// The origin is the current time, because std has no other way to make an [`Instant`]. Two
    /// runs differ only in the origin, and in nothing that is relative to it.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "tests set the time; the simulated mode will")
    )]
    pub(crate) fn virtual_at_origin() -> (Clock, Arc<VirtualClock>) {
        let time = Arc::new(VirtualClock { origin: system_now(), now_ns: AtomicU64::new(0) });
        (Clock::Virtual(Arc::clone(&time)), time)
    }

    /// The instant that counts as 0.
    pub(crate) fn origin(&self) -> Instant {
        match self {
            Clock::System { origin } => *origin,
            Clock::Virtual(time) => time.origin,
        }
    }

    /// The current time.
    #[inline]
    pub(crate) fn now(&self) -> Instant {
        match self {
            Clock::System { .. } => system_now(),
            Clock::Virtual(time) => time.now(),
        }
    }

    /// The current time in nanoseconds since the origin; less than [`NEVER_NS`].
    #[inline]
    pub(crate) fn now_ns(&self) -> u64 {
        match self {
            Clock::System { .. } => self.to_ns(system_now()).min(NEVER_NS - 1),
            Clock::Virtual(time) => time.now_ns.load(Ordering::Relaxed),
        }
    }

    /// Nanoseconds from the origin to `instant`: 0 if it is earlier, [`NEVER_NS`] if it is out of
    /// range.
    #[inline]
    pub(crate) fn to_ns(&self, instant: Instant) -> u64 {
        saturating_ns(instant.saturating_duration_since(self.origin()))
    }

    /// The instant `ns` nanoseconds after the origin. `None` for [`NEVER_NS`], and if this
    /// platform's [`Instant`] cannot represent it.
    pub(crate) fn to_instant(&self, ns: u64) -> Option<Instant> {
        if ns == NEVER_NS {
            return None;
        }
        self.origin().checked_add(Duration::from_nanos(ns))
    }
}

impl VirtualClock {
    /// Moves the clock forward, at most to the last nanosecond before [`NEVER_NS`].
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "tests set the time; the simulated mode will")
    )]
    pub(crate) fn advance(&self, by: Duration) {
        let by_ns = saturating_ns(by);
        let moved = |now_ns: u64| Some(now_ns.saturating_add(by_ns).min(NEVER_NS - 1));
        self.now_ns
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, moved)
            .expect("every time has a successor");
    }

    /// Sets the clock to `now_ns` nanoseconds after its origin. The clock never goes back: an
    /// earlier time has no effect.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "tests set the time; the simulated mode will")
    )]
    pub(crate) fn set_ns(&self, now_ns: u64) {
        self.now_ns.fetch_max(now_ns.min(NEVER_NS - 1), Ordering::Relaxed);
    }

    /// Sets the clock back, which the system's clock never does.
    #[cfg(test)]
    pub(crate) fn jump_back_to_ns(&self, now_ns: u64) {
        self.now_ns.fetch_min(now_ns, Ordering::Relaxed);
    }

    fn now(&self) -> Instant {
        let since = Duration::from_nanos(self.now_ns.load(Ordering::Relaxed));
        // If an `Instant` cannot represent the time, the clock shows its origin.
        self.origin.checked_add(since).unwrap_or(self.origin)
    }
}

/// The deadline of a timeout that starts `now`. `None` if an [`Instant`] cannot represent it: such
/// a timeout never passes.
pub(crate) fn deadline_after(now: Instant, timeout: Duration) -> Option<Instant> {
    now.checked_add(timeout)
}

#[inline]
fn saturating_ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(NEVER_NS)
}

#[expect(clippy::disallowed_methods, reason = "only the clock reads the system's time")]
#[inline]
fn system_now() -> Instant {
    Instant::now()
}

/// Nanoseconds since 1970, for records that are compared with other logs.
#[expect(clippy::disallowed_methods, reason = "only the clock reads the system's time")]
pub(crate) fn wall_ns() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, saturating_ns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_measured_from_the_origin() {
        let (clock, time) = Clock::virtual_at_origin();
        assert_eq!((clock.now(), clock.now_ns()), (clock.origin(), 0));
        time.advance(Duration::from_nanos(1_500));
        assert_eq!(clock.now_ns(), 1_500);
        assert_eq!(clock.to_ns(clock.now()), 1_500);
        assert_eq!(clock.to_instant(1_500), Some(clock.now()));
    }

    #[test]
    fn conversions_saturate_both_ways() {
        let (clock, _) = Clock::virtual_at_origin();
        if let Some(earlier) = clock.origin().checked_sub(Duration::from_nanos(1)) {
            assert_eq!(clock.to_ns(earlier), 0);
        }
        let range = Duration::from_nanos(NEVER_NS);
        if let Some(later) = clock.origin().checked_add(range + Duration::from_secs(1)) {
            assert_eq!(clock.to_ns(later), NEVER_NS);
        }
        assert_eq!(clock.to_instant(NEVER_NS), None);
        assert_eq!(deadline_after(clock.origin(), Duration::MAX), None);
    }

    #[test]
    fn a_virtual_clock_never_goes_back_and_never_reaches_never() {
        let (clock, time) = Clock::virtual_at_origin();
        time.set_ns(9);
        time.set_ns(3);
        assert_eq!(clock.now_ns(), 9);
        time.advance(Duration::MAX);
        assert_eq!(clock.now_ns(), NEVER_NS - 1);
        time.set_ns(NEVER_NS);
        assert_eq!(clock.now_ns(), NEVER_NS - 1);
    }

    #[test]
    fn the_system_clock_does_not_go_back() {
        let clock = Clock::system();
        let earlier = clock.now_ns();
        assert!(clock.now_ns() >= earlier);
        assert!(clock.now() >= clock.origin());
    }
}
