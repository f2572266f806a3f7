//! Which side drops the result of a blocking closure if the waiter may leave.
//!
//! The closure sets DONE when it has a result; the waiter sets LEFT when it leaves. The side that
//! comes second sees the other's value. So the result is either returned to the waiter or dropped,
//! and exactly one side does it.

use crate::protocol::{AtomicU8, Ordering};

const RUNNING: u8 = 0;
const DONE: u8 = 1;
const LEFT: u8 = 2;

/// Which side has finished first.
pub(super) struct Phase(AtomicU8);

impl Phase {
    pub(super) fn new() -> Phase {
        Phase(AtomicU8::new(RUNNING))
    }

    /// Called when the closure has a result. Returns whether the waiter is still there.
    pub(super) fn done(&self) -> bool {
        self.0.swap(DONE, Ordering::AcqRel) != LEFT
    }

    /// Called when the waiter leaves. Returns whether there is a result; if so, the waiter must
    /// stay for it.
    pub(super) fn leave(&self) -> bool {
        self.0.swap(LEFT, Ordering::AcqRel) == DONE
    }
}
