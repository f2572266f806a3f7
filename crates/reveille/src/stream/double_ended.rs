//! Streams with two ends.
//!
//! The five methods are those of the front with the ends exchanged: [`Back`] is a stream whose
//! front is the other's back, and the futures are those of `next`, `nth`, `find`, `fold`.

use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::Stream;
use super::consume::{Consume, Find, Fold, Nth, TryFold};

/// A stream that can also be read from its end.
///
/// Both ends take from the same items: each item is yielded once.
///
/// # Examples
///
/// ```
/// use reveille::prelude::*;
/// use reveille::{stream, task};
///
/// task::block_on(async {
///     let mut s = stream::from_iter([1, 2, 3, 4]);
///     assert_eq!(s.next_back().await, Some(4));
///     assert_eq!(s.next().await, Some(1));
///     assert_eq!(s.next_back().await, Some(3));
///     assert_eq!(s.next_back().await, Some(2));
///     assert_eq!(s.next_back().await, None);
/// });
/// ```
pub trait DoubleEndedStream: Stream {
    /// Polls for the last item; `None` if no item is left.
    ///
    /// If no item is ready, but one may come, registers the task to be woken and returns `Pending`.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use reveille::stream;
    /// use std::future::poll_fn;
    /// use std::pin::Pin;
    ///
    /// let mut s = stream::from_iter([1, 2]);
    /// let last = poll_fn(|cx| Pin::new(&mut s).poll_next_back(cx));
    /// assert_eq!(reveille::task::block_on(last), Some(2));
    /// ```
    fn poll_next_back(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>>;

    /// Takes the last item.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it is ready, no item is lost.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use reveille::{stream, task};
    ///
    /// task::block_on(async {
    ///     let mut s = stream::from_iter(["first", "last"]);
    ///     assert_eq!(s.next_back().await, Some("last"));
    /// });
    /// ```
    fn next_back(&mut self) -> NextBackFuture<'_, Self>
    where
        Self: Unpin,
    {
        nth_back(self, 0)
    }

    /// Takes the item that precedes the last `n` items, and drops those.
    ///
    /// # Cancel safety
    ///
    /// Items that were skipped before the future was dropped are lost.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use reveille::{stream, task};
    ///
    /// task::block_on(async {
    ///     let mut s = stream::from_iter([1, 2, 3, 4]);
    ///     assert_eq!(s.nth_back(1).await, Some(3));
    ///     assert_eq!(s.nth_back(5).await, None);
    /// });
    /// ```
    fn nth_back(&mut self, n: usize) -> NthBackFuture<'_, Self>
    where
        Self: Unpin + Sized,
    {
        nth_back(self, n)
    }

    /// Finds the last item that passes a test, reading from the end.
    ///
    /// # Cancel safety
    ///
    /// Items that failed the test before the future was dropped are lost.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use reveille::{stream, task};
    ///
    /// task::block_on(async {
    ///     let mut s = stream::from_iter([1, 2, 3]);
    ///     assert_eq!(s.rfind(|n| *n < 3).await, Some(2));
    ///     assert_eq!(s.next_back().await, Some(1));
    /// });
    /// ```
    fn rfind<P>(&mut self, p: P) -> RFindFuture<'_, Self, P>
    where
        Self: Unpin + Sized,
        P: FnMut(&Self::Item) -> bool,
    {
        Consume::new(Back { stream: self }, Find(p))
    }

    /// Folds the items into one value, starting with the last.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use reveille::{stream, task};
    ///
    /// task::block_on(async {
    ///     let s = stream::from_iter(['a', 'b', 'c']);
    ///     let word = s.rfold(String::new(), |word, letter| word + &letter.to_string());
    ///     assert_eq!(word.await, "cba");
    /// });
    /// ```
    fn rfold<B, F>(self, accum: B, f: F) -> RFoldFuture<Self, F, B>
    where
        Self: Sized,
        F: FnMut(B, Self::Item) -> B,
    {
        Consume::new(Back { stream: self }, Fold { f, state: Some(accum) })
    }

    /// Folds the items into one value, starting with the last, until the closure fails.
    ///
    /// # Errors
    ///
    /// The first error of the closure. The items before it are not read.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use reveille::{stream, task};
    ///
    /// task::block_on(async {
    ///     let s = stream::from_iter([0, 3, 40]);
    ///     let quotient = s.try_rfold(240i32, |left, n: i32| left.checked_div(n).ok_or("by zero"));
    ///     assert_eq!(quotient.await, Err("by zero"));
    /// });
    /// ```
    fn try_rfold<B, F, E>(self, accum: B, f: F) -> TryRFoldFuture<Self, F, B>
    where
        Self: Sized,
        F: FnMut(B, Self::Item) -> Result<B, E>,
    {
        Consume::new(Back { stream: self }, TryFold { f, state: Some(accum) })
    }
}

fn nth_back<S: ?Sized>(stream: &mut S, n: usize) -> Consume<Back<&mut S>, Nth> {
    Consume::new(Back { stream }, Nth { remaining: n })
}

impl<S: DoubleEndedStream + ?Sized + Unpin> DoubleEndedStream for &mut S {
    fn poll_next_back(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        Pin::new(&mut **self).poll_next_back(cx)
    }
}

pin_project! {
    /// A stream read from its end.
    #[derive(Clone, Debug)]
    pub struct Back<S> {
        #[pin]
        stream: S,
    }
}

impl<S: DoubleEndedStream> Stream for Back<S> {
    type Item = S::Item;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        self.project().stream.poll_next_back(cx)
    }
}

/// The future of [`DoubleEndedStream::next_back`].
#[doc(hidden)]
pub type NextBackFuture<'a, S> = Consume<Back<&'a mut S>, Nth>;
/// The future of [`DoubleEndedStream::nth_back`].
#[doc(hidden)]
pub type NthBackFuture<'a, S> = Consume<Back<&'a mut S>, Nth>;
/// The future of [`DoubleEndedStream::rfind`].
#[doc(hidden)]
pub type RFindFuture<'a, S, P> = Consume<Back<&'a mut S>, Find<P>>;
/// The future of [`DoubleEndedStream::rfold`].
#[doc(hidden)]
pub type RFoldFuture<S, F, B> = Consume<Back<S>, Fold<F, B>>;
/// The future of [`DoubleEndedStream::try_rfold`].
#[doc(hidden)]
pub type TryRFoldFuture<S, F, B> = Consume<Back<S>, TryFold<F, B>>;
