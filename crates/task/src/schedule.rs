//! What a task asks of its executor, and how tasks are made.

use std::any::Any;
use std::future::Future;
use std::panic::Location;
use std::sync::Arc;
use std::task::Waker;

use crate::cell::Cell;
use crate::join::JoinHandle;
use crate::run::Runnable;
use crate::state::State;
use crate::task_ref::{Kept, TaskRef};

/// Why a [`Runnable`] is handed to [`Schedule::schedule`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cause {
    /// A waker fired.
    Wake,
    /// Cancellation was asked for: running it drops the future.
    Cancel,
    /// The last waker of a detached task was dropped: running it drops the future.
    Orphan,
}

/// What a task asks of the executor that owns it. The cell holds one value of this type, and shares
/// it with every thread that wakes the task.
///
/// `Clone` is what [`schedule`](Schedule::schedule) is called on: as soon as the task is queued it
/// may run elsewhere, complete, and free the cell together with the handle in it. For a pointer the
/// clone is a copy, and the executor itself must see to it that what `schedule` still touches after
/// queueing is alive; for an `Arc` it keeps the executor alive for the length of the call.
///
/// After [`completed`](Schedule::completed) has returned, the task does nothing with the handle but
/// call [`unread_panic`](Schedule::unread_panic) and drop it, on any thread and at any later time.
/// Both must be cheap and must not need the executor to be running.
///
/// No method is called under a lock of this crate, because it has no locks. No method may panic.
///
/// Memory does not depend on an implementation: one that breaks these rules loses tasks or wakes.
pub trait Schedule: Clone + Send + Sync + 'static {
    /// Queues `task`. Called from any thread, once per submission; the first `Runnable` and those
    /// of [`Ran::Requeued`](crate::Ran::Requeued) do not come this way. Must not block.
    fn schedule(&self, task: Runnable, cause: Cause);

    /// Wakes the joiner of the task, which is complete. The executor may queue the joiner in
    /// another way than a task that a running task wakes. By default there is no difference.
    fn wake_joiner(&self, waker: Waker) {
        waker.wake();
    }

    /// The task is complete: its future is dropped, its output too if it has no join handle, and
    /// its joiner is woken. Called once per task, on the thread that completed it, while the cell
    /// is alive. The executor removes the task from its registry ([`TaskRef::owned_slot`]); it must
    /// not use uncounted pointers to it afterwards.
    ///
    /// Returns the reference to `task` that the executor kept (see [`spawn_kept`]), if it has one
    /// to give back now: it is then given up together with the caller's own, in one step. One to
    /// another task is dropped.
    fn completed(&self, task: TaskRef<'_>) -> Option<Kept>;

    /// The join handle was polled with `waker` and the task was not complete, if the executor asked
    /// for it by [`JoinHandle::tell_awaits`]. For an executor that shares its thread with others:
    /// this is where it may run the task, on the thread that awaits it. Otherwise nothing.
    fn awaited(&self, waker: &Waker) {
        let _ = waker;
    }

    /// A panic that no code will receive: of a task without a join handle, of the drop of a future
    /// or an output, or of the joiner's waker. Called before [`completed`](Schedule::completed),
    /// unless it comes through [`unread_panic`](Schedule::unread_panic).
    fn unhandled_panic(&self, task: TaskRef<'_>, payload: Box<dyn Any + Send>);

    /// A panic that was kept for the join handle, which was dropped without reading it; or of the
    /// drop of the output with that handle.
    ///
    /// Called on the thread that drops the handle, at any time after the task has completed, also
    /// when its executor has ended. By default it is one more [unhandled
    /// panic](Schedule::unhandled_panic).
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

/// Makes a task of `future`, with its first `Runnable`, which the caller queues.
///
/// # Examples
///
/// ```
/// use std::any::Any;
/// use std::sync::{Arc, mpsc};
///
/// use reveille_task::{Cause, Kept, Options, Ran, Runnable, Schedule, TaskRef, spawn};
///
/// #[derive(Clone)]
/// struct Queue(mpsc::Sender<Runnable>);
///
/// impl Schedule for Queue {
///     fn schedule(&self, task: Runnable, _: Cause) {
///         self.0.send(task).expect("the queue is alive");
///     }
///     fn completed(&self, _: TaskRef<'_>) -> Option<Kept> {
///         None
///     }
///     fn unhandled_panic(&self, _: TaskRef<'_>, _: Box<dyn Any + Send>) {}
/// }
///
/// let (sender, queue) = mpsc::channel();
/// let (runnable, handle) = spawn(async { 6 * 7 }, Queue(sender), Options::default());
/// assert!(matches!(runnable.run(), Ran::Complete));
/// assert!(handle.is_finished());
/// # drop(queue);
/// ```
pub fn spawn<F, S>(future: F, scheduler: S, options: Options) -> (Runnable, JoinHandle<F::Output>)
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
    S: Schedule,
{
    // SAFETY: the future and its output may go to any thread.
    unsafe { spawn_unchecked(future, scheduler, options) }
}

/// As [`spawn`], for a future or output that is not `Send`.
///
/// # Safety
///
/// If the future or its output is not `Send`:
///
/// * Every `Runnable` of the task, this one and those handed to [`Schedule::schedule`] or returned
///   by [`Runnable::run`], is run or dropped on the thread that calls this function. It may travel
///   through other threads in between.
pub unsafe fn spawn_unchecked<F, S>(
    future: F,
    scheduler: S,
    options: Options,
) -> (Runnable, JoinHandle<F::Output>)
where
    F: Future + 'static,
    S: Schedule,
{
    let raw = Cell::<F, S>::allocate(future, scheduler, options, State::new());
    // SAFETY: the task is born with a reference for the `Runnable`, and ACTIVE.
    let runnable = unsafe { Runnable::new(raw) };
    // SAFETY: the task is born with a reference for the join handle, and `F::Output` is the output
    // of the future in this cell.
    let handle = unsafe { JoinHandle::new(raw) };
    (runnable, handle)
}

/// As [`spawn`], with a reference for the executor to keep in its registry. It costs nothing beyond
/// the two that each task is born with.
#[inline]
pub fn spawn_kept<F, S>(
    future: F,
    scheduler: S,
    options: Options,
) -> (Runnable, JoinHandle<F::Output>, Kept)
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
    S: Schedule,
{
    // SAFETY: the future and its output may go to any thread.
    unsafe { spawn_kept_unchecked(future, scheduler, options) }
}

/// As [`spawn_kept`], for a future or output that is not `Send`.
///
/// # Safety
///
/// If the future or its output is not `Send`: as for [`spawn_unchecked`].
#[inline]
pub unsafe fn spawn_kept_unchecked<F, S>(
    future: F,
    scheduler: S,
    options: Options,
) -> (Runnable, JoinHandle<F::Output>, Kept)
where
    F: Future + 'static,
    S: Schedule,
{
    let raw = Cell::<F, S>::allocate(future, scheduler, options, State::new_kept());
    // SAFETY: the task is born with a reference for the `Runnable`, and ACTIVE.
    let runnable = unsafe { Runnable::new(raw) };
    // SAFETY: the task is born with a reference for the join handle, and `F::Output` is the output
    // of the future in this cell.
    let handle = unsafe { JoinHandle::new(raw) };
    // SAFETY: the third reference is the kept one's.
    let kept = unsafe { Kept::new(raw) };
    (runnable, handle, kept)
}
