//! A place without a thread, or with one that is stuck; how a thread is seen to be stuck, and how
//! its place is taken.
//!
//! # Invariants
//!
//! 1. A place is taken inside its core's lock, after the vacancy was checked there, so it never has
//!    two workers.
//! 2. A thread that ended its poll before it entered the core keeps its place: the one that wants
//!    to take it sees the beat, since it was in the core later. A thread that beats while its core
//!    is being taken finds it refused. Either way one of the two works the place.
//! 3. What was found of a stuck thread holds until somebody has its place, and not beyond: the one
//!    who takes or gives the place, inside the core's lock, makes the pulse void. So a second
//!    vacancy for the same thread does not dispossess the first one's taker, who is not stuck.

use std::sync::Arc;

use reveille_primitive::atomic::{AtomicBool, AtomicU64, Ordering};
use reveille_primitive::biased::{Biased, OwnerId};

/// How often a thread began and ended a poll: odd while it is in one. The monitor compares two
/// readings, so a poll that blocks is noticed without a clock in the worker's loop.
#[derive(Debug)]
pub(crate) struct PollCounter {
    count: AtomicU64,
    /// The thread has lost its place, or gave it away. Changed inside the core's lock.
    has_lost_worker: AtomicBool,
}

impl PollCounter {
    pub(crate) fn new() -> PollCounter {
        PollCounter { count: AtomicU64::new(0), has_lost_worker: AtomicBool::new(false) }
    }

    /// Counts the beginning or the end of a poll. For the one thread whose pulse it is.
    #[inline]
    pub(crate) fn increment(&self) {
        self.count.store(self.count.load(Ordering::Relaxed).wrapping_add(1), Ordering::Release);
    }

    pub(crate) fn read(&self) -> u64 {
        self.count.load(Ordering::Acquire)
    }

    /// Says whether the thread's place is another's from now on. For whoever is in the core.
    pub(crate) fn set_lost_worker(&self, is_void: bool) {
        self.has_lost_worker.store(is_void, Ordering::Relaxed);
    }
}

/// See the module's header.
#[derive(Debug)]
pub(crate) struct Handoff {
    worker: usize,
    stuck: Option<(Arc<PollCounter>, u64)>,
}

impl Handoff {
    /// Nobody works the place.
    pub(crate) fn unowned(worker: usize) -> Handoff {
        Handoff { worker, stuck: None }
    }

    /// The thread with this pulse was in the poll of this reading.
    pub(crate) fn stuck(worker: usize, pulse: Arc<PollCounter>, reading: u64) -> Handoff {
        Handoff { worker, stuck: Some((pulse, reading)) }
    }

    pub(crate) fn worker(&self) -> usize {
        self.worker
    }

    pub(crate) fn is_from_stuck_thread(&self) -> bool {
        self.stuck.is_some()
    }

    /// Gives the core of the place to `recipient` if the vacancy still stands.
    pub(crate) fn take<T>(&self, core: &Biased<T>, recipient: &OwnerId) -> bool {
        core.with(|_, owner| {
            let is_vacant = match &self.stuck {
                None => owner.is_none(),
                Some((pulse, reading)) => {
                    let is_void = pulse.has_lost_worker.load(Ordering::Relaxed);
                    pulse.read() == *reading && owner.is_some() && !is_void
                }
            };
            if is_vacant {
                if let Some((pulse, _)) = &self.stuck {
                    pulse.set_lost_worker(true);
                }
                *owner = Some(recipient.clone());
            }
            is_vacant
        })
    }
}

#[cfg(all(test, not(reveille_loom)))]
mod tests {
    use reveille_primitive::biased::OwnerToken;

    use super::*;

    #[test]
    fn two_vacancies_for_one_stuck_thread_are_filled_once() {
        let core = Biased::new(());
        let [stuck, second, third] = [(); 3].map(|()| OwnerToken::unique().id());
        core.give(Some(stuck));
        let pulse = Arc::new(PollCounter::new());
        pulse.increment();
        let vacancy = || Handoff::stuck(0, Arc::clone(&pulse), pulse.read());
        let late = vacancy();
        assert!(vacancy().take(&core, &second));
        assert!(!late.take(&core, &third), "the second is not stuck");
    }

    #[test]
    fn a_place_that_was_given_away_is_not_taken_from_the_next_one() {
        let core = Biased::new(());
        let [stuck, second, third] = [(); 3].map(|()| OwnerToken::unique().id());
        core.give(Some(stuck));
        let pulse = Arc::new(PollCounter::new());
        pulse.increment();
        let late = Handoff::stuck(0, Arc::clone(&pulse), pulse.read());
        core.with(|(), _| pulse.set_lost_worker(true));
        core.give(None);
        assert!(Handoff::unowned(0).take(&core, &second));
        assert!(!late.take(&core, &third));
    }
}
