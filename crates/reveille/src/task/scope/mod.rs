//! Scopes: groups of tasks that end before the function that started them.
//!
//! `shared.rs` has the state that the scope, its handles and its children share. `child.rs` has the
//! children. This file has the future that runs the body and waits for the children.

mod child;
mod shared;

use std::convert::Infallible;
use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use reveille_runtime::waits::{self, WaitFor};

pub use child::ScopedJoinHandle;
use child::{Child, call, succeed};
use shared::{Outcome, Shared};

use crate::future::owned::OwnedFuture;
use crate::task::CancellationToken;

/// Adds children to a [`scope`] or a [`try_scope`].
///
/// Clones refer to the same scope, so a child can hold one and add siblings. A handle that is used
/// after the end of the scope starts nothing.
///
/// # Examples
///
/// ```
/// use reveille::task::{self, Scope};
///
/// fn start(scope: &Scope) {
///     scope.spawn(async { println!("before the scope ends") });
/// }
///
/// task::block_on(task::scope(async |s| start(&s)));
/// ```
pub struct Scope<E = Infallible> {
    shared: Arc<Shared<E>>,
}

impl<E: 'static> Scope<E> {
    /// Spawns a child onto the pool, as [`task::spawn`](super::spawn) does.
    ///
    /// If the scope has ended or its token was cancelled, the future is dropped at once.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::task;
    ///
    /// let sum = task::scope(async |s| {
    ///     let one = s.spawn(async { 1 });
    ///     let two = s.spawn(async { 2 });
    ///     one.await + two.await
    /// });
    /// assert_eq!(task::block_on(sum), 3);
    /// ```
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> ScopedJoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
        E: Send,
    {
        let Some(guard) = self.shared.admit() else {
            return ScopedJoinHandle::new(None);
        };
        ScopedJoinHandle::new(Some(super::spawn(Child::new(future, guard))))
    }

    /// Spawns a child that may fail. The first error ends the scope and becomes the error of the
    /// [`try_scope`]: the body is dropped and the other children are cancelled.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::task;
    ///
    /// let sum = task::try_scope(async |s| {
    ///     let one = s.try_spawn(async { "1".parse::<i32>() });
    ///     let two = s.try_spawn(async { "two".parse::<i32>() });
    ///     Ok(one.await + two.await)
    /// });
    /// assert!(task::block_on(sum).is_err());
    /// ```
    #[track_caller]
    pub fn try_spawn<F, T>(&self, future: F) -> ScopedJoinHandle<T>
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
        T: Send + 'static,
        E: Send,
    {
        self.spawn(succeed(Arc::clone(&self.shared), future))
    }

    /// Spawns a child onto this thread, as [`task::spawn_local`](super::spawn_local) does.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::task;
    /// use std::rc::Rc;
    ///
    /// let scope = task::scope(async |s| s.spawn_local(async { Rc::new(1) }).await);
    /// assert_eq!(*task::block_on(scope), 1);
    /// ```
    #[track_caller]
    pub fn spawn_local<F>(&self, future: F) -> ScopedJoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let Some(guard) = self.shared.admit() else {
            return ScopedJoinHandle::new(None);
        };
        ScopedJoinHandle::new(Some(super::spawn_local(Child::new(future, guard))))
    }

    /// Like [`try_spawn`](Scope::try_spawn), onto this thread.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::task;
    ///
    /// let result = task::block_on(task::try_scope(async |s| {
    ///     s.try_spawn_local(async { Err::<(), _>("no") });
    ///     std::future::pending::<Result<(), _>>().await
    /// }));
    /// assert_eq!(result, Err("no"));
    /// ```
    #[track_caller]
    pub fn try_spawn_local<F, T>(&self, future: F) -> ScopedJoinHandle<T>
    where
        F: Future<Output = Result<T, E>> + 'static,
        T: 'static,
    {
        self.spawn_local(succeed(Arc::clone(&self.shared), future))
    }

    /// Runs a closure that may block as a child; see
    /// [`task::spawn_blocking`](super::spawn_blocking).
    ///
    /// A thread cannot be stopped from outside, so the scope waits for the closure. The closure
    /// receives the scope's token and should check it. A closure that has not started when the
    /// token is cancelled never runs.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::task;
    ///
    /// task::block_on(task::scope(async |s| {
    ///     let steps = s.spawn_blocking(|token| {
    ///         let mut steps = 0_u64;
    ///         while !token.is_cancelled() {
    ///             steps += 1;
    ///         }
    ///         steps
    ///     });
    ///     s.token().cancel();
    ///     let _ = steps.result().await;
    /// }));
    /// ```
    #[track_caller]
    pub fn spawn_blocking<F, T>(&self, f: F) -> ScopedJoinHandle<T>
    where
        F: FnOnce(CancellationToken) -> T + Send + 'static,
        T: Send + 'static,
        E: Send,
    {
        let Some(guard) = self.shared.admit() else {
            return ScopedJoinHandle::new(None);
        };
        let token = self.shared.token.clone();
        let place = Location::caller();
        let handle = super::spawn_blocking(move || call(&guard, place, move || f(token)));
        ScopedJoinHandle::new(Some(handle))
    }
}

impl<E> Scope<E> {
    /// Returns the scope's token. Cancelling it cancels the children, but not the body. The token
    /// is cancelled when the scope ends, for any reason.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::task;
    ///
    /// let token = task::block_on(task::scope(async |s| {
    ///     s.spawn(std::future::pending::<()>());
    ///     // The work is done; without this the scope would wait for the ticker.
    ///     s.token().cancel();
    ///     s.token().clone()
    /// }));
    /// assert!(token.is_cancelled());
    /// ```
    #[must_use]
    pub fn token(&self) -> &CancellationToken {
        &self.shared.token
    }

    /// Cancels all children, and waits until their futures are dropped and their closures have
    /// returned. It may be called from anywhere, even after the scope was dropped. No further child
    /// is started.
    ///
    /// A child that calls this cancels itself too, and is dropped here.
    ///
    /// # Cancel safety
    ///
    /// Once it has been polled, the children will be cancelled, even if the future is dropped then.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use reveille::{channel, task};
    ///
    /// task::block_on(async {
    ///     let (sender, handles) = channel::bounded(1);
    ///     let scope = task::scope(async |s| {
    ///         s.spawn(std::future::pending::<()>());
    ///         sender.send(s).await.expect("the receiver is alive");
    ///     });
    ///     // The scope loses the race and is dropped: its children are cancelled ...
    ///     scope.race(task::sleep(std::time::Duration::from_millis(1))).await;
    ///     // ... and here they are gone.
    ///     handles.recv().await.expect("it was sent").shutdown().await;
    /// });
    /// ```
    pub async fn shutdown(&self) {
        self.shared.token.cancel();
        self.shared.close();
        self.shared.ended.cancelled().await;
    }
}

impl<E> Clone for Scope<E> {
    fn clone(&self) -> Scope<E> {
        Scope { shared: Arc::clone(&self.shared) }
    }
}

impl<E> fmt::Debug for Scope<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").field("token", self.token()).finish_non_exhaustive()
    }
}

/// Runs an asynchronous closure and waits for every task that it starts in its scope.
///
/// Children are tasks: they run concurrently on the pool, on this thread, or on a blocking thread,
/// and own what they use. [`future::scope`](crate::future::scope) has children that borrow. The
/// scope is ready when the body and all children are. A child may start siblings until then.
///
/// The returned future does nothing until it is awaited.
///
/// # Panics
///
/// A panic of a child is a panic of the scope, whether the child is awaited or not: the body is
/// dropped, the other children are cancelled, and when all of them have ended, the await of the
/// scope resumes the panic. A panic of the body is handled in the same way. Further panics are
/// reported to the hook for unhandled panics.
///
/// # Cancel safety
///
/// Dropping the scope drops the body and *requests* cancellation of the children without waiting.
/// Each child is dropped by its executor, at its next turn or at the end of its current poll; a
/// blocking closure runs until it checks its token or returns. [`Scope::shutdown`] waits for all of
/// that. A panic that occurs after the drop is reported to the hook. Children on this thread are
/// dropped when the thread is next in [`block_on`](super::block_on), or when it ends.
///
/// If a scope is forgotten ([`std::mem::forget`]), its children keep running.
///
/// # Examples
///
/// ```
/// use reveille::task;
///
/// async fn sum_of_squares(numbers: Vec<u64>) -> u64 {
///     task::scope(async |s| {
///         let square = |n| s.spawn(async move { n * n });
///         let squares: Vec<_> = numbers.into_iter().map(square).collect();
///         let mut sum = 0;
///         for square in squares {
///             sum += square.await;
///         }
///         sum
///     })
///     .await
/// }
///
/// assert_eq!(task::block_on(sum_of_squares(vec![1, 2, 3])), 14);
/// ```
#[doc(alias("TaskGroup", "TaskTracker", "nursery"))]
pub async fn scope<F, Fut>(f: F) -> Fut::Output
where
    F: FnOnce(Scope) -> Fut,
    Fut: Future,
{
    let mut tasks = pin!(Tasks::<_, _, Infallible>::new(f));
    let Ok(output) = poll_fn(|cx| tasks.as_mut().poll_end(cx, Ok)).await;
    output
}

/// Like [`scope`], but ends when the body or a child fails.
///
/// # Errors
///
/// Returns the first error of the body or of a child started by [`Scope::try_spawn`]. The body is
/// then dropped and the other children are cancelled. The error is returned when all of them have
/// ended.
///
/// # Panics
///
/// Panics as [`scope`] does. A panic takes precedence over an error.
///
/// # Cancel safety
///
/// As for [`scope`].
///
/// # Examples
///
/// ```
/// use reveille::task;
///
/// let result = task::block_on(task::try_scope(async |s| {
///     s.spawn(std::future::pending::<()>());
///     s.try_spawn(async { Err::<(), _>("no") });
///     std::future::pending::<Result<(), _>>().await
/// }));
/// assert_eq!(result, Err("no"));
/// ```
pub async fn try_scope<F, Fut, T, E, NotBorrowed>(f: F) -> Result<T, E>
where
    F: FnOnce(Scope<E>) -> Fut,
    Fut: Future<Output = Result<T, E>> + OwnedFuture<NotBorrowed>,
{
    let mut tasks = pin!(Tasks::new(f));
    poll_fn(|cx| tasks.as_mut().poll_end(cx, |output| output.map(Ok))).await?
}

/// Abandons the scope when its future is dropped.
struct Owner<E>(Arc<Shared<E>>);

impl<E> Drop for Owner<E> {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

pin_project! {
    /// Runs the body and waits for the children.
    struct Tasks<F, Fut: Future, E> {
        // The closure that makes the body. Taken by the first poll.
        start: Option<F>,
        #[pin]
        body: Option<Fut>,
        output: Option<Fut::Output>,
        is_body_done: bool,
        // Last: the drop of the body may still use the scope.
        owner: Owner<E>,
    }
}

impl<F, Fut: Future, E> Tasks<F, Fut, E> {
    fn new(start: F) -> Tasks<F, Fut, E> {
        let owner = Owner(Arc::new(Shared::new()));
        Tasks { start: Some(start), body: None, output: None, is_body_done: false, owner }
    }
}

impl<F, Fut, E> Tasks<F, Fut, E>
where
    F: FnOnce(Scope<E>) -> Fut,
    Fut: Future,
{
    /// Polls the body unless the scope has failed. `judge` separates errors from outputs.
    fn poll_body(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        judge: impl FnOnce(Fut::Output) -> Result<Fut::Output, E>,
    ) {
        let mut this = self.project();
        let shared = &this.owner.0;
        let polled = catch_unwind(AssertUnwindSafe(|| {
            if shared.has_failed() {
                return Poll::Ready(None);
            }
            if let Some(start) = this.start.take() {
                this.body.set(Some(start(Scope { shared: Arc::clone(shared) })));
            }
            let body = this.body.as_mut().as_pin_mut();
            body.expect("it was started, and is not done").poll(cx).map(Some)
        }));
        match polled {
            Ok(Poll::Pending) => return,
            Ok(Poll::Ready(output)) => match output.map(judge).transpose() {
                Ok(output) => *this.output = output,
                Err(error) => shared.failed(error),
            },
            Err(payload) => shared.panicked(payload),
        }
        *this.is_body_done = true;
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| this.body.set(None))) {
            shared.panicked(payload);
        }
        shared.close();
    }

    /// Returns the body's output or the error, or resumes a panic.
    fn poll_end(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        judge: impl FnOnce(Fut::Output) -> Result<Fut::Output, E>,
    ) -> Poll<Result<Fut::Output, E>> {
        self.owner.0.listen(cx.waker());
        waits::note_scope(cx.waker(), Arc::as_ptr(&self.owner.0).addr());
        if !self.is_body_done {
            self.as_mut().poll_body(cx, judge);
        }
        if !self.is_body_done {
            // The scope may have no children and be closed to new ones after a call of `shutdown`.
            return Poll::Pending;
        }
        let this = self.project();
        let Some(outcome) = this.owner.0.outcome() else {
            waits::note(cx.waker(), || WaitFor::Named("the tasks of its scope"));
            return Poll::Pending;
        };
        match outcome {
            Outcome::Panicked(payload) => resume_unwind(payload),
            Outcome::Failed(error) => Poll::Ready(Err(error)),
            Outcome::Fine => {
                let output = this.output.take().expect("a scope was polled after it was ready");
                Poll::Ready(Ok(output))
            }
        }
    }
}
