//! Concurrent processing of a stream's items inside one task.
//!
//! `for_each_concurrent` owns the futures that it creates, in a [`Group`], and polls those that
//! were woken.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use reveille_runtime::budget;

use super::Stream;
use super::consume::Pace;
use crate::future::Group;

/// Concurrent processing of a stream's items.
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
    #[doc(alias("buffer_unordered", "buffered", "FuturesUnordered"))]
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
                this.pool.poll(slot);
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
