//! `block_on`: polls a future on the thread that calls it.
//!
//! The thread waits in its local executor (`local.rs`), which runs local tasks, timers and sockets
//! meanwhile. Inside a poll of a worker, another thread takes over the worker until the call
//! returns (`multi/block_in_place.rs`).

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use reveille_primitive::{simulation, stack};
use reveille_task::{Options, TaskData, poll_probed};

use super::local::{self, LocalExecutor};
use super::multi::{self, BlockInPlace, RuntimeRef, WorkerContext};
use crate::context::{self, EventLoopScope};
use crate::lint::{self, LintKind};
use crate::record::{self, BlockOnRecord};
use crate::tokio_context;
use crate::waits::TaskState;

/// The longest sleep of a thread that also has to run the tasks of its worker. Nothing wakes the
/// thread for these tasks.
const NESTED_WORKER_PARK: Duration = Duration::from_millis(1);

/// How many rounds of runnable local tasks a `block_on` in a task of tokio polls before tokio gets
/// another thread for its other tasks.
const ROUNDS_BEFORE_HANDOFF: usize = 64;

/// Runs `future` on this thread until it is ready. Until then `spawn` uses `runtime`, if one is
/// given. See [`crate::block_on`].
#[inline]
pub(crate) fn block_on<F: Future>(
    runtime: Option<RuntimeRef>,
    options: Options,
    future: F,
) -> F::Output {
    local::with_executor(|executor| {
        let _foreign = tokio_context::enter();
        let _entered = executor.begin_block_on(options.location);
        multi::leave_worker(runtime, |worker| {
            context::enter(executor.event_loop(), |scope| {
                let data = TaskData::new(options);
                let _recorded = reveille_task::is_recording()
                    .then(|| RecordedBlockOn::begin::<F>(executor, &data));
                let mut future = pin!(future);
                let mut polled = poll(executor, scope, &data, future.as_mut());
                if polled.is_pending() && tokio_context::is_tokio_thread() {
                    polled = poll_runnable(executor, scope, &data, future.as_mut());
                }
                match polled {
                    Poll::Ready(output) => output,
                    // The thread may be one of tokio's, in a task.
                    Poll::Pending => tokio_context::block_in_place(|| {
                        poll_to_end(executor, scope, worker, &data, future.as_mut())
                    }),
                }
            })
        })
    })
}

/// Polls the future of a `block_on` once.
#[inline]
fn poll<F: Future>(
    executor: &LocalExecutor,
    scope: &EventLoopScope,
    data: &TaskData,
    future: Pin<&mut F>,
) -> Poll<F::Output> {
    let _poll = scope.begin_poll(data);
    let _recorded = reveille_task::is_recording().then(|| RecordedPoll::begin(data));
    future.poll(&mut Context::from_waker(executor.waker()))
}

/// The address that stands for a `block_on` in recordings. No other `block_on` has it meanwhile,
/// and no task, because it is on a stack.
fn address(data: &TaskData) -> usize {
    (&raw const *data).addr()
}

/// A `block_on` that is recorded, until the drop.
struct RecordedBlockOn<'a> {
    executor: &'a LocalExecutor,
    outer: usize,
    _end: BlockOnRecord,
}

impl<'a> RecordedBlockOn<'a> {
    #[cold]
    fn begin<F>(executor: &'a LocalExecutor, data: &TaskData) -> RecordedBlockOn<'a> {
        let addr = address(data);
        let outer = executor.set_recorded(addr);
        let end = BlockOnRecord::begin::<F>(addr, data.name(), data.location());
        RecordedBlockOn { executor, outer, _end: end }
    }
}

impl Drop for RecordedBlockOn<'_> {
    fn drop(&mut self) {
        self.executor.set_recorded(self.outer);
    }
}

/// A poll that is recorded, until the drop. Holds the address.
struct RecordedPoll(usize);

impl RecordedPoll {
    #[cold]
    fn begin(data: &TaskData) -> RecordedPoll {
        let addr = address(data);
        record::begin_poll(addr);
        RecordedPoll(addr)
    }
}

impl Drop for RecordedPoll {
    fn drop(&mut self) {
        record::end_poll(self.0);
    }
}

/// Polls the future of a `block_on` once, for a dump that asked to see it.
#[cold]
fn poll_visited<F: Future>(
    executor: &LocalExecutor,
    scope: &EventLoopScope,
    data: &TaskData,
    mut future: Pin<&mut F>,
) -> Poll<F::Output> {
    let _poll = scope.begin_poll(data);
    let _recorded = reveille_task::is_recording().then(|| RecordedPoll::begin(data));
    let waker = executor.waker();
    let mut result = None;
    if let Some(visitor) = executor.take_visitor() {
        visitor.block_on(data, &mut |observer| {
            let poll = poll_probed(waker, observer, |cx| future.as_mut().poll(cx));
            let is_pending = poll.is_pending();
            result = Some(poll);
            match (is_pending, executor.has_main()) {
                (true, false) => TaskState::Waiting,
                (true, true) => TaskState::Queued,
                (false, _) => TaskState::Ended,
            }
        });
    }
    result.unwrap_or_else(|| future.poll(&mut Context::from_waker(waker)))
}

/// Polls local tasks and the future while any of them can run. In a task of tokio a `block_on` that
/// waits for nothing else keeps its thread: if it gave the thread up, the task might continue on
/// another one, away from the local tasks that it has spawned.
#[cold]
fn poll_runnable<F: Future>(
    executor: &LocalExecutor,
    scope: &EventLoopScope,
    data: &TaskData,
    mut future: Pin<&mut F>,
) -> Poll<F::Output> {
    for _ in 0..ROUNDS_BEFORE_HANDOFF {
        simulation::end_poll(None, false);
        executor.begin_round();
        executor.run_queued();
        if executor.take_main() {
            let polled = poll(executor, scope, data, future.as_mut());
            if polled.is_ready() {
                return polled;
            }
        } else if executor.is_queue_empty() {
            break;
        }
    }
    Poll::Pending
}

/// Continues with a future that was not ready at once. If this call is inside a poll, `worker` is
/// the worker of that poll.
#[inline(never)]
fn poll_to_end<F: Future>(
    executor: &LocalExecutor,
    scope: &EventLoopScope,
    worker: Option<&WorkerContext>,
    data: &TaskData,
    future: Pin<&mut F>,
) -> F::Output {
    let Some(worker) = worker else {
        // An outer `block_on` that has left a worker does nothing until this one returns.
        return multi::with_left_worker(|left| {
            let blocked = left.map(BlockInPlace::begin);
            poll_in_place(executor, scope, blocked.as_ref(), data, future)
        });
    };
    let blocked = BlockInPlace::begin(worker);
    lint::report(LintKind::BlockOnInTask, data.location(), || {
        String::from("it takes a thread until the future is ready; use `.await`")
    });
    poll_in_place(executor, scope, Some(&blocked), data, future)
}

/// Polls the future until it is ready. `blocked` is set if this is inside a poll of a worker, which
/// another thread has to run meanwhile, or else this one.
fn poll_in_place<F: Future>(
    executor: &LocalExecutor,
    scope: &EventLoopScope,
    blocked: Option<&BlockInPlace<'_>>,
    data: &TaskData,
    mut future: Pin<&mut F>,
) -> F::Output {
    let mut has_polled_others = false;
    loop {
        simulation::end_poll(None, false);
        if scope.is_nested() {
            has_polled_others = wait_nested(executor, blocked, has_polled_others);
        } else {
            executor.wait();
        }
        // Only here: a dump asks a thread that waits, so not before the first poll has ended.
        let polled = if executor.has_visitor() {
            poll_visited(executor, scope, data, future.as_mut())
        } else {
            poll(executor, scope, data, future.as_mut())
        };
        if let Poll::Ready(output) = polled {
            return output;
        }
    }
}

/// Like [`LocalExecutor::wait`], inside a poll. While it waits, other tasks may be polled on top of
/// that poll, and they may call `block_on` too. So this call's own future comes first if other
/// tasks were polled last time, and other tasks are polled only while half of the stack is free.
/// Returns whether other tasks were polled.
fn wait_nested(
    executor: &LocalExecutor,
    blocked: Option<&BlockInPlace<'_>>,
    mut has_polled_others: bool,
) -> bool {
    loop {
        executor.begin_round();
        if has_polled_others && executor.take_main() {
            return false;
        }
        let has_room = !stack::is_half_used();
        if has_room {
            executor.run_queued();
            if let Some(blocked) = blocked {
                blocked.run_worker(|| executor.has_main());
            }
        }
        has_polled_others = true;
        if executor.take_main() {
            return true;
        }
        if !has_room {
            executor.park_for_main(None);
        } else if executor.is_queue_empty() {
            let must_run_worker = blocked.is_some_and(BlockInPlace::must_run_worker);
            executor.park_for_any(must_run_worker.then_some(NESTED_WORKER_PARK));
        }
    }
}
