//! A condition variable for the asynchronous mutex.
//!
//! The waiting tasks stand in a map, in the order of their arrival. To notify one is to take it
//! out of the map and wake it; a waiter that finds itself gone from the map was notified.
//!
//! Invariants:
//! 1. A waiter enters the map while it still holds the mutex, so whoever changes the condition
//!    (and needs the mutex for that) finds it there.
//! 2. A key is in the map exactly as long as its waiter is neither notified nor dropped. Keys are
//!    never used twice: 2^64 of them last longer than the machine.
//! 3. A waiter that was notified but dropped before it was polled passes its notification on, so
//!    `notify_one` is never lost on a task that was cancelled.
//! 4. Wakers are cloned, woken and dropped outside the lock of the map. A panic of one is reported,
//!    and the others are woken.
//!
//! *Rejected:* a slab, whose order is that of memory and lets a late waiter overtake.

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

/// A condition variable: tasks sleep on it until another says that something has changed.
///
/// It belongs to a condition on data in a [`Mutex`](super::Mutex). A task that finds the condition
/// false calls [`wait`](Condvar::wait), which gives the mutex back, sleeps, and takes it again; a
/// task that makes it true calls [`notify_one`](Condvar::notify_one) or
/// [`notify_all`](Condvar::notify_all). Nobody can change the condition unseen between the look and
/// the sleep, because both happen under the mutex.
///
/// A waiter may wake without a notification, or find that another task was faster. So look again
/// after `wait`, in a loop, or let [`wait_until`](Condvar::wait_until) do it. Use one `Condvar`
/// with one mutex only.
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
pub struct Condvar {
    waiters: StdMutex<Waiters>,
}

/// The tasks that wait, by the order of their arrival.
#[derive(Default)]
struct Waiters {
    next_key: u64,
    wakers: BTreeMap<u64, Waker>,
}

/// Whether a wait ended because its time was up.
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
    /// Returns true if the time was up.
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
    /// Creates a condition variable that nobody waits for.
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

    /// Gives the mutex back, sleeps until notified, and takes the mutex again.
    ///
    /// It may also wake for no reason: look at the condition again.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the mutex unlocked. A notification that had reached it goes to
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
    /// The closure is called under the mutex, first before any wait, and after each notification.
    ///
    /// # Cancel safety
    ///
    /// As [`wait`](Condvar::wait).
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

    /// Waits until notified, or for at most `dur`.
    ///
    /// The result is timed out only if no notification came; a notification that arrives with the
    /// deadline counts. Taking the mutex again may make the whole take longer than `dur`.
    ///
    /// # Cancel safety
    ///
    /// As [`wait`](Condvar::wait).
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

    /// Waits until a condition holds, or for at most `dur`.
    ///
    /// The closure is called under the mutex: first before any wait, after each notification, and
    /// once more when the time is up. The result is timed out only if the condition did not hold
    /// even then.
    ///
    /// # Cancel safety
    ///
    /// As [`wait`](Condvar::wait).
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
        // The condition is asked after every wait, and for the last time after the one that ran
        // into the deadline.
        while !condition(&mut *guard) {
            if !is_notified {
                return (guard, WaitTimeoutResult(true));
            }
            is_notified = self.notified_before(guard, &mut sleep).await;
            guard = mutex.lock().await;
        }
        (guard, WaitTimeoutResult(false))
    }

    /// Wakes the task that has waited longest, if any.
    ///
    /// The mutex need not be held.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::sync::Condvar;
    ///
    /// // A notification that nobody waits for is gone.
    /// Condvar::new().notify_one();
    /// ```
    pub fn notify_one(&self) {
        let first = self.waiters().wakers.pop_first();
        if let Some((_, waker)) = first {
            wake(waker);
        }
    }

    /// Wakes all tasks that wait.
    ///
    /// The mutex need not be held. The tasks take it one after the other.
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

    /// Waits for a notification or the end of `sleep`; true if notified.
    async fn notified_before<T>(&self, guard: MutexGuard<'_, T>, sleep: &mut Sleep) -> bool {
        let mut notified = Notified::new(self, guard);
        std::future::poll_fn(|cx| {
            if Pin::new(&mut notified).poll(cx).is_ready() {
                return Poll::Ready(true);
            }
            ready!(Pin::new(&mut *sleep).poll(cx));
            // Leaving the map decides: a notification that came between the two polls counts.
            Poll::Ready(notified.leave() == Leave::Notified)
        })
        .await
    }

    /// Nothing under this lock runs user code or panics, so a poisoned one is as good as any.
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
    /// It was still in it, or never entered.
    Waiting,
    /// A notification had taken it out.
    Notified,
}

/// Waits for a notification; gives the mutex back when it is first polled.
struct Notified<'c, 'm, T> {
    condvar: &'c Condvar,
    /// The mutex, until the waiter has entered the map.
    guard: Option<MutexGuard<'m, T>>,
    /// The waiter's key, while a notification is due or unseen.
    key: Option<u64>,
}

// Nothing in it is pinned: the guard and the condvar are references.
impl<T> Unpin for Notified<'_, '_, T> {}

impl<'c, 'm, T> Notified<'c, 'm, T> {
    fn new(condvar: &'c Condvar, guard: MutexGuard<'m, T>) -> Notified<'c, 'm, T> {
        Notified { condvar, guard: Some(guard), key: None }
    }

    /// Enters the map, and only then gives the mutex back (invariant 1).
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

    /// Replaces the waker; false if the key is gone, that is, if a notification has come.
    fn renew(&mut self, key: u64, waker: &Waker) -> bool {
        let new = waker.clone();
        let mut waiters = self.condvar.waiters();
        let Some(waker) = waiters.wakers.get_mut(&key) else {
            // Both locals are dropped in reverse order: the lock first, then the clone.
            return false;
        };
        let old = std::mem::replace(waker, new);
        drop(waiters);
        drop(old);
        true
    }

    /// Leaves the map.
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
