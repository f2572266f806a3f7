//! Streams made from an iterator, a closure or a value.
//!
//! | kind | items |
//! |---|---|
//! | re-export of futures-lite | `empty`, `once`, `pending`, `repeat`, `repeat_with` |
//! | own | `from_fn`, `from_iter`, `successors`; `unfold`, which is futures-lite's and stays ended |

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::{DoubleEndedStream, ExactSizeStream, Fuse, FusedStream, Stream};

#[doc(inline)]
pub use futures_lite::stream::{
    Empty, Once, Pending, Repeat, RepeatWith, empty, once, pending, repeat, repeat_with,
};

/// Creates a stream that calls a closure for every item, and ends when it returns `None`.
///
/// The closure is synchronous and is called inside `poll_next`, so it must not block. For an
/// asynchronous source, use [`unfold`].
///
/// # Examples
///
/// ```
/// use reveille::prelude::*;
/// use reveille::{stream, task};
///
/// task::block_on(async {
///     let mut countdown = 3;
///     let mut s = stream::from_fn(|| {
///         countdown -= 1;
///         (countdown > 0).then_some(countdown)
///     });
///
///     assert_eq!(s.next().await, Some(2));
///     assert_eq!(s.next().await, Some(1));
///     assert_eq!(s.next().await, None);
/// });
/// ```
#[doc(alias = "poll_fn")]
pub fn from_fn<T, F>(f: F) -> FromFn<F>
where
    F: FnMut() -> Option<T>,
{
    FromFn { f }
}

/// A stream that calls a closure for its items; see [`from_fn`].
///
/// # Examples
///
/// ```
/// use reveille::prelude::*;
/// use reveille::stream;
///
/// let (sender, receiver) = std::sync::mpsc::channel();
/// sender.send(1).unwrap();
/// // Ends when the queue is empty, because the closure then returns `None`.
/// let queued = stream::from_fn(|| receiver.try_recv().ok());
/// assert_eq!(reveille::task::block_on(queued.count()), 1);
/// ```
#[derive(Clone, Debug)]
#[must_use = "streams do nothing unless polled"]
pub struct FromFn<F> {
    f: F,
}

// The closure is called through `&mut`, and never pinned.
impl<F> Unpin for FromFn<F> {}

impl<T, F> Stream for FromFn<F>
where
    F: FnMut() -> Option<T>,
{
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Option<T>> {
        Poll::Ready((self.f)())
    }
}

/// Creates a stream from an asynchronous closure and a state.
///
/// The closure gets the state and returns the next item and the next state, or `None` at the end.
/// After its end the stream stays ended.
///
/// # Cancel safety
///
/// The future of the closure stays in the stream, so a dropped `next` loses nothing.
///
/// # Examples
///
/// The messages of a connection, one after the other:
///
/// ```
/// use reveille::io::{BufReader, Cursor, prelude::*};
/// use reveille::prelude::*;
/// use reveille::{stream, task};
///
/// let connection = BufReader::new(Cursor::new("one\ntwo\n"));
/// let messages = stream::unfold(connection, async |mut connection| {
///     let mut line = String::new();
///     match connection.read_line(&mut line).await {
///         Ok(0) | Err(_) => None,
///         Ok(_) => Some((line.trim().to_owned(), connection)),
///     }
/// });
/// assert_eq!(task::block_on(messages.collect::<Vec<_>>()), ["one", "two"]);
/// ```
#[doc(alias("try_unfold", "generate"))]
pub fn unfold<T, F, Fut, Item>(state: T, f: F) -> Unfold<T, F, Fut>
where
    F: FnMut(T) -> Fut,
    Fut: Future<Output = Option<(Item, T)>>,
{
    Fuse::new(futures_lite::stream::unfold(state, f))
}

/// A stream from an asynchronous closure and a state; see [`unfold`].
///
/// # Examples
///
/// ```
/// use reveille::prelude::*;
/// use reveille::stream::{self, Unfold};
/// use std::future::{Ready, ready};
///
/// type Step = fn(u32) -> Ready<Option<(u32, u32)>>;
///
/// let count: Unfold<u32, Step, _> = stream::unfold(0, |n| ready((n < 3).then_some((n, n + 1))));
/// assert_eq!(reveille::task::block_on(count.count()), 3);
/// ```
pub type Unfold<T, F, Fut> = Fuse<futures_lite::stream::Unfold<T, F, Fut>>;

/// Creates a stream of the items of an iterator.
///
/// Every item is ready at once. An iterator that blocks (over the entries of a directory, for
/// example) blocks the thread here too.
///
/// # Examples
///
/// ```
/// use reveille::prelude::*;
/// use reveille::{stream, task};
///
/// task::block_on(async {
///     let mut s = stream::from_iter(["a", "b"]);
///     assert_eq!(s.next().await, Some("a"));
///     assert_eq!(s.next_back().await, Some("b"));
///     assert_eq!(s.next().await, None);
/// });
/// ```
#[doc(alias = "iter")]
pub fn from_iter<I: IntoIterator>(iter: I) -> FromIter<I::IntoIter> {
    FromIter { iter: iter.into_iter() }
}

pin_project! {
    /// A stream of the items of an iterator; see [`from_iter`].
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use reveille::stream::{self, FromIter};
    ///
    /// // A named type can be a field.
    /// struct Playlist {
    ///     songs: FromIter<std::vec::IntoIter<&'static str>>,
    /// }
    ///
    /// let mut playlist = Playlist { songs: stream::from_iter(vec!["reveille", "taps"]) };
    /// assert_eq!(reveille::task::block_on(playlist.songs.next()), Some("reveille"));
    /// ```
    #[derive(Clone, Debug)]
    #[must_use = "streams do nothing unless polled"]
    pub struct FromIter<I> {
        iter: I,
    }
}

impl<I: Iterator> Stream for FromIter<I> {
    type Item = I::Item;

    fn poll_next(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Option<I::Item>> {
        Poll::Ready(self.project().iter.next())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.iter.size_hint()
    }
}

impl<T: DoubleEndedIterator> DoubleEndedStream for FromIter<T> {
    fn poll_next_back(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Option<T::Item>> {
        Poll::Ready(self.project().iter.next_back())
    }
}

impl<I: ExactSizeIterator> ExactSizeStream for FromIter<I> {}
impl<I: std::iter::FusedIterator> FusedStream for FromIter<I> {}

/// Creates a stream in which every item is computed from the previous one.
///
/// It starts with `first`, if that is `Some`, and ends when the closure returns `None`.
///
/// # Examples
///
/// ```
/// use reveille::prelude::*;
/// use reveille::{stream, task};
///
/// task::block_on(async {
///     let powers = stream::successors(Some(1u8), |n| n.checked_mul(10));
///     let powers: Vec<u8> = powers.collect().await;
///     assert_eq!(powers, [1, 10, 100]);
/// });
/// ```
#[doc(alias = "unfold")]
pub fn successors<F, T>(first: Option<T>, succ: F) -> Successors<F, T>
where
    F: FnMut(&T) -> Option<T>,
{
    Successors { succ, next: first }
}

pin_project! {
    /// A stream in which every item is computed from the previous one; see [`successors`].
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use reveille::stream;
    /// use std::time::Duration;
    ///
    /// // Pauses between attempts: doubled each time, five at most.
    /// let pauses = stream::successors(Some(Duration::from_millis(10)), |pause| Some(*pause * 2));
    /// let last = reveille::task::block_on(pauses.take(5).last());
    /// assert_eq!(last, Some(Duration::from_millis(160)));
    /// ```
    #[must_use = "streams do nothing unless polled"]
    pub struct Successors<F, T>
    where
        F: FnMut(&T) -> Option<T>,
    {
        succ: F,
        next: Option<T>,
    }
}

impl<F, T: fmt::Debug> fmt::Debug for Successors<F, T>
where
    F: FnMut(&T) -> Option<T> + fmt::Debug,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Successors").field("succ", &self.succ).field("next", &self.next).finish()
    }
}

impl<F, T> Stream for Successors<F, T>
where
    F: FnMut(&T) -> Option<T>,
{
    type Item = T;

    fn poll_next(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Option<T>> {
        let this = self.project();
        let Some(current) = this.next.take() else {
            return Poll::Ready(None);
        };
        *this.next = (this.succ)(&current);
        Poll::Ready(Some(current))
    }
}

impl<F, T> FusedStream for Successors<F, T> where F: FnMut(&T) -> Option<T> {}

impl<T> DoubleEndedStream for Once<T> {
    fn poll_next_back(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        // A single item is the last as well as the first.
        self.poll_next(cx)
    }
}

impl<T> DoubleEndedStream for Pending<T> {
    fn poll_next_back(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Option<T>> {
        Poll::Pending
    }
}

impl<T> ExactSizeStream for Once<T> {}
impl<T> ExactSizeStream for Empty<T> {}
impl<T> ExactSizeStream for Pending<T> {}

impl<T> FusedStream for Once<T> {}
impl<T> FusedStream for Empty<T> {}
impl<T> FusedStream for Pending<T> {}
impl<T: Clone> FusedStream for Repeat<T> {}
impl<T, F: FnMut() -> T> FusedStream for RepeatWith<F> {}
