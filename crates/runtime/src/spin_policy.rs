//! How long to look around before going to sleep.
//!
//! To wake a sleeping thread costs 6 us, and 50 us for a round trip of two sleepers; to be seen by
//! one that spins, half a microsecond. But a thread that spins in vain burns its core. So a thread
//! spins only when its recent waits were short, and the less often the more often it was in vain.

use std::cell::Cell;

/// How long a thread looks around, in nanoseconds: about two waits of a thread that is awake, and
/// half of what a sleep and a wake cost.
const SPIN_NS: u64 = 20_000;

/// A wait shorter than this, in nanoseconds, might have been met by spinning: it includes the time
/// that falling asleep and waking up took.
const SHORT_NS: u64 = 80_000;

/// After this many misses in a row a thread passes over 2^MISSES_MAX chances.
const MISSES_MAX: u32 = 8;

/// What one thread learned of its waits.
#[derive(Debug)]
pub(crate) struct SpinPolicy {
    average_ns: Cell<u64>,
    misses: Cell<u32>,
    passed_over: Cell<u32>,
}

impl SpinPolicy {
    /// A thread that has not waited yet does not spin.
    pub(crate) fn new() -> SpinPolicy {
        SpinPolicy {
            average_ns: Cell::new(u64::MAX / 8),
            misses: Cell::new(0),
            passed_over: Cell::new(0),
        }
    }

    /// How long the thread shall look around now, in nanoseconds; 0 for not at all.
    pub(crate) fn budget_ns(&self) -> u64 {
        if self.average_ns.get() > SHORT_NS {
            return 0;
        }
        let chances = 1 << self.misses.get();
        let passed_over = self.passed_over.get() + 1;
        if passed_over < chances {
            self.passed_over.set(passed_over);
            return 0;
        }
        self.passed_over.set(0);
        SPIN_NS
    }

    /// The thread looked around, and found what it waited for, or did not.
    pub(crate) fn record_spin(&self, has_hit: bool) {
        let misses = if has_hit { 0 } else { (self.misses.get() + 1).min(MISSES_MAX) };
        self.misses.set(misses);
    }

    /// The thread waited this long for another thread; `None` for an event or a deadline, which
    /// spinning would not have seen.
    pub(crate) fn record_wait(&self, waited_ns: Option<u64>) {
        let waited_ns = waited_ns.unwrap_or(SHORT_NS * 2).min(SHORT_NS * 4);
        let average_ns = self.average_ns.get().min(SHORT_NS * 4);
        self.average_ns.set((3 * average_ns + waited_ns) / 4);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_short_waits_are_worth_a_spin() {
        let spin = SpinPolicy::new();
        assert_eq!(spin.budget_ns(), 0);
        (0..20).for_each(|_| spin.record_wait(Some(1_000)));
        assert_eq!(spin.budget_ns(), SPIN_NS);
        (0..20).for_each(|_| spin.record_wait(Some(100_000_000)));
        assert_eq!(spin.budget_ns(), 0);
        (0..20).for_each(|_| spin.record_wait(Some(1_000)));
        (0..20).for_each(|_| spin.record_wait(None));
        assert_eq!(spin.budget_ns(), 0);
    }

    #[test]
    fn misses_make_spins_rare() {
        let spin = SpinPolicy::new();
        (0..20).for_each(|_| spin.record_wait(Some(1_000)));
        (0..20).for_each(|_| spin.record_spin(false));
        let spins = (0..1_024).filter(|_| spin.budget_ns() > 0).count();
        assert_eq!(spins, 1_024 >> MISSES_MAX);
        spin.record_spin(true);
        assert_eq!(spin.budget_ns(), SPIN_NS);
    }
}
