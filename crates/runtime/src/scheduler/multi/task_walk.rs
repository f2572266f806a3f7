//! A walk through the live tasks of every pool, for dumps. The lock of a worker is held for a few
//! tasks at a time.

use std::sync::Arc;

use reveille_task::TaskHandle;

use super::diagnosis;
use super::pool::WorkerPool;
use super::pool_task::PoolTask;
use super::runtime_ref::RuntimeRef;
use super::worker::Worker;
use crate::blocking::Pool;
use crate::metrics::Metrics;

/// Slots of a registry that a walk reads while it holds the lock of the worker.
const SLOTS_AT_ONCE: usize = 256;

/// In how many slots of each worker the task of a lint is searched. The search only provides its
/// name.
const FOUND_MAX: usize = 16 * 1024;

/// A walk through the live tasks of every pool, a few at a time.
#[derive(Default)]
pub(crate) struct PoolWalk {
    pools: Vec<RuntimeRef>,
    /// The next registry of the last pool: one of a worker, and at the end that of other threads.
    worker: usize,
    slot: usize,
}

impl PoolWalk {
    pub(crate) fn new() -> PoolWalk {
        let pools = diagnosis::pools();
        let runtimes = pools.into_iter().map(WorkerPool::runtime_ref);
        PoolWalk { pools: runtimes.filter(|pool| pool.is_open()).collect(), worker: 0, slot: 0 }
    }

    /// The name of the worker threads of each runtime, and its numbers.
    pub(crate) fn runtimes(&self) -> impl Iterator<Item = (Arc<str>, Metrics)> {
        self.pools.iter().filter_map(|runtime| {
            let config = runtime.pool().remote.lock().config.clone()?;
            Some((Arc::from(config.thread_names.prefix()), runtime.metrics()))
        })
    }

    /// The blocking pool of each runtime.
    pub(crate) fn blocking(&self) -> Vec<Arc<Pool>> {
        self.pools.iter().filter_map(|runtime| runtime.pool().blocking()).collect()
    }

    /// Adds the next tasks to `found`, perhaps none. Returns `false` when there are no more.
    pub(crate) fn advance(&mut self, found: &mut Vec<PoolTask>) -> bool {
        let Some(&runtime) = self.pools.last() else { return false };
        let pool = runtime.pool();
        let tasks = match pool.workers.get(self.worker) {
            _ if !runtime.is_up() => None,
            Some(worker) => {
                let tasks = worker.live_tasks_in(self.slot, SLOTS_AT_ONCE);
                self.slot += SLOTS_AT_ONCE;
                if tasks.is_none() {
                    (self.worker, self.slot) = (self.worker + 1, 0);
                    return true;
                }
                tasks
            }
            None => {
                let tasks = pool.remote.lock().registry.tasks_in(self.slot, SLOTS_AT_ONCE);
                self.slot += SLOTS_AT_ONCE;
                tasks
            }
        };
        match tasks {
            Some(tasks) => found.extend(tasks.into_iter().map(|task| PoolTask::new(runtime, task))),
            None => {
                self.pools.pop();
                (self.worker, self.slot) = (0, 0);
            }
        }
        true
    }
}

/// The task of `pool` at this address, among the first [`FOUND_MAX`] slots of each worker.
pub(super) fn find(pool: &'static WorkerPool, addr: usize) -> Option<TaskHandle> {
    let is_it = |task: &TaskHandle| task.as_task().addr() == addr;
    let search = |tasks_in: &dyn Fn(usize) -> Option<Vec<TaskHandle>>| {
        let slots = (0..FOUND_MAX).step_by(SLOTS_AT_ONCE);
        slots.map_while(tasks_in).find_map(|tasks| tasks.into_iter().find(is_it))
    };
    let in_worker = |worker: &Worker| search(&|slot| worker.live_tasks_in(slot, SLOTS_AT_ONCE));
    pool.workers
        .iter()
        .find_map(in_worker)
        .or_else(|| search(&|slot| pool.remote.lock().registry.tasks_in(slot, SLOTS_AT_ONCE)))
}
