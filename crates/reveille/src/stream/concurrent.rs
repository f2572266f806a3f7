//! Methods of streams that async-std does not have: asynchronous and concurrent processing of items
//! inside one task, and batches.
//!
//! `buffered.rs` and `chunks.rs` have their types. `for_each_concurrent` owns the futures that it
//! creates, in a [`Group`], and polls those that were woken.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project_lite::pin_project;
use reveille_runtime::budget;

use super::buffered::{BufferUnordered, Buffered, assert_limit};
use super::chunks::ChunksTimeout;
use super::consume::Pace;
use super::{Stream, Then};
use crate::future::Group;

/// Asynchronous and concurrent processing of a stream's items, and batches.
///
/// These methods are not in [`StreamExt`](super::StreamExt), which has exactly the methods of
/// async-std's trait. So a program that also imports another crate's trait with a method of the
/// same name still compiles. The prelude has both.
///
/// # Examples
///
/// ```
/// use reveille::prelude::*;
/// use reveille::{stream, task};
/// use std::cell::Cell;
///
/// // The futures take turns on this task, so a plain `Cell` is enough to count.
/// let done = Cell::new(0);
/// task::block_on(stream::from_iter(0..10).for_each_concurrent(4, async |_| {
///     task::yield_now().await;
///     done.set(done.get() + 1);
/// }));
/// assert_eq!(done.get(), 10);
/// ```
pub trait ConcurrentExt: Stream {
    /// Calls an asynchronous closure with every item and runs up to `limit` of the futures at the
    /// same time.
    ///
    /// `None` (or 0) means no limit: the stream is then read as fast as it yields items. The
    /// futures run on this task: they take turns, and what they borrow need not be `'static`. Spawn
    /// tasks to use several threads.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the unfinished futures; their items are lost.
    ///
    /// # Panics
    ///
    /// A panic in one of the futures is passed on, and drops the others.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use reveille::{channel, stream, task};
    ///
    /// task::block_on(async {
    ///     let (done, finished) = channel::unbounded();
    ///     stream::from_iter([30, 10, 20])
    ///         .for_each_concurrent(2, async |ms| {
    ///             task::sleep(std::time::Duration::from_millis(ms)).await;
    ///             done.send(ms).await.expect("the receiver is alive");
    ///         })
    ///         .await;
    ///     assert_eq!(finished.len(), 3);
    /// });
    /// ```
    #[doc(alias = "FuturesUnordered")]
    fn for_each_concurrent<F, Fut>(
        self,
        limit: impl Into<Option<usize>>,
        f: F,
    ) -> ForEachConcurrent<Self, F, Fut>
    where
        Self: Sized,
        F: FnMut(Self::Item) -> Fut,
        Fut: Future<Output = ()>,
    {
        let limit = limit.into().filter(|limit| *limit > 0).unwrap_or(usize::MAX);
        ForEachConcurrent { stream: Some(self), f, limit, pool: Group::new() }
    }

    /// Calls an asynchronous closure with every item, and yields what its futures return.
    ///
    /// One future runs at a time. See [`buffered`](ConcurrentExt::buffered) for several.
    ///
    /// # Cancel safety
    ///
    /// The future of the current item stays in the stream, so a dropped `next` loses nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use reveille::{stream, task};
    ///
    /// let doubled = stream::from_iter(1..=3).then(async |n| {
    ///     task::yield_now().await;
    ///     2 * n
    /// });
    /// assert_eq!(task::block_on(doubled.collect::<Vec<i32>>()), [2, 4, 6]);
    /// ```
    fn then<F, Fut>(self, f: F) -> Then<Self, F, Fut>
    where
        Self: Sized,
        F: FnMut(Self::Item) -> Fut,
        Fut: Future,
    {
        futures_lite::StreamExt::then(self, f)
    }

    /// Runs up to `limit` futures of this stream at the same time, and yields their outputs in the
    /// order of the futures.
    ///
    /// The futures run on this task: they take turns, and only while the stream is read. Outputs
    /// that are ready before their turn are kept, and count for the limit.
    ///
    /// # Panics
    ///
    /// Panics if `limit` is 0. A panic in one of the futures is passed on.
    ///
    /// # Cancel safety
    ///
    /// The futures stay in the stream, so a dropped `next` loses nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use reveille::{stream, task};
    /// use std::time::Duration;
    ///
    /// let slow_first = stream::from_iter([20, 1, 1]).map(async |ms| {
    ///     task::sleep(Duration::from_millis(ms)).await;
    ///     ms
    /// });
    /// assert_eq!(task::block_on(slow_first.buffered(3).collect::<Vec<u64>>()), [20, 1, 1]);
    /// ```
    #[track_caller]
    fn buffered(self, limit: usize) -> Buffered<Self>
    where
        Self: Sized,
        Self::Item: Future,
    {
        assert_limit(limit, "buffered");
        Buffered::new(self, limit)
    }

    /// Runs up to `limit` futures of this stream at the same time, and yields their outputs as they
    /// complete.
    ///
    /// The futures run on this task: they take turns, and only while the stream is read.
    ///
    /// # Panics
    ///
    /// Panics if `limit` is 0. A panic in one of the futures is passed on.
    ///
    /// # Cancel safety
    ///
    /// The futures stay in the stream, so a dropped `next` loses nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use reveille::{future, stream, task};
    ///
    /// // The first never completes, and the second does not wait for it.
    /// let mut outputs = stream::from_iter([true, false])
    ///     .map(async |is_stuck| {
    ///         if is_stuck {
    ///             future::pending::<()>().await;
    ///         }
    ///     })
    ///     .buffer_unordered(2);
    /// assert_eq!(task::block_on(outputs.next()), Some(()));
    /// ```
    #[doc(alias = "FuturesUnordered")]
    #[track_caller]
    fn buffer_unordered(self, limit: usize) -> BufferUnordered<Self>
    where
        Self: Sized,
        Self::Item: Future,
    {
        assert_limit(limit, "buffer_unordered");
        BufferUnordered::new(self, limit)
    }

    /// Collects the items into batches of up to `max` items, and waits for no longer than `dur`
    /// after the first item of a batch.
    ///
    /// A batch is never empty. At the end of the stream the last one may be short.
    ///
    /// # Panics
    ///
    /// Panics if `max` is 0.
    ///
    /// # Cancel safety
    ///
    /// The items of the current batch stay in the stream, so a dropped `next` loses nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use reveille::{stream, task};
    /// use std::time::Duration;
    ///
    /// let source = stream::from_iter(1..=5).chain(stream::pending());
    /// let batches = source.chunks_timeout(2, Duration::from_millis(5)).take(3);
    /// let batches: Vec<Vec<i32>> = task::block_on(batches.collect());
    /// assert_eq!(batches, [vec![1, 2], vec![3, 4], vec![5]]);
    /// ```
    #[doc(alias("chunks", "ready_chunks", "batch"))]
    #[track_caller]
    fn chunks_timeout(self, max: usize, dur: Duration) -> ChunksTimeout<Self>
    where
        Self: Sized,
    {
        assert_limit(max, "chunks_timeout");
        ChunksTimeout::new(self, max, dur)
    }
}

impl<S: Stream + ?Sized> ConcurrentExt for S {}

pin_project! {
    /// The future of [`ConcurrentExt::for_each_concurrent`].
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::prelude::*;
    /// use reveille::{future, stream};
    /// use std::time::Duration;
    ///
    /// // Dropped while its futures wait: they are dropped with it.
    /// let stuck = stream::from_iter(0..3).for_each_concurrent(2, |_| future::pending());
    /// let result = reveille::task::block_on(future::timeout(Duration::from_millis(1), stuck));
    /// assert!(result.is_err());
    /// ```
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct ForEachConcurrent<S, F, Fut> {
        // `None` after the stream has ended.
        #[pin]
        stream: Option<S>,
        f: F,
        limit: usize,
        pool: Group<Pin<Box<Fut>>>,
    }
}

impl<S: fmt::Debug, F, Fut> fmt::Debug for ForEachConcurrent<S, F, Fut> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ForEachConcurrent")
            .field("stream", &self.stream)
            .field("running", &self.pool.len())
            .finish_non_exhaustive()
    }
}

impl<S, F, Fut> Future for ForEachConcurrent<S, F, Fut>
where
    S: Stream,
    F: FnMut(S::Item) -> Fut,
    Fut: Future<Output = ()>,
{
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        this.pool.listen(cx.waker());
        this.pool.show(cx.waker());
        let mut pace = Pace::new();
        let is_budget_left = budget::is_left();
        // Bounded by the budget: `pace` is pending when it is used up.
        loop {
            let mut is_progress = false;
            if this.pool.len() < *this.limit
                && let Some(stream) = this.stream.as_mut().as_pin_mut()
            {
                ready!(pace.poll_proceed(cx));
                match stream.poll_next(cx) {
                    Poll::Ready(Some(item)) => {
                        this.pool.insert(Box::pin((this.f)(item)));
                        is_progress = true;
                    }
                    Poll::Ready(None) => this.stream.set(None),
                    Poll::Pending => {}
                }
            }
            ready!(pace.poll_proceed(cx));
            if let Some(slot) = this.pool.pop() {
                this.pool.poll(slot, cx.waker());
                is_progress = true;
                if is_budget_left && !budget::is_left() {
                    // The next poll begins with the future after the one that used up the budget.
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
            }
            if this.stream.is_none() && this.pool.is_empty() {
                return Poll::Ready(());
            }
            if !is_progress {
                return Poll::Pending;
            }
        }
    }
}
