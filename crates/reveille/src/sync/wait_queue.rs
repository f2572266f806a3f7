//! The waiters of `Notify`, `Semaphore` and `broadcast`, in the order of their arrival.
//!
//! A plain data structure: the type that owns it keeps it under a lock. Its nodes are in a slab and
//! form a list by their numbers, so entering and leaving cost the same with any number of waiters.
//!
//! # Invariants
//!
//! 1. A key belongs to one future, from [`push`](WaitQueue::push) until that future calls
//!    [`remove`](WaitQueue::remove). No other code frees a node, so a key never names a new node.
//! 2. A node is in the list exactly as long as it has a waker.
//! 3. No function here calls user code. Wakers are cloned before they come in; those that go out
//!    are returned, and the caller wakes or drops them after it has released its lock.
//!
//! *Rejected:* event-listener, on which the types of async-lock are built. It wakes tasks while it
//! holds its list's lock, so a waker that blocks stops all users of the list, and after a waker
//! that panics the others are not woken. *Rejected:* an intrusive list as in tokio, which needs
//! unsafe code.

use std::task::Waker;

use slab::Slab;

use crate::protocol::task;

/// No node.
const NIL: usize = usize::MAX;

/// How many free nodes an empty queue keeps.
const KEPT_NODES: usize = 64;

/// A list of waiters with some data each.
pub(super) struct WaitQueue<T> {
    nodes: Slab<Node<T>>,
    oldest: usize,
    newest: usize,
}

struct Node<T> {
    /// `None` once the waiter has been taken from the list.
    waker: Option<Waker>,
    older: usize,
    newer: usize,
    data: T,
}

/// What [`WaitQueue::remove`] returns.
pub(super) struct Removed<T> {
    /// The waker, if the waiter was still in the list.
    pub(super) waker: Option<Waker>,
    pub(super) data: T,
}

impl<T> WaitQueue<T> {
    pub(super) const fn new() -> WaitQueue<T> {
        WaitQueue { nodes: Slab::new(), oldest: NIL, newest: NIL }
    }

    /// Whether the list is empty.
    pub(super) fn is_empty(&self) -> bool {
        self.oldest == NIL
    }

    /// Adds the newest waiter and returns its key.
    pub(super) fn push(&mut self, waker: Waker, data: T) -> usize {
        let older = self.newest;
        let key = self.nodes.insert(Node { waker: Some(waker), older, newer: NIL, data });
        match self.nodes.get_mut(older) {
            Some(older) => older.newer = key,
            None => self.oldest = key,
        }
        self.newest = key;
        key
    }

    /// The data of the oldest waiter.
    pub(super) fn oldest_mut(&mut self) -> Option<&mut T> {
        self.nodes.get_mut(self.oldest).map(|node| &mut node.data)
    }

    /// Takes the oldest waiter from the list and sets its data.
    pub(super) fn pop_oldest(&mut self, data: T) -> Option<Waker> {
        self.take(self.oldest, data)
    }

    /// Takes the newest waiter from the list and sets its data.
    pub(super) fn pop_newest(&mut self, data: T) -> Option<Waker> {
        self.take(self.newest, data)
    }

    /// Takes every waiter from the list and sets its data.
    pub(super) fn pop_all(&mut self, data: T) -> Wakes
    where
        T: Copy,
    {
        let mut wakes = Wakes::default();
        while let Some(waker) = self.pop_oldest(data) {
            wakes.push(waker);
        }
        wakes
    }

    fn take(&mut self, key: usize, data: T) -> Option<Waker> {
        let waker = self.unlink(key);
        if waker.is_some() {
            self.nodes[key].data = data;
        }
        waker
    }

    /// Takes a waiter from the list if it is there. Its node stays.
    fn unlink(&mut self, key: usize) -> Option<Waker> {
        let node = self.nodes.get_mut(key)?;
        let waker = node.waker.take()?;
        let (older, newer) = (node.older, node.newer);
        match self.nodes.get_mut(older) {
            Some(older) => older.newer = newer,
            None => self.oldest = newer,
        }
        match self.nodes.get_mut(newer) {
            Some(newer) => newer.older = older,
            None => self.newest = older,
        }
        Some(waker)
    }

    /// Whether the waiter is still in the list and would wake the same task as `waker`. `None` if
    /// it was taken from the list.
    pub(super) fn is_waker(&self, key: usize, waker: &Waker) -> Option<bool> {
        self.nodes[key].waker.as_ref().map(|present| present.will_wake(waker))
    }

    /// Replaces the waker of a waiter that is still in the list; returns the waker to drop.
    pub(super) fn renew(&mut self, key: usize, waker: Waker) -> Option<Waker> {
        match &mut self.nodes[key].waker {
            Some(present) => Some(std::mem::replace(present, waker)),
            None => Some(waker),
        }
    }

    /// Removes the waiter's node, whether it is in the list or not.
    pub(super) fn remove(&mut self, key: usize) -> Removed<T> {
        let waker = self.unlink(key);
        let data = self.nodes.remove(key).data;
        if self.nodes.is_empty() && self.nodes.capacity() > KEPT_NODES {
            self.nodes = Slab::new();
        }
        Removed { waker, data }
    }
}

/// Wakers to wake after the lock has been released. One of them costs no allocation.
#[derive(Default)]
#[must_use = "the waiters have been taken from their list"]
pub(super) struct Wakes {
    /// The waker, as long as there is only one.
    only: Option<Waker>,
    several: Vec<Waker>,
}

impl Wakes {
    pub(super) fn push(&mut self, waker: Waker) {
        if self.several.is_empty() && self.only.is_none() {
            self.only = Some(waker);
            return;
        }
        self.several.extend(self.only.take());
        self.several.push(waker);
    }

    /// Wakes them in their order. If one panics, the panic is reported and the others are woken.
    pub(super) fn wake(mut self) {
        match self.only {
            Some(only) => task::wake(only),
            None => task::wake_all(&mut self.several),
        }
    }
}

#[cfg(all(test, not(reveille_loom)))]
mod tests {
    use super::*;

    /// The keys that are in the list, and those of nodes that were taken from it.
    #[derive(Default)]
    struct Model {
        listed: Vec<usize>,
        taken: Vec<usize>,
    }

    /// Numbers without structure, the same in each run.
    fn numbers() -> impl Iterator<Item = usize> {
        let step =
            |x: &u64| Some(x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695));
        std::iter::successors(Some(7_u64), step).map(|x| (x >> 33) as usize)
    }

    #[test]
    fn the_order_is_that_of_a_plain_list() {
        let mut queue = WaitQueue::new();
        let mut model = Model::default();
        let mut numbers = numbers();
        for _ in 0..20_000 {
            let (choice, which) = (numbers.next().unwrap() % 5, numbers.next().unwrap());
            match choice {
                0 | 1 => model.listed.push(queue.push(Waker::noop().clone(), false)),
                2 => {
                    let expected = (!model.listed.is_empty()).then(|| model.listed.remove(0));
                    assert_eq!(queue.pop_oldest(true).is_some(), expected.is_some());
                    model.taken.extend(expected);
                }
                3 => {
                    let expected = model.listed.pop();
                    assert_eq!(queue.pop_newest(true).is_some(), expected.is_some());
                    model.taken.extend(expected);
                }
                _ => {
                    let from = if which % 2 == 0 { &mut model.listed } else { &mut model.taken };
                    if !from.is_empty() {
                        let key = from.remove(which / 2 % from.len());
                        let removed = queue.remove(key);
                        assert_eq!(removed.waker.is_some(), which % 2 == 0);
                        assert_eq!(removed.data, which % 2 != 0);
                    }
                }
            }
            assert_eq!(queue.is_empty(), model.listed.is_empty());
            assert_eq!(queue.oldest, model.listed.first().copied().unwrap_or(NIL));
            assert_eq!(queue.newest, model.listed.last().copied().unwrap_or(NIL));
        }
    }
}
