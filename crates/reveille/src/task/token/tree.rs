//! The tree behind the tokens, and the waiters of its nodes.
//!
//! Edges point up: a child keeps its parent alive. The parent lists its children as weak pointers
//! in numbered slots, so a child that is dropped removes itself in constant time.
//!
//! # Invariants
//!
//! 1. `state` leaves LIVE once, under the lock of `lists`, and the thread that changes it then
//!    takes both lists. So an entry that is added under the lock while the state is LIVE will be
//!    notified.
//! 2. No entry is added to the lists of a node that is not LIVE, so a slot number refers to its
//!    owner or to no entry, never to a later one.
//! 3. No user code runs under the lock: wakers are cloned, woken and dropped outside it.
//!
//! Cancelling and dropping use loops. A chain of tokens may be as long as memory allows, and a
//! stack is limited.

use std::sync::{Arc, PoisonError, Weak};
use std::task::Waker;
use std::time::Instant;

use slab::Slab;

use crate::protocol::{AtomicU8, Mutex, MutexGuard, Ordering, task, time};

/// The node has not been cancelled. Its deadline may have passed.
const LIVE: u8 = 0;
const CANCELLED: u8 = 1;
const EXPIRED: u8 = 2;

/// An empty list with more capacity than this is shrunk.
const KEPT_CAPACITY: usize = 64;

/// Why a node was cancelled.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum CancelReason {
    Cancelled,
    Expired,
}

pub(super) struct Node {
    state: AtomicU8,
    /// The earliest deadline of this node and its ancestors.
    deadline: Option<Instant>,
    lists: Mutex<Lists>,
    parent: Option<Parent>,
}

struct Parent {
    node: Arc<Node>,
    /// The slot of this child in the parent's list.
    slot: usize,
}

#[derive(Default)]
struct Lists {
    children: Slab<Weak<Node>>,
    waiters: Slab<Waker>,
}

impl Node {
    pub(super) fn root() -> Node {
        Node::new(LIVE, None, None)
    }

    fn new(state: u8, deadline: Option<Instant>, parent: Option<Parent>) -> Node {
        Node { state: AtomicU8::new(state), deadline, lists: Mutex::default(), parent }
    }

    /// Creates a child, which ends with this node, or at `deadline` if that is earlier.
    pub(super) fn child(self: &Arc<Node>, deadline: Option<Instant>) -> Arc<Node> {
        let deadline = match (self.deadline, deadline) {
            (Some(ours), Some(its)) => Some(ours.min(its)),
            (ours, its) => ours.or(its),
        };
        let mut lists = self.lock();
        let state = self.state.load(Ordering::Relaxed);
        if state != LIVE {
            drop(lists);
            return Arc::new(Node::new(state, deadline, None));
        }
        let entry = lists.children.vacant_entry();
        let parent = Parent { node: Arc::clone(self), slot: entry.key() };
        let child = Arc::new(Node::new(LIVE, deadline, Some(parent)));
        entry.insert(Arc::downgrade(&child));
        child
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Why this node has ended, if it has: it was cancelled, or its deadline has passed.
    pub(super) fn ended(&self) -> Option<CancelReason> {
        let is_late = || self.deadline.is_some_and(|deadline| deadline <= time::now());
        self.cancelled().or_else(|| is_late().then_some(CancelReason::Expired))
    }

    /// Like [`ended`](Node::ended), without reading the clock.
    fn cancelled(&self) -> Option<CancelReason> {
        // Pairs with the release store in `cancel`: writes made before the cancellation are
        // visible.
        match self.state.load(Ordering::Acquire) {
            LIVE => None,
            EXPIRED => Some(CancelReason::Expired),
            _ => Some(CancelReason::Cancelled),
        }
    }

    /// Cancels this node and its descendants, and wakes their waiters.
    pub(super) fn cancel(self: &Arc<Node>) {
        let mut nodes = vec![Arc::clone(self)];
        let mut wakers = Vec::new();
        while let Some(node) = nodes.pop() {
            let state = match node.ended() {
                Some(CancelReason::Expired) => EXPIRED,
                _ => CANCELLED,
            };
            let lists = {
                let mut lists = node.lock();
                if node.state.load(Ordering::Relaxed) != LIVE {
                    continue;
                }
                node.state.store(state, Ordering::Release);
                std::mem::take(&mut *lists)
            };
            nodes.extend(lists.children.into_iter().filter_map(|(_, child)| child.upgrade()));
            wakers.extend(lists.waiters.into_iter().map(|(_, waker)| waker));
        }
        if wakers.len() == 1 {
            // A single waker uses `wake`, which puts the task into the LIFO slot of its worker.
            wakers.drain(..).for_each(task::wake);
        } else {
            task::wake_all(&mut wakers);
        }
    }

    /// Removes a child that was dropped.
    fn remove_child(&self, slot: usize) {
        let mut lists = self.lock();
        lists.children.try_remove(slot);
        shrink(&mut lists.children);
    }

    /// Nothing that can panic runs under the lock, so a poisoned lock is fine.
    fn lock(&self) -> MutexGuard<'_, Lists> {
        self.lists.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let mut next = self.parent.take();
        // Each round takes one node out of the chain before that node is dropped, so drops do not
        // nest.
        while let Some(parent) = next {
            parent.node.remove_child(parent.slot);
            next = Arc::into_inner(parent.node).and_then(|mut node| node.parent.take());
        }
    }
}

fn shrink<T>(list: &mut Slab<T>) {
    if list.is_empty() && list.capacity() > KEPT_CAPACITY {
        list.shrink_to_fit();
    }
}

/// A waiter for the cancellation of a node.
pub(super) struct Waiting {
    node: Arc<Node>,
    /// The slot in the list of waiters, and a clone of the waker there, so a poll with the same
    /// waker takes no lock.
    entry: Option<(usize, Waker)>,
}

impl Waiting {
    pub(super) fn new(node: Arc<Node>) -> Waiting {
        Waiting { node, entry: None }
    }

    /// Returns why the node was cancelled. If it was not, stores `waker` to be woken on
    /// cancellation.
    pub(super) fn poll(&mut self, waker: &Waker) -> Option<CancelReason> {
        if let Some(reason) = self.node.cancelled() {
            return Some(reason);
        }
        if self.entry.as_ref().is_some_and(|(_, known)| known.will_wake(waker)) {
            return None;
        }
        let mut listed = Some(waker.clone());
        let known = waker.clone();
        let mut lists = self.node.lock();
        if let Some(reason) = self.node.cancelled() {
            drop(lists);
            return Some(reason);
        }
        let slot = match &self.entry {
            None => lists.waiters.insert(listed.take()?),
            Some((slot, _)) => {
                if let Some(present) = lists.waiters.get_mut(*slot) {
                    std::mem::swap(present, listed.as_mut()?);
                }
                *slot
            }
        };
        drop(lists);
        // The old wakers are dropped here, outside the lock.
        drop((listed, self.entry.replace((slot, known))));
        None
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let Some((slot, known)) = self.entry.take() else { return };
        let listed = {
            let mut lists = self.node.lock();
            let listed = lists.waiters.try_remove(slot);
            shrink(&mut lists.waiters);
            listed
        };
        drop((listed, known));
    }
}

#[cfg(all(test, not(reveille_loom)))]
mod tests {
    use super::*;

    fn sizes(node: &Node) -> (usize, usize) {
        let lists = node.lock();
        (lists.children.len(), lists.waiters.len())
    }

    #[test]
    fn dropped_children_and_waiters_leave_nothing_behind() {
        let root = Arc::new(Node::root());
        let children: Vec<_> = (0..1_000).map(|_| root.child(None)).collect();
        let mut waiters: Vec<_> = (0..1_000).map(|_| Waiting::new(Arc::clone(&root))).collect();
        for waiter in &mut waiters {
            assert_eq!(waiter.poll(Waker::noop()), None);
            assert_eq!(waiter.poll(Waker::noop()), None);
        }
        assert_eq!(sizes(&root), (1_000, 1_000));
        drop((children, waiters));
        assert_eq!(sizes(&root), (0, 0));
        let lists = root.lock();
        assert!(
            lists.children.capacity() <= KEPT_CAPACITY && lists.waiters.capacity() <= KEPT_CAPACITY
        );
        drop(lists);
        assert_eq!(Arc::strong_count(&root), 1);
    }

    #[test]
    fn a_cancelled_node_takes_no_more_entries() {
        let root = Arc::new(Node::root());
        root.cancel();
        let child = root.child(None);
        assert_eq!(child.ended(), Some(CancelReason::Cancelled));
        let mut waiting = Waiting::new(Arc::clone(&root));
        assert_eq!(waiting.poll(Waker::noop()), Some(CancelReason::Cancelled));
        assert_eq!(sizes(&root), (0, 0));
    }

    #[test]
    fn a_child_that_outlives_its_list_entry_is_dropped_cleanly() {
        let root = Arc::new(Node::root());
        let child = root.child(None);
        root.cancel();
        assert_eq!(child.ended(), Some(CancelReason::Cancelled));
        drop(root);
        drop(child);
    }
}
