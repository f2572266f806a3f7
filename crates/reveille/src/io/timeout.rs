//! Time limits for I/O operations.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use reveille_runtime::budget;
use reveille_runtime::time::Sleep;

use crate::future::owned::OwnedFuture;
use crate::future::warn_if_borrowed;

/// Awaits an I/O operation for at most `timeout`.
///
/// An operation that is ready at once succeeds even with a timeout of zero, and costs no reading of
/// the clock: the time starts after the first poll, if the operation is not ready then.
/// `Duration::MAX` means no limit.
///
/// This takes the operation itself: a borrow, `&mut future`, does not compile, because the future
/// would then stay unpolled. [Why?](crate::future#futures-that-are-not-polled)
///
/// # Errors
///
/// The error of the operation, or one of kind `TimedOut`.
///
/// # Cancel safety
///
/// When the time runs out, the operation is dropped. Its *Cancel safety* says what that loses.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use reveille::io::{self, prelude::*};
/// use reveille::net::{TcpListener, TcpStream};
/// use reveille::task;
///
/// # fn main() -> io::Result<()> {
/// task::block_on(async {
///     let listener = TcpListener::bind("127.0.0.1:0").await?;
///     let mut silent = TcpStream::connect(listener.local_addr()?).await?;
///
///     let mut byte = [0];
///     let read = io::timeout(Duration::from_millis(5), silent.read(&mut byte)).await;
///     assert_eq!(read.unwrap_err().kind(), io::ErrorKind::TimedOut);
///     Ok(())
/// })
/// # }
/// ```
pub fn timeout<F, T, NotBorrowed>(
    timeout: Duration,
    future: F,
) -> impl Future<Output = io::Result<T>>
where
    F: Future<Output = io::Result<T>> + OwnedFuture<NotBorrowed>,
{
    timeout_lent(timeout, future)
}

/// Like [`timeout`], and accepts a borrow, for the shim, whose function cannot refuse it.
#[doc(hidden)]
pub async fn timeout_lent<F, T>(timeout: Duration, future: F) -> io::Result<T>
where
    F: Future<Output = io::Result<T>>,
{
    let mut future = pin!(future);
    let mut sleep = None;
    poll_fn(|cx| {
        let is_budget_left = budget::is_left();
        if let Poll::Ready(result) = future.as_mut().poll(cx) {
            return Poll::Ready(result);
        }
        let sleep = Pin::new(sleep.get_or_insert_with(|| Sleep::after(timeout)));
        budget::poll_after(is_budget_left, || sleep.poll(cx)).map(|()| {
            warn_if_borrowed::<F>();
            Err(io::Error::new(io::ErrorKind::TimedOut, "future timed out"))
        })
    })
    .await
}
