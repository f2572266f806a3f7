//! Whose the result of a blocking closure is, when who waits for it may leave.
//!
//! The closure says DONE when it has a result, the waiter says LEFT when it goes. Whoever comes
//! second finds the other's word, so that the result is dropped by one of them and given out by
//! none, or given out and dropped by none.

use crate::protocol::{AtomicU8, Ordering};

const RUNNING: u8 = 0;
const DONE: u8 = 1;
const LEFT: u8 = 2;

/// Which of the two has spoken.
pub(super) struct Phase(AtomicU8);

impl Phase {
    pub(super) fn new() -> Phase {
        Phase(AtomicU8::new(RUNNING))
    }

    /// The closure has a result. Whether anybody waits for it.
    pub(super) fn done(&self) -> bool {
        self.0.swap(DONE, Ordering::AcqRel) != LEFT
    }

    /// The waiter goes. Whether there is a result, which it has to stay for, after all.
    pub(super) fn leave(&self) -> bool {
        self.0.swap(LEFT, Ordering::AcqRel) == DONE
    }
}
