//! Streams and time: `interval`, `timeout`, `throttle`, `delay`.
//!
//! Each of them owns one [`Sleep`] and resets it, so a timer costs no allocation per item. A
//! duration that is too long for the clock never ends, because no code here adds to an `Instant`
//! itself.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project_lite::pin_project;
use reveille_runtime::budget;
use reveille_runtime::time::Sleep;

use super::{FusedStream, Stream};

/// Creates a stream that yields `()` again and again, `dur` apart.
///
/// The first item comes one period from now, and every period begins when the previous item was
/// *taken*: a late reader gets one item at once and then waits a whole period. It does not make up
/// for missed ticks. For ticks that keep step with the clock, use
/// [`time::interval`](crate::time::interval).
///
/// The stream never ends. With a period of zero it is always ready; with [`Duration::MAX`] it never
/// is.
///
/// # Cancel safety
///
/// A dropped `next` loses no tick and does not move the deadline.
///
/// # Examples
///
/// ```
/// use reveille::prelude::*;
/// use reveille::{stream, task};
/// use std::time::Duration;
///
/// task::block_on(async {
///     let mut ticks = stream::interval(Duration::from_millis(2)).take(3);
///     let mut seen = 0;
///     while ticks.next().await.is_some() {
///         seen += 1;
///     }
///     assert_eq!(seen, 3);
/// });
/// ```
#[doc(alias("Interval", "Timer", "tick", "interval_at"))]
pub fn interval(dur: Duration) -> Interval {
    Interval { sleep: Sleep::after(dur), period: dur }
}

/// A stream of ticks: see [`interval`].
///
/// # Examples
///
/// ```
/// use reveille::prelude::*;
/// use reveille::stream::{self, Interval};
/// use std::time::Duration;
///
/// struct Heartbeat {
///     ticks: Interval,
///     beats: u32,
/// }
///
/// let mut heart = Heartbeat { ticks: stream::interval(Duration::from_millis(1)), beats: 0 };
/// reveille::task::block_on(async {
///     while heart.beats < 3 && heart.ticks.next().await.is_some() {
///         heart.beats += 1;
///     }
/// });
/// assert_eq!(heart.beats, 3);
/// ```
#[derive(Debug)]
#[must_use = "streams do nothing unless polled"]
pub struct Interval {
    sleep: Sleep,
    period: Duration,
}

impl Stream for Interval {
    type Item = ();

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<()>> {
        ready!(Pin::new(&mut self.sleep).poll(cx));
        let period = self.period;
        self.sleep.reset_after(period);
        Poll::Ready(Some(()))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (usize::MAX, None)
    }
}

impl FusedStream for Interval {}

pin_project! {
    /// A stream with a time limit for each item; see
    /// [`StreamExt::timeout`](super::StreamExt::timeout).
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use reveille::stream;
    /// use std::time::Duration;
    ///
    /// // The stream continues after the error.
    /// let mut silent = stream::pending::<u8>().timeout(Duration::from_millis(1));
    /// reveille::task::block_on(async {
    ///     assert!(silent.next().await.unwrap().is_err());
    ///     assert!(silent.next().await.unwrap().is_err());
    /// });
    /// ```
    #[derive(Debug)]
    #[must_use = "streams do nothing unless polled"]
    pub struct Timeout<S: Stream> {
        #[pin]
        stream: S,
        sleep: Sleep,
        timeout: Duration,
    }
}

impl<S: Stream> Timeout<S> {
    pub(super) fn new(stream: S, timeout: Duration) -> Timeout<S> {
        Timeout { stream, sleep: Sleep::after(timeout), timeout }
    }
}

impl<S: Stream> Stream for Timeout<S> {
    type Item = Result<S::Item, TimeoutError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.project();
        // The stream first: an item that is ready is never late.
        let is_budget_left = budget::is_left();
        let next = match this.stream.poll_next(cx) {
            Poll::Ready(None) => return Poll::Ready(None),
            Poll::Ready(Some(item)) => Ok(item),
            Poll::Pending => {
                let sleep = Pin::new(&mut *this.sleep);
                ready!(budget::poll_after(is_budget_left, || sleep.poll(cx)));
                Err(TimeoutError { _private: () })
            }
        };
        this.sleep.reset_after(*this.timeout);
        Poll::Ready(Some(next))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        // The stream yields all of its items, and any number of errors between them.
        (self.stream.size_hint().0, None)
    }
}

/// The next item of a stream did not arrive in time.
///
/// Its text is `stream has timed out`.
///
/// # Examples
///
/// ```
/// use reveille::prelude::*;
/// use reveille::stream::{self, TimeoutError};
/// use std::time::Duration;
///
/// // Collecting into a result ends at the first late item.
/// let slow = stream::once(1).chain(stream::pending()).timeout(Duration::from_millis(1));
/// let all: Result<Vec<u8>, TimeoutError> = reveille::task::block_on(slow.collect());
/// assert!(all.is_err());
/// ```
#[doc(alias = "Elapsed")]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TimeoutError {
    _private: (),
}

impl Error for TimeoutError {}

impl fmt::Display for TimeoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("stream has timed out")
    }
}

pin_project! {
    /// A stream with a pause after every item: see
    /// [`StreamExt::throttle`](super::StreamExt::throttle).
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use reveille::stream;
    /// use std::time::{Duration, Instant};
    ///
    /// // The first item comes at once, and each other after a pause.
    /// let start = Instant::now();
    /// let three = stream::repeat(()).take(3).throttle(Duration::from_millis(2));
    /// assert_eq!(reveille::task::block_on(three.count()), 3);
    /// assert!(start.elapsed() >= Duration::from_millis(4));
    /// ```
    #[derive(Debug)]
    #[must_use = "streams do nothing unless polled"]
    pub struct Throttle<S> {
        #[pin]
        stream: S,
        sleep: Sleep,
        pause: Duration,
        is_paused: bool,
    }
}

impl<S: Stream> Throttle<S> {
    pub(super) fn new(stream: S, pause: Duration) -> Throttle<S> {
        Throttle { stream, sleep: Sleep::after(Duration::ZERO), pause, is_paused: false }
    }
}

impl<S: Stream> Stream for Throttle<S> {
    type Item = S::Item;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        let this = self.project();
        if *this.is_paused {
            ready!(Pin::new(&mut *this.sleep).poll(cx));
            *this.is_paused = false;
        }
        let next = ready!(this.stream.poll_next(cx));
        if next.is_some() {
            *this.is_paused = true;
            this.sleep.reset_after(*this.pause);
        }
        Poll::Ready(next)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.stream.size_hint()
    }
}

pin_project! {
    /// A stream that starts late: see [`StreamExt::delay`](super::StreamExt::delay).
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use reveille::stream;
    /// use std::time::{Duration, Instant};
    ///
    /// // One pause, before the first item.
    /// let start = Instant::now();
    /// let late = stream::from_iter([1, 2, 3]).delay(Duration::from_millis(2));
    /// assert_eq!(reveille::task::block_on(late.count()), 3);
    /// assert!(start.elapsed() >= Duration::from_millis(2));
    /// ```
    #[derive(Debug)]
    #[must_use = "streams do nothing unless polled"]
    pub struct Delay<S> {
        #[pin]
        stream: S,
        sleep: Sleep,
        is_over: bool,
    }
}

impl<S> Delay<S> {
    pub(super) fn new(stream: S, delay: Duration) -> Delay<S> {
        Delay { stream, sleep: Sleep::after(delay), is_over: false }
    }
}

impl<S: Stream> Stream for Delay<S> {
    type Item = S::Item;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        let this = self.project();
        if !*this.is_over {
            ready!(Pin::new(&mut *this.sleep).poll(cx));
            *this.is_over = true;
        }
        this.stream.poll_next(cx)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.stream.size_hint()
    }
}
