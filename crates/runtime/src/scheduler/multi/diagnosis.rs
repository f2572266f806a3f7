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

/// Every pool that was ever made. A pool's memory is never freed.
static POOLS: Mutex<Vec<&'static WorkerPool>> = Mutex::new(Vec::new());

/// Adds a pool that was made.
pub(super) fn enter(pool: &'static WorkerPool) {
    POOLS.lock().push(pool);
}

/// Describes each pool that runs. May block if a stuck worker holds its own lock.
pub(crate) fn describe() -> String {
    let pools = POOLS.lock().clone();
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
