//! The rounds of a thread in `block_on`, counted by the thread and compared by the watcher.
//!
//! # Invariants
//!
//! 1. The count is odd while the thread is in `block_on` and not parked. Only the thread changes
//!    it.
//! 2. A thread that wakes up increments the count and then reads the watcher's phase. The watcher
//!    sets its phase to asleep and then reads the counts. There is a fence between the two steps on
//!    both sides, so the thread sees that it must set the alarm, or the watcher sees that a thread
//!    is awake.

use reveille_primitive::atomic::{AtomicBool, AtomicU64, Ordering, fence};

/// The count of a thread's rounds.
#[derive(Debug)]
pub(crate) struct Rounds {
    count: AtomicU64,
    /// The count at the watcher's last check.
    seen: AtomicU64,
    is_evacuated: AtomicBool,
}

impl Rounds {
    /// A thread that is not in `block_on`.
    pub(crate) fn new() -> Rounds {
        Rounds {
            count: AtomicU64::new(0),
            seen: AtomicU64::new(0),
            is_evacuated: AtomicBool::new(false),
        }
    }

    /// Counts a round. Returns whether the thread was evacuated. Called by the thread itself.
    #[inline]
    pub(crate) fn pass(&self) -> bool {
        let count = self.count.load(Ordering::Relaxed);
        self.count.store(count.wrapping_add(1) | 1, Ordering::Relaxed);
        self.is_evacuated()
    }

    /// Records that the thread is awake. `arm` reads the watcher's phase. Called by the thread
    /// itself.
    pub(crate) fn wake(&self, arm: impl FnOnce()) {
        self.pass();
        fence(Ordering::SeqCst);
        arm();
    }

    /// Records that the thread is about to park or leaves `block_on`. Called by the thread itself.
    pub(crate) fn sleep(&self) {
        let count = self.count.load(Ordering::Relaxed);
        self.count.store((count | 1).wrapping_add(1), Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn is_evacuated(&self) -> bool {
        self.is_evacuated.load(Ordering::Relaxed)
    }

    pub(crate) fn set_evacuated(&self, is_evacuated: bool) {
        self.is_evacuated.store(is_evacuated, Ordering::Relaxed);
    }

    /// Whether the watcher may sleep. The thread arms the watcher's alarm before it has to be
    /// watched again.
    pub(crate) fn is_quiet(&self) -> bool {
        self.count.load(Ordering::Relaxed).is_multiple_of(2) || self.is_evacuated()
    }

    /// The count, if the thread is awake in the round of the watcher's last check.
    pub(crate) fn check(&self) -> Option<u64> {
        let count = self.count.load(Ordering::Relaxed);
        let is_same = self.seen.swap(count, Ordering::Relaxed) == count;
        (is_same && !count.is_multiple_of(2)).then_some(count)
    }

    /// Whether the thread is in the round of this count.
    pub(crate) fn is_in(&self, count: u64) -> bool {
        self.count.load(Ordering::Relaxed) == count
    }
}
