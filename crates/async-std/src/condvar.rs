//! reveille's condition variable with the predecessor's signatures.
//!
//! There `new` is no constant function, no path leads to what `wait_timeout` returns, and `Send`
//! and `Sync` are implemented, not derived: tools that compare APIs see all three. reveille's own
//! has none of these limits.
//!
//! Invariants:
//! 1. The wrapped condition variable is the only field, and the compiler finds it `Send` and
//!    `Sync`: the constant below does not compile otherwise.

use std::fmt;
use std::time::Duration;

use reveille::sync::MutexGuard;

/// A condition variable: tasks sleep on it until another says that something has changed.
///
/// It belongs to a condition on data in a [`Mutex`](reveille::sync::Mutex). A waiter may wake
/// without a notification, so look at the condition again after [`wait`](Condvar::wait), or let
/// [`wait_until`](Condvar::wait_until) do it. Tasks are woken in the order in which they began to
/// wait.
///
/// # Examples
///
/// ```
/// use async_std::sync::{Arc, Condvar, Mutex};
/// use async_std::task;
///
/// task::block_on(async {
///     let pair = Arc::new((Mutex::new(false), Condvar::new()));
///
///     let theirs = Arc::clone(&pair);
///     task::spawn(async move {
///         *theirs.0.lock().await = true;
///         theirs.1.notify_one();
///     });
///
///     let mut is_ready = pair.0.lock().await;
///     while !*is_ready {
///         is_ready = pair.1.wait(is_ready).await;
///     }
/// });
/// ```
#[derive(Default)]
pub struct Condvar {
    wrapped: reveille::sync::Condvar,
}

const fn is_send_sync<T: Send + Sync>() {}
const _: () = is_send_sync::<reveille::sync::Condvar>();

// SAFETY: `Send` asks that a value may be given to another thread. The only field may be
// (invariant 1).
unsafe impl Send for Condvar {}

// SAFETY: `Sync` asks that a value may be shared with other threads. The only field may be
// (invariant 1).
unsafe impl Sync for Condvar {}

/// Whether a wait ended because its time was up.
///
/// # Examples
///
/// ```
/// use async_std::sync::{Condvar, Mutex};
/// use std::time::Duration;
///
/// async_std::task::block_on(async {
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
    /// use async_std::sync::{Condvar, Mutex};
    /// use std::time::Duration;
    ///
    /// async_std::task::block_on(async {
    ///     let (is_open, changed) = (Mutex::new(true), Condvar::new());
    ///     let (guard, long) = (is_open.lock().await, Duration::from_secs(60));
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
    /// let condvar = async_std::sync::Condvar::new();
    /// condvar.notify_all();
    /// ```
    pub fn new() -> Self {
        Condvar::default()
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
    /// use async_std::sync::{Condvar, Mutex};
    /// use async_std::{prelude::*, task};
    ///
    /// task::block_on(async {
    ///     let (count, changed) = (Mutex::new(0), Condvar::new());
    ///     let reader = async {
    ///         let mut count = count.lock().await;
    ///         while *count == 0 {
    ///             count = changed.wait(count).await;
    ///         }
    ///         *count
    ///     };
    ///     let writer = async {
    ///         *count.lock().await += 1;
    ///         changed.notify_one();
    ///     };
    ///     assert_eq!(reader.join(writer).await.0, 1);
    /// });
    /// ```
    pub async fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        self.wrapped.wait(guard).await
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
    /// use async_std::sync::{Condvar, Mutex};
    /// use async_std::{prelude::*, task};
    ///
    /// task::block_on(async {
    ///     let (count, changed) = (Mutex::new(0), Condvar::new());
    ///     let reader =
    ///         async { *changed.wait_until(count.lock().await, |count| *count > 0).await };
    ///     let writer = async {
    ///         *count.lock().await += 1;
    ///         changed.notify_one();
    ///     };
    ///     assert_eq!(reader.join(writer).await.0, 1);
    /// });
    /// ```
    pub async fn wait_until<'a, T, F>(
        &self,
        guard: MutexGuard<'a, T>,
        condition: F,
    ) -> MutexGuard<'a, T>
    where
        F: FnMut(&mut T) -> bool,
    {
        self.wrapped.wait_until(guard, condition).await
    }

    /// Waits until notified, or for at most `dur`.
    ///
    /// The result says `timed_out()` only if no notification came. Taking the mutex again may make
    /// the whole take longer than `dur`.
    ///
    /// # Cancel safety
    ///
    /// As [`wait`](Condvar::wait).
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::sync::{Condvar, Mutex};
    /// use std::time::Duration;
    ///
    /// async_std::task::block_on(async {
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
        let (guard, result) = self.wrapped.wait_timeout(guard, dur).await;
        (guard, WaitTimeoutResult(result.timed_out()))
    }

    /// Waits until a condition holds, or for at most `dur`.
    ///
    /// The closure is called under the mutex: first before any wait, after each notification, and
    /// once more when the time is up. The result says `timed_out()` only if the condition did not
    /// hold even then.
    ///
    /// # Cancel safety
    ///
    /// As [`wait`](Condvar::wait).
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::sync::{Condvar, Mutex};
    /// use std::time::Duration;
    ///
    /// async_std::task::block_on(async {
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
        guard: MutexGuard<'a, T>,
        dur: Duration,
        condition: F,
    ) -> (MutexGuard<'a, T>, WaitTimeoutResult)
    where
        F: FnMut(&mut T) -> bool,
    {
        let (guard, result) = self.wrapped.wait_timeout_until(guard, dur, condition).await;
        (guard, WaitTimeoutResult(result.timed_out()))
    }

    /// Wakes the task that has waited longest, if any.
    ///
    /// The mutex need not be held.
    ///
    /// # Examples
    ///
    /// ```
    /// // A notification that nobody waits for is gone.
    /// async_std::sync::Condvar::new().notify_one();
    /// ```
    pub fn notify_one(&self) {
        self.wrapped.notify_one();
    }

    /// Wakes all tasks that wait.
    ///
    /// The mutex need not be held. The tasks take it one after the other.
    ///
    /// # Examples
    ///
    /// ```
    /// async_std::sync::Condvar::new().notify_all();
    /// ```
    pub fn notify_all(&self) {
        self.wrapped.notify_all();
    }
}

impl fmt::Debug for Condvar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.wrapped.fmt(f)
    }
}
