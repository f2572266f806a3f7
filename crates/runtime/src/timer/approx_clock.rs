//! A cheap upper bound on the current time, at half the cost of a read of the clock.
//!
//! A new deadline needs the current time, and reading the clock was a third of the cost of a timer.
//! A worker reads the clock anyway, every few microseconds. So it records the time together with
//! the processor's timestamp counter, as a *sample*. For a while it then computes the time as that
//! of the sample plus the ticks since.
//!
//! The estimate is too late by a thousandth of the age of the sample, and the age is at most a
//! millisecond. So a deadline that is computed from it is at most two microseconds late, and never
//! early.
//!
//! # Invariants
//!
//! 1. The time of a sample is never before its ticks: the ticks are read first.
//! 2. `RATE` is below the true rate by at most the slew of the clock (500 ppm).
//!
//! It is used only where the system's own clock is the timestamp counter (x86-64 Linux): the kernel
//! has then verified that the counters of all cores agree and have a constant rate. On other
//! systems, in a simulation, and until the rate is known, the clock is read instead. A virtual
//! clock is always read.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, Read};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use reveille_primitive::{simulation, ticks};

use super::clock::Clock;

/// Nanoseconds per tick in units of 2^-32; 0 until it is known. It needs no synchronisation: it is
/// written once, or several times with equally good values.
static RATE: AtomicU64 = AtomicU64::new(0);

/// The minimum time, in nanoseconds, between two readings from which the rate is computed: their
/// uncertainty of some tens of nanoseconds is then a few millionths.
const BASE_NS: u64 = 20_000_000;

/// The maximum time between them, in nanoseconds: the clock may be slewed, and its current rate
/// counts.
const BASE_MAX_NS: u64 = 20_000_000_000;

/// The maximum age of a sample, in nanoseconds.
const AGE_MAX_NS: u64 = 1_000_000;

/// The maximum error of an estimate, in nanoseconds: a thousandth of [`AGE_MAX_NS`], and the same
/// again for a slewed clock.
pub(crate) const APPROX_ERROR_MAX_NS: u64 = 2_000;

/// The age of a sample, in nanoseconds, from which a read of the clock replaces it. Reading the
/// ticks costs as much as reading the clock, and an estimate from a sample of this age is 200 ns
/// late.
const RESAMPLE_NS: u64 = 200_000;

/// The maximum duration, in ticks, of reading the ticks, the clock and the ticks again. If it takes
/// longer, the thread was interrupted.
const READING_TICKS_MAX: u64 = 2_000;

/// The samples of one worker thread.
#[derive(Debug, Default)]
pub(crate) struct ApproxClock {
    sample: Cell<Option<TickSample>>,
    /// The first sample of this worker, kept until the rate is known.
    first: Cell<Option<TickSample>>,
}

#[derive(Clone, Copy, Debug)]
struct TickSample {
    ticks: u64,
    ns: u64,
}

impl ApproxClock {
    /// Reads the clock, and the ticks if the sample is old.
    pub(crate) fn read(&self, clock: &Clock) -> u64 {
        let ns = clock.now_ns();
        match self.sample.get() {
            Some(sample) if ns.saturating_sub(sample.ns) < RESAMPLE_NS => ns,
            _ => self.read_with_ticks(clock, ns),
        }
    }

    #[cold]
    fn read_with_ticks(&self, clock: &Clock, ns: u64) -> u64 {
        let Some(before) = usable_ticks(clock) else {
            return ns;
        };
        // Read the clock again, after the ticks (invariant 1).
        let ns = clock.now_ns();
        let after = ticks().unwrap_or(u64::MAX);
        if after.wrapping_sub(before) <= READING_TICKS_MAX {
            self.note(TickSample { ticks: before, ns });
        }
        ns
    }

    /// An upper bound on the current time, at most [`APPROX_ERROR_MAX_NS`] too late.
    #[inline]
    pub(crate) fn now_ns(&self, clock: &Clock) -> u64 {
        let rate = RATE.load(Ordering::Relaxed);
        // In a simulation there is no sample, and strict mode forbids the read.
        let estimate = match self.sample.get() {
            Some(sample) if rate != 0 => ticks().and_then(|now| sample.extended_to(now, rate)),
            _ => None,
        };
        estimate.unwrap_or_else(|| self.read(clock))
    }

    fn note(&self, sample: TickSample) {
        self.sample.set(Some(sample));
        if RATE.load(Ordering::Relaxed) != 0 {
            return;
        }
        let first =
            self.first.get().filter(|first| sample.ns.wrapping_sub(first.ns) <= BASE_MAX_NS);
        self.first.set(first.or(Some(sample)));
        if let Some(rate) = first.and_then(|first| rate_between(first, sample)) {
            RATE.store(rate, Ordering::Relaxed);
        }
    }
}

impl TickSample {
    /// The time at `now` ticks, rounded up; `None` if the sample is too old, or newer than `now`.
    #[inline]
    fn extended_to(self, now: u64, rate: u64) -> Option<u64> {
        let passed = now.wrapping_sub(self.ticks);
        // A product that overflows is far beyond the maximum age.
        let passed_ns = passed.checked_mul(rate)? >> 32;
        let is_young = passed_ns <= AGE_MAX_NS;
        is_young.then(|| self.ns + passed_ns + (passed_ns >> 10) + 1)
    }
}

/// The rate, rounded up, if the samples are far enough apart.
fn rate_between(first: TickSample, last: TickSample) -> Option<u64> {
    let ns = last.ns.checked_sub(first.ns).filter(|&ns| ns >= BASE_NS)?;
    let ticks = last.ticks.checked_sub(first.ticks).filter(|&ticks| ticks > 0)?;
    let rate = (u128::from(ns + 100) << 32).div_ceil(u128::from(ticks));
    // Between 0.1 and 100 GHz; any other rate is implausible.
    u64::try_from(rate).ok().filter(|rate| (1 << 25..10 << 32).contains(rate))
}

/// The ticks, if `clock` is based on them.
#[inline]
fn usable_ticks(clock: &Clock) -> Option<u64> {
    match clock {
        Clock::System { .. } if counts_ticks() => ticks(),
        _ => None,
    }
}

/// Whether the system's clock is the timestamp counter. Empty until that is known.
static COUNTS_TICKS: OnceLock<bool> = OnceLock::new();

/// Detects whether the system's clock is the timestamp counter. Called by the thread that starts a
/// runtime, before it starts workers, because it opens a file.
///
/// If that fails, for example at the limit of open files, estimates are not used, and the next
/// runtime tries again.
pub(crate) fn detect_ticks() {
    const SOURCE: &str = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
    if cfg!(target_os = "linux")
        && !simulation::is_simulated()
        && COUNTS_TICKS.get().is_none()
        && let Ok(counts) = starts_with(SOURCE, b"tsc\n")
    {
        COUNTS_TICKS.get_or_init(|| counts);
    }
}

/// Whether a file of the system starts with `text`. Each start of a process calls it, so it reads
/// once, and asks for no size.
fn starts_with(path: &str, text: &[u8; 4]) -> io::Result<bool> {
    let mut start = [0; 4];
    let len = File::open(path)?.read(&mut start)?;
    Ok(start[..len] == text[..])
}

/// Whether the system's clock is known to be the timestamp counter.
pub(crate) fn counts_ticks() -> bool {
    COUNTS_TICKS.get().is_some_and(|&counts| counts)
}

#[cfg(all(test, not(reveille_loom)))]
mod tests {
    use super::*;
    use std::time::Duration;

    /// 3 GHz: three ticks are a nanosecond.
    const THREE: u64 = (1 << 32) / 3 + 1;

    #[test]
    fn the_estimate_is_never_early_and_at_most_a_thousandth_late() {
        let sample = TickSample { ticks: 1_000, ns: 50_000 };
        for passed in [0, 1, 2, 3, 299, 3_000, 299_999, 3_000_000] {
            let exact_ns = 50_000 + passed / 3;
            let estimate = sample.extended_to(1_000 + passed, THREE).expect("young enough");
            assert!(estimate >= exact_ns && estimate > 50_000 + (passed - passed % 3) / 3);
            assert!(estimate <= exact_ns + passed / 3_000 + 3, "{estimate} for {exact_ns}");
        }
    }

    #[test]
    fn an_old_sample_or_a_sample_from_the_future_gives_no_estimate() {
        let sample = TickSample { ticks: 1_000, ns: 50_000 };
        assert_eq!(sample.extended_to(1_000 + 3 * (AGE_MAX_NS + 10), THREE), None);
        assert_eq!(sample.extended_to(999, THREE), None);
    }

    #[test]
    fn a_rate_needs_readings_far_apart_and_a_plausible_result() {
        let first = TickSample { ticks: 0, ns: 0 };
        let rate = |ticks, ns| rate_between(first, TickSample { ticks, ns });
        assert_eq!(rate(3 * (BASE_NS - 1), BASE_NS - 1), None);
        let found = rate(3 * BASE_NS, BASE_NS).expect("far enough apart");
        assert!((THREE - 1..THREE + THREE / 100_000).contains(&found), "{found} for {THREE}");
        assert_eq!(rate(1, BASE_NS), None);
        assert_eq!(rate(0, BASE_NS), None);
    }

    #[test]
    fn a_virtual_clock_is_always_read() {
        let (clock, time) = Clock::virtual_at_origin();
        let approx = ApproxClock::default();
        assert_eq!((approx.read(&clock), approx.now_ns(&clock)), (0, 0));
        time.advance(Duration::from_nanos(77));
        assert_eq!((approx.now_ns(&clock), approx.read(&clock)), (77, 77));
    }

    #[test]
    fn the_estimate_is_between_two_readings_of_the_clock() {
        detect_ticks();
        let clock = Clock::system();
        let approx = ApproxClock::default();
        for round in 0_u64..200_000 {
            if round.is_multiple_of(64) {
                approx.read(&clock);
            }
            let before = clock.now_ns();
            let estimate = approx.now_ns(&clock);
            let after = clock.now_ns();
            assert!(estimate >= before, "{} ns early", before - estimate);
            // An interruption delays `after` too, so this does not depend on the machine.
            assert!(estimate <= after + 3_000, "{} ns late", estimate - after);
        }
    }
}
