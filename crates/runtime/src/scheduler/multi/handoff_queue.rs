//! The threads of a pool that wait for a vacancy, and the vacancies that wait for a thread.
//!
//! # Invariants
//!
//! 1. `waiting` counts the threads in [`HandoffQueue::next`] that no vacancy was promised to: it is
//!    lowered by whoever adds a vacancy for one of them, or by the thread that gives up waiting. A
//!    thread that takes what was promised to another leaves its own place in the count to that one.
//! 2. Each vacancy in the list but `orphans` of them was promised to one thread, which looks for it
//!    before it waits again. So a vacancy that was taken in is found, by that thread or by a faster
//!    one.
//! 3. An orphan is left when a thread could not be started whose vacancy was taken by a faster one.
//!    It is for the next thread that comes back, or for one that the monitor has started for it
//!    ([`HandoffQueue::hire`]). While there are orphans nobody waits.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::time::Duration;

use reveille_primitive::lock::{Condvar, Mutex};

use super::handoff::Handoff;
use crate::threads::{Thread, stays_for};

/// See the module's header.
#[derive(Debug)]
pub(crate) struct HandoffQueue {
    state: Mutex<HandoffQueueState>,
    changed: Condvar,
}

#[derive(Default)]
struct HandoffQueueState {
    /// Each with the number of the thread that is started for it; 0 for one that waited.
    handoffs: VecDeque<(usize, Handoff)>,
    waiting: usize,
    /// Vacancies in the list that nobody is on the way for.
    unclaimed: usize,
    threads: usize,
    max_threads: usize,
    /// Numbers threads, for their names.
    next_number: usize,
    handles: Vec<(usize, Thread)>,
    is_open: bool,
    /// Closed, and threads were left behind: the last of them has to say so.
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

/// Who will look for a vacancy that was taken in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use = "a thread may have to be started"]
pub(crate) enum Offer {
    /// A thread that waited.
    Waiting,
    /// A thread of this number, which the caller has to start.
    New(usize),
}

impl HandoffQueueState {
    /// Counts a thread that is to be started.
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
        *self.state.lock() =
            HandoffQueueState { is_open: true, max_threads, ..HandoffQueueState::default() };
    }

    /// Takes a vacancy in.
    ///
    /// # Errors
    ///
    /// When no thread waits and none may be made.
    pub(crate) fn offer(&self, vacancy: Handoff) -> io::Result<Offer> {
        let mut state = self.state.lock();
        if !state.is_open {
            return Err(io::Error::other("the runtime is being shut down"));
        }
        if state.waiting > 0 {
            state.waiting -= 1;
            state.handoffs.push_back((0, vacancy));
            self.changed.notify_one();
            return Ok(Offer::Waiting);
        }
        if state.threads >= state.max_threads {
            return Err(io::Error::other("all spare threads of the runtime are in use"));
        }
        let number = state.new_thread();
        state.handoffs.push_back((number, vacancy));
        Ok(Offer::New(number))
    }

    /// The number of a thread that the caller has to start for an orphan, if there is one and a
    /// thread may be made.
    pub(crate) fn thread_for_unclaimed(&self) -> Option<usize> {
        let mut state = self.state.lock();
        if !state.is_open || state.unclaimed == 0 || state.threads >= state.max_threads {
            return None;
        }
        state.unclaimed -= 1;
        Some(state.new_thread())
    }

    /// The thread of an [`Offer::New`] was started.
    pub(crate) fn started(&self, number: usize, thread: Thread) {
        self.state.lock().handles.push((number, thread));
    }

    /// The thread of an [`Offer::New`] could not be started. `true` if its vacancy was withdrawn,
    /// `false` if a faster thread works the place already.
    #[must_use = "a vacancy that was withdrawn has to be offered again"]
    pub(crate) fn not_started(&self, number: usize) -> bool {
        let mut state = self.state.lock();
        state.threads -= 1;
        // A shutdown waits for the number of threads.
        self.changed.notify_all();
        let own = state.handoffs.iter().position(|(for_whom, _)| *for_whom == number);
        if let Some(own) = own {
            state.handoffs.remove(own);
            return true;
        }
        // The faster thread left the vacancy that it was promised.
        if state.waiting > 0 {
            state.waiting -= 1;
        } else if state.is_open {
            state.unclaimed += 1;
        }
        false
    }

    /// Waits for a vacancy; `None` when the thread shall end. A new thread finds its own at once.
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
            if let Some((_, vacancy)) = state.handoffs.pop_front() {
                return Some(vacancy);
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

    /// The calling thread ends. `true` if it is the last of those that a shutdown left behind.
    #[must_use = "the last one has to clear up"]
    pub(crate) fn leave(&self, number: usize) -> bool {
        let mut state = self.state.lock();
        state.threads -= 1;
        if state.is_open {
            // It retires: nobody will join it, and its handle would be kept for ever.
            state.handles.retain(|(other, _)| *other != number);
        }
        self.changed.notify_all();
        state.threads == 0 && std::mem::take(&mut state.is_abandoned)
    }

    pub(crate) fn count_handoff(&self) {
        self.state.lock().handoff_count += 1;
    }

    /// Closes: waiting threads end, working ones are waited for until `time_left` says so.
    /// Returns how many were left behind.
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

    /// After [`HandoffQueue::close`]: waits for the ends of the threads if all have left the pool.
    /// What remains of them is the destructors of their thread-locals, which are the user's.
    ///
    /// Else detaches them. `false` then: the last to leave is told so.
    #[must_use = "threads may be left that use the pool"]
    pub(crate) fn join(&self) -> bool {
        let (handles, has_left) = {
            let mut state = self.state.lock();
            state.is_abandoned = state.threads > 0;
            (std::mem::take(&mut state.handles), !state.is_abandoned)
        };
        if has_left {
            handles.into_iter().for_each(|(_, thread)| thread.join());
        }
        has_left
    }
}

#[cfg(all(test, not(reveille_loom)))]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_millis(1);

    #[test]
    fn a_thread_that_cannot_be_started_takes_its_own_vacancy_along() {
        let roster = HandoffQueue::new();
        roster.open(3);
        for place in 0..3 {
            let offer = roster.offer(Handoff::unowned(place)).expect("there is room for a thread");
            assert_eq!(offer, Offer::New(place + 1));
        }
        assert!(roster.not_started(2));
        let places: Vec<_> = (0..2)
            .filter_map(|_| roster.next(SOON, true).map(|vacancy| vacancy.worker()))
            .collect();
        assert_eq!(places, [0, 2]);
    }

    #[test]
    fn a_vacancy_that_was_taken_by_a_faster_thread_leaves_that_one_s_to_the_next() {
        let roster = HandoffQueue::new();
        roster.open(2);
        let _ = roster.offer(Handoff::unowned(0)).expect("there is room");
        let _ = roster.offer(Handoff::unowned(1)).expect("there is room");
        // Thread 2 is there first.
        assert_eq!(roster.next(SOON, true).map(|vacancy| vacancy.worker()), Some(0));
        assert!(!roster.not_started(1));
        assert_eq!(roster.next(SOON, false).map(|vacancy| vacancy.worker()), Some(1));
        // Nobody waits: for the next vacancy a thread has to be made.
        let next = roster.offer(Handoff::unowned(0)).expect("there is room again");
        assert_eq!(next, Offer::New(3));
    }

    #[test]
    fn a_thread_is_hired_for_a_vacancy_that_nobody_is_on_the_way_for() {
        let roster = HandoffQueue::new();
        roster.open(2);
        let _ = roster.offer(Handoff::unowned(0)).expect("there is room");
        let _ = roster.offer(Handoff::unowned(1)).expect("there is room");
        assert_eq!(roster.thread_for_unclaimed(), None, "two are on the way");
        assert_eq!(roster.next(SOON, true).map(|vacancy| vacancy.worker()), Some(0));
        assert!(!roster.not_started(1));
        assert_eq!(roster.thread_for_unclaimed(), Some(3));
        assert!(!roster.not_started(3), "the system still has no thread");
        assert_eq!((roster.thread_for_unclaimed(), roster.thread_for_unclaimed()), (Some(4), None));
        assert_eq!(roster.next(SOON, true).map(|vacancy| vacancy.worker()), Some(1));
        assert_eq!((roster.thread_for_unclaimed(), roster.state.lock().waiting), (None, 0));
    }

    #[test]
    fn a_waiting_thread_is_counted_once() {
        let roster = HandoffQueue::new();
        roster.open(2);
        let _ = roster.offer(Handoff::unowned(0)).expect("there is room");
        assert!(roster.next(SOON, false).is_some(), "a thread that came back is faster");
        assert!(roster.next(SOON, true).is_none(), "the new one finds nothing");
        assert_eq!(roster.state.lock().waiting, 0);
    }

    #[test]
    fn the_bound_on_threads_holds() {
        let roster = HandoffQueue::new();
        roster.open(1);
        assert!(roster.offer(Handoff::unowned(0)).is_ok());
        assert!(roster.offer(Handoff::unowned(1)).is_err());
        assert_eq!(roster.close(|| Some(Duration::ZERO)), 1);
        assert!(roster.offer(Handoff::unowned(0)).is_err());
    }
}
