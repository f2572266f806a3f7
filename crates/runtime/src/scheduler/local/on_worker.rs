//! The local tasks of a worker thread: polled between its other tasks, and to their end when it has
//! lost its worker.

use std::future::{Future as _, poll_fn};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use reveille_task::Options;

use super::{LocalExecutor, block_on};
use crate::scheduler::current;
use crate::scheduler::multi::{WorkerContext, WorkerPool};
use crate::scheduler::sleep::Sleep;

/// Polls the local tasks of a worker thread. `false` if it has no local tasks. The monitor watches
/// these polls as those of other tasks: if one blocks, the worker is handed off. `prepare` is
/// called first if there are local tasks.
pub(crate) fn run_local_tasks(worker: &WorkerContext, prepare: impl FnOnce()) -> bool {
    current::with_thread_executor(|executor| {
        let executor = executor.filter(|executor| executor.has_tasks());
        executor.inspect(|_| prepare());
        executor.inspect(|executor| executor.run_watched(&worker.poll_counter));
        executor.is_some()
    })
}

/// A worker thread is about to park in its driver. `false` if a local task is runnable.
pub(crate) fn prepare_park(worker: &WorkerContext) -> bool {
    current::with_thread_executor(|executor| {
        let Some(executor) = executor.filter(|executor| executor.has_tasks()) else {
            return true;
        };
        *executor.handle.driver.lock() = Some(Arc::clone(worker.driver()));
        executor.handle.flags.park_despite_main() && executor.queue.borrow().is_empty()
    })
}

/// A worker thread woke up.
pub(crate) fn unpark(_: &WorkerContext) {
    current::with_thread_executor(|executor| {
        if let Some(executor) = executor.filter(|executor| executor.has_tasks()) {
            executor.handle.flags.unpark();
            *executor.handle.driver.lock() = executor.own_driver().cloned();
        }
    });
}

/// A thread has lost its worker. It runs its local tasks to their end, or until the pool stops,
/// before it takes another worker.
pub(crate) fn finish_local_tasks(pool: &'static WorkerPool) {
    let has_tasks =
        || current::with_thread_executor(|executor| executor.is_some_and(LocalExecutor::has_tasks));
    let set_finishing = |value| {
        current::with_thread_executor(|executor| {
            if let Some(executor) = executor {
                executor.is_finishing.set(value);
            }
        });
    };
    if !has_tasks() {
        return;
    }
    set_finishing(true);
    // The end of the pool wakes nothing here, so it is checked for.
    let mut check = Sleep::after(FINISH_CHECK_INTERVAL);
    block_on(
        Some(pool.runtime_ref()),
        Options::default(),
        poll_fn(|cx| {
            if !has_tasks() || pool.is_stopping() {
                return Poll::Ready(());
            }
            while std::pin::Pin::new(&mut check).poll(cx).is_ready() {
                check.reset_after(FINISH_CHECK_INTERVAL);
            }
            Poll::Pending
        }),
    );
    set_finishing(false);
}

/// How often a thread without a worker checks whether its pool is being shut down.
const FINISH_CHECK_INTERVAL: Duration = Duration::from_millis(50);
