//! The run queue of a worker: a bounded ring that its owner pushes to and anybody takes from.
//!
//! Purpose: the owner pushes at the back and pops at the front; a thief copies up to half of the
//! front and then claims it with one compare-exchange. First in, first out for everybody, which is
//! what keeps a crowd of tasks fair.
//!
//! # Vocabulary
//!
//! * **head**: position of the oldest element; moved forward by whoever takes.
//! * **tail**: position behind the newest element; moved forward by the owner.
//! * Positions count up for ever; a position's slot is its value modulo the capacity.
//!
//! # Invariants
//!
//! 1. Only the owner writes `tail` and slots, and it writes only slots outside `head..tail`.
//! 2. The positions `head..tail` hold one element each, and `tail - head <= CAPACITY`.
//! 3. Elements belong to the ring until a compare-exchange moves `head` past them; then they belong
//!    to the thread that moved it. A copy made before a failed exchange is worth nothing.
//! 4. `tail` is written with release after the slot, and read with acquire before it. `head` moves
//!    with release after the copy, and the owner reads it with acquire before it reuses a slot.
//! 5. Positions are as wide as a pointer and never masked, so the ABA of a wrapped index needs
//!    2^64 pushes during one steal (2^32 on 32-bit machines: a thief asleep for minutes between two
//!    instructions while exactly that many tasks ran).
//!
//! Rejected: the two-headed ring of other runtimes, which lets the thief copy after its claim. It
//! makes every push look at two heads, to save copies that a failed claim wastes; claims rarely
//! fail here, since one thread searches at a time.
//!
//! Source: the run queue of Go's scheduler, and D. Chase, Y. Lev, "Dynamic Circular Work-Stealing
//! Deque", for the order of the accesses.
#![allow(unsafe_code)]

use std::fmt;
use std::ptr::NonNull;

use reveille_primitive::Padded;
use reveille_primitive::atomic::{AtomicPtr, AtomicUsize, Ordering};
use reveille_task::Runnable;

/// Tasks a run queue holds before half of it moves to the injector. 256 pointers are 2 KiB, which
/// stay in the first-level cache; a queue this long is 25 us of work at 100 ns a poll.
#[cfg(not(loom))]
pub(crate) const CAPACITY: usize = 256;
/// Small, so that a model meets the full ring and the wrap-around.
#[cfg(loom)]
pub(crate) const CAPACITY: usize = 4;

const MASK: usize = CAPACITY - 1;

/// The ring. Push and pop are for one thread at a time, the owner; see [`Queue::push`].
pub(crate) struct Queue {
    head: Padded<AtomicUsize>,
    tail: Padded<AtomicUsize>,
    slots: Box<[AtomicPtr<()>; CAPACITY]>,
}

/// The permission to push, and with it the role of the owner. Kept in the worker's core, so that
/// whoever owns the core owns the queue.
#[derive(Debug)]
pub(crate) struct Ownership(());

impl Queue {
    /// An empty queue and the only permission to push to it.
    pub(crate) fn new() -> (Queue, Ownership) {
        let slots = std::array::from_fn(|_| AtomicPtr::new(std::ptr::null_mut()));
        let queue = Queue {
            head: Padded::new(AtomicUsize::new(0)),
            tail: Padded::new(AtomicUsize::new(0)),
            slots: Box::new(slots),
        };
        (queue, Ownership(()))
    }

    /// How many tasks are queued. Exact for the owner while nobody steals, a hint otherwise.
    pub(crate) fn len(&self) -> usize {
        let head = self.head.load(Ordering::Acquire);
        let tail = self.tail.load(Ordering::Acquire);
        // Read one after the other: `head` may be newer than `tail` only by thieves' progress.
        tail.wrapping_sub(head).min(CAPACITY)
    }

    pub(crate) fn is_empty(&self) -> bool {
        let head = self.head.load(Ordering::Acquire);
        head == self.tail.load(Ordering::Acquire)
    }

    /// Adds `task` at the back, or gives it back when the ring is full.
    pub(crate) fn push(&self, _: &mut Ownership, task: Runnable) -> Result<(), Runnable> {
        let tail = self.tail.load(Ordering::Relaxed);
        let head = self.head.load(Ordering::Acquire);
        if tail.wrapping_sub(head) >= CAPACITY {
            return Err(task);
        }
        // The slot is outside `head..tail` (invariant 1), and its former element was claimed by
        // an exchange that the acquire above has seen (invariant 4).
        self.slots[tail & MASK].store(task.into_raw().as_ptr(), Ordering::Relaxed);
        self.tail.store(tail.wrapping_add(1), Ordering::Release);
        Ok(())
    }

    /// Takes the oldest task.
    pub(crate) fn pop(&self, _: &mut Ownership) -> Option<Runnable> {
        let tail = self.tail.load(Ordering::Relaxed);
        let mut head = self.head.load(Ordering::Acquire);
        loop {
            if head == tail {
                return None;
            }
            let task = self.slots[head & MASK].load(Ordering::Relaxed);
            let next = head.wrapping_add(1);
            match self.claim(head, next) {
                Ok(()) => return Some(adopt(task)),
                Err(actual) => head = actual,
            }
        }
    }

    /// Takes the older half, rounded up, when the owner found the ring full.
    ///
    /// Fewer come out, or none, if thieves were faster; then there is room again.
    pub(crate) fn pop_half(&self, _: &mut Ownership, into: &mut Vec<Runnable>) {
        let head = self.head.load(Ordering::Acquire);
        let tail = self.tail.load(Ordering::Relaxed);
        self.take(head, tail.wrapping_sub(head).div_ceil(2), into);
    }

    /// Takes the older half, rounded up, as a thief. Returns how many.
    pub(crate) fn steal(&self, into: &mut Vec<Runnable>) -> usize {
        loop {
            let head = self.head.load(Ordering::Acquire);
            let tail = self.tail.load(Ordering::Acquire);
            let len = tail.wrapping_sub(head);
            if len == 0 {
                return 0;
            }
            if len > CAPACITY {
                // `head` was read before others moved it and the owner refilled the ring.
                continue;
            }
            let taken = self.take(head, len.div_ceil(2), into);
            if taken > 0 {
                return taken;
            }
        }
    }

    /// Copies `count` elements from `head` on and claims them; none if somebody else was faster.
    fn take(&self, head: usize, count: usize, into: &mut Vec<Runnable>) -> usize {
        let mut copies = [std::ptr::null_mut(); CAPACITY / 2 + 1];
        for (offset, copy) in copies.iter_mut().enumerate().take(count) {
            let slot = head.wrapping_add(offset) & MASK;
            *copy = self.slots[slot].load(Ordering::Relaxed);
        }
        if self.claim(head, head.wrapping_add(count)).is_err() {
            return 0;
        }
        into.extend(copies[..count].iter().map(|&task| adopt(task)));
        count
    }

    /// Moves `head` forward: makes the elements between the caller's own.
    fn claim(&self, head: usize, next: usize) -> Result<(), usize> {
        self.head.compare_exchange(head, next, Ordering::AcqRel, Ordering::Acquire).map(|_| ())
    }
}

/// Makes a task of an element that was just claimed.
fn adopt(task: *mut ()) -> Runnable {
    let task = NonNull::new(task).expect("a claimed slot was written before the tail passed it");
    // SAFETY: the pointer came from `Runnable::into_raw` in `push`, and the exchange that moved
    // `head` past it made it ours alone (invariant 3), so it becomes a `Runnable` once.
    unsafe { Runnable::from_raw(task) }
}

impl Drop for Queue {
    fn drop(&mut self) {
        while let Some(task) = self.pop(&mut Ownership(())) {
            drop(task);
        }
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").field("len", &self.len()).finish()
    }
}
