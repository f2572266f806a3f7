//! How long a thread spins before it sleeps.
//!
//! Waking a sleeping thread costs 6 µs, and a round trip between two sleeping threads 50 µs; a
//! spinning thread reacts within half a microsecond. But a spin that finds nothing wastes a core.
//! So a thread spins only if its recent waits were short, and the more spins in a row have found
//! nothing, the less often it spins.

use std::cell::Cell;

use reveille_primitive::simulation;
use reveille_primitive::thread::spin_loop;

/// How long a thread spins, in nanoseconds: about twice the time in which a running thread replies,
/// and half of the cost of a sleep and a wake. For the threads of the blocking pool too.
pub(crate) const SPIN_NS: u64 = 20_000;

/// Number of checks between two reads of the clock. Each check is followed by a pause instruction,
/// so 32 of them take about a microsecond.
const CHECKS_PER_CLOCK_READ: u32 = 32;

/// A wait shorter than this, in nanoseconds, could have ended during a spin. It includes the time
/// to fall asleep and to wake up.
const SHORT_NS: u64 = 80_000;

/// After this many misses in a row a thread spins only at every 2^MISSES_MAX-th opportunity.
const MISSES_MAX: u32 = 8;

/// Calls `is_done` until it returns `true` or the time is `end_ns`. Returns whether it returned
/// `true`. In a simulation, where no other thread runs meanwhile, it calls it once.
#[inline]
pub(crate) fn spin_until(
    now_ns: impl Fn() -> u64,
    end_ns: u64,
    is_done: impl Fn() -> bool,
) -> bool {
    if simulation::is_simulated() {
        return is_done();
    }
    loop {
        for _ in 0..CHECKS_PER_CLOCK_READ {
            if is_done() {
                return true;
            }
            spin_loop();
        }
        if now_ns() >= end_ns {
            return false;
        }
    }
}

/// The recent waits of one thread.
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

    /// Spins until `is_done`, for a short time and not beyond the deadline. Does not spin at all if
    /// the recent waits were long. Returns whether `is_done` returned `true`.
    #[inline]
    pub(crate) fn spin(
        &self,
        now_ns: impl Fn() -> u64,
        next_deadline: impl FnOnce() -> Option<u64>,
        is_done: impl Fn() -> bool,
    ) -> bool {
        let budget = self.budget_ns();
        if budget == 0 {
            return false;
        }
        let end_ns = now_ns().saturating_add(budget).min(next_deadline().unwrap_or(u64::MAX));
        let has_hit = spin_until(now_ns, end_ns, is_done);
        self.record_spin(has_hit);
        if has_hit {
            self.record_wait(Some(0));
        }
        has_hit
    }

    /// How long the thread may spin now, in nanoseconds; 0 if it must not spin.
    fn budget_ns(&self) -> u64 {
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

    /// Records whether a spin ended successfully.
    fn record_spin(&self, has_hit: bool) {
        let misses = if has_hit { 0 } else { (self.misses.get() + 1).min(MISSES_MAX) };
        self.misses.set(misses);
    }

    /// Records how long the thread waited for another thread; `None` if it waited for an event or a
    /// deadline, which a spin does not detect.
    pub(crate) fn record_wait(&self, waited_ns: Option<u64>) {
        let waited_ns = waited_ns.unwrap_or(SHORT_NS * 2).min(SHORT_NS * 4);
        let average_ns = self.average_ns.get().min(SHORT_NS * 4);
        self.average_ns.set((3 * average_ns + waited_ns) / 4);
    }
}

#[cfg(all(test, not(reveille_loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_spin_ends_with_its_condition_or_its_time() {
        let (time, checks) = (Cell::new(0), Cell::new(0));
        let now_ns = || time.replace(time.get() + 100);
        let check_until = |last: u32| {
            checks.set(checks.get() + 1);
            checks.get() >= last
        };
        assert!(spin_until(now_ns, 1_000, || check_until(CHECKS_PER_CLOCK_READ + 1)));
        assert_eq!((time.get(), checks.get()), (100, CHECKS_PER_CLOCK_READ + 1));
        assert!(!spin_until(now_ns, 1_000, || check_until(u32::MAX)));
        assert_eq!(time.get(), 1_100, "the time was read last when it was 1,000");
    }

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
