//! Futures and time: `timeout`, `delay`.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project_lite::pin_project;
use reveille_runtime::time::Sleep;

/// Awaits a future for at most `dur`.
///
/// The future is polled before the clock is looked at, so one that is ready is never late, even
/// after a pause or with a `dur` of zero. With [`Duration::MAX`] it is simply awaited. The time
/// starts with the first poll of the returned future.
///
/// A timeout cannot interrupt code that blocks its thread: it is noticed when the future next
/// gives way.
///
/// # Errors
///
/// [`TimeoutError`] if the time ran out. The future is then dropped where it stood.
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
pub async fn timeout<F, T>(dur: Duration, f: F) -> Result<T, TimeoutError>
where
    F: Future<Output = T>,
{
    TimeoutFuture::new(f, dur).await
}

/// A future did not complete in time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TimeoutError {
    _private: (),
}

impl Error for TimeoutError {}

impl fmt::Display for TimeoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("the future did not complete in time")
    }
}

pin_project! {
    /// The future of [`FutureExt::timeout`](super::FutureExt::timeout).
    #[derive(Debug)]
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct TimeoutFuture<F> {
        // `None` once it is done: a future that is late is dropped at once.
        #[pin]
        future: Option<F>,
        sleep: Sleep,
    }
}

impl<F> TimeoutFuture<F> {
    pub(super) fn new(future: F, timeout: Duration) -> TimeoutFuture<F> {
        TimeoutFuture { future: Some(future), sleep: Sleep::after(timeout) }
    }
}

impl<F: Future> Future for TimeoutFuture<F> {
    type Output = Result<F::Output, TimeoutError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let future = this.future.as_mut().as_pin_mut();
        let future = future.expect("`timeout` was polled after it was ready");
        let result = match future.poll(cx) {
            Poll::Ready(output) => Ok(output),
            Poll::Pending => {
                ready!(Pin::new(&mut *this.sleep).poll(cx));
                Err(TimeoutError { _private: () })
            }
        };
        this.future.set(None);
        Poll::Ready(result)
    }
}

pin_project! {
    /// The future of [`FutureExt::delay`](super::FutureExt::delay).
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
