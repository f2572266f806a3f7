//! The thread that notices a blocked worker.
//!
//! A worker counts the beginning and the end of each poll ([`PollCounter`]); the monitor compares
//! two readings, [`PERIOD`] apart. A worker seen in the same poll twice has its last-in task moved
//! to its run queue, where others can steal it; seen three times, its place is given to another
//! thread, if anybody waits there: a task, a deadline, a socket. So a poll may block for some
//! milliseconds before anybody else notices, and a long computation that is alone keeps its place.
//!
//! While little happens it does not look at all: a worker that begins to poll sets its alarm, and
//! the last that parks clears it, see [`Watchdog`]. While workers park and wake all the time that
//! would cost more than the looks, which then become rare, down to [`PERIOD_MAX`], for as long as
//! they find all workers parked. A worker that is busy and the only one awake is not looked at
//! either: it puts the alarm off between its polls, and a poll that blocks lets it ring.
//!
//! Rejected: looks that become rare and end when nobody has polled for a quarter of a second. A
//! runtime that wakes ten times a second for a moment paid fifteen looks a second, each with cold
//! caches on another core, two thirds of all it used. To sleep as soon as all are parked, woken by
//! the next poll: two context switches each time.

use std::sync::Arc;
use std::time::Duration;

use reveille_primitive::atomic::{AtomicBool, Ordering};
use reveille_primitive::lock::Mutex;
use reveille_primitive::sys::Alarm;

use super::WorkerPool;
use super::handoff::{Handoff, PollCounter};
use super::watchdog::{Watchdog, WatchdogTimer, is_light};
use super::worker::Worker;
use crate::config::Config;
use crate::observe::Event;
use crate::threads::{Thread, ThreadSpec};
use crate::time::clock::system_clock;

/// How often the monitor looks while several workers are awake, and after what time the first time:
/// 14 us with cold caches each are three thousandths of a core, and three looks are half of what a
/// user notices.
const PERIOD: Duration = Duration::from_millis(4);

/// How often a worker that is alone puts the alarm off, in nanoseconds: half of what it has.
pub(super) const DEFER_NS: u64 = 2_000_000;

/// The longest time between two looks: a poll that blocks is noticed after this and two short
/// periods, still before a user does.
const PERIOD_MAX: Duration = Duration::from_millis(64);

/// Looks in a row that saw no poll, a fifth of a second, before the monitor sleeps where setting
/// its alarm wakes it.
const QUIET_SAMPLES: u32 = 6;

/// Looks between two attempts to find a thread for the same place.
const HANDOFF_RETRY_SAMPLES: u32 = 16;

/// Looks at the same poll after which the place changes hands.
const SAMPLES_UNTIL_HANDOFF: u32 = 3;

#[derive(Debug)]
pub(crate) struct Monitor {
    watchdog: Watchdog<Arc<Alarm>>,
    is_running: AtomicBool,
    thread: Mutex<Option<Thread>>,
}

impl WatchdogTimer for Arc<Alarm> {
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
struct WorkerSample {
    poll_counter: Option<Arc<PollCounter>>,
    reading: u64,
    samples: u32,
    /// Looks until another thread is asked for again.
    retry_in: u32,
}

impl Monitor {
    pub(crate) fn new() -> Monitor {
        Monitor {
            watchdog: Watchdog::new(),
            is_running: AtomicBool::new(false),
            thread: Mutex::new(None),
        }
    }

    /// Starts the thread, unless the configuration does without.
    pub(crate) fn start(
        &self,
        shared: &'static WorkerPool,
        config: &Config,
    ) -> std::io::Result<()> {
        if config.max_spare_threads == 0 {
            return Ok(());
        }
        let alarm = Arc::new(Alarm::new());
        self.is_running.store(true, Ordering::SeqCst);
        self.watchdog.begin(Arc::clone(&alarm));
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
        self.watchdog.end();
    }

    /// A worker is about to poll.
    #[inline]
    pub(crate) fn arm(&self) {
        self.watchdog.set(PERIOD);
    }

    /// A worker is between two polls, [`DEFER_NS`] after it was here before.
    pub(crate) fn defer(&self, shared: &'static WorkerPool) {
        self.watchdog.defer(PERIOD, || is_one_awake(shared));
    }

    /// A worker has announced that it parks.
    #[inline]
    pub(crate) fn disarm(&self, shared: &'static WorkerPool, now_ns: impl FnOnce() -> u64) {
        self.watchdog.clear(|| all_parked(shared), now_ns);
    }

    /// The life of the monitor's thread.
    fn watch(&self, shared: &'static WorkerPool, alarm: &Alarm) {
        let mut watches = vec![WorkerSample::default(); shared.workers.len()];
        let clock = system_clock();
        let mut pace = SamplingPeriod::new(alarm.is_cheap(), parks(shared), clock.now_ns());
        while self.is_running.load(Ordering::SeqCst) {
            if pace.is_quiet() && self.watchdog.sleep(|| all_parked(shared), clock.now_ns()) {
                // Nobody is awake. Whoever wakes up sets the alarm.
                alarm.wait(None);
                self.watchdog.begin_sampling();
                pace = SamplingPeriod::new(alarm.is_cheap(), parks(shared), clock.now_ns());
            } else if pace.may_defer && self.watchdog.defer_to_worker(PERIOD) {
                alarm.wait(None);
                self.watchdog.begin_sampling();
            } else {
                alarm.wait(Some(pace.period));
            }
            if !self.is_running.load(Ordering::SeqCst) {
                return;
            }
            let mut has_polled = false;
            for (place, watch) in shared.workers.iter().zip(&mut watches) {
                let before = watch.reading;
                sample(shared, place, watch);
                has_polled |= watch.reading != before;
            }
            shared.threads.start_missing_thread(shared);
            pace.record(all_parked(shared), has_polled, parks(shared), clock.now_ns());
            let is_in_doubt = watches.iter().any(|watch| watch.samples > 0);
            pace.may_defer = alarm.is_cheap() && has_polled && !is_in_doubt && is_one_awake(shared);
        }
    }
}

/// How often workers have parked.
fn parks(shared: &WorkerPool) -> u64 {
    shared.workers.iter().map(|place| place.counters.get(Event::Park)).sum()
}

fn all_parked(shared: &WorkerPool) -> bool {
    shared.idle.parked_count() == shared.workers.len()
}

/// Whether one worker is awake. Then all others are parked: a place without a thread is not.
fn is_one_awake(shared: &WorkerPool) -> bool {
    shared.idle.parked_count() + 1 == shared.workers.len()
}

/// How often the monitor looks.
#[derive(Debug)]
struct SamplingPeriod {
    period: Duration,
    /// Whether the alarm wakes nobody before it rings.
    is_cheap: bool,
    /// One worker is awake and gets on, so that it can mind the alarm.
    may_defer: bool,
    /// Looks in a row that saw no poll.
    quiet_samples: u32,
    /// All are parked, and parked seldom since the look before.
    is_light: bool,
    parks: u64,
    sampled_ns: u64,
}

impl SamplingPeriod {
    fn new(is_cheap: bool, parks: u64, now_ns: u64) -> SamplingPeriod {
        SamplingPeriod {
            period: PERIOD,
            is_cheap,
            may_defer: false,
            quiet_samples: 0,
            is_light: false,
            parks,
            sampled_ns: now_ns,
        }
    }

    /// Whether so little happens that the monitor may sleep until its alarm rings.
    fn is_quiet(&self) -> bool {
        if self.is_cheap { self.is_light } else { self.quiet_samples >= QUIET_SAMPLES }
    }

    /// Notes what a look has seen.
    fn record(&mut self, all_parked: bool, has_polled: bool, parks: u64, now_ns: u64) {
        self.period = if all_parked { (self.period * 2).min(PERIOD_MAX) } else { PERIOD };
        let is_quiet = all_parked && !has_polled;
        self.quiet_samples = if is_quiet { self.quiet_samples + 1 } else { 0 };
        let time_ns = now_ns.saturating_sub(self.sampled_ns);
        self.is_light = all_parked && is_light(parks.saturating_sub(self.parks), time_ns);
        (self.parks, self.sampled_ns) = (parks, now_ns);
    }
}

/// Looks at one place and acts if its worker is still in the poll it was in before.
fn sample(shared: &'static WorkerPool, place: &'static Worker, watch: &mut WorkerSample) {
    let pulse = place.poll_counter.lock().clone();
    let reading = pulse.as_ref().map_or(0, |pulse| pulse.read());
    let is_same_thread = match (&watch.poll_counter, &pulse) {
        (Some(before), Some(now)) => Arc::ptr_eq(before, now),
        _ => false,
    };
    let is_same_poll = is_same_thread && reading == watch.reading && reading % 2 == 1;
    watch.samples = if is_same_poll { watch.samples.saturating_add(1) } else { 0 };
    if !is_same_poll {
        watch.retry_in = 0;
    }
    watch.reading = reading;
    watch.poll_counter.clone_from(&pulse);
    if watch.samples == 1 {
        expose_lifo_slot(shared, place);
    }
    watch.retry_in = watch.retry_in.saturating_sub(1);
    if watch.samples < SAMPLES_UNTIL_HANDOFF - 1
        || watch.retry_in > 0
        || !has_pending_work(shared, place)
    {
        return;
    }
    if let Some(pulse) = pulse {
        // Asked again later: the first thread may have come too late, or there was none.
        watch.retry_in = HANDOFF_RETRY_SAMPLES;
        shared.threads.hand_off(shared, Handoff::stuck(place.index, pulse, reading));
    }
}

/// Whether anybody waits for the place of a blocked worker: a task, a deadline, a socket. If not,
/// a long computation keeps its place.
fn has_pending_work(shared: &'static WorkerPool, place: &'static Worker) -> bool {
    if place.queued() > 0 || !shared.injector.is_empty() {
        return true;
    }
    let has_sources = place.driver.lock().as_ref().is_some_and(|driver| driver.sources() > 0);
    has_sources
        || place.core.with(|core, _| core.lifo_slot.is_some())
        || place.timers.is_due(system_clock().now_ns())
}

/// Moves the last-in task of a worker in a long poll to where others can steal it.
fn expose_lifo_slot(shared: &'static WorkerPool, place: &'static Worker) {
    place.core.with(|core, _| {
        if let Some(task) = core.lifo_slot.take() {
            place.queue.push(&mut core.ownership, task);
        }
    });
    // Also with an empty queue: the searcher turns the driver of the blocked worker.
    shared.wake_one();
}

#[cfg(all(test, not(reveille_loom)))]
mod tests {
    use reveille_primitive::biased::OwnerToken;

    use super::super::failure_tests::task;
    use super::super::worker::WorkerContext;
    use super::*;

    #[test]
    fn looks_become_rare_while_all_are_parked_and_often_when_one_is_awake() {
        let mut pace = SamplingPeriod::new(false, 0, 0);
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
        let mut pace = SamplingPeriod::new(false, 0, 0);
        (1..QUIET_SAMPLES).for_each(|_| pace.record(true, false, 0, 0));
        assert!(!pace.is_quiet());
        pace.record(true, false, 0, 0);
        assert!(pace.is_quiet());
        pace.record(true, true, 0, 0);
        assert!(!pace.is_quiet());
    }

    #[test]
    fn with_a_cheap_alarm_it_may_sleep_as_soon_as_all_are_parked_and_little_happens() {
        const MS: u64 = 1_000_000;
        let mut pace = SamplingPeriod::new(true, 100, 0);
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
        let shared = WorkerPool::unused(1);
        let place = shared.worker(0);
        let (config, identity) = (Config::default(), OwnerToken::unique());
        place.set_owner(Some(&identity.id()));
        let pulse = Arc::new(PollCounter::new());
        *place.poll_counter.lock() = Some(Arc::clone(&pulse));
        let driver = crate::scheduler::multi::environment::driver(&config).expect("a driver");
        let seat = WorkerContext::new(place, identity, driver, &config, Arc::clone(&pulse));
        let (mut watch, mut stolen) = (WorkerSample::default(), Vec::new());

        pulse.increment();
        sample(shared, place, &mut watch);
        seat.push(task(shared), true).expect("the place is ours");
        assert_eq!(place.queue.steal(&mut stolen), 0, "it was woken a moment ago");
        pulse.increment();
        pulse.increment();
        sample(shared, place, &mut watch);
        assert_eq!(place.queue.steal(&mut stolen), 0, "the poll is another");
        sample(shared, place, &mut watch);
        assert_eq!(place.queue.steal(&mut stolen), 1, "the poll is the same");

        drop(stolen);
        place.set_owner(None);
    }
}
