//! A `block_on` inside a poll of a worker: another thread runs the worker meanwhile.

use std::cell::RefCell;

use super::current::enter_worker;
use super::handoff::Handoff;
use super::worker_context::WorkerContext;
use super::worker_thread::WorkerThread;
use super::worker_threads::hand_off;

/// The most tasks that the blocked thread polls between two polls of its own future.
const AT_ONCE: usize = 64;

/// One `block_on` inside a poll.
///
/// The worker goes to a waiting thread or to a new one. If the limit on spare threads is reached,
/// or the system refuses a thread, the blocked thread itself polls the tasks of its worker between
/// the polls of its own future. So the runtime still makes progress. These polls run on top of the
/// blocked poll's stack, and only while half of the stack is free.
pub(crate) struct BlockInPlace<'a> {
    /// Set if this thread has to run the worker itself.
    nested: Option<RefCell<WorkerThread<'a>>>,
    context: &'a WorkerContext,
}

impl<'a> BlockInPlace<'a> {
    /// Hands the worker of this thread off, if the thread has not lost it already.
    pub(crate) fn begin(context: &'a WorkerContext) -> BlockInPlace<'a> {
        let own_worker = context.worker();
        // The worker has another owner from here on, so an earlier reading that this thread is
        // stuck no longer lets another thread take it.
        let is_ours = context.with_core(|_| context.poll_counter.set_lost_worker(true)).is_some();
        if !is_ours {
            return BlockInPlace { nested: None, context };
        }
        own_worker.set_owner(None);
        if hand_off(context.pool(), Handoff::unowned(own_worker.index)) {
            return BlockInPlace { nested: None, context };
        }
        own_worker.set_owner(Some(&context.token().borrow().id()));
        context.with_core(|_| context.poll_counter.set_lost_worker(false));
        let worker = WorkerThread::new(context, own_worker.index as u64);
        BlockInPlace { nested: Some(RefCell::new(worker)), context }
    }

    /// Whether this thread has to run the worker itself.
    pub(crate) fn must_run_worker(&self) -> bool {
        self.nested.is_some()
    }

    /// If no other thread runs the worker, polls a few of its tasks; stops early if `is_over`
    /// returns `true` after a poll.
    pub(crate) fn run_worker(&self, is_over: impl Fn() -> bool) {
        if let Some(worker) = &self.nested
            && let Ok(mut worker) = worker.try_borrow_mut()
        {
            enter_worker(self.context, || worker.work_briefly(AT_ONCE, is_over));
        }
    }
}
