//! The join handle: await, cancel, detach on drop.
//!
//! Life of the slot (invariant 4), as seen from here: it is empty and ours; `register` fills it and
//! publishes it; it is reclaimed to be filled again, or to be emptied by the drop; or the task
//! completes and takes it.

use std::fmt;
use std::future::{Future, poll_fn};
use std::marker::PhantomData;
use std::mem::{self, MaybeUninit};
use std::panic::{RefUnwindSafe, UnwindSafe, resume_unwind};
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::{Context, Poll, Waker};

use reveille_primitive::lock::assert_none_held;

use crate::error::JoinError;
use crate::id::{Task, TaskId};
use crate::raw::Raw;
use crate::run::dispose;
use crate::schedule::Cause;
use crate::state::{Detach, Outcome};
use crate::task_ref::TaskRef;

/// Awaits the output of a task.
///
/// Dropping it detaches the task, which goes on without anybody to receive its output.
///
/// # Panics
///
/// Awaiting it resumes a panic of the task. It panics if the task was cancelled, for which there is
/// no output; await [`result`](JoinHandle::result) or [`cancel`](JoinHandle::cancel) instead if
/// that may be.
///
/// # Cancel safety
///
/// `&mut JoinHandle` may be awaited again after an await that was given up; the output is not lost.
/// Races and time limits take [`by_ref`](JoinHandle::by_ref) for that.
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

/// What is special about a handle.
#[derive(Clone, Copy, PartialEq, Eq)]
enum JoinStage {
    Usual,
    /// The executor wants to know of awaits.
    TellsAwaits,
    /// The outcome was given out.
    Taken,
}

/// The right to the output, from which the handle has its auto traits: derived, as the
/// predecessor's are.
struct Claim<T> {
    raw: Raw,
    output: PhantomData<T>,
}

// SAFETY: the handle owns the output after completion (invariant 3) and reads or drops it wherever
// it is; everything else it reaches is for any thread.
unsafe impl<T: Send> Send for Claim<T> {}

// SAFETY: `&JoinHandle` gives a `TaskRef` and never the output.
unsafe impl<T> Sync for Claim<T> {}

impl<T> Unpin for Claim<T> {}

// A panic of the task is passed on, and no output outlives it half made.
impl<T> UnwindSafe for Claim<T> {}
impl<T> RefUnwindSafe for Claim<T> {}

impl<T> JoinHandle<T> {
    /// # Safety
    ///
    /// * The caller gives one reference and the flag JOIN_HANDLE away.
    /// * `T` is the output of the future in the cell.
    pub(crate) unsafe fn new(raw: Raw) -> JoinHandle<T> {
        let claim = Claim { raw, output: PhantomData };
        JoinHandle { claim, stage: JoinStage::Usual }
    }

    /// For the executor that made the task: each await that finds it incomplete calls
    /// [`Schedule::awaited`](crate::Schedule::awaited) from now on.
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

    /// Asks for cancellation and returns at once. The executor drops the future, at the end of the
    /// current poll if there is one. A task that completes first stays as it is.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::{future, task};
    ///
    /// task::block_on(async {
    ///     let task = task::spawn(future::pending::<()>());
    ///     task.abort();
    ///     // Asked for; `result` says when it has happened.
    ///     assert!(task.result().await.unwrap_err().is_cancelled());
    /// });
    /// ```
    pub fn abort(&self) {
        self.claim.raw.cancel();
    }

    /// Cancels the task and waits until its future is dropped. Returns the output if the task had
    /// finished before.
    ///
    /// # Panics
    ///
    /// Resumes a panic of the task, or of the drop of its future.
    ///
    /// # Cancel safety
    ///
    /// Once polled, the task will be cancelled whether or not this is awaited to the end. An output
    /// that was ready is lost.
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
    ///     // What the future held is dropped by now.
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

    /// Awaits the output without giving the handle away, for races and time limits. The task runs
    /// on whether this is awaited or not.
    ///
    /// They refuse `&mut handle`, as they refuse the borrow of any future: one that is not polled
    /// keeps its locks. What a task holds is not held by its handle.
    ///
    /// # Panics
    ///
    /// As the await of the handle.
    ///
    /// # Cancel safety
    ///
    /// Dropping it changes nothing: the handle may be awaited again, and the output is not lost.
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

    /// Awaits the output, or why there is none.
    ///
    /// # Errors
    ///
    /// The future gives a [`JoinError`] if the task was cancelled or panicked.
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
            self.tell(cx.waker());
            if state.outcome().is_none() {
                return Poll::Pending;
            }
        }
        let is_taken = self.stage == JoinStage::Taken;
        assert!(!is_taken, "a JoinHandle was polled after it had returned its output");
        let outcome = state.outcome().expect("only a complete task keeps its joiner from waiting");
        Poll::Ready(self.take(outcome))
    }

    /// Tells the executor that `waker` awaits the task.
    #[cold]
    fn tell(&self, waker: &Waker) {
        // SAFETY: the vtable is of this cell (invariant 6), which this handle keeps.
        unsafe { (self.claim.raw.header().vtable.awaited)(self.claim.raw, waker) };
    }

    /// Sees to it that completion wakes `waker`. `false` if the task is complete.
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
        // User code: the waker may be a foreign one. If it panics, the slot is empty and ours.
        assert_none_held("the clone of a waker");
        let (new, old) = match old {
            Some(old) if old.will_wake(waker) => (old, None),
            old => (waker.clone(), old),
        };
        // SAFETY: the slot is unpublished, so it is ours, and it is empty (invariant 4).
        unsafe { header.attachments.put_waker(new) };
        if header.state.publish_join_waker() {
            // User code again; the slot is as it should be.
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
                // SAFETY: the task is complete, so the output is ours (invariant 3), and `stage`
                // kept it in place until now; `to` has room for it (`new`).
                unsafe { (self.claim.raw.header().vtable.take_output)(self.claim.raw, to) };
                // SAFETY: `take_output` has written it.
                Ok(unsafe { output.assume_init() })
            }
        }
    }

    /// Takes the waker that completion would wake, unless it is too late for that.
    fn reclaim_waker(&mut self) -> Option<Waker> {
        let header = self.claim.raw.header();
        if !header.state.has_join_waker() || !header.state.reclaim_join_waker() {
            return None;
        }
        // SAFETY: the slot was just reclaimed (invariant 4).
        unsafe { header.attachments.take_waker() }
    }

    /// Gives the task up. The slot is empty, or no longer ours.
    fn let_go(&mut self) {
        let state = &self.claim.raw.header().state;
        match state.detach() {
            Detach::Left => return,
            // SAFETY: the rule turned our reference into the `Runnable`'s.
            Detach::Orphan => return unsafe { self.claim.raw.schedule(Cause::Orphan) },
            Detach::Completed => {}
        }
        let outcome = state.outcome().expect("the rule says that the task is complete");
        if mem::replace(&mut self.stage, JoinStage::Taken) != JoinStage::Taken {
            // SAFETY: the task is complete, so the outcome is ours (invariant 3), and `stage` says
            // that it is still there.
            if let Some(payload) = unsafe { dispose(self.claim.raw, outcome) } {
                // SAFETY: the vtable is of this cell (invariant 6).
                unsafe { (self.claim.raw.header().vtable.unread_panic)(self.claim.raw, payload) };
            }
        }
        // SAFETY: the reference is this handle's.
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
        self.let_go();
        // User code comes last: it may panic, and nothing is left to be done then.
        assert_none_held("the drop of a waker");
        drop(waker);
    }
}

impl<T: fmt::Debug> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle").field("task", &task_ref(self)).finish_non_exhaustive()
    }
}

/// The task that `handle` awaits, for as long as this borrow.
///
/// A function, since users of reveille have the methods of a handle and need not see this.
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
/// // What a task weighs is what lives across its awaits.
/// assert!(task_ref(&task).future_size() > 1024);
/// # task::block_on(task);
/// ```
pub fn task_ref<T>(handle: &JoinHandle<T>) -> TaskRef<'_> {
    handle.claim.raw.as_task()
}

/// Awaits the output of a task, or why there is none. Made by [`JoinHandle::result`].
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
///         Err(error) if error.is_cancelled() => println!("was told to stop"),
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
    /// // On second thoughts, a panic should go on here.
    /// assert_eq!(task::block_on(outcome.into_handle()), 1);
    /// ```
    pub fn into_handle(self) -> JoinHandle<T> {
        self.handle
    }

    /// As [`JoinHandle::by_ref`]: awaits the outcome without giving this away, for races and time
    /// limits.
    ///
    /// # Errors
    ///
    /// The future gives a [`JoinError`] if the task was cancelled or panicked.
    ///
    /// # Cancel safety
    ///
    /// Dropping it changes nothing: this may be awaited again, and the outcome is not lost.
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
