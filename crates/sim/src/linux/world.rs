//! The simulated threads, the virtual time, and the choice of the next thread. A thread that
//! blocks, or that ends a poll, records what it waits for and chooses the next thread ([`switch`]).
//! If no thread can run, the time jumps to the next deadline. If there is no deadline either, the
//! program is deadlocked.
//!
//! # Invariants
//! 1. Only the thread that holds the baton (`thread.rs`) accesses the state, inside [`with`], and
//!    `with` is not entered twice. It calls none of the functions in `interpose.rs`. Rejected: a
//!    separate single-threaded scheduler for simulated runs. It would be a second implementation,
//!    and the real scheduler would not be tested. A poll that blocks, or calls `block_on`, needs a
//!    thread anyway.

use std::cell::UnsafeCell;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::panic::Location;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use reveille_primitive::simulation::PolledTask;

use super::kernel::Kernel;
use super::kernel::hosts::{global_ns, local_ns, offset_ns, when_ns};
use super::original;
use super::thread::{self, NEVER_NS, Outcome, State, Thread, me};
use crate::child::Verdict;
use crate::machine::Machine;
use crate::strategy::Strategy;
use crate::streams::{Streams, seed_of};
use crate::trace::{Step, Trace};

mod choice;
mod timed;

use timed::Timed;

/// The monotonic clock when a simulation begins. It is not 0, so that a program can subtract from
/// it.
const START_NS: u64 = 10_000 * 1_000_000_000;

/// The wall clock when a simulation begins: 1 January 2026, in nanoseconds.
const START_OF_DAY_NS: u64 = 1_767_225_600 * 1_000_000_000;

/// How long each read of a clock takes, so that a loop that waits for a time ends.
const CLOCK_READ_NS: u64 = 25;

/// After this many reads of a clock without any other call, a thread lets others run: it may repeat
/// itself until one of them has done something.
const READS_IN_A_ROW: u32 = 256;

/// How often, and how long, a simulation in which nothing can go on checks whether a thread that is
/// not simulated has changed a word of memory.
const STALL_CHECKS: u32 = 200;
const STALL_PAUSE: Duration = Duration::from_millis(1);

/// After this many polls in a row in which a task wakes itself, its polls take [`LONG_POLL_NS`], so
/// that the event that it waits for comes after few polls.
const SPINS_UNTIL_LONG: u32 = 1_000;
const LONG_POLL_NS: u64 = 1_000_000;

/// After this many, some ninety virtual seconds later, the run fails: the event will not come.
const SPINS_MAX: u32 = 100_000;

/// How many of the tasks that were polled most often a report names.
const BUSIEST: usize = 5;

/// Set when the run has taken too much real time. The next switch of threads ends the run.
static IS_LATE: AtomicBool = AtomicBool::new(false);

/// Makes the run end soon, with a report.
pub(super) fn end_late() {
    IS_LATE.store(true, Ordering::Relaxed);
}

/// The virtual time, in nanoseconds. Written by the thread that holds the baton.
static NOW_NS: AtomicU64 = AtomicU64::new(START_NS);

/// How many processors the program sees.
static PROCESSORS: AtomicUsize = AtomicUsize::new(1);

/// The monotonic clock.
pub(super) fn read_clock_ns(me: &Thread) -> u64 {
    let now_ns = now_ns() + CLOCK_READ_NS;
    NOW_NS.store(now_ns, Ordering::Relaxed);
    START_NS + local_ns(me.host.get(), now_ns - START_NS)
}

/// Lets other threads run if this one does nothing but read clocks. Called before each read.
pub(super) fn yield_after_reads(me: &'static Thread) {
    let reads = me.clock_reads.get() + 1;
    me.clock_reads.set(reads);
    if reads >= READS_IN_A_ROW && !is_entered() && !super::disk::is_unobserved() {
        switch(me, State::Ready { at_ns: now_ns() });
    }
}

pub(super) fn now_ns() -> u64 {
    NOW_NS.load(Ordering::Relaxed)
}

/// The wall clock when the monotonic clock of the thread's host shows `ns`.
pub(super) fn time_of_day_ns(me: &Thread, ns: u64) -> u64 {
    (ns - START_NS + START_OF_DAY_NS).saturating_add_signed(offset_ns(me.host.get()))
}

/// The time of the simulation when the wall clock of the thread's host shows `ns`.
pub(super) fn from_time_of_day_ns(me: &Thread, ns: u64) -> u64 {
    let ns = ns.saturating_add_signed(-offset_ns(me.host.get()));
    from_local_ns(me, ns.saturating_sub(START_OF_DAY_NS).saturating_add(START_NS))
}

/// The time of the simulation when the monotonic clock of the thread's host shows `ns`.
pub(super) fn from_local_ns(me: &Thread, ns: u64) -> u64 {
    START_NS.saturating_add(when_ns(me.host.get(), ns.saturating_sub(START_NS)))
}

/// The time of the simulation after `ns` on the clock of the thread's host.
pub(super) fn after_ns(me: &Thread, ns: u64) -> u64 {
    now_ns().saturating_add(global_ns(me.host.get(), ns))
}

pub(super) fn elapsed_ns() -> u64 {
    now_ns() - START_NS
}

pub(super) fn processors() -> usize {
    PROCESSORS.load(Ordering::Relaxed)
}

struct WorldCell(UnsafeCell<Option<World>>);

// SAFETY: one thread at a time accesses the value (invariant 1).
unsafe impl Sync for WorldCell {}

static WORLD: WorldCell = WorldCell(UnsafeCell::new(None));
static IS_ENTERED: AtomicBool = AtomicBool::new(false);

/// Runs `access` on the state. The calling thread holds the baton.
///
/// # Panics
/// Aborts if the calling thread is not simulated, or is already inside.
pub(super) fn with<R>(access: impl FnOnce(&mut World) -> R) -> R {
    if me().is_none() || is_entered() {
        super::say("reveille-sim: a bug: the state of the simulation was entered twice\n");
        std::process::abort();
    }
    // Only the thread with the baton writes it, so the two steps need not be one.
    IS_ENTERED.store(true, Ordering::Relaxed);
    // SAFETY: the calling thread is simulated, so it holds the baton, and the flag shows that it is
    // not inside already. So there is no other reference (invariant 1).
    let world = unsafe { &mut *WORLD.0.get() };
    let result = access(world.as_mut().expect("a simulated thread exists only in a world"));
    IS_ENTERED.store(false, Ordering::Relaxed);
    result
}

/// Whether a thread is inside [`with`]. If the calling thread is simulated, it is that thread.
pub(super) fn is_entered() -> bool {
    IS_ENTERED.load(Ordering::Relaxed)
}

/// The number of the machine that a thread is on.
pub(super) fn host_of(thread: &Thread) -> usize {
    thread.host.get()
}

/// Begins the simulation. The calling thread is its first, and already marked as such.
pub(super) fn begin(mut streams: Streams, trace: Trace) {
    let Some(me) = me() else { return };
    let strategy = Strategy::draw(|count| streams.draw("strategy", count));
    let machine = Machine::draw(&mut streams);
    PROCESSORS.store(machine.processors, Ordering::Relaxed);
    let mut kernel = Kernel::default();
    kernel.add_host("test", Vec::new());
    let mut world = World {
        streams,
        trace,
        strategy,
        machine,
        live: Vec::new(),
        timed: Timed::default(),
        foreign_waits: 0,
        ended: Vec::new(),
        thread_count: 1,
        candidates: Vec::new(),
        descriptors: Vec::new(),
        last: (me.number, 0),
        lowest_priority: u64::MAX / 2,
        kernel,
        spins: BTreeMap::new(),
        is_spinning: false,
        polls: BTreeMap::new(),
    };
    world.add(me, State::Running);
    // SAFETY: the calling thread is the only one of the simulation, and no reference exists yet
    // (invariant 1).
    unsafe { *WORLD.0.get() = Some(world) };
}

/// The state that the simulated threads share.
#[derive(Debug)]
pub(super) struct World {
    pub(super) streams: Streams,
    trace: Trace,
    strategy: Strategy,
    machine: Machine,
    /// The threads that have not ended, in the order of their starts.
    live: Vec<&'static Thread>,
    /// When each of them can run that needs no event.
    timed: Timed,
    /// How many of them wait for events of a descriptor of the system.
    foreign_waits: usize,
    /// The threads that have ended and were not joined.
    ended: Vec<&'static Thread>,
    thread_count: usize,
    /// The threads that can run now, and a buffer of [`World::deliver_events`].
    candidates: Vec<&'static Thread>,
    descriptors: Vec<libc::pollfd>,
    /// The thread that was chosen last, and how often in a row.
    last: (usize, u32),
    /// Lower than all priorities. A thread that loses its priority gets the next lower one.
    lowest_priority: u64,
    pub(super) kernel: Kernel,
    /// In how many polls in a row each task has woken itself, by its address.
    spins: BTreeMap<usize, u32>,
    /// Whether the last poll was one of many in which a task has woken itself.
    is_spinning: bool,
    /// How often tasks were polled that were spawned at a place, by the address of the place.
    polls: BTreeMap<usize, (&'static Location<'static>, u64)>,
}

impl World {
    pub(super) fn seed(&self) -> u64 {
        self.streams.seed()
    }

    pub(super) fn trace(&self) -> &Trace {
        &self.trace
    }

    pub(super) fn strategy(&self) -> Strategy {
        self.strategy
    }

    pub(super) fn tape(&self) -> String {
        self.streams.tape()
    }

    pub(super) fn choices(&self) -> String {
        self.streams.choices()
    }

    /// Draws a number below `count` from the stream `name`.
    pub(super) fn draw(&mut self, name: &'static str, count: u64) -> u64 {
        self.streams.draw(name, count)
    }

    /// As [`draw`](World::draw), for a name that is not a constant.
    pub(super) fn draw_from(&mut self, name: &str, count: u64) -> u64 {
        self.streams.draw_from(name, count)
    }

    pub(super) fn note(&mut self, step: Step, thread: &Thread, value: u64) {
        self.trace.add(step, thread.number, now_ns(), value);
    }

    /// Adds a thread that may run soon.
    pub(super) fn start_thread(&mut self, by: &Thread) -> &'static Thread {
        let number = self.thread_count;
        self.thread_count += 1;
        let at_ns = now_ns() + self.wake_time_ns();
        let entropy = seed_of(self.seed(), &format!("entropy {number}"));
        let priority = u64::MAX / 2 + self.draw("priority", u64::MAX / 2);
        let thread = Thread::new(number, at_ns, entropy, priority);
        thread.host.set(by.host.get());
        thread.host_key.set(by.host_key.get());
        self.add(thread, State::Ready { at_ns });
        self.note(Step::Start, by, number as u64);
        thread
    }

    fn add(&mut self, thread: &'static Thread, state: State) {
        self.live.push(thread);
        self.set_state(thread, state);
    }

    /// Changes what a thread does that has not ended.
    fn set_state(&mut self, thread: &'static Thread, state: State) {
        let old = thread.state.replace(state);
        match old {
            State::Readable { object: None, .. } => self.foreign_waits -= 1,
            State::Readable { object: Some(id), .. } => self.kernel.stop_waiting(id, thread),
            _ => (),
        }
        match state {
            State::Readable { object: None, .. } => self.foreign_waits += 1,
            State::Readable { object: Some(id), .. } => self.kernel.start_waiting(id, thread),
            _ => (),
        }
        self.timed.change(thread, old.time_ns(), state.time_ns());
    }

    /// Removes threads, which never run again.
    fn forget_where(&mut self, is_over: impl Fn(&Thread) -> bool) {
        for index in 0..self.live.len() {
            let thread = self.live[index];
            if is_over(thread) {
                self.set_state(thread, State::Ended);
            }
        }
        self.live.retain(|thread| thread.state.get() != State::Ended);
    }

    /// Removes a thread that the system refused to start.
    pub(super) fn forget_thread(&mut self, thread: &'static Thread) {
        self.forget_where(|live| live.number == thread.number);
    }

    /// Marks a thread as ended, and wakes the threads that wait for its end.
    pub(super) fn end_thread(&mut self, thread: &'static Thread) {
        self.forget_thread(thread);
        self.ended.push(thread);
        self.note(Step::End, thread, 0);
        let number = thread.number;
        self.wake_where(usize::MAX, |state| state == State::Join { thread: number });
    }

    /// Whether the program has several hosts.
    pub(super) fn is_network(&self) -> bool {
        self.kernel.is_network()
    }

    /// Removes the threads of a host, which never run again.
    pub(super) fn forget_threads_of(&mut self, host: usize) {
        self.forget_where(|thread| thread.host.get() == host);
    }

    /// The thread of a `pthread_t`. The system reuses handles, so a live thread is preferred, then
    /// the one that ended last.
    pub(super) fn find(&self, pthread: libc::pthread_t) -> Option<&'static Thread> {
        let all = self.live.iter().chain(self.ended.iter().rev());
        all.copied().find(|thread| thread.pthread.get() == pthread)
    }

    /// The live thread with this number of the system.
    pub(super) fn find_tid(&self, tid: libc::pid_t) -> Option<&'static Thread> {
        self.live.iter().copied().find(|thread| thread.tid.get() == tid)
    }

    /// Removes a thread that was joined.
    pub(super) fn joined(&mut self, thread: &Thread) {
        self.ended.retain(|ended| ended.number != thread.number);
    }

    /// Wakes up to `count` threads for which `waits_for_it` is true. Returns how many.
    pub(super) fn wake_where(
        &mut self,
        count: usize,
        waits_for_it: impl Fn(State) -> bool,
    ) -> usize {
        let mut woken = 0;
        for index in 0..self.live.len() {
            let thread = self.live[index];
            if woken < count && waits_for_it(thread.state.get()) {
                self.wake(thread);
                woken += 1;
            }
        }
        woken
    }

    /// Ends the wait of a thread.
    pub(super) fn wake(&mut self, thread: &'static Thread) {
        let at_ns = now_ns() + self.wake_time_ns();
        self.set_state(thread, State::Ready { at_ns });
        thread.outcome.set(Outcome::Woken);
    }

    /// Draws the time from a wake, or from a deadline, until the thread can run.
    fn wake_time_ns(&mut self) -> u64 {
        self.machine.wake_time_ns(&mut self.streams)
    }

    /// Counts a poll. Returns in how many polls in a row the task has woken itself.
    fn count_poll(&mut self, me: &Thread, polled: Option<PolledTask>, is_requeued: bool) -> u32 {
        let place = polled.and_then(|polled| polled.place);
        self.trace.add_poll(me.number, now_ns(), place);
        if let Some(place) = place {
            self.polls.entry(ptr::from_ref(place).addr()).or_insert((place, 0)).1 += 1;
        }
        match polled {
            None => {
                me.spins.set(me.spins.get().saturating_add(1));
                me.spins.get()
            }
            Some(polled) if is_requeued => {
                let spins = self.spins.entry(polled.addr).or_default();
                *spins += 1;
                *spins
            }
            Some(polled) => {
                self.spins.remove(&polled.addr);
                0
            }
        }
    }

    /// Ends the run: a task wakes itself forever.
    #[cold]
    fn livelock(&self, me: &Thread, polled: Option<PolledTask>) -> ! {
        let task = match polled.and_then(|polled| polled.place) {
            Some(place) => format!("the task spawned at {place}"),
            None if polled.is_some() => "a task".to_owned(),
            None => format!("the future of a `block_on` of thread '{}'", me.name()),
        };
        let text = format!(
            "livelock: {task} has woken itself in {SPINS_MAX} polls in a row without progress.\n"
        );
        super::run::fail(self, Verdict::Livelocked, &(text + &self.describe()));
    }

    /// Draws a decision of the scheduler. 0, which production chooses, if the strategy draws none.
    pub(super) fn decide(&mut self, name: &'static str, count: usize) -> usize {
        // While a task spins, nothing is drawn, because each switch of threads takes real time.
        let is_drawn = self.strategy.draws_decisions() && !self.is_spinning;
        if is_drawn { self.draw(name, count as u64) as usize } else { 0 }
    }

    /// Chooses the next thread, and moves the time to the moment when it can run.
    fn next(&mut self) -> &'static Thread {
        loop {
            if IS_LATE.load(Ordering::Relaxed) {
                super::run::fail(self, Verdict::Late, &self.describe());
            }
            if self.streams.reseeds_at_ns().is_some_and(|at_ns| elapsed_ns() >= at_ns) {
                self.streams.reseed();
            }
            self.run_events(now_ns());
            if self.asks_system() {
                self.deliver_events(false);
            }
            let later_ns = self.find_candidates();
            if let Some(next) = self.choose() {
                self.set_state(next, State::Running);
                self.note(Step::Switch, next, 0);
                return next;
            }
            let event_ns = self.kernel.next_event_ns().unwrap_or(NEVER_NS);
            match later_ns.min(event_ns) {
                NEVER_NS => self.stall(),
                time_ns => NOW_NS.store(time_ns.max(now_ns()), Ordering::Relaxed),
            }
        }
    }

    /// Does what [`switch`] would do for the running thread that can go on at `at_ns`, if nothing
    /// else can happen until then. Returns whether it did.
    fn goes_on(&mut self, me: &Thread, at_ns: u64) -> bool {
        let first_ns = self.timed.soonest_first().next().map_or(NEVER_NS, |(time_ns, _)| time_ns);
        let event_ns = self.kernel.next_event_ns().unwrap_or(NEVER_NS);
        if first_ns.min(event_ns) <= at_ns
            || self.streams.reseeds_at_ns().is_some()
            || self.asks_system()
            || self.is_paused(me)
            || IS_LATE.load(Ordering::Relaxed)
        {
            return false;
        }
        me.clock_reads.set(0);
        me.outcome.set(Outcome::Woken);
        NOW_NS.store(at_ns, Ordering::Relaxed);
        self.count_turn(me);
        self.note(Step::Switch, me, 0);
        true
    }

    /// Whether the system may have events.
    fn asks_system(&self) -> bool {
        self.foreign_waits > 0 || self.kernel.has_real()
    }

    /// Wakes the threads for which the system has events. Events of simulated descriptors are known
    /// at once, so the system is asked only if it may have events, or if `asks_all`.
    fn deliver_events(&mut self, asks_all: bool) {
        self.descriptors.clear();
        let has_real = asks_all || self.kernel.has_real();
        for thread in &self.live {
            if let State::Readable { fd, object, .. } = thread.state.get()
                && object.is_none_or(|set| has_real && self.kernel.is_asked(set, asks_all))
            {
                self.descriptors.push(libc::pollfd { fd, events: libc::POLLIN, revents: 0 });
            }
        }
        if self.descriptors.is_empty() {
            return;
        }
        let Ok(count) = libc::nfds_t::try_from(self.descriptors.len()) else { return };
        // SAFETY: the pointer and the count are those of the buffer. A timeout of 0 does not wait.
        let ready = unsafe { original::poll(self.descriptors.as_mut_ptr(), count, 0) };
        if ready <= 0 {
            return;
        }
        let readable: Vec<i32> =
            self.descriptors.iter().filter(|fd| fd.revents != 0).map(|fd| fd.fd).collect();
        for thread in &self.live {
            if let State::Readable { fd, object: Some(id), .. } = thread.state.get()
                && readable.contains(&fd)
            {
                self.kernel.ask_system(id);
            }
        }
        self.wake_where(usize::MAX, |state| match state {
            State::Readable { fd, .. } => readable.contains(&fd),
            _ => false,
        });
    }

    fn is_paused(&self, thread: &Thread) -> bool {
        self.kernel.is_paused(thread.host.get())
    }

    /// No thread can run, and no deadline will come. Threads that are not simulated may have
    /// changed a word that a thread waits on, such as the lock of standard output. If they have
    /// not, the program is deadlocked.
    #[cold]
    fn stall(&mut self) {
        for _ in 0..STALL_CHECKS {
            let has_changed = |state| match state {
                State::Word { address, expected, .. } => {
                    // SAFETY: the thread waits on this word, so the word is alive and aligned.
                    let word = unsafe { &*std::ptr::with_exposed_provenance::<AtomicU32>(address) };
                    word.load(Ordering::Relaxed) != expected
                }
                _ => false,
            };
            if self.wake_where(usize::MAX, has_changed) > 0 {
                return;
            }
            super::futex::pause(STALL_PAUSE);
            self.deliver_events(true);
            if self.live.iter().any(|it| matches!(it.state.get(), State::Ready { .. })) {
                return;
            }
        }
        if self.wake_where(1, |state| state == State::Stall) > 0 {
            // That thread reports what the tasks wait for.
            return;
        }
        self.deadlock();
    }

    /// Ends the run: no thread can run.
    pub(super) fn deadlock(&self) -> ! {
        let text = "deadlock: no thread can run, and none waits for a deadline.\n".to_owned();
        super::run::fail(self, Verdict::Deadlocked, &(text + &self.describe()));
    }

    /// What each thread waits for.
    pub(super) fn describe(&self) -> String {
        let mut text = String::new();
        for thread in &self.live {
            let what = match thread.state.get() {
                State::Running => "runs".to_owned(),
                State::Ready { at_ns } => format!("can run at {} ns", at_ns - START_NS),
                State::Word { .. } => "waits for a lock, a condition or an unpark".to_owned(),
                State::Readable { .. } => "waits for events".to_owned(),
                State::Join { thread } => format!("waits for the end of thread {thread}"),
                State::Stall => continue,
                State::Ended => "has ended".to_owned(),
            };
            let _ = write!(text, "  thread {} '{}'", thread.number, thread.name());
            if self.kernel.is_network() {
                let _ = write!(text, " of `{}`", self.kernel.name_of(thread.host.get()));
            }
            let _ = writeln!(text, " {what}");
        }
        let mut polls: BTreeMap<(&str, u32), u64> = BTreeMap::new();
        for (place, count) in self.polls.values() {
            *polls.entry((place.file(), place.line())).or_default() += count;
        }
        let mut polls: Vec<_> = polls.into_iter().collect();
        polls.sort_by_key(|&(place, count)| (std::cmp::Reverse(count), place));
        for ((file, line), count) in polls.into_iter().take(BUSIEST) {
            let _ = writeln!(text, "  {count} polls of tasks spawned at {file}:{line}");
        }
        text
    }
}

/// Blocks the calling thread in `state` and lets another one run. Returns how the wait ended.
pub(super) fn switch(me: &'static Thread, state: State) -> Outcome {
    let next = with(|world| {
        let waits = !matches!(state, State::Ready { .. }) && state.time_ns() > now_ns();
        if waits {
            me.spins.set(0);
        }
        me.clock_reads.set(0);
        world.set_state(me, state);
        me.outcome.set(Outcome::Woken);
        world.next()
    });
    if next.number != me.number {
        thread::pass(me, next);
    }
    me.outcome.get()
}

/// The poll of the calling thread has ended.
pub(super) fn end_poll(me: &'static Thread, polled: Option<PolledTask>, is_requeued: bool) {
    crate::hosts::check_always();
    let waits_until_ns = with(|world| {
        let spins = world.count_poll(me, polled, is_requeued);
        world.is_spinning = spins > SPINS_UNTIL_LONG;
        let drawn_ns = world.machine.poll_time_ns(&mut world.streams);
        let time_ns = match spins {
            0..=SPINS_UNTIL_LONG => drawn_ns,
            SPINS_MAX.. => world.livelock(me, polled),
            _ => drawn_ns.max(LONG_POLL_NS),
        };
        let at_ns = now_ns() + time_ns;
        (!world.goes_on(me, at_ns)).then_some(at_ns)
    });
    if let Some(at_ns) = waits_until_ns {
        switch(me, State::Ready { at_ns });
    }
}

/// Blocks the calling thread for `ns`.
pub(super) fn sleep(me: &'static Thread, ns: u64) {
    sleep_until(me, now_ns().saturating_add(ns));
}

/// Blocks the calling thread until `time_ns`.
pub(super) fn sleep_until(me: &'static Thread, time_ns: u64) {
    let late_ns = with(World::wake_time_ns);
    let at_ns = time_ns.max(now_ns()).saturating_add(late_ns);
    switch(me, State::Ready { at_ns });
}

/// Blocks the calling thread for `ns` of its host's clock.
pub(super) fn sleep_locally(me: &'static Thread, ns: u64) {
    sleep_until(me, after_ns(me, ns));
}

/// The time `timeout` from now, on the clock of the thread's host.
pub(super) fn deadline_ns(me: &Thread, timeout: Option<Duration>) -> u64 {
    let ns = timeout.and_then(|timeout| u64::try_from(timeout.as_nanos()).ok());
    ns.map_or(NEVER_NS, |ns| after_ns(me, ns))
}

/// Ends the calling thread, and lets another one run. The calling thread does nothing after this
/// that others could see.
pub(super) fn end(me: &'static Thread) {
    thread::go_home(me);
    let next = with(|world| {
        world.end_thread(me);
        world.next()
    });
    thread::end(next);
}
