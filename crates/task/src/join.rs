//! The join handle: awaits or cancels the task, and detaches it on drop.
//!
//! The slot of the join waker (invariant 4) starts empty and belongs to the handle. `register`
//! fills and publishes it. The handle reclaims it to store another waker, or to empty it on drop.
//! If the task completes first, the completing thread takes the slot.

use std::fmt;
use std::future::{Future, poll_fn};
use std::marker::PhantomData;
use std::mem::{self, MaybeUninit};
use std::panic::{RefUnwindSafe, UnwindSafe, resume_unwind};
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::{Context, Poll, Waker};

use reveille_primitive::lock::assert_none_held;

use crate::cause::Cause;
use crate::error::JoinError;
use crate::id::{Task, TaskId};
use crate::probe::tell_awaits;
use crate::raw::Raw;
use crate::run::dispose;
use crate::state::{Detach, Outcome};
use crate::task_ref::TaskRef;

/// Awaits the output of a task.
///
/// Dropping it detaches the task: the task keeps running, and its output is dropped.
///
/// # Panics
///
/// Awaiting it resumes a panic of the task. It also panics if the task was cancelled, because there
/// is no output. If the task may be cancelled, await [`result`](JoinHandle::result) or
/// [`cancel`](JoinHandle::cancel) instead.
///
/// # Cancel safety
///
/// If an await of `&mut JoinHandle` is dropped, you can await the handle again: the output is not
/// lost. In a race or under a time limit, use [`by_ref`](JoinHandle::by_ref).
///
/// # Examples
///
/// ```
/// use reveille::task;
///
/// let task = task::spawn(async { 1 + 2 });
/// assert_eq!(task::block_on(task), 3);
/// ```
pub struct JoinHandle<T> {
    claim: Claim<T>,
    stage: JoinStage,
}

/// What an await of the handle must do besides waiting.
#[derive(Clone, Copy, PartialEq, Eq)]
enum JoinStage {
    Usual,
    /// Each await that finds the task incomplete calls
    /// [`Schedule::awaited`](crate::Schedule::awaited).
    TellsAwaits,
    /// The outcome has been returned.
    Taken,
}

/// Owns the output. It determines the auto traits of the handle, which are the same as in
/// async-std.
struct Claim<T> {
    raw: Raw,
    output: PhantomData<T>,
}

// SAFETY: after completion the handle owns the output (invariant 3), and reads or drops it on its
// own thread, so the output must be `Send`. Any thread may use the rest of the cell.
unsafe impl<T: Send> Send for Claim<T> {}

// SAFETY: `&JoinHandle` gives access to a `TaskRef` and never to the output.
unsafe impl<T> Sync for Claim<T> {}

impl<T> Unpin for Claim<T> {}

// A panic of the task leaves no half-made output: the payload takes its place.
impl<T> UnwindSafe for Claim<T> {}
impl<T> RefUnwindSafe for Claim<T> {}

impl<T> JoinHandle<T> {
    /// # Safety
    ///
    /// * The caller passes on one reference, and DETACHED is not set.
    /// * `T` is the output of the future in the cell.
    pub(crate) unsafe fn new(raw: Raw) -> JoinHandle<T> {
        let claim = Claim { raw, output: PhantomData };
        JoinHandle { claim, stage: JoinStage::Usual }
    }

    /// Makes each later await that finds the task incomplete call
    /// [`Schedule::awaited`](crate::Schedule::awaited). For the executor that spawned the task.
    #[doc(hidden)]
    pub fn tell_awaits(&mut self) {
        self.stage = JoinStage::TellsAwaits;
    }

    /// The id and name of the task.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::task;
    ///
    /// let task = task::Builder::new().name("reaper".to_owned()).spawn(async {})?;
    /// assert_eq!(task.task().name(), Some("reaper"));
    /// # task::block_on(task);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn task(&self) -> &Task {
        task_ref(self).task()
    }

    /// The number of the task.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::task;
    ///
    /// let task = task::spawn(async { task::current().id() });
    /// let id = task.id();
    /// assert_eq!(task::block_on(task), id);
    /// ```
    pub fn id(&self) -> TaskId {
        self.task().id()
    }

    /// The name of the task, if it was given one.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::task;
    ///
    /// let task = task::spawn(async {});
    /// assert_eq!(task.name(), None); // see `task::Builder`
    /// # task::block_on(task);
    /// ```
    pub fn name(&self) -> Option<&str> {
        task_ref(self).name()
    }

    /// Whether the task is complete: finished, panicked, or cancelled and its future dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::{future, task};
    ///
    /// let task = task::spawn(future::pending::<()>());
    /// assert!(!task.is_finished());
    /// assert_eq!(task::block_on(task.cancel()), None);
    /// ```
    pub fn is_finished(&self) -> bool {
        task_ref(self).is_finished()
    }

    /// Requests cancellation and returns immediately. The executor drops the future, after the
    /// current poll if the task is being polled. If the task completes first, the request has no
    /// effect.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::{future, task};
    ///
    /// task::block_on(async {
    ///     let task = task::spawn(future::pending::<()>());
    ///     task.abort();
    ///     // The request returns at once; `result` waits until the future is dropped.
    ///     assert!(task.result().await.unwrap_err().is_cancelled());
    /// });
    /// ```
    pub fn abort(&self) {
        self.claim.raw.cancel();
    }

    /// Cancels the task and waits until its future is dropped. Returns the output if the task
    /// finished first.
    ///
    /// # Panics
    ///
    /// Resumes a panic of the task, or of the drop of its future.
    ///
    /// # Cancel safety
    ///
    /// Once this has been polled, the task is cancelled even if this is dropped. An output that was
    /// ready is lost.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::{channel, task};
    ///
    /// task::block_on(async {
    ///     let (sender, receiver) = channel::bounded::<u8>(1);
    ///     let task = task::spawn(async move {
    ///         let _held = sender;
    ///         reveille::future::pending::<()>().await;
    ///     });
    ///     assert_eq!(task.cancel().await, None);
    ///     // The future and all that it owned have been dropped.
    ///     assert!(receiver.is_closed());
    /// });
    /// ```
    pub async fn cancel(self) -> Option<T> {
        self.abort();
        match self.result().await {
            Ok(output) => Some(output),
            Err(error) => {
                if let Ok(payload) = error.try_into_panic() {
                    resume_unwind(payload);
                }
                None
            }
        }
    }

    /// Awaits the output without consuming the handle, for races and time limits. Dropping this
    /// does not stop the task.
    ///
    /// Races and time limits do not accept `&mut handle`, because they accept no borrowed future:
    /// after it loses, a borrowed future keeps its locks and is not polled. A task keeps being
    /// polled, so borrowing its handle is safe.
    ///
    /// # Panics
    ///
    /// Panics in the same cases as awaiting the handle.
    ///
    /// # Cancel safety
    ///
    /// Dropping it has no effect: you can await the handle again, and the output is not lost.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use reveille::task;
    /// use std::time::Duration;
    ///
    /// task::block_on(async {
    ///     let mut task = task::spawn(async { 1 + 2 });
    ///     let sum = match task.by_ref().timeout(Duration::ZERO).await {
    ///         Ok(sum) => sum,
    ///         Err(_) => {
    ///             println!("it takes a while");
    ///             task.await
    ///         }
    ///     };
    ///     assert_eq!(sum, 3);
    /// });
    /// ```
    pub fn by_ref(&mut self) -> impl Future<Output = T> {
        poll_fn(|cx| Pin::new(&mut *self).poll(cx))
    }

    /// Awaits the output, or the reason why there is no output.
    ///
    /// # Errors
    ///
    /// The future returns a [`JoinError`] if the task was cancelled or panicked.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future detaches the task, as dropping the handle does.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::task;
    ///
    /// task::block_on(async {
    ///     assert_eq!(task::spawn(async { 1 }).result().await.unwrap(), 1);
    ///
    /// #   let hook = std::panic::take_hook();
    /// #   std::panic::set_hook(Box::new(|_| {}));
    ///     let task = task::spawn(async { panic!("out of paper") });
    ///     let error = task.result().await.unwrap_err();
    ///     assert_eq!(error.to_string(), "the task panicked: out of paper");
    /// #   std::panic::set_hook(hook);
    /// });
    /// ```
    pub fn result(self) -> JoinResult<T> {
        JoinResult { handle: self }
    }

    /// Waits for completion and takes the outcome.
    fn poll_result(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, JoinError>> {
        let state = &self.claim.raw.header().state;
        if state.outcome().is_none() && self.register(cx.waker()) {
            if self.stage == JoinStage::Usual {
                return Poll::Pending;
            }
            self.notify_awaited(cx.waker());
            if state.outcome().is_none() {
                return Poll::Pending;
            }
        }
        let is_taken = self.stage == JoinStage::Taken;
        assert!(!is_taken, "a JoinHandle was polled after it had returned its output");
        let outcome = state.outcome().expect("only a complete task keeps its joiner from waiting");
        Poll::Ready(self.take(outcome))
    }

    /// Notifies the executor that the task is awaited with `waker`.
    #[cold]
    fn notify_awaited(&self, waker: &Waker) {
        // SAFETY: the vtable is of this cell (invariant 6), which this handle keeps.
        unsafe { (self.claim.raw.header().vtable.awaited)(self.claim.raw, waker) };
    }

    /// Registers `waker` to be woken at completion. `false` if the task is complete.
    fn register(&mut self, waker: &Waker) -> bool {
        let header = self.claim.raw.header();
        let mut old = None;
        if header.state.has_join_waker() {
            if header.attachments.is_compact(waker) {
                return true;
            }
            old = self.reclaim_waker();
            if old.is_none() {
                return false;
            }
        }
        tell_awaits(waker, self.claim.raw);
        // User code: the waker may belong to another executor. If it panics, the slot is empty and
        // ours.
        assert_none_held("the clone of a waker");
        let (new, old) = match old {
            Some(old) if old.will_wake(waker) => (old, None),
            old => (waker.clone(), old),
        };
        // SAFETY: the slot is unpublished, so it is ours, and it is empty (invariant 4).
        unsafe { header.attachments.put_waker(new) };
        if header.state.publish_join_waker() {
            // User code again. The slot is published, so a panic does no harm.
            drop(old);
            return true;
        }
        // SAFETY: the task completed without a published slot, so it stays ours (invariant 4).
        let unused = unsafe { header.attachments.take_waker() };
        drop((unused, old));
        false
    }

    /// Takes the outcome of the completed task.
    fn take(&mut self, outcome: Outcome) -> Result<T, JoinError> {
        self.stage = JoinStage::Taken;
        match outcome {
            Outcome::Cancelled => Err(JoinError::cancelled()),
            Outcome::Panicked => {
                // SAFETY: the task is complete, so the payload is ours (invariant 3).
                let payload = unsafe { self.claim.raw.take_payload() };
                Err(JoinError::panicked(payload.expect("a panicked task has a payload")))
            }
            Outcome::Output => {
                let mut output = MaybeUninit::<T>::uninit();
                let to = NonNull::from(&mut output).cast();
                // SAFETY: the task is complete, so the output is ours (invariant 3). `stage` was
                // not `Taken`, so the output is still in the cell. `to` has room for a `T`, the
                // output of the future (`new`).
                unsafe { (self.claim.raw.header().vtable.take_output)(self.claim.raw, to) };
                // SAFETY: `take_output` has written it.
                Ok(unsafe { output.assume_init() })
            }
        }
    }

    /// Takes back the waker that completion would wake, unless the task is already complete.
    fn reclaim_waker(&mut self) -> Option<Waker> {
        let header = self.claim.raw.header();
        if !header.state.has_join_waker() || !header.state.reclaim_join_waker() {
            return None;
        }
        // SAFETY: the slot was just reclaimed (invariant 4).
        unsafe { header.attachments.take_waker() }
    }

    /// Detaches the task. The slot is empty, or no longer ours.
    fn detach(&mut self) {
        let state = &self.claim.raw.header().state;
        match state.detach() {
            Detach::Left => return,
            // SAFETY: the rule set ACTIVE and turned our reference into the reference of the
            // `Runnable`.
            Detach::Orphan => return unsafe { self.claim.raw.schedule(Cause::Orphan) },
            Detach::Completed => {}
        }
        let outcome = state.outcome().expect("the rule says that the task is complete");
        if mem::replace(&mut self.stage, JoinStage::Taken) != JoinStage::Taken {
            // SAFETY: the task is complete, so the outcome is ours (invariant 3). `stage` was not
            // `Taken`, so the outcome is still in the cell.
            if let Some(payload) = unsafe { dispose(self.claim.raw, outcome) } {
                // SAFETY: the vtable is of this cell (invariant 6).
                unsafe { (self.claim.raw.header().vtable.unread_panic)(self.claim.raw, payload) };
            }
        }
        // SAFETY: the reference is this handle's, and `detach` left it in the count.
        unsafe { self.claim.raw.release() };
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        match self.poll_result(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(output)) => Poll::Ready(output),
            Poll::Ready(Err(error)) => match error.try_into_panic() {
                Ok(payload) => resume_unwind(payload),
                Err(_) => panic!(
                    "awaited a task that was cancelled: it has no output; \
                     await `JoinHandle::result` if it may be cancelled"
                ),
            },
        }
    }
}

impl<T> Drop for JoinHandle<T> {
    fn drop(&mut self) {
        let waker = self.reclaim_waker();
        self.detach();
        // User code comes last: it may panic, and nothing else is left to do.
        assert_none_held("the drop of a waker");
        drop(waker);
    }
}

impl<T: fmt::Debug> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle").field("task", &task_ref(self)).finish_non_exhaustive()
    }
}

/// The task that `handle` awaits, for the lifetime of this borrow.
///
/// A function and not a method, so that it does not appear on the handle that users of reveille
/// see.
///
/// # Examples
///
/// ```
/// use reveille::task;
/// use reveille_task::task_ref;
///
/// let task = task::spawn(async {
///     let buffer = [0_u8; 1024];
///     task::yield_now().await;
///     buffer.len()
/// });
/// // The size of a future is determined by what lives across its awaits.
/// assert!(task_ref(&task).future_size() > 1024);
/// # task::block_on(task);
/// ```
pub fn task_ref<T>(handle: &JoinHandle<T>) -> TaskRef<'_> {
    handle.claim.raw.as_task()
}

/// Awaits the output of a task, or the reason why there is no output. Made by
/// [`JoinHandle::result`].
///
/// Dropping it detaches the task.
///
/// # Examples
///
/// ```
/// use reveille::{future, task};
///
/// task::block_on(async {
///     let task = task::spawn(future::pending::<()>());
///     task.abort();
///     match task.result().await {
///         Ok(()) => println!("done"),
///         Err(error) if error.is_cancelled() => println!("was cancelled"),
///         Err(error) => std::panic::resume_unwind(error.into_panic()),
///     }
/// });
/// ```
#[must_use = "dropping a JoinResult detaches its task"]
pub struct JoinResult<T> {
    handle: JoinHandle<T>,
}

impl<T> JoinResult<T> {
    /// The handle it was made from.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::task;
    ///
    /// let outcome = task::spawn(async { 1 }).result();
    /// // Unlike the result, the handle resumes a panic of the task.
    /// assert_eq!(task::block_on(outcome.into_handle()), 1);
    /// ```
    pub fn into_handle(self) -> JoinHandle<T> {
        self.handle
    }

    /// Awaits the outcome without consuming this, for races and time limits, like
    /// [`JoinHandle::by_ref`].
    ///
    /// # Errors
    ///
    /// The future returns a [`JoinError`] if the task was cancelled or panicked.
    ///
    /// # Cancel safety
    ///
    /// Dropping it has no effect: you can await this again, and the outcome is not lost.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use reveille::{future, task};
    /// use std::time::Duration;
    ///
    /// task::block_on(async {
    ///     let mut outcome = task::spawn(future::pending::<()>()).result();
    ///     assert!(outcome.by_ref().timeout(Duration::ZERO).await.is_err());
    ///     outcome.into_handle().cancel().await;
    /// });
    /// ```
    pub fn by_ref(&mut self) -> impl Future<Output = Result<T, JoinError>> {
        poll_fn(|cx| self.handle.poll_result(cx))
    }
}

impl<T> Future for JoinResult<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T, JoinError>> {
        self.handle.poll_result(cx)
    }
}

impl<T: fmt::Debug> fmt::Debug for JoinResult<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("JoinResult").field(&self.handle).finish()
    }
}
