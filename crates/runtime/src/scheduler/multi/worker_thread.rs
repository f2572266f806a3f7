//! The life of a worker: take a task, poll it, look after the driver and the timers, sleep.
//!
//! # The order of work
//!
//! 1. The task that was woken last, a few times in a row at most; it finds its data in the cache.
//! 2. The oldest task of the run queue. Every 61st time the injector first, so that work from
//!    outside is not starved by tasks that keep each other busy.
//! 3. Every 64 polls, or every millisecond if polls are long, the clock is read; when the driver
//!    was not turned for 100 us, it is, and due timers fire.
//! 4. Without work: the injector; its driver once more, if the last wait was none; the queues of
//!    others, as one of few searchers, and the shards of workers that are in a long poll. Then the
//!    worker parks in its own driver, until an event, a deadline or a notification.
//!
//! # When a sibling is woken
//!
//! A wake costs some microseconds of two cores, so a queue is worth it when the time it stands for
//! is: its length times the recent average of a poll. See [`WorkerThread::share`].

mod wakes;

use std::mem;
use std::task::Waker;
use std::time::Duration;

use reveille_driver::Events;
use reveille_primitive::atomic::Ordering;
use reveille_primitive::thread::spin_loop;
use reveille_task::{Ran, Runnable};

use super::monitor::DEFER_NS;
use super::turn::{collect, collect_for_another};
use super::worker::{INITIAL_POLL_NS, Worker, WorkerContext};
use super::{WorkerPool, queue};
use crate::context;
use crate::observe::Event;
use crate::scheduler::local;
use crate::spin_policy::SpinPolicy;
use crate::time::APPROX_ERROR_MAX_NS;
use crate::tokio_context::AtFirstTask;

/// How often the injector comes first, in polls. A prime, so that it does not fall into step with
/// a task that repeats itself. Go and tokio use the same.
const INJECTOR_EVERY: u32 = 61;

/// How often the clock is read, in polls, when they are short.
const CLOCK_EVERY: u32 = 64;

/// How often the clock is read, in nanoseconds, when polls are long: that late sockets and timers
/// are at most, but for the length of a poll. Such polls are sixteen microseconds or more.
const CLOCK_EVERY_NS: u64 = 1_000_000;

/// After how many nanoseconds a busy worker turns its driver and its timers: 165 ns of a system
/// call are then less than two thousandths.
const TURN_EVERY_NS: u64 = 100_000;

/// For how many nanoseconds in a row the task that was woken last goes first. Tasks that wake each
/// other keep off the oldest of the queue meanwhile.
const LIFO_RUN_NS: u64 = 10_000;

/// How often that is at least, and at most. tokio has 3, Go 10 ms.
const LIFO_POLLS_MIN: u64 = 3;
const LIFO_POLLS_MAX: u64 = 15;

/// The queued work, in nanoseconds, for which a sibling is woken. The wake costs both cores some
/// ten microseconds, and the sibling comes tens of microseconds later: less is done by then.
const WAKE_WORTH_NS: u64 = 50_000;

/// The queued work, in nanoseconds, of which a searcher takes its half: tasks that move to another
/// core leave their data behind, some hundred nanoseconds each.
const STEAL_WORTH_NS: u64 = 3_000;

/// The queued work, in nanoseconds, that is worth a wake if it never falls below that for
/// [`WINDOW_CHECKS`]: tasks that keep each other busy are shared once and then for long.
const LASTING_WORTH_NS: u64 = 4_000;

/// What cold caches cost a worker that has slept, in nanoseconds: polls are not to blame for it.
/// Ten small tasks take 50 to 150 us after 100 ms of sleep, and 2 us when they are polled again at
/// once.
const WAKEUP_COST_NS: u64 = 100_000;

/// What a look at the clock counts in the mean poll: a part of 64 for each poll that it covers, a
/// quarter at most. So one long poll among small ones is soon forgotten.
const WEIGHTS: u64 = 64;
const WEIGHT_MAX: u64 = 16;

/// Looks at the clock over which the shortest queue counts.
const WINDOW_CHECKS: u32 = 4;

/// How old the last turn of a worker's driver is, in nanoseconds, when the worker is taken to be in
/// a long poll: then its queue is worth stealing however short.
const LONG_POLL_NS: u64 = 300_000;

/// How short a wait, in nanoseconds, means that its events were there before it: then the next ones
/// are likely to be there as well. For [`BUSY_POLL_NS`] the worker just looks for them, without all
/// that it does before it sleeps and after, such as a look at the queues and drivers of others.
const IMMEDIATE_WAIT_NS: u64 = 5_000;

/// For how many nanoseconds a worker that always finds events looks for nothing else. It lacks no
/// work; somebody else's that lies for a millisecond is what the monitor sees to.
const BUSY_POLL_NS: u64 = 1_000_000;

/// Looks at the queues between two looks at the clock.
const SPINS_PER_CHECK: u32 = 32;

/// How old the last turn of a busy worker's driver is, in nanoseconds, when a searcher turns it.
const STALE_TURN_NS: u64 = 1_000_000;

/// Why a worker stopped working its place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Exit {
    /// The place was given to another thread while a poll blocked this one.
    HandedOff,
    /// The pool is being shut down.
    Stopped,
}

/// One thread at work on one place.
pub(crate) struct WorkerThread<'a> {
    context: &'a WorkerContext,
    worker: &'static Worker,
    pool: &'static WorkerPool,
    events: Events,
    wakers: Vec<Waker>,
    stolen: Vec<Runnable>,
    /// The shard of the injector that is looked at next.
    injector_shard: usize,
    /// Polls since the worker began; wraps.
    tick: u32,
    /// How often the last-in slot came first in a row, and how often it may.
    lifo_polls: u32,
    lifo_polls_max: u32,
    is_searching: bool,
    /// Works from inside a poll of its own thread.
    is_nested: bool,
    /// Time and tick of the last look at the clock, and of the last turn of the driver.
    clock_ns: u64,
    clock_tick: u32,
    turned_ns: u64,
    /// Time of the last look at the timers.
    timed_ns: u64,
    /// When the monitor's alarm was last put off.
    deferred_ns: u64,
    /// Until when events are taken briskly; see [`IMMEDIATE_WAIT_NS`].
    busy_poll_until_ns: u64,
    /// Time since the last look at the clock that does not count, since the worker slept.
    wakeup_cost_ns: u64,
    /// The tick of the next look at the clock, and how many polls after this one it comes.
    maintenance_tick: u32,
    maintenance_interval: u32,
    /// A batch of due timers was fired, and there are more.
    is_more_due: bool,
    /// What a poll took on average, lately.
    mean_poll_ns: u64,
    /// The shortest queue of this window, and the looks at the clock in it.
    shortest_queue: u64,
    window_checks: u32,
    /// The tick at which the shortest queue is looked at again.
    window_tick: u32,
    spin: SpinPolicy,
    random: crate::rng::Rng,
    foreign: AtFirstTask,
}

impl<'a> WorkerThread<'a> {
    pub(crate) fn new(context: &'a WorkerContext, seed: u64) -> WorkerThread<'a> {
        let now = context.clock().now_ns();
        WorkerThread {
            context,
            worker: context.worker(),
            pool: context.pool(),
            events: Events::new(),
            wakers: Vec::new(),
            stolen: Vec::with_capacity(queue::CAPACITY),
            injector_shard: context.worker().index,
            tick: 0,
            lifo_polls: 0,
            lifo_polls_max: LIFO_POLLS_MAX as u32,
            is_searching: false,
            is_nested: false,
            clock_ns: now,
            clock_tick: 0,
            turned_ns: now,
            timed_ns: now,
            deferred_ns: now,
            busy_poll_until_ns: 0,
            // A thread that begins also waits for the memory of its stack, page by page.
            wakeup_cost_ns: 5 * WAKEUP_COST_NS,
            maintenance_tick: 0,
            maintenance_interval: 1,
            is_more_due: false,
            mean_poll_ns: INITIAL_POLL_NS,
            shortest_queue: 0,
            window_checks: 0,
            window_tick: CLOCK_EVERY,
            spin: SpinPolicy::new(),
            random: crate::rng::Rng::seeded(seed),
            foreign: AtFirstTask::default(),
        }
    }

    /// Works until the place is lost or the pool stops.
    pub(crate) fn run(&mut self) -> Exit {
        self.wake_unwoken();
        loop {
            let step = self.step();
            if let Err(exit) = step {
                self.stop_searching();
                return exit;
            }
        }
    }

    /// Polls at most `polls` tasks of the place, or until one is over and `is_over` says so, and
    /// turns its driver and timers once, without sleeping: for a thread that has to work its place
    /// from inside a poll.
    pub(crate) fn work_briefly(&mut self, polls: usize, is_over: impl Fn() -> bool) {
        self.is_nested = true;
        self.wake_unwoken();
        self.turn_driver(Some(Duration::ZERO));
        self.turn_timers(self.turned_ns);
        if !self.pool.injector.is_empty() {
            self.take_injected();
        }
        for _ in 0..polls {
            let Ok(Some(task)) = self.next_task() else {
                return;
            };
            if self.poll_found(task).is_err() || is_over() {
                return;
            }
        }
    }

    fn step(&mut self) -> Result<(), Exit> {
        if self.pool.is_stopping() {
            return Err(Exit::Stopped);
        }
        if self.tick == self.maintenance_tick {
            self.run_maintenance();
        }
        if let Some(task) = self.take_next()? {
            return self.poll(task);
        }
        match self.find_work()? {
            Some(task) => self.poll_found(task),
            None => Ok(()),
        }
    }

    /// The next task of the own place, off the path of a busy worker.
    #[inline(never)]
    fn next_task(&mut self) -> Result<Option<Runnable>, Exit> {
        self.take_next()
    }

    /// The next task of the own place.
    #[inline(always)]
    fn take_next(&mut self) -> Result<Option<Runnable>, Exit> {
        if self.tick.is_multiple_of(INJECTOR_EVERY) && !self.pool.injector.is_empty() {
            self.take_injected();
        }
        let may_be_last_in = self.lifo_polls < self.lifo_polls_max;
        let mut streak = self.lifo_polls;
        let queue = &self.worker.queue;
        let taken = self.context.with_core(|core| {
            if may_be_last_in && let Some(task) = core.lifo_slot.take() {
                streak += 1;
                return Some(task);
            }
            streak = 0;
            let oldest = queue.pop(&mut core.ownership);
            oldest.or_else(|| core.lifo_slot.take())
        });
        self.lifo_polls = streak;
        taken.ok_or(Exit::HandedOff)
    }

    /// Polls one task, off the path of a busy worker.
    #[inline(never)]
    fn poll_found(&mut self, task: Runnable) -> Result<(), Exit> {
        self.poll(task)
    }

    /// Polls one task.
    #[inline(always)]
    fn poll(&mut self, task: Runnable) -> Result<(), Exit> {
        self.stop_searching();
        self.share();
        self.pool.monitor.arm();
        self.tick = self.tick.wrapping_add(1);
        self.worker.counters.count(Event::Poll);
        self.foreign.enter();
        let ran = self.poll_watched(task);
        match ran {
            Ran::Requeued(task) => match self.context.push(task, false) {
                Ok(()) => Ok(()),
                Err(task) => {
                    self.pool.inject(task);
                    Err(Exit::HandedOff)
                }
            },
            Ran::Pending | Ran::Complete => Ok(()),
        }
    }

    /// Polls with the pulse beating, as the monitor wants it.
    #[inline(always)]
    fn poll_watched(&self, task: Runnable) -> Ran {
        if self.is_nested {
            let _poll = context::begin_poll(task.as_task());
            return task.run();
        }
        context::begin_bare_poll(task.as_task(), self.context.event_budget);
        self.context.poll_counter.increment();
        let ran = task.run();
        self.context.poll_counter.increment();
        context::end_bare_poll();
        ran
    }

    /// Wakes a sibling if what is queued here is worth it.
    #[inline]
    fn share(&mut self) {
        let queued = self.worker.queue.len() as u64;
        self.shortest_queue = self.shortest_queue.min(queued);
        if queued * self.mean_poll_ns >= WAKE_WORTH_NS && self.pool.idle.is_wake_useful() {
            self.worker.counters.count(Event::WakeSibling);
            self.pool.wake_one();
        }
    }

    /// Wakes a sibling if the queue was long all the time.
    fn share_lasting(&mut self) {
        self.window_checks += 1;
        if self.window_checks < WINDOW_CHECKS {
            return;
        }
        let lasting_ns = self.shortest_queue * self.mean_poll_ns;
        (self.shortest_queue, self.window_checks) = (u64::from(u32::MAX), 0);
        if lasting_ns >= LASTING_WORTH_NS && self.pool.idle.is_wake_useful() {
            self.worker.counters.count(Event::WakeSibling);
            self.pool.wake_one();
        }
    }

    /// Reads the clock, and turns driver and timers when they waited long enough.
    #[cold]
    fn run_maintenance(&mut self) {
        let now = self.context.now_ns();
        let polls = u64::from(self.tick.wrapping_sub(self.clock_tick));
        let cold_ns = mem::take(&mut self.wakeup_cost_ns);
        let time_ns = now.saturating_sub(self.clock_ns).saturating_sub(cold_ns);
        if let Some(each) = time_ns.checked_div(polls) {
            let each = if cold_ns > 0 { each.max(INITIAL_POLL_NS) } else { each };
            let weight = polls.min(WEIGHT_MAX);
            self.mean_poll_ns = ((WEIGHTS - weight) * self.mean_poll_ns + weight * each) / WEIGHTS;
            self.worker.set_poll_ns(self.mean_poll_ns);
            let fitting = LIFO_RUN_NS / self.mean_poll_ns.max(1);
            self.lifo_polls_max = fitting.clamp(LIFO_POLLS_MIN, LIFO_POLLS_MAX) as u32;
            self.plan_maintenance(self.mean_poll_ns.max(each));
        }
        self.maintenance_tick = self.tick.wrapping_add(self.maintenance_interval);
        self.clock_ns = now;
        self.clock_tick = self.tick;
        if self.tick.wrapping_sub(self.window_tick) < u32::MAX / 2 {
            self.window_tick = self.tick.wrapping_add(CLOCK_EVERY);
            self.share_lasting();
        }
        if self.worker.has_pending_removals() {
            self.context.with_core(|core| self.worker.apply_removals(core));
        }
        if now.saturating_sub(self.deferred_ns) >= DEFER_NS && !self.is_nested {
            self.deferred_ns = now;
            self.pool.monitor.defer(self.pool);
        }
        if now.saturating_sub(self.turned_ns) >= TURN_EVERY_NS {
            self.turn_driver(Some(Duration::ZERO));
            self.turn_timers(now);
            self.run_local();
        } else if self.is_more_due {
            self.turn_timers(now);
        }
    }

    /// Decides after how many polls the clock is looked at again: at once fewer when they became
    /// longer, and more by and by.
    fn plan_maintenance(&mut self, poll_ns: u64) {
        let fitting = (CLOCK_EVERY_NS / poll_ns.max(1)).clamp(1, u64::from(CLOCK_EVERY));
        self.maintenance_interval = (fitting as u32).min(2 * self.maintenance_interval);
    }

    fn turn_driver(&mut self, timeout: Option<Duration>) -> usize {
        let events = self.take_events(timeout);
        self.note_turn(self.context.now_ns());
        events
    }

    fn take_events(&mut self, timeout: Option<Duration>) -> usize {
        let events = self.collect_events(timeout);
        self.wake_collected();
        events
    }

    /// Waits for events, and wakes nobody yet.
    fn collect_events(&mut self, timeout: Option<Duration>) -> usize {
        self.worker.counters.count(Event::DriverTurn);
        collect(self.context.driver(), timeout, &mut self.events)
    }

    fn note_turn(&mut self, now: u64) {
        self.turned_ns = now;
        self.worker.turned_ns.store(now, Ordering::Relaxed);
    }

    /// Takes the events that are there already. `false` if there was none.
    fn busy_poll(&mut self) -> bool {
        let is_brisk = self.take_events(Some(Duration::ZERO)) > 0;
        // Late by a microsecond at most, and half as dear as the clock: no timer fires before it.
        let now = self.context.approx_now_ns();
        self.note_turn(now);
        if !is_brisk {
            self.busy_poll_until_ns = 0;
        } else if now.saturating_sub(self.timed_ns) >= TURN_EVERY_NS {
            self.turn_timers(self.context.now_ns());
        }
        is_brisk
    }

    /// Moves a share of the injector into the run queue.
    fn take_injected(&mut self) {
        let workers = self.pool.workers.len();
        self.pool.injector.take(&mut self.injector_shard, workers, &mut self.stolen);
        self.push_stolen();
    }

    fn push_stolen(&mut self) {
        for task in self.stolen.drain(..) {
            if let Err(task) = self.context.push(task, false) {
                self.pool.inject(task);
            }
        }
    }

    /// Polls the local tasks of this thread. `false` if it has none.
    fn run_local(&mut self) -> bool {
        // One of them may block this thread, and others rely on whoever searches.
        local::run_local_tasks(self.context, || {
            self.stop_searching();
            self.pool.monitor.arm();
        })
    }

    /// Looks everywhere, then sleeps. Returns without a task after each sleep.
    #[cold]
    fn find_work(&mut self) -> Result<Option<Runnable>, Exit> {
        if self.run_local()
            && let Some(task) = self.next_task()?
        {
            // A local task has woken it, and nobody else looks into this queue.
            return Ok(Some(task));
        }
        if !self.pool.injector.is_empty() {
            self.take_injected();
            return self.next_task();
        }
        if self.turned_ns < self.busy_poll_until_ns && self.busy_poll() {
            return self.next_task();
        }
        if self.search() || self.spin() {
            return self.next_task();
        }
        self.park();
        Ok(None)
    }

    /// Looks at the queues of others. `true` if something was found.
    fn search(&mut self) -> bool {
        let workers = self.pool.workers.len();
        if !self.is_searching {
            self.is_searching = self.pool.idle.start_search(workers);
        }
        if !self.is_searching {
            return false;
        }
        let first = self.random.below(workers);
        for offset in 0..workers {
            let victim = &self.pool.workers[(first + offset) % workers];
            if !self.is_worth_stealing_from(victim) {
                continue;
            }
            let stolen = victim.queue.steal(&mut self.stolen);
            if stolen > 0 {
                self.worker.counters.add(Event::Steal, stolen as u64);
                self.push_stolen();
                return true;
            }
        }
        !self.pool.injector.is_empty() || self.turn_blocked_drivers()
    }

    /// Whether a thief does good here: the queue stands for some time, or its owner is away in a
    /// long poll. A short queue is done by its owner before its tasks' data have moved.
    fn is_worth_stealing_from(&self, victim: &Worker) -> bool {
        if victim.index == self.worker.index || victim.queue.is_empty() {
            return false;
        }
        victim.queued_ns() >= STEAL_WORTH_NS
            || self.context.now_ns().saturating_sub(victim.turned_ns.load(Ordering::Relaxed))
                >= LONG_POLL_NS
    }

    /// Turns the drivers of workers that are in a long poll. `true` if that made work.
    fn turn_blocked_drivers(&mut self) -> bool {
        if self.pool.workers.len() == 1 {
            return false;
        }
        let now = self.context.now_ns();
        let mut events = 0;
        for place in &self.pool.workers {
            let is_own = place.index == self.worker.index;
            let age = now.saturating_sub(place.turned_ns.load(Ordering::Relaxed));
            if is_own || age < STALE_TURN_NS || self.pool.idle.is_parked(place.index) {
                continue;
            }
            let driver = place.driver.lock().clone();
            if let Some(driver) = driver {
                place.turned_ns.store(now, Ordering::Relaxed);
                events += collect_for_another(&driver, &mut self.events);
                self.wake_collected();
            }
        }
        events > 0
    }

    /// Looks around for a moment before it sleeps. `true` if something was found. Only a searcher
    /// does so: others rely on it, and one is enough.
    fn spin(&mut self) -> bool {
        let budget = if self.is_searching { self.spin.budget_ns() } else { 0 };
        if budget == 0 {
            return false;
        }
        let timers = self.context.timers();
        let deadline = timers.next_deadline(&mut self.context.token().borrow_mut());
        let now = self.context.now_ns();
        let end = now.saturating_add(budget).min(deadline.unwrap_or(u64::MAX));
        loop {
            for _ in 0..SPINS_PER_CHECK {
                if self.has_work_elsewhere() {
                    self.spin.record_spin(true);
                    self.spin.record_wait(Some(0));
                    return self.search();
                }
                spin_loop();
            }
            if self.context.now_ns() >= end {
                self.spin.record_spin(false);
                return false;
            }
        }
    }

    /// Gives up the searcher's role, if this worker has it; wakes the next one if work is left.
    #[inline]
    fn stop_searching(&mut self) {
        let has_more = || !self.pool.injector.is_empty();
        if self.pool.idle.stop_search(&mut self.is_searching, has_more) {
            self.pool.wake_one();
        }
    }

    /// Sleeps in the driver until there is something to do.
    fn park(&mut self) {
        let index = self.worker.index;
        self.context.flush_removals();
        self.context.timers().release_spare(self.context.token());
        if self.worker.has_pending_removals() {
            self.context.with_core(|core| self.worker.apply_removals(core));
        }
        let mut is_searching = self.is_searching;
        let has_work = |worker: &mut WorkerThread<'a>| {
            worker.pool.monitor.disarm(worker.pool, || worker.context.now_ns());
            worker.has_work_elsewhere()
        };
        let waited =
            self.pool.idle.sleep(index, &mut is_searching, self, has_work, WorkerThread::wait);
        self.is_searching = is_searching;
        if let Some(woken_ns) = waited {
            self.wake_collected();
            self.turn_timers(woken_ns);
        }
    }

    /// The part of [`WorkerThread::park`] in which the worker waits, and others may wake it. No
    /// user code runs in it: the bit of this worker is another's once its place is. Returns until
    /// when timers are due.
    fn wait(&mut self) -> u64 {
        let deadline = self.context.timers().park(&mut self.context.token().borrow_mut());
        let has_deadline = deadline.is_some();
        let now = self.time_for(has_deadline);
        let timeout = deadline.map(|deadline| Duration::from_nanos(deadline.saturating_sub(now)));
        self.worker.counters.count(Event::Park);
        // It does not wait if a local task of the thread is runnable; it looks in any case, since
        // a local task that always is would keep the others from their sockets otherwise.
        let may_wait = local::prepare_park(self.context);
        let events = self.collect_events(if may_wait { timeout } else { Some(Duration::ZERO) });
        let woken = self.time_for(has_deadline).max(now);
        self.note_turn(woken);
        local::unpark(self.context);
        let is_brisk = events > 0 && woken - now < IMMEDIATE_WAIT_NS;
        self.busy_poll_until_ns = if is_brisk { woken + BUSY_POLL_NS } else { 0 };
        let is_notified = events == 0 && !self.pool.idle.is_parked(self.worker.index);
        self.spin.record_wait(is_notified.then_some(woken - now));
        self.clock_ns = woken;
        self.clock_tick = self.tick;
        self.wakeup_cost_ns = WAKEUP_COST_NS;
        // Never ahead of the time: what another thread has added meanwhile must not fire early.
        if has_deadline { woken } else { woken.saturating_sub(APPROX_ERROR_MAX_NS) }
    }

    /// The time, for a worker that parks: the clock's if there is a timer, else an estimate, which
    /// is enough to tell a short wait from a long one.
    fn time_for(&self, has_deadline: bool) -> u64 {
        if has_deadline { self.context.now_ns() } else { self.context.approx_now_ns() }
    }

    /// The last look before the sleep: what was published before the worker's bit was seen.
    fn has_work_elsewhere(&self) -> bool {
        self.pool.is_stopping()
            || !self.pool.injector.is_empty()
            || self.pool.workers.iter().any(|place| self.is_worth_stealing_from(place))
    }
}

impl Drop for WorkerThread<'_> {
    fn drop(&mut self) {
        for task in self.stolen.drain(..) {
            self.pool.inject(task);
        }
    }
}
