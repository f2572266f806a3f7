//! Starts a runtime: finds or makes a pool, and creates its drivers and threads.

use std::io;
use std::sync::Arc;

use reveille_primitive::atomic::Ordering;
use reveille_primitive::fork::{self, ForkHook};

use super::pool::{UNUSED, WorkerPool};
use super::runtime_ref::{self, RuntimeRef};
use super::{current, diagnosis, environment, sampling, shutdown, worker_threads};
use crate::config::Config;
use crate::timer;

/// Starts a runtime on a new pool, or on one that an earlier runtime has used.
///
/// # Errors
///
/// Fails when a driver or a thread cannot be created; then nothing is left behind.
pub(crate) fn start(config: Config) -> io::Result<RuntimeRef> {
    fork::watch(&FORK_HOOK);
    let pool = unused(config.workers);
    pool.has_task_hooks.store(config.task_hooks.is_set(), Ordering::Relaxed);
    let runtime = {
        let mut remote = pool.remote.lock();
        let runtime = pool.next_generation();
        remote.blocking = Some(environment::blocking_pool(&config, runtime));
        let before = pool.hook.set(runtime.generation(), config.on_panic.clone());
        debug_assert!(before.is_none(), "the end of the former generation has taken its hook");
        remote.config = Some(Arc::new(config));
        runtime
    };
    pool.is_stopping.store(false, Ordering::SeqCst);
    pool.is_draining.store(false, Ordering::SeqCst);
    match open(pool) {
        Ok(()) => Ok(runtime),
        Err(error) => {
            shutdown::stop(pool, None);
            Err(error)
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
        let driver = environment::driver(&config)?;
        let notified = Arc::clone(&driver);
        worker.timers.set_notify(Some(Arc::new(move || notified.notify())));
        *worker.driver.lock() = Some(driver);
    }
    worker_threads::start_workers(pool, &config)?;
    sampling::start(pool, &config)
}
