//! A condition variable for the asynchronous mutex.
//!
//! The waiters are in a map, in the order of their arrival. Notifying a waiter removes it from the
//! map and wakes it. A waiter that does not find itself in the map was notified.
//!
//! Invariants:
//! 1. A waiter enters the map while it still holds the mutex. The thread that changes the condition
//!    needs the mutex for that, so it finds the waiter.
//! 2. A key is in the map until its waiter is notified or dropped. Keys are not reused: there are
//!    2^64.
//! 3. A waiter that was notified but dropped before it was polled passes its notification on, so
//!    cancelling a task does not lose a `notify_one`.
//! 4. Wakers are cloned, woken and dropped outside the lock of the map. If one panics, the panic is
//!    reported, and the others are woken.
//!
//! *Rejected:* a slab. Its order is that of memory, so a late waiter could overtake.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex as StdMutex, MutexGuard as StdMutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use reveille_runtime::task::{wake, wake_all};
use reveille_runtime::time::Sleep;

use super::MutexGuard;

/// A condition variable: tasks wait until another task notifies them of a change.
///
/// It belongs to a condition on the data of a [`Mutex`](super::Mutex). A task that finds the
/// condition false calls [`wait`](Condvar::wait), which unlocks the mutex, waits, and locks it
/// again. A task that makes the condition true calls [`notify_one`](Condvar::notify_one) or
/// [`notify_all`](Condvar::notify_all). The condition cannot change unseen between the check and
/// the wait, because both happen under the mutex.
///
/// A waiter may wake without a notification, or find that another task was faster. So check the
/// condition again after `wait`, in a loop, or use [`wait_until`](Condvar::wait_until). Use one
/// `Condvar` with one mutex only.
///
/// Tasks are woken in the order in which they began to wait.
///
/// # Examples
///
/// ```
/// use reveille::sync::{Arc, Condvar, Mutex};
/// use reveille::task;
///
/// task::block_on(async {
///     let pair = Arc::new((Mutex::new(false), Condvar::new()));
///
///     let theirs = Arc::clone(&pair);
///     task::spawn(async move {
///         let (is_ready, condvar) = &*theirs;
///         *is_ready.lock().await = true;
///         condvar.notify_one();
///     });
///
///     let (is_ready, condvar) = &*pair;
///     let mut guard = is_ready.lock().await;
///     while !*guard {
///         guard = condvar.wait(guard).await;
///     }
///     assert!(*guard);
/// });
/// ```
#[derive(Default)]
#[doc(alias("Notify", "Event"))]
pub struct Condvar {
    waiters: StdMutex<Waiters>,
}

/// The waiters, in the order of their arrival.
#[derive(Default)]
struct Waiters {
    next_key: u64,
    wakers: BTreeMap<u64, Waker>,
}

/// Whether a wait ended because its time ran out.
///
/// # Examples
///
/// ```
/// use reveille::sync::{Condvar, Mutex};
/// use reveille::task;
/// use std::time::Duration;
///
/// task::block_on(async {
///     let (mutex, condvar) = (Mutex::new(()), Condvar::new());
///     let guard = mutex.lock().await;
///     let (_guard, result) = condvar.wait_timeout(guard, Duration::from_millis(5)).await;
///     assert!(result.timed_out());
/// });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitTimeoutResult(bool);

impl WaitTimeoutResult {
    /// Returns whether the time ran out.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::sync::{Condvar, Mutex};
    /// use std::time::Duration;
    ///
    /// reveille::task::block_on(async {
    ///     let (is_open, changed) = (Mutex::new(true), Condvar::new());
    ///     let guard = is_open.lock().await;
    ///     let long = Duration::from_secs(60);
    ///     let (_guard, result) = changed.wait_timeout_until(guard, long, |open| *open).await;
    ///     assert!(!result.timed_out()); // it was open already
    /// });
    /// ```
    pub fn timed_out(self) -> bool {
        self.0
    }
}

impl Condvar {
    /// Creates a condition variable without waiters.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::sync::Condvar;
    ///
    /// static CONDVAR: Condvar = Condvar::new();
    /// CONDVAR.notify_all();
    /// ```
    pub const fn new() -> Condvar {
        Condvar { waiters: StdMutex::new(Waiters { next_key: 0, wakers: BTreeMap::new() }) }
    }

    /// Unlocks the mutex, waits for a notification, and locks the mutex again.
    ///
    /// It may also wake without a notification: check the condition again.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the mutex unlocked. A notification that it had received goes to
    /// the next waiter.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::sync::{Arc, Condvar, Mutex};
    /// use reveille::task;
    ///
    /// task::block_on(async {
    ///     let pair = Arc::new((Mutex::new(0), Condvar::new()));
    ///     let theirs = Arc::clone(&pair);
    ///     task::spawn(async move {
    ///         *theirs.0.lock().await += 1;
    ///         theirs.1.notify_one();
    ///     });
    ///
    ///     let mut count = pair.0.lock().await;
    ///     while *count == 0 {
    ///         count = pair.1.wait(count).await;
    ///     }
    ///     assert_eq!(*count, 1);
    /// });
    /// ```
    pub async fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        let mutex = MutexGuard::source(&guard);
        Notified::new(self, guard).await;
        mutex.lock().await
    }

    /// Waits until a condition holds.
    ///
    /// The closure is called under the mutex: first before any wait, then after each notification.
    ///
    /// # Cancel safety
    ///
    /// As for [`wait`](Condvar::wait).
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::sync::{Arc, Condvar, Mutex};
    /// use reveille::task;
    ///
    /// task::block_on(async {
    ///     let pair = Arc::new((Mutex::new(0), Condvar::new()));
    ///     let theirs = Arc::clone(&pair);
    ///     task::spawn(async move {
    ///         *theirs.0.lock().await += 1;
    ///         theirs.1.notify_one();
    ///     });
    ///
    ///     let count = pair.0.lock().await;
    ///     let count = pair.1.wait_until(count, |count| *count > 0).await;
    ///     assert_eq!(*count, 1);
    /// });
    /// ```
    pub async fn wait_until<'a, T, F>(
        &self,
        mut guard: MutexGuard<'a, T>,
        mut condition: F,
    ) -> MutexGuard<'a, T>
    where
        F: FnMut(&mut T) -> bool,
    {
        while !condition(&mut *guard) {
            guard = self.wait(guard).await;
        }
        guard
    }

    /// Waits until notified, for at most `dur`.
    ///
    /// The result is a timeout only if no notification came; one that arrives together with the
    /// deadline counts. Locking the mutex again may make the whole wait longer than `dur`.
    ///
    /// # Cancel safety
    ///
    /// As for [`wait`](Condvar::wait).
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::sync::{Condvar, Mutex};
    /// use reveille::task;
    /// use std::time::Duration;
    ///
    /// task::block_on(async {
    ///     let (mutex, condvar) = (Mutex::new(1), Condvar::new());
    ///     let guard = mutex.lock().await;
    ///     let (guard, result) = condvar.wait_timeout(guard, Duration::from_millis(5)).await;
    ///     assert_eq!((*guard, result.timed_out()), (1, true));
    /// });
    /// ```
    pub async fn wait_timeout<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        dur: Duration,
    ) -> (MutexGuard<'a, T>, WaitTimeoutResult) {
        let mutex = MutexGuard::source(&guard);
        let mut sleep = Sleep::after(dur);
        let is_notified = self.notified_before(guard, &mut sleep).await;
        (mutex.lock().await, WaitTimeoutResult(!is_notified))
    }

    /// Waits until a condition holds, for at most `dur`.
    ///
    /// The closure is called under the mutex: first before any wait, then after each notification,
    /// and once more when the time is up. The result is a timeout only if the condition did not
    /// hold even then.
    ///
    /// # Cancel safety
    ///
    /// As for [`wait`](Condvar::wait).
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::sync::{Condvar, Mutex};
    /// use reveille::task;
    /// use std::time::Duration;
    ///
    /// task::block_on(async {
    ///     let (mutex, condvar) = (Mutex::new(1), Condvar::new());
    ///     let dur = Duration::from_millis(5);
    ///
    ///     let guard = mutex.lock().await;
    ///     let (guard, result) = condvar.wait_timeout_until(guard, dur, |n| *n == 1).await;
    ///     assert!(!result.timed_out());
    ///
    ///     let (_guard, result) = condvar.wait_timeout_until(guard, dur, |n| *n == 2).await;
    ///     assert!(result.timed_out());
    /// });
    /// ```
    pub async fn wait_timeout_until<'a, T, F>(
        &self,
        mut guard: MutexGuard<'a, T>,
        dur: Duration,
        mut condition: F,
    ) -> (MutexGuard<'a, T>, WaitTimeoutResult)
    where
        F: FnMut(&mut T) -> bool,
    {
        let mutex = MutexGuard::source(&guard);
        let mut sleep = Sleep::after(dur);
        let mut is_notified = true;
        // The condition is checked after every wait, for the last time after the wait that reached
        // the deadline.
        while !condition(&mut *guard) {
            if !is_notified {
                return (guard, WaitTimeoutResult(true));
            }
            is_notified = self.notified_before(guard, &mut sleep).await;
            guard = mutex.lock().await;
        }
        (guard, WaitTimeoutResult(false))
    }

    /// Wakes the task that has waited longest, if there is one.
    ///
    /// The caller need not hold the mutex.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::sync::Condvar;
    ///
    /// // A notification without a waiter is lost.
    /// Condvar::new().notify_one();
    /// ```
    pub fn notify_one(&self) {
        let first = self.waiters().wakers.pop_first();
        if let Some((_, waker)) = first {
            wake(waker);
        }
    }

    /// Wakes all waiting tasks.
    ///
    /// The caller need not hold the mutex. The woken tasks lock it one after the other.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::sync::Condvar;
    ///
    /// Condvar::new().notify_all();
    /// ```
    pub fn notify_all(&self) {
        let all = std::mem::take(&mut self.waiters().wakers);
        wake_all(&mut all.into_values().collect());
    }

    /// Waits for a notification or the end of `sleep`. True if notified.
    async fn notified_before<T>(&self, guard: MutexGuard<'_, T>, sleep: &mut Sleep) -> bool {
        let mut notified = Notified::new(self, guard);
        std::future::poll_fn(|cx| {
            if Pin::new(&mut notified).poll(cx).is_ready() {
                return Poll::Ready(true);
            }
            ready!(Pin::new(&mut *sleep).poll(cx));
            // Removal from the map decides: a notification that came between the two polls counts.
            Poll::Ready(notified.leave() == Leave::Notified)
        })
        .await
    }

    /// No user code and nothing that panics runs under this lock, so a poisoned lock is fine.
    fn waiters(&self) -> StdMutexGuard<'_, Waiters> {
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Condvar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Condvar").finish_non_exhaustive()
    }
}

/// How a waiter left the map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leave {
    /// It removed itself, or had never entered.
    Waiting,
    /// A notification had removed it.
    Notified,
}

/// Waits for a notification. The first poll unlocks the mutex.
struct Notified<'c, 'm, T> {
    condvar: &'c Condvar,
    /// The mutex guard, until the waiter has entered the map.
    guard: Option<MutexGuard<'m, T>>,
    /// The waiter's key, until a notification has been seen.
    key: Option<u64>,
}

// Nothing in it is pinned: the guard and the condvar are references.
impl<T> Unpin for Notified<'_, '_, T> {}

impl<'c, 'm, T> Notified<'c, 'm, T> {
    fn new(condvar: &'c Condvar, guard: MutexGuard<'m, T>) -> Notified<'c, 'm, T> {
        Notified { condvar, guard: Some(guard), key: None }
    }

    /// Enters the map, and then unlocks the mutex (invariant 1).
    fn enter(&mut self, waker: &Waker) {
        let waker = waker.clone();
        let key = {
            let mut waiters = self.condvar.waiters();
            let key = waiters.next_key;
            waiters.next_key += 1;
            waiters.wakers.insert(key, waker);
            key
        };
        self.key = Some(key);
        self.guard = None;
    }

    /// Replaces the waker. False if the key is gone, which means that a notification has come.
    fn renew(&mut self, key: u64, waker: &Waker) -> bool {
        let new = waker.clone();
        let mut waiters = self.condvar.waiters();
        let Some(waker) = waiters.wakers.get_mut(&key) else {
            // Locals are dropped in reverse order: the lock first, then the clone.
            return false;
        };
        let old = std::mem::replace(waker, new);
        drop(waiters);
        drop(old);
        true
    }

    /// Removes the waiter from the map.
    fn leave(&mut self) -> Leave {
        let Some(key) = self.key.take() else {
            return Leave::Waiting;
        };
        let waker = self.condvar.waiters().wakers.remove(&key);
        if waker.is_some() { Leave::Waiting } else { Leave::Notified }
    }
}

impl<T> Future for Notified<'_, '_, T> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(key) = self.key else {
            if self.guard.is_none() {
                return Poll::Ready(());
            }
            self.enter(cx.waker());
            return Poll::Pending;
        };
        if self.renew(key, cx.waker()) {
            return Poll::Pending;
        }
        self.key = None;
        Poll::Ready(())
    }
}

impl<T> Drop for Notified<'_, '_, T> {
    fn drop(&mut self) {
        if self.leave() == Leave::Notified {
            self.condvar.notify_one();
        }
    }
}
