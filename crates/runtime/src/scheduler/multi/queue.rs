//! The run queue of a worker: a bounded ring that its owner pushes to and any thread takes from.
//!
//! # Problem
//!
//! The owner pushes and pops for each poll, and thieves come rarely. So the owner needs a queue
//! that costs it a few instructions, and a thief has to take half of it without a lock. The order
//! is first in, first out for all, which keeps many tasks fair.
//!
//! # Words
//!
//! * **head**: position of the oldest element. The thread that takes the element moves it forward.
//! * **tail**: position behind the newest element. The owner moves it forward.
//! * Positions only grow; the slot of a position is its value modulo the capacity.
//! * **backlog**: the tasks for which the ring has no room. Only the owner reaches them. They are
//!   behind those of the ring: while there is a backlog, a push goes to its back, and the ring is
//!   refilled from its front.
//!
//! ```text
//!     ┌───┬───┬───┬───┬───┬───┬───┬───┐      ┌───┬───┬──
//!     │   │   │ a │ b │ c │ d │ e │   │      │ f │ g │ …    backlog: only if the ring is full
//!     └───┴───┴───┴───┴───┴───┴───┴───┘      └───┴───┴──
//!               ▲                   ▲
//!              head                tail
//!
//!     a pop takes a; a steal takes a to c; a push writes the slot at the tail and then moves it
//! ```
//!
//! # Protocol
//!
//! A pop and a steal are the same step with different counts: read `head`, copy the elements, and
//! move `head` by a compare-exchange. If another thread was faster, the exchange fails and the
//! copies are discarded without being used.
//!
//! # Invariants
//!
//! 1. Only the owner writes `tail` and slots, and it writes only slots outside `head..tail`.
//! 2. The positions `head..tail` hold one element each, and `tail - head <= CAPACITY`.
//! 3. Elements belong to the ring until a compare-exchange moves `head` past them; then they belong
//!    to the thread that moved it. A copy made before a failed exchange must not be used.
//! 4. `tail` is written with release after the slot, and read with acquire before it. `head` moves
//!    with release after the copy, and the owner reads it with acquire before it reuses a slot.
//! 5. Positions are as wide as a pointer and never masked, so the ABA of a wrapped index needs
//!    2^64 pushes during one steal (2^32 on 32-bit machines: a thief asleep for minutes between two
//!    instructions while exactly that many tasks ran).
//!
//! # Rejected
//!
//! * Moving half of a full ring to the injector. The ring is then refilled with newer tasks before
//!   the worker takes from the injector. When a thousand sockets were ready at once, some waited
//!   ten times as long as others.
//! * A ring that grows: thieves hold its address.
//! * A ring with two heads, which lets the thief copy after its claim. It makes every push read two
//!   heads, to save copies that a failed claim wastes. Claims rarely fail here, since one thread
//!   searches at a time.
//!
//! Source: the run queue of Go's scheduler, and D. Chase, Y. Lev, "Dynamic Circular Work-Stealing
//! Deque", for the order of the accesses.
#![allow(unsafe_code)]

use std::collections::VecDeque;
use std::fmt;
use std::ptr::NonNull;

use reveille_primitive::Padded;
use reveille_primitive::atomic::{AtomicPtr, AtomicUsize, Ordering};
use reveille_task::Runnable;

/// Tasks that thieves can reach. 256 pointers are 2 KiB, which stay in the first-level cache. A
/// queue this long is 25 µs of work at 100 ns a poll.
#[cfg(not(reveille_loom))]
pub(crate) const CAPACITY: usize = 256;
/// Small, so that a model reaches the full ring and the wrap-around.
#[cfg(reveille_loom)]
pub(crate) const CAPACITY: usize = 4;

const MASK: usize = CAPACITY - 1;

/// The capacity that an empty backlog keeps, in tasks: 32 KiB.
const BACKLOG_KEPT: usize = 4096;

/// The ring. Push and pop are for one thread at a time, the owner; see [`Queue::push`].
pub(crate) struct Queue {
    head: Padded<AtomicUsize>,
    tail: Padded<AtomicUsize>,
    slots: Box<[AtomicPtr<()>; CAPACITY]>,
    /// Length of the backlog, for threads that do not own it.
    backlog_len: AtomicUsize,
}

/// The permission to push, and with it the role of the owner and the backlog. Kept in the worker's
/// core, so that the owner of the core owns the queue.
#[derive(Debug)]
pub(crate) struct Ownership {
    backlog: VecDeque<Runnable>,
}

impl Ownership {
    pub(crate) fn has_backlog(&self) -> bool {
        !self.backlog.is_empty()
    }
}

impl Queue {
    /// An empty queue and the only permission to push to it.
    pub(crate) fn new() -> (Queue, Ownership) {
        let slots = std::array::from_fn(|_| AtomicPtr::new(std::ptr::null_mut()));
        let queue = Queue {
            head: Padded::new(AtomicUsize::new(0)),
            tail: Padded::new(AtomicUsize::new(0)),
            slots: Box::new(slots),
            backlog_len: AtomicUsize::new(0),
        };
        (queue, Ownership { backlog: VecDeque::new() })
    }

    /// An empty queue whose positions are those after `count` tasks.
    #[cfg(all(test, not(reveille_loom)))]
    pub(crate) fn starting_at(count: usize) -> (Queue, Ownership) {
        let (mut queue, owner) = Queue::new();
        queue.head = Padded::new(AtomicUsize::new(count));
        queue.tail = Padded::new(AtomicUsize::new(count));
        (queue, owner)
    }

    /// Tasks in the backlog. Exact for the owner, a hint for other threads.
    pub(crate) fn backlog_len(&self) -> usize {
        self.backlog_len.load(Ordering::Relaxed)
    }

    /// Tasks in the ring. Exact for the owner while no thread steals, a hint otherwise.
    pub(crate) fn len(&self) -> usize {
        let head = self.head.load(Ordering::Acquire);
        let tail = self.tail.load(Ordering::Acquire);
        // The two are read one after the other. `head` can be ahead of the `tail` that was read
        // only if thieves moved it in between.
        tail.wrapping_sub(head).min(CAPACITY)
    }

    pub(crate) fn is_empty(&self) -> bool {
        let head = self.head.load(Ordering::Acquire);
        head == self.tail.load(Ordering::Acquire)
    }

    /// Adds `task` at the back. `true` if it went to the backlog, because the ring was full.
    #[inline]
    pub(crate) fn push(&self, owner: &mut Ownership, task: Runnable) -> bool {
        let tail = self.tail.load(Ordering::Relaxed);
        let head = self.head.load(Ordering::Acquire);
        if !owner.backlog.is_empty() || tail.wrapping_sub(head) >= CAPACITY {
            self.push_backlog(owner, task);
            return true;
        }
        self.store(tail, task);
        self.tail.store(tail.wrapping_add(1), Ordering::Release);
        false
    }

    /// Adds `tasks` at the back, in their order. Thieves see those that fit into the ring all at
    /// once. Returns how many went to the backlog.
    pub(crate) fn push_batch(
        &self,
        owner: &mut Ownership,
        mut tasks: impl ExactSizeIterator<Item = Runnable>,
    ) -> usize {
        let mut tail = self.tail.load(Ordering::Relaxed);
        let head = self.head.load(Ordering::Acquire);
        let has_backlog = !owner.backlog.is_empty();
        let room = if has_backlog { 0 } else { CAPACITY - tail.wrapping_sub(head) };
        for task in tasks.by_ref().take(room) {
            self.store(tail, task);
            tail = tail.wrapping_add(1);
        }
        self.tail.store(tail, Ordering::Release);
        let overflow = tasks.len();
        if overflow > 0 {
            owner.backlog.extend(tasks);
            self.backlog_len.store(owner.backlog.len(), Ordering::Relaxed);
        }
        overflow
    }

    #[cold]
    fn push_backlog(&self, owner: &mut Ownership, task: Runnable) {
        owner.backlog.push_back(task);
        self.backlog_len.store(owner.backlog.len(), Ordering::Relaxed);
    }

    /// Fills the slot at `tail`, which is outside `head..tail` (invariant 1), and whose former
    /// element was claimed by an exchange that the owner has seen (invariant 4).
    #[inline]
    fn store(&self, tail: usize, task: Runnable) {
        self.slots[tail & MASK].store(task.into_raw().as_ptr(), Ordering::Relaxed);
    }

    /// Takes the oldest task.
    #[inline]
    pub(crate) fn pop(&self, owner: &mut Ownership) -> Option<Runnable> {
        let task = self.pop_ring();
        if owner.backlog.is_empty() {
            return task;
        }
        self.refill(owner);
        task.or_else(|| self.pop_ring())
    }

    #[inline]
    fn pop_ring(&self) -> Option<Runnable> {
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

    /// Moves the oldest tasks of the backlog to the ring when that is half empty.
    fn refill(&self, owner: &mut Ownership) {
        let mut tail = self.tail.load(Ordering::Relaxed);
        let head = self.head.load(Ordering::Acquire);
        if tail.wrapping_sub(head) > CAPACITY / 2 {
            return;
        }
        let count = owner.backlog.len().min(CAPACITY / 2);
        for task in owner.backlog.drain(..count) {
            self.store(tail, task);
            tail = tail.wrapping_add(1);
        }
        self.tail.store(tail, Ordering::Release);
        if owner.backlog.is_empty() && owner.backlog.capacity() > BACKLOG_KEPT {
            owner.backlog = VecDeque::new();
        }
        self.backlog_len.store(owner.backlog.len(), Ordering::Relaxed);
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

    /// Copies `count` elements from `head` on and claims them. Returns 0 if another thread was
    /// faster.
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

    /// Moves `head` forward. The elements between then belong to the caller.
    fn claim(&self, head: usize, next: usize) -> Result<(), usize> {
        self.head.compare_exchange(head, next, Ordering::AcqRel, Ordering::Acquire).map(|_| ())
    }
}

/// Turns an element that was just claimed into a task.
fn adopt(task: *mut ()) -> Runnable {
    let task = NonNull::new(task).expect("a claimed slot was written before the tail passed it");
    // SAFETY: the pointer came from `Runnable::into_raw` in `push`, and the exchange that moved
    // `head` past it made it ours alone (invariant 3), so it becomes a `Runnable` once.
    unsafe { Runnable::from_raw(task) }
}

impl Drop for Queue {
    fn drop(&mut self) {
        while let Some(task) = self.pop_ring() {
            drop(task);
        }
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").field("len", &self.len()).finish()
    }
}
