//! A lock that costs its owner two plain stores and one load, and a stranger a memory barrier on
//! every core.
//!
//! A worker touches its own queue slot, timers and registry at every poll; others touch them a few
//! times a second, when they rescue a blocked worker or shut the runtime down. So the lock is
//! biased: the *owner* announces that it is inside with a plain store and looks at the gate; a
//! *stranger* closes the gate, makes every core pass a barrier, and waits until the owner is out.
//!
//! # Vocabulary
//!
//! * **identity**: what a thread owns locks with: a number that is never used twice, and the flag
//!   *inside*, which the thread sets from before it looks at a gate until it is done.
//! * **gate**: the number of the owner while it may enter, 0 while a stranger is inside or nobody
//!   owns the lock.
//!
//! # Invariants
//!
//! 1. The value is touched only by the thread that saw its own number in the gate after setting
//!    its flag, until it clears the flag; or by the one stranger that holds `owner`, closed the
//!    gate, passed the heavy barrier and saw the owner's flag clear, until it opens the gate.
//! 2. Both at once is impossible: the owner stores its flag, then loads the gate; the stranger
//!    stores the gate, then loads the flag. With a barrier between each pair at least one of the
//!    two sees the other's store (Dekker's argument). The owner's barrier is a compiler fence; the
//!    stranger's heavy barrier makes a full one of it on the owner's core.
//! 3. The flag belongs to the thread, not to the lock: a thread that lost the lock while it was
//!    away announces itself in vain, and disturbs no flag of the new owner.
//! 4. Flag and gate are written with release and read with acquire, so each side sees what the
//!    other did to the value.
//!
//! The heavy barrier is Linux's `membarrier(PRIVATE_EXPEDITED)`. Where the system has none, or
//! refuses it after a time (`asymmetric.rs`), both sides use a full fence, which costs the owner
//! about 2 ns more.
//!
//! Rejected: a flag inside the lock. A dispossessed owner that wakes up between its look at the
//! gate and its store would clear the flag of its successor.
//!
//! Source: D. Dice, M. Moir, W. Scherer, "Quickly Reacquirable Locks"; `membarrier(2)`.

use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use crate::atomic::{AtomicBool, AtomicUsize, Ordering};
use crate::cell::UnsafeCell;
use crate::lock::Mutex;
use crate::{barrier, lock, thread};

/// What a thread owns [`Biased`] locks with. Not `Clone`: one thread, one identity.
#[derive(Debug)]
pub struct OwnerToken {
    number: usize,
    inside: Arc<AtomicBool>,
}

/// Names an [`OwnerToken`] to which a lock can be given.
#[derive(Clone, Debug)]
pub struct OwnerId {
    number: usize,
    inside: Arc<AtomicBool>,
}

impl OwnerToken {
    /// An identity that no lock has seen before.
    ///
    /// # Panics
    ///
    /// Panics when every number was given out, which 2^32 calls do on a 32-bit system.
    pub fn unique() -> OwnerToken {
        // Outside loom's world: the numbers only have to differ.
        static NEXT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(1);
        let number = next_number(&NEXT).expect("the numbers of threads' identities ran out");
        OwnerToken { number, inside: Arc::new(AtomicBool::new(false)) }
    }

    /// The name under which others can give a lock to this identity.
    pub fn id(&self) -> OwnerId {
        OwnerId { number: self.number, inside: Arc::clone(&self.inside) }
    }
}

/// Draws a number. It never wraps: 0 is what the gate of a closed lock holds, and two identities
/// with one number would both enter (invariant 1).
fn next_number(next: &std::sync::atomic::AtomicUsize) -> Option<usize> {
    use std::sync::atomic::Ordering::Relaxed;
    next.fetch_update(Relaxed, Relaxed, |number| number.checked_add(1)).ok()
}

/// A value with one owning thread at a time, which enters almost for free.
pub struct Biased<T> {
    gate: AtomicUsize,
    /// Held by a stranger as long as it is inside; tells whom it has to wait for.
    owner: Mutex<Option<OwnerId>>,
    value: UnsafeCell<T>,
}

// SAFETY: by invariants 1 and 2 the value is touched by one thread at a time, so sharing the lock
// does no more than hand the value from thread to thread, which `T: Send` allows.
unsafe impl<T: Send> Sync for Biased<T> {}

impl<T> Biased<T> {
    /// Wraps `value`. Nobody owns it yet.
    pub fn new(value: T) -> Biased<T> {
        barrier::prepare();
        Biased { gate: AtomicUsize::new(0), owner: Mutex::new(None), value: UnsafeCell::new(value) }
    }

    /// Enters as the owner; `None` if the lock belongs to somebody else, or nobody. Waits while a
    /// stranger is inside.
    ///
    /// `&mut` keeps a thread from entering two locks, or one twice: there is one flag for all.
    #[inline]
    pub fn enter<'a>(&'a self, identity: &'a mut OwnerToken) -> Option<Owner<'a, T>> {
        identity.inside.store(true, Ordering::Relaxed);
        barrier::light();
        if self.gate.load(Ordering::Acquire) == identity.number {
            lock::change_held(1);
            return Some(Owner::new(self, identity));
        }
        self.enter_slow(identity)
    }

    #[cold]
    fn enter_slow<'a>(&'a self, identity: &'a mut OwnerToken) -> Option<Owner<'a, T>> {
        loop {
            // A stranger may be waiting for the flag with `owner` in its hands.
            identity.inside.store(false, Ordering::Release);
            let number = self.owner.lock().as_ref().map(|owner| owner.number);
            if number != Some(identity.number) {
                return None;
            }
            identity.inside.store(true, Ordering::Relaxed);
            barrier::light();
            if self.gate.load(Ordering::Acquire) == identity.number {
                lock::change_held(1);
                return Some(Owner::new(self, identity));
            }
        }
    }

    /// Enters as a stranger: waits for the owner to be outside and keeps it there during `access`.
    ///
    /// Costs a barrier on every core that runs a thread of this process, some microseconds.
    /// The caller must not be inside itself. `access` may also change the owner.
    pub fn with<R>(&self, access: impl FnOnce(&mut T, &mut Option<OwnerId>) -> R) -> R {
        let mut owner = self.owner.lock();
        if let Some(owner) = owner.as_ref() {
            self.gate.store(0, Ordering::Relaxed);
            barrier::heavy();
            while owner.inside.load(Ordering::Acquire) {
                // The owner is inside for some nanoseconds, unless its core was taken away.
                thread::yield_now();
            }
        }
        let result = self.value.with_mut(|value| {
            // SAFETY: the stranger's half of invariant 1: `owner` is locked, the gate is closed
            // and the owner's flag was seen clear after the heavy barrier.
            let value = unsafe { &mut *value };
            access(value, &mut owner)
        });
        let number = owner.as_ref().map_or(0, |owner| owner.number);
        self.gate.store(number, Ordering::Release);
        result
    }

    /// Makes `recipient` the owner, or leaves the lock without one.
    pub fn give(&self, recipient: Option<OwnerId>) {
        self.with(|_, owner| *owner = recipient);
    }
}

impl<T: fmt::Debug> fmt::Debug for Biased<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Biased").field("gate", &self.gate).finish_non_exhaustive()
    }
}

/// The owner's access to what a [`Biased`] lock guards, until dropped.
///
/// It is as `Send` and `Sync` as the `&mut T` that it stands for: two threads that share the guard
/// of a `Cell` would share the cell.
pub struct Owner<'a, T> {
    lock: &'a Biased<T>,
    identity: &'a mut OwnerToken,
    access: PhantomData<&'a mut T>,
}

impl<'a, T> Owner<'a, T> {
    #[inline]
    fn new(lock: &'a Biased<T>, identity: &'a mut OwnerToken) -> Owner<'a, T> {
        Owner { lock, identity, access: PhantomData }
    }
}

impl<T> Deref for Owner<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the owner's half of invariant 1: the flag is set until this guard is dropped, and
        // the gate showed the owner's number after it was set.
        self.lock.value.with(|value| unsafe { &*value })
    }
}

impl<T> DerefMut for Owner<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the owner's half of invariant 1, as above; `&mut self` makes the access unique
        // within the owner's thread.
        self.lock.value.with_mut(|value| unsafe { &mut *value })
    }
}

impl<T> Drop for Owner<'_, T> {
    #[inline]
    fn drop(&mut self) {
        lock::change_held(-1);
        self.identity.inside.store(false, Ordering::Release);
    }
}

impl<T: fmt::Debug> fmt::Debug for Owner<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

#[cfg(all(test, not(reveille_loom)))]
mod tests {
    use super::*;

    #[test]
    fn only_the_owner_enters() {
        let lock = Biased::new(0);
        let mut me = OwnerToken::unique();
        assert!(lock.enter(&mut me).is_none());
        lock.give(Some(me.id()));
        *lock.enter(&mut me).expect("given above") += 1;
        let successor = OwnerToken::unique();
        lock.give(Some(successor.id()));
        assert!(lock.enter(&mut me).is_none());
        assert_eq!(lock.with(|value, _| *value), 1);
    }

    #[test]
    fn the_numbers_of_identities_never_wrap() {
        let next = std::sync::atomic::AtomicUsize::new(usize::MAX - 1);
        assert_eq!(next_number(&next), Some(usize::MAX - 1));
        assert_eq!((next_number(&next), next_number(&next)), (None, None));
    }

    #[test]
    fn owner_and_strangers_never_meet() {
        const EACH: usize = 20_000;
        let lock = Biased::new(0_usize);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut me = OwnerToken::unique();
                lock.give(Some(me.id()));
                for _ in 0..EACH {
                    *lock.enter(&mut me).expect("nobody takes it away") += 1;
                }
            });
            for _ in 0..2 {
                scope.spawn(|| (0..EACH / 20).for_each(|_| lock.with(|value, _| *value += 1)));
            }
        });
        assert_eq!(lock.with(|value, _| *value), EACH + 2 * (EACH / 20));
    }
}
