//! Many futures inside one: each has a waker of its own, and only those that were woken are polled.
//!
//! A member's waker puts the number of its slot into a queue and wakes the task. Polling everything
//! on every wake would be simpler, and quadratic.
//!
//! # Invariants
//!
//! 1. A number is in the queue at most once per [`Signal`]: whoever sets `is_queued` pushes it.
//! 2. `is_queued` is cleared before the slot is polled, so a wake during the poll queues it again.
//! 3. The task's waker is stored before the queue is found empty, so a wake after that reaches it.
//! 4. The queue's lock is held for a push or a pop only: wakers are woken and dropped outside.
//!
//! When the budget is used up, the turn ends. The queue is in the order of the wakes, so members
//! use the budgets of successive polls in turn.
//!
//! A late wake of a member that is gone may name a free slot, or one with a new tenant, which is
//! then polled once for nothing.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use slab::Slab;

use crate::protocol::{AtomicBool, Mutex, MutexGuard, Ordering, budget};

/// Polls of members in one poll of the whole. Then other tasks have their turn.
pub(crate) const POLLS: usize = 64;

/// The futures in work.
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

    /// How many futures are in work.
    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Says whom to wake from now on. To be called first in each poll.
    pub(crate) fn listen(&self, waker: &Waker) {
        self.woken.listen(waker);
    }

    /// Adds a future, as if it had been woken, and returns its number.
    pub(crate) fn insert(&mut self, future: F) -> usize {
        let entry = self.members.vacant_entry();
        let slot = entry.key();
        entry.insert(Member { future, signal: Signal::new(slot, &self.woken) });
        self.woken.queue().push_back(slot);
        slot
    }

    /// A waker for something that is polled together with the members, under a number that no
    /// member can have. As if it had been woken.
    pub(crate) fn signal(&self, number: usize) -> Signal {
        self.woken.queue().push_back(number);
        Signal::new(number, &self.woken)
    }

    /// A way to wake the task from elsewhere.
    pub(crate) fn notifier(&self) -> Notifier {
        Notifier(Arc::clone(&self.woken))
    }

    /// The number of somebody who was woken.
    pub(crate) fn pop(&self) -> Option<usize> {
        self.woken.queue().pop_front()
    }

    /// How many were woken.
    pub(crate) fn woken_len(&self) -> usize {
        self.woken.queue().len()
    }

    /// Drops every member.
    pub(crate) fn clear(&mut self) {
        drop(std::mem::take(&mut self.members));
    }
}

impl<F: Future + Unpin> Group<F> {
    /// Polls the member with this number, and removes it when it is ready.
    pub(crate) fn poll(&mut self, slot: usize) -> Option<F::Output> {
        let member = self.members.get_mut(slot)?;
        let mut cx = member.signal.receive();
        let Poll::Ready(output) = Pin::new(&mut member.future).poll(&mut cx) else {
            return None;
        };
        drop(self.members.remove(slot));
        Some(output)
    }
}

impl<F: Future + Unpin> Group<F> {
    /// Polls who was woken, each once, until `accept` breaks at an output.
    pub(crate) fn poll_woken<R>(
        &mut self,
        cx: &mut Context<'_>,
        mut accept: impl FnMut(usize, F::Output) -> ControlFlow<R>,
    ) -> Poll<R> {
        self.listen(cx.waker());
        let is_budget_left = budget::is_left();
        for _ in 0..self.woken_len().min(POLLS) {
            let Some(slot) = self.pop() else { break };
            if let Some(output) = self.poll(slot)
                && let ControlFlow::Break(result) = accept(slot, output)
            {
                return Poll::Ready(result);
            }
            if is_budget_left && !budget::is_left() {
                // The next poll begins with the member behind the one that used it up.
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

/// A waker, and whether it was used.
pub(crate) struct Signal {
    handle: Arc<Handle>,
    /// Made of `handle`, once rather than at each poll.
    waker: Waker,
}

impl Signal {
    fn new(slot: usize, woken: &Arc<Woken>) -> Signal {
        let woken = Arc::clone(woken);
        let handle = Arc::new(Handle { slot, is_queued: AtomicBool::new(true), woken });
        Signal { waker: Waker::from(Arc::clone(&handle)), handle }
    }

    /// Begins a poll.
    pub(crate) fn receive(&self) -> Context<'_> {
        // A swap, not a store: it acquires what a waker wrote before it found the flag set and
        // left, so that this poll sees it.
        self.handle.is_queued.swap(false, Ordering::AcqRel);
        Context::from_waker(&self.waker)
    }
}

/// The numbers of those to poll, and whom to tell.
#[derive(Default)]
struct Woken {
    queue: Mutex<VecDeque<usize>>,
    task: Mutex<Option<Waker>>,
}

impl Woken {
    /// Nothing that can panic runs under the lock, so a poisoned one is as good as any.
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

/// What the waker of a slot knows.
struct Handle {
    slot: usize,
    is_queued: AtomicBool,
    woken: Arc<Woken>,
}

impl Wake for Handle {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.is_queued.swap(true, Ordering::AcqRel) {
            self.woken.queue().push_back(self.slot);
            self.woken.wake_task();
        }
    }
}
