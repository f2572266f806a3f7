//! The functions that spawn tasks.

use std::future::Future;

use crate::cell::Cell;
use crate::join::JoinHandle;
use crate::run::Runnable;
use crate::schedule::{Options, Schedule};
use crate::state::State;
use crate::task_ref::Kept;

/// Makes a task of `future`. Returns its join handle and its first `Runnable`, which the caller
/// queues.
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

/// Like [`spawn`], for a future or output that is not `Send`.
///
/// # Safety
///
/// If the future or its output is not `Send`:
///
/// * Every `Runnable` of the task, this one and those passed to [`Schedule::schedule`] or returned
///   by [`Runnable::run`], is run or dropped on the thread that calls this function. It may pass
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

/// Like [`spawn`], with a reference for the executor to keep in its registry. Its count is part of
/// the initial value of the state word, so it costs nothing extra.
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

/// Like [`spawn_kept`], for a future or output that is not `Send`.
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
    // SAFETY: the third reference of the new task is for the executor.
    let kept = unsafe { Kept::new(raw) };
    (runnable, handle, kept)
}
