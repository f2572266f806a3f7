//! A description of the pools of this process, for the report on a program that hangs.
//!
//! | reported | not reported |
//! |---|---|
//! | each pool that runs, its counters, its blocking threads | what a task waits for |
//! | each task of a pool: number, name, type, where it was spawned | local tasks, and what `block_on` polls |

use std::fmt::Write as _;

use reveille_primitive::lock::Mutex;

use super::drain::TaskInfo;
use super::pool::WorkerPool;
use super::shutdown;
use super::worker::Worker;

/// Every pool that was ever made. A pool's memory is never freed.
static POOLS: Mutex<Vec<&'static WorkerPool>> = Mutex::new(Vec::new());

/// Adds a pool that was made.
pub(super) fn enter(pool: &'static WorkerPool) {
    POOLS.lock().push(pool);
}

/// Every pool that was ever made.
pub(super) fn pools() -> Vec<&'static WorkerPool> {
    POOLS.lock().clone()
}

/// Whether no pool makes progress unless another thread wakes one of its tasks: every worker is
/// parked, nothing is queued, and nothing waits for a timer, a source or a blocking closure.
pub(crate) fn pools_are_quiet() -> bool {
    let is_down = |pool: &WorkerPool| pool.remote.lock().config.is_none();
    pools().into_iter().all(|pool| is_down(pool) || is_quiet(pool))
}

/// Whether a runtime is up.
pub(crate) fn are_any_up() -> bool {
    pools().into_iter().any(|pool| pool.remote.lock().config.is_some())
}

fn is_quiet(pool: &'static WorkerPool) -> bool {
    let driver_is_quiet = |worker: &Worker| {
        let driver = worker.driver.lock().clone();
        driver.is_none_or(|driver| !driver.has_waiting())
    };
    let has_no_jobs = || {
        let metrics = pool.blocking().map(|blocking| blocking.metrics()).unwrap_or_default();
        metrics.running == 0 && metrics.queued == 0
    };
    !pool.is_stopping()
        && pool.all_parked()
        && pool.injector.is_empty()
        && pool.workers.iter().all(|worker| worker.queued() == 0)
        && pool.workers.iter().all(|worker| worker.timers.is_empty_for_others())
        && pool.workers.iter().all(driver_is_quiet)
        && has_no_jobs()
}

/// Polls of tasks by all pools.
pub(crate) fn polls() -> u64 {
    pools().into_iter().map(WorkerPool::polls).sum()
}

/// Describes each pool that runs. May block if a stuck worker holds its own lock.
pub(crate) fn describe() -> String {
    let pools = pools();
    let mut text = String::new();
    for pool in pools {
        let config = pool.remote.lock().config.clone();
        let Some(config) = config else { continue };
        let _ = writeln!(text, "runtime {:?}: {:#?}", config.thread_names.prefix(), pool.metrics());
        if let Some(blocking) = pool.blocking() {
            let _ = writeln!(text, "its blocking pool: {:#?}", blocking.metrics());
        }
        for task in shutdown::live_tasks(pool) {
            let task = task.as_task();
            if !task.is_finished() {
                let _ = writeln!(text, "{}, {}", TaskInfo::of(task), task.future_type_name());
            }
        }
    }
    text
}
