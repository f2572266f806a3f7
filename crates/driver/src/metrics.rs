//! Counters of one shard, for observers.
//!
//! Each counter is exact, but the counters are not read at the same instant, so they need not be
//! consistent with each other. Only the thread with the right to turn writes the counters of turns,
//! so they take no read-modify-write.

use reveille_primitive::atomic::{AtomicU64, Ordering};

/// What a shard has done since it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct DriverMetrics {
    /// Turns: waits for events of the operating system.
    pub turns: u64,
    /// Events that reached a source.
    pub events: u64,
    /// System calls that received for several reads.
    pub batches: u64,
    /// Reads for which those system calls received.
    pub batched_reads: u64,
    /// Wakers woken for events.
    pub wakes: u64,
    /// Notifications that cost a system call.
    pub notifies: u64,
    /// Sources registered with the operating system.
    pub registrations: u64,
}

/// The counters behind [`DriverMetrics`].
#[derive(Debug, Default)]
pub(crate) struct DriverCounters {
    pub(crate) turns: Counter,
    pub(crate) events: Counter,
    pub(crate) batches: Counter,
    pub(crate) batched_reads: Counter,
    pub(crate) wakes: Counter,
    /// Wakers woken because no thread turns the shard any more. Separate from `wakes`, because
    /// other threads add to it.
    pub(crate) deserted: Counter,
    pub(crate) notifies: Counter,
    pub(crate) registrations: Counter,
}

impl DriverCounters {
    pub(crate) fn read(&self) -> DriverMetrics {
        DriverMetrics {
            turns: self.turns.get(),
            events: self.events.get(),
            batches: self.batches.get(),
            batched_reads: self.batched_reads.get(),
            wakes: self.wakes.get() + self.deserted.get(),
            notifies: self.notifies.get(),
            registrations: self.registrations.get(),
        }
    }
}

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    /// Adds without a read-modify-write. Only one thread at a time may call it, such as the thread
    /// that turns.
    #[inline]
    pub(crate) fn add_alone(&self, by: usize) {
        self.0.store(self.get() + by as u64, Ordering::Relaxed);
    }

    pub(crate) fn add(&self, by: usize) {
        // Relaxed: the count orders no other access.
        self.0.fetch_add(by as u64, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
