//! The clock that stamps events: the processor's ticks, if the system's clock uses them too.

use reveille_primitive::ticks;
use reveille_trace::Moment;

use crate::timer;
use crate::timer::clock::{system_clock, wall_ns};

/// The clock of a recording. Reading the ticks takes half as long as reading the system's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RecordClock {
    /// The processor's ticks. The moments of the chunks say how long a tick is.
    Ticks,
    /// Nanoseconds of the system's clock.
    Nanoseconds,
}

impl RecordClock {
    /// Chooses a clock. Opens a file when it is called for the first time.
    pub(crate) fn choose() -> RecordClock {
        timer::detect_ticks();
        if timer::counts_ticks() && ticks().is_some() {
            RecordClock::Ticks
        } else {
            RecordClock::Nanoseconds
        }
    }

    #[inline]
    pub(crate) fn now(self) -> u64 {
        match self {
            RecordClock::Ticks => ticks().unwrap_or_default(),
            RecordClock::Nanoseconds => system_ns(),
        }
    }

    /// The present tick, if that takes no call.
    #[inline]
    pub(crate) fn ticks_now(self) -> Option<u64> {
        if self == RecordClock::Ticks { ticks() } else { None }
    }

    /// The current moment on all three clocks.
    pub(crate) fn moment(self) -> Moment {
        let (tick, monotonic_ns) = match self {
            // The ticks are read between two readings of the clock, so that the two belong
            // together.
            RecordClock::Ticks => {
                let before = system_clock().now_ns();
                let tick = self.now();
                let after = system_clock().now_ns();
                (tick, before.midpoint(after))
            }
            RecordClock::Nanoseconds => {
                let now = self.now();
                (now, now)
            }
        };
        Moment { tick, monotonic_ns, wall_ns: wall_ns() }
    }

    /// Ticks in a second; 0 if a reader has to compute it from the moments.
    pub(crate) fn ticks_per_second(self) -> u64 {
        match self {
            RecordClock::Ticks => 0,
            RecordClock::Nanoseconds => 1_000_000_000,
        }
    }

    /// Ticks in at least this many microseconds, for a processor of at most 8 GHz.
    pub(crate) fn ticks_in_us(self, us: u64) -> u64 {
        match self {
            RecordClock::Ticks => us.saturating_mul(8_000),
            RecordClock::Nanoseconds => us.saturating_mul(1_000),
        }
    }

    /// Ticks in about this many microseconds, for a processor of 3 GHz.
    pub(crate) const fn about_us(self, us: u64) -> u64 {
        match self {
            RecordClock::Ticks => us * 3_000,
            RecordClock::Nanoseconds => us * 1_000,
        }
    }
}

/// Apart, so that the functions that read ticks stay small.
#[cold]
fn system_ns() -> u64 {
    system_clock().now_ns()
}
