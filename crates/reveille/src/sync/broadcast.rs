//! A channel whose messages reach every receiver.
//!
//! Each [`Receiver`] gets each message that is sent after it was made. The channel keeps the last
//! `capacity` messages. A sender never waits: if the channel is full, the oldest message is
//! dropped. A receiver that had not received it gets an error with the number of messages that it
//! has missed ([`RecvError::Lagged`]), and continues with the oldest message that is left. So a
//! slow receiver does not stop the others. Names and semantics are those of tokio's module.
//!
//! If no message may be lost, give each receiver a [`channel`](crate::channel) of its own, whose
//! senders wait. If only the latest value matters, use [`watch`](super::watch). A message is cloned
//! for each receiver except the last one, which gets the message itself.
//!
//! # Differences
//!
//! tokio rounds the capacity up to a power of two; here it is what you ask for. A message must be
//! `Sync`, because receivers on several threads clone it at the same time. No code of the message
//! (`clone`, `drop`) runs under a lock, so it may use the channel.
//!
//! It works on every executor. A waker that panics is reported, and the other receivers are woken.
//!
//! # Examples
//!
//! ```
//! use reveille::sync::broadcast;
//! use reveille::task;
//!
//! task::block_on(async {
//!     let (sender, mut first) = broadcast::channel(16);
//!     let mut second = sender.subscribe();
//!     sender.send("hello").unwrap();
//!     assert_eq!(first.recv().await, Ok("hello"));
//!     assert_eq!(second.recv().await, Ok("hello"));
//! });
//! ```
//!
//! A receiver that does not keep up:
//!
//! ```
//! use reveille::sync::broadcast::{self, RecvError};
//!
//! reveille::task::block_on(async {
//!     let (sender, mut slow) = broadcast::channel(2);
//!     for n in 0..5 {
//!         sender.send(n).unwrap();
//!     }
//!     assert_eq!(slow.recv().await, Err(RecvError::Lagged(3)));
//!     assert_eq!(slow.recv().await, Ok(3));
//! });
//! ```

// One lock guards the messages, the counts and the waiters.
//
// # Invariants
//
// 1. The message at the front of the ring has the number `first`. `unread` of a message is the
//    number of receivers that have not received it. A message whose `unread` becomes 0 is taken
//    out; such messages are at the front, because each receiver receives in order.
// 2. A receiver's `next` is not above the number of the next message. If it is below `first`, the
//    receiver has lagged: messages that all have received have no receiver below them.
// 3. No user code runs under the lock. Messages are in an `Arc`, so receivers clone and drop them
//    after they have released it. Wakers are cloned before and woken or dropped after.
//
// `tests/loom_sync.rs` of the runtime models this file.
//
// Rejected: async-broadcast. Its senders wait when the channel is full, unless the whole channel is
// in overflow mode. It clones messages and wakes receivers under its locks. Rejected: a lock for
// each slot, as in tokio, which runs `clone` under it.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::sync::{Arc, PoisonError, Weak};
use std::task::{Context, Poll, Waker};

use super::notify::Notify;
use super::send_error::impl_send_error;
use super::wait_queue::WaitQueue;
use crate::protocol::{Mutex, MutexGuard, block_on, budget};

/// How many slots are allocated at once. A larger channel grows as it fills.
const FIRST_SLOTS: usize = 64;

/// Creates a channel that keeps up to `capacity` messages. A receiver that falls further behind
/// misses the oldest ones.
///
/// # Panics
///
/// Panics if `capacity` is 0.
///
/// # Examples
///
/// ```
/// use reveille::sync::broadcast;
///
/// let (sender, mut receiver) = broadcast::channel(1);
/// sender.send(7).unwrap();
/// assert_eq!(receiver.try_recv(), Ok(7));
/// ```
#[track_caller]
pub fn channel<T: Clone>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    let sender = Sender::new(capacity);
    let receiver = sender.subscribe();
    (sender, receiver)
}

struct Shared<T> {
    state: Mutex<State<T>>,
    /// Notified of the end of the last receiver.
    abandoned: Notify,
}

struct State<T> {
    ring: VecDeque<Slot<T>>,
    /// The number of the message at the front of the ring.
    first: u64,
    capacity: usize,
    senders: usize,
    receivers: usize,
    waiters: WaitQueue<()>,
}

struct Slot<T> {
    message: Arc<T>,
    unread: usize,
}

impl<T> State<T> {
    /// The number of the next message.
    fn next(&self) -> u64 {
        self.first + self.ring.len() as u64
    }

    /// Adds a message. Returns the one that it has replaced, which the caller drops outside the
    /// lock.
    fn push(&mut self, message: Arc<T>) -> Option<Slot<T>> {
        let is_full = self.ring.len() == self.capacity;
        let evicted = if is_full { self.pop() } else { None };
        self.ring.push_back(Slot { message, unread: self.receivers });
        evicted
    }

    fn pop(&mut self) -> Option<Slot<T>> {
        let slot = self.ring.pop_front();
        self.first += u64::from(slot.is_some());
        slot
    }

    /// Takes message `next` for one receiver.
    fn take(&mut self, next: &mut u64) -> Result<Arc<T>, TryRecvError> {
        if *next < self.first {
            let missed = self.first - *next;
            *next = self.first;
            return Err(TryRecvError::Lagged(missed));
        }
        let index = *next - self.first;
        let slot = usize::try_from(index).ok().and_then(|index| self.ring.get_mut(index));
        let Some(slot) = slot else {
            let is_closed = self.senders == 0;
            return Err(if is_closed { TryRecvError::Closed } else { TryRecvError::Empty });
        };
        *next += 1;
        slot.unread -= 1;
        if slot.unread > 0 {
            return Ok(Arc::clone(&slot.message));
        }
        // The last receiver of this message: it is at the front (invariant 1).
        let slot = self.pop().expect("its index was just found");
        Ok(slot.message)
    }

    /// Marks everything from `next` on as received, for a receiver that is dropped. Returns what
    /// the caller has to drop.
    fn take_rest(&mut self, next: u64) -> Vec<Slot<T>> {
        let skipped = usize::try_from(next.saturating_sub(self.first)).unwrap_or(usize::MAX);
        for slot in self.ring.iter_mut().skip(skipped) {
            slot.unread -= 1;
        }
        let mut rest = Vec::new();
        while self.ring.front().is_some_and(|slot| slot.unread == 0) {
            rest.extend(self.pop());
        }
        rest
    }
}

impl<T> Shared<T> {
    /// No user code runs under this lock, so a poisoned lock is fine.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn subscribe(self: &Arc<Self>) -> Receiver<T> {
        let mut state = self.lock();
        state.receivers += 1;
        let next = state.next();
        drop(state);
        Receiver { shared: Arc::clone(self), next }
    }
}

/// Sends messages. It can be cloned, and the channel is closed when all clones are gone.
///
/// # Examples
///
/// ```
/// use reveille::sync::broadcast;
///
/// let sender = broadcast::Sender::new(8);
/// let mut receiver = sender.subscribe();
/// assert_eq!(sender.send("hello"), Ok(1)); // to one receiver
/// drop(sender);
/// assert_eq!(reveille::task::block_on(receiver.recv()), Ok("hello"));
/// ```
pub struct Sender<T> {
    shared: Arc<Shared<T>>,
}

impl<T> Sender<T> {
    /// Creates a channel of `capacity` messages that has no receiver yet.
    ///
    /// # Panics
    ///
    /// Panics if `capacity` is 0.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::sync::broadcast;
    ///
    /// let sender = broadcast::Sender::<u8>::new(8);
    /// assert_eq!(sender.receiver_count(), 0);
    /// ```
    #[must_use]
    #[track_caller]
    pub fn new(capacity: usize) -> Sender<T> {
        assert!(capacity > 0, "a broadcast channel needs a capacity of at least 1");
        let state = State {
            ring: VecDeque::with_capacity(capacity.min(FIRST_SLOTS)),
            first: 0,
            capacity,
            senders: 1,
            receivers: 0,
            waiters: WaitQueue::new(),
        };
        let shared = Shared { state: Mutex::new(state), abandoned: Notify::new() };
        Sender { shared: Arc::new(shared) }
    }

    /// Sends a message to all receivers, and returns how many there are. It never waits.
    ///
    /// Success does not mean that they will all receive it: a receiver may lag or be dropped.
    ///
    /// # Errors
    ///
    /// Returns the message if there is no receiver. A later [`subscribe`](Sender::subscribe) makes
    /// one.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::sync::broadcast;
    ///
    /// let (sender, receiver) = broadcast::channel(8);
    /// assert_eq!(sender.send(1), Ok(1));
    /// drop(receiver);
    /// assert_eq!(sender.send(2).unwrap_err().0, 2);
    /// ```
    pub fn send(&self, message: T) -> Result<usize, SendError<T>> {
        let message = Arc::new(message);
        let mut state = self.shared.lock();
        let receivers = state.receivers;
        if receivers == 0 {
            drop(state);
            let message = Arc::into_inner(message).expect("it was not put into the ring");
            return Err(SendError(message));
        }
        let evicted = state.push(message);
        let wakes = state.waiters.pop_all(());
        drop(state);
        wakes.wake();
        drop(evicted);
        Ok(receivers)
    }

    /// Creates a receiver, which gets the messages that are sent from now on.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::sync::broadcast;
    ///
    /// let (sender, _first) = broadcast::channel(8);
    /// sender.send(1).unwrap();
    /// let mut second = sender.subscribe();
    /// sender.send(2).unwrap();
    /// assert_eq!(second.try_recv(), Ok(2));
    /// ```
    pub fn subscribe(&self) -> Receiver<T> {
        self.shared.subscribe()
    }

    /// Returns the number of messages that at least one receiver has not received.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::sync::broadcast;
    ///
    /// let (sender, mut receiver) = broadcast::channel(8);
    /// sender.send(1).unwrap();
    /// assert_eq!(sender.len(), 1);
    /// receiver.try_recv().unwrap();
    /// assert_eq!(sender.len(), 0);
    /// ```
    pub fn len(&self) -> usize {
        self.shared.lock().ring.len()
    }

    /// Returns whether all receivers have received every message.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::sync::broadcast;
    ///
    /// let (sender, _receiver) = broadcast::channel::<u8>(8);
    /// assert!(sender.is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the number of receivers.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::sync::broadcast;
    ///
    /// let (sender, _receiver) = broadcast::channel::<u8>(8);
    /// let _second = sender.subscribe();
    /// assert_eq!(sender.receiver_count(), 2);
    /// ```
    pub fn receiver_count(&self) -> usize {
        self.shared.lock().receivers
    }

    /// Returns the number of senders.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::sync::broadcast;
    ///
    /// let (sender, _receiver) = broadcast::channel::<u8>(8);
    /// assert_eq!(sender.clone().sender_count(), 2);
    /// ```
    #[doc(alias = "strong_count")]
    pub fn sender_count(&self) -> usize {
        self.shared.lock().senders
    }

    /// Waits until all receivers are gone.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::sync::broadcast;
    /// use reveille::task;
    ///
    /// task::block_on(async {
    ///     let (sender, receiver) = broadcast::channel::<u8>(8);
    ///     task::spawn(async move { drop(receiver) });
    ///     sender.closed().await;
    /// });
    /// ```
    pub async fn closed(&self) {
        loop {
            let notified = self.shared.abandoned.notified();
            if self.receiver_count() == 0 {
                return;
            }
            notified.await;
        }
    }

    /// Returns whether two senders belong to the same channel.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::sync::broadcast;
    ///
    /// let sender = broadcast::Sender::<u8>::new(8);
    /// assert!(sender.same_channel(&sender.clone()));
    /// ```
    pub fn same_channel(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// Returns a sender that does not keep the channel open.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::sync::broadcast;
    ///
    /// let sender = broadcast::Sender::<u8>::new(8);
    /// let weak = sender.downgrade();
    /// assert!(weak.upgrade().is_some());
    /// drop(sender);
    /// assert!(weak.upgrade().is_none());
    /// ```
    pub fn downgrade(&self) -> WeakSender<T> {
        WeakSender { shared: Arc::downgrade(&self.shared) }
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Sender<T> {
        self.shared.lock().senders += 1;
        Sender { shared: Arc::clone(&self.shared) }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.senders -= 1;
        if state.senders > 0 {
            return;
        }
        let wakes = state.waiters.pop_all(());
        drop(state);
        wakes.wake();
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender")
            .field("len", &self.len())
            .field("receivers", &self.receiver_count())
            .finish_non_exhaustive()
    }
}

/// A sender that does not keep the channel open; made by [`Sender::downgrade`].
///
/// # Examples
///
/// ```
/// use reveille::sync::broadcast;
///
/// let sender = broadcast::Sender::<u8>::new(8);
/// let weak = sender.downgrade();
/// assert!(weak.upgrade().is_some_and(|strong| strong.same_channel(&sender)));
/// ```
pub struct WeakSender<T> {
    shared: Weak<Shared<T>>,
}

impl<T> WeakSender<T> {
    /// Returns a sender, or `None` if the channel is closed.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::sync::broadcast;
    ///
    /// let (sender, mut receiver) = broadcast::channel(8);
    /// let weak = sender.downgrade();
    /// weak.upgrade().unwrap().send(1).unwrap();
    /// assert_eq!(receiver.try_recv(), Ok(1));
    /// # drop(sender);
    /// ```
    pub fn upgrade(&self) -> Option<Sender<T>> {
        let shared = self.shared.upgrade()?;
        let mut state = shared.lock();
        if state.senders == 0 {
            return None;
        }
        state.senders += 1;
        drop(state);
        Some(Sender { shared })
    }
}

impl<T> Clone for WeakSender<T> {
    fn clone(&self) -> WeakSender<T> {
        WeakSender { shared: Weak::clone(&self.shared) }
    }
}

impl<T> fmt::Debug for WeakSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WeakSender").finish_non_exhaustive()
    }
}

/// Receives every message that is sent after it was made.
///
/// # Examples
///
/// ```
/// use reveille::sync::broadcast::{self, RecvError};
/// use reveille::task;
///
/// async fn sum(mut numbers: broadcast::Receiver<u32>) -> u32 {
///     let mut sum = 0;
///     loop {
///         match numbers.recv().await {
///             Ok(n) => sum += n,
///             Err(RecvError::Lagged(missed)) => println!("missed {missed} numbers"),
///             Err(RecvError::Closed) => return sum,
///         }
///     }
/// }
///
/// task::block_on(async {
///     let (sender, receiver) = broadcast::channel(16);
///     let sums = [task::spawn(sum(sender.subscribe())), task::spawn(sum(receiver))];
///     for n in 1..=4 {
///         sender.send(n).unwrap();
///     }
///     drop(sender);
///     for sum in sums {
///         assert_eq!(sum.await, 10);
///     }
/// });
/// ```
pub struct Receiver<T> {
    shared: Arc<Shared<T>>,
    /// The number of the message that it receives next.
    next: u64,
}

impl<T> Receiver<T> {
    /// Returns the number of messages that this receiver has not received, including those that it
    /// has missed.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::sync::broadcast;
    ///
    /// let (sender, receiver) = broadcast::channel(2);
    /// for n in 0..3 {
    ///     sender.send(n).unwrap();
    /// }
    /// assert_eq!(receiver.len(), 3);
    /// ```
    pub fn len(&self) -> usize {
        let sent = self.shared.lock().next();
        usize::try_from(sent - self.next).unwrap_or(usize::MAX)
    }

    /// Returns whether every message that was sent has been received.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::sync::broadcast;
    ///
    /// let (sender, receiver) = broadcast::channel(2);
    /// assert!(receiver.is_empty());
    /// sender.send(1).unwrap();
    /// assert!(!receiver.is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns whether all senders are gone. There may still be messages to receive.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::sync::broadcast;
    ///
    /// let (sender, receiver) = broadcast::channel::<u8>(2);
    /// assert!(!receiver.is_closed());
    /// drop(sender);
    /// assert!(receiver.is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.sender_count() == 0
    }

    /// Returns the number of senders.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::sync::broadcast;
    ///
    /// let (sender, receiver) = broadcast::channel::<u8>(2);
    /// let _second = sender.clone();
    /// assert_eq!(receiver.sender_count(), 2);
    /// ```
    #[doc(alias = "sender_strong_count")]
    pub fn sender_count(&self) -> usize {
        self.shared.lock().senders
    }

    /// Returns whether two receivers belong to the same channel.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::sync::broadcast;
    ///
    /// let (sender, receiver) = broadcast::channel::<u8>(2);
    /// assert!(receiver.same_channel(&sender.subscribe()));
    /// ```
    pub fn same_channel(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// Creates another receiver, which gets the messages that are sent from now on.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::sync::broadcast;
    ///
    /// let (sender, first) = broadcast::channel(8);
    /// sender.send(1).unwrap();
    /// let mut second = first.resubscribe();
    /// sender.send(2).unwrap();
    /// assert_eq!((first.len(), second.try_recv()), (2, Ok(2)));
    /// ```
    #[must_use]
    pub fn resubscribe(&self) -> Receiver<T> {
        self.shared.subscribe()
    }
}

impl<T: Clone> Receiver<T> {
    /// Waits for the next message.
    ///
    /// # Errors
    ///
    /// [`RecvError::Lagged`] with the number of messages that this receiver has missed; the next
    /// call returns the oldest message that is left. [`RecvError::Closed`] if all messages have
    /// been received and all senders are gone.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future has taken no message.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::sync::broadcast::{self, RecvError};
    ///
    /// reveille::task::block_on(async {
    ///     let (sender, mut receiver) = broadcast::channel(8);
    ///     sender.send(1).unwrap();
    ///     drop(sender);
    ///     assert_eq!(receiver.recv().await, Ok(1));
    ///     assert_eq!(receiver.recv().await, Err(RecvError::Closed));
    /// });
    /// ```
    pub async fn recv(&mut self) -> Result<T, RecvError> {
        let mut recv = Recv { shared: &self.shared, next: &mut self.next, key: None };
        let message = poll_fn(|cx| budget::poll_budgeted(cx, |cx| recv.poll(cx))).await?;
        drop(recv);
        Ok(Arc::unwrap_or_clone(message))
    }

    /// Receives the next message if there is one.
    ///
    /// # Errors
    ///
    /// [`TryRecvError`]: no message yet, or as for [`recv`](Receiver::recv).
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::sync::broadcast::{self, TryRecvError};
    ///
    /// let (sender, mut receiver) = broadcast::channel(8);
    /// assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    /// sender.send(1).unwrap();
    /// assert_eq!(receiver.try_recv(), Ok(1));
    /// ```
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        let message = self.shared.lock().take(&mut self.next)?;
        Ok(Arc::unwrap_or_clone(message))
    }

    /// Blocks the thread until the next message arrives.
    ///
    /// For synchronous code. It calls [`block_on`](crate::task::block_on), whose page says what
    /// happens inside a task.
    ///
    /// # Errors
    ///
    /// As for [`recv`](Receiver::recv).
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::sync::broadcast;
    /// use std::thread;
    ///
    /// let (sender, mut receiver) = broadcast::channel(8);
    /// let thread = thread::spawn(move || receiver.blocking_recv());
    /// sender.send(1).unwrap();
    /// assert_eq!(thread.join().unwrap(), Ok(1));
    /// ```
    pub fn blocking_recv(&mut self) -> Result<T, RecvError> {
        block_on(self.recv())
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.receivers -= 1;
        let is_last = state.receivers == 0;
        let rest = state.take_rest(self.next);
        drop(state);
        if is_last {
            self.shared.abandoned.notify_waiters();
        }
        drop(rest);
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver")
            .field("len", &self.len())
            .field("is_closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}

/// A receiver that waits for a message.
struct Recv<'a, T> {
    shared: &'a Shared<T>,
    next: &'a mut u64,
    /// The key of its node, while it waits.
    key: Option<usize>,
}

impl<T> Recv<'_, T> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Arc<T>, RecvError>> {
        let mut state = self.shared.lock();
        if let Some(result) = self.take(&mut state) {
            return Poll::Ready(result);
        }
        let is_entered = self.key.map(|key| state.waiters.is_waker(key, cx.waker()));
        if is_entered == Some(Some(true)) {
            return Poll::Pending;
        }
        drop(state);
        self.enter(cx.waker())
    }

    /// Enters the queue, or renews its waker there.
    fn enter(&mut self, waker: &Waker) -> Poll<Result<Arc<T>, RecvError>> {
        let waker = waker.clone();
        let mut state = self.shared.lock();
        // On each path the lock is dropped first and the wakers after it.
        if let Some(result) = self.take(&mut state) {
            return Poll::Ready(result);
        }
        let former = self.key.take().map(|key| state.waiters.remove(key));
        self.key = Some(state.waiters.push(waker, ()));
        drop(state);
        drop(former.and_then(|former| former.waker));
        Poll::Pending
    }

    fn take(&mut self, state: &mut State<T>) -> Option<Result<Arc<T>, RecvError>> {
        match state.take(self.next) {
            Ok(message) => Some(Ok(message)),
            Err(TryRecvError::Lagged(missed)) => Some(Err(RecvError::Lagged(missed))),
            Err(TryRecvError::Closed) => Some(Err(RecvError::Closed)),
            Err(TryRecvError::Empty) => None,
        }
    }
}

impl<T> Drop for Recv<'_, T> {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            let waker = self.shared.lock().waiters.remove(key).waker;
            drop(waker);
        }
    }
}

/// The error of [`Sender::send`]: there was no receiver. It contains the message.
///
/// Its text is `broadcast channel has no receiver`.
///
/// # Examples
///
/// ```
/// use reveille::sync::broadcast::{self, SendError};
///
/// let sender = broadcast::Sender::new(8);
/// assert_eq!(sender.send(1), Err(SendError(1)));
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SendError<T>(pub T);

impl_send_error!("broadcast channel has no receiver");

/// Why [`Receiver::recv`] returned no message.
///
/// # Examples
///
/// ```
/// use reveille::sync::broadcast::RecvError;
///
/// let error = RecvError::Lagged(3);
/// assert_eq!(error.to_string(), "broadcast receiver has missed 3 messages");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecvError {
    /// All senders are gone, and all messages have been received.
    /// The text is `broadcast channel is closed`.
    Closed,
    /// The receiver was too slow and has missed that many messages.
    /// The text is `broadcast receiver has missed 3 messages`, with their number.
    Lagged(u64),
}

/// Why [`Receiver::try_recv`] returned no message.
///
/// # Examples
///
/// ```
/// use reveille::sync::broadcast::{self, TryRecvError};
///
/// let (sender, mut receiver) = broadcast::channel::<u8>(8);
/// drop(sender);
/// assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TryRecvError {
    /// There is no message yet.
    /// The text is `broadcast channel is empty`.
    Empty,
    /// All senders are gone, and all messages have been received.
    /// The text is `broadcast channel is closed`.
    Closed,
    /// The receiver was too slow and has missed that many messages.
    /// The text is `broadcast receiver has missed 3 messages`, with their number.
    Lagged(u64),
}

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RecvError::Closed => f.pad("broadcast channel is closed"),
            RecvError::Lagged(missed) => {
                write!(f, "broadcast receiver has missed {missed} messages")
            }
        }
    }
}

impl fmt::Display for TryRecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            TryRecvError::Empty => f.pad("broadcast channel is empty"),
            TryRecvError::Closed => RecvError::Closed.fmt(f),
            TryRecvError::Lagged(missed) => RecvError::Lagged(missed).fmt(f),
        }
    }
}

impl std::error::Error for RecvError {}
impl std::error::Error for TryRecvError {}
