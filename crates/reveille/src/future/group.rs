//! Many futures inside one. Each member has a waker of its own, and only members that were woken
//! are polled.
//!
//! A member's waker pushes the number of its slot onto a queue and wakes the task. Polling every
//! member on every wake would be simpler, and quadratic.
//!
//! # Invariants
//!
//! 1. A number is in the queue at most once per [`Signal`]: the thread that sets `is_queued` pushes
//!    it.
//! 2. `is_queued` is cleared before the slot is polled, so a wake during the poll queues it again.
//! 3. The task's waker is stored before the queue is found empty, so a later wake reaches the task.
//! 4. The queue's lock is held for one push or pop only. Wakers are woken and dropped outside it.
//!
//! When the budget is used up, the turn ends. The queue is in wake order, so members share the
//! budgets of successive polls fairly.
//!
//! A late wake of a removed member may name a free slot, or a slot that has been reused. The new
//! member is then polled once unnecessarily.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use slab::Slab;

use crate::protocol::{AtomicBool, Mutex, MutexGuard, Ordering, budget, waits};

/// The largest number of member polls in one poll of the group. After that, other tasks run.
pub(crate) const POLLS: usize = 64;

/// Most member polls in one poll of the group for a dump.
const PROBED_MAX: usize = 1_000;

/// The member futures.
pub(crate) struct Group<F> {
    members: Slab<Member<F>>,
    woken: Arc<Woken>,
}

/// A future in its slot.
struct Member<F> {
    future: F,
    signal: Signal,
}

impl<F> Group<F> {
    pub(crate) fn new() -> Group<F> {
        Group { members: Slab::new(), woken: Arc::default() }
    }

    /// Returns the number of members.
    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Stores the waker of the task. Call it first in each poll.
    pub(crate) fn listen(&self, waker: &Waker) {
        self.woken.listen(waker);
    }

    /// Adds a future as if it had been woken, and returns its number.
    pub(crate) fn insert(&mut self, future: F) -> usize {
        let entry = self.members.vacant_entry();
        let slot = entry.key();
        entry.insert(Member { future, signal: Signal::new(slot, &self.woken) });
        self.woken.queue().push_back(slot);
        slot
    }

    /// Returns a waker for something that is polled together with the members, under a number that
    /// no member can have. It starts as woken.
    pub(crate) fn signal(&self, number: usize) -> Signal {
        self.woken.queue().push_back(number);
        Signal::new(number, &self.woken)
    }

    /// Returns a handle that wakes the task from elsewhere.
    pub(crate) fn notifier(&self) -> Notifier {
        Notifier(Arc::clone(&self.woken))
    }

    /// Pops the number of a member that was woken.
    pub(crate) fn pop(&self) -> Option<usize> {
        self.woken.queue().pop_front()
    }

    /// Returns how many were woken.
    pub(crate) fn woken_len(&self) -> usize {
        self.woken.queue().len()
    }

    /// Queues members that were not woken if `outer` is the waker of a dump, so that it sees where
    /// they wait.
    pub(crate) fn show(&self, outer: &Waker) {
        if waits::is_probe(outer) {
            for (_, member) in self.members.iter().take(PROBED_MAX) {
                member.signal.show(outer);
            }
        }
    }

    /// Returns how many members a poll with the waker `outer` polls at most.
    pub(crate) fn turn_len(&self, outer: &Waker) -> usize {
        self.show(outer);
        let limit = if waits::is_probe(outer) { PROBED_MAX } else { POLLS };
        self.woken_len().min(limit)
    }

    /// Drops every member.
    pub(crate) fn clear(&mut self) {
        drop(std::mem::take(&mut self.members));
    }
}

impl<F: Future + Unpin> Group<F> {
    /// Polls the member with this number, and removes it when it is ready. `outer` is the waker
    /// that the group is polled with.
    pub(crate) fn poll(&mut self, slot: usize, outer: &Waker) -> Option<F::Output> {
        let member = self.members.get_mut(slot)?;
        let future = &mut member.future;
        let Poll::Ready(output) = member.signal.receive(outer, |cx| Pin::new(future).poll(cx))
        else {
            return None;
        };
        drop(self.members.remove(slot));
        Some(output)
    }
}

impl<F: Future + Unpin> Group<F> {
    /// Polls each member that was woken once, until `accept` breaks at an output.
    pub(crate) fn poll_woken<R>(
        &mut self,
        cx: &mut Context<'_>,
        mut accept: impl FnMut(usize, F::Output) -> ControlFlow<R>,
    ) -> Poll<R> {
        self.listen(cx.waker());
        let is_budget_left = budget::is_left();
        for _ in 0..self.turn_len(cx.waker()) {
            let Some(slot) = self.pop() else { break };
            if let Some(output) = self.poll(slot, cx.waker())
                && let ControlFlow::Break(result) = accept(slot, output)
            {
                return Poll::Ready(result);
            }
            if is_budget_left && !budget::is_left() {
                // The next poll begins with the member after the one that used up the budget.
                break;
            }
        }
        if self.woken_len() > 0 {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

impl<F> fmt::Debug for Group<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group").field("len", &self.len()).finish_non_exhaustive()
    }
}

/// Wakes the task that polls a group.
pub(crate) struct Notifier(Arc<Woken>);

impl Notifier {
    pub(crate) fn notify(&self) {
        self.0.wake_task();
    }
}

/// A waker, and whether it has fired.
pub(crate) struct Signal {
    handle: Arc<Handle>,
    /// Made from `handle` once rather than at each poll.
    waker: Waker,
}

impl Signal {
    fn new(slot: usize, woken: &Arc<Woken>) -> Signal {
        let woken = Arc::clone(woken);
        let handle = Arc::new(Handle { slot, is_queued: AtomicBool::new(true), woken });
        Signal { waker: Waker::from(Arc::clone(&handle)), handle }
    }

    /// Queues the number if `outer`, the waker that the group is polled with, is that of a dump.
    pub(crate) fn show(&self, outer: &Waker) {
        if waits::is_probe(outer) {
            self.handle.enqueue();
        }
    }

    /// Clears the flag and calls `poll` with this waker. `outer` is the waker that the group is
    /// polled with.
    pub(crate) fn receive<R>(&self, outer: &Waker, poll: impl FnOnce(&mut Context<'_>) -> R) -> R {
        // A swap, not a store: it acquires what a waker wrote before it found the flag set and
        // returned, so this poll sees it.
        self.handle.is_queued.swap(false, Ordering::AcqRel);
        waits::poll_member(outer, &self.waker, poll)
    }
}

/// The numbers to poll, and the waker of the task.
#[derive(Default)]
struct Woken {
    queue: Mutex<VecDeque<usize>>,
    task: Mutex<Option<Waker>>,
}

impl Woken {
    /// Nothing that can panic runs under the lock, so a poisoned lock is fine.
    fn queue(&self) -> MutexGuard<'_, VecDeque<usize>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn listen(&self, waker: &Waker) {
        let task = || self.task.lock().unwrap_or_else(PoisonError::into_inner);
        let is_known = task().as_ref().is_some_and(|known| known.will_wake(waker));
        if !is_known {
            let new = Some(waker.clone());
            let old = std::mem::replace(&mut *task(), new);
            drop(old);
        }
    }

    fn wake_task(&self) {
        let waker = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// The state behind the waker of a slot.
struct Handle {
    slot: usize,
    is_queued: AtomicBool,
    woken: Arc<Woken>,
}

impl Handle {
    /// Queues the number of the slot. `false` if it is queued.
    fn enqueue(&self) -> bool {
        let is_new = !self.is_queued.swap(true, Ordering::AcqRel);
        if is_new {
            self.woken.queue().push_back(self.slot);
        }
        is_new
    }
}

impl Wake for Handle {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.enqueue() {
            self.woken.wake_task();
        }
    }
}
