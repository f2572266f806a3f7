//! A child of a scope, which is a task that reports its end to the scope, and the handle of its
//! output.

use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use reveille_runtime::waits;

use super::shared::{ChildGuard, SCOPE_FAILED, Shared};
use crate::task::{Cancelled, CancelledFuture, JoinHandle, TaskId};

/// Why a child has no output.
#[derive(Debug)]
pub(super) enum NoOutput {
    /// It was cancelled, alone or with the scope.
    Cancelled,
    /// The scope has failed. A task inside the scope that awaits this is about to be dropped.
    ScopeFailed,
}

/// The output of a child's task.
pub(super) type Output<T> = Result<T, NoOutput>;

/// Returns why a child of `shared` that ends now has no output.
pub(super) fn no_output<E>(shared: &Shared<E>) -> NoOutput {
    match shared.has_failed() {
        true => NoOutput::ScopeFailed,
        false => NoOutput::Cancelled,
    }
}

pin_project! {
    /// The future of a child's task. It ends when the scope's token is cancelled.
    pub(super) struct Child<F, E> {
        #[pin]
        future: Option<F>,
        cancelled: CancelledFuture,
        // Last: the scope is notified after the future has been dropped.
        guard: ChildGuard<E>,
    }

    impl<F, E> PinnedDrop for Child<F, E> {
        fn drop(this: Pin<&mut Self>) {
            this.drop_future();
        }
    }
}

impl<F, E> Child<F, E> {
    pub(super) fn new(future: F, guard: ChildGuard<E>) -> Child<F, E> {
        let cancelled = guard.shared.token.cancelled();
        Child { future: Some(future), cancelled, guard }
    }

    /// Drops the future. A panic in that drop counts as a panic of the scope.
    fn drop_future(self: Pin<&mut Self>) {
        let mut this = self.project();
        let dropped = catch_unwind(AssertUnwindSafe(|| this.future.set(None)));
        if let Err(payload) = dropped {
            this.guard.shared.panicked(payload);
        }
    }
}

impl<F: Future, E> Future for Child<F, E> {
    type Output = Output<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.as_mut().project();
        waits::note_member(cx.waker(), Arc::as_ptr(&this.guard.shared).addr());
        let mut result = Err(NoOutput::Cancelled);
        if Pin::new(this.cancelled).poll(cx).is_pending() {
            let future = this.future.as_pin_mut().expect("a child was polled after it was ready");
            match catch_unwind(AssertUnwindSafe(|| future.poll(cx))) {
                Ok(output) => result = Ok(ready!(output)),
                Err(payload) => this.guard.shared.panicked(payload),
            }
        }
        self.as_mut().drop_future();
        Poll::Ready(result.map_err(|_| no_output(&self.guard.shared)))
    }
}

/// The body of a child that may fail: passes an error to the scope and then waits to be dropped.
pub(super) async fn succeed<T, E>(
    shared: Arc<Shared<E>>,
    future: impl Future<Output = Result<T, E>>,
) -> T {
    match future.await {
        Ok(output) => output,
        Err(error) => {
            shared.failed(error);
            std::future::pending().await
        }
    }
}

/// Calls the closure of a blocking child.
pub(super) fn call<T, E>(
    guard: &ChildGuard<E>,
    place: &'static Location<'static>,
    f: impl FnOnce() -> T,
) -> Output<T> {
    let shared = &guard.shared;
    if shared.token.is_cancelled() {
        let dropped = catch_unwind(AssertUnwindSafe(|| drop(f)));
        if let Err(payload) = dropped {
            shared.panicked_at(Some(place), payload);
        }
        return Err(no_output(shared));
    }
    catch_unwind(AssertUnwindSafe(f)).map_err(|payload| {
        shared.panicked_at(Some(place), payload);
        NoOutput::ScopeFailed
    })
}

/// Awaits the output of a child of a [`scope`](super::scope).
///
/// Dropping it changes nothing: the scope still waits for the child.
///
/// # Panics
///
/// Awaiting it panics if the child was cancelled, alone or with the scope; await
/// [`result`](ScopedJoinHandle::result) if that can happen. If the child has panicked, or the scope
/// has failed, a task inside the scope that awaits the handle is dropped; elsewhere, the await
/// panics.
///
/// # Cancel safety
///
/// `&mut ScopedJoinHandle` may be awaited again, and the output is not lost. Pass
/// [`by_ref`](ScopedJoinHandle::by_ref) to races and time limits.
///
/// # Examples
///
/// ```
/// use reveille::task::{self, ScopedJoinHandle};
///
/// task::block_on(task::scope(async |s| {
///     let child: ScopedJoinHandle<i32> = s.spawn(async { 1 });
///     assert_eq!(child.await, 1);
/// }));
/// ```
pub struct ScopedJoinHandle<T> {
    /// `None` for a child that was not admitted, and after the output was taken.
    handle: Option<JoinHandle<Output<T>>>,
}

impl<T> ScopedJoinHandle<T> {
    pub(super) fn new(handle: Option<JoinHandle<Output<T>>>) -> ScopedJoinHandle<T> {
        ScopedJoinHandle { handle }
    }

    /// Requests cancellation of this child and returns at once.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::task;
    ///
    /// task::block_on(task::scope(async |s| {
    ///     let child = s.spawn(std::future::pending::<()>());
    ///     child.abort();
    ///     assert!(child.result().await.is_err());
    /// }));
    /// ```
    pub fn abort(&self) {
        self.handle.iter().for_each(JoinHandle::abort);
    }

    /// Returns whether the child has ended.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::task;
    ///
    /// task::block_on(task::scope(async |s| {
    ///     let child = s.spawn(async {});
    ///     while !child.is_finished() {
    ///         task::yield_now().await;
    ///     }
    /// }));
    /// ```
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.handle.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Returns the id of the child's task. `None` if the child was not started because the scope
    /// had ended.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::task;
    ///
    /// task::block_on(task::scope(async |s| {
    ///     assert!(s.spawn(async {}).id().is_some());
    /// }));
    /// ```
    #[must_use]
    pub fn id(&self) -> Option<TaskId> {
        self.handle.as_ref().map(JoinHandle::id)
    }

    /// Awaits the output without consuming the handle. Races and time limits, which refuse `&mut
    /// handle`, take this. The child runs whether this is awaited or not.
    ///
    /// # Panics
    ///
    /// Panics when awaiting the handle would.
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
    /// task::block_on(task::scope(async |s| {
    ///     let mut child = s.spawn(task::sleep(Duration::from_millis(5)));
    ///     while child.by_ref().timeout(Duration::from_millis(1)).await.is_err() {
    ///         println!("it takes a while");
    ///     }
    /// }));
    /// ```
    pub fn by_ref(&mut self) -> impl Future<Output = T> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll(cx))
    }

    /// Awaits the output, or an error if there is none.
    ///
    /// # Errors
    ///
    /// [`Cancelled`] if the child was cancelled, alone or with the scope.
    ///
    /// # Cancel safety
    ///
    /// Dropping it drops the output. The child keeps running.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::task;
    ///
    /// task::block_on(task::scope(async |s| {
    ///     let child = s.spawn(std::future::pending::<()>());
    ///     s.token().cancel();
    ///     assert!(child.result().await.is_err());
    /// }));
    /// ```
    pub async fn result(mut self) -> Result<T, Cancelled> {
        let output = std::future::poll_fn(|cx| self.poll_output(cx)).await;
        output.map_err(|_| Cancelled::BY_CALL)
    }

    fn poll_output(&mut self, cx: &mut Context<'_>) -> Poll<Output<T>> {
        let Some(handle) = self.handle.take() else {
            return Poll::Ready(Err(NoOutput::Cancelled));
        };
        let mut result = handle.result();
        match Pin::new(&mut result).poll(cx) {
            Poll::Pending => {
                self.handle = Some(result.into_handle());
                Poll::Pending
            }
            Poll::Ready(Ok(output)) => Poll::Ready(output),
            // Only this child was aborted: a panic is caught in the child and passed to the scope.
            Poll::Ready(Err(_)) => Poll::Ready(Err(NoOutput::Cancelled)),
        }
    }
}

impl<T> Future for ScopedJoinHandle<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        match ready!(self.poll_output(cx)) {
            Ok(output) => Poll::Ready(output),
            // Without the panic hook: the original panic or error has already been reported.
            Err(NoOutput::ScopeFailed) => resume_unwind(Box::new(SCOPE_FAILED)),
            Err(NoOutput::Cancelled) => panic!(
                "awaited a child of a scope that was cancelled: it has no output; await \
                 `ScopedJoinHandle::result` if it may be cancelled"
            ),
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for ScopedJoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ScopedJoinHandle").field(&self.handle).finish()
    }
}
