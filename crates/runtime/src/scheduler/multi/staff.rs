//! The threads that work the places, and those that wait for a vacancy.
//!
//! A thread takes a vacant place, works it until it loses it or the pool stops, and then waits for
//! the next vacancy, for the keep-alive at most. Vacancies arise at the start, when a `block_on`
//! inside a poll gives its place away, and when the monitor finds a worker stuck.
//!
//! # Invariants
//!
//! 1. `waiting` counts the threads in [`Staff::next`] that no vacancy was promised to: it is
//!    lowered by whoever adds a vacancy for one of them, or by the thread that gives up waiting.
//! 2. A place is taken under its biased lock after its vacancy was checked there, so it never has
//!    two workers.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use reveille_driver::TimerSlack;
use reveille_primitive::biased::Identity;
use reveille_primitive::lock::{Condvar, Mutex};

use super::Shared;
use super::place::{Place, Pulse, Seat};
use super::worker::{Exit, Worker};
use crate::builder::Config;
use crate::scheduler::local;
use crate::threads::{Thread, ThreadSpec};
use crate::{context, rng};

/// A place without a thread, or with one that is stuck.
#[derive(Debug)]
pub(crate) struct Vacancy {
    place: usize,
    stuck: Option<(Arc<Pulse>, u64)>,
}

impl Vacancy {
    /// Nobody works the place.
    pub(crate) fn open(place: usize) -> Vacancy {
        Vacancy { place, stuck: None }
    }

    /// The thread with this pulse was in the poll of this reading.
    pub(crate) fn stuck(place: usize, pulse: Arc<Pulse>, reading: u64) -> Vacancy {
        Vacancy { place, stuck: Some((pulse, reading)) }
    }
}

#[derive(Debug)]
pub(crate) struct Staff {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    vacancies: VecDeque<Vacancy>,
    waiting: usize,
    threads: usize,
    max_threads: usize,
    /// Numbers threads, for their names.
    next_number: usize,
    handles: Vec<(usize, Thread)>,
    is_open: bool,
    takeovers: u64,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State")
            .field("threads", &self.threads)
            .field("waiting", &self.waiting)
            .field("takeovers", &self.takeovers)
            .finish_non_exhaustive()
    }
}

impl Staff {
    pub(crate) fn new() -> Staff {
        Staff { state: Mutex::default(), changed: Condvar::new() }
    }

    pub(crate) fn takeovers(&self) -> u64 {
        self.state.lock().takeovers
    }

    pub(crate) fn thread_count(&self) -> usize {
        self.state.lock().threads
    }

    /// Starts one thread for each place.
    pub(crate) fn open(&self, shared: &'static Shared, config: &Config) -> io::Result<()> {
        {
            let mut state = self.state.lock();
            let max_threads = config.workers + config.max_spare_threads;
            *state = State { is_open: true, max_threads, ..State::default() };
        }
        for place in 0..config.workers {
            self.try_fill(shared, Vacancy::open(place))?;
        }
        Ok(())
    }

    /// Offers a vacancy to a waiting thread, or to a new one. Without either the place stays as it
    /// is; the monitor asks again.
    pub(crate) fn fill(&self, shared: &'static Shared, vacancy: Vacancy) -> bool {
        self.try_fill(shared, vacancy).is_ok()
    }

    /// # Errors
    ///
    /// When no thread waits and none can be made: the bound is reached, or the system refuses.
    fn try_fill(&self, shared: &'static Shared, vacancy: Vacancy) -> io::Result<()> {
        let number = {
            let mut state = self.state.lock();
            if !state.is_open {
                return Err(io::Error::other("the runtime is being shut down"));
            }
            if state.waiting > 0 {
                state.waiting -= 1;
                state.vacancies.push_back(vacancy);
                self.changed.notify_one();
                return Ok(());
            }
            if state.threads >= state.max_threads {
                return Err(io::Error::other("all spare threads of the runtime are in use"));
            }
            state.threads += 1;
            state.next_number += 1;
            state.vacancies.push_back(vacancy);
            state.next_number
        };
        self.start_thread(shared, number)
    }

    fn start_thread(&self, shared: &'static Shared, number: usize) -> io::Result<()> {
        let config = shared.config();
        let spec = ThreadSpec {
            name: config.thread_name.to_string(),
            stack_size: config.stack_size,
            body: Box::new(move || work(shared, number)),
        };
        // Not under the lock: the spawner is the user's.
        let thread = (config.spawner)(spec);
        let mut state = self.state.lock();
        match thread {
            Ok(thread) => {
                state.handles.push((number, thread));
                Ok(())
            }
            Err(error) => {
                state.threads -= 1;
                state.vacancies.pop_back();
                let text = format!("could not create a worker thread: {error}");
                Err(io::Error::new(error.kind(), text))
            }
        }
    }

    /// Waits for a vacancy; `None` when the thread shall end. A new thread finds its own at once.
    fn next(&self, keep_alive: Duration, is_new: bool) -> Option<Vacancy> {
        let mut state = self.state.lock();
        let mut is_promised = is_new;
        if !is_new {
            state.waiting += 1;
        }
        loop {
            if !state.is_open {
                return None;
            }
            if let Some(vacancy) = state.vacancies.pop_front() {
                return Some(vacancy);
            }
            if is_promised {
                // Its vacancy went to a thread that was faster.
                state.waiting += 1;
                is_promised = false;
            }
            let timed_out;
            (state, timed_out) = self.changed.wait_timeout(state, keep_alive);
            if timed_out && state.vacancies.is_empty() {
                state.waiting = state.waiting.saturating_sub(1);
                return None;
            }
        }
    }

    /// The calling thread ends.
    fn leave(&self, number: usize) {
        let mut state = self.state.lock();
        state.threads -= 1;
        if state.is_open {
            // It retires: nobody will join it, and its handle would be kept for ever.
            state.handles.retain(|(other, _)| *other != number);
        }
        self.changed.notify_all();
    }

    fn count_takeover(&self) {
        self.state.lock().takeovers += 1;
    }

    /// Closes: waiting threads end, working ones are waited for until `deadline_passed` says so.
    /// Returns how many were left behind.
    pub(crate) fn close(&self, mut time_left: impl FnMut() -> Option<Duration>) -> usize {
        let mut state = self.state.lock();
        state.is_open = false;
        state.vacancies.clear();
        self.changed.notify_all();
        while state.threads > 0 {
            match time_left() {
                None => state = self.changed.wait(state),
                Some(Duration::ZERO) => break,
                Some(left) => (state, _) = self.changed.wait_timeout(state, left),
            }
        }
        let left = state.threads;
        let handles = std::mem::take(&mut state.handles);
        drop(state);
        if left == 0 {
            // They have left the pool: what remains of them is the end of their stacks.
            handles.into_iter().for_each(|(_, thread)| thread.join());
        }
        left
    }
}

/// The life of a thread of the pool.
fn work(shared: &'static Shared, number: usize) {
    let config = shared.config();
    context::belong_to(shared);
    // For good: the thread is ours, and its park is what ends every timer. Before the hooks, which
    // may want it otherwise.
    let _ = TimerSlack::least();
    config.on_thread_start.iter().for_each(|hook| hook());
    let mut identity = Identity::unique();
    let mut is_new = true;
    while let Some(vacancy) = shared.staff.next(config.keep_alive, is_new) {
        is_new = false;
        let place = shared.place(vacancy.place);
        if !take(place, &vacancy, &identity) {
            continue;
        }
        if vacancy.stuck.is_some() {
            shared.staff.count_takeover();
            config.on_takeover.iter().for_each(|hook| hook());
        }
        let Some(driver) = place.driver.lock().clone() else { break };
        let pulse = Arc::new(Pulse::default());
        *place.pulse.lock() = Some(Arc::clone(&pulse));
        let seat = Seat::new(place, identity, driver, &config, pulse);
        let seed = config.seed.unwrap_or_else(rng::seed_from_system) ^ number as u64;
        let exit = context::with_seat_set(&seat, || Worker::new(&seat, seed).run());
        identity = seat.into_identity();
        match exit {
            Exit::Stopped => break,
            Exit::Lost => local::finish_here(shared),
        }
    }
    config.on_thread_stop.iter().for_each(|hook| hook());
    drop(config);
    shared.staff.leave(number);
}

/// Takes a place for `identity` if the vacancy still stands.
fn take(place: &'static Place, vacancy: &Vacancy, identity: &Identity) -> bool {
    let recipient = identity.recipient();
    let is_taken = place.core.with(|_, owner| {
        let is_vacant = match &vacancy.stuck {
            None => owner.is_none(),
            Some((pulse, reading)) => pulse.read() == *reading && owner.is_some(),
        };
        if is_vacant {
            *owner = Some(recipient.clone());
        }
        is_vacant
    });
    if is_taken {
        place.timers.give(Some(recipient));
    }
    is_taken
}
