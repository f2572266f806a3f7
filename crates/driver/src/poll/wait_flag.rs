//! Whether a thread waits for events, for a system that may keep a change from such a wait.
//!
//! On Windows the crate `polling` puts a change of interest into a queue unless a thread waits, and
//! a wait empties the queue when it begins. A thread may find no wait, and queue its change after
//! another thread has emptied the queue. The wait of that other thread then goes on without the
//! change. So a thread that has made a change reads this flag, and ends the wait if there is one.
//! The next wait begins with the queue.
//!
//! Invariant: the flag is set before a wait empties the queue, and read after a change was queued,
//! with a fence between the two steps of each thread. So the wait finds the change in the queue, or
//! the thread with the change finds the flag.

use reveille_primitive::atomic::{AtomicBool, Ordering, fence};

/// Set while a thread waits or is about to. See the module's header.
#[derive(Debug)]
pub struct WaitFlag {
    is_waiting: AtomicBool,
}

impl WaitFlag {
    /// Makes a flag that is not set.
    #[must_use]
    #[allow(clippy::new_without_default, reason = "loom's atomics have no constant start")]
    pub fn new() -> WaitFlag {
        WaitFlag { is_waiting: AtomicBool::new(false) }
    }

    /// Sets the flag while `wait` runs.
    pub fn during<T>(&self, wait: impl FnOnce() -> T) -> T {
        self.is_waiting.store(true, Ordering::Relaxed);
        // Pairs with the fence in `is_set_after_a_change`.
        fence(Ordering::SeqCst);
        let result = wait();
        self.is_waiting.store(false, Ordering::Relaxed);
        result
    }

    /// Whether the caller, which has made a change, must end a wait.
    #[must_use]
    pub fn is_set_after_a_change(&self) -> bool {
        // Pairs with the fence in `during`.
        fence(Ordering::SeqCst);
        self.is_waiting.load(Ordering::Relaxed)
    }
}
