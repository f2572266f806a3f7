//! Converts ticks to nanoseconds, based on moments that were read on both clocks.

use crate::chunk::Moment;

/// Converts ticks into nanoseconds since the first event.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    /// The tick of the first event.
    origin: u64,
    ns_per_tick: f64,
    /// Nanoseconds since 1970 at the origin, or 0.
    pub(crate) start_wall_ns: u64,
    /// Whether the length of a tick is unknown and was guessed.
    pub(crate) is_guess: bool,
}

impl Clock {
    /// Derives the clock from moments in any order. If they are too close together to determine the
    /// length of a tick, `ticks_per_second` is used.
    pub(crate) fn new(origin: u64, moments: &[Moment], ticks_per_second: u64) -> Clock {
        let known = moments.iter().filter(|moment| moment.tick > 0);
        let first = known.clone().min_by_key(|moment| moment.tick).copied().unwrap_or_default();
        let last = known.max_by_key(|moment| moment.tick).copied().unwrap_or_default();
        let ticks = last.tick - first.tick;
        let ns = last.monotonic_ns.saturating_sub(first.monotonic_ns);
        // Two moments that are a millisecond apart determine the length of a tick to one part in
        // 10,000.
        let (ns_per_tick, is_guess) = match (ticks, ns, ticks_per_second) {
            (1.., 1_000_000.., _) => (ns as f64 / ticks as f64, false),
            (_, _, 1..) => (1e9 / ticks_per_second as f64, false),
            (1.., 1.., 0) => (ns as f64 / ticks as f64, false),
            _ => (1.0, true),
        };
        let start_wall_ns = match first.wall_ns {
            0 => 0,
            wall if origin >= first.tick => {
                wall.saturating_add(((origin - first.tick) as f64 * ns_per_tick) as u64)
            }
            wall => wall.saturating_sub(((first.tick - origin) as f64 * ns_per_tick) as u64),
        };
        Clock { origin, ns_per_tick, start_wall_ns, is_guess }
    }

    /// Returns the nanoseconds from the first event to `tick`.
    pub(crate) fn ns(&self, tick: u64) -> u64 {
        (tick.saturating_sub(self.origin) as f64 * self.ns_per_tick) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_moments_determine_the_length_of_a_tick() {
        let moment = |tick, monotonic_ns| Moment { tick, monotonic_ns, wall_ns: monotonic_ns + 5 };
        let moments = [moment(9_000_000, 3_000_000), moment(3_000_000, 1_000_000)];
        let clock = Clock::new(6_000_000, &moments, 7);
        assert_eq!((clock.ns(6_000_300), clock.ns(5)), (100, 0));
        assert_eq!((clock.start_wall_ns, clock.is_guess), (2_000_005, false));
    }

    #[test]
    fn without_two_moments_the_rate_is_the_files_or_a_guess() {
        assert_eq!(Clock::new(0, &[], 2_000_000_000).ns(100), 50);
        let clock = Clock::new(0, &[Moment { tick: 5, ..Moment::default() }], 0);
        assert_eq!((clock.ns(100), clock.is_guess), (100, true));
        let backwards = [
            Moment { tick: 5, monotonic_ns: 9, wall_ns: 0 },
            Moment { tick: u64::MAX, monotonic_ns: 1, wall_ns: 0 },
        ];
        assert!(Clock::new(0, &backwards, 0).is_guess);
    }
}
