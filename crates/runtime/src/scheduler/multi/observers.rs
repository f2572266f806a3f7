//! Counts the workers that can hear the monitor's alarm while the monitor has no thread.
//!
//! An observer is a worker that has not polled since it began or parked. It waits for the alarm
//! when it parks the next time, or stops being an observer before it polls.
//!
//! Invariant: while a worker polls, another one is an observer, or the last that stopped being one
//! knows that. Each change is one read-modify-write of one counter, so exactly one worker finds
//! itself the last.

use reveille_primitive::atomic::{AtomicUsize, Ordering};

/// See the header of the module.
#[derive(Debug)]
pub(crate) struct Observers {
    count: AtomicUsize,
}

impl Observers {
    pub(crate) fn new() -> Observers {
        Observers { count: AtomicUsize::new(0) }
    }

    /// All workers are about to begin.
    pub(crate) fn reset(&self, workers: usize) {
        self.count.store(workers, Ordering::SeqCst);
    }

    /// Called before a worker parks that was no observer.
    pub(crate) fn begin(&self) {
        self.count.fetch_add(1, Ordering::SeqCst);
    }

    /// Called before an observer polls. `true` if it was the last: nothing hears the alarm.
    #[must_use = "the monitor needs its thread"]
    pub(crate) fn end(&self) -> bool {
        self.count.fetch_sub(1, Ordering::SeqCst) == 1
    }
}
