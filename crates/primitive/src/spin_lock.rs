//! A lock for sections of a few instructions, which is released by a plain store.
//!
//! A lock whose waiters sleep has to check on release whether one does. That is a
//! read-modify-write, which takes as long as the section itself. Here a contender spins, then
//! yields, then sleeps for 50 µs. It sleeps because the holder may have been preempted, and a
//! holder of lower priority does not get its core back by yields alone.
//!
//! The lock shares its word with its users, which store a few bits in it (see
//! [`SpinLockGuard::word`]): the instruction that takes the lock reads them.
//!
//! # Invariants
//!
//! 1. The value is touched only by the thread that turned [`TAKEN`] on, until it turns it off.
//! 2. `TAKEN` is turned on by an exchange that saw it off, with acquire, and off by a store with
//!    release: each section happens after the one before it.
//! 3. While `TAKEN` is on, no other thread writes the word, because every exchange expects it to be
//!    off. So the store of the release overwrites no change.
//!
//! Not for sections that call anything slow. There is contention when one thread delivers an event
//! while another begins to wait for the same source; the benchmarks did not show it.

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

/// A value behind a lock for short sections, and a word beside it.
pub struct SpinLock<T> {
    word: AtomicUsize,
    value: UnsafeCell<T>,
    /// loom does not know that a spinning thread waits for others, so in a model it sleeps.
    #[cfg(reveille_loom)]
    waiting: (lock::Mutex<()>, lock::Condvar),
}

// SAFETY: by invariant 1 the value is touched by one thread at a time, and by invariant 2 each sees
// what the one before it did; so sharing the lock does no more than hand the value from thread to
// thread, which `T: Send` allows.
unsafe impl<T: Send> Sync for SpinLock<T> {}

/// A section that panics leaves the value as std's locks do. No section of the users can panic.
impl<T> std::panic::UnwindSafe for SpinLock<T> {}
impl<T> std::panic::RefUnwindSafe for SpinLock<T> {}

impl<T> SpinLock<T> {
    /// Makes a free lock whose word is 0.
    pub fn new(value: T) -> SpinLock<T> {
        SpinLock {
            word: AtomicUsize::new(0),
            value: UnsafeCell::new(value),
            #[cfg(reveille_loom)]
            waiting: (lock::Mutex::new(()), lock::Condvar::new()),
        }
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

    /// Turns [`TAKEN`] on if the word is `word`. Returns the actual word otherwise.
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

/// Access to what a [`SpinLock`] guards, until dropped.
///
/// It is as `Send` and `Sync` as the `&mut T` that it stands for: two threads that share the guard
/// of a `Cell` would share the cell.
pub struct SpinLockGuard<'a, T> {
    lock: &'a SpinLock<T>,
    word: usize,
    access: PhantomData<&'a mut T>,
}

impl<T> SpinLockGuard<'_, T> {
    /// The users' bits of the word.
    #[inline]
    pub fn word(&self) -> usize {
        self.word
    }

    /// Changes the users' bits, all but [`TAKEN`].
    #[inline]
    pub fn set_word(&mut self, word: usize) {
        debug_assert_eq!(word & TAKEN, 0, "the lowest bit is the lock's");
        self.word = word;
    }
}

impl<T> Deref for SpinLockGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: invariant 1: the guard exists only while this thread has `TAKEN` on.
        self.lock.value.with(|value| unsafe { &*value })
    }
}

impl<T> DerefMut for SpinLockGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: invariant 1, as above; `&mut self` makes the access unique within the thread.
        self.lock.value.with_mut(|value| unsafe { &mut *value })
    }
}

impl<T> Drop for SpinLockGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        lock::change_held(-1);
        // Invariant 3.
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
    fn threads_exclude_each_other_and_the_word_is_kept() {
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
                // Time for it to go from spinning to sleeping. The test passes also if it does not.
                (0..10_000).for_each(|_| std::thread::yield_now());
                *value = 1;
            });
            is_held.wait();
            is_awaited.0.send(()).expect("the holder listens");
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
