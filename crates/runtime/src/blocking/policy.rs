//! When the blocking pool wakes, starts and ends threads: counts and pure rules.
//!
//! # States of a thread
//!
//! | state | the thread | leaves the state by |
//! | --- | --- | --- |
//! | searching | was started or woken, or checks the queue | `take`, `nap`, `sleep`, `leave` |
//! | napping | waits a short time while others drain the queue | `end_nap` |
//! | running | runs user code | `finish` |
//! | idle | sleeps until woken or the keep-alive ends | `cover` of another, `leave_idle` |
//!
//! # Invariants
//!
//! 1. Unless the pool is closed: while a job is queued, some thread is searching, or one naps while
//!    another runs, or the maximum number of threads is running. So a queued job is seen within the
//!    time of a nap, however long the running jobs take, and no thread is idle in the meantime.
//! 2. At most one thread naps, and no thread is appointed while another searches or naps: a backlog
//!    of short jobs costs one wake-up and not one per job.
//! 3. An idle thread is in the pool's stack of sleepers. The thread that removes it from the stack
//!    (the waking thread, or the sleeper itself when its keep-alive has passed) also updates the
//!    counts. So a sleeper is not counted twice, and not notified after it has left.
//!
//! # Growth
//!
//! The thread that takes a job appoints another for the jobs behind it. If jobs have started since
//! the appointment, the appointed thread naps instead of helping: the jobs are short, and competing
//! for them would slow both threads down. It helps if no job started during a nap, or if the
//! remaining jobs would take more than [`PATIENCE`] naps.

/// If a backlog would last longer than this number of naps, the appointed thread helps.
const PATIENCE: u64 = 4;

/// The number of threads in each state, and of queued jobs.
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

/// What ensures that a thread takes the queued jobs.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Cover {
    /// Nothing to do: a thread sees the queue already, or all threads are running.
    Nothing,
    /// Wake the thread that naps; it is already counted as searching.
    WakeNapper,
    /// Wake the thread that became idle last; it is already counted as searching.
    WakeIdle,
    /// Start a thread; it is already counted as searching.
    Start,
}

/// What happens to the queue if a thread cannot be started.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Failed {
    /// Existing threads take the jobs.
    Wait(Cover),
    /// There is no thread: the caller refuses all queued jobs. `queued` is 0 already.
    Refuse,
}

impl Counts {
    pub(super) fn new(max_threads: usize) -> Counts {
        assert!(max_threads > 0, "a pool needs a thread");
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

    /// A running thread has finished its job.
    pub(super) fn finish(&mut self) {
        assert!(self.running() > 0);
        self.searching += 1;
    }

    /// Whether an appointed thread naps instead of taking a job. `progress` is the number of jobs
    /// that started since its last check. The time since the appointment is unknown, so the first
    /// check accepts any progress.
    pub(super) fn may_nap(&self, progress: u64, is_first_check: bool) -> bool {
        let lasts_long = self.queued as u64 > progress.saturating_mul(PATIENCE);
        !self.is_closed
            && self.queued > 0
            && self.napping == 0
            && self.running() > 0
            && progress > 0
            && (is_first_check || !lasts_long)
    }

    /// A searching thread begins to nap.
    pub(super) fn nap(&mut self) {
        assert!(self.searching > 0 && self.running() > 0);
        self.searching -= 1;
        self.napping += 1;
    }

    /// The napping thread searches again.
    pub(super) fn end_nap(&mut self) {
        assert!(self.napping > 0);
        self.napping -= 1;
        self.searching += 1;
    }

    /// A searching thread that found no job goes to sleep.
    pub(super) fn sleep(&mut self) {
        assert!(self.queued == 0 && self.searching > 0 && !self.is_closed);
        self.searching -= 1;
        self.idle += 1;
    }

    /// The keep-alive of an idle thread has passed, and no thread has woken it.
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
        // Jobs that were queued in the meantime rely on this thread. This does not try to start
        // another one; the next push and the next start of a job do.
        Failed::Wait(self.cover(false))
    }

    /// The pool closes: the queue is emptied, and the caller wakes the threads that sleep or nap.
    pub(super) fn close(&mut self) {
        self.is_closed = true;
        self.queued = 0;
        self.searching += self.idle + self.napping;
        self.idle = 0;
        self.napping = 0;
    }

    /// Restores invariant 1 after a change that may have violated it.
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

    /// A state, and whether invariant 1 does not apply because a thread could not be started.
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
    fn an_appointed_thread_helps_without_progress_or_with_a_long_backlog() {
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
    fn a_burst_of_jobs_starts_one_thread_until_a_job_has_started() {
        let mut counts = Counts::new(500);
        assert_eq!(counts.push(), Cover::Start);
        for _ in 0..63 {
            assert_eq!(counts.push(), Cover::Nothing);
        }
        assert_eq!(counts.take(), Cover::Start);
        assert_eq!(counts.push(), Cover::Nothing);
    }
}
