//! A `block_on` inside a poll of a worker: another thread runs the worker meanwhile.

use std::cell::RefCell;

use super::current::enter_worker;
use super::handoff::Handoff;
use super::worker_context::WorkerContext;
use super::worker_thread::WorkerThread;
use super::worker_threads::hand_off;

/// Tasks polled in one go when no other thread could be had.
const AT_ONCE: usize = 64;

/// One `block_on` inside a poll.
///
/// The worker goes to a waiting or a new thread. If no thread can be had (by the bound on spare
/// threads, or by the system's), the blocked thread itself polls the tasks of its worker between
/// the polls of its own future. So the runtime makes progress all the same. These polls run on top
/// of the stack of the blocked one, while half of the stack is free.
pub(crate) struct BlockInPlace<'a> {
    /// Set if this thread has to run the worker itself.
    nested: Option<RefCell<WorkerThread<'a>>>,
    context: &'a WorkerContext,
}

impl<'a> BlockInPlace<'a> {
    /// Hands the worker of this thread off, if the thread has not lost it already.
    pub(crate) fn begin(context: &'a WorkerContext) -> BlockInPlace<'a> {
        let own_worker = context.worker();
        // From here on no thread takes the worker because this one is stuck: it has another owner.
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

    /// Runs the worker for a moment, if no other thread does, or until `is_over` after a poll.
    pub(crate) fn run_worker(&self, is_over: impl Fn() -> bool) {
        if let Some(worker) = &self.nested
            && let Ok(mut worker) = worker.try_borrow_mut()
        {
            enter_worker(self.context, || worker.work_briefly(AT_ONCE, is_over));
        }
    }
}
