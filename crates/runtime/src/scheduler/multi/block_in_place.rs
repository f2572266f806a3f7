//! A `block_on` inside a worker's poll: somebody else works the place meanwhile.

use std::cell::RefCell;

use super::handoff::Handoff;
use super::worker::WorkerContext;
use super::worker_thread::WorkerThread;
use crate::scheduler::current;

/// Tasks polled in one go when no other thread could be had.
const AT_ONCE: usize = 64;

/// The arrangement for one `block_on` inside a poll.
///
/// The place goes to a waiting or a new thread. Only where none can be had (the bound on spare
/// threads, the system's on threads) the blocked thread itself polls the place's tasks between
/// looks at its own future, so that the runtime makes progress all the same, though with the
/// stacks of those polls on top of the one that blocks: while half of its stack is free.
pub(crate) struct BlockInPlace<'a> {
    /// Set if this thread has to do the work itself.
    nested: Option<RefCell<WorkerThread<'a>>>,
    context: &'a WorkerContext,
}

impl<'a> BlockInPlace<'a> {
    /// Gives the place of `seat` away, if this thread has not lost it already.
    pub(crate) fn begin(context: &'a WorkerContext) -> BlockInPlace<'a> {
        let place = context.worker();
        // From here on nobody takes the place because this thread is stuck: it is another's.
        let is_ours = context.with_core(|_| context.poll_counter.set_lost_worker(true)).is_some();
        if !is_ours {
            return BlockInPlace { nested: None, context };
        }
        place.set_owner(None);
        if context.pool().threads.hand_off(context.pool(), Handoff::unowned(place.index)) {
            return BlockInPlace { nested: None, context };
        }
        place.set_owner(Some(&context.token().borrow().id()));
        context.with_core(|_| context.poll_counter.set_lost_worker(false));
        let worker = WorkerThread::new(context, place.index as u64);
        BlockInPlace { nested: Some(RefCell::new(worker)), context }
    }

    /// Whether this thread has to work the place itself.
    pub(crate) fn must_run_worker(&self) -> bool {
        self.nested.is_some()
    }

    /// Works the place for a moment, if nobody else does, or until `is_over` after a poll.
    pub(crate) fn run_worker(&self, is_over: impl Fn() -> bool) {
        if let Some(worker) = &self.nested
            && let Ok(mut worker) = worker.try_borrow_mut()
        {
            current::enter_worker(self.context, || worker.work_briefly(AT_ONCE, is_over));
        }
    }
}
