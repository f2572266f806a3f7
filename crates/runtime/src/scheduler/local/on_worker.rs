//! The local tasks of a worker's thread: polled between its other tasks, and to their end when it
//! has lost its place.

use std::future::{Future as _, poll_fn};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use reveille_task::Options;

use super::{LocalExecutor, block_on};
use crate::scheduler::current;
use crate::scheduler::multi::{WorkerContext, WorkerPool};
use crate::scheduler::sleep::Sleep;

/// Polls the local tasks of a worker's thread. `false` if it has none. The monitor sees these polls
/// as it sees those of other tasks: the worker's place changes hands if one blocks. `prepare` is
/// called first if there are any.
pub(crate) fn run_local_tasks(seat: &WorkerContext, prepare: impl FnOnce()) -> bool {
    current::with_thread_executor(|stand| {
        let stand = stand.filter(|stand| stand.has_tasks());
        stand.inspect(|_| prepare());
        stand.inspect(|stand| stand.run_watched(&seat.poll_counter));
        stand.is_some()
    })
}

/// A worker is about to sleep in the driver of its place. `false` if a local task is runnable.
pub(crate) fn prepare_park(seat: &WorkerContext) -> bool {
    current::with_thread_executor(|stand| {
        let Some(stand) = stand.filter(|stand| stand.has_tasks()) else {
            return true;
        };
        *stand.handle.driver.lock() = Some(Arc::clone(seat.driver()));
        stand.handle.flags.park_despite_main() && stand.queue.borrow().is_empty()
    })
}

/// A worker woke up.
pub(crate) fn unpark(_: &WorkerContext) {
    current::with_thread_executor(|stand| {
        if let Some(stand) = stand.filter(|stand| stand.has_tasks()) {
            stand.handle.flags.unpark();
            *stand.handle.driver.lock() = stand.own_driver().cloned();
        }
    });
}

/// A worker lost its place: its thread runs the local tasks it has to their end, or to that of the
/// pool, before it takes another place.
pub(crate) fn finish_local_tasks(shared: &'static WorkerPool) {
    let has_tasks =
        || current::with_thread_executor(|stand| stand.is_some_and(LocalExecutor::has_tasks));
    let set_finishing = |value| {
        current::with_thread_executor(|stand| {
            if let Some(stand) = stand {
                stand.is_finishing.set(value);
            }
        });
    };
    if !has_tasks() {
        return;
    }
    set_finishing(true);
    // The end of the pool wakes nobody here, so it is looked for.
    let mut look = Sleep::after(FINISH_CHECK_INTERVAL);
    block_on(
        Some(shared.runtime_ref()),
        Options::default(),
        poll_fn(|cx| {
            if !has_tasks() || shared.is_stopping() {
                return Poll::Ready(());
            }
            while std::pin::Pin::new(&mut look).poll(cx).is_ready() {
                look.reset_after(FINISH_CHECK_INTERVAL);
            }
            Poll::Pending
        }),
    );
    set_finishing(false);
}

/// How often a thread without a place looks whether its pool is being shut down.
const FINISH_CHECK_INTERVAL: Duration = Duration::from_millis(50);
