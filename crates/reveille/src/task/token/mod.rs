//! Cancellation tokens, their deadlines, and the futures that run under them.
//!
//! `tree.rs` has the tree of tokens and their waiters. `blocking_handle.rs` has the handle of a
//! blocking closure whose wait can be cancelled, and `phase.rs` the flag by which the two sides
//! agree.
//!
//! *Rejected:* a timer task per deadline, which would have to be found and ended when the token is
//! dropped. A deadline is a number that each waiter and each check compares with the clock.

mod blocking_handle;
mod phase;
mod tree;

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use pin_project_lite::pin_project;
use reveille_runtime::time::{self, Sleep};

use crate::future::owned::OwnedFuture;
use crate::future::warn_if_borrowed;
pub use blocking_handle::BlockingHandle;
use tree::{CancelReason, Node, Waiting};

/// Signals any number of futures and threads to stop.
///
/// Clones are the same token. A [`child`](CancellationToken::child) is cancelled with its parent,
/// but not the other way round, and may have a deadline. Dropping a token cancels nothing;
/// [`drop_guard`](CancellationToken::drop_guard) does that.
///
/// A future that is awaited under [`run`](CancellationToken::run) ends when the token is cancelled
/// or its deadline passes: a sleep, a read from a socket, the result of a blocking closure
/// ([`spawn_blocking`](CancellationToken::spawn_blocking)). It ends by being dropped, so what it
/// loses is described under its *Cancel safety*.
///
/// Creating a child, dropping one, and waiting take constant time, however many children and
/// waiters there are.
///
/// # Examples
///
/// ```
/// use reveille::task::{self, CancellationToken};
/// use std::time::Duration;
///
/// task::block_on(async {
///     let token = CancellationToken::new();
///     let worker = task::spawn({
///         let token = token.clone();
///         async move { token.run(task::sleep(Duration::from_secs(3600))).await }
///     });
///     token.cancel();
///     assert!(worker.await.is_err());
/// });
/// ```
#[derive(Clone)]
#[doc(alias("StopSource", "StopToken", "Abortable"))]
pub struct CancellationToken {
    node: Arc<Node>,
}

impl CancellationToken {
    /// Creates a token without a parent and without a deadline.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::task::CancellationToken;
    ///
    /// assert!(!CancellationToken::new().is_cancelled());
    /// ```
    #[must_use]
    pub fn new() -> CancellationToken {
        CancellationToken { node: Arc::new(Node::root()) }
    }

    /// Creates a token that is cancelled with this one.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::task::CancellationToken;
    ///
    /// let server = CancellationToken::new();
    /// let (one, two) = (server.child(), server.child());
    /// one.cancel();
    /// assert!(one.is_cancelled() && !two.is_cancelled() && !server.is_cancelled());
    /// server.cancel();
    /// assert!(two.is_cancelled());
    /// ```
    #[must_use]
    pub fn child(&self) -> CancellationToken {
        CancellationToken { node: self.node.child(None) }
    }

    /// Creates a child that is also cancelled when `deadline` has passed. An earlier deadline of
    /// this token still applies.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::task::{self, CancellationToken};
    /// use std::time::{Duration, Instant};
    ///
    /// let deadline = Instant::now() + Duration::from_millis(5);
    /// let token = CancellationToken::new().with_deadline(deadline);
    /// let error = task::block_on(token.run(std::future::pending::<()>())).unwrap_err();
    /// assert!(error.is_timeout());
    /// ```
    #[must_use]
    pub fn with_deadline(&self, deadline: Instant) -> CancellationToken {
        CancellationToken { node: self.node.child(Some(deadline)) }
    }

    /// Creates a child that is also cancelled after `timeout`, counted from this call. A timeout
    /// that is too long for the clock never ends.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::task::CancellationToken;
    /// use std::time::Duration;
    ///
    /// let token = CancellationToken::new();
    /// assert!(token.with_timeout(Duration::ZERO).is_cancelled());
    /// assert!(!token.with_timeout(Duration::MAX).is_cancelled());
    /// ```
    #[must_use]
    pub fn with_timeout(&self, timeout: Duration) -> CancellationToken {
        CancellationToken { node: self.node.child(time::now().checked_add(timeout)) }
    }

    /// Returns the time at which the token is cancelled at the latest: the earliest of its own
    /// deadline and those of its ancestors.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::task::CancellationToken;
    /// use std::time::{Duration, Instant};
    ///
    /// let soon = Instant::now() + Duration::from_secs(1);
    /// let token = CancellationToken::new().with_deadline(soon);
    /// assert_eq!(token.with_timeout(Duration::from_secs(60)).deadline(), Some(soon));
    /// ```
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.node.deadline()
    }

    /// Cancels the token and all its descendants, and wakes their waiters.
    ///
    /// When it returns, all of them are cancelled, except those that another thread is cancelling
    /// at this moment. Further calls do nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::task::CancellationToken;
    ///
    /// let token = CancellationToken::new();
    /// let grandchild = token.child().child();
    /// token.cancel();
    /// assert!(grandchild.is_cancelled());
    /// ```
    pub fn cancel(&self) {
        self.node.cancel();
    }

    /// Returns whether the token was cancelled or its deadline has passed. Computations and
    /// blocking closures call this from time to time.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::task::CancellationToken;
    ///
    /// let token = CancellationToken::new();
    /// token.cancel();
    /// assert!(token.is_cancelled());
    /// ```
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.node.ended().is_some()
    }

    /// Returns an error if the token is cancelled, for use with `?`.
    ///
    /// # Errors
    ///
    /// [`Cancelled`] if [`is_cancelled`](CancellationToken::is_cancelled).
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::task::{CancellationToken, Cancelled};
    ///
    /// fn sum(numbers: &[u64], token: &CancellationToken) -> Result<u64, Cancelled> {
    ///     let mut sum = 0;
    ///     for part in numbers.chunks(1000) {
    ///         token.check()?;
    ///         sum += part.iter().sum::<u64>();
    ///     }
    ///     Ok(sum)
    /// }
    ///
    /// let token = CancellationToken::new();
    /// assert_eq!(sum(&[1, 2, 3], &token), Ok(6));
    /// token.cancel();
    /// assert!(sum(&[1, 2, 3], &token).is_err());
    /// ```
    pub fn check(&self) -> Result<(), Cancelled> {
        self.node.ended().map_or(Ok(()), |reason| Err(Cancelled { reason }))
    }

    /// Waits until the token is cancelled or its deadline passes, and returns which it was.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future removes it from the token.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::task::{self, CancellationToken};
    ///
    /// let token = CancellationToken::new();
    /// let waiter = task::spawn(token.cancelled());
    /// token.cancel();
    /// assert!(!task::block_on(waiter).is_timeout());
    /// ```
    pub fn cancelled(&self) -> CancelledFuture {
        let sleep = self.node.deadline().map(Sleep::until);
        CancelledFuture { waiting: Waiting::new(Arc::clone(&self.node)), sleep }
    }

    /// Awaits `future` until the token is cancelled.
    ///
    /// Each poll checks the token first: if it is already cancelled, the future is not polled at
    /// all.
    ///
    /// This takes the future itself: a borrow, `&mut future`, does not compile, because the future
    /// would then stay unpolled. [Why?](crate::future#futures-that-are-not-polled)
    ///
    /// # Errors
    ///
    /// [`Cancelled`] if the token was cancelled or its deadline passed. The future is dropped
    /// before the error is returned. [`Cancelled`] converts into an [`io::Error`], so `??` passes
    /// on both errors of an I/O operation.
    ///
    /// # Cancel safety
    ///
    /// Dropping this future drops the one inside.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::io;
    /// use reveille::net::TcpListener;
    /// use reveille::task::{self, CancellationToken};
    /// use std::time::Duration;
    ///
    /// # fn main() -> io::Result<()> {
    /// task::block_on(async {
    ///     let listener = TcpListener::bind("127.0.0.1:0").await?;
    ///     let token = CancellationToken::new().with_timeout(Duration::from_millis(5));
    ///     let accept = async { io::Result::Ok(token.run(listener.accept()).await??) };
    ///     assert_eq!(accept.await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    ///     Ok(())
    /// })
    /// # }
    /// ```
    #[doc(alias("run_until_cancelled", "with_cancellation_token"))]
    pub fn run<F, NotBorrowed>(&self, future: F) -> Run<F>
    where
        F: OwnedFuture<NotBorrowed>,
    {
        Run { future: Some(future), cancelled: self.cancelled() }
    }

    /// Like [`run`](CancellationToken::run), with one error type for both: the future's, or
    /// [`Cancelled`] converted into it.
    ///
    /// # Errors
    ///
    /// The error of the future or that of the token. As an [`io::Error`], the latter has the kind
    /// [`TimedOut`](io::ErrorKind::TimedOut) after a deadline and [`Other`](io::ErrorKind::Other)
    /// otherwise, and contains [`Cancelled`] ([`get_ref`](io::Error::get_ref)).
    ///
    /// # Cancel safety
    ///
    /// Dropping this future drops the one inside.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::net::UdpSocket;
    /// use reveille::task::{self, CancellationToken, Cancelled};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// task::block_on(async {
    ///     let socket = UdpSocket::bind("127.0.0.1:0").await?;
    ///     let token = CancellationToken::new();
    ///     token.cancel();
    ///     let error = token.try_run(socket.recv(&mut [0; 8])).await.unwrap_err();
    ///     assert!(error.get_ref().is_some_and(|inside| inside.is::<Cancelled>()));
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub async fn try_run<F, T, E, NotBorrowed>(&self, future: F) -> Result<T, E>
    where
        F: Future<Output = Result<T, E>> + OwnedFuture<NotBorrowed>,
        E: From<Cancelled>,
    {
        self.run(future).await?
    }

    /// Like [`run`](CancellationToken::run), but returns `None` instead of a reason.
    ///
    /// # Cancel safety
    ///
    /// Dropping this future drops the one inside.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::task::{self, CancellationToken};
    ///
    /// let token = CancellationToken::new();
    /// assert_eq!(task::block_on(token.run_until_cancelled(async { 1 })), Some(1));
    /// token.cancel();
    /// assert_eq!(task::block_on(token.run_until_cancelled(async { 1 })), None);
    /// ```
    pub async fn run_until_cancelled<F, NotBorrowed>(&self, future: F) -> Option<F::Output>
    where
        F: OwnedFuture<NotBorrowed>,
    {
        self.run(future).await.ok()
    }

    /// Runs a closure that may block, as [`task::spawn_blocking`](super::spawn_blocking) does, and
    /// waits for its result until the token is cancelled.
    ///
    /// A thread cannot be stopped from outside. The closure receives a child of the token and
    /// should check it. The await of the result ends as soon as the token is cancelled. A closure
    /// that has not started by then never runs. The result of a closure that has started is dropped
    /// on its own thread.
    ///
    /// # Errors
    ///
    /// [`Cancelled`] if the token was cancelled, or its deadline passed, before there was a result.
    /// A result that is already there is returned even then.
    ///
    /// # Panics
    ///
    /// Awaiting it resumes a panic of the closure.
    ///
    /// # Cancel safety
    /// Dropping the future cancels the closure's token. A running closure is not interrupted.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::task::{self, CancellationToken};
    /// use std::time::Duration;
    ///
    /// let token = CancellationToken::new().with_timeout(Duration::from_millis(5));
    /// let search = token.spawn_blocking(|token| {
    ///     let mut steps = 0_u64;
    ///     while !token.is_cancelled() {
    ///         steps += 1;
    ///     }
    ///     steps
    /// });
    /// match task::block_on(search) {
    ///     Ok(steps) => println!("it took notice after {steps} steps"),
    ///     Err(cancelled) => println!("{cancelled}; the wait was over"),
    /// }
    /// ```
    #[track_caller]
    #[doc(alias = "unblock")]
    pub fn spawn_blocking<F, T>(&self, f: F) -> BlockingHandle<T>
    where
        F: FnOnce(CancellationToken) -> T + Send + 'static,
        T: Send + 'static,
    {
        BlockingHandle::spawn(self.child(), f)
    }

    /// Returns a guard that cancels the token when it is dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::task::CancellationToken;
    ///
    /// let token = CancellationToken::new();
    /// {
    ///     let _guard = token.clone().drop_guard();
    /// }
    /// assert!(token.is_cancelled());
    /// ```
    #[must_use = "dropping the guard cancels the token"]
    pub fn drop_guard(self) -> DropGuard {
        DropGuard { token: Some(self) }
    }
}

impl Default for CancellationToken {
    fn default() -> CancellationToken {
        CancellationToken::new()
    }
}

impl fmt::Debug for CancellationToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancellationToken")
            .field("is_cancelled", &self.is_cancelled())
            .field("deadline", &self.deadline())
            .finish()
    }
}

/// Cancels its token when it is dropped. Created by [`CancellationToken::drop_guard`].
///
/// # Examples
///
/// ```
/// use reveille::task::{CancellationToken, DropGuard};
///
/// let token = CancellationToken::new();
/// let guard: DropGuard = token.clone().drop_guard();
/// drop(guard);
/// assert!(token.is_cancelled());
/// ```
#[derive(Debug)]
#[must_use = "dropping the guard cancels the token"]
pub struct DropGuard {
    /// `None` once it is disarmed.
    token: Option<CancellationToken>,
}

impl DropGuard {
    /// Returns the token without cancelling it.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::task::CancellationToken;
    ///
    /// let guard = CancellationToken::new().drop_guard();
    /// assert!(!guard.disarm().is_cancelled());
    /// ```
    pub fn disarm(mut self) -> CancellationToken {
        self.token.take().expect("a guard is disarmed once, by value")
    }
}

impl Drop for DropGuard {
    fn drop(&mut self) {
        if let Some(token) = &self.token {
            token.cancel();
        }
    }
}

/// The error of an operation that was cancelled by a token.
///
/// Its text is `cancelled by its token`, or after a deadline
/// `cancelled by its token: the deadline has passed`.
///
/// # Examples
///
/// ```
/// use reveille::task::CancellationToken;
/// use std::io;
///
/// let token = CancellationToken::new();
/// token.cancel();
/// let error = token.check().unwrap_err();
/// assert_eq!(error.to_string(), "cancelled by its token");
/// assert_eq!(io::Error::from(error).kind(), io::ErrorKind::Other);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Cancelled {
    reason: CancelReason,
}

impl Cancelled {
    /// Cancelled by a call, not by a deadline.
    pub(crate) const BY_CALL: Cancelled = Cancelled { reason: CancelReason::Cancelled };

    /// Returns whether a deadline has passed. False if [`cancel`](CancellationToken::cancel) was
    /// called.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::task::CancellationToken;
    /// use std::time::Duration;
    ///
    /// let token = CancellationToken::new().with_timeout(Duration::ZERO);
    /// assert!(token.check().unwrap_err().is_timeout());
    /// ```
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        self.reason == CancelReason::Expired
    }
}

impl fmt::Display for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.reason {
            CancelReason::Cancelled => "cancelled by its token",
            CancelReason::Expired => "cancelled by its token: the deadline has passed",
        })
    }
}

impl Error for Cancelled {}

impl From<Cancelled> for io::Error {
    fn from(cancelled: Cancelled) -> io::Error {
        // Not `Interrupted`: callers retry after that.
        let kind = match cancelled.reason {
            CancelReason::Cancelled => io::ErrorKind::Other,
            CancelReason::Expired => io::ErrorKind::TimedOut,
        };
        io::Error::new(kind, cancelled)
    }
}

/// Waits for a token to be cancelled. Created by [`CancellationToken::cancelled`].
///
/// # Examples
///
/// ```
/// use reveille::task::{self, CancellationToken, CancelledFuture};
/// use std::time::Duration;
///
/// let token = CancellationToken::new().with_timeout(Duration::from_millis(1));
/// let waiting: CancelledFuture = token.cancelled();
/// assert!(task::block_on(waiting).is_timeout());
/// ```
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct CancelledFuture {
    waiting: Waiting,
    /// Sleeps until the deadline, if there is one.
    sleep: Option<Sleep>,
}

impl Future for CancelledFuture {
    type Output = Cancelled;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Cancelled> {
        if let Some(reason) = self.waiting.poll(cx.waker()) {
            return Poll::Ready(Cancelled { reason });
        }
        let Some(sleep) = &mut self.sleep else { return Poll::Pending };
        ready!(Pin::new(sleep).poll(cx));
        Poll::Ready(Cancelled { reason: CancelReason::Expired })
    }
}

impl fmt::Debug for CancelledFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelledFuture").field("sleep", &self.sleep).finish_non_exhaustive()
    }
}

pin_project! {
    /// Awaits a future until a token is cancelled. Created by [`CancellationToken::run`].
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::task::{self, CancellationToken, Run};
    ///
    /// let run: Run<_> = CancellationToken::new().run(async { 1 });
    /// assert_eq!(task::block_on(run), Ok(1));
    /// ```
    #[derive(Debug)]
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct Run<F> {
        // `None` once it is done: a cancelled future is dropped at once.
        #[pin]
        future: Option<F>,
        cancelled: CancelledFuture,
    }
}

impl<F: Future> Future for Run<F> {
    type Output = Result<F::Output, Cancelled>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let result = match Pin::new(this.cancelled).poll(cx) {
            Poll::Ready(cancelled) => {
                warn_if_borrowed::<F>();
                Err(cancelled)
            }
            Poll::Pending => {
                let future = this.future.as_mut().as_pin_mut();
                let future = future.expect("`run` was polled after it was ready");
                Ok(ready!(future.poll(cx)))
            }
        };
        this.future.set(None);
        Poll::Ready(result)
    }
}
