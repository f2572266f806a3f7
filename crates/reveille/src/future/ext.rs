//! The extension trait of futures.
//!
//! `pair.rs` implements `join`, `try_join`, `race` and `try_race`; `timed.rs` implements `timeout`
//! and `delay`; `flatten.rs` implements `flatten`.

use std::future::Future;
use std::time::Duration;

use super::IntoFuture;
use super::flatten::FlattenFuture;
use super::owned::OwnedFuture;
use super::pair::{Join, Race, TryJoin, TryRace};
use super::timed::{DelayFuture, TimeoutFuture};

/// Methods for every future.
///
/// They do nothing until the returned future is awaited. The combined futures are owned by the
/// combination: they are dropped with it, or earlier.
///
/// # Examples
///
/// ```
/// use reveille::prelude::*;
/// use reveille::task;
///
/// task::block_on(async {
///     let a = async { 1 };
///     let b = async { 2 };
///     assert_eq!(a.join(b).await, (1, 2));
/// });
/// ```
pub trait FutureExt: Future {
    /// Waits for `dur`, counted from this call, before it polls the future for the first time.
    ///
    /// # Cancel safety
    ///
    /// Dropping this future cancels the timer and drops the future inside.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use reveille::task;
    /// use std::time::{Duration, Instant};
    ///
    /// task::block_on(async {
    ///     let start = Instant::now();
    ///     assert_eq!(async { 1 }.delay(Duration::from_millis(5)).await, 1);
    ///     assert!(start.elapsed() >= Duration::from_millis(5));
    /// });
    /// ```
    fn delay(self, dur: Duration) -> DelayFuture<Self>
    where
        Self: Sized,
    {
        DelayFuture::new(self, dur)
    }

    /// Awaits the future, and then the future it resolves to.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use reveille::task;
    ///
    /// let nested = async { async { 1 } };
    /// assert_eq!(task::block_on(nested.flatten()), 1);
    /// ```
    fn flatten(self) -> FlattenFuture<Self, <<Self as Future>::Output as IntoFuture>::Future>
    where
        Self: Sized,
        <Self as Future>::Output: IntoFuture,
    {
        FlattenFuture::new(self)
    }

    /// Awaits two futures and returns the output of the one that is ready first.
    ///
    /// The other future is dropped at its current `.await` before this one is ready. If both are
    /// ready, the left one (`self`) wins, and the right one may never have been polled.
    ///
    /// This takes the futures themselves: a borrow, `&mut future`, does not compile, because the
    /// future would then stay unpolled. [Why?](crate::future#futures-that-are-not-polled)
    ///
    /// # Cancel safety
    ///
    /// The loser's progress is lost, unless it is cancel safe itself.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use reveille::{future, task};
    ///
    /// task::block_on(async {
    ///     let never = future::pending();
    ///     let (b, c) = (future::ready('b'), future::ready('c'));
    ///     assert_eq!(never.race(b).race(c).await, 'b');
    /// });
    /// ```
    #[doc(alias("select", "or"))]
    fn race<F, NotBorrowed, OtherNotBorrowed>(self, other: F) -> Race<Self, F>
    where
        Self: OwnedFuture<NotBorrowed> + Sized,
        F: Future<Output = <Self as Future>::Output> + OwnedFuture<OtherNotBorrowed>,
    {
        Race::new(self, other)
    }

    /// Awaits two futures and returns the output of the one that *succeeds* first.
    ///
    /// An error is kept while the other future may still succeed. The loser is dropped at its
    /// current `.await`. If both succeed at once, the left one (`self`) wins.
    ///
    /// This takes the futures themselves: a borrow, `&mut future`, does not compile, because the
    /// future would then stay unpolled. [Why?](crate::future#futures-that-are-not-polled)
    ///
    /// # Errors
    ///
    /// If both fail, returns the error of the right one.
    ///
    /// # Cancel safety
    ///
    /// The loser's progress is lost, unless it is cancel safe itself.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use reveille::{future, task};
    ///
    /// task::block_on(async {
    ///     let bad = future::ready(Err("no"));
    ///     let good = future::ready(Ok(1));
    ///     assert_eq!(bad.clone().try_race(good).await, Ok(1));
    ///     assert_eq!(bad.clone().try_race(bad).await, Err::<i32, _>("no"));
    /// });
    /// ```
    #[doc(alias = "select_ok")]
    fn try_race<F, T, E, NotBorrowed, OtherNotBorrowed>(self, other: F) -> TryRace<Self, F>
    where
        Self: Future<Output = Result<T, E>> + OwnedFuture<NotBorrowed> + Sized,
        F: Future<Output = <Self as Future>::Output> + OwnedFuture<OtherNotBorrowed>,
    {
        TryRace::new(self, other)
    }

    /// Awaits two futures at the same time and returns both outputs.
    ///
    /// They take turns on this task, the left one (`self`) first. Each is dropped as soon as it is
    /// ready.
    ///
    /// This takes the futures themselves: a borrow, `&mut future`, does not compile, because the
    /// future would then stay unpolled. [Why?](crate::future#futures-that-are-not-polled)
    ///
    /// # Cancel safety
    ///
    /// Dropping this future drops both, or the output of one that has completed.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use reveille::task;
    ///
    /// let both = async { 1 }.join(async { "two" });
    /// assert_eq!(task::block_on(both), (1, "two"));
    /// ```
    #[doc(alias = "zip")]
    fn join<F, NotBorrowed, OtherNotBorrowed>(self, other: F) -> Join<Self, F>
    where
        Self: OwnedFuture<NotBorrowed> + Sized,
        F: OwnedFuture<OtherNotBorrowed>,
    {
        Join::new(self, other)
    }

    /// Awaits two futures at the same time, until one fails.
    ///
    /// This takes the futures themselves: a borrow, `&mut future`, does not compile, because the
    /// future would then stay unpolled. [Why?](crate::future#futures-that-are-not-polled)
    ///
    /// # Errors
    ///
    /// Returns the first error. The other future is dropped at its current `.await`, or its output
    /// if it has completed.
    ///
    /// # Cancel safety
    ///
    /// As for [`join`](FutureExt::join).
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use reveille::{future, task};
    ///
    /// task::block_on(async {
    ///     let good = future::ready(Ok::<_, &str>(1));
    ///     assert_eq!(good.clone().try_join(good.clone()).await, Ok((1, 1)));
    ///
    ///     let bad = future::ready(Err::<i32, _>("no"));
    ///     assert_eq!(future::pending::<Result<i32, _>>().try_join(bad).await, Err("no"));
    /// });
    /// ```
    #[doc(alias = "try_zip")]
    fn try_join<F, A, B, E, NotBorrowed, OtherNotBorrowed>(self, other: F) -> TryJoin<Self, F>
    where
        Self: Future<Output = Result<A, E>> + OwnedFuture<NotBorrowed> + Sized,
        F: Future<Output = Result<B, E>> + OwnedFuture<OtherNotBorrowed>,
    {
        TryJoin::new(self, other)
    }

    /// Awaits the future for at most `dur`, counted from this call.
    ///
    /// Otherwise like [`future::timeout`](super::timeout): a future that is ready never times out.
    ///
    /// This takes the future itself: a borrow, `&mut future`, does not compile, because the future
    /// would then stay unpolled. [Why?](crate::future#futures-that-are-not-polled)
    ///
    /// # Errors
    ///
    /// [`TimeoutError`](super::TimeoutError) if the time ran out. The future is then dropped at its
    /// current `.await`.
    ///
    /// # Cancel safety
    ///
    /// Dropping this future drops the one inside.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use reveille::{future, task};
    /// use std::time::Duration;
    ///
    /// task::block_on(async {
    ///     let never = future::pending::<()>();
    ///     assert!(never.timeout(Duration::from_millis(5)).await.is_err());
    /// });
    /// ```
    fn timeout<NotBorrowed>(self, dur: Duration) -> TimeoutFuture<Self>
    where
        Self: OwnedFuture<NotBorrowed> + Sized,
    {
        TimeoutFuture::new(self, dur)
    }
}

impl<T: Future + ?Sized> FutureExt for T {}
