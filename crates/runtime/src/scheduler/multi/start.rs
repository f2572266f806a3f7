//! Starts a runtime: finds or makes a pool, and creates its drivers and threads.

use std::io;
use std::sync::Arc;

use reveille_primitive::atomic::{AtomicU64, Ordering};
use reveille_primitive::fork::{self, ForkHook};

use super::modes::{HOOKS, RECORDING, STOPPING};
use super::pool::{UNUSED, WorkerPool};
use super::runtime_ref::{self, RuntimeRef};
use super::{current, diagnosis, environment, sampling, shutdown, worker_threads};
use crate::config::{Config, available_workers};
use crate::record::session;
use crate::timer;

/// Starts a runtime on a new pool, or on one that an earlier runtime has used.
///
/// # Errors
///
/// Fails when a driver or a thread cannot be created; then nothing is left behind.
pub(crate) fn start(config: Config) -> io::Result<RuntimeRef> {
    fork::watch(&FORK_HOOK);
    let pool = unused(config.workers.unwrap_or_else(available_workers));
    pool.modes.set(HOOKS, config.task_hooks.is_set());
    pool.runtime_number.store(NEXT_NUMBER.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
    session::on_switch(set_recording);
    follow_recording(pool);
    pool.spawned_elsewhere.store(0, Ordering::Relaxed);
    pool.ended_elsewhere.store(0, Ordering::Relaxed);
    let runtime = {
        let mut remote = pool.remote.lock();
        let runtime = pool.next_generation();
        remote.blocking = Some(environment::blocking_pool(&config, runtime));
        let before = pool.hook.set(runtime.generation(), config.on_panic.clone());
        debug_assert!(before.is_none(), "the end of the former generation has taken its hook");
        remote.config = Some(Arc::new(config));
        runtime
    };
    pool.modes.set(STOPPING, false);
    pool.is_draining.store(false, Ordering::SeqCst);
    match open(pool) {
        Ok(()) => Ok(runtime),
        Err(error) => {
            shutdown::stop(pool, None);
            Err(error)
        }
    }
}

/// The number of the next runtime in recordings.
static NEXT_NUMBER: AtomicU64 = AtomicU64::new(0);

/// Starts or stops recording in the threads of every runtime.
fn set_recording(_: bool) {
    diagnosis::pools().into_iter().for_each(follow_recording);
}

/// Sets the mode of a pool. Recording may begin or end at the same time: the thread that begins it
/// changes the switch before it reads the list of pools, and `pool` is on that list.
fn follow_recording(pool: &'static WorkerPool) {
    loop {
        let is_on = reveille_task::is_recording();
        pool.modes.set(RECORDING, is_on);
        if reveille_task::is_recording() == is_on {
            return;
        }
    }
}

static FORK_HOOK: ForkHook = ForkHook::new(forget_in_child);

/// Called in a child process made by `fork`, where the thread that forked works for no runtime of
/// the parent.
fn forget_in_child() {
    current::forget_in_child();
    runtime_ref::forget_in_child();
}

/// An unused pool with this number of workers.
pub(super) fn unused(workers: usize) -> &'static WorkerPool {
    shutdown::retry_in_doubt();
    // In a child process the lock may be held forever.
    let unused = if fork::generation() == 0 { Some(UNUSED.lock()) } else { UNUSED.try_lock() };
    if let Some(mut unused) = unused {
        let found = unused.iter().position(|pool| pool.workers.len() == workers);
        if let Some(found) = found {
            return unused.swap_remove(found);
        }
    }
    let pool = WorkerPool::allocate(workers);
    diagnosis::enter(pool);
    pool
}

/// Creates the drivers and the threads.
fn open(pool: &'static WorkerPool) -> io::Result<()> {
    let config = pool.config();
    timer::detect_ticks();
    pool.idle.reset();
    for worker in &pool.workers {
        worker.counters.reset();
        worker.busy.reset();
        let driver = environment::driver(&config)?;
        let notified = Arc::clone(&driver);
        worker.timers.set_notify(Some(Arc::new(move || notified.notify())));
        *worker.driver.lock() = Some(driver);
    }
    sampling::start_late(pool, &config);
    worker_threads::start_workers(pool, &config)?;
    sampling::start(pool, &config)
}
