//! A lock that is cheap for its owner (two plain stores and one load). Any other thread pays for a
//! memory barrier on every core.
//!
//! A worker accesses its own queue slot, timers and registry at every poll. Other threads access
//! them a few times a second, when they rescue a blocked worker or shut the runtime down. So the
//! lock is biased. The *owner* sets a flag with a plain store and checks the gate. A *remote*
//! thread closes the gate, makes every core execute a barrier, and waits until the owner's flag is
//! clear.
//!
//! # Vocabulary
//!
//! * **token**: the identity with which a thread owns locks. A token has a number that is never
//!   used twice and the flag *inside*, which the thread sets before it checks a gate and clears
//!   when it has finished.
//! * **gate**: the number of the owner while the owner may enter; 0 while a remote thread is inside
//!   or the lock has no owner.
//!
//! # Invariants
//!
//! 1. Two threads may access the value: the owner, if it saw its own number in the gate after it
//!    set its flag, until it clears the flag; and the one remote thread that holds `owner`, closed
//!    the gate, executed the heavy barrier and saw the owner's flag clear, until it opens the gate.
//! 2. They never access it at the same time. The owner stores its flag, then loads the gate; the
//!    remote thread stores the gate, then loads the flag. With a barrier between store and load on
//!    both sides, at least one of the two sees the other's store (Dekker's algorithm). The owner's
//!    barrier is a compiler fence; the heavy barrier of the remote thread makes it a full barrier
//!    on the owner's core.
//! 3. The flag belongs to the token, not to the lock: a thread that sets its flag after it lost the
//!    lock does not change the flag of the new owner.
//! 4. Flag and gate are written with release when a side leaves, and read with acquire, so each
//!    side sees what the other wrote to the value.
//!
//! The heavy barrier is Linux's `membarrier(PRIVATE_EXPEDITED)`. If the system has no such call, or
//! refuses it later (`asymmetric.rs`), both sides use a full fence. That costs the owner about 2 ns
//! more.
//!
//! Rejected: a flag inside the lock. A former owner that is preempted after its check of the gate
//! would later clear the flag of the new owner.
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

/// The identity with which a thread owns [`Biased`] locks. Not `Clone`: each thread has its own
/// token.
#[derive(Debug)]
pub struct OwnerToken {
    number: usize,
    inside: Arc<AtomicBool>,
}

/// Identifies an [`OwnerToken`], so that a lock can be given to it.
#[derive(Clone, Debug)]
pub struct OwnerId {
    number: usize,
    inside: Arc<AtomicBool>,
}

impl OwnerToken {
    /// Makes a token with a new number.
    ///
    /// # Panics
    ///
    /// Panics if all numbers are used up, which takes 2^32 calls on a 32-bit system.
    pub fn unique() -> OwnerToken {
        // std's atomic even under loom: the numbers only need to differ.
        static NEXT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(1);
        let number = next_number(&NEXT).expect("the numbers of owner tokens ran out");
        OwnerToken { number, inside: Arc::new(AtomicBool::new(false)) }
    }

    /// The identifier with which other threads can give a lock to this token.
    pub fn id(&self) -> OwnerId {
        OwnerId { number: self.number, inside: Arc::clone(&self.inside) }
    }
}

/// Takes the next number. The counter never wraps: 0 is the gate of a closed lock, and two tokens
/// with the same number would both enter (invariant 1).
fn next_number(next: &std::sync::atomic::AtomicUsize) -> Option<usize> {
    use std::sync::atomic::Ordering::Relaxed;
    next.fetch_update(Relaxed, Relaxed, |number| number.checked_add(1)).ok()
}

/// A value with one owning thread at a time, for which the lock is cheap.
pub struct Biased<T> {
    gate: AtomicUsize,
    /// Locked by a remote thread while it is inside. The value is the owner for which that thread
    /// must wait.
    owner: Mutex<Option<OwnerId>>,
    value: UnsafeCell<T>,
}

// SAFETY: by invariants 1 and 2 one thread at a time accesses the value, so sharing the lock only
// moves the value from thread to thread, which `T: Send` allows.
unsafe impl<T: Send> Sync for Biased<T> {}

impl<T> Biased<T> {
    /// Wraps `value`. The lock has no owner yet.
    pub fn new(value: T) -> Biased<T> {
        barrier::prepare();
        Biased { gate: AtomicUsize::new(0), owner: Mutex::new(None), value: UnsafeCell::new(value) }
    }

    /// Enters as the owner. `None` if the lock has another owner or no owner. Waits while a remote
    /// thread is inside.
    ///
    /// `&mut` prevents a thread from entering two locks, or one lock twice: all its locks use the
    /// same flag.
    #[inline]
    pub fn enter<'a>(&'a self, token: &'a mut OwnerToken) -> Option<Owner<'a, T>> {
        token.inside.store(true, Ordering::Relaxed);
        barrier::light();
        if self.gate.load(Ordering::Acquire) == token.number {
            lock::change_held(1);
            return Some(Owner::new(self, token));
        }
        self.enter_slow(token)
    }

    #[cold]
    fn enter_slow<'a>(&'a self, token: &'a mut OwnerToken) -> Option<Owner<'a, T>> {
        loop {
            // Clear the flag first: a remote thread may hold `owner` and wait for the flag.
            token.inside.store(false, Ordering::Release);
            let number = self.owner.lock().as_ref().map(|owner| owner.number);
            if number != Some(token.number) {
                return None;
            }
            token.inside.store(true, Ordering::Relaxed);
            barrier::light();
            if self.gate.load(Ordering::Acquire) == token.number {
                lock::change_held(1);
                return Some(Owner::new(self, token));
            }
        }
    }

    /// Enters as a remote thread: waits until the owner is outside, and keeps it outside during
    /// `access`.
    ///
    /// Costs a barrier on every core that runs a thread of this process, which takes some
    /// microseconds. The caller must not be inside the lock already. `access` may also change the
    /// owner.
    pub fn with<R>(&self, access: impl FnOnce(&mut T, &mut Option<OwnerId>) -> R) -> R {
        let mut owner = self.owner.lock();
        if let Some(owner) = owner.as_ref() {
            self.gate.store(0, Ordering::Relaxed);
            barrier::heavy();
            while owner.inside.load(Ordering::Acquire) {
                // The owner leaves within some nanoseconds, unless it was preempted.
                thread::yield_now();
            }
        }
        let result = self.value.with_mut(|value| {
            // SAFETY: this is the remote thread of invariant 1: it holds `owner`, has closed the
            // gate, and saw the owner's flag clear after the heavy barrier. So no other access
            // exists (invariant 2).
            let value = unsafe { &mut *value };
            access(value, &mut owner)
        });
        let number = owner.as_ref().map_or(0, |owner| owner.number);
        self.gate.store(number, Ordering::Release);
        result
    }

    /// Makes `recipient` the owner, or leaves the lock without an owner.
    pub fn give(&self, recipient: Option<OwnerId>) {
        self.with(|_, owner| *owner = recipient);
    }

    /// Leaves the lock without an owner if `token` is the owner. Executes no barrier: the owner
    /// itself is outside, and it enters no more because it reads its own store to the gate. So
    /// remote threads that come later execute none either.
    pub fn give_up(&self, token: &mut OwnerToken) {
        let mut owner = self.owner.lock();
        if owner.as_ref().is_some_and(|owner| owner.number == token.number) {
            *owner = None;
            self.gate.store(0, Ordering::Release);
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Biased<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Biased").field("gate", &self.gate).finish_non_exhaustive()
    }
}

/// The owner's access to the value that a [`Biased`] lock guards. The drop leaves the lock.
///
/// It is `Send` and `Sync` exactly if `&mut T` is: two threads that share the guard of a `Cell`
/// would share the cell.
pub struct Owner<'a, T> {
    lock: &'a Biased<T>,
    token: &'a mut OwnerToken,
    access: PhantomData<&'a mut T>,
}

impl<'a, T> Owner<'a, T> {
    #[inline]
    fn new(lock: &'a Biased<T>, token: &'a mut OwnerToken) -> Owner<'a, T> {
        Owner { lock, token, access: PhantomData }
    }
}

impl<T> Deref for Owner<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: this is the owner of invariant 1: it saw its own number in the gate after it set
        // its flag, and the flag stays set until this guard is dropped. So no other thread accesses
        // the value (invariant 2).
        self.lock.value.with(|value| unsafe { &*value })
    }
}

impl<T> DerefMut for Owner<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as in `deref`, no other thread accesses the value (invariants 1 and 2). `&mut
        // self` makes the access unique within the owner's thread.
        self.lock.value.with_mut(|value| unsafe { &mut *value })
    }
}

impl<T> Drop for Owner<'_, T> {
    #[inline]
    fn drop(&mut self) {
        lock::change_held(-1);
        self.token.inside.store(false, Ordering::Release);
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
    fn an_owner_gives_up_its_own_lock_and_no_other() {
        let lock = Biased::new(0);
        let [mut me, mut successor] = [(); 2].map(|()| OwnerToken::unique());
        lock.give(Some(me.id()));
        *lock.enter(&mut me).expect("given above") += 1;
        lock.give_up(&mut successor);
        assert!(lock.enter(&mut me).is_some(), "it is not the successor's");
        lock.give_up(&mut me);
        assert!(lock.enter(&mut me).is_none());
        assert!(lock.with(|value, owner| *value == 1 && owner.is_none()));
        lock.give(Some(successor.id()));
        lock.give_up(&mut me);
        assert!(lock.enter(&mut successor).is_some(), "it is no longer the first owner's");
    }

    #[test]
    fn the_numbers_of_tokens_never_wrap() {
        let next = std::sync::atomic::AtomicUsize::new(usize::MAX - 1);
        assert_eq!(next_number(&next), Some(usize::MAX - 1));
        assert_eq!((next_number(&next), next_number(&next)), (None, None));
    }

    #[test]
    fn owner_and_remote_threads_exclude_each_other() {
        const EACH: usize = 20_000;
        let lock = Biased::new(0_usize);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut me = OwnerToken::unique();
                lock.give(Some(me.id()));
                for _ in 0..EACH {
                    *lock.enter(&mut me).expect("no thread takes it away") += 1;
                }
            });
            for _ in 0..2 {
                scope.spawn(|| (0..EACH / 20).for_each(|_| lock.with(|value, _| *value += 1)));
            }
        });
        assert_eq!(lock.with(|value, _| *value), EACH + 2 * (EACH / 20));
    }
}
