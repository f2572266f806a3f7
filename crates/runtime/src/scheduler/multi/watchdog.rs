//! Whether the monitor looks, sleeps, or will be woken.
//!
//! A monitor that looks at an idle runtime costs more than the runtime: each look begins with cold
//! caches. So while little happens it sleeps, and a worker that begins to poll sets its alarm; the
//! worker that is the last to park clears it. What is done within some milliseconds never wakes it.
//!
//! Nor does it look at a worker that is the only one awake and busy: preempted for each look, that
//! one loses more than a look's time. It puts off the alarm between its polls instead, as an engine
//! driver does with the dead man's switch.
//!
//! # Vocabulary
//!
//! * **looking**: the monitor wakes up by itself. The workers do nothing.
//! * **resting**: every worker is parked, the monitor sleeps, the alarm is not set.
//! * **set**: the monitor sleeps, a worker polls, and the alarm rings unless all park before.
//! * **minded**: the monitor sleeps, and the alarm rings unless a worker that is the only one awake
//!   puts it off.
//! * **over**: there is no monitor.
//!
//! # Invariants
//!
//! 1. The phase changes under the lock of `held`, and the alarm is set and cleared under it, so the
//!    last phase and what the alarm does agree.
//! 2. A worker that polls is watched: it clears its bit of parked workers and then reads the phase;
//!    who makes the phase resting stores it and then reads the bits. With a fence between each pair
//!    the worker sees that it has to set the alarm, or the other sees a worker awake and takes the
//!    rest back. The worker's fence is that of `Idle::unpark`, once for all the polls that follow.
//! 3. While minded the alarm is set, whoever sleeps or wakes. A worker puts it off once at most
//!    after another has woken: then it sees that it is not alone.

use std::time::Duration;

use reveille_primitive::atomic::{AtomicU8, Ordering, fence};
use reveille_primitive::lock::Mutex;

const SAMPLING: u8 = 0;
const ASLEEP: u8 = 1;
const ARMED: u8 = 2;
const STOPPED: u8 = 3;
const DEFERRED: u8 = 4;

/// The shortest time between two parks, on average, at which an alarm set and cleared for each is
/// less than what the monitor's own looks cost.
const LIGHT_NS: u64 = 5_000_000;

/// Rests after which the rate of rests is looked at.
const SLEEPS_PER_CHECK: u32 = 16;

/// What wakes the monitor. Setting and clearing it wakes nobody.
pub(crate) trait WatchdogTimer {
    fn set(&self, after: Duration);
    fn clear(&self);
}

/// The monitor's state, as the workers see it.
#[derive(Debug)]
pub(crate) struct Watchdog<A> {
    phase: AtomicU8,
    state: Mutex<WatchdogState<A>>,
}

#[derive(Debug)]
struct WatchdogState<A> {
    timer: Option<A>,
    sleeps: u32,
    since_ns: u64,
}

impl<A: WatchdogTimer> Watchdog<A> {
    /// A duty without a monitor.
    pub(crate) fn new() -> Watchdog<A> {
        Watchdog {
            phase: AtomicU8::new(STOPPED),
            state: Mutex::new(WatchdogState { timer: None, sleeps: 0, since_ns: 0 }),
        }
    }

    /// There is a monitor from now on, and it looks.
    pub(crate) fn begin(&self, alarm: A) {
        let mut held = self.state.lock();
        held.timer = Some(alarm);
        self.phase.store(SAMPLING, Ordering::Relaxed);
    }

    /// There is no monitor any more.
    pub(crate) fn end(&self) {
        let mut held = self.state.lock();
        self.phase.store(STOPPED, Ordering::Relaxed);
        if let Some(alarm) = held.timer.take() {
            alarm.set(Duration::ZERO);
        }
    }

    /// A worker is about to poll: the monitor is to look when `after` has passed.
    #[inline]
    pub(crate) fn set(&self, after: Duration) {
        if self.phase.load(Ordering::Relaxed) == ASLEEP {
            self.set_slow(after);
        }
    }

    #[cold]
    fn set_slow(&self, after: Duration) {
        let held = self.state.lock();
        if self.phase.load(Ordering::Relaxed) == ASLEEP
            && let Some(alarm) = &held.timer
        {
            self.phase.store(ARMED, Ordering::Relaxed);
            alarm.set(after);
        }
    }

    /// A worker has announced that it parks: the monitor need not look if that was the last.
    #[inline]
    pub(crate) fn clear(&self, are_parked: impl Fn() -> bool, now_ns: impl FnOnce() -> u64) {
        // Also while it seems to rest: another worker may be about to take the rest back.
        if matches!(self.phase.load(Ordering::Relaxed), ARMED | ASLEEP) && are_parked() {
            self.clear_slow(are_parked, now_ns);
        }
    }

    #[cold]
    fn clear_slow(&self, are_parked: impl Fn() -> bool, now_ns: impl FnOnce() -> u64) {
        let mut held = self.state.lock();
        if self.phase.load(Ordering::Relaxed) != ARMED || held.count_sleep(now_ns) {
            // In the second case it rings, and the monitor looks by itself until less happens.
            return;
        }
        self.announce_sleep();
        if !are_parked() {
            self.phase.store(ARMED, Ordering::Relaxed);
        } else if let Some(alarm) = &held.timer {
            alarm.clear();
        }
    }

    /// The monitor leaves it to the one worker that is awake to put the alarm off. `false` if there
    /// is no monitor any more.
    pub(crate) fn defer_to_worker(&self, after: Duration) -> bool {
        let held = self.state.lock();
        let Some(alarm) = &held.timer else { return false };
        self.phase.store(DEFERRED, Ordering::Relaxed);
        alarm.set(after);
        true
    }

    /// A worker is between two polls: if it minds the alarm and is alone, that rings later.
    #[inline]
    pub(crate) fn defer(&self, after: Duration, is_alone: impl FnOnce() -> bool) {
        if self.phase.load(Ordering::Relaxed) == DEFERRED {
            self.defer_slow(after, is_alone);
        }
    }

    #[cold]
    fn defer_slow(&self, after: Duration, is_alone: impl FnOnce() -> bool) {
        let held = self.state.lock();
        if self.phase.load(Ordering::Relaxed) == DEFERRED
            && is_alone()
            && let Some(alarm) = &held.timer
        {
            alarm.set(after);
        }
    }

    /// The monitor was woken and looks.
    pub(crate) fn begin_sampling(&self) {
        let _held = self.state.lock();
        if self.phase.load(Ordering::Relaxed) != STOPPED {
            self.phase.store(SAMPLING, Ordering::Relaxed);
        }
    }

    /// The monitor wants to sleep until it is woken. `false` if it must not.
    pub(crate) fn sleep(&self, are_parked: impl Fn() -> bool, now_ns: u64) -> bool {
        let mut held = self.state.lock();
        if self.phase.load(Ordering::Relaxed) == STOPPED {
            return false;
        }
        (held.sleeps, held.since_ns) = (0, now_ns);
        self.announce_sleep();
        let may_rest = are_parked();
        if !may_rest {
            self.phase.store(SAMPLING, Ordering::Relaxed);
        }
        may_rest
    }

    /// The first half of what invariant 2 asks for; the look at the bits comes next.
    fn announce_sleep(&self) {
        self.phase.store(ASLEEP, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }
}

impl<A> WatchdogState<A> {
    /// Counts a rest. `true` if they came too fast lately.
    fn count_sleep(&mut self, now_ns: impl FnOnce() -> u64) -> bool {
        self.sleeps += 1;
        if self.sleeps < SLEEPS_PER_CHECK {
            return false;
        }
        let now_ns = now_ns();
        let is_light = is_light(u64::from(self.sleeps), now_ns.saturating_sub(self.since_ns));
        (self.sleeps, self.since_ns) = (0, now_ns);
        !is_light
    }
}

/// Whether so many parks in that time are few.
pub(crate) fn is_light(parks: u64, time_ns: u64) -> bool {
    parks * LIGHT_NS <= time_ns
}

#[cfg(all(test, not(reveille_loom)))]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// What the alarm is set to.
    type Heard = std::rc::Rc<Cell<Option<Duration>>>;

    const SOON: Duration = Duration::from_millis(4);

    impl WatchdogTimer for Heard {
        fn set(&self, after: Duration) {
            Cell::set(self, Some(after));
        }

        fn clear(&self) {
            Cell::set(self, None);
        }
    }

    fn duty() -> (Watchdog<Heard>, Heard) {
        let (duty, heard) = (Watchdog::new(), Heard::default());
        duty.begin(heard.clone());
        (duty, heard)
    }

    #[test]
    fn a_monitor_that_looks_needs_no_alarm() {
        let (duty, heard) = duty();
        duty.set(SOON);
        duty.clear(|| true, || 0);
        assert_eq!(heard.get(), None);
    }

    #[test]
    fn a_monitor_that_rests_is_woken_if_a_worker_stays_awake() {
        let (duty, heard) = duty();
        assert!(!duty.sleep(|| false, 0), "somebody is awake");
        duty.set(SOON);
        assert_eq!(heard.get(), None, "it looks");
        assert!(duty.sleep(|| true, 0));
        duty.set(SOON);
        assert_eq!(heard.get(), Some(SOON));
        duty.clear(|| false, || 0);
        assert_eq!(heard.get(), Some(SOON), "another worker is awake");
        duty.clear(|| true, || 0);
        assert_eq!(heard.get(), None);
        duty.set(SOON);
        duty.begin_sampling();
        duty.clear(|| true, || 0);
        assert_eq!(heard.get(), Some(SOON), "it has rung");
    }

    #[test]
    fn a_worker_that_parks_and_wakes_all_the_time_lets_it_ring() {
        let (duty, heard) = duty();
        let parks_until_it_rings = |gap_ns: u64| {
            assert!(duty.sleep(|| true, 0));
            (1..1_000).find(|park| {
                duty.set(SOON);
                duty.clear(|| true, || park * gap_ns);
                heard.get().is_some()
            })
        };
        assert_eq!(parks_until_it_rings(LIGHT_NS), None);
        assert_eq!(parks_until_it_rings(LIGHT_NS - 1), Some(u64::from(SLEEPS_PER_CHECK)));
    }

    #[test]
    fn a_worker_puts_the_alarm_off_while_it_minds_it_and_is_alone() {
        const LATER: Duration = Duration::from_millis(5);
        let (duty, heard) = duty();
        duty.defer(LATER, || true);
        assert_eq!(heard.get(), None, "the monitor looks");
        assert!(duty.defer_to_worker(SOON));
        assert_eq!(heard.get(), Some(SOON));
        duty.defer(LATER, || false);
        assert_eq!(heard.get(), Some(SOON), "another is awake");
        duty.defer(LATER, || true);
        assert_eq!(heard.get(), Some(LATER));
        duty.clear(|| true, || 0);
        duty.set(SOON);
        assert_eq!(heard.get(), Some(LATER), "it rings, whoever sleeps or wakes");
        duty.begin_sampling();
        duty.defer(SOON, || true);
        assert_eq!(heard.get(), Some(LATER), "it has rung");
        assert!(duty.defer_to_worker(SOON));
        duty.end();
        duty.defer(SOON, || true);
        assert_eq!(heard.get(), Some(Duration::ZERO));
        assert!(!duty.defer_to_worker(SOON));
    }

    #[test]
    fn the_end_wakes_the_monitor_and_keeps_it_awake() {
        let (duty, heard) = duty();
        assert!(duty.sleep(|| true, 0));
        duty.end();
        assert_eq!(heard.get(), Some(Duration::ZERO));
        assert!(!duty.sleep(|| true, 0));
        duty.begin_sampling();
        duty.set(SOON);
        assert!(!duty.sleep(|| true, 0));
    }
}
