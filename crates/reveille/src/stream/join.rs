//! Several streams combined into one: `merge`, `zip`, `flatten`, `flat_map`.
//!
//! `zip` is not futures-lite's, whose `Debug` requires `Debug` of the items.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_lite::StreamExt as _;
use pin_project_lite::pin_project;
use reveille_runtime::random;

use super::{Fuse, FusedStream, IntoStream, Map, Stream};

pin_project! {
    /// Two streams as one: see [`StreamExt::merge`](super::StreamExt::merge).
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use reveille::stream;
    ///
    /// // Items as they arrive; ends when both have ended.
    /// let both = stream::from_iter([1, 2]).merge(stream::from_iter([30]));
    /// let mut all: Vec<_> = reveille::task::block_on(both.collect());
    /// all.sort();
    /// assert_eq!(all, [1, 2, 30]);
    /// ```
    #[derive(Debug)]
    #[must_use = "streams do nothing unless polled"]
    pub struct Merge<L, R> {
        #[pin]
        left: Fuse<L>,
        #[pin]
        right: Fuse<R>,
    }
}

impl<L, R> Merge<L, R> {
    pub(super) fn new(left: L, right: R) -> Merge<L, R> {
        Merge { left: Fuse::new(left), right: Fuse::new(right) }
    }
}

impl<L, R, T> Stream for Merge<L, R>
where
    L: Stream<Item = T>,
    R: Stream<Item = T>,
{
    type Item = T;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let this = self.project();
        // A random choice per poll: neither side can starve the other, however many items it has
        // ready.
        if random::next_u64() & 1 == 0 {
            poll_in_order(this.left, this.right, cx)
        } else {
            poll_in_order(this.right, this.left, cx)
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let (left, right) = (self.left.size_hint(), self.right.size_hint());
        let upper = left.1.zip(right.1).and_then(|(left, right)| left.checked_add(right));
        (left.0.saturating_add(right.0), upper)
    }
}

impl<L, R, T> FusedStream for Merge<L, R>
where
    L: Stream<Item = T>,
    R: Stream<Item = T>,
{
}

/// The merged stream ends when both have ended, and is pending while either is.
fn poll_in_order<T>(
    first: Pin<&mut impl Stream<Item = T>>,
    second: Pin<&mut impl Stream<Item = T>>,
    cx: &mut Context<'_>,
) -> Poll<Option<T>> {
    let first_is_pending = match first.poll_next(cx) {
        Poll::Ready(Some(item)) => return Poll::Ready(Some(item)),
        Poll::Ready(None) => false,
        Poll::Pending => true,
    };
    match second.poll_next(cx) {
        Poll::Ready(None) if first_is_pending => Poll::Pending,
        poll => poll,
    }
}

pin_project! {
    /// The items of two streams in pairs: see [`StreamExt::zip`](super::StreamExt::zip).
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use reveille::stream;
    ///
    /// // Ends with the shorter one.
    /// let pairs = stream::from_iter(["a", "b"]).zip(stream::repeat(0));
    /// let pairs: Vec<_> = reveille::task::block_on(pairs.collect());
    /// assert_eq!(pairs, [("a", 0), ("b", 0)]);
    /// ```
    #[must_use = "streams do nothing unless polled"]
    pub struct Zip<A: Stream, B> {
        #[pin]
        left: A,
        #[pin]
        right: B,
        // The left half of a pair whose right half has not arrived yet.
        held: Option<A::Item>,
    }
}

impl<A: Stream, B> Zip<A, B> {
    pub(super) fn new(left: A, right: B) -> Zip<A, B> {
        Zip { left, right, held: None }
    }
}

impl<A: Stream + fmt::Debug, B: fmt::Debug> fmt::Debug for Zip<A, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Zip").field("left", &self.left).field("right", &self.right).finish()
    }
}

impl<A: Stream, B: Stream> Stream for Zip<A, B> {
    type Item = (A::Item, B::Item);

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.project();
        if this.held.is_none() {
            match ready!(this.left.poll_next(cx)) {
                Some(item) => *this.held = Some(item),
                None => return Poll::Ready(None),
            }
        }
        let right = ready!(this.right.poll_next(cx));
        Poll::Ready(this.held.take().zip(right))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let held = usize::from(self.held.is_some());
        let (left, right) = (self.left.size_hint(), self.right.size_hint());
        let left_upper = left.1.and_then(|upper| upper.checked_add(held));
        let upper = match (left_upper, right.1) {
            (Some(left), Some(right)) => Some(left.min(right)),
            (left, right) => left.or(right),
        };
        (left.0.saturating_add(held).min(right.0), upper)
    }
}

pin_project! {
    /// The items of the streams that a stream yields: see
    /// [`StreamExt::flatten`](super::StreamExt::flatten).
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use reveille::stream;
    ///
    /// // One inner stream after the other.
    /// let pages = stream::from_iter([stream::from_iter(vec![1, 2]), stream::from_iter(vec![3])]);
    /// let all: Vec<_> = reveille::task::block_on(pages.flatten().collect());
    /// assert_eq!(all, [1, 2, 3]);
    /// ```
    #[must_use = "streams do nothing unless polled"]
    pub struct Flatten<S>
    where
        S: Stream,
        S::Item: IntoStream,
    {
        #[pin]
        stream: S,
        #[pin]
        current: Option<<S::Item as IntoStream>::IntoStream>,
    }
}

impl<S> Flatten<S>
where
    S: Stream,
    S::Item: IntoStream,
{
    pub(super) fn new(stream: S) -> Flatten<S> {
        Flatten { stream, current: None }
    }
}

impl<S, U> fmt::Debug for Flatten<S>
where
    S: Stream + fmt::Debug,
    S::Item: IntoStream<IntoStream = U, Item = U::Item>,
    U: Stream + fmt::Debug,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flatten")
            .field("stream", &self.stream)
            .field("current", &self.current)
            .finish()
    }
}

impl<S, U> Stream for Flatten<S>
where
    S: Stream,
    S::Item: IntoStream<IntoStream = U, Item = U::Item>,
    U: Stream,
{
    type Item = U::Item;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<U::Item>> {
        let this = self.project();
        poll_flat(this.stream, this.current, cx)
    }
}

pin_project! {
    /// The items of the streams that a closure makes: see
    /// [`StreamExt::flat_map`](super::StreamExt::flat_map).
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use reveille::stream;
    ///
    /// let words = stream::from_iter(["ab", "c"]);
    /// let letters = words.flat_map(|word| stream::from_iter(word.chars()));
    /// assert_eq!(reveille::task::block_on(letters.count()), 3);
    /// ```
    #[must_use = "streams do nothing unless polled"]
    pub struct FlatMap<S, U, F> {
        #[pin]
        stream: Map<S, F>,
        #[pin]
        current: Option<U>,
    }
}

impl<S, U, F> FlatMap<S, U, F>
where
    S: Stream,
    U: IntoStream,
    F: FnMut(S::Item) -> U,
{
    pub(super) fn new(stream: S, f: F) -> FlatMap<S, U, F> {
        FlatMap { stream: stream.map(f), current: None }
    }
}

impl<S: fmt::Debug, U: fmt::Debug, F> fmt::Debug for FlatMap<S, U, F>
where
    Map<S, F>: fmt::Debug,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FlatMap")
            .field("stream", &self.stream)
            .field("current", &self.current)
            .finish()
    }
}

impl<S, U, F> Stream for FlatMap<S, U, F>
where
    S: Stream,
    U: Stream,
    F: FnMut(S::Item) -> U,
{
    type Item = U::Item;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<U::Item>> {
        let this = self.project();
        poll_flat(this.stream, this.current, cx)
    }
}

/// Reads `current` to its end, then takes the next of `stream`.
fn poll_flat<S, U>(
    mut stream: Pin<&mut S>,
    mut current: Pin<&mut Option<U>>,
    cx: &mut Context<'_>,
) -> Poll<Option<U::Item>>
where
    S: Stream,
    S::Item: IntoStream<IntoStream = U, Item = U::Item>,
    U: Stream,
{
    // Each round uses up one inner stream, so the outer stream bounds the loop.
    loop {
        if let Some(inner) = current.as_mut().as_pin_mut() {
            if let Some(item) = ready!(inner.poll_next(cx)) {
                return Poll::Ready(Some(item));
            }
            // Dropped before the next one is requested, which may depend on what this one holds.
            current.set(None);
        }
        match ready!(stream.as_mut().poll_next(cx)) {
            Some(next) => current.set(Some(next.into_stream())),
            None => return Poll::Ready(None),
        }
    }
}
