//! The threads of a pool that wait for a worker, and the handoffs that wait for a thread.
//!
//! # Problem
//!
//! A handoff needs a thread at once: one that waits, or a new one. Threads end after a while
//! without work, and the system may refuse to start a thread that a handoff was already promised
//! to. Every handoff must end up with a thread that takes it.
//!
//! # States of a handoff in the list
//!
//! * **promised to a thread that waits**: that thread was notified.
//! * **promised to a new thread**: the caller of [`HandoffQueue::offer`] starts it.
//! * **unclaimed**: promised to no thread, see invariant 3.
//!
//! ```text
//!           a thread waits
//!  offer ─────────────────────────► promised ──────────────► taken
//!    │                                 ▲                       ▲
//!    │ no thread waits                 │ it was started        │ by the next thread
//!    └─────────────────► new thread ───┘                       │ that comes
//!                            │                                 │
//!                            │ it was refused                  │
//!                            ├── its handoff is there: removed │
//!                            └── it was taken: another is left, unclaimed
//! ```
//!
//! # Invariants
//!
//! 1. `waiting` counts the threads in [`HandoffQueue::next`] that no handoff was promised to. A
//!    thread that adds a handoff for a waiting thread subtracts one, and so does a thread that
//!    gives up waiting. If a thread takes a handoff that was promised to another thread, it does
//!    not subtract itself: its entry in the count now stands for that other thread.
//! 2. Each handoff in the list, except `unclaimed` of them, was promised to one thread, which
//!    checks the list before it waits again. So every handoff is taken, by that thread or by a
//!    faster one.
//! 3. A handoff becomes unclaimed when a thread could not be started and a faster thread has taken
//!    the handoff of that thread. It goes to the next thread that comes back, or to one that the
//!    monitor starts for it ([`HandoffQueue::thread_for_unclaimed`]). While a handoff is unclaimed
//!    no thread waits.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::time::Duration;

use reveille_primitive::lock::{Condvar, Mutex};

use super::handoff::Handoff;
use crate::threads::{JoinList, Thread, stays_for};

/// The waiting threads and the handoffs of a pool.
#[derive(Debug)]
pub(crate) struct HandoffQueue {
    state: Mutex<HandoffQueueState>,
    changed: Condvar,
}

#[derive(Default)]
struct HandoffQueueState {
    /// Each handoff with the number of the thread that is started for it, or 0 if it was promised
    /// to a waiting thread.
    handoffs: VecDeque<(usize, Handoff)>,
    waiting: usize,
    /// Handoffs in the list that were promised to no thread.
    unclaimed: usize,
    threads: usize,
    max_threads: usize,
    /// Numbers threads, for their names.
    next_number: usize,
    handles: JoinList,
    is_open: bool,
    /// Whether the queue was closed while threads were still running. The last of them has to
    /// report its end.
    is_abandoned: bool,
    handoff_count: u64,
}

impl fmt::Debug for HandoffQueueState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State")
            .field("threads", &self.threads)
            .field("waiting", &self.waiting)
            .field("takeovers", &self.handoff_count)
            .finish_non_exhaustive()
    }
}

/// Which thread a handoff was promised to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use = "a thread may have to be started"]
pub(crate) enum Offer {
    /// A thread that waited.
    Waiting,
    /// A thread with this number, which the caller has to start.
    New(usize),
}

impl HandoffQueueState {
    /// Whether the threads for which a shutdown waits have left.
    fn is_over(&self) -> bool {
        !self.is_open && self.threads == 0
    }

    /// Counts a thread that the caller starts.
    fn new_thread(&mut self) -> usize {
        self.threads += 1;
        self.next_number += 1;
        self.next_number
    }
}

impl HandoffQueue {
    pub(crate) fn new() -> HandoffQueue {
        HandoffQueue { state: Mutex::default(), changed: Condvar::new() }
    }

    pub(crate) fn handoff_count(&self) -> u64 {
        self.state.lock().handoff_count
    }

    pub(crate) fn thread_count(&self) -> usize {
        self.state.lock().threads
    }

    pub(crate) fn open(&self, max_threads: usize) {
        let state =
            HandoffQueueState { is_open: true, max_threads, ..HandoffQueueState::default() };
        let former = std::mem::replace(&mut *self.state.lock(), state);
        // It may have handles, which are dropped without the lock.
        drop(former);
    }

    /// Adds a handoff.
    ///
    /// # Errors
    ///
    /// When no thread waits and no further thread may be started.
    pub(crate) fn offer(&self, handoff: Handoff) -> io::Result<Offer> {
        let mut state = self.state.lock();
        if !state.is_open {
            return Err(io::Error::other("the runtime is being shut down"));
        }
        if state.waiting > 0 {
            state.waiting -= 1;
            state.handoffs.push_back((0, handoff));
            self.changed.notify_one();
            return Ok(Offer::Waiting);
        }
        if state.threads >= state.max_threads {
            return Err(io::Error::other("all spare threads of the runtime are in use"));
        }
        let number = state.new_thread();
        state.handoffs.push_back((number, handoff));
        Ok(Offer::New(number))
    }

    /// The number of a thread that the caller has to start for an unclaimed handoff, if there is
    /// one and a further thread may be started.
    pub(crate) fn thread_for_unclaimed(&self) -> Option<usize> {
        let mut state = self.state.lock();
        if !state.is_open || state.unclaimed == 0 || state.threads >= state.max_threads {
            return None;
        }
        state.unclaimed -= 1;
        Some(state.new_thread())
    }

    /// Called if the thread of an [`Offer::New`] was started.
    pub(crate) fn started(&self, number: usize, thread: Thread) {
        self.state.lock().handles.started(number as u64, thread);
    }

    /// Called if the thread of an [`Offer::New`] could not be started. `true` if its handoff was
    /// removed, `false` if a faster thread runs the worker already.
    #[must_use = "a handoff that was removed has to be offered again"]
    pub(crate) fn not_started(&self, number: usize) -> bool {
        let mut state = self.state.lock();
        state.threads -= 1;
        if state.is_over() {
            self.changed.notify_all();
        }
        let own = state.handoffs.iter().position(|(thread, _)| *thread == number);
        if let Some(own) = own {
            state.handoffs.remove(own);
            return true;
        }
        // The faster thread did not take the handoff that was promised to it, so that one is
        // unclaimed.
        if state.waiting > 0 {
            state.waiting -= 1;
        } else if state.is_open {
            state.unclaimed += 1;
        }
        false
    }

    /// Waits for a handoff; `None` when the thread has to end. The handoff of a new thread is in
    /// the list already.
    pub(crate) fn next(&self, mut keep_alive: Duration, is_new: bool) -> Option<Handoff> {
        let mut state = self.state.lock();
        if !is_new && state.unclaimed > 0 {
            state.unclaimed -= 1;
        } else if !is_new {
            state.waiting += 1;
        }
        loop {
            if !state.is_open {
                return None;
            }
            if let Some((_, handoff)) = state.handoffs.pop_front() {
                return Some(handoff);
            }
            let timed_out;
            (state, timed_out) = self.changed.wait_timeout(state, keep_alive);
            if timed_out && state.handoffs.is_empty() {
                drop(state);
                let stays_for = stays_for(keep_alive);
                state = self.state.lock();
                if let Some(stays_for) = stays_for {
                    keep_alive = stays_for;
                    continue;
                }
                if !state.is_open || !state.handoffs.is_empty() {
                    continue;
                }
                state.waiting = state.waiting.saturating_sub(1);
                return None;
            }
        }
    }

    /// Called by a thread that ends. Joins the threads that left before it. `true` if it is the
    /// last of the threads that a shutdown left running.
    #[must_use = "the last one has to clean up"]
    pub(crate) fn leave(&self, number: usize) -> bool {
        let mut state = self.state.lock();
        state.threads -= 1;
        // Even while the queue is open: a shutdown stops the workers before it closes the queue.
        let former = state.handles.leave(number as u64);
        let is_over = state.is_over();
        let is_last = state.threads == 0 && std::mem::take(&mut state.is_abandoned);
        drop(state);
        // Without the lock, which the thread that wakes takes at once.
        if is_over {
            self.changed.notify_all();
        }
        former.into_iter().for_each(Thread::join);
        is_last
    }

    pub(crate) fn count_handoff(&self) {
        self.state.lock().handoff_count += 1;
    }

    /// Closes the queue. Waiting threads end, and this call waits for the other threads, for
    /// `time_left` at most. Returns how many are left.
    pub(crate) fn close(&self, mut time_left: impl FnMut() -> Option<Duration>) -> usize {
        let mut state = self.state.lock();
        state.is_open = false;
        state.unclaimed = 0;
        state.handoffs.clear();
        self.changed.notify_all();
        while state.threads > 0 {
            match time_left() {
                None => state = self.changed.wait(state),
                Some(Duration::ZERO) => break,
                Some(left) => (state, _) = self.changed.wait_timeout(state, left),
            }
        }
        state.threads
    }

    /// Called after [`HandoffQueue::close`]. If all threads have left the pool, joins them: only
    /// the destructors of their thread-locals, which are user code, may still run.
    ///
    /// Otherwise detaches them and returns `false`; [`HandoffQueue::leave`] then returns `true` for
    /// the last one.
    #[must_use = "threads may be left that use the pool"]
    pub(crate) fn join(&self) -> bool {
        let (handles, has_left) = {
            let mut state = self.state.lock();
            state.is_abandoned = state.threads > 0;
            (state.handles.take(), !state.is_abandoned)
        };
        if has_left {
            handles.into_iter().for_each(Thread::join);
        }
        has_left
    }
}

#[cfg(all(test, not(reveille_loom)))]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_millis(1);

    #[test]
    fn a_thread_that_cannot_be_started_removes_its_own_handoff() {
        let queue = HandoffQueue::new();
        queue.open(3);
        for worker in 0..3 {
            let offer = queue.offer(Handoff::unowned(worker)).expect("there is room for a thread");
            assert_eq!(offer, Offer::New(worker + 1));
        }
        assert!(queue.not_started(2));
        let workers: Vec<_> =
            (0..2).filter_map(|_| queue.next(SOON, true).map(|handoff| handoff.worker())).collect();
        assert_eq!(workers, [0, 2]);
    }

    #[test]
    fn a_faster_thread_leaves_its_own_handoff_to_the_next_thread() {
        let queue = HandoffQueue::new();
        queue.open(2);
        let _ = queue.offer(Handoff::unowned(0)).expect("there is room");
        let _ = queue.offer(Handoff::unowned(1)).expect("there is room");
        // Thread 2 arrives first.
        assert_eq!(queue.next(SOON, true).map(|handoff| handoff.worker()), Some(0));
        assert!(!queue.not_started(1));
        assert_eq!(queue.next(SOON, false).map(|handoff| handoff.worker()), Some(1));
        // No thread waits: the next handoff needs a new thread.
        let next = queue.offer(Handoff::unowned(0)).expect("there is room again");
        assert_eq!(next, Offer::New(3));
    }

    #[test]
    fn a_thread_is_started_for_an_unclaimed_handoff() {
        let queue = HandoffQueue::new();
        queue.open(2);
        let _ = queue.offer(Handoff::unowned(0)).expect("there is room");
        let _ = queue.offer(Handoff::unowned(1)).expect("there is room");
        assert_eq!(queue.thread_for_unclaimed(), None, "two are on the way");
        assert_eq!(queue.next(SOON, true).map(|handoff| handoff.worker()), Some(0));
        assert!(!queue.not_started(1));
        assert_eq!(queue.thread_for_unclaimed(), Some(3));
        assert!(!queue.not_started(3), "the system still has no thread");
        assert_eq!((queue.thread_for_unclaimed(), queue.thread_for_unclaimed()), (Some(4), None));
        assert_eq!(queue.next(SOON, true).map(|handoff| handoff.worker()), Some(1));
        assert_eq!((queue.thread_for_unclaimed(), queue.state.lock().waiting), (None, 0));
    }

    #[test]
    fn a_waiting_thread_is_counted_once() {
        let queue = HandoffQueue::new();
        queue.open(2);
        let _ = queue.offer(Handoff::unowned(0)).expect("there is room");
        assert!(queue.next(SOON, false).is_some(), "a thread that came back is faster");
        assert!(queue.next(SOON, true).is_none(), "the new one finds nothing");
        assert_eq!(queue.state.lock().waiting, 0);
    }

    #[test]
    fn a_shutdown_joins_the_threads_that_left_before_and_after_it() {
        let queue = HandoffQueue::new();
        queue.open(4);
        let (sender, joined) = std::sync::mpsc::channel();
        let thread = |number: usize| {
            let sender = sender.clone();
            Thread::new(move || sender.send(number).expect("the test waits"))
        };
        for worker in 0..4 {
            let _ = queue.offer(Handoff::unowned(worker)).expect("there is room");
        }
        // Thread 1 leaves before its handle is stored, the others after that.
        assert!(!queue.leave(1));
        (1..=4).for_each(|number| queue.started(number, thread(number)));
        assert_eq!(joined.try_iter().count(), 0);
        assert!(!queue.leave(2));
        assert_eq!(joined.try_iter().collect::<Vec<_>>(), [1]);
        assert!(!queue.leave(3));
        assert_eq!(joined.try_iter().collect::<Vec<_>>(), [2]);
        assert_eq!(queue.close(|| Some(Duration::ZERO)), 1);
        assert!(!queue.leave(4), "the shutdown has not given up");
        assert_eq!(joined.try_iter().collect::<Vec<_>>(), [3]);
        assert!(queue.join());
        assert_eq!(joined.try_iter().collect::<Vec<_>>(), [4]);
    }

    #[test]
    fn the_bound_on_threads_holds() {
        let queue = HandoffQueue::new();
        queue.open(1);
        assert!(queue.offer(Handoff::unowned(0)).is_ok());
        assert!(queue.offer(Handoff::unowned(1)).is_err());
        assert_eq!(queue.close(|| Some(Duration::ZERO)), 1);
        assert!(queue.offer(Handoff::unowned(0)).is_err());
    }
}
