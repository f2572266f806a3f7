//! The threads that work the places, and those that wait for a vacancy.
//!
//! A thread takes a vacant place, works it until it loses it or the pool stops, and then waits for
//! the next vacancy, for the keep-alive at most. Vacancies arise at the start, when a `block_on`
//! inside a poll gives its place away, and when the monitor finds a worker stuck. `roster.rs`
//! brings threads and vacancies together, `vacancy.rs` decides whether a place may be taken.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use reveille_driver::TimerSlack;
use reveille_primitive::biased::Identity;
use reveille_primitive::fork;

use super::place::{Place, Seat};
use super::roster::{Offer, Roster};
use super::vacancy::{Pulse, Vacancy};
use super::worker::{Exit, Worker};
use super::{Shared, shutdown};
use crate::builder::{Config, Hook};
use crate::scheduler::local;
use crate::threads::ThreadSpec;
use crate::{context, observe, rng};

#[derive(Debug)]
pub(crate) struct Staff {
    roster: Roster,
}

/// A thread that could not be started.
struct Refused {
    error: io::Error,
    /// A faster thread works the place that it was meant for.
    is_filled: bool,
}

impl Staff {
    pub(crate) fn new() -> Staff {
        Staff { roster: Roster::new() }
    }

    pub(crate) fn takeovers(&self) -> u64 {
        self.roster.takeovers()
    }

    pub(crate) fn thread_count(&self) -> usize {
        self.roster.thread_count()
    }

    /// Starts one thread for each place.
    pub(crate) fn open(&self, shared: &'static Shared, config: &Config) -> io::Result<()> {
        self.roster.open(config.workers.saturating_add(config.max_spare_threads));
        for place in 0..config.workers {
            // Also when the place has a faster thread: then another place has none.
            if let Offer::New(number) = self.roster.offer(Vacancy::open(place))? {
                self.start_thread(shared, number).map_err(|refused| refused.error)?;
            }
        }
        Ok(())
    }

    /// Offers a vacancy to a waiting thread, or to a new one. Without either the place stays as it
    /// is; the monitor asks again.
    pub(crate) fn fill(&self, shared: &'static Shared, vacancy: Vacancy) -> bool {
        match self.roster.offer(vacancy) {
            Ok(Offer::Waiting) => true,
            Ok(Offer::New(number)) => self
                .start_thread(shared, number)
                .map_or_else(|refused| refused.is_filled, |()| true),
            Err(_) => false,
        }
    }

    /// Starts a thread for a place that nobody is on the way for, because the system refused one.
    pub(crate) fn make_good(&self, shared: &'static Shared) {
        if let Some(number) = self.roster.hire() {
            // Refused again, it is asked for at the next look.
            let _ = self.start_thread(shared, number);
        }
    }

    fn start_thread(&self, shared: &'static Shared, number: usize) -> Result<(), Refused> {
        let config = shared.config();
        let own = Arc::clone(&config);
        let spec = ThreadSpec {
            name: config.thread_name.to_string(),
            stack_size: config.stack_size,
            body: Box::new(move || work(shared, number, own)),
        };
        // Not under the lock of the roster: the spawner is the user's.
        match (config.spawner)(spec) {
            Ok(thread) => {
                self.roster.started(number, thread);
                Ok(())
            }
            Err(error) => {
                let text = format!("could not create a worker thread: {error}");
                let error = io::Error::new(error.kind(), text);
                Err(Refused { error, is_filled: !self.roster.not_started(number) })
            }
        }
    }

    /// Closes: waiting threads end, working ones are waited for until `time_left` says so.
    /// Returns how many were left behind.
    pub(crate) fn close(&self, time_left: impl FnMut() -> Option<Duration>) -> usize {
        self.roster.close(time_left)
    }

    /// After [`Staff::close`]. `false` if threads are left; the last of them clears up.
    #[must_use = "threads may be left that use the pool"]
    pub(crate) fn join(&self) -> bool {
        self.roster.join()
    }
}

/// The life of a thread of the pool. It brings its configuration along: the pool may be down
/// before the system lets it begin.
fn work(shared: &'static Shared, number: usize, config: Arc<Config>) {
    let process = fork::generation();
    context::belong_to(shared.incarnation());
    // For good: the thread is ours, and its park is what ends every timer. Before the hooks, which
    // may want it otherwise.
    let _ = TimerSlack::least();
    // Other numbers than those by which the worker steals.
    let _seeded = context::seed_random(config.seed.map(|seed| !seed ^ number as u64));
    call(config.on_thread_start.as_ref());
    let mut identity = Identity::unique();
    let mut is_new = true;
    while let Some(vacancy) = shared.staff.roster.next(config.keep_alive, is_new) {
        is_new = false;
        let place = shared.place(vacancy.place());
        if !take(place, &vacancy, &identity) {
            continue;
        }
        if vacancy.is_takeover() {
            shared.staff.roster.count_takeover();
            call(config.on_takeover.as_ref());
        }
        let Some(driver) = place.driver.lock().clone() else { break };
        let pulse = Arc::new(Pulse::new());
        *place.pulse.lock() = Some(Arc::clone(&pulse));
        let seat = Seat::new(place, identity, driver, &config, pulse);
        let seed = config.seed.unwrap_or_else(rng::seed_from_system) ^ number as u64;
        let exit = context::with_seat_set(&seat, || Worker::new(&seat, seed).run());
        fork::refuse_to_go_on(process);
        identity = seat.into_identity();
        match exit {
            Exit::Stopped => break,
            Exit::Lost => local::finish_here(shared),
        }
    }
    call(config.on_thread_stop.as_ref());
    observe::contain("the drop of a hook", || drop(config));
    if shared.staff.roster.leave(number) {
        shutdown::give_back(shared);
    }
}

/// Calls a hook. A thread that a hook's panic ended would be waited for in vain.
fn call(hook: Option<&Hook>) {
    if let Some(hook) = hook {
        observe::contain("a hook", || hook());
    }
}

/// Takes a place for `identity` if the vacancy still stands.
fn take(place: &'static Place, vacancy: &Vacancy, identity: &Identity) -> bool {
    let recipient = identity.recipient();
    let is_taken = vacancy.take(&place.core, &recipient);
    if is_taken {
        place.timers.give(Some(recipient));
    }
    is_taken
}
