//! The buffers and the outcome of a turn, and the wake-ups after it.

use std::any::Any;
use std::panic::{self, AssertUnwindSafe};
use std::task::Waker;

use reveille_primitive::lock;

use crate::poll::EventBuffer;
use crate::poll::batch::Receive;

/// The buffers of a turn: events as the system reports them, and wakers. Each thread that turns has
/// its own and reuses it. The first turn allocates the memory.
#[derive(Default)]
pub struct Events {
    pub(crate) buffer: EventBuffer,
    pub(crate) wakers: Vec<Waker>,
    /// Receives of a batch. Empty between turns.
    pub(crate) batch: Vec<Receive>,
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

/// Wakes and removes all `wakers`. Returns their number.
///
/// # Panics
///
/// Resumes the last panic of a waker after all wakers have been called. Ignoring the panic would
/// hide a bug, and stopping at it would hang the tasks of the remaining wakers. The payloads of
/// other panics are dropped.
pub(crate) fn wake_all(wakers: &mut Vec<Waker>) -> usize {
    lock::assert_none_held("a wake");
    let count = wakers.len();
    let mut last: Option<Box<dyn Any + Send>> = None;
    for waker in wakers.drain(..) {
        // Unwind safe: the waker is consumed, and no state here is inconsistent after a panic.
        if let Err(panic) = panic::catch_unwind(AssertUnwindSafe(|| waker.wake()))
            && let Some(further) = last.replace(panic)
        {
            discard(further);
        }
    }
    if let Some(panic) = last {
        panic::resume_unwind(panic);
    }
    count
}

/// Drops the payload of a panic. If that drop panics, the second payload is leaked.
fn discard(payload: Box<dyn Any + Send>) {
    if let Err(second) = panic::catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(second);
    }
}
