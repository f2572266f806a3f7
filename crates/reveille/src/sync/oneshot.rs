//! A channel for one value: the answer to a request, or the end of something.
//!
//! [`channel`] returns a [`Sender`], which is consumed when it sends, and a [`Receiver`], which is
//! a future of the value. If the sender is dropped without a value, the receiver gets an error. So
//! you do not wait forever for the answer of a task that has ended. The sender can wait until the
//! receiver has gone ([`Sender::closed`]), and stop work whose result is no longer needed. Names
//! and semantics are those of tokio's module.
//!
//! It works on every executor.
//!
//! # Cancel safety
//!
//! The receiver is the future, so `&mut receiver` cannot lose a value; see
//! [`by_ref`](Receiver::by_ref) for a race or a time limit. If a receiver is dropped, the value is
//! dropped too.
//!
//! # Examples
//!
//! ```
//! use reveille::sync::oneshot;
//! use reveille::{channel, task};
//!
//! struct Request {
//!     text: String,
//!     answer: oneshot::Sender<usize>,
//! }
//!
//! task::block_on(async {
//!     let (requests, inbox) = channel::bounded::<Request>(8);
//!     task::spawn(async move {
//!         while let Ok(request) = inbox.recv().await {
//!             let _ = request.answer.send(request.text.len()); // fails if the receiver is gone
//!         }
//!     });
//!
//!     let (answer, length) = oneshot::channel();
//!     requests.send(Request { text: "hello".to_owned(), answer }).await.unwrap();
//!     assert_eq!(length.await, Ok(5));
//! });
//! ```

// One lock guards everything, and is held for a few moves. So it is the spin lock, which is
// released by a store: with std's lock, a channel cost 1.5 times as much. No user code runs under
// it: wakers are cloned before and woken or dropped after, and so is the value.
//
// A sender that has sent or was dropped immediately gives up its reference to the channel. So a
// receiver that has the only reference takes the value out of the channel without the lock. As long
// as there are two references, the sender has not finished, or is about to wake the receiver.
//
// `tests/loom_sync.rs` of the runtime models this file.
//
// Rejected: the channel of futures-channel, which would be one more crate;
// `async_channel::bounded(1)`, whose sender can be cloned, so that "the sender has gone" is not
// known at once; and an atomic state with the value in a cell, which needs unsafe code.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use crate::protocol::{SpinLock, SpinLockGuard, block_on, budget, task};

/// Creates a channel for one value.
///
/// # Examples
///
/// ```
/// use reveille::sync::oneshot;
///
/// let (sender, receiver) = oneshot::channel();
/// sender.send("done").unwrap();
/// assert_eq!(reveille::task::block_on(receiver), Ok("done"));
/// ```
pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let state = State { value: None, receiver: None, sender: None, end: End::Open };
    let channel = Arc::new(Channel { state: SpinLock::new(state) });
    let sender = Sender { channel: Some(Arc::clone(&channel)) };
    (sender, Receiver { channel: Some(channel), is_waiting: false })
}

struct Channel<T> {
    state: SpinLock<State<T>>,
}

struct State<T> {
    value: Option<T>,
    /// The task that awaits the value.
    receiver: Option<Waker>,
    /// The task that waits until the receiver has gone.
    sender: Option<Waker>,
    end: End,
}

/// Which side has ended the channel.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Open,
    /// The sender has sent the value, or was dropped.
    Sender,
    /// The receiver has closed the channel, or was dropped.
    Receiver,
}

impl<T> Channel<T> {
    fn lock(&self) -> SpinLockGuard<'_, State<T>> {
        self.state.lock()
    }

    /// Ends the sender's side, with or without a value. Returns the value if the receiver has gone.
    fn finish(&self, value: Option<T>) -> Option<T> {
        let mut state = self.lock();
        if state.end == End::Receiver {
            return value;
        }
        state.end = End::Sender;
        state.value = value;
        let (receiver, of_sender) = (state.receiver.take(), state.sender.take());
        drop(state);
        drop(of_sender);
        receiver.into_iter().for_each(task::wake);
        None
    }

    /// Ends the receiver's side.
    fn close(&self) {
        let mut state = self.lock();
        if state.end != End::Open {
            return;
        }
        state.end = End::Receiver;
        let waker = state.sender.take();
        drop(state);
        waker.into_iter().for_each(task::wake);
    }

    /// Whether the receiver has gone. If not, its end wakes the task of `cx`.
    fn poll_closed(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.register(
            cx.waker(),
            |state| (state.end == End::Receiver).then_some(()),
            |state| &mut state.sender,
        )
    }

    /// Takes the value, or the error that there will be no value. `is_waiting` says whether the
    /// receiver has stored its waker.
    fn poll_value(
        &self,
        cx: &mut Context<'_>,
        is_waiting: &mut bool,
    ) -> Poll<Result<T, RecvError>> {
        let take = |state: &mut State<T>| match state.value.take() {
            Some(value) => Some(Ok(value)),
            None => (state.end != End::Open).then_some(Err(RecvError(()))),
        };
        if *is_waiting {
            return self.register(cx.waker(), take, |state| &mut state.receiver);
        }
        *is_waiting = true;
        self.store(cx.waker(), take, |state| &mut state.receiver)
    }

    /// Takes the channel apart if this is the only reference to it, which must be the receiver's.
    fn take_apart(this: &mut Option<Arc<Self>>) -> Option<Result<T, RecvError>> {
        let only = this.take_if(|this| Arc::strong_count(this) == 1)?;
        // No other reference is left that could be cloned meanwhile.
        let value = Arc::into_inner(only).and_then(|channel| channel.state.into_inner().value);
        Some(value.ok_or(RecvError(())))
    }

    /// Returns what `ready` finds, or stores the waker.
    fn register<R>(
        &self,
        waker: &Waker,
        ready: impl Fn(&mut State<T>) -> Option<R>,
        slot: impl Fn(&mut State<T>) -> &mut Option<Waker>,
    ) -> Poll<R> {
        let mut state = self.lock();
        if let Some(result) = ready(&mut state) {
            return Poll::Ready(result);
        }
        if slot(&mut state).as_ref().is_some_and(|known| known.will_wake(waker)) {
            return Poll::Pending;
        }
        drop(state);
        self.store(waker, ready, slot)
    }

    /// Like [`register`](Channel::register), for a waker that is not stored yet.
    fn store<R>(
        &self,
        waker: &Waker,
        ready: impl Fn(&mut State<T>) -> Option<R>,
        slot: impl Fn(&mut State<T>) -> &mut Option<Waker>,
    ) -> Poll<R> {
        let new = waker.clone();
        let mut state = self.lock();
        if let Some(result) = ready(&mut state) {
            // Locals are dropped in reverse order: the lock first, then the clone.
            return Poll::Ready(result);
        }
        let old = slot(&mut state).replace(new);
        drop(state);
        drop(old);
        Poll::Pending
    }
}

/// Sends the value.
///
/// # Examples
///
/// ```
/// use reveille::sync::oneshot;
///
/// let (sender, receiver) = oneshot::channel::<u8>();
/// drop(sender);
/// assert!(reveille::task::block_on(receiver).is_err());
/// ```
pub struct Sender<T> {
    /// `None` once it has sent.
    channel: Option<Arc<Channel<T>>>,
}

impl<T> Sender<T> {
    /// Sends the value. It never waits.
    ///
    /// Success does not mean that the value will be received: the receiver may be dropped.
    ///
    /// # Errors
    ///
    /// Returns the value if the receiver was dropped or closed.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::sync::oneshot;
    ///
    /// let (sender, receiver) = oneshot::channel();
    /// drop(receiver);
    /// assert_eq!(sender.send("hello"), Err("hello"));
    /// ```
    pub fn send(mut self, value: T) -> Result<(), T> {
        let channel = self.channel.take().expect("only `send` takes it, and consumes the sender");
        channel.finish(Some(value)).map_or(Ok(()), Err)
    }

    /// Returns whether the receiver was dropped or closed.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::sync::oneshot;
    ///
    /// let (sender, receiver) = oneshot::channel::<u8>();
    /// assert!(!sender.is_closed());
    /// drop(receiver);
    /// assert!(sender.is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.channel.as_ref().is_none_or(|channel| channel.lock().end == End::Receiver)
    }

    /// Waits until the receiver is dropped or closed.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    ///
    /// # Examples
    ///
    /// Stops a computation whose result nothing waits for:
    ///
    /// ```
    /// use reveille::sync::oneshot;
    /// use reveille::{future, task};
    ///
    /// task::block_on(async {
    ///     let (mut sender, receiver) = oneshot::channel::<u8>();
    ///     drop(receiver);
    ///     let result = reveille::select! {
    ///         () = sender.closed() => None,
    ///         result = future::pending() => Some(result),
    ///     };
    ///     assert_eq!(result.map(|result| sender.send(result)), None);
    /// });
    /// ```
    #[doc(alias("cancellation", "is_canceled"))]
    pub async fn closed(&mut self) {
        poll_fn(|cx| self.poll_closed(cx)).await;
    }

    /// Polls for the end of the receiver; see [`closed`](Sender::closed).
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::sync::oneshot;
    /// use std::task::{Context, Waker};
    ///
    /// let mut cx = Context::from_waker(Waker::noop());
    /// let (mut sender, receiver) = oneshot::channel::<u8>();
    /// assert!(sender.poll_closed(&mut cx).is_pending());
    /// drop(receiver);
    /// assert!(sender.poll_closed(&mut cx).is_ready());
    /// ```
    pub fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &self.channel {
            Some(channel) => budget::poll_budgeted(cx, |cx| channel.poll_closed(cx)),
            None => Poll::Ready(()),
        }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        if let Some(channel) = &self.channel {
            channel.finish(None);
        }
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("is_closed", &self.is_closed()).finish_non_exhaustive()
    }
}

/// Receives the value: a future of it.
///
/// # Cancel safety
///
/// Dropping it drops a value that was sent, and closes the channel for the sender.
///
/// # Panics
///
/// Panics if it is polled after it has returned its result.
///
/// # Examples
///
/// ```
/// use reveille::sync::oneshot;
/// use reveille::task;
///
/// task::block_on(async {
///     let (sender, receiver) = oneshot::channel();
///     task::spawn(async move { sender.send(6 * 7) });
///     assert_eq!(receiver.await, Ok(42));
/// });
/// ```
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct Receiver<T> {
    /// `None` once it has received.
    channel: Option<Arc<Channel<T>>>,
    /// Whether it has stored its waker.
    is_waiting: bool,
}

impl<T> Receiver<T> {
    /// Closes the channel: a later [`send`](Sender::send) fails.
    ///
    /// A value that was sent before can still be received.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::sync::oneshot;
    ///
    /// let (sender, mut receiver) = oneshot::channel();
    /// receiver.close();
    /// assert_eq!(sender.send(1), Err(1));
    /// assert!(receiver.try_recv().is_err());
    /// ```
    pub fn close(&mut self) {
        if let Some(channel) = &self.channel {
            channel.close();
        }
    }

    /// Takes the value if it is there.
    ///
    /// # Errors
    ///
    /// [`TryRecvError::Empty`] if the sender has not sent yet. [`TryRecvError::Closed`] if there
    /// will be no value, or it was received already.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::sync::oneshot::{self, TryRecvError};
    ///
    /// let (sender, mut receiver) = oneshot::channel();
    /// assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    /// sender.send(1).unwrap();
    /// assert_eq!(receiver.try_recv(), Ok(1));
    /// assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
    /// ```
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        let channel = self.channel.as_ref().ok_or(TryRecvError::Closed)?;
        let mut state = channel.lock();
        let value = state.value.take();
        let is_open = state.end == End::Open;
        drop(state);
        match value {
            None if is_open => return Err(TryRecvError::Empty),
            _ => self.channel = None,
        }
        value.ok_or(TryRecvError::Closed)
    }

    /// Blocks the thread until the value arrives.
    ///
    /// For synchronous code, such as the closure of a
    /// [`spawn_blocking`](crate::task::spawn_blocking). It calls
    /// [`block_on`](crate::task::block_on), whose page says what happens inside a task.
    ///
    /// # Errors
    ///
    /// [`RecvError`] if the sender was dropped without a value, or the channel was closed.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::sync::oneshot;
    /// use std::thread;
    ///
    /// let (sender, receiver) = oneshot::channel();
    /// let thread = thread::spawn(move || receiver.blocking_recv());
    /// sender.send(1).unwrap();
    /// assert_eq!(thread.join().unwrap(), Ok(1));
    /// ```
    pub fn blocking_recv(self) -> Result<T, RecvError> {
        block_on(self)
    }

    /// Returns a future of the value. Dropping that future does not drop the receiver.
    ///
    /// Races and time limits own their futures and drop them. If they owned the receiver, its drop
    /// would also drop the value.
    ///
    /// # Errors
    ///
    /// The future fails as the receiver does.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::future;
    /// use reveille::sync::oneshot;
    /// use std::time::Duration;
    ///
    /// let (sender, mut receiver) = oneshot::channel();
    /// reveille::task::block_on(async {
    ///     assert!(future::timeout(Duration::from_millis(1), receiver.by_ref()).await.is_err());
    ///     sender.send("late").unwrap();
    ///     assert_eq!(receiver.await, Ok("late"));
    /// });
    /// ```
    pub fn by_ref(&mut self) -> impl Future<Output = Result<T, RecvError>> {
        poll_fn(|cx| Pin::new(&mut *self).poll(cx))
    }

    /// Returns whether [`try_recv`](Receiver::try_recv) would return no value.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::sync::oneshot;
    ///
    /// let (sender, receiver) = oneshot::channel();
    /// assert!(receiver.is_empty());
    /// sender.send(1).unwrap();
    /// assert!(!receiver.is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.channel.as_ref().is_none_or(|channel| channel.lock().value.is_none())
    }

    /// Returns whether the result has been received. If so, do not poll the receiver again.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::sync::oneshot;
    ///
    /// let (sender, mut receiver) = oneshot::channel::<u8>();
    /// drop(sender);
    /// assert!(!receiver.is_terminated());
    /// assert!(receiver.try_recv().is_err());
    /// assert!(receiver.is_terminated());
    /// ```
    pub fn is_terminated(&self) -> bool {
        self.channel.is_none()
    }
}

impl<T> Future for Receiver<T> {
    type Output = Result<T, RecvError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        budget::poll_budgeted(cx, |cx| {
            if let Some(result) = Channel::take_apart(&mut this.channel) {
                return Poll::Ready(result);
            }
            let channel = this.channel.as_ref();
            let channel = channel.expect("a oneshot receiver was polled after it had returned");
            let result = channel.poll_value(cx, &mut this.is_waiting);
            if result.is_ready() {
                this.channel = None;
            }
            result
        })
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        // The sender has gone: the last reference is dropped, outside the lock, with what is left.
        let Some(channel) = self.channel.take_if(|channel| Arc::strong_count(channel) > 1) else {
            return;
        };
        channel.close();
        let mut state = channel.lock();
        let rest = (state.value.take(), state.receiver.take());
        drop(state);
        drop(rest);
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver")
            .field("is_empty", &self.is_empty())
            .field("is_terminated", &self.is_terminated())
            .finish_non_exhaustive()
    }
}

/// The sender was dropped without a value, or the receiver was closed before it sent one.
///
/// Its text is `oneshot channel is closed and has no value`.
///
/// # Examples
///
/// ```
/// use reveille::sync::oneshot;
///
/// let (sender, receiver) = oneshot::channel::<u8>();
/// drop(sender);
/// let error = reveille::task::block_on(receiver).unwrap_err();
/// assert_eq!(error.to_string(), "oneshot channel is closed and has no value");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecvError(());

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("oneshot channel is closed and has no value")
    }
}

impl std::error::Error for RecvError {}

/// Why [`Receiver::try_recv`] returned no value.
///
/// # Examples
///
/// ```
/// use reveille::sync::oneshot::{self, TryRecvError};
///
/// let (_sender, mut receiver) = oneshot::channel::<u8>();
/// assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TryRecvError {
    /// Nothing was sent yet.
    /// The text is `oneshot channel has no value yet`.
    Empty,
    /// There will be no value, or it was received already.
    /// The text is `oneshot channel is closed and has no value`.
    Closed,
}

impl fmt::Display for TryRecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            TryRecvError::Empty => "oneshot channel has no value yet",
            TryRecvError::Closed => "oneshot channel is closed and has no value",
        })
    }
}

impl std::error::Error for TryRecvError {}
