//! The threads that work the places, and those that wait for a vacancy.
//!
//! A thread takes a vacant place, works it until it loses it or the pool stops, and then waits for
//! the next vacancy, for the keep-alive at most. Vacancies arise at the start, when a `block_on`
//! inside a poll gives its place away, and when the monitor finds a worker stuck.
//! `handoff_queue.rs` brings threads and vacancies together, `handoff.rs` decides whether a place
//! may be taken.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use reveille_primitive::biased::OwnerToken;
use reveille_primitive::fork;
use reveille_primitive::sys::TimerSlack;

use super::handoff::{Handoff, PollCounter};
use super::handoff_queue::{HandoffQueue, Offer};
use super::worker::{Worker, WorkerContext};
use super::worker_thread::{Exit, WorkerThread};
use super::{WorkerPool, shutdown};
use crate::config::{Config, Hook};
use crate::scheduler::current;
use crate::scheduler::local;
use crate::threads::ThreadSpec;
use crate::{context, observe, rng};

#[derive(Debug)]
pub(crate) struct WorkerThreads {
    handoffs: HandoffQueue,
}

/// A thread that could not be started.
struct SpawnFailed {
    error: io::Error,
    /// A faster thread works the place that it was meant for.
    is_filled: bool,
}

impl WorkerThreads {
    pub(crate) fn new() -> WorkerThreads {
        WorkerThreads { handoffs: HandoffQueue::new() }
    }

    pub(crate) fn handoff_count(&self) -> u64 {
        self.handoffs.handoff_count()
    }

    pub(crate) fn thread_count(&self) -> usize {
        self.handoffs.thread_count()
    }

    /// Starts one thread for each place.
    pub(crate) fn open(&self, shared: &'static WorkerPool, config: &Config) -> io::Result<()> {
        self.handoffs.open(config.workers.saturating_add(config.max_spare_threads));
        for place in 0..config.workers {
            // Also when the place has a faster thread: then another place has none.
            if let Offer::New(number) = self.handoffs.offer(Handoff::unowned(place))? {
                self.start_thread(shared, number).map_err(|refused| refused.error)?;
            }
        }
        Ok(())
    }

    /// Offers a vacancy to a waiting thread, or to a new one. Without either the place stays as it
    /// is; the monitor asks again.
    pub(crate) fn hand_off(&self, shared: &'static WorkerPool, vacancy: Handoff) -> bool {
        match self.handoffs.offer(vacancy) {
            Ok(Offer::Waiting) => true,
            Ok(Offer::New(number)) => self
                .start_thread(shared, number)
                .map_or_else(|refused| refused.is_filled, |()| true),
            Err(_) => false,
        }
    }

    /// Starts a thread for a place that nobody is on the way for, because the system refused one.
    pub(crate) fn start_missing_thread(&self, shared: &'static WorkerPool) {
        if let Some(number) = self.handoffs.thread_for_unclaimed() {
            // Refused again, it is asked for at the next look.
            let _ = self.start_thread(shared, number);
        }
    }

    fn start_thread(&self, shared: &'static WorkerPool, number: usize) -> Result<(), SpawnFailed> {
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
                self.handoffs.started(number, thread);
                Ok(())
            }
            Err(error) => {
                let text = format!("could not create a worker thread: {error}");
                let error = io::Error::new(error.kind(), text);
                Err(SpawnFailed { error, is_filled: !self.handoffs.not_started(number) })
            }
        }
    }

    /// Closes: waiting threads end, working ones are waited for until `time_left` says so.
    /// Returns how many were left behind.
    pub(crate) fn close(&self, time_left: impl FnMut() -> Option<Duration>) -> usize {
        self.handoffs.close(time_left)
    }

    /// After [`WorkerThreads::close`]. `false` if threads are left; the last of them clears up.
    #[must_use = "threads may be left that use the pool"]
    pub(crate) fn join(&self) -> bool {
        self.handoffs.join()
    }
}

/// The life of a thread of the pool. It brings its configuration along: the pool may be down
/// before the system lets it begin.
fn work(shared: &'static WorkerPool, number: usize, config: Arc<Config>) {
    let process = fork::generation();
    current::set_own_pool(shared.runtime_ref());
    // For good: the thread is ours, and its park is what ends every timer. Before the hooks, which
    // may want it otherwise.
    let _ = TimerSlack::least();
    // Other numbers than those by which the worker steals.
    let _seeded = context::seed_random(config.seed.map(|seed| !seed ^ number as u64));
    call(config.on_thread_start.as_ref());
    let mut identity = OwnerToken::unique();
    let mut is_new = true;
    while let Some(vacancy) = shared.threads.handoffs.next(config.keep_alive, is_new) {
        is_new = false;
        let place = shared.worker(vacancy.worker());
        if !take(place, &vacancy, &identity) {
            continue;
        }
        if vacancy.is_from_stuck_thread() {
            shared.threads.handoffs.count_handoff();
            call(config.on_takeover.as_ref());
        }
        let Some(driver) = place.driver.lock().clone() else { break };
        let pulse = Arc::new(PollCounter::new());
        *place.poll_counter.lock() = Some(Arc::clone(&pulse));
        let seat = WorkerContext::new(place, identity, driver, &config, pulse);
        let seed = config.seed.unwrap_or_else(rng::seed_from_system) ^ number as u64;
        let exit = current::enter_worker(&seat, || WorkerThread::new(&seat, seed).run());
        fork::refuse_to_go_on(process);
        identity = seat.into_token();
        match exit {
            Exit::Stopped => break,
            Exit::HandedOff => local::finish_local_tasks(shared),
        }
    }
    call(config.on_thread_stop.as_ref());
    observe::contain("the drop of a hook", || drop(config));
    if shared.threads.handoffs.leave(number) {
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
fn take(place: &'static Worker, vacancy: &Handoff, identity: &OwnerToken) -> bool {
    let recipient = identity.id();
    let is_taken = vacancy.take(&place.core, &recipient);
    if is_taken {
        place.timers.set_owner(Some(recipient));
    }
    is_taken
}
