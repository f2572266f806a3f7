//! `Notify`: wakes tasks, with one permit for a notification that comes before its waiter.
//!
//! The word holds the permit, whether tasks wait, and how often all were notified (*rounds*). While
//! no task waits, a notification is one compare-exchange of the word. Otherwise the lock of the
//! queue is taken.
//!
//! # Invariants
//!
//! 1. `WAITING` is set exactly while the queue is not empty. It changes only under the lock.
//! 2. `PERMIT` and `WAITING` are not set together: a waiter takes the permit before it enters the
//!    queue, in the same compare-exchange loop that sets `WAITING`.
//! 3. A waiter enters the queue only if no round has begun since it was made; the check and the
//!    entry are one compare-exchange. So a round reaches every waiter that was made before it.
//! 4. If `notify_one` has taken a waiter from the queue, and the waiter is dropped before it has
//!    seen that, it notifies the next waiter.
//! 5. Wakers are cloned, woken and dropped outside the lock.
//!
//! The lock is the spin lock, as in `oneshot`: a waiter takes it twice and its notification once,
//! and each release of std's lock is a read-modify-write.
//!
//! `tests/loom_sync.rs` of the runtime models this file.
//!
//! *Rejected:* `event_listener::Event`, which has no permit, wakes under its lock and allocates
//! each listener.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::wait_queue::WaitQueue;
use crate::protocol::{AtomicUsize, Ordering, SpinLock, SpinLockGuard, budget, task};

/// A notification that no waiter has taken yet.
const PERMIT: usize = 1;
/// The queue is not empty.
const WAITING: usize = 2;
/// One round of [`Notify::notify_waiters`]. The count may wrap: to miss one, a waiter would have to
/// stay unpolled for 2^61 rounds.
const ROUND: usize = 4;

/// Wakes tasks that wait for an event.
///
/// A `Notify` carries no value: the state that has changed is elsewhere. It stores at most one
/// *permit*: [`notify_one`](Notify::notify_one) wakes one waiting task or, if no task waits, stores
/// the permit, which the next [`notified`](Notify::notified) takes at once.
/// [`notify_waiters`](Notify::notify_waiters) wakes the tasks that wait at that moment, and stores
/// nothing. Semantics and names are those of tokio's type.
///
/// [`Condvar`](super::Condvar) is the similar type for state behind a
/// [`Mutex`](super::Mutex), and [`watch`](super::watch) for a value that changes.
///
/// It works on every executor. A waker that panics is reported, and the other waiters are woken.
///
/// # Examples
///
/// ```
/// use reveille::sync::{Arc, Notify};
/// use reveille::task;
///
/// task::block_on(async {
///     let notify = Arc::new(Notify::new());
///     let waiter = task::spawn({
///         let notify = Arc::clone(&notify);
///         async move { notify.notified().await }
///     });
///     notify.notify_one(); // also if the task does not wait yet
///     waiter.await;
/// });
/// ```
#[doc(alias("Event", "AutoResetEvent"))]
pub struct Notify {
    word: AtomicUsize,
    waiters: SpinLock<WaitQueue<Notification>>,
}

/// What a waiter has received.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Notification {
    /// Nothing so far.
    Awaited,
    /// From `notify_one`: it goes to the next waiter if this one is dropped.
    Oldest,
    /// From `notify_last`: the same applies.
    Newest,
    /// From `notify_waiters`.
    Round,
}

impl Notify {
    /// Creates a `Notify` without a permit.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::sync::Notify;
    ///
    /// static RELOAD: Notify = Notify::new();
    /// RELOAD.notify_one();
    /// reveille::task::block_on(RELOAD.notified());
    /// ```
    #[cfg(not(reveille_loom))]
    #[must_use]
    #[doc(alias = "const_new")]
    pub const fn new() -> Notify {
        Notify { word: AtomicUsize::new(0), waiters: SpinLock::new(WaitQueue::new()) }
    }

    /// loom's types have no constant constructors.
    #[cfg(reveille_loom)]
    pub(crate) fn new() -> Notify {
        Notify { word: AtomicUsize::new(0), waiters: SpinLock::new(WaitQueue::new()) }
    }

    /// Waits for a notification.
    ///
    /// Takes the permit if there is one. Otherwise waits in the order in which the futures were
    /// first polled (or [enabled](Notified::enable)).
    ///
    /// The future receives a [`notify_waiters`](Notify::notify_waiters) that is called after the
    /// future was *made*, even if it has not been polled yet. It receives a
    /// [`notify_one`](Notify::notify_one) from its first poll on; an earlier one stores the permit.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses its position. A notification of `notify_one` that it had received
    /// goes to the next waiter, or becomes the permit.
    ///
    /// # Examples
    ///
    /// Check the state after the future is made and before it is awaited, so that no notification
    /// falls between the two:
    ///
    /// ```
    /// use reveille::sync::Notify;
    /// use reveille::task;
    /// use std::sync::atomic::{AtomicBool, Ordering};
    ///
    /// static IS_DONE: AtomicBool = AtomicBool::new(false);
    /// static DONE: Notify = Notify::new();
    ///
    /// async fn until_done() {
    ///     loop {
    ///         let notified = DONE.notified();
    ///         if IS_DONE.load(Ordering::Acquire) {
    ///             return;
    ///         }
    ///         notified.await;
    ///     }
    /// }
    ///
    /// task::block_on(async {
    ///     let waiter = task::spawn(until_done());
    ///     IS_DONE.store(true, Ordering::Release);
    ///     DONE.notify_waiters();
    ///     waiter.await;
    /// });
    /// ```
    pub fn notified(&self) -> Notified<'_> {
        Notified { notify: self, waiter: Waiter::new(self) }
    }

    /// Like [`notified`](Notify::notified), for a future that owns its `Notify`.
    ///
    /// # Cancel safety
    ///
    /// As for [`notified`](Notify::notified).
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::sync::{Arc, Notify};
    /// use reveille::task;
    ///
    /// let notify = Arc::new(Notify::new());
    /// let waiter = task::spawn(Arc::clone(&notify).notified_owned());
    /// notify.notify_one();
    /// task::block_on(waiter);
    /// ```
    pub fn notified_owned(self: Arc<Self>) -> OwnedNotified {
        let waiter = Waiter::new(&self);
        OwnedNotified { notify: self, waiter }
    }

    /// Wakes the task that has waited longest. If no task waits, stores the permit.
    ///
    /// There is one permit at most, so several calls without a waiter count as one.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::sync::Notify;
    ///
    /// let notify = Notify::new();
    /// notify.notify_one();
    /// notify.notify_one();
    /// reveille::task::block_on(async {
    ///     notify.notified().await; // takes the permit
    ///     let mut second = Box::pin(notify.notified());
    ///     assert!(!second.as_mut().enable());
    /// });
    /// ```
    pub fn notify_one(&self) {
        self.notify(Notification::Oldest);
    }

    /// Like [`notify_one`](Notify::notify_one), but wakes the task that came last.
    ///
    /// This suits a pool of workers: the worker that was busy last has the warmest cache.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::sync::Notify;
    /// use std::pin::pin;
    ///
    /// let notify = Notify::new();
    /// let (mut first, mut last) = (pin!(notify.notified()), pin!(notify.notified()));
    /// assert!(!first.as_mut().enable());
    /// assert!(!last.as_mut().enable());
    /// notify.notify_last();
    /// assert!(!first.as_mut().enable());
    /// assert!(last.as_mut().enable());
    /// ```
    pub fn notify_last(&self) {
        self.notify(Notification::Newest);
    }

    /// Wakes all tasks that wait, and every [`Notified`] that was made before this call. Stores no
    /// permit.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::sync::Notify;
    /// use std::pin::pin;
    ///
    /// let notify = Notify::new();
    /// let (first, second) = (notify.notified(), notify.notified());
    /// notify.notify_waiters();
    /// reveille::task::block_on(async {
    ///     first.await;
    ///     second.await;
    ///     // Made after the call.
    ///     assert!(!pin!(notify.notified()).enable());
    /// });
    /// ```
    pub fn notify_waiters(&self) {
        if self.change(|word| (word & WAITING == 0).then(|| word.wrapping_add(ROUND))).is_ok() {
            return;
        }
        let mut waiters = self.waiters();
        // The queue may have become empty: `WAITING` is then clear already.
        let word = self.word.fetch_add(ROUND, Ordering::AcqRel);
        if word & WAITING != 0 {
            self.word.fetch_and(!WAITING, Ordering::AcqRel);
        }
        let wakes = waiters.pop_all(Notification::Round);
        drop(waiters);
        wakes.wake();
    }

    /// Gives a notification of this kind to one waiter, or stores the permit.
    fn notify(&self, kind: Notification) {
        if self.store_permit() {
            return;
        }
        let mut waiters = self.waiters();
        if self.store_permit() {
            return;
        }
        let woken = match kind {
            Notification::Newest => waiters.pop_newest(kind),
            _ => waiters.pop_oldest(kind),
        };
        self.clear_waiting_if_empty(&waiters);
        drop(waiters);
        woken.into_iter().for_each(task::wake);
    }

    /// Stores the permit. False if tasks wait.
    fn store_permit(&self) -> bool {
        self.change(|word| (word & WAITING == 0).then_some(word | PERMIT)).is_ok()
    }

    /// Keeps invariant 1 after a waiter has left. Called under the lock.
    fn clear_waiting_if_empty(&self, waiters: &WaitQueue<Notification>) {
        if waiters.is_empty() {
            self.word.fetch_and(!WAITING, Ordering::AcqRel);
        }
    }

    /// Changes the word as long as `rule` allows it. Returns the former word.
    fn change(&self, rule: impl FnMut(usize) -> Option<usize>) -> Result<usize, usize> {
        self.word.fetch_update(Ordering::AcqRel, Ordering::Acquire, rule)
    }

    fn waiters(&self) -> SpinLockGuard<'_, WaitQueue<Notification>> {
        self.waiters.lock()
    }
}

impl Default for Notify {
    fn default() -> Notify {
        Notify::new()
    }
}

impl fmt::Debug for Notify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = self.word.load(Ordering::Relaxed);
        f.debug_struct("Notify")
            .field("has_permit", &(word & PERMIT != 0))
            .field("has_waiters", &(word & WAITING != 0))
            .finish_non_exhaustive()
    }
}

/// Where a waiter is.
enum Stage {
    /// Not in the queue yet.
    New,
    /// Has a node with this key.
    Queued(usize),
    /// Has been notified.
    Done,
}

/// The state of a future that waits for a `Notify`.
struct Waiter {
    stage: Stage,
    /// The rounds before it was made.
    round: usize,
}

impl Waiter {
    fn new(notify: &Notify) -> Waiter {
        Waiter { stage: Stage::New, round: round(notify.word.load(Ordering::Acquire)) }
    }

    /// Whether it has been notified. If not, it waits with the waker `waker`.
    fn poll(&mut self, notify: &Notify, waker: &Waker) -> bool {
        let is_done = match self.stage {
            Stage::New => self.enter(notify, waker),
            Stage::Queued(key) => self.check(notify, key, waker),
            Stage::Done => true,
        };
        if is_done {
            self.stage = Stage::Done;
        }
        is_done
    }

    /// Enters the queue, unless there is a notification for it.
    fn enter(&mut self, notify: &Notify, waker: &Waker) -> bool {
        if self.take_without_lock(notify) {
            return true;
        }
        let waker = waker.clone();
        let mut waiters = notify.waiters();
        let before = notify.change(|word| {
            if round(word) != self.round {
                return None;
            }
            // The permit, or a place in the queue.
            Some(if word & PERMIT != 0 { word & !PERMIT } else { word | WAITING })
        });
        if before.map_or(true, |word| word & PERMIT != 0) {
            // Locals are dropped in reverse order: the lock first, then the clone.
            return true;
        }
        self.stage = Stage::Queued(waiters.push(waker, Notification::Awaited));
        false
    }

    /// Whether a round has begun, or there was a permit to take.
    fn take_without_lock(&self, notify: &Notify) -> bool {
        let word = notify.word.load(Ordering::Acquire);
        round(word) != self.round
            || (word & PERMIT != 0
                && notify.change(|word| (word & PERMIT != 0).then_some(word & !PERMIT)).is_ok())
    }

    /// Whether it has been taken from the queue. If not, stores the waker.
    fn check(&mut self, notify: &Notify, key: usize, waker: &Waker) -> bool {
        let mut waiters = notify.waiters();
        match waiters.is_waker(key, waker) {
            Some(true) => return false,
            Some(false) => {}
            None => {
                waiters.remove(key);
                return true;
            }
        }
        drop(waiters);
        let new = waker.clone();
        let mut waiters = notify.waiters();
        // It may have been notified since: then the next poll, which that wake brings, sees it.
        let is_waiting = waiters.is_waker(key, waker).is_some();
        let old = waiters.renew(key, new);
        if !is_waiting {
            waiters.remove(key);
        }
        drop(waiters);
        drop(old);
        !is_waiting
    }

    /// Leaves the queue, and passes a notification on that it has not seen.
    fn leave(&mut self, notify: &Notify) {
        let Stage::Queued(key) = self.stage else {
            return;
        };
        self.stage = Stage::Done;
        let mut waiters = notify.waiters();
        let removed = waiters.remove(key);
        notify.clear_waiting_if_empty(&waiters);
        drop(waiters);
        if matches!(removed.data, Notification::Oldest | Notification::Newest) {
            notify.notify(removed.data);
        }
    }
}

/// The rounds that a word counts.
fn round(word: usize) -> usize {
    word / ROUND
}

macro_rules! notified {
    ($name:ident $(<$lifetime:lifetime>)?, $notify:ty, $doc:expr) => {
        #[doc = $doc]
        ///
        /// # Cancel safety
        ///
        /// Dropping it loses its position in the queue. A notification of
        /// [`notify_one`](Notify::notify_one) that it had received goes to the next waiter.
        ///
        /// # Examples
        ///
        /// ```
        /// use reveille::sync::{Arc, Notify};
        /// use std::pin::pin;
        ///
        /// let notify = Arc::new(Notify::new());
        /// let mut waiter = pin!(notify.notified());
        /// waiter.as_mut().enable(); // waits from here on
        /// notify.notify_one();
        /// reveille::task::block_on(waiter);
        /// ```
        #[must_use = "futures do nothing unless you `.await` or poll them"]
        pub struct $name $(<$lifetime>)? {
            notify: $notify,
            waiter: Waiter,
        }

        impl $(<$lifetime>)? $name $(<$lifetime>)? {
            /// Starts to wait without a poll: a later notification counts for this future.
            ///
            /// Returns true if it has been notified already; awaiting it is then ready at once.
            /// Otherwise await it later: before that, a notification wakes no task.
            ///
            /// # Examples
            ///
            /// ```
            /// use reveille::sync::Notify;
            /// use std::pin::pin;
            ///
            /// let notify = Notify::new();
            /// let mut notified = pin!(notify.notified());
            /// assert!(!notified.as_mut().enable());
            /// notify.notify_one();
            /// assert!(notified.enable());
            /// ```
            pub fn enable(self: Pin<&mut Self>) -> bool {
                let this = self.get_mut();
                this.waiter.poll(&this.notify, Waker::noop())
            }
        }

        impl $(<$lifetime>)? Future for $name $(<$lifetime>)? {
            type Output = ();

            fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
                let this = self.get_mut();
                budget::poll_budgeted(cx, |cx| {
                    match this.waiter.poll(&this.notify, cx.waker()) {
                        true => Poll::Ready(()),
                        false => Poll::Pending,
                    }
                })
            }
        }

        impl $(<$lifetime>)? Drop for $name $(<$lifetime>)? {
            fn drop(&mut self) {
                self.waiter.leave(&self.notify);
            }
        }

        impl $(<$lifetime>)? fmt::Debug for $name $(<$lifetime>)? {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name))
                    .field("is_waiting", &matches!(self.waiter.stage, Stage::Queued(_)))
                    .finish_non_exhaustive()
            }
        }
    };
}

notified!(Notified<'a>, &'a Notify, "The future of [`Notify::notified`].");
notified!(OwnedNotified, Arc<Notify>, "The future of [`Notify::notified_owned`].");
