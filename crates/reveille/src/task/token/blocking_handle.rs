//! The handle of a blocking closure, for a waiter that may stop waiting.
//!
//! `phase.rs` decides which side owns the result. If the waiter has left, the closure's thread
//! drops the result on the pool. If the waiter wants to leave but the result exists, the waiter
//! stays: the pool's thread is about to deliver it.

use std::fmt;
use std::future::Future;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use reveille_runtime::JoinResult;

use super::phase::Phase;
use super::{CancellationToken, Cancelled, CancelledFuture, DropGuard};

/// Awaits the result of a blocking closure until a token is cancelled. Created by
/// [`CancellationToken::spawn_blocking`].
///
/// # Examples
///
/// ```
/// use reveille::task::{self, CancellationToken, BlockingHandle};
///
/// let sum: BlockingHandle<u32> = CancellationToken::new().spawn_blocking(|_| (1..10).sum());
/// assert_eq!(task::block_on(sum), Ok(45));
/// ```
#[must_use = "dropping it cancels the closure's token"]
pub struct BlockingHandle<T> {
    /// `None` once the wait is over.
    result: Option<JoinResult<Option<T>>>,
    cancelled: CancelledFuture,
    phase: Arc<Phase>,
    /// The token was cancelled after the closure had its result.
    is_late: bool,
    /// Cancels the closure's token when this handle is dropped.
    guard: DropGuard,
}

impl<T: Send + 'static> BlockingHandle<T> {
    #[track_caller]
    pub(super) fn spawn<F>(token: CancellationToken, f: F) -> BlockingHandle<T>
    where
        F: FnOnce(CancellationToken) -> T + Send + 'static,
    {
        let phase = Arc::new(Phase::new());
        let guard = token.clone().drop_guard();
        let cancelled = token.cancelled();
        let its_phase = Arc::clone(&phase);
        let handle = reveille_runtime::spawn_blocking(move || {
            let result = f(token);
            its_phase.done().then_some(result)
        });
        BlockingHandle { result: Some(handle.result()), cancelled, phase, is_late: false, guard }
    }
}

impl<T> Future for BlockingHandle<T> {
    type Output = Result<T, Cancelled>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let result = self.result.as_mut().expect("a blocking handle was polled after it was ready");
        if let Poll::Ready(result) = Pin::new(result).poll(cx) {
            self.result = None;
            return Poll::Ready(match result {
                Ok(value) => value.ok_or(Cancelled::BY_CALL),
                Err(error) => match error.try_into_panic() {
                    Ok(payload) => resume_unwind(payload),
                    // The runtime was shut down before the closure started.
                    Err(_) => Err(Cancelled::BY_CALL),
                },
            });
        }
        if self.is_late {
            return Poll::Pending;
        }
        let cancelled = ready!(Pin::new(&mut self.cancelled).poll(cx));
        if self.phase.leave() {
            self.is_late = true;
            return Poll::Pending;
        }
        if let Some(result) = self.result.take() {
            result.into_handle().abort();
        }
        Poll::Ready(Err(cancelled))
    }
}

impl<T> Drop for BlockingHandle<T> {
    fn drop(&mut self) {
        self.phase.leave();
    }
}

impl<T: fmt::Debug> fmt::Debug for BlockingHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockingHandle")
            .field("result", &self.result)
            .field("token", &self.guard)
            .finish_non_exhaustive()
    }
}
