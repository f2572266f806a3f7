//! Many items of a stream in work at once, inside one task.
//!
//! `for_each_concurrent` owns the futures it made, in slots, and polls only those that were woken:
//! every slot has a waker of its own, which puts the slot's number into a queue and wakes the task.
//! Polling all of them on every wake would be simpler, and quadratic.
//!
//! Invariants:
//! 1. A slot's number is in the queue at most once: whoever sets `is_queued` pushes it.
//! 2. `is_queued` is cleared before the slot is polled, so a wake during the poll queues it again.
//! 3. The task's waker is stored before the queue is found empty, so a wake after that reaches it.
//! 4. The queue's lock is held for a push or a pop only: wakers are woken and dropped outside.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker, ready};

use pin_project_lite::pin_project;

use super::Stream;
use super::consume::Pace;

/// Working on many items of a stream at once.
///
/// These methods are not in [`StreamExt`](super::StreamExt), which is the predecessor's trait, item
/// by item: a program that also imports the trait of another crate with a method of the same name
/// goes on compiling. The prelude has both.
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
    /// Calls an asynchronous closure with every item, and runs up to `limit` of the futures at
    /// once.
    ///
    /// `None` (or 0) means no limit: then the stream is read as fast as it gives items. The futures
    /// run inside this one, on its task: they take turns, and what they borrow need not be
    /// `'static`. Spawn tasks to use many threads.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops those that are not finished; their items are lost.
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
        ForEachConcurrent { stream: Some(self), f, limit, pool: Pool::new() }
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
        // `None` once it has ended.
        #[pin]
        stream: Option<S>,
        f: F,
        limit: usize,
        pool: Pool<Fut>,
    }
}

impl<S: fmt::Debug, F, Fut> fmt::Debug for ForEachConcurrent<S, F, Fut> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ForEachConcurrent")
            .field("stream", &self.stream)
            .field("running", &self.pool.running)
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
        this.pool.woken.listen(cx.waker());
        let mut pace = Pace::new();
        // Bounded by the budget: when it is used up, `pace` is pending.
        loop {
            let mut is_progress = false;
            if this.pool.running < *this.limit
                && let Some(stream) = this.stream.as_mut().as_pin_mut()
            {
                ready!(pace.poll_proceed(cx));
                match stream.poll_next(cx) {
                    Poll::Ready(Some(item)) => {
                        this.pool.start((this.f)(item));
                        is_progress = true;
                    }
                    Poll::Ready(None) => this.stream.set(None),
                    Poll::Pending => {}
                }
            }
            ready!(pace.poll_proceed(cx));
            is_progress |= this.pool.poll_one();
            if this.stream.is_none() && this.pool.running == 0 {
                return Poll::Ready(());
            }
            if !is_progress {
                return Poll::Pending;
            }
        }
    }
}

/// The futures in work.
struct Pool<Fut> {
    /// `None` where the slot is free.
    slots: Vec<Option<Running<Fut>>>,
    free: Vec<usize>,
    /// How many slots are not free.
    running: usize,
    woken: Arc<Woken>,
}

/// A future in its slot.
struct Running<Fut> {
    future: Pin<Box<Fut>>,
    handle: Arc<Handle>,
    /// Made of `handle`, once per future rather than once per poll.
    waker: Waker,
}

impl<Fut: Future<Output = ()>> Pool<Fut> {
    /// Puts a future into a free slot, as if it had been woken.
    fn start(&mut self, future: Fut) {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        let handle = Arc::new(Handle {
            slot,
            is_queued: AtomicBool::new(true),
            woken: Arc::clone(&self.woken),
        });
        let waker = Waker::from(Arc::clone(&handle));
        self.slots[slot] = Some(Running { future: Box::pin(future), handle, waker });
        self.running += 1;
        self.woken.queue().push_back(slot);
    }

    /// Polls a future that was woken. False if none was.
    fn poll_one(&mut self) -> bool {
        let popped = self.woken.queue().pop_front();
        let Some(slot) = popped else {
            return false;
        };
        // A late wake of a future that is gone may name a slot that is free, or has a new tenant,
        // which is then polled once for nothing.
        let Some(running) = &mut self.slots[slot] else {
            return true;
        };
        // A swap, not a store: it acquires what a waker wrote before it found the flag set and
        // left, so that this poll sees it.
        running.handle.is_queued.swap(false, Ordering::AcqRel);
        let mut cx = Context::from_waker(&running.waker);
        if running.future.as_mut().poll(&mut cx).is_ready() {
            self.slots[slot] = None;
            self.free.push(slot);
            self.running -= 1;
        }
        true
    }
}

impl<Fut> Pool<Fut> {
    fn new() -> Pool<Fut> {
        Pool { slots: Vec::new(), free: Vec::new(), running: 0, woken: Arc::default() }
    }
}

/// The numbers of the slots to poll, and whom to tell.
#[derive(Debug, Default)]
struct Woken {
    queue: Mutex<VecDeque<usize>>,
    task: Mutex<Option<Waker>>,
}

impl Woken {
    /// Nothing that can panic runs under the lock, so a poisoned one is as good as any.
    fn queue(&self) -> MutexGuard<'_, VecDeque<usize>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says whom to wake from now on.
    fn listen(&self, waker: &Waker) {
        let task = || self.task.lock().unwrap_or_else(PoisonError::into_inner);
        let is_known = task().as_ref().is_some_and(|known| known.will_wake(waker));
        if !is_known {
            let new = Some(waker.clone());
            let old = std::mem::replace(&mut *task(), new);
            drop(old);
        }
    }

    fn wake_task(&self) {
        let waker = self.task.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// What the waker of a slot knows.
#[derive(Debug)]
struct Handle {
    slot: usize,
    is_queued: AtomicBool,
    woken: Arc<Woken>,
}

impl Wake for Handle {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.is_queued.swap(true, Ordering::AcqRel) {
            self.woken.queue().push_back(self.slot);
            self.woken.wake_task();
        }
    }
}
