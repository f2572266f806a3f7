//! A lock for critical sections of a few instructions, which is released by a plain store.
//!
//! A lock with a queue of sleeping waiters must check on release whether it has waiters. That is a
//! read-modify-write, which takes as long as the section itself. Here a contender spins, then
//! yields, then sleeps for 50 µs. It sleeps because the holder may have been preempted, and yields
//! alone do not give a core to a holder of lower priority.
//!
//! The lock shares its word with its user, which stores a few bits in it (see
//! [`SpinLockGuard::word`]): the instruction that takes the lock also reads those bits.
//!
//! # Invariants
//!
//! 1. Only the thread that set [`TAKEN`] accesses the value, until it clears the bit.
//! 2. `TAKEN` is set by an acquire exchange that saw it clear, and cleared by a release store: each
//!    section happens after the previous one.
//! 3. While `TAKEN` is set, no other thread writes the word, because every exchange expects the bit
//!    to be clear. So the store that releases the lock overwrites no change.
//!
//! Do not use it for sections that call anything slow. Threads contend when one delivers an event
//! while another begins to wait for the same source; that was not visible in the benchmarks.

use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

use crate::atomic::{AtomicUsize, Ordering};
use crate::cell::UnsafeCell;
use crate::lock;
#[cfg(not(reveille_loom))]
use crate::thread;

/// The bit of the word that belongs to the lock.
pub const TAKEN: usize = 1;

/// A value behind a lock for short sections, and a word that the lock shares with its user.
pub struct SpinLock<T> {
    word: AtomicUsize,
    value: UnsafeCell<T>,
    /// loom cannot know that a spinning thread waits for another, so in a model it sleeps.
    #[cfg(reveille_loom)]
    waiting: (lock::Mutex<()>, lock::Condvar),
}

// SAFETY: by invariant 1 one thread at a time accesses the value, and by invariant 2 each sees what
// the previous one wrote. So sharing the lock only moves the value from thread to thread, which `T:
// Send` allows.
unsafe impl<T: Send> Sync for SpinLock<T> {}

/// As with std's locks, a section that panics may leave the value inconsistent. No section of this
/// lock's users can panic.
impl<T> std::panic::UnwindSafe for SpinLock<T> {}
impl<T> std::panic::RefUnwindSafe for SpinLock<T> {}

impl<T> SpinLock<T> {
    /// Makes an unlocked lock with the word 0.
    #[cfg(not(reveille_loom))]
    pub const fn new(value: T) -> SpinLock<T> {
        SpinLock { word: AtomicUsize::new(0), value: UnsafeCell::new(value) }
    }

    /// Makes an unlocked lock with the word 0. loom's types have no constant constructors.
    #[cfg(reveille_loom)]
    pub fn new(value: T) -> SpinLock<T> {
        SpinLock {
            word: AtomicUsize::new(0),
            value: UnsafeCell::new(value),
            waiting: (lock::Mutex::new(()), lock::Condvar::new()),
        }
    }

    /// Unwraps the value.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }

    /// Takes the lock. Waits while another thread holds it.
    #[inline]
    pub fn lock(&self) -> SpinLockGuard<'_, T> {
        let word = self.word.load(Ordering::Relaxed) & !TAKEN;
        let word = match self.try_take(word) {
            Ok(word) => word,
            Err(current) => self.take_slow(current),
        };
        lock::change_held(1);
        SpinLockGuard { lock: self, word, access: PhantomData }
    }

    /// Sets [`TAKEN`] if the word is `word`. Otherwise returns the actual word.
    #[inline]
    fn try_take(&self, word: usize) -> Result<usize, usize> {
        self.word.compare_exchange(word, word | TAKEN, Ordering::Acquire, Ordering::Relaxed)
    }

    #[cfg(not(reveille_loom))]
    #[cold]
    fn take_slow(&self, mut current: usize) -> usize {
        let mut times = 0;
        loop {
            if current & TAKEN != 0 {
                thread::backoff(times);
                times += 1;
            }
            match self.try_take(current & !TAKEN) {
                Ok(word) => return word,
                Err(now) => current = now,
            }
        }
    }

    #[cfg(reveille_loom)]
    fn take_slow(&self, mut current: usize) -> usize {
        let mut waiting = self.waiting.0.lock();
        loop {
            match self.try_take(current & !TAKEN) {
                Ok(word) => return word,
                Err(now) if now & TAKEN != 0 => waiting = self.waiting.1.wait(waiting),
                Err(now) => current = now,
            }
        }
    }
}

impl<T: Default> Default for SpinLock<T> {
    fn default() -> SpinLock<T> {
        SpinLock::new(T::default())
    }
}

impl<T> fmt::Debug for SpinLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpinLock").finish_non_exhaustive()
    }
}

/// Access to the value that a [`SpinLock`] guards. The drop releases the lock.
///
/// It is `Send` and `Sync` exactly if `&mut T` is: two threads that share the guard of a `Cell`
/// would share the cell.
pub struct SpinLockGuard<'a, T> {
    lock: &'a SpinLock<T>,
    word: usize,
    access: PhantomData<&'a mut T>,
}

impl<T> SpinLockGuard<'_, T> {
    /// The user's bits of the word.
    #[inline]
    pub fn word(&self) -> usize {
        self.word
    }

    /// Sets the user's bits: all bits except [`TAKEN`].
    #[inline]
    pub fn set_word(&mut self, word: usize) {
        debug_assert_eq!(word & TAKEN, 0, "the lowest bit belongs to the lock");
        self.word = word;
    }
}

impl<T> Deref for SpinLockGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the guard exists only while this thread has set `TAKEN`, so no other thread
        // accesses the value (invariant 1).
        self.lock.value.with(|value| unsafe { &*value })
    }
}

impl<T> DerefMut for SpinLockGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as in `deref`, no other thread accesses the value (invariant 1). `&mut self`
        // makes the access unique within the thread.
        self.lock.value.with_mut(|value| unsafe { &mut *value })
    }
}

impl<T> Drop for SpinLockGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        lock::change_held(-1);
        // A plain store overwrites no change of another thread (invariant 3).
        self.lock.word.store(self.word, Ordering::Release);
        #[cfg(reveille_loom)]
        {
            let _waiting = self.lock.waiting.0.lock();
            self.lock.waiting.1.notify_all();
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for SpinLockGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

#[cfg(all(test, not(reveille_loom)))]
mod tests {
    use super::*;

    #[test]
    fn threads_exclude_each_other_and_keep_the_word() {
        const EACH: usize = 50_000;
        let lock = SpinLock::new(0_usize);
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    for _ in 0..EACH {
                        let mut value = lock.lock();
                        *value += 1;
                        let word = value.word() + 2;
                        value.set_word(word);
                    }
                });
            }
        });
        let value = lock.lock();
        assert_eq!((*value, value.word()), (3 * EACH, 6 * EACH));
    }

    #[test]
    fn a_contender_waits_for_a_holder_that_does_not_run() {
        let lock = SpinLock::new(0);
        let (is_held, is_awaited) = (std::sync::Barrier::new(2), std::sync::mpsc::channel());
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut value = lock.lock();
                is_held.wait();
                let awaited = is_awaited.1;
                awaited.recv().expect("the other thread sends when it begins");
                // Time for the contender to go from spinning to sleeping. The test passes even if
                // it does not.
                (0..10_000).for_each(|_| std::thread::yield_now());
                *value = 1;
            });
            is_held.wait();
            is_awaited.0.send(()).expect("the holder receives");
            assert_eq!(*lock.lock(), 1);
        });
    }

    #[test]
    fn a_panic_inside_releases_the_lock() {
        let lock = SpinLock::new(0);
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let mut value = lock.lock();
            *value = 1;
            panic!("inside");
        }));
        assert!(panicked.is_err());
        assert_eq!(*lock.lock(), 1);
        crate::lock::assert_none_held("this test");
    }
}
