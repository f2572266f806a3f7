//! Streams that are dropped at their end: `fuse`, `chain`.
//!
//! A stream that has ended is dropped at once, as std's `Fuse` and `Chain` drop an iterator. The
//! next stream may depend on it: the first half of a chain may own the only sender of the channel
//! that the second half receives from.
//!
//! *Rejected:* the types of futures-lite, which keep an ended stream until they are dropped
//! themselves, and have no `size_hint`.

use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::{FusedStream, Stream};

pin_project! {
    /// A stream that stays ended: see [`StreamExt::fuse`](super::StreamExt::fuse).
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use reveille::{channel, stream};
    ///
    /// reveille::task::block_on(async {
    ///     let (sender, receiver) = channel::bounded::<()>(1);
    ///     let mut ended = stream::from_iter([1]).inspect(move |_| drop(sender.clone())).fuse();
    ///     assert_eq!((ended.next().await, ended.next().await), (Some(1), None));
    ///     // The stream was dropped when it ended, and the sender with it.
    ///     assert!(receiver.recv().await.is_err());
    /// });
    /// ```
    #[derive(Clone, Debug)]
    #[must_use = "streams do nothing unless polled"]
    pub struct Fuse<S> {
        // `None` after the stream has ended.
        #[pin]
        stream: Option<S>,
    }
}

impl<S> Fuse<S> {
    pub(super) fn new(stream: S) -> Fuse<S> {
        Fuse { stream: Some(stream) }
    }
}

impl<S: Stream> Stream for Fuse<S> {
    type Item = S::Item;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        let mut this = self.project();
        let Some(stream) = this.stream.as_mut().as_pin_mut() else {
            return Poll::Ready(None);
        };
        match stream.poll_next(cx) {
            Poll::Ready(None) => {
                this.stream.set(None);
                Poll::Ready(None)
            }
            next => next,
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.stream.as_ref().map_or((0, Some(0)), Stream::size_hint)
    }
}

impl<S: Stream> FusedStream for Fuse<S> {}

pin_project! {
    /// One stream after another: see [`StreamExt::chain`](super::StreamExt::chain).
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use reveille::stream;
    ///
    /// let both = stream::from_iter([1, 2]).chain(stream::once(3));
    /// assert_eq!(both.size_hint(), (3, Some(3)));
    /// assert_eq!(reveille::task::block_on(both.last()), Some(3));
    /// ```
    #[derive(Clone, Debug)]
    #[must_use = "streams do nothing unless polled"]
    pub struct Chain<S, U> {
        #[pin]
        first: Fuse<S>,
        #[pin]
        second: Fuse<U>,
    }
}

impl<S, U> Chain<S, U> {
    pub(super) fn new(first: S, second: U) -> Chain<S, U> {
        Chain { first: Fuse::new(first), second: Fuse::new(second) }
    }
}

impl<S: Stream, U: Stream<Item = S::Item>> Stream for Chain<S, U> {
    type Item = S::Item;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        let this = self.project();
        match this.first.poll_next(cx) {
            Poll::Ready(None) => this.second.poll_next(cx),
            next => next,
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let (first, second) = (self.first.size_hint(), self.second.size_hint());
        let upper = first.1.zip(second.1).and_then(|(first, second)| first.checked_add(second));
        (first.0.saturating_add(second.0), upper)
    }
}

impl<S: Stream, U: Stream<Item = S::Item>> FusedStream for Chain<S, U> {}
