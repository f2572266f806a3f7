//! Mutex and condition variable without poisoning, and the check that no user code runs under one.
//!
//! The runtime's rule is that a wake, a drop, a poll or a closure of the user never runs while the
//! thread holds one of the runtime's locks: user code may call back into the runtime and would take
//! the lock again. Builds with debug assertions count the locks that a thread holds, and
//! [`assert_none_held`] checks the count before each call of user code.

use std::fmt;
use std::ops::{Deref, DerefMut};

#[cfg(reveille_loom)]
use loom::sync as imp;
#[cfg(not(reveille_loom))]
use std::sync as imp;
use std::sync::PoisonError;
use std::time::Duration;

#[cfg(all(debug_assertions, not(reveille_loom)))]
mod held {
    use std::cell::Cell;

    thread_local!(static COUNT: Cell<usize> = const { Cell::new(0) });

    pub(super) fn change(by: isize) {
        let _ = COUNT.try_with(|count| count.set(count.get().wrapping_add_signed(by)));
    }

    pub(super) fn count() -> usize {
        COUNT.try_with(Cell::get).unwrap_or(0)
    }
}

#[cfg(not(all(debug_assertions, not(reveille_loom))))]
mod held {
    pub(super) fn change(_: isize) {}

    pub(super) fn count() -> usize {
        0
    }
}

/// Adds `by` to the count of held locks, for the other kinds of lock in this crate.
#[inline]
pub(crate) fn change_held(by: isize) {
    held::change(by);
}

/// Asserts, in builds with debug assertions, that this thread holds no lock of the runtime.
///
/// `what` names the user code that is about to run, for the message.
///
/// # Panics
///
/// Panics when a lock is held: the runtime has a fault.
#[inline]
#[track_caller]
pub fn assert_none_held(what: &str) {
    debug_assert_eq!(held::count(), 0, "{what} would run under a lock of the runtime");
    let _ = what;
}

/// A mutual exclusion lock that ignores poisoning: no user code runs under it, and only user code
/// panics.
pub struct Mutex<T: ?Sized> {
    lock: imp::Mutex<T>,
}

/// Access to the value that a [`Mutex`] guards. The drop releases the lock.
pub struct MutexGuard<'a, T: ?Sized> {
    /// `None` only while [`Condvar`] waits.
    guard: Option<imp::MutexGuard<'a, T>>,
}

impl<T> Mutex<T> {
    /// Makes an unlocked mutex.
    #[cfg(not(reveille_loom))]
    pub const fn new(value: T) -> Mutex<T> {
        Mutex { lock: imp::Mutex::new(value) }
    }

    /// Makes an unlocked mutex.
    #[cfg(reveille_loom)]
    pub fn new(value: T) -> Mutex<T> {
        Mutex { lock: imp::Mutex::new(value) }
    }

    /// Unwraps the value.
    pub fn into_inner(self) -> T {
        self.lock.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: ?Sized> Mutex<T> {
    /// Blocks the thread until it has the lock.
    #[inline]
    pub fn lock(&self) -> MutexGuard<'_, T> {
        let guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        held::change(1);
        MutexGuard { guard: Some(guard) }
    }

    /// Takes the lock if no thread holds it.
    #[inline]
    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        let guard = match self.lock.try_lock() {
            Ok(guard) => guard,
            #[cfg(not(reveille_loom))]
            Err(imp::TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(_) => return None,
        };
        held::change(1);
        Some(MutexGuard { guard: Some(guard) })
    }
}

impl<T: ?Sized> Deref for MutexGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        self.guard.as_ref().expect("only a waiting condition variable takes the guard")
    }
}

impl<T: ?Sized> DerefMut for MutexGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        self.guard.as_mut().expect("only a waiting condition variable takes the guard")
    }
}

impl<T: ?Sized> Drop for MutexGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        held::change(-1);
    }
}

impl<T: Default> Default for Mutex<T> {
    fn default() -> Mutex<T> {
        Mutex::new(T::default())
    }
}

impl<T: ?Sized> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mutex").finish_non_exhaustive()
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// A condition variable for [`Mutex`].
#[derive(Debug, Default)]
pub struct Condvar {
    condvar: imp::Condvar,
}

impl Condvar {
    /// Makes a condition variable without waiters.
    #[cfg(not(reveille_loom))]
    pub const fn new() -> Condvar {
        Condvar { condvar: imp::Condvar::new() }
    }

    /// Makes a condition variable without waiters.
    #[cfg(reveille_loom)]
    pub fn new() -> Condvar {
        Condvar { condvar: imp::Condvar::new() }
    }

    /// Wakes one waiting thread.
    pub fn notify_one(&self) {
        self.condvar.notify_one();
    }

    /// Wakes every waiting thread.
    pub fn notify_all(&self) {
        self.condvar.notify_all();
    }

    /// Releases the lock, waits for a notification, and takes the lock again. May return early.
    pub fn wait<'a, T>(&self, mut guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        let held = guard.guard.take().expect("only a waiting condition variable takes the guard");
        let held = self.condvar.wait(held).unwrap_or_else(PoisonError::into_inner);
        guard.guard = Some(held);
        guard
    }

    /// Like [`wait`](Condvar::wait), for at most `timeout`. The flag is `true` if the time has
    /// passed.
    ///
    /// Under loom time does not pass, so it waits for a notification.
    pub fn wait_timeout<'a, T>(
        &self,
        mut guard: MutexGuard<'a, T>,
        timeout: Duration,
    ) -> (MutexGuard<'a, T>, bool) {
        let held = guard.guard.take().expect("only a waiting condition variable takes the guard");
        let (held, result) =
            self.condvar.wait_timeout(held, timeout).unwrap_or_else(PoisonError::into_inner);
        guard.guard = Some(held);
        (guard, result.timed_out())
    }
}

#[cfg(all(test, debug_assertions, not(reveille_loom)))]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "would run under a lock of the runtime")]
    fn user_code_under_a_lock_is_detected() {
        let lock = Mutex::new(());
        let _guard = lock.lock();
        assert_none_held("a wake");
    }

    #[test]
    fn a_released_lock_is_not_counted() {
        let lock = Mutex::new(7);
        assert_eq!(*lock.lock(), 7);
        assert!(lock.try_lock().is_some());
        assert_none_held("a wake");
    }
}
