//! The buffers and the outcome of a turn.

use std::task::Waker;

use crate::poll::EventBuffer;
use crate::poll::batch::Receive;
use crate::source::Flags;
use crate::wake::wake_all;

/// The buffers of a turn: events as the system reports them, and wakers. Each thread that turns has
/// its own and reuses it. The first turn allocates the memory.
#[derive(Default)]
pub struct Events {
    pub(crate) buffer: EventBuffer,
    pub(crate) wakers: Vec<Waker>,
    /// Receives of a batch. Empty between turns.
    pub(crate) batch: Vec<Receive>,
    /// Which events collected the wakers, if that is asked for.
    pub(crate) causes: Vec<EventCause>,
    pub(crate) tracks_causes: bool,
}

/// An event that a turn has collected wakers for.
#[derive(Debug, Clone, Copy)]
pub struct EventCause {
    /// The index of the first of them. The last one comes before the first of the next cause, or is
    /// the last of all.
    pub first_waker: usize,
    /// The number of the descriptor.
    pub fd: u32,
    /// What was reported.
    pub flags: Flags,
}

impl EventCause {
    #[cold]
    pub(crate) fn new(first_waker: usize, fd: Option<i64>, flags: Flags) -> EventCause {
        // A socket of Windows may have a larger number, whose lower half is still unique.
        EventCause { first_waker, fd: fd.unwrap_or(-1) as u32, flags }
    }
}

/// The outcome of a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a shard that is busy has not been turned"]
pub enum Turn {
    /// Another thread turns this shard.
    Busy,
    /// The shard was turned.
    Done {
        /// Number of events that reached a source.
        events: usize,
        /// Number of wakers that the turn collected.
        woken: usize,
        /// Whether a notification was taken.
        is_notified: bool,
    },
}

impl Events {
    /// Makes empty buffers.
    #[must_use]
    pub fn new() -> Events {
        Events::default()
    }

    /// The wakers that a turn has collected, for a caller that wakes them itself instead of calling
    /// [`wake`](Events::wake).
    pub fn wakers_mut(&mut self) -> &mut Vec<Waker> {
        &mut self.wakers
    }

    /// Sets whether the next turns record which event collected which wakers.
    pub fn set_tracks_causes(&mut self, is_on: bool) {
        self.tracks_causes = is_on;
    }

    /// Returns whether causes are recorded that were not taken.
    #[must_use]
    pub fn has_causes(&self) -> bool {
        !self.causes.is_empty()
    }

    /// Takes the causes of the wakers.
    pub fn take_causes(&mut self) -> Vec<EventCause> {
        std::mem::take(&mut self.causes)
    }

    /// Wakes the waiters that a turn has collected.
    ///
    /// # Panics
    ///
    /// Resumes the panic of a waker, after all others have been called.
    pub fn wake(&mut self) {
        wake_all(&mut self.wakers);
    }
}

impl std::fmt::Debug for Events {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Events").field("wakers", &self.wakers.len()).finish_non_exhaustive()
    }
}
