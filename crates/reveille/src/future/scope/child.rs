//! A child of a scope, and the handle of its output.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use pin_project_lite::pin_project;
use reveille_runtime::task;

use super::scope_future::Shared;
use crate::task::Cancelled;

/// The slot for a child's output.
struct Slot<T> {
    state: Mutex<State<T>>,
}

struct State<T> {
    output: Option<T>,
    /// Whether the child has ended. If `output` is empty then, there will be no output.
    is_ended: bool,
    waker: Option<Waker>,
}

impl<T> Slot<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The child's end of a slot. If it is dropped without an output, the handle learns that there will
/// be none.
pub(super) struct Sender<T> {
    slot: Arc<Slot<T>>,
}

impl<T> Sender<T> {
    fn send(&self, output: T) {
        self.slot.lock().output = Some(output);
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let waker = {
            let mut state = self.slot.lock();
            state.is_ended = true;
            state.waker.take()
        };
        waker.into_iter().for_each(task::wake);
    }
}

/// Receives the output of a child's future.
pub(super) trait Receive<T> {
    fn receive(&self, output: T);
}

impl<T> Receive<T> for Sender<T> {
    fn receive(&self, output: T) {
        self.send(output);
    }
}

/// For children that may fail: passes an error to the scope.
pub(super) struct TrySender<T, B, E> {
    pub(super) sender: Sender<T>,
    pub(super) scope: Arc<Shared<B, E>>,
}

impl<T, B, E> Receive<Result<T, E>> for TrySender<T, B, E> {
    fn receive(&self, output: Result<T, E>) {
        match output {
            Ok(output) => self.sender.send(output),
            Err(error) => self.scope.fail(error),
        }
    }
}

pin_project! {
    /// A child: a future and the receiver of its output.
    pub(super) struct Child<F, R> {
        // Declared first, so it is dropped before the receiver reports the end of the child.
        #[pin]
        future: F,
        receiver: R,
    }
}

impl<F, R> Child<F, R> {
    pub(super) fn new(future: F, receiver: R) -> Child<F, R> {
        Child { future, receiver }
    }
}

impl<F: Future, R: Receive<F::Output>> Future for Child<F, R> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        let output = ready!(this.future.poll(cx));
        this.receiver.receive(output);
        Poll::Ready(())
    }
}

/// Awaits the output of a child of a [`scope`](super::scope).
///
/// Dropping it changes nothing: the scope still waits for the child, and drops the output.
///
/// # Panics
///
/// Awaiting it panics if the child has ended without an output: either the scope's token was
/// cancelled, or the scope has ended. Only a handle outside the scope can observe the second. Await
/// [`result`](ScopedFuture::result) instead if that can happen.
///
/// # Cancel safety
///
/// `&mut ScopedFuture` may be awaited again, and the output is not lost. Pass
/// [`by_ref`](ScopedFuture::by_ref) to races and time limits.
///
/// # Examples
///
/// ```
/// use reveille::future::{self, ScopedFuture};
/// use reveille::task;
///
/// task::block_on(future::scope(async |s| {
///     let child: ScopedFuture<i32> = s.spawn(async { 1 });
///     assert_eq!(child.await, 1);
/// }));
/// ```
pub struct ScopedFuture<T> {
    slot: Arc<Slot<T>>,
}

/// Makes both ends of a slot.
pub(super) fn slot<T>() -> (Sender<T>, ScopedFuture<T>) {
    let state = State { output: None, is_ended: false, waker: None };
    let slot = Arc::new(Slot { state: Mutex::new(state) });
    (Sender { slot: Arc::clone(&slot) }, ScopedFuture { slot })
}

impl<T> ScopedFuture<T> {
    /// Returns whether the child has ended.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::{future, task};
    ///
    /// task::block_on(future::scope(async |s| {
    ///     let child = s.spawn(async { 1 });
    ///     while !child.is_finished() {
    ///         task::yield_now().await;
    ///     }
    /// }));
    /// ```
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.slot.lock().is_ended
    }

    /// Awaits the output without consuming the handle. Races and time limits, which refuse `&mut
    /// handle`, take this. The scope polls the child whether this is awaited or not.
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
    /// use reveille::{future, task};
    /// use std::time::Duration;
    ///
    /// task::block_on(future::scope(async |s| {
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
    /// [`Cancelled`] if the child has ended without an output.
    ///
    /// # Cancel safety
    ///
    /// Dropping it drops the output. The child keeps running.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::{future, task};
    ///
    /// task::block_on(future::scope(async |s| {
    ///     let child = s.spawn(future::pending::<()>());
    ///     s.token().cancel();
    ///     assert!(child.result().await.is_err());
    /// }));
    /// ```
    pub async fn result(mut self) -> Result<T, Cancelled> {
        std::future::poll_fn(|cx| self.poll_result(cx)).await
    }

    fn poll_result(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, Cancelled>> {
        // The waker is cloned before the lock is taken and the old one is dropped after it is
        // released: both run user code.
        let mut waker = Some(cx.waker().clone());
        let mut state = self.slot.lock();
        if !state.is_ended {
            std::mem::swap(&mut state.waker, &mut waker);
            drop(state);
            return Poll::Pending;
        }
        let output = state.output.take();
        drop(state);
        Poll::Ready(output.ok_or(Cancelled::BY_CALL))
    }
}

impl<T> Future for ScopedFuture<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let result = ready!(self.poll_result(cx));
        Poll::Ready(result.unwrap_or_else(|_| {
            panic!("awaited a child of a scope that has ended without an output")
        }))
    }
}

impl<T> Drop for ScopedFuture<T> {
    fn drop(&mut self) {
        let (output, waker) = {
            let mut state = self.slot.lock();
            (state.output.take(), state.waker.take())
        };
        drop((output, waker));
    }
}

impl<T> fmt::Debug for ScopedFuture<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScopedFuture")
            .field("is_finished", &self.is_finished())
            .finish_non_exhaustive()
    }
}

/// Unwraps the output of a scope that cannot fail.
pub(super) fn infallible<T>(result: Result<T, Infallible>) -> T {
    let Ok(output) = result;
    output
}
