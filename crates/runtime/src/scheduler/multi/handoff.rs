//! The transfer of a worker to another thread, from a thread that is stuck in a poll or has left.
//!
//! # Problem
//!
//! The monitor finds a thread in the same poll for some milliseconds and wants to give its worker
//! away. The poll may end at that very moment. Then the thread continues, and two threads must not
//! run the same worker.
//!
//! # Protocol
//!
//! ```text
//!  monitor                               thread in the poll
//!  reads its counter twice: the same     …
//!  makes a `Handoff` of that reading     …
//!                                        the poll ends: increments the counter
//!  another thread enters the core        enters the core
//!  and compares the counter again:
//!  moved: leaves the worker              still its owner: goes on
//!  the same: becomes the owner           no longer its owner: has lost the worker
//! ```
//!
//! Both enter the core, which is a biased lock with one owner, so one of them comes first.
//!
//! # Invariants
//!
//! 1. A worker is taken inside the lock of its core, after the handoff was checked there, so two
//!    threads never run the same worker.
//! 2. A thread that ended its poll before it entered the core keeps its worker: the thread that
//!    wants to take it enters the core later and sees that the counter has moved. A thread whose
//!    counter moves while its core is being taken is refused by the core. Either way one of the two
//!    runs the worker.
//! 3. A reading that shows a stuck thread is valid only until its worker has another owner. The
//!    thread that takes the worker, or gives it away, marks the counter inside the lock of the
//!    core. So a second handoff from the same thread does not take the worker from the thread that
//!    took it first, which is not stuck.

use std::sync::Arc;

use reveille_primitive::biased::{Biased, OwnerId};

use crate::poll_counter::PollCounter;

/// A worker that a thread may take. See the header of the module.
#[derive(Debug)]
pub(crate) struct Handoff {
    worker: usize,
    stuck: Option<(Arc<PollCounter>, u64)>,
}

impl Handoff {
    /// No thread runs the worker.
    pub(crate) fn unowned(worker: usize) -> Handoff {
        Handoff { worker, stuck: None }
    }

    /// The thread of this counter was in the poll of this reading.
    pub(crate) fn stuck(worker: usize, counter: Arc<PollCounter>, reading: u64) -> Handoff {
        Handoff { worker, stuck: Some((counter, reading)) }
    }

    pub(crate) fn worker(&self) -> usize {
        self.worker
    }

    pub(crate) fn is_from_stuck_thread(&self) -> bool {
        self.stuck.is_some()
    }

    /// Gives the core of the worker to `recipient`, if the handoff is still valid.
    pub(crate) fn take<T>(&self, core: &Biased<T>, recipient: &OwnerId) -> bool {
        core.with(|_, owner| {
            let is_valid = match &self.stuck {
                None => owner.is_none(),
                Some((counter, reading)) => {
                    let is_stuck = counter.read() == *reading && !counter.has_lost_worker();
                    is_stuck && owner.is_some()
                }
            };
            if is_valid {
                if let Some((counter, _)) = &self.stuck {
                    counter.set_lost_worker(true);
                }
                *owner = Some(recipient.clone());
            }
            is_valid
        })
    }
}

#[cfg(all(test, not(reveille_loom)))]
mod tests {
    use reveille_primitive::biased::OwnerToken;

    use super::*;

    #[test]
    fn of_two_handoffs_from_one_stuck_thread_one_is_taken() {
        let core = Biased::new(());
        let [stuck, second, third] = [(); 3].map(|()| OwnerToken::unique().id());
        core.give(Some(stuck));
        let counter = Arc::new(PollCounter::new());
        counter.increment();
        let handoff = || Handoff::stuck(0, Arc::clone(&counter), counter.read());
        let late = handoff();
        assert!(handoff().take(&core, &second));
        assert!(!late.take(&core, &third), "the second is not stuck");
    }

    #[test]
    fn a_worker_that_was_given_away_is_not_taken_from_its_next_owner() {
        let core = Biased::new(());
        let [stuck, second, third] = [(); 3].map(|()| OwnerToken::unique().id());
        core.give(Some(stuck));
        let counter = Arc::new(PollCounter::new());
        counter.increment();
        let late = Handoff::stuck(0, Arc::clone(&counter), counter.read());
        core.with(|(), _| counter.set_lost_worker(true));
        core.give(None);
        assert!(Handoff::unowned(0).take(&core, &second));
        assert!(!late.take(&core, &third));
    }
}
