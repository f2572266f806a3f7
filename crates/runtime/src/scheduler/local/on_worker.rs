//! The local tasks of a worker thread. They are polled between its other tasks; after the thread
//! has lost its worker, they are run to completion.

use std::sync::Arc;
use std::time::Duration;

use reveille_driver::Driver;

use super::{LocalExecutor, with_thread_executor};
use crate::context;
use crate::poll_counter::PollCounter;
use crate::tokio_context;

/// How often a thread without a worker checks whether its pool is being shut down.
const FINISH_CHECK_INTERVAL: Duration = Duration::from_millis(50);

/// Polls the local tasks of a worker thread and counts the polls in `counter`. `false` if it has no
/// local tasks. The monitor watches these polls like those of other tasks: if one blocks, the
/// worker is handed off. `prepare` is called first if there are local tasks.
pub(crate) fn run_local_tasks(counter: &PollCounter, prepare: impl FnOnce()) -> bool {
    with_thread_executor(|executor| {
        let executor = executor.filter(|executor| executor.has_tasks());
        executor.inspect(|_| prepare());
        executor.inspect(|executor| executor.run_watched(counter));
        executor.is_some()
    })
}

/// Called before a worker thread parks in `driver`. `false` if a local task is runnable.
pub(crate) fn prepare_park(driver: &Arc<Driver>) -> bool {
    with_thread_executor(|executor| {
        let Some(executor) = executor.filter(|executor| executor.has_tasks()) else {
            return true;
        };
        *executor.handle.driver.lock() = Some(Arc::clone(driver));
        executor.handle.flags.park_despite_main() && executor.is_queue_empty()
    })
}

/// Called when a worker thread has woken up.
pub(crate) fn unpark() {
    with_thread_executor(|executor| {
        if let Some(executor) = executor.filter(|executor| executor.has_tasks()) {
            executor.handle.flags.unpark();
            *executor.handle.driver.lock() = executor.own_driver().cloned();
        }
    });
}

/// Runs the local tasks of a thread that has lost its worker, until all are complete or
/// `is_stopping` returns `true`. The thread takes another worker afterwards.
pub(crate) fn finish_local_tasks(is_stopping: impl Fn() -> bool) {
    with_thread_executor(|executor| {
        if let Some(executor) = executor.filter(|executor| executor.has_tasks()) {
            executor.finish(is_stopping);
        }
    });
}

impl LocalExecutor {
    /// Works as a `block_on` whose future is ready once no local task is left. The shutdown of the
    /// pool wakes nothing here, so it is polled for.
    fn finish(&self, is_stopping: impl Fn() -> bool) {
        let _foreign = tokio_context::enter();
        let _entered = self.begin_block_on(None);
        // The last task wakes this thread when it ends.
        self.is_finishing.set(true);
        context::enter(self.event_loop(), |_| {
            while self.has_tasks() && !is_stopping() {
                self.begin_round();
                self.run_queued();
                if !self.take_main() && self.is_queue_empty() {
                    self.park_for_any(Some(FINISH_CHECK_INTERVAL));
                }
            }
        });
        self.is_finishing.set(false);
    }
}
