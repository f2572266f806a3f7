//! The threads that run the workers, and those that wait for one.
//!
//! A thread takes a worker and runs it until it loses the worker or the pool stops. Then it waits
//! for another worker, at most for the keep-alive. Workers become free at the start, when a
//! `block_on` inside a poll hands its worker off, and when the monitor finds a worker stuck.
//! `handoff_queue.rs` assigns workers to threads, and `handoff.rs` decides whether a worker may be
//! taken.

use std::io;
use std::sync::Arc;

use reveille_primitive::biased::OwnerToken;
use reveille_primitive::fork;
use reveille_primitive::sys::TimerSlack;

use super::current::enter_worker;
use super::handoff::Handoff;
use super::handoff_queue::Offer;
use super::pool::WorkerPool;
use super::runtime_ref::set_own_pool;
use super::shutdown;
use super::worker::Worker;
use super::worker_context::WorkerContext;
use super::worker_thread::{Exit, WorkerThread};
use crate::config::{Config, Hook};
use crate::poll_counter::PollCounter;
use crate::scheduler::local;
use crate::threads::ThreadSpec;
use crate::{context, observe, polls, record, rng};

/// The failure to start a thread.
struct SpawnFailed {
    error: io::Error,
    /// Another thread already runs the worker that the new thread was meant for.
    is_filled: bool,
}

/// Starts one thread for each worker.
pub(super) fn start_workers(pool: &'static WorkerPool, config: &Config) -> io::Result<()> {
    pool.handoffs.open(pool.workers.len().saturating_add(config.max_spare_threads));
    for worker in 0..pool.workers.len() {
        // The error is returned even if another thread has taken this worker, because then another
        // worker has no thread.
        if let Offer::New(number) = pool.handoffs.offer(Handoff::unowned(worker))? {
            start_thread(pool, number).map_err(|refused| refused.error)?;
        }
    }
    Ok(())
}

/// Offers a worker to a waiting thread, or to a new one. `false` if there is neither; the monitor
/// tries again.
pub(super) fn hand_off(pool: &'static WorkerPool, handoff: Handoff) -> bool {
    if pool.monitor.is_late() {
        pool.monitor.start_now();
    }
    if reveille_task::is_recording() {
        record::handed_off(pool.recorded_worker(handoff.worker()));
    }
    match pool.handoffs.offer(handoff) {
        Ok(Offer::Waiting) => true,
        Ok(Offer::New(number)) => {
            start_thread(pool, number).map_or_else(|refused| refused.is_filled, |()| true)
        }
        Err(_) => false,
    }
}

/// Starts a thread for a worker that has none because the system refused one.
pub(super) fn start_missing_thread(pool: &'static WorkerPool) {
    if let Some(number) = pool.handoffs.thread_for_unclaimed() {
        // If the system refuses again, the next sample of the monitor tries again.
        let _ = start_thread(pool, number);
    }
}

fn start_thread(pool: &'static WorkerPool, number: usize) -> Result<(), SpawnFailed> {
    let config = pool.config();
    let own = Arc::clone(&config);
    let spec = ThreadSpec {
        name: config.thread_names.worker(number),
        stack_size: config.stack_size,
        body: Box::new(move || work(pool, number, own)),
    };
    // The lock of the queue is not held here: the spawner is user code.
    match (config.spawner)(spec) {
        Ok(thread) => {
            pool.handoffs.started(number, thread);
            Ok(())
        }
        Err(error) => {
            let text = format!("could not create a worker thread: {error}");
            let error = io::Error::new(error.kind(), text);
            Err(SpawnFailed { error, is_filled: !pool.handoffs.not_started(number) })
        }
    }
}

/// The main function of a thread of the pool. It has its own reference to the configuration,
/// because the pool may end before the system starts the thread.
fn work(pool: &'static WorkerPool, number: usize, config: Arc<Config>) {
    let process = fork::generation();
    set_own_pool(pool.runtime_ref());
    // Never restored: the thread belongs to the runtime, and every timer ends with its park. Set
    // before the hooks run, because they may set another value.
    let _ = TimerSlack::least();
    // The seed differs from that of the numbers that choose a victim.
    let _seeded = context::seed_random(config.seed.map(|seed| !seed ^ number as u64));
    call(config.on_thread_start.as_ref());
    let mut token = OwnerToken::unique();
    let mut is_new = true;
    while let Some(handoff) = pool.handoffs.next(config.keep_alive, is_new) {
        is_new = false;
        let worker = pool.worker(handoff.worker());
        if !take(worker, &handoff, &token) {
            continue;
        }
        if handoff.is_from_stuck_thread() {
            pool.handoffs.count_handoff();
            call(config.on_takeover.as_ref());
        }
        let Some(driver) = worker.driver.lock().clone() else { break };
        let counter = Arc::new(PollCounter::new());
        polls::watch(&counter);
        *worker.poll_counter.lock() = Some(Arc::clone(&counter));
        let context = WorkerContext::new(worker, token, driver, &config, counter);
        let seed = config.seed.unwrap_or_else(rng::seed_from_system) ^ number as u64;
        record::entered(Some(pool.recorded_worker(worker.index)));
        let exit = enter_worker(&context, || WorkerThread::new(&context, seed).run());
        record::entered(None);
        fork::refuse_to_go_on(process);
        token = context.into_token();
        match exit {
            Exit::Stopped => {
                worker.give_up(&mut token);
                break;
            }
            Exit::HandedOff => local::finish_local_tasks(|| pool.is_stopping()),
        }
    }
    call(config.on_thread_stop.as_ref());
    observe::contain("the drop of a hook", || drop(config));
    if pool.handoffs.leave(number) {
        shutdown::give_back(pool);
    }
}

/// Calls a hook and catches its panic. A panic would end the thread, and a shutdown would wait for
/// that thread forever.
fn call(hook: Option<&Hook>) {
    if let Some(hook) = hook {
        observe::contain("a hook", || hook());
    }
}

/// Takes a worker for `token` if the handoff is still valid.
fn take(worker: &'static Worker, handoff: &Handoff, token: &OwnerToken) -> bool {
    let recipient = token.id();
    let is_taken = handoff.take(&worker.core, &recipient);
    if is_taken {
        worker.timers.set_owner(Some(recipient));
    }
    is_taken
}
