//! Counts the polls of one thread, so that other threads notice a poll that does not end.

use reveille_primitive::atomic::{AtomicBool, AtomicU64, Ordering};

/// Counts the begins and ends of polls of one thread: odd during a poll. The monitor compares two
/// readings, so it notices a poll that blocks although the worker reads no clock.
#[derive(Debug)]
pub(crate) struct PollCounter {
    count: AtomicU64,
    /// The thread has lost its worker, or gave it away. Changed inside the lock of the core.
    has_lost_worker: AtomicBool,
}

impl PollCounter {
    pub(crate) fn new() -> PollCounter {
        PollCounter { count: AtomicU64::new(0), has_lost_worker: AtomicBool::new(false) }
    }

    /// Counts the begin or the end of a poll. For the thread that the counter belongs to.
    ///
    /// Release: a thread that reads the new count sees what the poll did before it.
    #[inline]
    pub(crate) fn increment(&self) {
        self.count.store(self.count.load(Ordering::Relaxed).wrapping_add(1), Ordering::Release);
    }

    pub(crate) fn read(&self) -> u64 {
        self.count.load(Ordering::Acquire)
    }

    /// Whether another thread runs the worker. For a thread in the core, whose lock orders this.
    pub(crate) fn has_lost_worker(&self) -> bool {
        self.has_lost_worker.load(Ordering::Relaxed)
    }

    /// Sets whether another thread runs the worker from now on. For a thread in the core.
    pub(crate) fn set_lost_worker(&self, has_lost: bool) {
        self.has_lost_worker.store(has_lost, Ordering::Relaxed);
    }
}
