//! Interrupts a parked driver, without a system call for each notification.
//!
//! The first notifier sets `pending` and signals the operating system (an eventfd, a user event).
//! Notifiers that find it set rely on that signal. The thread that turns the driver receives the
//! signal, clears `pending`, and only then searches for the reason of the notification.
//!
//! Invariants:
//! 1. Only a thread that will signal sets `pending`, and only a thread that received the signal
//!    clears it. So while it is set, a signal is about to be sent or not yet received, and the next
//!    wait returns immediately.
//! 2. Clearing is a read-modify-write that acquires from every earlier notifier. A notifier that
//!    finds `pending` set has published its work, so the thread that clears the flag sees that
//!    work.
//!
//! Where the system does not report whether the signal was received (`portable.rs`), `pending` is
//! cleared after each wait. If that happens while a notifier is between its flag and its signal,
//! the signal causes one spurious wake-up. No notification is lost, because the flag is cleared
//! after the wait and before the caller searches for work.

use reveille_primitive::atomic::{AtomicBool, Ordering};

/// The flag for a pending notification of a driver. See the module's header.
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

    /// Posts a notification. Unless one is pending, calls `ring`, which signals the system. Returns
    /// whether it called `ring`.
    pub fn post(&self, ring: impl FnOnce()) -> bool {
        // AcqRel: publishes the notifier's work to `take`, even if the flag is already set.
        if self.pending.swap(true, Ordering::AcqRel) {
            return false;
        }
        ring();
        true
    }

    /// Takes the notification after the signal was received. Returns whether one was pending.
    pub fn take(&self) -> bool {
        // AcqRel: sees the work of each poster whose `swap` came before this one.
        self.pending.swap(false, Ordering::AcqRel)
    }
}
