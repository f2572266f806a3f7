//! Interrupting a parked driver, without a system call for each notification.
//!
//! The first notifier sets `pending` and signals the operating system (an eventfd, a user event).
//! Notifiers that find it set rely on that signal. The thread that turns the driver receives the
//! signal, clears `pending`, and only then searches for the reason of the notification.
//!
//! Invariants:
//! 1. Only a thread that will signal sets `pending`, and only a thread that received the signal
//!    clears it. So while it is set, a signal is on its way or not yet received, and the next wait
//!    returns at once.
//! 2. Clearing is a read-modify-write that acquires from every notifier before it. A notifier that
//!    found `pending` set published its work before; the thread that clears it sees that work.
//!
//! Where the system does not report whether the signal was received (`portable.rs`), `pending` is
//! cleared after each wait. A notifier between its flag and its signal then signals once without a
//! reason. No notification is lost, because the flag is cleared after the wait and before the
//! caller searches for work.

use reveille_primitive::atomic::{AtomicBool, Ordering};

/// Whether a notification of a driver is pending. See the module's header.
#[derive(Debug)]
pub struct NotifyFlag {
    pending: AtomicBool,
}

impl NotifyFlag {
    /// Makes a flag that is not set.
    #[must_use]
    #[allow(clippy::new_without_default, reason = "loom's atomics have no constant start")]
    pub fn new() -> NotifyFlag {
        NotifyFlag { pending: AtomicBool::new(false) }
    }

    /// Posts a notification: calls `ring`, which signals the system, unless one is pending. Tells
    /// whether it called it.
    pub fn post(&self, ring: impl FnOnce()) -> bool {
        // AcqRel: publishes the notifier's work to `take`, also when it was set already.
        if self.pending.swap(true, Ordering::AcqRel) {
            return false;
        }
        ring();
        true
    }

    /// Takes the notification after the signal was received. Tells whether one was pending.
    pub fn take(&self) -> bool {
        // AcqRel: sees the work of each poster whose `swap` came before this one.
        self.pending.swap(false, Ordering::AcqRel)
    }
}
