//! Interrupting a parked driver, without a system call for each notification.
//!
//! `pending` is set by the first notifier, who rings the operating system's bell (an eventfd, a
//! user event); those who come while it is set rely on that ring. The thread that turns the driver
//! hears the bell, takes `pending` back, and only then looks for what it was notified of.
//!
//! Invariants:
//! 1. `pending` is set only by someone who will ring, and taken only by someone who heard: so while
//!    it is set, a ring is on its way or not yet heard, and the next wait returns at once.
//! 2. Taking is a read-modify-write that acquires from every poster before it. A notifier that
//!    found `pending` set published its work before; the taker sees that work.
//!
//! Where the system does not tell whether the bell was heard (`portable.rs`), `pending` is taken
//! after each wait. A poster between its flag and its ring then rings once for nothing; still none
//! is lost, since the flag is taken after the wait and before the caller looks for work.

use reveille_primitive::atomic::{AtomicBool, Ordering};

/// The flag of a driver. See the module's header.
#[derive(Debug)]
pub struct Notify {
    pending: AtomicBool,
}

impl Notify {
    /// Makes a flag that is not set.
    #[must_use]
    #[allow(clippy::new_without_default, reason = "loom's atomics have no constant start")]
    pub fn new() -> Notify {
        Notify { pending: AtomicBool::new(false) }
    }

    /// Posts a notification: calls `ring` unless one is pending. Tells whether it rang.
    pub fn post(&self, ring: impl FnOnce()) -> bool {
        // AcqRel: publishes the notifier's work to `take`, also when it was set already.
        if self.pending.swap(true, Ordering::AcqRel) {
            return false;
        }
        ring();
        true
    }

    /// Takes the notification after the bell was heard. Tells whether one was pending.
    pub fn take(&self) -> bool {
        // AcqRel: sees the work of each poster whose `swap` came before this one.
        self.pending.swap(false, Ordering::AcqRel)
    }
}
