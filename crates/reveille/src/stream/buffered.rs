//! Streams of futures, of which several run at the same time: `buffered`, `buffer_unordered`.
//!
//! The futures are in a [`Group`], which polls those that were woken. They stay in the stream: a
//! `next` that is dropped loses no future.
//!
//! *Rejected:* the types of futures-util, which would be two more crates, and with a limit of 0
//! wait forever.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::consume::Pace;
use super::{FusedStream, Stream};
use crate::future::Group;

/// Panics if the limit is 0, with which no future could run.
#[track_caller]
pub(super) fn assert_limit(limit: usize, name: &str) {
    assert!(limit > 0, "`{name}` needs a limit of at least 1");
}

/// Takes the next item, if there is one and budget for it. Drops a stream that has ended.
fn take_next<S: Stream>(
    cx: &mut Context<'_>,
    mut stream: Pin<&mut Option<S>>,
    pace: &mut Pace,
) -> Option<S::Item> {
    let source = stream.as_mut().as_pin_mut()?;
    if pace.poll_proceed(cx).is_pending() {
        return None;
    }
    match source.poll_next(cx) {
        Poll::Ready(Some(item)) => Some(item),
        Poll::Ready(None) => {
            stream.set(None);
            None
        }
        Poll::Pending => None,
    }
}

/// The bounds of the number of items still to come: from the rest of the stream, and from the
/// futures that were started.
fn remaining<S: Stream>(stream: Option<&S>, started: usize) -> (usize, Option<usize>) {
    let (lower, upper) = stream.map_or((0, Some(0)), S::size_hint);
    let upper = upper.and_then(|upper| upper.checked_add(started));
    (lower.saturating_add(started), upper)
}

pin_project! {
    /// A stream of the outputs of futures, in the order of their completion: see
    /// [`ConcurrentExt::buffer_unordered`](super::ConcurrentExt::buffer_unordered).
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use reveille::{stream, task};
    ///
    /// let doubled = stream::from_iter(1..=3).map(async |n| 2 * n).buffer_unordered(2);
    /// let mut doubled: Vec<i32> = task::block_on(doubled.collect());
    /// doubled.sort();
    /// assert_eq!(doubled, [2, 4, 6]);
    /// ```
    #[must_use = "streams do nothing unless polled"]
    pub struct BufferUnordered<S: Stream> {
        // `None` after the stream has ended.
        #[pin]
        stream: Option<S>,
        limit: usize,
        group: Group<Pin<Box<S::Item>>>,
    }
}

impl<S: Stream> BufferUnordered<S> {
    pub(super) fn new(stream: S, limit: usize) -> BufferUnordered<S> {
        BufferUnordered { stream: Some(stream), limit, group: Group::new() }
    }
}

impl<S> Stream for BufferUnordered<S>
where
    S: Stream,
    S::Item: Future,
{
    type Item = <S::Item as Future>::Output;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut this = self.project();
        let mut pace = Pace::new();
        while this.group.len() < *this.limit
            && let Some(future) = take_next(cx, this.stream.as_mut(), &mut pace)
        {
            this.group.insert(Box::pin(future));
        }
        if this.stream.is_none() && this.group.is_empty() {
            return Poll::Ready(None);
        }
        this.group.poll_woken(cx, |_, output| ControlFlow::Break(output)).map(Some)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        remaining(self.stream.as_ref(), self.group.len())
    }
}

impl<S> FusedStream for BufferUnordered<S>
where
    S: Stream,
    S::Item: Future,
{
}

impl<S: Stream + fmt::Debug> fmt::Debug for BufferUnordered<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BufferUnordered")
            .field("stream", &self.stream)
            .field("limit", &self.limit)
            .field("running", &self.group.len())
            .finish_non_exhaustive()
    }
}

pin_project! {
    /// A future and its number in the stream.
    struct Numbered<F> {
        #[pin]
        future: F,
        number: u64,
    }
}

impl<F: Future> Future for Numbered<F> {
    type Output = (u64, F::Output);

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        this.future.poll(cx).map(|output| (*this.number, output))
    }
}

pin_project! {
    /// A stream of the outputs of futures, in the order of the futures: see
    /// [`ConcurrentExt::buffered`](super::ConcurrentExt::buffered).
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use reveille::{stream, task};
    ///
    /// let doubled = stream::from_iter(1..=3).map(async |n| 2 * n).buffered(2);
    /// assert_eq!(task::block_on(doubled.collect::<Vec<i32>>()), [2, 4, 6]);
    /// ```
    #[must_use = "streams do nothing unless polled"]
    pub struct Buffered<S>
    where
        S: Stream,
        S::Item: Future,
    {
        // `None` after the stream has ended.
        #[pin]
        stream: Option<S>,
        limit: usize,
        group: Group<Pin<Box<Numbered<S::Item>>>>,
        // The outputs, from the one that is yielded next; `None` for a future that still runs.
        outputs: VecDeque<Option<<S::Item as Future>::Output>>,
        // The number of the first of them.
        first: u64,
    }
}

impl<S> Buffered<S>
where
    S: Stream,
    S::Item: Future,
{
    pub(super) fn new(stream: S, limit: usize) -> Buffered<S> {
        let (group, outputs) = (Group::new(), VecDeque::new());
        Buffered { stream: Some(stream), limit, group, outputs, first: 0 }
    }
}

impl<S> Stream for Buffered<S>
where
    S: Stream,
    S::Item: Future,
{
    type Item = <S::Item as Future>::Output;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut this = self.project();
        let (first, outputs) = (*this.first, this.outputs);
        let mut pace = Pace::new();
        while outputs.len() < *this.limit
            && let Some(future) = take_next(cx, this.stream.as_mut(), &mut pace)
        {
            let number = first + outputs.len() as u64;
            outputs.push_back(None);
            this.group.insert(Box::pin(Numbered { future, number }));
        }
        if this.stream.is_none() && outputs.is_empty() {
            return Poll::Ready(None);
        }
        if outputs.front().is_none_or(Option::is_none) {
            // A future of the group has its place in `outputs` until it is yielded.
            let _is_first = this.group.poll_woken(cx, |_, (number, output)| {
                outputs[(number - first) as usize] = Some(output);
                match number == first {
                    true => ControlFlow::Break(()),
                    false => ControlFlow::Continue(()),
                }
            });
        }
        let Some(output) = outputs.front_mut().and_then(Option::take) else {
            return Poll::Pending;
        };
        outputs.pop_front();
        *this.first += 1;
        Poll::Ready(Some(output))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        remaining(self.stream.as_ref(), self.outputs.len())
    }
}

impl<S> FusedStream for Buffered<S>
where
    S: Stream,
    S::Item: Future,
{
}

impl<S> fmt::Debug for Buffered<S>
where
    S: Stream + fmt::Debug,
    S::Item: Future,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffered")
            .field("stream", &self.stream)
            .field("limit", &self.limit)
            .field("running", &self.group.len())
            .finish_non_exhaustive()
    }
}
