//! Counts the polls of one thread, so that other threads notice a poll that does not end.

use reveille_primitive::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence};

/// Counts the begins and ends of polls of one thread: odd during a poll. The monitor compares two
/// readings, so it notices a poll that blocks although the worker reads no clock.
#[derive(Debug)]
pub(crate) struct PollCounter {
    count: AtomicU64,
    /// The address of the task whose poll was counted last.
    task: AtomicUsize,
    /// What the monitor read when it last found another poll than before, and its time then.
    seen: AtomicU64,
    seen_ns: AtomicU64,
    /// The thread has lost its worker, or gave it away. Changed inside the lock of the core.
    has_lost_worker: AtomicBool,
}

impl PollCounter {
    pub(crate) fn new() -> PollCounter {
        PollCounter {
            count: AtomicU64::new(0),
            task: AtomicUsize::new(0),
            seen: AtomicU64::new(0),
            seen_ns: AtomicU64::new(0),
            has_lost_worker: AtomicBool::new(false),
        }
    }

    /// Counts the begin of a poll of the task at `addr`. For the thread that the counter belongs
    /// to.
    #[inline]
    pub(crate) fn begin(&self, addr: usize) {
        self.task.store(addr, Ordering::Relaxed);
        self.increment();
    }

    /// The address of the task that is polled, if one is, and the count.
    pub(crate) fn polled(&self) -> Option<(usize, u64)> {
        let before = self.read();
        let task = self.task.load(Ordering::Relaxed);
        // A poll that began between the two reads of the count has changed it.
        fence(Ordering::Acquire);
        (before % 2 == 1 && self.read() == before).then_some((task, before))
    }

    /// The monitor has read `count` at `now_ns`. For the monitor.
    pub(crate) fn see(&self, count: u64, now_ns: impl FnOnce() -> u64) {
        if self.seen.load(Ordering::Relaxed) != count {
            self.seen_ns.store(now_ns(), Ordering::Relaxed);
            self.seen.store(count, Ordering::Release);
        }
    }

    /// When the monitor first saw the poll that `count` is of, if it has.
    pub(crate) fn seen_ns(&self, count: u64) -> Option<u64> {
        let is_seen = self.seen.load(Ordering::Acquire) == count;
        is_seen.then(|| self.seen_ns.load(Ordering::Relaxed))
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
