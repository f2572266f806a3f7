//! The loop of a worker thread: take a task, poll it, turn the driver and the timers, park.
//!
//! # The order of work
//!
//! 1. The task in the LIFO slot, which was woken last and whose data are in the cache. It comes
//!    first only a few times in a row.
//! 2. The oldest task of the run queue. Every 61st time the injector comes first, so that tasks
//!    that keep each other busy do not starve work from outside.
//! 3. Maintenance, every 64 polls, or every millisecond if polls are long: the worker reads the
//!    clock. If it has not turned the driver for 100 us, it turns the driver and fires due timers.
//! 4. Without a task, in this order: the local tasks of the thread; the injector; the driver, if
//!    its last wait found events that were pending already; if few workers search, the queues of
//!    siblings and the drivers of siblings in a long poll. Then the worker parks in its own driver
//!    until an event, a deadline or a notification.
//!
//! `pace.rs` decides when each of these is due, and when a queue is worth the wake of a sibling.

mod drawn;
#[cfg(all(test, not(reveille_loom)))]
mod lost_worker_tests;
mod observed;
mod search;
mod wakes;

use std::task::Waker;
use std::time::Duration;

use reveille_driver::Events;
use reveille_primitive::atomic::Ordering;
use reveille_primitive::simulation::{self, Decision};
use reveille_task::{Ran, Runnable};

use super::modes::{RECORDING, STOPPING};
use super::pace::WorkerPace;
use super::pool::WorkerPool;
use super::queue;
use super::worker::Worker;
use super::worker_context::WorkerContext;
use crate::context;
use crate::event_loop::EventLoop;
use crate::observe::Event;
use crate::record;
use crate::scheduler::local;
use crate::scheduler::simulated::simulated_poll;
use crate::timer::APPROX_ERROR_MAX_NS;
use crate::tokio_context::AtFirstTask;

/// Why a thread stopped running its worker.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Exit {
    /// The worker was handed to another thread while a poll blocked this one.
    HandedOff,
    /// The pool is being shut down.
    Stopped,
}

/// How the worker polls.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum PollMode {
    Plain,
    /// The polls are recorded, or were recorded until now.
    Recorded,
    /// Inside a poll of its own thread.
    Nested,
}

/// A thread that runs a worker.
pub(crate) struct WorkerThread<'a> {
    context: &'a WorkerContext,
    event_loop: &'a EventLoop,
    worker: &'static Worker,
    pool: &'static WorkerPool,
    events: Events,
    wakers: Vec<Waker>,
    stolen: Vec<Runnable>,
    /// The shard of the injector to take tasks from next.
    injector_shard: usize,
    is_searching: bool,
    polls: PollMode,
    /// The address of the task whose recorded poll has not been ended, or 0.
    open_poll: usize,
    /// A batch of due timers was fired, and more are due.
    is_more_due: bool,
    /// The worker has not polled since this thread began or parked.
    is_first_poll: bool,
    /// No event, notification or deadline has ended the last wait.
    is_wait_unexplained: bool,
    /// When the monitor's timer was last deferred.
    deferred_ns: u64,
    pace: WorkerPace,
    random: crate::rng::Rng,
    foreign: AtFirstTask,
}

impl<'a> WorkerThread<'a> {
    pub(crate) fn new(context: &'a WorkerContext, seed: u64) -> WorkerThread<'a> {
        let now = context.event_loop().clock().now_ns();
        context.worker().busy.begin(now);
        WorkerThread {
            context,
            event_loop: context.event_loop(),
            worker: context.worker(),
            pool: context.pool(),
            events: Events::new(),
            wakers: Vec::new(),
            stolen: Vec::with_capacity(queue::CAPACITY),
            injector_shard: context.worker().index,
            is_searching: false,
            polls: PollMode::Plain,
            open_poll: 0,
            is_more_due: false,
            is_first_poll: true,
            is_wait_unexplained: false,
            deferred_ns: now,
            pace: WorkerPace::new(now),
            random: crate::rng::Rng::seeded(seed),
            foreign: AtFirstTask::default(),
        }
    }

    /// Runs the worker until it is handed off or the pool stops.
    pub(crate) fn run(&mut self) -> Exit {
        self.wake_unwoken();
        loop {
            let step = self.step();
            if let Err(exit) = step {
                self.pause_record();
                self.stop_searching();
                return exit;
            }
        }
    }

    /// Polls at most `polls` tasks of the worker, and stops early if `is_over` returns `true` after
    /// one. Turns the driver and the timers once, without sleeping. Used by a thread that has to
    /// run its worker from inside a poll.
    pub(crate) fn work_briefly(&mut self, polls: usize, is_over: impl Fn() -> bool) {
        self.polls = PollMode::Nested;
        self.wake_unwoken();
        if !self.context.has_worker() {
            return;
        }
        self.turn_driver(Some(Duration::ZERO));
        self.turn_timers(self.pace.turned_ns());
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
        if self.pool.modes.has_any(STOPPING | RECORDING) {
            self.attend_to_modes()?;
        }
        if self.pace.is_maintenance_due() {
            self.run_maintenance()?;
        }
        if let Some(task) = self.take_next()? {
            return self.poll(task);
        }
        match self.find_work()? {
            Some(task) => self.poll_found(task),
            None => Ok(()),
        }
    }

    /// Stops the worker if the pool stops, and makes it record its polls if a recording is active.
    #[cold]
    fn attend_to_modes(&mut self) -> Result<(), Exit> {
        if self.pool.is_stopping() {
            return Err(Exit::Stopped);
        }
        if self.polls == PollMode::Plain {
            self.polls = PollMode::Recorded;
        }
        Ok(())
    }

    /// Like [`WorkerThread::take_next`], but not inlined into the loop of a busy worker.
    #[inline(never)]
    fn next_task(&mut self) -> Result<Option<Runnable>, Exit> {
        self.take_next()
    }

    /// The next task of this worker.
    #[inline(always)]
    fn take_next(&mut self) -> Result<Option<Runnable>, Exit> {
        if self.pace.is_injector_first() && !self.pool.injector.is_empty() {
            self.take_injected();
        }
        if simulation::is_simulated() {
            self.draw_next_task();
        }
        let may_take_lifo = self.pace.may_take_lifo();
        let mut lifo_polls = self.pace.lifo_polls();
        let queue = &self.worker.queue;
        let taken = self.context.with_core(|core| {
            if may_take_lifo && let Some(task) = core.lifo_slot.take() {
                lifo_polls += 1;
                return Some(task);
            }
            lifo_polls = 0;
            let oldest = queue.pop(&mut core.ownership);
            oldest.or_else(|| core.lifo_slot.take())
        });
        self.pace.set_lifo_polls(lifo_polls);
        taken.ok_or(Exit::HandedOff)
    }

    /// Like [`WorkerThread::poll`], but not inlined into the loop of a busy worker.
    #[inline(never)]
    fn poll_found(&mut self, task: Runnable) -> Result<(), Exit> {
        // Recording may have begun while the worker searched.
        if self.polls == PollMode::Plain && self.pool.modes.has_any(RECORDING) {
            self.polls = PollMode::Recorded;
        }
        self.poll(task)
    }

    /// Polls one task.
    #[inline(always)]
    fn poll(&mut self, task: Runnable) -> Result<(), Exit> {
        self.stop_searching();
        self.share();
        self.arm_monitor();
        self.pace.count_poll();
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

    /// Polls, and counts the start and the end of the poll for the monitor.
    #[inline(always)]
    fn poll_watched(&mut self, task: Runnable) -> Ran {
        let polled = simulated_poll(&task);
        if self.polls != PollMode::Plain {
            if self.is_nested() {
                let ran = poll_nested(task);
                simulation::end_poll(polled, matches!(ran, Ran::Requeued(_)));
                return ran;
            }
            self.record_poll(task.as_task().addr());
        }
        context::begin_bare_poll(task.as_task(), self.event_loop.event_budget);
        self.context.poll_counter.begin(task.as_task().addr());
        let ran = task.run();
        self.context.poll_counter.increment();
        context::end_bare_poll();
        simulation::end_poll(polled, matches!(ran, Ran::Requeued(_)));
        ran
    }

    /// Records the start of the poll of the task at `addr`. The next poll or a pause ends it.
    #[cold]
    #[inline(never)]
    fn record_poll(&mut self, addr: usize) {
        let ended = std::mem::replace(&mut self.open_poll, addr);
        if !record::try_begin_next_poll(ended, addr) {
            self.record_poll_slow(ended, addr);
        }
    }

    #[cold]
    #[inline(never)]
    fn record_poll_slow(&mut self, ended: usize, addr: usize) {
        // The recording may have ended: then no poll takes the short way.
        if !reveille_task::is_recording() {
            self.polls = PollMode::Plain;
        }
        record::begin_next_poll(ended, addr);
    }

    /// Wakes a sibling if the run queue is long enough.
    #[inline]
    fn share(&mut self) {
        let queued = self.worker.queue.len() as u64;
        if self.pace.is_worth_sharing(queued) || simulation::draws(Decision::WakeSibling) {
            self.wake_sibling();
        }
    }

    #[inline]
    fn wake_sibling(&self) {
        if self.pool.idle.is_wake_useful() {
            self.worker.counters.count(Event::WakeSibling);
            self.pool.wake_one();
        }
    }

    /// Reads the clock, and does the maintenance that is due.
    ///
    /// The last poll may have lost the worker. This thread must not turn the driver then: it would
    /// take a notification from the thread that runs the worker now, and that one would sleep.
    #[cold]
    fn run_maintenance(&mut self) -> Result<(), Exit> {
        self.pause_record();
        if !self.context.has_worker() {
            return Err(Exit::HandedOff);
        }
        let now = self.event_loop.now_ns();
        if let Some(mean_poll_ns) = self.pace.read_clock(now) {
            self.worker.set_poll_ns(mean_poll_ns);
        }
        if self.pace.is_lasting_worth_sharing() {
            self.wake_sibling();
        }
        if self.worker.has_pending_removals() {
            self.context.with_core(|core| self.worker.apply_removals(core));
        }
        self.defer_monitor(now);
        if self.pace.is_turn_due(now) {
            self.turn_driver(Some(Duration::ZERO));
            self.turn_timers(now);
            self.run_local();
        } else if self.is_more_due {
            self.turn_timers(now);
        }
        Ok(())
    }

    /// Whether the worker runs inside a poll of its own thread.
    fn is_nested(&self) -> bool {
        self.polls == PollMode::Nested
    }

    /// The last poll ends here, and the next one does not begin where it ended.
    fn pause_record(&mut self) {
        if reveille_task::is_recording() {
            record::pause(std::mem::take(&mut self.open_poll));
        }
    }

    fn turn_driver(&mut self, timeout: Option<Duration>) -> usize {
        let events = self.take_events(timeout);
        self.note_turn(self.event_loop.now_ns());
        events
    }

    fn take_events(&mut self, timeout: Option<Duration>) -> usize {
        let events = self.collect_events(timeout);
        self.wake_collected();
        events
    }

    /// Waits for events and collects the wakers of their waiters in `events`.
    fn collect_events(&mut self, timeout: Option<Duration>) -> usize {
        self.worker.counters.count(Event::DriverTurn);
        self.events.set_tracks_causes(reveille_task::is_recording());
        self.event_loop.collect(timeout, &mut self.events)
    }

    fn note_turn(&mut self, now: u64) {
        self.pace.turned(now);
        self.worker.turned_ns.store(now, Ordering::Relaxed);
    }

    /// Collects the pending events without waiting. `false` if there are none.
    fn busy_poll(&mut self) -> bool {
        let has_events = self.take_events(Some(Duration::ZERO)) > 0;
        // The estimate is at most a microsecond behind, so no timer fires early, and it costs half
        // as much as the clock.
        let now = self.event_loop.approx_now_ns();
        self.note_turn(now);
        if !has_events {
            self.pace.end_busy_poll();
        } else if self.pace.are_timers_due(now) {
            self.turn_timers(self.event_loop.now_ns());
        }
        has_events
    }

    /// Moves a share of the injector into the run queue.
    fn take_injected(&mut self) {
        let workers = self.pool.workers.len();
        self.pool.injector.take(&mut self.injector_shard, workers, &mut self.stolen);
        if reveille_task::is_recording() && !self.stolen.is_empty() {
            self.pause_record();
            record::injected(self.stolen.len());
        }
        self.push_stolen();
    }

    fn push_stolen(&mut self) {
        self.context.push_batch(&mut self.stolen);
        for task in self.stolen.drain(..) {
            self.pool.inject(task);
        }
    }

    /// Polls the local tasks of this thread. `false` if it has no local tasks.
    fn run_local(&mut self) -> bool {
        // A local task may block this thread. Siblings rely on searchers, so the worker must not
        // count as one meanwhile.
        local::run_local_tasks(&self.context.poll_counter, || {
            self.stop_searching();
            self.arm_monitor();
        })
    }

    /// Searches everywhere, then parks. Returns without a task after each park.
    #[cold]
    fn find_work(&mut self) -> Result<Option<Runnable>, Exit> {
        self.pause_record();
        if self.run_local()
            && let Some(task) = self.next_task()?
        {
            // A local task has woken this task, and no sibling can see it in the LIFO slot.
            return Ok(Some(task));
        }
        if !self.pool.injector.is_empty() {
            self.take_injected();
            return self.next_task();
        }
        if self.pace.is_busy_polling() && self.busy_poll() {
            return self.next_task();
        }
        if self.search() || self.spin() {
            return self.next_task();
        }
        self.park();
        Ok(None)
    }

    /// Stops searching, if this worker searches. Wakes another searcher if work is left.
    #[inline]
    fn stop_searching(&mut self) {
        let has_more = || !self.pool.injector.is_empty();
        if self.pool.idle.stop_search(&mut self.is_searching, has_more) {
            self.pool.wake_one();
        }
    }

    /// Parks in the driver until there is something to do.
    fn park(&mut self) {
        let index = self.worker.index;
        self.context.flush_removals();
        self.event_loop.release_spare();
        let is_ours = self.context.with_core(|core| {
            if self.worker.has_pending_removals() {
                self.worker.apply_removals(core);
            }
        });
        if is_ours.is_none() {
            // The drop of a waker has lost the worker. The next step ends this loop.
            return;
        }
        self.prepare_to_observe();
        let mut is_searching = self.is_searching;
        let has_work = |worker: &mut WorkerThread<'a>| {
            let pool = worker.pool;
            pool.monitor.disarm(|| pool.all_parked(), || worker.event_loop.now_ns());
            worker.has_work_elsewhere()
        };
        let waited =
            self.pool.idle.sleep(index, &mut is_searching, self, has_work, WorkerThread::wait);
        self.is_searching = is_searching;
        match waited {
            Some(woken_ns) => {
                self.defer_monitor(woken_ns);
                self.answer_alarm();
                self.wake_collected();
                self.turn_timers(woken_ns);
                if reveille_task::is_recording() {
                    record::turn_end();
                }
            }
            // A searching worker takes the work.
            None => simulation::yield_now(),
        }
    }

    /// The part of [`WorkerThread::park`] in which the worker counts as parked, and other threads
    /// may wake it. Runs no user code: if it blocked and the worker were handed off, its bit in the
    /// idle set would belong to another thread. Returns the time up to which timers may fire.
    fn wait(&mut self) -> u64 {
        let deadline = self.event_loop.park_timers();
        let has_deadline = deadline.is_some();
        let now = self.time_for(has_deadline);
        let timeout = deadline.map(|deadline| Duration::from_nanos(deadline.saturating_sub(now)));
        self.worker.counters.count(Event::Park);
        self.worker.busy.park(now);
        // If a local task is runnable, the worker does not wait. It still collects events, because
        // a local task that is always runnable would otherwise starve the sockets.
        let may_wait = local::prepare_park(self.context.driver());
        let is_recording = may_wait && reveille_task::is_recording();
        if is_recording {
            record::park();
        }
        let events = self.collect_events(if may_wait { timeout } else { Some(Duration::ZERO) });
        if is_recording {
            record::unpark();
        }
        let woken = self.time_for(has_deadline).max(now);
        self.worker.busy.begin(woken);
        self.note_turn(woken);
        local::unpark();
        self.pace.waited(now, woken, events);
        let is_notified = events == 0 && !self.pool.idle.is_parked(self.worker.index);
        let is_due = deadline.is_some_and(|deadline| deadline <= woken);
        self.is_wait_unexplained = events == 0 && !is_notified && !is_due;
        self.event_loop.spin.record_wait(is_notified.then_some(woken - now));
        // The time must not be ahead of the clock, or a timer that another thread has added would
        // fire early.
        if has_deadline { woken } else { woken.saturating_sub(APPROX_ERROR_MAX_NS) }
    }

    /// The time, for a worker that parks. It is exact if there is a timer. Otherwise an estimate is
    /// enough to distinguish a short wait from a long one.
    fn time_for(&self, has_deadline: bool) -> u64 {
        if has_deadline { self.event_loop.now_ns() } else { self.event_loop.approx_now_ns() }
    }

    /// The last check before the park. It sees all tasks of threads that did not see this worker's
    /// bit in the idle set.
    fn has_work_elsewhere(&self) -> bool {
        self.pool.is_stopping()
            || !self.pool.injector.is_empty()
            || self.pool.workers.iter().any(|worker| self.is_worth_stealing_from(worker))
    }
}

/// Polls a task inside another poll of this thread.
#[cold]
#[inline(never)]
fn poll_nested(task: Runnable) -> Ran {
    let addr = task.as_task().addr();
    let is_recorded = reveille_task::is_recording();
    if is_recorded {
        record::begin_poll(addr);
    }
    let poll = context::begin_poll(task.as_task());
    let ran = task.run();
    drop(poll);
    if is_recorded {
        record::end_poll(addr);
    }
    ran
}

impl Drop for WorkerThread<'_> {
    fn drop(&mut self) {
        for task in self.stolen.drain(..) {
            self.pool.inject(task);
        }
    }
}
