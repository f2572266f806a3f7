//! The thread that notices a blocked worker.
//!
//! A worker counts the beginning and the end of each poll ([`Pulse`]); the monitor compares two
//! readings, [`PERIOD`] apart. A worker seen in the same poll twice has its last-in task moved to
//! its run queue, where others can steal it; seen three times, its place is given to another
//! thread, if anybody waits there: a task, a deadline, a socket. So a poll may block for some
//! milliseconds before anybody else notices, and a long computation that is alone keeps its place.
//!
//! While little happens it does not look at all: a worker that begins to poll sets its alarm, and
//! the last that parks clears it, see [`Duty`]. While workers park and wake all the time that would
//! cost more than the looks, which then become rare, down to [`PERIOD_MAX`], for as long as they
//! find all workers parked. A worker that is busy and the only one awake is not looked at either:
//! it puts the alarm off between its polls, and a poll that blocks lets it ring.
//!
//! Rejected: looks that become rare and end when nobody has polled for a quarter of a second. A
//! runtime that wakes ten times a second for a moment paid fifteen looks a second, each with cold
//! caches on another core, two thirds of all it used. To sleep as soon as all are parked, woken by
//! the next poll: two context switches each time.

use std::sync::Arc;
use std::time::Duration;

use reveille_driver::Alarm;
use reveille_primitive::atomic::{AtomicBool, Ordering};
use reveille_primitive::lock::Mutex;

use super::Shared;
use super::duty::{Duty, Ring, is_light};
use super::place::Place;
use super::vacancy::{Pulse, Vacancy};
use crate::builder::Config;
use crate::context;
use crate::observe::Event;
use crate::threads::{Thread, ThreadSpec};

/// How often the monitor looks while several workers are awake, and after what time the first time:
/// 14 us with cold caches each are three thousandths of a core, and three looks are half of what a
/// user notices.
const PERIOD: Duration = Duration::from_millis(4);

/// How often a worker that is alone puts the alarm off, in nanoseconds: half of what it has.
pub(super) const PUT_OFF_NS: u64 = 2_000_000;

/// The longest time between two looks: a poll that blocks is noticed after this and two short
/// periods, still before a user does.
const PERIOD_MAX: Duration = Duration::from_millis(64);

/// Looks in a row that saw no poll, a fifth of a second, before the monitor sleeps where setting
/// its alarm wakes it.
const QUIET_LOOKS: u32 = 6;

/// Looks between two attempts to find a thread for the same place.
const ASK_EVERY: u32 = 16;

/// Looks at the same poll after which the place changes hands.
const LOOKS: u32 = 3;

#[derive(Debug)]
pub(crate) struct Monitor {
    duty: Duty<Arc<Alarm>>,
    is_running: AtomicBool,
    thread: Mutex<Option<Thread>>,
}

impl Ring for Arc<Alarm> {
    fn set(&self, after: Duration) {
        Alarm::set(self, after);
    }

    fn clear(&self) {
        // Where the next setting would wake the monitor again, it may as well ring.
        if self.is_cheap() {
            Alarm::clear(self);
        }
    }
}

/// What the monitor remembers of one place.
#[derive(Clone, Default)]
struct Watch {
    pulse: Option<Arc<Pulse>>,
    reading: u64,
    looks: u32,
    /// Looks until another thread is asked for again.
    asked: u32,
}

impl Monitor {
    pub(crate) fn new() -> Monitor {
        Monitor { duty: Duty::new(), is_running: AtomicBool::new(false), thread: Mutex::new(None) }
    }

    /// Starts the thread, unless the configuration does without.
    pub(crate) fn start(&self, shared: &'static Shared, config: &Config) -> std::io::Result<()> {
        if config.max_spare_threads == 0 {
            return Ok(());
        }
        let alarm = Arc::new(Alarm::new());
        self.is_running.store(true, Ordering::SeqCst);
        self.duty.begin(Arc::clone(&alarm));
        // Not under a lock: what starts a thread is handed in.
        let thread = (config.spawner)(ThreadSpec {
            name: format!("{}-monitor", config.thread_name),
            stack_size: Some(128 * 1024),
            body: Box::new(move || shared.monitor.watch(shared, &alarm)),
        });
        match thread {
            Ok(thread) => {
                *self.thread.lock() = Some(thread);
                Ok(())
            }
            Err(error) => {
                self.end();
                Err(error)
            }
        }
    }

    /// Ends the thread and waits for it.
    pub(crate) fn stop(&self) {
        self.end();
        let thread = self.thread.lock().take();
        if let Some(thread) = thread {
            thread.join();
        }
    }

    fn end(&self) {
        self.is_running.store(false, Ordering::SeqCst);
        self.duty.end();
    }

    /// A worker is about to poll.
    #[inline]
    pub(crate) fn arm(&self) {
        self.duty.set(PERIOD);
    }

    /// A worker is between two polls, [`PUT_OFF_NS`] after it was here before.
    pub(crate) fn put_off(&self, shared: &'static Shared) {
        self.duty.put_off(PERIOD, || is_one_awake(shared));
    }

    /// A worker has announced that it parks.
    #[inline]
    pub(crate) fn disarm(&self, shared: &'static Shared, now_ns: impl FnOnce() -> u64) {
        self.duty.clear(|| all_parked(shared), now_ns);
    }

    /// The life of the monitor's thread.
    fn watch(&self, shared: &'static Shared, alarm: &Alarm) {
        let mut watches = vec![Watch::default(); shared.places.len()];
        let clock = context::system_clock();
        let mut pace = Pace::new(alarm.is_cheap(), parks(shared), clock.now_ns());
        while self.is_running.load(Ordering::SeqCst) {
            if pace.is_quiet() && self.duty.rest(|| all_parked(shared), clock.now_ns()) {
                // Nobody is awake. Whoever wakes up sets the alarm.
                alarm.wait(None);
                self.duty.look();
                pace = Pace::new(alarm.is_cheap(), parks(shared), clock.now_ns());
            } else if pace.is_steady && self.duty.leave_to_worker(PERIOD) {
                alarm.wait(None);
                self.duty.look();
            } else {
                alarm.wait(Some(pace.period));
            }
            if !self.is_running.load(Ordering::SeqCst) {
                return;
            }
            let mut has_polled = false;
            for (place, watch) in shared.places.iter().zip(&mut watches) {
                let before = watch.reading;
                look(shared, place, watch);
                has_polled |= watch.reading != before;
            }
            shared.staff.make_good(shared);
            pace.record(all_parked(shared), has_polled, parks(shared), clock.now_ns());
            let is_in_doubt = watches.iter().any(|watch| watch.looks > 0);
            pace.is_steady = alarm.is_cheap() && has_polled && !is_in_doubt && is_one_awake(shared);
        }
    }
}

/// How often workers have parked.
fn parks(shared: &Shared) -> u64 {
    shared.places.iter().map(|place| place.counters.get(Event::Park)).sum()
}

fn all_parked(shared: &Shared) -> bool {
    shared.idle.parked_count() == shared.places.len()
}

/// Whether one worker is awake. Then all others are parked: a place without a thread is not.
fn is_one_awake(shared: &Shared) -> bool {
    shared.idle.parked_count() + 1 == shared.places.len()
}

/// How often the monitor looks.
#[derive(Debug)]
struct Pace {
    period: Duration,
    /// Whether the alarm wakes nobody before it rings.
    is_cheap: bool,
    /// One worker is awake and gets on, so that it can mind the alarm.
    is_steady: bool,
    /// Looks in a row that saw no poll.
    quiet_looks: u32,
    /// All are parked, and parked seldom since the look before.
    is_light: bool,
    parks: u64,
    looked_ns: u64,
}

impl Pace {
    fn new(is_cheap: bool, parks: u64, now_ns: u64) -> Pace {
        Pace {
            period: PERIOD,
            is_cheap,
            is_steady: false,
            quiet_looks: 0,
            is_light: false,
            parks,
            looked_ns: now_ns,
        }
    }

    /// Whether so little happens that the monitor may sleep until its alarm rings.
    fn is_quiet(&self) -> bool {
        if self.is_cheap { self.is_light } else { self.quiet_looks >= QUIET_LOOKS }
    }

    /// Notes what a look has seen.
    fn record(&mut self, all_parked: bool, has_polled: bool, parks: u64, now_ns: u64) {
        self.period = if all_parked { (self.period * 2).min(PERIOD_MAX) } else { PERIOD };
        let is_quiet = all_parked && !has_polled;
        self.quiet_looks = if is_quiet { self.quiet_looks + 1 } else { 0 };
        let time_ns = now_ns.saturating_sub(self.looked_ns);
        self.is_light = all_parked && is_light(parks.saturating_sub(self.parks), time_ns);
        (self.parks, self.looked_ns) = (parks, now_ns);
    }
}

/// Looks at one place and acts if its worker is still in the poll it was in before.
fn look(shared: &'static Shared, place: &'static Place, watch: &mut Watch) {
    let pulse = place.pulse.lock().clone();
    let reading = pulse.as_ref().map_or(0, |pulse| pulse.read());
    let is_same_thread = match (&watch.pulse, &pulse) {
        (Some(before), Some(now)) => Arc::ptr_eq(before, now),
        _ => false,
    };
    let is_same_poll = is_same_thread && reading == watch.reading && reading % 2 == 1;
    watch.looks = if is_same_poll { watch.looks.saturating_add(1) } else { 0 };
    if !is_same_poll {
        watch.asked = 0;
    }
    watch.reading = reading;
    watch.pulse.clone_from(&pulse);
    if watch.looks == 1 {
        expose_last_in(shared, place);
    }
    watch.asked = watch.asked.saturating_sub(1);
    if watch.looks < LOOKS - 1 || watch.asked > 0 || !has_waiting(shared, place) {
        return;
    }
    if let Some(pulse) = pulse {
        // Asked again later: the first thread may have come too late, or there was none.
        watch.asked = ASK_EVERY;
        shared.staff.fill(shared, Vacancy::stuck(place.index, pulse, reading));
    }
}

/// Whether anybody waits for the place of a blocked worker: a task, a deadline, a socket. If not,
/// a long computation keeps its place.
fn has_waiting(shared: &'static Shared, place: &'static Place) -> bool {
    if place.queued() > 0 || !shared.injector.is_empty() {
        return true;
    }
    let has_sources = place.driver.lock().as_ref().is_some_and(|driver| driver.sources() > 0);
    has_sources
        || place.core.with(|core, _| core.next.is_some())
        || place.timers.is_due(context::system_clock().now_ns())
}

/// Moves the last-in task of a worker in a long poll to where others can steal it.
fn expose_last_in(shared: &'static Shared, place: &'static Place) {
    place.core.with(|core, _| {
        if let Some(task) = core.next.take() {
            place.queue.push(&mut core.ownership, task);
        }
    });
    // Also with an empty queue: the searcher turns the driver of the blocked worker.
    shared.wake_one();
}

#[cfg(all(test, not(reveille_loom)))]
mod tests {
    use reveille_primitive::biased::Identity;

    use super::super::bad_days_tests::task;
    use super::super::place::Seat;
    use super::*;

    #[test]
    fn looks_become_rare_while_all_are_parked_and_often_when_one_is_awake() {
        let mut pace = Pace::new(false, 0, 0);
        let periods: Vec<_> = (0..5)
            .map(|_| {
                pace.record(true, true, 0, 0);
                pace.period.as_millis()
            })
            .collect();
        assert_eq!(periods, [8, 16, 32, 64, 64]);
        assert!(!pace.is_quiet(), "somebody polls between the looks");
        pace.record(false, true, 0, 0);
        assert_eq!(pace.period, PERIOD);
    }

    #[test]
    fn without_a_cheap_alarm_it_may_sleep_when_nobody_has_polled_for_a_while() {
        let mut pace = Pace::new(false, 0, 0);
        (1..QUIET_LOOKS).for_each(|_| pace.record(true, false, 0, 0));
        assert!(!pace.is_quiet());
        pace.record(true, false, 0, 0);
        assert!(pace.is_quiet());
        pace.record(true, true, 0, 0);
        assert!(!pace.is_quiet());
    }

    #[test]
    fn with_a_cheap_alarm_it_may_sleep_as_soon_as_all_are_parked_and_little_happens() {
        const MS: u64 = 1_000_000;
        let mut pace = Pace::new(true, 100, 0);
        assert!(!pace.is_quiet(), "it has not looked yet");
        pace.record(true, true, 101, 4 * MS);
        assert!(!pace.is_quiet(), "once in 4 ms is too often");
        pace.record(true, true, 102, 12 * MS);
        assert!(pace.is_quiet());
        pace.record(false, true, 102, 16 * MS);
        assert!(!pace.is_quiet(), "one is awake");
        pace.record(true, true, 120, 80 * MS);
        assert!(!pace.is_quiet(), "18 times in 64 ms is too often");
        pace.record(true, true, 132, 144 * MS);
        assert!(pace.is_quiet());
    }

    #[test]
    fn the_last_in_task_is_out_of_a_thief_s_reach_until_the_poll_was_seen_twice() {
        let shared = Shared::unused(1);
        let place = shared.place(0);
        let (config, identity) = (Config::default(), Identity::unique());
        place.give(Some(&identity.recipient()));
        let pulse = Arc::new(Pulse::new());
        *place.pulse.lock() = Some(Arc::clone(&pulse));
        let driver = config.driver().expect("a driver");
        let seat = Seat::new(place, identity, driver, &config, Arc::clone(&pulse));
        let (mut watch, mut stolen) = (Watch::default(), Vec::new());

        pulse.beat();
        look(shared, place, &mut watch);
        seat.push(task(shared), true).expect("the place is ours");
        assert_eq!(place.queue.steal(&mut stolen), 0, "it was woken a moment ago");
        pulse.beat();
        pulse.beat();
        look(shared, place, &mut watch);
        assert_eq!(place.queue.steal(&mut stolen), 0, "the poll is another");
        look(shared, place, &mut watch);
        assert_eq!(place.queue.steal(&mut stolen), 1, "the poll is the same");

        drop(stolen);
        place.give(None);
    }
}
