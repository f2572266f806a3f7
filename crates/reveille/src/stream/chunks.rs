//! Batches of a stream's items: `chunks_timeout`.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project_lite::pin_project;
use reveille_runtime::budget;
use reveille_runtime::time::Sleep;

use super::consume::Pace;
use super::{FusedStream, Stream};

pin_project! {
    /// A stream of batches: see
    /// [`ConcurrentExt::chunks_timeout`](super::ConcurrentExt::chunks_timeout).
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use reveille::stream;
    /// use std::time::Duration;
    ///
    /// let batches = stream::from_iter(1..=3).chunks_timeout(2, Duration::from_secs(60));
    /// let batches: Vec<Vec<i32>> = reveille::task::block_on(batches.collect());
    /// assert_eq!(batches, [vec![1, 2], vec![3]]);
    /// ```
    #[derive(Debug)]
    #[must_use = "streams do nothing unless polled"]
    pub struct ChunksTimeout<S: Stream> {
        // `None` after the stream has ended.
        #[pin]
        stream: Option<S>,
        items: Vec<S::Item>,
        max: usize,
        timeout: Duration,
        // `None` as long as no batch waits: a batch that is full at once reads no clock.
        sleep: Option<Sleep>,
    }
}

impl<S: Stream> ChunksTimeout<S> {
    pub(super) fn new(stream: S, max: usize, timeout: Duration) -> ChunksTimeout<S> {
        ChunksTimeout { stream: Some(stream), items: Vec::new(), max, timeout, sleep: None }
    }
}

impl<S: Stream> Stream for ChunksTimeout<S> {
    type Item = Vec<S::Item>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut this = self.project();
        let is_budget_left = budget::is_left();
        let mut pace = Pace::new();
        // Bounded by the budget, if not by `max`: `pace` is pending when it is used up.
        while this.items.len() < *this.max
            && let Some(stream) = this.stream.as_mut().as_pin_mut()
            && pace.poll_proceed(cx).is_ready()
        {
            match stream.poll_next(cx) {
                Poll::Ready(Some(item)) => this.items.push(item),
                Poll::Ready(None) => this.stream.set(None),
                Poll::Pending => break,
            }
        }
        let is_complete = this.items.len() == *this.max || this.stream.is_none();
        if !is_complete {
            if this.items.is_empty() {
                return Poll::Pending;
            }
            let sleep = this.sleep.get_or_insert_with(|| Sleep::after(*this.timeout));
            ready!(budget::poll_after(is_budget_left, || Pin::new(sleep).poll(cx)));
        }
        *this.sleep = None;
        let batch = std::mem::take(this.items);
        Poll::Ready((!batch.is_empty()).then_some(batch))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let (lower, upper) = self.stream.as_ref().map_or((0, Some(0)), S::size_hint);
        let waiting = self.items.len();
        // Each batch has `max` items at most, and one at least.
        let lower = lower.saturating_add(waiting).div_ceil(self.max);
        (lower, upper.and_then(|upper| upper.checked_add(waiting)))
    }
}

impl<S: Stream> FusedStream for ChunksTimeout<S> {}
