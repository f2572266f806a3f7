//! The traits around [`Stream`]: exact length, end, and conversion.

use super::Stream;

/// A value that can be converted into a stream.
///
/// Every stream converts into itself. Implement this for a collection of sources, or for a handle
/// that creates its stream of events on demand.
///
/// # Examples
///
/// ```
/// use reveille::prelude::*;
/// use reveille::stream::{self, IntoStream};
/// use reveille::task;
///
/// struct Countdown(u32);
///
/// impl IntoStream for Countdown {
///     type Item = u32;
///     type IntoStream = stream::FromIter<std::iter::Rev<std::ops::Range<u32>>>;
///
///     fn into_stream(self) -> Self::IntoStream {
///         stream::from_iter((0..self.0).rev())
///     }
/// }
///
/// task::block_on(async {
///     let numbers: Vec<u32> = Countdown(3).into_stream().collect().await;
///     assert_eq!(numbers, [2, 1, 0]);
/// });
/// ```
pub trait IntoStream {
    /// The items of the stream.
    type Item;

    /// The stream that this converts into.
    type IntoStream: Stream<Item = Self::Item>;

    /// Converts this into a stream.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use reveille::stream::{self, IntoStream};
    ///
    /// // A stream converts into itself.
    /// let mut numbers = stream::once(1).into_stream();
    /// assert_eq!(reveille::task::block_on(numbers.next()), Some(1));
    /// ```
    fn into_stream(self) -> Self::IntoStream;
}

impl<I: Stream> IntoStream for I {
    type Item = I::Item;
    type IntoStream = I;

    fn into_stream(self) -> I {
        self
    }
}

/// A stream whose remaining length is known.
///
/// Its [`size_hint`](Stream::size_hint) is exact: both bounds are the same.
///
/// # Examples
///
/// ```
/// use reveille::prelude::*;
/// use reveille::{stream, task};
///
/// task::block_on(async {
///     let mut s = stream::from_iter([10, 20, 30]);
///     assert_eq!(ExactSizeStream::len(&s), 3);
///     s.next().await;
///     assert_eq!(ExactSizeStream::len(&s), 2);
/// });
/// ```
#[expect(clippy::len_without_is_empty, reason = "std's ExactSizeIterator has none on stable")]
pub trait ExactSizeStream: Stream {
    /// Returns the number of remaining items.
    ///
    /// # Panics
    ///
    /// Panics if the bounds of `size_hint` differ, which violates the contract of this trait.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::stream::{self, ExactSizeStream};
    ///
    /// assert_eq!(stream::once("item").len(), 1);
    /// assert_eq!(stream::empty::<u8>().len(), 0);
    /// ```
    fn len(&self) -> usize {
        let (lower, upper) = self.size_hint();
        assert_eq!(upper, Some(lower), "the size hint of an ExactSizeStream is not exact");
        lower
    }
}

impl<I: ExactSizeStream + ?Sized + Unpin> ExactSizeStream for &mut I {
    fn len(&self) -> usize {
        (**self).len()
    }
}

/// A stream that yields `None` forever after its end.
///
/// Other streams may do anything when they are polled after their end: panic, or start again.
/// [`StreamExt::fuse`](super::StreamExt::fuse) converts any stream.
///
/// # Examples
///
/// ```
/// use reveille::prelude::*;
/// use reveille::stream::{self, FusedStream};
/// use reveille::task;
///
/// async fn drain_twice<S: FusedStream + Unpin>(mut stream: S) -> usize {
///     let first = stream.by_ref().count().await;
///     first + stream.count().await
/// }
///
/// assert_eq!(task::block_on(drain_twice(stream::from_iter([1, 2, 3]))), 3);
/// ```
pub trait FusedStream: Stream {}

impl<S: FusedStream + ?Sized + Unpin> FusedStream for &mut S {}
