//! When the blocking pool wakes, starts and lets go of threads: counts and pure rules.
//!
//! # A thread's life
//!
//! | state | it | leaves it by |
//! | --- | --- | --- |
//! | searching | was started or woken, or looks at the queue | `take`, `nap`, `sleep`, `leave` |
//! | napping | watches others drain the queue, for a while | `end_nap` |
//! | running | runs user code | `finish` |
//! | idle | sleeps until woken or the keep-alive ends | `cover` of another, `leave_idle` |
//!
//! # Invariants
//!
//! 1. Unless the pool is closed: while a job is queued, some thread is searching, or one naps while
//!    another runs, or all threads that may exist are running. So whatever the running jobs do, and
//!    however long, a queued one is seen within a nap, and no thread is idle meanwhile.
//! 2. At most one thread naps, and none is appointed while one searches or naps: a backlog of short
//!    jobs costs one wake-up, not one for each job.
//! 3. An idle thread is in the pool's stack of sleepers, and the one who takes it out of there
//!    (waker or the sleeper itself, when its time is over) is the one who counts it, so that it is
//!    neither counted twice nor notified when it has left.
//!
//! # Growth
//!
//! The thread that takes a job appoints another to look after those behind it. If jobs have started
//! since its appointment, the appointed one naps instead of taking part: they are short, and taking
//! turns with their thread would only cost both. It takes part when a nap goes by in which no job
//! started, or when more are left than [`PATIENCE`] naps would see off.

/// Naps that a backlog may last before a watching thread helps with it.
const PATIENCE: u64 = 4;

/// How many threads are in which state, and how many jobs wait for them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Counts {
    pub(super) queued: usize,
    pub(super) threads: usize,
    pub(super) idle: usize,
    pub(super) searching: usize,
    pub(super) napping: usize,
    pub(super) max_threads: usize,
    pub(super) is_closed: bool,
}

/// How the queue gets the attention of a thread.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Cover {
    /// It has it already, or all threads are running.
    Nothing,
    /// Wake the thread that naps; it is searching now.
    WakeNapper,
    /// Wake the thread that fell idle last; it is searching now.
    WakeIdle,
    /// Start a thread; it is counted and searching now.
    Start,
}

/// What becomes of the queue when a thread cannot be started.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Failed {
    /// Threads that exist take care of it.
    Wait(Cover),
    /// There is no thread: every queued job is to be refused. The count is 0 already.
    Refuse,
}

impl Counts {
    pub(super) fn new(max_threads: usize) -> Counts {
        assert!(max_threads > 0, "a pool of no threads runs nothing");
        Counts {
            queued: 0,
            threads: 0,
            idle: 0,
            searching: 0,
            napping: 0,
            max_threads,
            is_closed: false,
        }
    }

    /// Threads that run user code.
    pub(super) fn running(&self) -> usize {
        self.threads - self.idle - self.searching - self.napping
    }

    /// A job was queued.
    pub(super) fn push(&mut self) -> Cover {
        assert!(!self.is_closed);
        self.queued += 1;
        self.cover(true)
    }

    /// A searching thread takes a job from the queue, which is not empty, and runs it.
    pub(super) fn take(&mut self) -> Cover {
        assert!(self.queued > 0 && self.searching > 0);
        self.queued -= 1;
        self.searching -= 1;
        self.cover(true)
    }

    /// A running thread is done with its job.
    pub(super) fn finish(&mut self) {
        assert!(self.running() > 0);
        self.searching += 1;
    }

    /// Whether an appointed thread watches instead of taking a job. `progress` is the number of
    /// jobs that started since its last check. The time since the appointment is not known, so the
    /// first check accepts any progress.
    pub(super) fn may_nap(&self, progress: u64, is_first_check: bool) -> bool {
        let lasts_long = self.queued as u64 > progress.saturating_mul(PATIENCE);
        !self.is_closed
            && self.queued > 0
            && self.napping == 0
            && self.running() > 0
            && progress > 0
            && (is_first_check || !lasts_long)
    }

    /// A searching thread naps.
    pub(super) fn nap(&mut self) {
        assert!(self.searching > 0 && self.running() > 0);
        self.searching -= 1;
        self.napping += 1;
    }

    /// The thread that napped searches again.
    pub(super) fn end_nap(&mut self) {
        assert!(self.napping > 0);
        self.napping -= 1;
        self.searching += 1;
    }

    /// A searching thread that found nothing goes to sleep.
    pub(super) fn sleep(&mut self) {
        assert!(self.queued == 0 && self.searching > 0 && !self.is_closed);
        self.searching -= 1;
        self.idle += 1;
    }

    /// The keep-alive of an idle thread is over and no thread has woken it.
    pub(super) fn leave_idle(&mut self) {
        assert!(self.idle > 0);
        self.idle -= 1;
        self.threads -= 1;
    }

    /// A searching thread leaves because the pool is closed.
    pub(super) fn leave(&mut self) {
        assert!(self.is_closed && self.searching > 0);
        self.searching -= 1;
        self.threads -= 1;
    }

    /// A thread that was counted as searching could not be started.
    pub(super) fn start_failed(&mut self) -> Failed {
        assert!(self.searching > 0);
        self.searching -= 1;
        self.threads -= 1;
        if self.threads == 0 {
            self.queued = 0;
            return Failed::Refuse;
        }
        // Jobs that came meanwhile counted on the thread. No other is tried here: the next push
        // and the next job that starts will.
        Failed::Wait(self.cover(false))
    }

    /// The pool closes: nothing is queued any more, and the caller wakes the threads that sleep or
    /// nap.
    pub(super) fn close(&mut self) {
        self.is_closed = true;
        self.queued = 0;
        self.searching += self.idle + self.napping;
        self.idle = 0;
        self.napping = 0;
    }

    /// Restores invariant 1 after a change that may have broken it.
    fn cover(&mut self, may_start: bool) -> Cover {
        if self.queued == 0 || self.searching > 0 {
            return Cover::Nothing;
        }
        if self.napping > 0 {
            if self.running() > 0 {
                return Cover::Nothing;
            }
            self.end_nap();
            return Cover::WakeNapper;
        }
        if self.idle > 0 {
            self.idle -= 1;
            self.searching += 1;
            return Cover::WakeIdle;
        }
        if may_start && self.threads < self.max_threads {
            self.threads += 1;
            self.searching += 1;
            return Cover::Start;
        }
        Cover::Nothing
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const MOST_QUEUED: usize = 4;

    /// A state, and whether invariant 1 is suspended because a thread could not be started.
    type Node = (Counts, bool);

    fn successors(&(counts, was_refused): &Node) -> Vec<Node> {
        let mut next = Vec::new();
        let mut step = |rule: &dyn Fn(&mut Counts) -> bool| {
            let mut after = counts;
            let is_short = rule(&mut after);
            next.push((after, is_short));
        };
        let covered = |cover| cover == Cover::Nothing && was_refused;
        if !counts.is_closed && counts.queued < MOST_QUEUED {
            step(&|counts| covered(counts.push()));
        }
        if counts.searching > 0 {
            if counts.queued > 0 {
                step(&|counts| covered(counts.take()));
            } else if counts.is_closed {
                step(&|counts| (counts.leave(), false).1);
            } else {
                step(&|counts| (counts.sleep(), was_refused).1);
            }
            if counts.may_nap(1, true) {
                step(&|counts| (counts.nap(), was_refused).1);
            }
            step(&|counts| match counts.start_failed() {
                Failed::Wait(cover) => cover == Cover::Nothing,
                Failed::Refuse => false,
            });
        }
        if counts.running() > 0 {
            step(&|counts| (counts.finish(), false).1);
        }
        if counts.napping > 0 {
            step(&|counts| (counts.end_nap(), was_refused).1);
        }
        if counts.idle > 0 {
            step(&|counts| (counts.leave_idle(), was_refused).1);
        }
        if !counts.is_closed {
            step(&|counts| (counts.close(), false).1);
        }
        next
    }

    fn check(&(counts, was_refused): &Node) {
        assert!(counts.threads <= counts.max_threads);
        assert_eq!(
            counts.threads,
            counts.idle + counts.searching + counts.napping + counts.running()
        );
        assert!(counts.napping <= 1, "{counts:?}");
        if counts.queued == 0 {
            return;
        }
        assert!(counts.threads > 0, "a job without a thread: {counts:?}");
        let is_seen = counts.searching > 0 || counts.napping > 0 && counts.running() > 0;
        let are_all_running = counts.running() == counts.threads
            && (counts.threads == counts.max_threads || was_refused);
        assert!(is_seen || are_all_running, "{counts:?}");
    }

    #[test]
    fn every_reachable_state_keeps_the_invariants() {
        for max_threads in 1..=4 {
            let first = (Counts::new(max_threads), false);
            let mut seen = HashSet::from([first]);
            let mut open = vec![first];
            while let Some(node) = open.pop() {
                check(&node);
                open.extend(successors(&node).into_iter().filter(|&next| seen.insert(next)));
            }
            let is_seen = |state: &dyn Fn(&Counts) -> bool| seen.iter().any(|(c, _)| state(c));
            assert!(is_seen(&|counts| counts.running() == max_threads && counts.queued > 0));
            assert!(is_seen(&|counts| counts.is_closed && counts.threads == max_threads));
            assert_eq!(is_seen(&|counts| counts.napping > 0), max_threads > 1);
        }
    }

    #[test]
    fn a_watcher_helps_when_nothing_moves_or_much_is_left() {
        let mut counts = Counts::new(8);
        let _ = counts.push();
        let _ = counts.push();
        let _ = counts.take();
        counts.queued = 100;
        counts.searching = 1;
        assert!(!counts.may_nap(0, true));
        assert!(counts.may_nap(1, true));
        assert!(!counts.may_nap(1, false));
        assert!(!counts.may_nap(24, false));
        assert!(counts.may_nap(25, false));
    }

    #[test]
    fn a_burst_of_jobs_costs_one_thread_until_a_job_has_started() {
        let mut counts = Counts::new(500);
        assert_eq!(counts.push(), Cover::Start);
        for _ in 0..63 {
            assert_eq!(counts.push(), Cover::Nothing);
        }
        assert_eq!(counts.take(), Cover::Start);
        assert_eq!(counts.push(), Cover::Nothing);
    }
}
