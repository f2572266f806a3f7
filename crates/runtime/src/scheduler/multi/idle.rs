//! Tracks which workers are parked and how many search, and decides whether a new task has to wake
//! one.
//!
//! # Problem
//!
//! A wake costs 6 µs of latency and 10 to 30 µs of processor time on a virtual machine. A producer
//! must wake a worker if no other one will find the task, and should not wake one otherwise.
//!
//! # Protocol
//!
//! One worker searches at a time. A worker that is woken counts as searching, and wakes the next
//! one only if it has found work and more is left. `README.md` has the steps of producers and
//! workers, and the proof that no task is missed.
//!
//! # States of a worker
//!
//! | bit of `parked` | counted in `searching` | the worker |
//! |---|---|---|
//! | clear | no | polls tasks |
//! | clear | yes | has no task and checks every queue |
//! | set | no | parks, or is about to |
//! | clear, cleared by a notifier | yes, by the notifier | is being woken |
//!
//! # Invariants
//!
//! 1. A bit of `parked` is set by its worker and cleared once, by the worker or by a notifier. The
//!    notifier then has to unpark the worker.
//! 2. `searching` counts the workers between [`Idle::start_search`] (or the claim of a notifier on
//!    their behalf) and [`Idle::end_search`].
//! 3. A producer publishes the task, then reads `searching` and `parked`. A worker sets its bit and
//!    stops searching, then checks every queue. All four are sequentially consistent, so the
//!    producer sees the parked worker or the worker sees the task. The worker may ignore a short
//!    run queue whose owner is awake: the owner polls its tasks, or the monitor finds the owner
//!    blocked and wakes a sibling.
//!
//! # Orderings
//!
//! The read-modify-writes are `SeqCst`, and there is a `SeqCst` fence between each of them and the
//! loads of the queues that follow, which belong to other types and may be weaker.

use std::mem;

use reveille_primitive::Padded;
use reveille_primitive::atomic::{AtomicU64, AtomicUsize, Ordering, fence};

#[derive(Debug)]
pub(crate) struct Idle {
    searching: Padded<AtomicUsize>,
    /// One bit per worker.
    parked: Box<[AtomicU64]>,
}

impl Idle {
    pub(crate) fn new(workers: usize) -> Idle {
        let words = workers.div_ceil(64);
        Idle {
            searching: Padded::new(AtomicUsize::new(0)),
            parked: (0..words).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// No worker is parked and none searches: the pool has no threads.
    pub(crate) fn reset(&self) {
        self.searching.store(0, Ordering::SeqCst);
        self.parked.iter().for_each(|word| word.store(0, Ordering::SeqCst));
    }

    /// Whether a wake could be useful: a worker is parked and no worker searches. The answer is a
    /// hint from two plain loads.
    #[inline]
    pub(crate) fn is_wake_useful(&self) -> bool {
        self.searching.load(Ordering::Relaxed) == 0
            && self.parked.iter().any(|word| word.load(Ordering::Relaxed) != 0)
    }

    pub(crate) fn is_parked(&self, worker: usize) -> bool {
        self.parked[worker / 64].load(Ordering::SeqCst) & (1 << (worker % 64)) != 0
    }

    pub(crate) fn parked_count(&self) -> usize {
        self.parked.iter().map(|word| word.load(Ordering::SeqCst).count_ones() as usize).sum()
    }

    pub(crate) fn searching_count(&self) -> usize {
        self.searching.load(Ordering::SeqCst)
    }

    /// Chooses a parked worker to wake for a task that was just published, unless a worker
    /// searches.
    ///
    /// The chosen worker counts as searching from now on. The caller must unpark it.
    pub(crate) fn claim_sleeper(&self) -> Option<usize> {
        loop {
            fence(Ordering::SeqCst);
            let is_asleep = self.parked.iter().any(|word| word.load(Ordering::SeqCst) != 0);
            if !is_asleep || self.searching.load(Ordering::SeqCst) != 0 {
                return None;
            }
            let claim = self.searching.compare_exchange(0, 1, Ordering::SeqCst, Ordering::SeqCst);
            if claim.is_err() {
                return None;
            }
            let worker = self.clear_any();
            if worker.is_some() {
                return worker;
            }
            // The worker woke up by itself between the two reads, and checks every queue. But
            // another producer may have relied on this claim, and another worker may have parked
            // since: try again on its behalf.
            self.searching.fetch_sub(1, Ordering::SeqCst);
        }
    }

    fn clear_any(&self) -> Option<usize> {
        for (index, word) in self.parked.iter().enumerate() {
            let mut bits = word.load(Ordering::SeqCst);
            while bits != 0 {
                let bit = bits.trailing_zeros() as usize;
                let before = word.fetch_and(!(1 << bit), Ordering::SeqCst);
                if before & (1 << bit) != 0 {
                    return Some(index * 64 + bit);
                }
                bits = word.load(Ordering::SeqCst);
            }
        }
        None
    }

    /// Sleeps, unless there is work: sets the bit, stops searching, checks every queue for the last
    /// time by `has_work`, and calls `wait` if that found nothing. Returns what `wait` returns.
    /// Afterwards `is_searching` says whether a notifier has made this worker a searcher. Both
    /// closures receive `state`.
    pub(crate) fn sleep<S, R>(
        &self,
        worker: usize,
        is_searching: &mut bool,
        state: &mut S,
        has_work: impl FnOnce(&mut S) -> bool,
        wait: impl FnOnce(&mut S) -> R,
    ) -> Option<R> {
        self.park(worker);
        if mem::take(is_searching) {
            self.end_search();
        }
        let waited = if has_work(state) { None } else { Some(wait(state)) };
        *is_searching = !self.unpark(worker);
        waited
    }

    /// Called by a worker that has found work. Stops searching, if the worker searches. `true` if
    /// the caller must wake another worker: this was the last searcher, producers may have relied
    /// on it, and there is more work.
    #[inline]
    pub(crate) fn stop_search(
        &self,
        is_searching: &mut bool,
        has_more: impl FnOnce() -> bool,
    ) -> bool {
        if !*is_searching {
            return false;
        }
        *is_searching = false;
        self.end_search() && has_more()
    }

    /// Announces that the worker is going to sleep. The worker must check every queue once more
    /// before it does.
    pub(crate) fn park(&self, worker: usize) {
        self.parked[worker / 64].fetch_or(1 << (worker % 64), Ordering::SeqCst);
        fence(Ordering::SeqCst);
    }

    /// Announces that the worker is awake. `true` if its bit was still set. `false` if a notifier
    /// cleared it; the worker then counts as searching already.
    pub(crate) fn unpark(&self, worker: usize) -> bool {
        let bit = 1 << (worker % 64);
        let was_set = self.parked[worker / 64].fetch_and(!bit, Ordering::SeqCst) & bit != 0;
        // Orders the write of the bit before the read of the monitor's phase; see `Watchdog`.
        fence(Ordering::SeqCst);
        was_set
    }

    /// Becomes a searcher unless half of the workers search already.
    pub(crate) fn start_search(&self, workers: usize) -> bool {
        let allowed = self.searching.load(Ordering::SeqCst) * 2 < workers;
        if allowed {
            self.searching.fetch_add(1, Ordering::SeqCst);
        }
        allowed
    }

    /// Stops searching. `true` for the last searcher: producers may have relied on it.
    fn end_search(&self) -> bool {
        let is_last = self.searching.fetch_sub(1, Ordering::SeqCst) == 1;
        // Orders the end of the search before the check of the queues that follows.
        fence(Ordering::SeqCst);
        is_last
    }
}
