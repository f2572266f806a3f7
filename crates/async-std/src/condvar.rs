//! reveille's condition variable with async-std's signatures.
//!
//! In async-std, `new` is not `const`, the return type of `wait_timeout` has no public path, and
//! `Send` and `Sync` are implemented by hand. Tools that compare APIs see all three differences, so
//! this type repeats them. reveille's own type does not.
//!
//! Invariants:
//! 1. The wrapped condition variable is the only field, and it is `Send` and `Sync`. Otherwise the
//!    constant below does not compile.

use std::fmt;
use std::time::Duration;

use reveille::sync::MutexGuard;

/// A condition variable: tasks wait on it until another task notifies them of a change.
///
/// It belongs to a condition on data in a [`Mutex`](reveille::sync::Mutex). A waiter can wake
/// without a notification, so check the condition again after [`wait`](Condvar::wait), or use
/// [`wait_until`](Condvar::wait_until). Tasks wake in the order in which they started to wait.
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

// SAFETY: `Send` requires that a value can move to another thread. The only field can
// (invariant 1).
unsafe impl Send for Condvar {}

// SAFETY: `Sync` requires that threads can share a value. They can share the only field
// (invariant 1).
unsafe impl Sync for Condvar {}

/// Whether a wait ended because its time ran out.
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
    /// Returns true if the time ran out.
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
    /// Creates a condition variable.
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

    /// Unlocks the mutex, waits for a notification, and locks the mutex again.
    ///
    /// The wait can end without a notification, so check the condition again.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the mutex unlocked. If it had already received a notification,
    /// the notification goes to the next waiter.
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
    /// The closure is called under the mutex, before the first wait and after each notification.
    ///
    /// # Cancel safety
    ///
    /// As for [`wait`](Condvar::wait).
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
    /// `timed_out()` of the result is true only if no notification came. Locking the mutex again
    /// can make the call take longer than `dur`.
    ///
    /// # Cancel safety
    ///
    /// As for [`wait`](Condvar::wait).
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
    /// The closure is called under the mutex: before the first wait, after each notification, and
    /// once more when the time runs out. `timed_out()` of the result is true only if the condition
    /// does not hold even then.
    ///
    /// # Cancel safety
    ///
    /// As for [`wait`](Condvar::wait).
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

    /// Wakes the task that has waited longest, if there is one.
    ///
    /// The caller need not hold the mutex.
    ///
    /// # Examples
    ///
    /// ```
    /// // Without a waiting task, a notification is lost.
    /// async_std::sync::Condvar::new().notify_one();
    /// ```
    pub fn notify_one(&self) {
        self.wrapped.notify_one();
    }

    /// Wakes all waiting tasks.
    ///
    /// The caller need not hold the mutex. The tasks lock it one after the other.
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
