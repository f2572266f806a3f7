//! Futures and time: `timeout`, `timeout_at`, `delay`.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use pin_project_lite::pin_project;

use reveille_runtime::budget;
use reveille_runtime::time::Sleep;

use super::owned::OwnedFuture;
use super::pair::warn_if_borrowed;

/// Awaits a future for at most `dur`.
///
/// A future that is ready never times out, even after a pause or with a `dur` of zero, and costs no
/// reading of the clock: the time starts after the first poll, if the future is not ready then.
/// With [`Duration::MAX`] there is no time limit.
///
/// A timeout cannot interrupt code that blocks its thread: it takes effect when the future next
/// returns `Pending`.
///
/// This takes the future itself: a borrow, `&mut future`, does not compile, because the future
/// would then stay unpolled. [This page](crate::future#futures-that-are-not-polled) says why, and
/// how to wait for a limited time and then keep waiting.
///
/// # Errors
///
/// [`TimeoutError`] if the time ran out. The future is then dropped at its current `.await`.
///
/// # Cancel safety
///
/// Dropping this future drops the one inside.
///
/// # Examples
///
/// ```
/// use reveille::{future, task};
/// use std::time::Duration;
///
/// task::block_on(async {
///     let never = future::pending::<()>();
///     assert!(future::timeout(Duration::from_millis(5), never).await.is_err());
///
///     let now = future::ready(1);
///     assert_eq!(future::timeout(Duration::ZERO, now).await, Ok(1));
/// });
/// ```
#[doc(alias = "wait_for")]
pub fn timeout<F, T, NotBorrowed>(
    dur: Duration,
    f: F,
) -> impl Future<Output = Result<T, TimeoutError>>
where
    F: Future<Output = T> + OwnedFuture<NotBorrowed>,
{
    // Not an `async fn`, which would move the future once more. A ready future pays for that.
    TimeoutFuture::limited(f, Limit::After(dur))
}

/// Awaits a future until `deadline`, at most.
///
/// Like [`timeout`](crate::future::timeout): a future that is ready never times out, even after the
/// deadline, and a borrow does not compile.
///
/// # Errors
///
/// [`TimeoutError`] if the deadline has passed. The future is then dropped at its current `.await`.
///
/// # Cancel safety
///
/// Dropping this future drops the one inside.
///
/// # Examples
///
/// ```
/// use reveille::{future, time};
/// use std::time::{Duration, Instant};
///
/// reveille::task::block_on(async {
///     // One deadline for two steps.
///     let deadline = Instant::now() + Duration::from_millis(5);
///     assert_eq!(time::timeout_at(deadline, future::ready(1)).await, Ok(1));
///     assert!(time::timeout_at(deadline, future::pending::<()>()).await.is_err());
/// });
/// ```
pub fn timeout_at<F, T, NotBorrowed>(
    deadline: Instant,
    f: F,
) -> impl Future<Output = Result<T, TimeoutError>>
where
    F: Future<Output = T> + OwnedFuture<NotBorrowed>,
{
    TimeoutFuture::limited(f, Limit::At(deadline))
}

/// When a time limit ends.
#[derive(Debug)]
enum Limit {
    /// This long after the first poll. The clock has not been read yet.
    After(Duration),
    At(Instant),
    /// With the end of a timer.
    Set(Sleep),
}

impl Limit {
    /// The timer, which is made when it is first needed.
    #[inline]
    fn sleep(&mut self) -> &mut Sleep {
        match *self {
            Limit::After(duration) => *self = Limit::Set(Sleep::after(duration)),
            Limit::At(deadline) => *self = Limit::Set(Sleep::until(deadline)),
            Limit::Set(_) => {}
        }
        match self {
            Limit::Set(sleep) => sleep,
            _ => unreachable!("it was just set"),
        }
    }
}

/// A future did not complete in time.
///
/// Its text is `future has timed out`.
///
/// # Examples
///
/// ```
/// use reveille::{future, io};
/// use std::time::Duration;
///
/// // Converted into an I/O error, so one `?` handles both.
/// async fn answer() -> io::Result<u32> {
///     Ok(future::timeout(Duration::from_millis(1), future::pending()).await?)
/// }
///
/// let error = reveille::task::block_on(answer()).unwrap_err();
/// assert_eq!(error.kind(), io::ErrorKind::TimedOut);
/// assert_eq!(error.to_string(), "future has timed out");
/// ```
#[doc(alias = "Elapsed")]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TimeoutError {
    _private: (),
}

impl Error for TimeoutError {}

impl From<TimeoutError> for io::Error {
    /// Wraps the error, with the kind `TimedOut`.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::{future, io, task};
    /// use std::time::Duration;
    ///
    /// let never = future::timeout(Duration::from_millis(1), future::pending::<()>());
    /// let error = io::Error::from(task::block_on(never).unwrap_err());
    /// assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    /// ```
    fn from(error: TimeoutError) -> io::Error {
        io::Error::new(io::ErrorKind::TimedOut, error)
    }
}

impl fmt::Display for TimeoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("future has timed out")
    }
}

pin_project! {
    /// The future of [`FutureExt::timeout`](super::FutureExt::timeout).
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::future;
    /// use reveille::prelude::*;
    /// use std::time::Duration;
    ///
    /// // The clock runs from the call, not from the first poll.
    /// let in_time = future::ready(7).timeout(Duration::from_secs(1));
    /// assert_eq!(reveille::task::block_on(in_time), Ok(7));
    /// ```
    #[derive(Debug)]
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct TimeoutFuture<F> {
        // `None` once the time is over: a future that times out is dropped at once.
        #[pin]
        future: Option<F>,
        limit: Limit,
    }
}

impl<F> TimeoutFuture<F> {
    fn limited(future: F, limit: Limit) -> TimeoutFuture<F> {
        TimeoutFuture { future: Some(future), limit }
    }

    /// Accepts a borrow, for the shim, whose functions cannot refuse it.
    #[doc(hidden)]
    pub fn new(future: F, timeout: Duration) -> TimeoutFuture<F> {
        TimeoutFuture::limited(future, Limit::Set(Sleep::after(timeout)))
    }

    /// The same, but the time starts after the first poll, so that a future which is ready costs no
    /// reading of the clock.
    #[doc(hidden)]
    pub fn from_first_poll(future: F, timeout: Duration) -> TimeoutFuture<F> {
        TimeoutFuture::limited(future, Limit::After(timeout))
    }
}

impl<F: Future> Future for TimeoutFuture<F> {
    type Output = Result<F::Output, TimeoutError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let future = this.future.as_mut().as_pin_mut();
        let future = future.expect("`timeout` was polled after the time had run out");
        let is_budget_left = budget::is_left();
        if let Poll::Ready(output) = future.poll(cx) {
            // The future stays here until this is dropped, which `.await` does at once. Dropping it
            // here would be one more store for each ready future.
            return Poll::Ready(Ok(output));
        }
        let sleep = Pin::new(this.limit.sleep());
        ready!(budget::poll_after(is_budget_left, || sleep.poll(cx)));
        warn_if_borrowed::<F>();
        this.future.set(None);
        Poll::Ready(Err(TimeoutError { _private: () }))
    }
}

pin_project! {
    /// The future of [`FutureExt::delay`](super::FutureExt::delay).
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use std::time::{Duration, Instant};
    ///
    /// let start = Instant::now();
    /// let later = async { start.elapsed() }.delay(Duration::from_millis(2));
    /// assert!(reveille::task::block_on(later) >= Duration::from_millis(2));
    /// ```
    #[derive(Debug)]
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct DelayFuture<F> {
        #[pin]
        future: F,
        sleep: Sleep,
        is_over: bool,
    }
}

impl<F> DelayFuture<F> {
    pub(super) fn new(future: F, delay: Duration) -> DelayFuture<F> {
        DelayFuture { future, sleep: Sleep::after(delay), is_over: false }
    }
}

impl<F: Future> Future for DelayFuture<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        if !*this.is_over {
            ready!(Pin::new(&mut *this.sleep).poll(cx));
            *this.is_over = true;
        }
        this.future.poll(cx)
    }
}
