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

use std::sync::Arc;

use reveille_primitive::atomic::{AtomicU64, Ordering};
use reveille_primitive::biased::{Biased, Recipient};

/// How often a thread began and ended a poll: odd while it is in one. The monitor compares two
/// readings, so a poll that blocks is noticed without a clock in the worker's loop.
#[derive(Debug)]
pub(crate) struct Pulse(AtomicU64);

impl Pulse {
    pub(crate) fn new() -> Pulse {
        Pulse(AtomicU64::new(0))
    }

    /// Counts the beginning or the end of a poll. For the one thread whose pulse it is.
    #[inline]
    pub(crate) fn beat(&self) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(1), Ordering::Release);
    }

    pub(crate) fn read(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

/// See the module's header.
#[derive(Debug)]
pub(crate) struct Vacancy {
    place: usize,
    stuck: Option<(Arc<Pulse>, u64)>,
}

impl Vacancy {
    /// Nobody works the place.
    pub(crate) fn open(place: usize) -> Vacancy {
        Vacancy { place, stuck: None }
    }

    /// The thread with this pulse was in the poll of this reading.
    pub(crate) fn stuck(place: usize, pulse: Arc<Pulse>, reading: u64) -> Vacancy {
        Vacancy { place, stuck: Some((pulse, reading)) }
    }

    pub(crate) fn place(&self) -> usize {
        self.place
    }

    pub(crate) fn is_takeover(&self) -> bool {
        self.stuck.is_some()
    }

    /// Gives the core of the place to `recipient` if the vacancy still stands.
    pub(crate) fn take<T>(&self, core: &Biased<T>, recipient: &Recipient) -> bool {
        core.with(|_, owner| {
            let is_vacant = match &self.stuck {
                None => owner.is_none(),
                Some((pulse, reading)) => pulse.read() == *reading && owner.is_some(),
            };
            if is_vacant {
                *owner = Some(recipient.clone());
            }
            is_vacant
        })
    }
}
