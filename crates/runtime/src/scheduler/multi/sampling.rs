//! The thread of the monitor, which detects blocked workers.
//!
//! A worker thread counts the starts and ends of its polls ([`PollCounter`]). The monitor compares
//! two readings, [`PERIOD`] apart. If it finds a worker in the same poll twice, it moves the task
//! in the LIFO slot to the run queue, where siblings can steal it. If it finds the worker in that
//! poll a third time, and a task, a deadline or a socket waits for the worker, another thread takes
//! over the worker. So a poll may block for some milliseconds before other tasks are served. A long
//! computation keeps its worker if nothing else waits for that worker. If there is no thread to
//! take the worker over, the monitor turns its timers and sockets (`stand_in.rs`).
//!
//! While workers rarely park, the monitor does not sample: a worker that begins to poll arms its
//! timer, and the last worker that parks clears it (`watchdog.rs`). If workers park and wake often,
//! or one of them is busy and the only one awake, the timer stays set, and a worker that is alone
//! defers it every two milliseconds, between its polls or when it wakes. If a poll blocks, the
//! timer fires. So the monitor samples only while several workers are awake or a poll is long. On
//! systems where setting the timer wakes the monitor, workers defer nothing: it samples less and
//! less often while it finds all of them parked, down to once in [`PERIOD_MAX`].
//!
//! Rejected: sampling less often, and stopping when no worker has polled for a quarter of a second.
//! A runtime that wakes briefly ten times a second then took fifteen samples a second, each with
//! cold caches on another core. That was two thirds of its processor time. Also rejected: sleeping
//! as soon as all workers are parked until the next poll wakes the monitor. That costs two context
//! switches each time.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use reveille_driver::{Driver, Events};
use reveille_primitive::atomic::Ordering;
use reveille_primitive::sys::Alarm;

use super::handoff::Handoff;
use super::monitor::{ALARM, PERIOD, Starter};
use super::pool::WorkerPool;
use super::worker::Worker;
use super::{stand_in, task_walk, worker_threads};
use crate::config::Config;
use crate::lint::{self, About, Facts, LintKind};
use crate::observe::Event;
use crate::poll_counter::PollCounter;
use crate::scheduler::watchdog::is_light;
use crate::threads::ThreadSpec;
use crate::timer::clock::system_clock;

/// The longest time between two samples. A poll that blocks is detected after this and two short
/// periods, still before a user notices the delay.
const PERIOD_MAX: Duration = Duration::from_millis(64);

/// How many samples in a row must find no poll before the monitor sleeps, on systems where setting
/// the timer wakes it: a fifth of a second.
const QUIET_SAMPLES: u32 = 6;

/// Samples between two attempts to find a thread for the same worker.
const HANDOFF_RETRY_SAMPLES: u32 = 16;

/// Samples of the same poll after which the worker is handed off.
const SAMPLES_UNTIL_HANDOFF: u32 = 3;

/// The last sample of one worker.
#[derive(Clone, Default)]
struct WorkerSample {
    poll_counter: Option<Arc<PollCounter>>,
    reading: u64,
    samples: u32,
    /// Samples until the next attempt to hand the worker off.
    retry_in: u32,
    /// Whether the last attempt found no thread.
    is_refused: bool,
}

/// Starts the monitor of `pool`, unless its thread is late or the configuration allows no spare
/// threads.
///
/// # Errors
///
/// When the system refuses a thread.
pub(super) fn start(pool: &'static WorkerPool, config: &Config) -> io::Result<()> {
    if config.max_spare_threads == 0 || pool.monitor.is_running() {
        return Ok(());
    }
    pool.monitor.start(&starter(pool))
}

/// Lets the thread of the monitor start when something needs it, if the workers can observe each
/// other until then. Called before they run.
pub(super) fn start_late(pool: &'static WorkerPool, config: &Config) {
    let workers = pool.workers.len();
    if config.max_spare_threads == 0 || workers == 1 {
        return;
    }
    let observe = |alarm: &Alarm| drivers(pool).all(|driver| driver.observe(alarm).is_ok());
    let is_late = pool.monitor.start_late(workers, observe, starter(pool));
    pool.workers.iter().for_each(|worker| worker.is_observer.store(is_late, Ordering::Relaxed));
}

/// Starts a thread that runs [`watch`].
fn starter(pool: &'static WorkerPool) -> Starter {
    Starter::new(move |alarm| {
        let config = pool.remote.lock().config.clone();
        let config = config.ok_or_else(|| io::Error::other("the runtime has ended"))?;
        (config.spawner)(ThreadSpec {
            name: config.thread_names.monitor(),
            stack_size: Some(128 * 1024),
            body: Box::new(move || watch(pool, &alarm)),
        })
    })
}

fn drivers(pool: &'static WorkerPool) -> impl Iterator<Item = Arc<Driver>> {
    pool.workers.iter().filter_map(Worker::driver)
}

/// The main loop of the monitor's thread.
fn watch(pool: &'static WorkerPool, alarm: &Alarm) {
    let watchdog = pool.monitor.watchdog();
    let mut samples = vec![WorkerSample::default(); pool.workers.len()];
    let mut events = Events::new();
    let clock = system_clock();
    let mut period = SamplingPeriod::new(alarm.is_cheap(), parks(pool), clock.now_ns());
    // If the thread was late, the alarm has fired or may not be heard any more.
    watchdog.begin_sampling();
    drivers(pool).for_each(|driver| driver.ignore(alarm));
    sample_all(pool, &mut samples, &mut events);
    while pool.monitor.is_running() {
        if period.is_quiet() && watchdog.sleep(|| pool.all_parked(), clock.now_ns()) {
            // No worker is awake. The first that wakes up arms the timer.
            alarm.wait(None);
            watchdog.begin_sampling();
            period = SamplingPeriod::new(alarm.is_cheap(), parks(pool), clock.now_ns());
        } else if period.may_defer && watchdog.defer_to_worker(ALARM) {
            alarm.wait(None);
            watchdog.begin_sampling();
        } else {
            alarm.wait(Some(period.period));
        }
        if !pool.monitor.is_running() {
            return;
        }
        let has_polled = sample_all(pool, &mut samples, &mut events);
        period.record(pool.all_parked(), has_polled, parks(pool), clock.now_ns());
        let is_any_stuck = samples.iter().any(|last| last.samples > 0);
        let is_alone = pool.is_one_awake() || pool.all_parked();
        period.may_defer = alarm.is_cheap() && has_polled && !is_any_stuck && is_alone;
    }
}

/// Samples the workers. Returns whether one of them has polled since the last sample.
fn sample_all(
    pool: &'static WorkerPool,
    samples: &mut [WorkerSample],
    events: &mut Events,
) -> bool {
    let mut has_polled = false;
    for (worker, last) in pool.workers.iter().zip(samples) {
        let before = last.reading;
        sample(pool, worker, last);
        has_polled |= last.reading != before;
        if last.is_refused {
            stand_in::turn(worker, events);
        }
    }
    worker_threads::start_missing_thread(pool);
    has_polled
}

/// How many times the workers have parked.
fn parks(pool: &WorkerPool) -> u64 {
    pool.workers.iter().map(|worker| worker.counters.get(Event::Park)).sum()
}

/// The time between two samples.
#[derive(Debug)]
struct SamplingPeriod {
    period: Duration,
    /// Whether setting the timer wakes no thread.
    is_cheap: bool,
    /// Whether the workers make progress and at most one is awake, so that it can defer the timer.
    may_defer: bool,
    /// Samples in a row without a poll.
    quiet_samples: u32,
    /// Whether all workers are parked, and have parked rarely since the previous sample.
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

    /// Whether the workers are idle enough that the monitor may sleep until its timer fires.
    fn is_quiet(&self) -> bool {
        if self.is_cheap { self.is_light } else { self.quiet_samples >= QUIET_SAMPLES }
    }

    /// Records a sample.
    fn record(&mut self, all_parked: bool, has_polled: bool, parks: u64, now_ns: u64) {
        self.period = if all_parked { (self.period * 2).min(PERIOD_MAX) } else { PERIOD };
        let is_quiet = all_parked && !has_polled;
        self.quiet_samples = if is_quiet { self.quiet_samples + 1 } else { 0 };
        let time_ns = now_ns.saturating_sub(self.sampled_ns);
        self.is_light = all_parked && is_light(parks.saturating_sub(self.parks), time_ns);
        (self.parks, self.sampled_ns) = (parks, now_ns);
    }
}

/// Samples one worker, and acts if it is still in the poll of the last sample.
fn sample(pool: &'static WorkerPool, worker: &'static Worker, last: &mut WorkerSample) {
    let counter = worker.poll_counter.lock().clone();
    let reading = counter.as_ref().map_or(0, |counter| counter.read());
    let is_same_thread = match (&last.poll_counter, &counter) {
        (Some(before), Some(now)) => Arc::ptr_eq(before, now),
        _ => false,
    };
    let is_same_poll = is_same_thread && reading == last.reading && reading % 2 == 1;
    last.samples = if is_same_poll { last.samples.saturating_add(1) } else { 0 };
    if !is_same_poll {
        (last.retry_in, last.is_refused) = (0, false);
    }
    last.reading = reading;
    last.poll_counter.clone_from(&counter);
    if let Some(counter) = counter.as_ref().filter(|_| reading % 2 == 1) {
        counter.see(reading, || system_clock().now_ns());
    }
    if last.samples == 1 {
        expose_lifo_slot(pool, worker);
    }
    if last.samples == SAMPLES_UNTIL_HANDOFF - 1
        && let Some(counter) = &counter
    {
        let text = "a poll has lasted for 8 ms and goes on";
        report(pool, counter, reading, LintKind::LongPoll, text);
    }
    last.retry_in = last.retry_in.saturating_sub(1);
    if last.samples < SAMPLES_UNTIL_HANDOFF - 1
        || last.retry_in > 0
        || !has_pending_work(pool, worker)
    {
        return;
    }
    if let Some(counter) = counter {
        // The handoff is tried again later, because the poll may have ended before the new thread
        // came, or no thread could be started.
        last.retry_in = HANDOFF_RETRY_SAMPLES;
        let handoff = Handoff::stuck(worker.index, Arc::clone(&counter), reading);
        last.is_refused = !worker_threads::hand_off(pool, handoff);
        if !last.is_refused {
            let text = "a poll blocks, and another thread takes its worker over";
            report(pool, &counter, reading, LintKind::HandedOver, text);
        }
    }
}

/// Reports a lint about the poll in `reading`, if it has not ended and its task belongs to the
/// pool.
fn report(
    pool: &'static WorkerPool,
    counter: &PollCounter,
    reading: u64,
    kind: LintKind,
    text: &str,
) {
    if !lint::is_on() {
        return;
    }
    let polled = counter.polled().filter(|(_, count)| *count == reading);
    let Some((addr, _)) = polled else { return };
    let Some(task) = task_walk::find(pool, addr) else { return };
    let task = task.as_task();
    lint::report_with(kind, task.location(), || {
        let text = match task.name() {
            Some(name) => format!("{text}, of the task '{name}'"),
            None => format!("{text}, of a task of type {}", task.future_type_name()),
        };
        let now_ns = system_clock().now_ns();
        let ns = counter.seen_ns(reading).map_or(0, |seen_ns| now_ns.saturating_sub(seen_ns));
        (Facts::measured(About::Task(addr), ns.into()), text)
    });
}

/// Whether a task, a deadline or a socket waits for a worker that is in a long poll. If not, a long
/// computation keeps its worker.
fn has_pending_work(pool: &'static WorkerPool, worker: &'static Worker) -> bool {
    if worker.queued() > 0 || !pool.injector.is_empty() {
        return true;
    }
    let has_sources = worker.driver.lock().as_ref().is_some_and(|driver| driver.sources() > 0);
    has_sources
        || worker.core.with(|core, _| core.lifo_slot.is_some())
        || worker.timers.is_due(system_clock().now_ns())
}

/// Moves the task in the LIFO slot of a worker in a long poll to its run queue, where siblings can
/// steal it.
fn expose_lifo_slot(pool: &'static WorkerPool, worker: &'static Worker) {
    worker.core.with(|core, _| {
        if let Some(task) = core.lifo_slot.take() {
            worker.queue.push(&mut core.ownership, task);
        }
    });
    // A sibling is woken even if the queue is empty, because a searcher also turns the driver of
    // the blocked worker.
    pool.wake_one();
}

#[cfg(all(test, not(reveille_loom)))]
mod tests {
    use reveille_primitive::biased::OwnerToken;

    use super::super::schedule::unregistered_task;
    use super::super::worker_context::WorkerContext;
    use super::super::{environment, start};
    use super::*;

    #[test]
    fn samples_become_rare_while_all_are_parked_and_frequent_when_one_is_awake() {
        let mut period = SamplingPeriod::new(false, 0, 0);
        let periods: Vec<_> = (0..5)
            .map(|_| {
                period.record(true, true, 0, 0);
                period.period.as_millis()
            })
            .collect();
        assert_eq!(periods, [8, 16, 32, 64, 64]);
        assert!(!period.is_quiet(), "a worker polls between the samples");
        period.record(false, true, 0, 0);
        assert_eq!(period.period, PERIOD);
    }

    #[test]
    fn without_a_cheap_alarm_it_may_sleep_when_no_worker_has_polled_for_a_while() {
        let mut period = SamplingPeriod::new(false, 0, 0);
        (1..QUIET_SAMPLES).for_each(|_| period.record(true, false, 0, 0));
        assert!(!period.is_quiet());
        period.record(true, false, 0, 0);
        assert!(period.is_quiet());
        period.record(true, true, 0, 0);
        assert!(!period.is_quiet());
    }

    #[test]
    fn with_a_cheap_alarm_it_may_sleep_as_soon_as_all_are_parked_and_little_happens() {
        const MS: u64 = 1_000_000;
        let mut period = SamplingPeriod::new(true, 100, 0);
        assert!(!period.is_quiet(), "it has not sampled yet");
        period.record(true, true, 101, 4 * MS);
        assert!(!period.is_quiet(), "once in 4 ms is too often");
        period.record(true, true, 102, 12 * MS);
        assert!(period.is_quiet());
        period.record(false, true, 102, 16 * MS);
        assert!(!period.is_quiet(), "one is awake");
        period.record(true, true, 120, 80 * MS);
        assert!(!period.is_quiet(), "18 times in 64 ms is too often");
        period.record(true, true, 132, 144 * MS);
        assert!(period.is_quiet());
    }

    #[test]
    fn the_lifo_task_is_out_of_reach_of_thieves_until_the_poll_was_sampled_twice() {
        let pool = start::unused(1);
        let worker = pool.worker(0);
        let (config, token) = (Config::default(), OwnerToken::unique());
        worker.set_owner(Some(&token.id()));
        let counter = Arc::new(PollCounter::new());
        *worker.poll_counter.lock() = Some(Arc::clone(&counter));
        let driver = environment::driver(&config).expect("a driver");
        let context = WorkerContext::new(worker, token, driver, &config, Arc::clone(&counter));
        let (mut last, mut stolen) = (WorkerSample::default(), Vec::new());

        counter.increment();
        sample(pool, worker, &mut last);
        context.push(unregistered_task(pool), true).expect("the worker is ours");
        assert_eq!(worker.queue.steal(&mut stolen), 0, "it was woken a moment ago");
        counter.increment();
        counter.increment();
        sample(pool, worker, &mut last);
        assert_eq!(worker.queue.steal(&mut stolen), 0, "the poll is another");
        sample(pool, worker, &mut last);
        assert_eq!(worker.queue.steal(&mut stolen), 1, "the poll is the same");

        drop(stolen);
        worker.set_owner(None);
    }
}
