//! A live task of a pool, for another thread that polls it although nothing woke it: for a dump,
//! and for a lint.
#![allow(unsafe_code)]

use reveille_task::{Observer, Ran, Runnable, TaskHandle, TaskRef};

use super::runtime_ref::{RuntimeRef, enter_runtime};
use crate::context;
use crate::polls::{self, ProbeClaim, ProbeMark};
use crate::scheduler::lost::Lost;
use crate::tokio_context;
use crate::waits::TaskState;

/// A live task of a pool. Only this module and those that spawn and walk through a pool's tasks
/// make one, so its future is `Send`.
pub(crate) struct PoolTask {
    runtime: RuntimeRef,
    task: TaskHandle,
}

/// The result of claiming a task. Its `Runnable` polls the task once.
pub(crate) enum PoolClaim {
    Claimed(ClaimedTask),
    /// Another dump polls the task.
    Probed,
    /// It is queued, polled or complete.
    Refused,
}

/// The permission to poll a task once for a dump.
pub(crate) struct ClaimedTask {
    runnable: Runnable,
    _mark: ProbeMark,
}

impl PoolTask {
    /// `task` was spawned onto `runtime`.
    pub(super) fn new(runtime: RuntimeRef, task: TaskHandle) -> PoolTask {
        PoolTask { runtime, task }
    }

    pub(crate) fn task(&self) -> TaskRef<'_> {
        self.task.as_task()
    }

    /// Makes the task's `Runnable` if it is idle, and marks the task as polled by a dump.
    pub(crate) fn claim(&self) -> PoolClaim {
        // SAFETY: the future is `Send`: pools spawn no others, and only a pool's modules make this
        // value.
        let claim = || unsafe { self.task().claim() };
        match polls::claim_for_probe(self.task().addr(), claim) {
            ProbeClaim::Claimed(runnable, mark) => {
                PoolClaim::Claimed(ClaimedTask { runnable, _mark: mark })
            }
            ProbeClaim::Probed => PoolClaim::Probed,
            ProbeClaim::Refused => PoolClaim::Refused,
        }
    }

    /// Polls the task on this thread, inside its runtime.
    pub(crate) fn run(&self, claimed: ClaimedTask, observer: &dyn Observer) -> TaskState {
        let _runtime = enter_runtime(self.runtime);
        let _foreign = tokio_context::enter();
        let poll = context::begin_poll(self.task());
        let ran = claimed.runnable.run_probed(observer);
        drop(poll);
        match ran {
            Ran::Pending => TaskState::Waiting,
            Ran::Complete => TaskState::Ended,
            Ran::Requeued(task) => {
                // It was woken while a thread that is not a worker polled it.
                self.runtime.pool().inject(task);
                TaskState::Queued
            }
        }
    }
}

impl Lost for PoolTask {
    fn task(&self) -> TaskRef<'_> {
        PoolTask::task(self)
    }

    fn probe(&self, observer: &dyn Observer) -> Option<TaskState> {
        match self.claim() {
            PoolClaim::Claimed(claimed) => Some(self.run(claimed, observer)),
            PoolClaim::Probed | PoolClaim::Refused => None,
        }
    }
}
