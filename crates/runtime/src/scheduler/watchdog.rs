//! Decides when the monitor samples the workers, and when it sleeps until a timer wakes it.
//!
//! # Problem
//!
//! A sample of an idle runtime costs more than the runtime itself: the monitor begins each one with
//! cold caches. So while workers rarely park and wake, the monitor sleeps. A worker that begins to
//! poll arms a timer that wakes the monitor, and the last worker that parks clears it. Polls that
//! end within some milliseconds never wake the monitor.
//!
//! A worker that is busy and the only one awake is not sampled either: each sample would preempt
//! it, and it would lose more time than the sample takes. It defers the timer between its polls
//! instead. If a poll blocks, the timer fires.
//!
//! A worker that parks and wakes all the time, such as that of a server with one busy connection,
//! would arm and clear the timer for each request. So when parks come too fast, the timer stays set
//! while all workers are parked, too. A worker that wakes defers it if it has not done so for some
//! milliseconds: a thousand short polls then cost one system call. The timer fires once when the
//! load ends.
//!
//! # States
//!
//! * **sampling**: the monitor wakes up by itself. The workers do nothing.
//! * **asleep**: all workers are parked, the monitor sleeps, and the timer is not set.
//! * **armed**: the monitor sleeps, a worker polls, and the timer fires unless all workers park
//!   before.
//! * **deferred**: the monitor sleeps, and the timer fires unless the only worker that is awake
//!   defers it. Workers park and wake without changing the phase.
//! * **stopped**: there is no monitor.
//!
//! The thread of the monitor may not have started yet (`multi/monitor.rs`). Then the phase is never
//! sampling, and parked workers wait for the timer instead of the monitor.
//!
//! ```text
//!              all parked            a worker polls
//!   sampling ─────────────► asleep ─────────────────► armed
//!      ▲  │                   ▲                        │ │ │
//!      │  │ at most one       └────────────────────────┘ │ │
//!      │  │ awake                     all parked         │ │
//!      │  ▼           all parked, and again and again    │ │
//!      │ deferred ◄──────────────────────────────────────┘ │
//!      └────┴─────────── the timer fires ──────────────────┘
//! ```
//!
//! # Invariants
//!
//! 1. The phase changes under the lock `state`, and the timer is set and cleared under it, so the
//!    last phase and the timer agree.
//! 2. A worker that polls is watched. It clears its bit in the idle set and then reads the phase. A
//!    thread that changes the phase to asleep stores the phase and then reads the bits. With a
//!    fence between each pair, either the worker sees that it has to arm the timer, or the other
//!    thread sees a worker awake and takes the phase back. The fence of the worker is the one in
//!    `Idle::unpark`, once for all the polls that follow.
//! 3. While the phase is deferred the timer is set, whichever workers sleep or wake. A worker
//!    defers it once at most after another worker has woken: then it sees that it is not alone. A
//!    change from armed to deferred leaves the timer as it is.

use std::sync::Arc;
use std::time::Duration;

use reveille_primitive::atomic::{AtomicU8, Ordering, fence};
use reveille_primitive::lock::Mutex;
use reveille_primitive::sys::Alarm;

const SAMPLING: u8 = 0;
const ASLEEP: u8 = 1;
const ARMED: u8 = 2;
const STOPPED: u8 = 3;
const DEFERRED: u8 = 4;

/// If the mean time between two parks is at least this long, arming and clearing the timer for each
/// park costs less than sampling.
const LIGHT_NS: u64 = 5_000_000;

/// Changes to asleep after which their rate is checked.
const SLEEPS_PER_CHECK: u32 = if cfg!(reveille_loom) { 1 } else { 16 };

/// The timer that wakes the monitor.
pub(crate) trait WatchdogTimer {
    fn set(&self, after: Duration);
    fn clear(&self);
    /// Whether setting it wakes no thread.
    fn is_cheap(&self) -> bool;
}

impl WatchdogTimer for Arc<Alarm> {
    fn set(&self, after: Duration) {
        Alarm::set(self, after);
    }

    fn clear(&self) {
        // On systems where setting the timer wakes the monitor, clearing it saves nothing: the next
        // setting would wake the monitor.
        if Alarm::is_cheap(self) {
            Alarm::clear(self);
        }
    }

    fn is_cheap(&self) -> bool {
        Alarm::is_cheap(self)
    }
}

/// See the header of the module.
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
    /// A watchdog without a monitor.
    pub(crate) fn new() -> Watchdog<A> {
        Watchdog {
            phase: AtomicU8::new(STOPPED),
            state: Mutex::new(WatchdogState { timer: None, sleeps: 0, since_ns: 0 }),
        }
    }

    /// Starts watching. The monitor samples.
    pub(crate) fn begin(&self, timer: A) {
        let mut state = self.state.lock();
        state.timer = Some(timer);
        self.phase.store(SAMPLING, Ordering::Relaxed);
    }

    /// Starts watching before any worker runs. The monitor sleeps.
    pub(crate) fn begin_asleep(&self, timer: A) {
        let mut state = self.state.lock();
        state.timer = Some(timer);
        self.phase.store(ASLEEP, Ordering::Relaxed);
    }

    /// Stops watching. There is no monitor any more.
    pub(crate) fn end(&self) {
        if let Some(timer) = self.stop() {
            timer.set(Duration::ZERO);
        }
    }

    /// Stops watching if no thread waits for the timer. Returns the timer.
    pub(crate) fn stop(&self) -> Option<A> {
        let mut state = self.state.lock();
        self.phase.store(STOPPED, Ordering::Relaxed);
        state.timer.take()
    }

    /// Called before a worker polls. The monitor samples when `after` has passed. Returns whether
    /// the timer was set and only the thread of the monitor can wait for it.
    #[inline]
    pub(crate) fn set(&self, after: Duration) -> bool {
        self.phase.load(Ordering::Relaxed) == ASLEEP && self.set_slow(after)
    }

    #[cold]
    fn set_slow(&self, after: Duration) -> bool {
        let state = self.state.lock();
        if self.phase.load(Ordering::Relaxed) == ASLEEP
            && let Some(timer) = &state.timer
        {
            self.phase.store(ARMED, Ordering::Relaxed);
            timer.set(after);
            return !timer.is_cheap();
        }
        false
    }

    /// Called if the timer fired and the thread of the monitor could not be started. Unless all
    /// workers are parked, the timer fires again when `after` has passed.
    pub(crate) fn set_again(&self, after: Duration) {
        let state = self.state.lock();
        if matches!(self.phase.load(Ordering::Relaxed), ARMED | DEFERRED)
            && let Some(timer) = &state.timer
        {
            timer.set(after);
        }
    }

    /// Called after a worker has announced that it parks. If it was the last, the monitor need not
    /// sample.
    #[inline]
    pub(crate) fn clear(&self, are_parked: impl Fn() -> bool, now_ns: impl FnOnce() -> u64) {
        // The phase asleep counts too: another worker may be about to take it back.
        if matches!(self.phase.load(Ordering::Relaxed), ARMED | ASLEEP) && are_parked() {
            self.clear_slow(are_parked, now_ns);
        }
    }

    #[cold]
    fn clear_slow(&self, are_parked: impl Fn() -> bool, now_ns: impl FnOnce() -> u64) {
        let mut state = self.state.lock();
        if self.phase.load(Ordering::Relaxed) != ARMED {
            return;
        }
        if state.count_sleep(now_ns) {
            // Changes come too fast. From now on the workers leave the timer set.
            self.phase.store(DEFERRED, Ordering::Relaxed);
            return;
        }
        self.announce_sleep();
        if !are_parked() {
            self.phase.store(ARMED, Ordering::Relaxed);
        } else if let Some(timer) = &state.timer {
            timer.clear();
        }
    }

    /// Called before the monitor sleeps. From now on a worker that is the only one awake defers the
    /// timer. `false` if there is no monitor any more.
    pub(crate) fn defer_to_worker(&self, after: Duration) -> bool {
        let state = self.state.lock();
        let Some(timer) = &state.timer else { return false };
        self.phase.store(DEFERRED, Ordering::Relaxed);
        timer.set(after);
        true
    }

    /// Called by a worker between two polls or when it wakes. If the phase is deferred and no other
    /// worker is awake, the timer is set again. A timer that is not cheap to set fires instead.
    #[inline]
    pub(crate) fn defer(&self, after: Duration, is_alone: impl FnOnce() -> bool) {
        if self.phase.load(Ordering::Relaxed) == DEFERRED {
            self.defer_slow(after, is_alone);
        }
    }

    #[cold]
    fn defer_slow(&self, after: Duration, is_alone: impl FnOnce() -> bool) {
        let state = self.state.lock();
        if self.phase.load(Ordering::Relaxed) == DEFERRED
            && let Some(timer) = state.timer.as_ref().filter(|timer| timer.is_cheap())
            && is_alone()
        {
            timer.set(after);
        }
    }

    /// Called when the monitor was woken. It samples from now on.
    pub(crate) fn begin_sampling(&self) {
        let _held = self.state.lock();
        if self.phase.load(Ordering::Relaxed) != STOPPED {
            self.phase.store(SAMPLING, Ordering::Relaxed);
        }
    }

    /// Called before the monitor sleeps until the timer wakes it. `false` if it must not sleep.
    pub(crate) fn sleep(&self, are_parked: impl Fn() -> bool, now_ns: u64) -> bool {
        let mut state = self.state.lock();
        if self.phase.load(Ordering::Relaxed) == STOPPED {
            return false;
        }
        (state.sleeps, state.since_ns) = (0, now_ns);
        self.announce_sleep();
        let may_sleep = are_parked();
        if !may_sleep {
            self.phase.store(SAMPLING, Ordering::Relaxed);
        }
        may_sleep
    }

    /// The first half of invariant 2. The caller checks the bits next.
    fn announce_sleep(&self) {
        self.phase.store(ASLEEP, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }
}

impl<A> WatchdogState<A> {
    /// Counts a change to asleep. `true` if recent changes came too fast.
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

/// Whether workers parked rarely: this many parks in this time.
pub(crate) fn is_light(parks: u64, time_ns: u64) -> bool {
    parks * LIGHT_NS <= time_ns
}

#[cfg(all(test, not(reveille_loom)))]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// What the alarm is set to.
    type SetAlarm = std::rc::Rc<Cell<Option<Duration>>>;

    const SOON: Duration = Duration::from_millis(4);

    impl WatchdogTimer for SetAlarm {
        fn set(&self, after: Duration) {
            Cell::set(self, Some(after));
        }

        fn clear(&self) {
            Cell::set(self, None);
        }

        fn is_cheap(&self) -> bool {
            true
        }
    }

    fn begun() -> (Watchdog<SetAlarm>, SetAlarm) {
        let (watchdog, alarm) = (Watchdog::new(), SetAlarm::default());
        watchdog.begin(alarm.clone());
        (watchdog, alarm)
    }

    #[test]
    fn a_monitor_that_samples_needs_no_alarm() {
        let (watchdog, alarm) = begun();
        watchdog.set(SOON);
        watchdog.clear(|| true, || 0);
        assert_eq!(alarm.get(), None);
    }

    #[test]
    fn a_monitor_that_sleeps_is_woken_if_a_worker_stays_awake() {
        let (watchdog, alarm) = begun();
        assert!(!watchdog.sleep(|| false, 0), "a worker is awake");
        watchdog.set(SOON);
        assert_eq!(alarm.get(), None, "the monitor samples");
        assert!(watchdog.sleep(|| true, 0));
        watchdog.set(SOON);
        assert_eq!(alarm.get(), Some(SOON));
        watchdog.clear(|| false, || 0);
        assert_eq!(alarm.get(), Some(SOON), "another worker is awake");
        watchdog.clear(|| true, || 0);
        assert_eq!(alarm.get(), None);
        watchdog.set(SOON);
        watchdog.begin_sampling();
        watchdog.clear(|| true, || 0);
        assert_eq!(alarm.get(), Some(SOON), "it has fired");
    }

    #[test]
    fn a_worker_that_parks_and_wakes_all_the_time_leaves_the_alarm_set() {
        const LATER: Duration = Duration::from_millis(5);
        let (watchdog, alarm) = begun();
        let cleared = |parks: u64, gap_ns: u64| {
            assert!(watchdog.sleep(|| true, 0));
            let is_clear = |park: &u64| {
                watchdog.set(SOON);
                watchdog.clear(|| true, || park * gap_ns);
                alarm.get().is_none()
            };
            (1..=parks).filter(is_clear).count() as u64
        };
        assert_eq!(cleared(1_000, LIGHT_NS), 1_000);
        assert_eq!(cleared(1_000, LIGHT_NS - 1), u64::from(SLEEPS_PER_CHECK) - 1);
        watchdog.defer(LATER, || false);
        assert_eq!(alarm.get(), Some(SOON), "another is awake");
        watchdog.defer(LATER, || true);
        assert_eq!(alarm.get(), Some(LATER));
        watchdog.begin_sampling();
        assert!(watchdog.sleep(|| true, 0), "the load has ended");
    }

    #[test]
    fn a_worker_that_is_alone_defers_the_alarm() {
        const LATER: Duration = Duration::from_millis(5);
        let (watchdog, alarm) = begun();
        watchdog.defer(LATER, || true);
        assert_eq!(alarm.get(), None, "the monitor samples");
        assert!(watchdog.defer_to_worker(SOON));
        assert_eq!(alarm.get(), Some(SOON));
        watchdog.defer(LATER, || false);
        assert_eq!(alarm.get(), Some(SOON), "another is awake");
        watchdog.defer(LATER, || true);
        assert_eq!(alarm.get(), Some(LATER));
        watchdog.clear(|| true, || 0);
        watchdog.set(SOON);
        assert_eq!(alarm.get(), Some(LATER), "it fires, whichever worker sleeps or wakes");
        watchdog.begin_sampling();
        watchdog.defer(SOON, || true);
        assert_eq!(alarm.get(), Some(LATER), "it has fired");
        assert!(watchdog.defer_to_worker(SOON));
        watchdog.end();
        watchdog.defer(SOON, || true);
        assert_eq!(alarm.get(), Some(Duration::ZERO));
        assert!(!watchdog.defer_to_worker(SOON));
    }

    #[test]
    fn the_end_wakes_the_monitor_and_keeps_it_awake() {
        let (watchdog, alarm) = begun();
        assert!(watchdog.sleep(|| true, 0));
        watchdog.end();
        assert_eq!(alarm.get(), Some(Duration::ZERO));
        assert!(!watchdog.sleep(|| true, 0));
        watchdog.begin_sampling();
        watchdog.set(SOON);
        assert!(!watchdog.sleep(|| true, 0));
    }
}
