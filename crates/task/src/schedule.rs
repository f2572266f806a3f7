//! The interface between a task and its executor.

use std::any::Any;
use std::panic::Location;
use std::sync::Arc;
use std::task::Waker;

use crate::cause::{Cause, Loss};
use crate::run::Runnable;
use crate::task_ref::{Kept, TaskRef};

/// A task's handle to the executor that owns it. The cell holds one value of this type, which every
/// thread that wakes the task uses.
///
/// [`schedule`](Schedule::schedule) is called on a clone of the handle. As soon as the task is
/// queued, another thread may run it to completion and free the cell together with the handle in
/// it. If the handle is an `Arc`, the clone keeps the executor alive during the call. If it is a
/// plain pointer, the executor itself must keep alive whatever `schedule` touches after it has
/// queued the task.
///
/// After [`completed`](Schedule::completed) has returned, the task only calls
/// [`unread_panic`](Schedule::unread_panic) on the handle and drops it, on any thread and at any
/// later time. Both must be cheap and must work after the executor has stopped.
///
/// No method is called under a lock of this crate; the crate has no locks. No method may panic.
///
/// Memory safety does not depend on these rules: an implementation that breaks them loses tasks or
/// wakes.
pub trait Schedule: Clone + Send + Sync + 'static {
    /// Queues `task`. Called from any thread, once per submission. The first `Runnable` and those
    /// of [`Ran::Requeued`](crate::Ran::Requeued) are not passed to this method. Must not block.
    fn schedule(&self, task: Runnable, cause: Cause);

    /// Wakes the joiner of the task, which is complete. The executor may queue a joiner differently
    /// from a task that a running task wakes. The default implementation makes no difference.
    fn wake_joiner(&self, waker: Waker) {
        waker.wake();
    }

    /// Called once per task when it is complete, on the thread that completed it, while the cell is
    /// alive. The future is dropped, and so is the output if there is no join handle; the joiner is
    /// woken. The executor removes the task from its registry ([`TaskRef::owned_slot`]) and must
    /// not use uncounted pointers to it afterwards.
    ///
    /// Returns the reference to `task` that the executor kept (see
    /// [`spawn_kept`](crate::spawn_kept)), if it has one. The caller then releases it together with
    /// its own in one step. A reference to another task is dropped.
    fn completed(&self, task: TaskRef<'_>) -> Option<Kept>;

    /// Called when the join handle was polled with `waker` and the task was not complete, if the
    /// executor requested it with [`JoinHandle::tell_awaits`](crate::JoinHandle::tell_awaits). An
    /// executor that shares its thread with others may run the task here, on the thread that awaits
    /// it. The default implementation does nothing.
    fn awaited(&self, waker: &Waker) {
        let _ = waker;
    }

    /// Called when nothing can wake the task, which is idle: only the executor's kept reference and
    /// the join handle exist. Only a cancellation or a [`TaskRef::claim`] can end it. Not called
    /// for a task that no registry keeps, or while a [`TaskHandle`](crate::TaskHandle) exists. The
    /// default implementation does nothing.
    ///
    /// Called on the thread that polled the task, or on any thread that drops a waker of it. That
    /// thread may hold locks of other code, so this must not call user code.
    fn lost(&self, task: TaskRef<'_>, loss: Loss) {
        let _ = (task, loss);
    }

    /// Reports a panic that no code will receive: of a task without a join handle, of the drop of a
    /// future or an output, or of the joiner's waker. Called before
    /// [`completed`](Schedule::completed), except when [`unread_panic`](Schedule::unread_panic)
    /// calls it.
    fn unhandled_panic(&self, task: TaskRef<'_>, payload: Box<dyn Any + Send>);

    /// Reports a panic whose join handle was dropped before it read the payload, or a panic in the
    /// drop of an output that was dropped with its handle.
    ///
    /// Called on the thread that drops the handle, at any time after the task has completed, even
    /// after its executor has ended. By default it calls
    /// [`unhandled_panic`](Schedule::unhandled_panic).
    fn unread_panic(&self, task: TaskRef<'_>, payload: Box<dyn Any + Send>) {
        self.unhandled_panic(task, payload);
    }
}

/// Optional properties of a task that is spawned.
#[derive(Clone, Default, Debug)]
pub struct Options {
    /// The name that [`Task::name`](crate::Task::name) returns. Costs a second allocation.
    pub name: Option<Arc<str>>,
    /// Where the task was spawned.
    pub location: Option<&'static Location<'static>>,
}
