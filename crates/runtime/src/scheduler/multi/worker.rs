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
//! is: its length times the recent average of a poll. See [`Worker::share`].

mod wakes;

use std::mem;
use std::task::Waker;
use std::time::Duration;

use reveille_driver::Events;
use reveille_primitive::atomic::Ordering;
use reveille_primitive::thread::spin_loop;
use reveille_task::{Ran, Runnable};

use super::monitor::PUT_OFF_NS;
use super::place::{POLL_NS_AT_FIRST, Place, Seat};
use super::turn::{collect, collect_for_another};
use super::{Shared, queue};
use crate::context;
use crate::foreign::AtFirstTask;
use crate::observe::Event;
use crate::park::Spin;
use crate::scheduler::local;
use crate::time::AHEAD_MAX_NS;

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
const LAST_IN_NS: u64 = 10_000;

/// How often that is at least, and at most. tokio has 3, Go 10 ms.
const STREAK_MIN: u64 = 3;
const STREAK_MAX: u64 = 15;

/// The queued work, in nanoseconds, for which a sibling is woken. The wake costs both cores some
/// ten microseconds, and the sibling comes tens of microseconds later: less is done by then.
const WAKE_WORTH_NS: u64 = 50_000;

/// The queued work, in nanoseconds, of which a searcher takes its half: tasks that move to another
/// core leave their data behind, some hundred nanoseconds each.
const STEAL_WORTH_NS: u64 = 3_000;

/// The queued work, in nanoseconds, that is worth a wake if it never falls below that for
/// [`WINDOW_LOOKS`]: tasks that keep each other busy are shared once and then for long.
const LASTING_WORTH_NS: u64 = 4_000;

/// What cold caches cost a worker that has slept, in nanoseconds: polls are not to blame for it.
/// Ten small tasks take 50 to 150 us after 100 ms of sleep, and 2 us when they are polled again at
/// once.
const COLD_NS: u64 = 100_000;

/// What a look at the clock counts in the mean poll: a part of 64 for each poll that it covers, a
/// quarter at most. So one long poll among small ones is soon forgotten.
const WEIGHTS: u64 = 64;
const WEIGHT_MAX: u64 = 16;

/// Looks at the clock over which the shortest queue counts.
const WINDOW_LOOKS: u32 = 4;

/// How old the last turn of a worker's driver is, in nanoseconds, when the worker is taken to be in
/// a long poll: then its queue is worth stealing however short.
const LONG_POLL_NS: u64 = 300_000;

/// How short a wait, in nanoseconds, means that its events were there before it: then the next ones
/// are likely to be there as well. For [`BRISK_NS`] the worker just looks for them, without all
/// that it does before it sleeps and after, such as a look at the queues and drivers of others.
const BRISK_WAIT_NS: u64 = 5_000;

/// For how many nanoseconds a worker that always finds events looks for nothing else. It lacks no
/// work; somebody else's that lies for a millisecond is what the monitor sees to.
const BRISK_NS: u64 = 1_000_000;

/// Looks at the queues between two looks at the clock.
const SPINS_PER_LOOK: u32 = 32;

/// How old the last turn of a busy worker's driver is, in nanoseconds, when a searcher turns it.
const STALE_TURN_NS: u64 = 1_000_000;

/// Why a worker stopped working its place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Exit {
    /// The place was given to another thread while a poll blocked this one.
    Lost,
    /// The pool is being shut down.
    Stopped,
}

/// One thread at work on one place.
pub(crate) struct Worker<'a> {
    seat: &'a Seat,
    place: &'static Place,
    shared: &'static Shared,
    events: Events,
    wakers: Vec<Waker>,
    stolen: Vec<Runnable>,
    /// The shard of the injector that is looked at next.
    lane: usize,
    /// Polls since the worker began; wraps.
    tick: u32,
    /// How often the last-in slot came first in a row, and how often it may.
    streak: u32,
    streak_max: u32,
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
    put_off_ns: u64,
    /// Until when events are taken briskly; see [`BRISK_WAIT_NS`].
    brisk_until_ns: u64,
    /// Time since the last look at the clock that does not count, since the worker slept.
    cold_ns: u64,
    /// The tick of the next look at the clock, and how many polls after this one it comes.
    look_tick: u32,
    look_every: u32,
    /// A batch of due timers was fired, and there are more.
    is_more_due: bool,
    /// What a poll took on average, lately.
    poll_ns: u64,
    /// The shortest queue of this window, and the looks at the clock in it.
    shortest: u64,
    looks: u32,
    /// The tick at which the shortest queue is looked at again.
    window_tick: u32,
    spin: Spin,
    random: crate::rng::Rng,
    foreign: AtFirstTask,
}

impl<'a> Worker<'a> {
    pub(crate) fn new(seat: &'a Seat, seed: u64) -> Worker<'a> {
        let now = seat.clock().now_ns();
        Worker {
            seat,
            place: seat.place(),
            shared: seat.shared(),
            events: Events::new(),
            wakers: Vec::new(),
            stolen: Vec::with_capacity(queue::CAPACITY),
            lane: seat.place().index,
            tick: 0,
            streak: 0,
            streak_max: STREAK_MAX as u32,
            is_searching: false,
            is_nested: false,
            clock_ns: now,
            clock_tick: 0,
            turned_ns: now,
            timed_ns: now,
            put_off_ns: now,
            brisk_until_ns: 0,
            // A thread that begins also waits for the memory of its stack, page by page.
            cold_ns: 5 * COLD_NS,
            look_tick: 0,
            look_every: 1,
            is_more_due: false,
            poll_ns: POLL_NS_AT_FIRST,
            shortest: 0,
            looks: 0,
            window_tick: CLOCK_EVERY,
            spin: Spin::new(),
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
        if !self.shared.injector.is_empty() {
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
        if self.shared.is_stopping() {
            return Err(Exit::Stopped);
        }
        if self.tick == self.look_tick {
            self.look_at_clock();
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
        if self.tick.is_multiple_of(INJECTOR_EVERY) && !self.shared.injector.is_empty() {
            self.take_injected();
        }
        let may_be_last_in = self.streak < self.streak_max;
        let mut streak = self.streak;
        let queue = &self.place.queue;
        let taken = self.seat.with_core(|core| {
            if may_be_last_in && let Some(task) = core.next.take() {
                streak += 1;
                return Some(task);
            }
            streak = 0;
            let oldest = queue.pop(&mut core.ownership);
            oldest.or_else(|| core.next.take())
        });
        self.streak = streak;
        taken.ok_or(Exit::Lost)
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
        self.shared.monitor.arm();
        self.tick = self.tick.wrapping_add(1);
        self.place.counters.count(Event::Poll);
        self.foreign.enter();
        let ran = self.poll_watched(task);
        match ran {
            Ran::Requeued(task) => match self.seat.push(task, false) {
                Ok(()) => Ok(()),
                Err(task) => {
                    self.shared.inject(task);
                    Err(Exit::Lost)
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
        context::begin_bare_poll(task.as_task(), self.seat.event_budget);
        self.seat.pulse.beat();
        let ran = task.run();
        self.seat.pulse.beat();
        context::end_bare_poll();
        ran
    }

    /// Wakes a sibling if what is queued here is worth it.
    #[inline]
    fn share(&mut self) {
        let queued = self.place.queue.len() as u64;
        self.shortest = self.shortest.min(queued);
        if queued * self.poll_ns >= WAKE_WORTH_NS && self.shared.idle.is_wake_useful() {
            self.place.counters.count(Event::WakeSibling);
            self.shared.wake_one();
        }
    }

    /// Wakes a sibling if the queue was long all the time.
    fn share_lasting(&mut self) {
        self.looks += 1;
        if self.looks < WINDOW_LOOKS {
            return;
        }
        let lasting_ns = self.shortest * self.poll_ns;
        (self.shortest, self.looks) = (u64::from(u32::MAX), 0);
        if lasting_ns >= LASTING_WORTH_NS && self.shared.idle.is_wake_useful() {
            self.place.counters.count(Event::WakeSibling);
            self.shared.wake_one();
        }
    }

    /// Reads the clock, and turns driver and timers when they waited long enough.
    #[cold]
    fn look_at_clock(&mut self) {
        let now = self.seat.now_ns();
        let polls = u64::from(self.tick.wrapping_sub(self.clock_tick));
        let cold_ns = mem::take(&mut self.cold_ns);
        let time_ns = now.saturating_sub(self.clock_ns).saturating_sub(cold_ns);
        if let Some(each) = time_ns.checked_div(polls) {
            let each = if cold_ns > 0 { each.max(POLL_NS_AT_FIRST) } else { each };
            let weight = polls.min(WEIGHT_MAX);
            self.poll_ns = ((WEIGHTS - weight) * self.poll_ns + weight * each) / WEIGHTS;
            self.place.set_poll_ns(self.poll_ns);
            let fitting = LAST_IN_NS / self.poll_ns.max(1);
            self.streak_max = fitting.clamp(STREAK_MIN, STREAK_MAX) as u32;
            self.plan_look(self.poll_ns.max(each));
        }
        self.look_tick = self.tick.wrapping_add(self.look_every);
        self.clock_ns = now;
        self.clock_tick = self.tick;
        if self.tick.wrapping_sub(self.window_tick) < u32::MAX / 2 {
            self.window_tick = self.tick.wrapping_add(CLOCK_EVERY);
            self.share_lasting();
        }
        if self.place.has_removals() {
            self.seat.with_core(|core| self.place.remove_now(core));
        }
        if now.saturating_sub(self.put_off_ns) >= PUT_OFF_NS && !self.is_nested {
            self.put_off_ns = now;
            self.shared.monitor.put_off(self.shared);
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
    fn plan_look(&mut self, poll_ns: u64) {
        let fitting = (CLOCK_EVERY_NS / poll_ns.max(1)).clamp(1, u64::from(CLOCK_EVERY));
        self.look_every = (fitting as u32).min(2 * self.look_every);
    }

    fn turn_driver(&mut self, timeout: Option<Duration>) -> usize {
        let events = self.take_events(timeout);
        self.note_turn(self.seat.now_ns());
        events
    }

    fn take_events(&mut self, timeout: Option<Duration>) -> usize {
        let events = self.collect_events(timeout);
        self.wake_collected();
        events
    }

    /// Waits for events, and wakes nobody yet.
    fn collect_events(&mut self, timeout: Option<Duration>) -> usize {
        self.place.counters.count(Event::DriverTurn);
        collect(self.seat.driver(), timeout, &mut self.events)
    }

    fn note_turn(&mut self, now: u64) {
        self.turned_ns = now;
        self.place.turned_ns.store(now, Ordering::Relaxed);
    }

    /// Takes the events that are there already. `false` if there was none.
    fn turn_briskly(&mut self) -> bool {
        let is_brisk = self.take_events(Some(Duration::ZERO)) > 0;
        // Late by a microsecond at most, and half as dear as the clock: no timer fires before it.
        let now = self.seat.coming_ns();
        self.note_turn(now);
        if !is_brisk {
            self.brisk_until_ns = 0;
        } else if now.saturating_sub(self.timed_ns) >= TURN_EVERY_NS {
            self.turn_timers(self.seat.now_ns());
        }
        is_brisk
    }

    /// Moves a share of the injector into the run queue.
    fn take_injected(&mut self) {
        let workers = self.shared.places.len();
        self.shared.injector.take(&mut self.lane, workers, &mut self.stolen);
        self.queue_stolen();
    }

    fn queue_stolen(&mut self) {
        for task in self.stolen.drain(..) {
            if let Err(task) = self.seat.push(task, false) {
                self.shared.inject(task);
            }
        }
    }

    /// Polls the local tasks of this thread. `false` if it has none.
    fn run_local(&mut self) -> bool {
        // One of them may block this thread, and others rely on whoever searches.
        local::run_here(self.seat, || {
            self.stop_searching();
            self.shared.monitor.arm();
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
        if !self.shared.injector.is_empty() {
            self.take_injected();
            return self.next_task();
        }
        if self.turned_ns < self.brisk_until_ns && self.turn_briskly() {
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
        let workers = self.shared.places.len();
        if !self.is_searching {
            self.is_searching = self.shared.idle.start_search(workers);
        }
        if !self.is_searching {
            return false;
        }
        let first = self.random.below(workers);
        for offset in 0..workers {
            let victim = &self.shared.places[(first + offset) % workers];
            if !self.is_worth_stealing_from(victim) {
                continue;
            }
            let stolen = victim.queue.steal(&mut self.stolen);
            if stolen > 0 {
                self.place.counters.add(Event::Steal, stolen as u64);
                self.queue_stolen();
                return true;
            }
        }
        !self.shared.injector.is_empty() || self.turn_stale()
    }

    /// Whether a thief does good here: the queue stands for some time, or its owner is away in a
    /// long poll. A short queue is done by its owner before its tasks' data have moved.
    fn is_worth_stealing_from(&self, victim: &Place) -> bool {
        if victim.index == self.place.index || victim.queue.is_empty() {
            return false;
        }
        victim.queued_ns() >= STEAL_WORTH_NS
            || self.seat.now_ns().saturating_sub(victim.turned_ns.load(Ordering::Relaxed))
                >= LONG_POLL_NS
    }

    /// Turns the drivers of workers that are in a long poll. `true` if that made work.
    fn turn_stale(&mut self) -> bool {
        if self.shared.places.len() == 1 {
            return false;
        }
        let now = self.seat.now_ns();
        let mut events = 0;
        for place in &self.shared.places {
            let is_own = place.index == self.place.index;
            let age = now.saturating_sub(place.turned_ns.load(Ordering::Relaxed));
            if is_own || age < STALE_TURN_NS || self.shared.idle.is_parked(place.index) {
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
        let timers = self.seat.timers();
        let deadline = timers.next_deadline(&mut self.seat.identity().borrow_mut());
        let now = self.seat.now_ns();
        let end = now.saturating_add(budget).min(deadline.unwrap_or(u64::MAX));
        loop {
            for _ in 0..SPINS_PER_LOOK {
                if self.has_work_elsewhere() {
                    self.spin.record_spin(true);
                    self.spin.record_wait(Some(0));
                    return self.search();
                }
                spin_loop();
            }
            if self.seat.now_ns() >= end {
                self.spin.record_spin(false);
                return false;
            }
        }
    }

    /// Gives up the searcher's role, if this worker has it; wakes the next one if work is left.
    #[inline]
    fn stop_searching(&mut self) {
        let has_more = || !self.shared.injector.is_empty();
        if self.shared.idle.stop_search(&mut self.is_searching, has_more) {
            self.shared.wake_one();
        }
    }

    /// Sleeps in the driver until there is something to do.
    fn park(&mut self) {
        let index = self.place.index;
        self.seat.flush_foreign();
        self.seat.timers().release_spare(self.seat.identity());
        if self.place.has_removals() {
            self.seat.with_core(|core| self.place.remove_now(core));
        }
        let mut is_searching = self.is_searching;
        let has_work = |worker: &mut Worker<'a>| {
            worker.shared.monitor.disarm(worker.shared, || worker.seat.now_ns());
            worker.has_work_elsewhere()
        };
        let waited = self.shared.idle.sleep(index, &mut is_searching, self, has_work, Worker::wait);
        self.is_searching = is_searching;
        if let Some(woken_ns) = waited {
            self.wake_collected();
            self.turn_timers(woken_ns);
        }
    }

    /// The part of [`Worker::park`] in which the worker waits, and others may wake it. No user code
    /// runs in it: the bit of this worker is another's once its place is. Returns until when timers
    /// are due.
    fn wait(&mut self) -> u64 {
        let deadline = self.seat.timers().park(&mut self.seat.identity().borrow_mut());
        let has_deadline = deadline.is_some();
        let now = self.time_for(has_deadline);
        let timeout = deadline.map(|deadline| Duration::from_nanos(deadline.saturating_sub(now)));
        self.place.counters.count(Event::Park);
        // It does not wait if a local task of the thread is runnable; it looks in any case, since
        // a local task that always is would keep the others from their sockets otherwise.
        let may_wait = local::park_here(self.seat);
        let events = self.collect_events(if may_wait { timeout } else { Some(Duration::ZERO) });
        let woken = self.time_for(has_deadline).max(now);
        self.note_turn(woken);
        local::unpark_here(self.seat);
        let is_brisk = events > 0 && woken - now < BRISK_WAIT_NS;
        self.brisk_until_ns = if is_brisk { woken + BRISK_NS } else { 0 };
        let is_notified = events == 0 && !self.shared.idle.is_parked(self.place.index);
        self.spin.record_wait(is_notified.then_some(woken - now));
        self.clock_ns = woken;
        self.clock_tick = self.tick;
        self.cold_ns = COLD_NS;
        // Never ahead of the time: what another thread has added meanwhile must not fire early.
        if has_deadline { woken } else { woken.saturating_sub(AHEAD_MAX_NS) }
    }

    /// The time, for a worker that parks: the clock's if there is a timer, else an estimate, which
    /// is enough to tell a short wait from a long one.
    fn time_for(&self, has_deadline: bool) -> u64 {
        if has_deadline { self.seat.now_ns() } else { self.seat.coming_ns() }
    }

    /// The last look before the sleep: what was published before the worker's bit was seen.
    fn has_work_elsewhere(&self) -> bool {
        self.shared.is_stopping()
            || !self.shared.injector.is_empty()
            || self.shared.places.iter().any(|place| self.is_worth_stealing_from(place))
    }
}

impl Drop for Worker<'_> {
    fn drop(&mut self) {
        for task in self.stolen.drain(..) {
            self.shared.inject(task);
        }
    }
}
