//! A channel that holds one value, whose receivers are told when it changes.
//!
//! Use it for configuration, progress and shutdown. A slow receiver sees the latest value, and not
//! the values between. Each receiver remembers the *version* that it has seen.
//! [`changed`](Receiver::changed) waits for a newer one, [`borrow`](Receiver::borrow) reads the
//! value without marking it as seen, [`borrow_and_update`](Receiver::borrow_and_update) marks it.
//! Names and semantics are those of tokio's module.
//!
//! # The lock
//!
//! The value is behind a lock that blocks the thread. A [`Ref`] holds it for reading, and
//! [`send_modify`](Sender::send_modify) for writing while it calls your closure. So drop a `Ref`
//! before you send on the same thread, keep it for a short time, and do not use the channel inside
//! such a closure. Each of these mistakes blocks the thread forever. A `Ref` is not `Send`, so the
//! compiler keeps it out of the `.await`s of a spawned task.
//!
//! It works on every executor.
//!
//! # Examples
//!
//! ```
//! use reveille::sync::watch;
//! use reveille::task;
//!
//! task::block_on(async {
//!     let (sender, mut receiver) = watch::channel("starting");
//!     let watcher = task::spawn(async move {
//!         while receiver.changed().await.is_ok() {
//!             if *receiver.borrow_and_update() == "ready" {
//!                 return true;
//!             }
//!         }
//!         false // all senders are gone
//!     });
//!     sender.send("loading").unwrap();
//!     sender.send("ready").unwrap();
//!     assert!(watcher.await);
//! });
//! ```

// # Invariants
//
// 1. The version changes under the write lock of the value, and a receiver that marks a version as
//    seen reads it under the read lock. So the version that it marks is that of the value it saw.
// 2. A receiver makes its `Notified` before it compares the versions. A change that comes after the
//    comparison therefore wakes it (`notify.rs`, invariant 3).
// 3. The last sender sets `CLOSED` before it notifies. Nothing clears it.
//
// `tests/loom_sync.rs` of the runtime models this file.
//
// Rejected: the crates async-watch and postage, which are not maintained. Rejected: `RwLock` of
// async-lock, with which `borrow` would have to be awaited.

use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, PoisonError};

use super::notify::Notify;
use super::send_error::impl_send_error;
use crate::protocol::{AtomicUsize, Ordering, RwLock, RwLockReadGuard};

/// No sender is left.
const CLOSED: usize = 1;
/// One change of the value.
const CHANGE: usize = 2;

/// Creates a channel that holds `value`, which the receiver has seen.
///
/// # Examples
///
/// ```
/// use reveille::sync::watch;
///
/// let (sender, receiver) = watch::channel(1);
/// assert_eq!(*receiver.borrow(), 1);
/// assert_eq!(receiver.has_changed(), Ok(false));
/// sender.send(2).unwrap();
/// assert_eq!(receiver.has_changed(), Ok(true));
/// ```
pub fn channel<T>(value: T) -> (Sender<T>, Receiver<T>) {
    let sender = Sender::new(value);
    let receiver = sender.subscribe();
    (sender, receiver)
}

struct Shared<T> {
    value: RwLock<T>,
    /// How often the value has changed, and whether the channel is closed.
    version: AtomicUsize,
    senders: AtomicUsize,
    receivers: AtomicUsize,
    /// Notified of each change, and of the end of the last sender.
    changed: Notify,
    /// Notified of the end of the last receiver.
    abandoned: Notify,
}

impl<T> Shared<T> {
    /// Returns the version without the mark of a closed channel, and whether it is closed.
    fn version(&self) -> (usize, bool) {
        let word = self.version.load(Ordering::Acquire);
        (word & !CLOSED, word & CLOSED != 0)
    }

    /// A closure of the program may panic under this lock. The value stays as the closure left it,
    /// so a poisoned lock is fine.
    fn read(&self) -> RwLockReadGuard<'_, T> {
        self.value.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a version other than `seen`, and marks it.
    async fn until_changed(&self, seen: &mut usize) -> Result<(), RecvError> {
        loop {
            // Before the comparison (invariant 2).
            let notified = self.changed.notified();
            let (version, is_closed) = self.version();
            if version != *seen {
                *seen = version;
                return Ok(());
            }
            if is_closed {
                return Err(RecvError(()));
            }
            notified.await;
        }
    }

    /// Reads the value and the version that it has (invariant 1).
    fn read_versioned(&self) -> (RwLockReadGuard<'_, T>, usize) {
        let guard = self.read();
        let version = self.version().0;
        (guard, version)
    }
}

/// Changes the value. It can be cloned, and the channel is closed when all clones are gone.
///
/// # Examples
///
/// ```
/// use reveille::sync::watch;
///
/// let sender = watch::Sender::new(0);
/// let receiver = sender.subscribe();
/// sender.send_modify(|count| *count += 1);
/// assert_eq!(*receiver.borrow(), 1);
/// ```
pub struct Sender<T> {
    shared: Arc<Shared<T>>,
}

impl<T> Sender<T> {
    /// Creates a channel that has no receiver yet.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::sync::watch;
    ///
    /// let sender = watch::Sender::new(0);
    /// assert_eq!(sender.receiver_count(), 0);
    /// ```
    #[must_use]
    pub fn new(value: T) -> Sender<T> {
        Sender {
            shared: Arc::new(Shared {
                value: RwLock::new(value),
                version: AtomicUsize::new(0),
                senders: AtomicUsize::new(1),
                receivers: AtomicUsize::new(0),
                changed: Notify::new(),
                abandoned: Notify::new(),
            }),
        }
    }

    /// Replaces the value and notifies the receivers.
    ///
    /// # Errors
    ///
    /// Returns the value if there is no receiver; the old value then stays. Use
    /// [`send_replace`](Sender::send_replace) to set it anyway.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::sync::watch;
    ///
    /// let (sender, receiver) = watch::channel(1);
    /// sender.send(2).unwrap();
    /// drop(receiver);
    /// assert_eq!(sender.send(3).unwrap_err().0, 3);
    /// ```
    pub fn send(&self, value: T) -> Result<(), SendError<T>> {
        if self.receiver_count() == 0 {
            return Err(SendError(value));
        }
        self.send_replace(value);
        Ok(())
    }

    /// Replaces the value, whether there are receivers or not, and returns the old one.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::sync::watch;
    ///
    /// let sender = watch::Sender::new(1);
    /// assert_eq!(sender.send_replace(2), 1);
    /// assert_eq!(*sender.subscribe().borrow(), 2);
    /// ```
    pub fn send_replace(&self, mut value: T) -> T {
        self.send_modify(|present| std::mem::swap(present, &mut value));
        value
    }

    /// Changes the value in place and notifies the receivers.
    ///
    /// The closure runs under the value's lock: see the [module](self#the-lock).
    ///
    /// # Panics
    ///
    /// Panics if the closure does. The value is then as the closure left it, and no receiver is
    /// notified.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::sync::watch;
    ///
    /// let (sender, receiver) = watch::channel(vec![1]);
    /// sender.send_modify(|list| list.push(2));
    /// assert_eq!(*receiver.borrow(), [1, 2]);
    /// ```
    pub fn send_modify(&self, modify: impl FnOnce(&mut T)) {
        self.send_if_modified(|value| {
            modify(value);
            true
        });
    }

    /// Changes the value in place and notifies the receivers if the closure returns true. Returns
    /// what the closure returned.
    ///
    /// The closure runs under the value's lock: see the [module](self#the-lock). If it returns
    /// false after it has changed the value, receivers see that change with the next one.
    ///
    /// # Panics
    ///
    /// As for [`send_modify`](Sender::send_modify).
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::sync::watch;
    ///
    /// let (sender, receiver) = watch::channel(5);
    /// let raise = |to: i32| {
    ///     sender.send_if_modified(|value| {
    ///         let is_higher = to > *value;
    ///         *value = to.max(*value);
    ///         is_higher
    ///     })
    /// };
    /// assert!(!raise(3));
    /// assert_eq!(receiver.has_changed(), Ok(false));
    /// assert!(raise(8));
    /// assert_eq!(receiver.has_changed(), Ok(true));
    /// ```
    pub fn send_if_modified(&self, modify: impl FnOnce(&mut T) -> bool) -> bool {
        let shared = &*self.shared;
        let mut value = shared.value.write().unwrap_or_else(PoisonError::into_inner);
        if !modify(&mut value) {
            return false;
        }
        shared.version.fetch_add(CHANGE, Ordering::AcqRel);
        drop(value);
        shared.changed.notify_waiters();
        true
    }

    /// Reads the value.
    ///
    /// The guard holds the value's lock: see the [module](self#the-lock).
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::sync::watch;
    ///
    /// let sender = watch::Sender::new("value");
    /// assert_eq!(*sender.borrow(), "value");
    /// ```
    pub fn borrow(&self) -> Ref<'_, T> {
        Ref { value: self.shared.read(), has_changed: false }
    }

    /// Returns whether all receivers are gone.
    ///
    /// A closed channel opens again with [`subscribe`](Sender::subscribe).
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::sync::watch;
    ///
    /// let (sender, receiver) = watch::channel(1);
    /// assert!(!sender.is_closed());
    /// drop(receiver);
    /// assert!(sender.is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.receiver_count() == 0
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
    /// use reveille::sync::watch;
    /// use reveille::task;
    ///
    /// task::block_on(async {
    ///     let (sender, receiver) = watch::channel(1);
    ///     task::spawn(async move { drop(receiver) });
    ///     sender.closed().await;
    /// });
    /// ```
    pub async fn closed(&self) {
        loop {
            let notified = self.shared.abandoned.notified();
            if self.is_closed() {
                return;
            }
            notified.await;
        }
    }

    /// Creates a receiver that has seen the present value.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::sync::watch;
    ///
    /// let sender = watch::Sender::new(1);
    /// let receiver = sender.subscribe();
    /// assert_eq!(receiver.has_changed(), Ok(false));
    /// ```
    pub fn subscribe(&self) -> Receiver<T> {
        let seen = self.shared.read_versioned().1;
        Receiver::new(&self.shared, seen)
    }

    /// Returns the number of receivers.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::sync::watch;
    ///
    /// let (sender, receiver) = watch::channel(1);
    /// let _second = receiver.clone();
    /// assert_eq!(sender.receiver_count(), 2);
    /// ```
    pub fn receiver_count(&self) -> usize {
        self.shared.receivers.load(Ordering::Acquire)
    }

    /// Returns the number of senders.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::sync::watch;
    ///
    /// let sender = watch::Sender::new(1);
    /// let second = sender.clone();
    /// assert_eq!(second.sender_count(), 2);
    /// ```
    pub fn sender_count(&self) -> usize {
        self.shared.senders.load(Ordering::Acquire)
    }

    /// Returns whether two senders belong to the same channel.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::sync::watch;
    ///
    /// let sender = watch::Sender::new(1);
    /// assert!(sender.same_channel(&sender.clone()));
    /// assert!(!sender.same_channel(&watch::Sender::new(1)));
    /// ```
    pub fn same_channel(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Sender<T> {
        self.shared.senders.fetch_add(1, Ordering::Relaxed);
        Sender { shared: Arc::clone(&self.shared) }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        if self.shared.senders.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.shared.version.fetch_or(CLOSED, Ordering::AcqRel);
            self.shared.changed.notify_waiters();
        }
    }
}

impl<T: Default> Default for Sender<T> {
    fn default() -> Sender<T> {
        Sender::new(T::default())
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender")
            .field("version", &(self.shared.version().0 / CHANGE))
            .field("receivers", &self.receiver_count())
            .finish_non_exhaustive()
    }
}

/// Reads the value and waits for changes. A clone has seen what the original has seen.
///
/// # Examples
///
/// ```
/// use reveille::sync::watch;
///
/// let (sender, mut receiver) = watch::channel(1);
/// reveille::task::block_on(async {
///     sender.send(2).unwrap();
///     receiver.changed().await.unwrap();
///     assert_eq!(*receiver.borrow(), 2);
/// });
/// ```
pub struct Receiver<T> {
    shared: Arc<Shared<T>>,
    /// The version that it has seen.
    seen: usize,
}

impl<T> Receiver<T> {
    fn new(shared: &Arc<Shared<T>>, seen: usize) -> Receiver<T> {
        shared.receivers.fetch_add(1, Ordering::AcqRel);
        Receiver { shared: Arc::clone(shared), seen }
    }

    /// Reads the value without marking it as seen.
    ///
    /// The guard holds the value's lock: see the [module](self#the-lock).
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::sync::watch;
    ///
    /// let (sender, receiver) = watch::channel(1);
    /// sender.send(2).unwrap();
    /// assert_eq!(*receiver.borrow(), 2);
    /// assert_eq!(receiver.has_changed(), Ok(true));
    /// ```
    pub fn borrow(&self) -> Ref<'_, T> {
        let (value, version) = self.shared.read_versioned();
        Ref { value, has_changed: version != self.seen }
    }

    /// Reads the value and marks it as seen.
    ///
    /// In a loop around [`changed`](Receiver::changed), use this instead of
    /// [`borrow`](Receiver::borrow): the value may have changed again since `changed` returned, and
    /// the loop would then handle it twice.
    ///
    /// The guard holds the value's lock: see the [module](self#the-lock).
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::sync::watch;
    ///
    /// let (sender, mut receiver) = watch::channel(1);
    /// sender.send(2).unwrap();
    /// assert_eq!(*receiver.borrow_and_update(), 2);
    /// assert_eq!(receiver.has_changed(), Ok(false));
    /// ```
    pub fn borrow_and_update(&mut self) -> Ref<'_, T> {
        let (value, version) = self.shared.read_versioned();
        let has_changed = version != std::mem::replace(&mut self.seen, version);
        Ref { value, has_changed }
    }

    /// Returns whether there is a value that this receiver has not seen.
    ///
    /// # Errors
    ///
    /// [`RecvError`] if all senders are gone, even if the last value has not been seen.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::sync::watch;
    ///
    /// let (sender, receiver) = watch::channel(1);
    /// sender.send(2).unwrap();
    /// assert_eq!(receiver.has_changed(), Ok(true));
    /// drop(sender);
    /// assert!(receiver.has_changed().is_err());
    /// ```
    pub fn has_changed(&self) -> Result<bool, RecvError> {
        let (version, is_closed) = self.shared.version();
        if is_closed {
            return Err(RecvError(()));
        }
        Ok(version != self.seen)
    }

    /// Marks the present value as not seen, so that [`changed`](Receiver::changed) is ready.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::sync::watch;
    ///
    /// let (sender, mut receiver) = watch::channel(1);
    /// receiver.mark_changed();
    /// assert_eq!(receiver.has_changed(), Ok(true));
    /// # drop(sender);
    /// ```
    pub fn mark_changed(&mut self) {
        self.seen = self.shared.version().0.wrapping_sub(CHANGE);
    }

    /// Marks the present value as seen.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::sync::watch;
    ///
    /// let (sender, mut receiver) = watch::channel(1);
    /// sender.send(2).unwrap();
    /// receiver.mark_unchanged();
    /// assert_eq!(receiver.has_changed(), Ok(false));
    /// ```
    pub fn mark_unchanged(&mut self) {
        self.seen = self.shared.version().0;
    }

    /// Waits for a value that this receiver has not seen, and marks it as seen.
    ///
    /// Changes in quick succession count as one.
    ///
    /// # Errors
    ///
    /// [`RecvError`] if all senders are gone and the last value has been seen.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing: a change that came stays unseen.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::sync::watch;
    /// use reveille::task;
    ///
    /// task::block_on(async {
    ///     let (sender, mut receiver) = watch::channel(0);
    ///     task::spawn(async move { sender.send(7).unwrap() }).await;
    ///     // The last value arrives, although its sender is gone.
    ///     assert!(receiver.changed().await.is_ok());
    ///     assert_eq!(*receiver.borrow(), 7);
    ///     assert!(receiver.changed().await.is_err());
    /// });
    /// ```
    pub async fn changed(&mut self) -> Result<(), RecvError> {
        self.shared.until_changed(&mut self.seen).await
    }

    /// Waits until the value meets a condition, marks it as seen and returns it.
    ///
    /// The closure sees the present value first, whether it has been seen or not, and then each
    /// later one, except those that are replaced before this task is polled. It runs under the
    /// value's lock: see the [module](self#the-lock).
    ///
    /// # Errors
    ///
    /// [`RecvError`] if all senders are gone and the last value does not meet the condition.
    ///
    /// # Panics
    ///
    /// Panics if the closure does.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing, but values that the closure has refused count as seen.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::sync::watch;
    /// use reveille::task;
    ///
    /// task::block_on(async {
    ///     let (sender, mut receiver) = watch::channel(0);
    ///     task::spawn(async move {
    ///         for n in 1..=3 {
    ///             sender.send(n).unwrap();
    ///         }
    ///     });
    ///     let three = receiver.wait_for(|n| *n == 3).await.unwrap();
    ///     assert_eq!(*three, 3);
    /// });
    /// ```
    pub async fn wait_for(
        &mut self,
        mut condition: impl FnMut(&T) -> bool,
    ) -> Result<Ref<'_, T>, RecvError> {
        let mut is_closed = false;
        loop {
            // In a block, so that no guard is in the future while it waits.
            {
                let (value, version) = self.shared.read_versioned();
                let has_changed = version != std::mem::replace(&mut self.seen, version);
                if condition(&value) {
                    return Ok(Ref { value, has_changed });
                }
            }
            if is_closed {
                return Err(RecvError(()));
            }
            // The condition is tried once more after the end, for a value that came before it.
            is_closed = self.shared.until_changed(&mut self.seen).await.is_err();
        }
    }

    /// Returns whether two receivers belong to the same channel.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::sync::watch;
    ///
    /// let (_sender, receiver) = watch::channel(1);
    /// assert!(receiver.same_channel(&receiver.clone()));
    /// ```
    pub fn same_channel(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Receiver<T> {
        Receiver::new(&self.shared, self.seen)
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        if self.shared.receivers.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.shared.abandoned.notify_waiters();
        }
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (version, is_closed) = self.shared.version();
        f.debug_struct("Receiver")
            .field("version", &(version / CHANGE))
            .field("has_changed", &(version != self.seen))
            .field("is_closed", &is_closed)
            .finish_non_exhaustive()
    }
}

/// The value of a channel, read-locked: see the [module](self#the-lock).
///
/// # Examples
///
/// ```
/// use reveille::sync::watch;
///
/// let (sender, mut receiver) = watch::channel(String::from("old"));
/// sender.send(String::from("new")).unwrap();
/// let value = receiver.borrow_and_update();
/// assert!(value.has_changed());
/// let copy = value.clone(); // of the `String`
/// drop(value);
/// sender.send(copy + "er").unwrap();
/// ```
pub struct Ref<'a, T> {
    value: RwLockReadGuard<'a, T>,
    has_changed: bool,
}

impl<T> Ref<'_, T> {
    /// Returns whether the receiver had not seen this value before. False for a sender's.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::sync::watch;
    ///
    /// let (sender, mut receiver) = watch::channel(1);
    /// sender.send(2).unwrap();
    /// assert!(receiver.borrow_and_update().has_changed());
    /// assert!(!receiver.borrow_and_update().has_changed());
    /// ```
    pub fn has_changed(&self) -> bool {
        self.has_changed
    }
}

impl<T> Deref for Ref<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: fmt::Debug> fmt::Debug for Ref<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        T::fmt(self, f)
    }
}

/// The error of [`Sender::send`]: there was no receiver. It contains the value.
///
/// Its text is `watch channel has no receiver`.
///
/// # Examples
///
/// ```
/// use reveille::sync::watch::{self, SendError};
///
/// let sender = watch::Sender::new(1);
/// let SendError(value) = sender.send(2).unwrap_err();
/// assert_eq!((value, *sender.borrow()), (2, 1));
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SendError<T>(pub T);

impl_send_error!("watch channel has no receiver");

/// All senders are gone.
///
/// Its text is `watch channel is closed`.
///
/// # Examples
///
/// ```
/// use reveille::sync::watch;
///
/// let (sender, mut receiver) = watch::channel(1);
/// drop(sender);
/// let error = reveille::task::block_on(receiver.changed()).unwrap_err();
/// assert_eq!(error.to_string(), "watch channel is closed");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecvError(());

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("watch channel is closed")
    }
}

impl std::error::Error for RecvError {}
