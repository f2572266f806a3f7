//! The queue that all workers share, for tasks from outside the pool.
//!
//! It has several shards, so that threads that spawn at the same time rarely contend. Each shard is
//! a mutex around a list, with its length beside it, so that a worker sees an empty injector
//! without a lock. A worker takes a batch at a time. The order within a shard is first in, first
//! out, and shards are visited in turn.

use std::collections::VecDeque;

use reveille_primitive::Padded;
use reveille_primitive::atomic::{AtomicUsize, Ordering};
use reveille_primitive::lock::Mutex;
use reveille_task::Runnable;

/// The most tasks that a worker takes at once: half of a run queue, so that they always fit.
const BATCH: usize = super::queue::CAPACITY / 2;

#[derive(Debug)]
pub(crate) struct Injector {
    shards: Box<[Padded<Shard>]>,
}

#[derive(Debug, Default)]
struct Shard {
    len: AtomicUsize,
    tasks: Mutex<VecDeque<Runnable>>,
}

impl Injector {
    /// As many shards as the next power of two of `workers`.
    pub(crate) fn new(workers: usize) -> Injector {
        let count = workers.next_power_of_two();
        Injector { shards: (0..count).map(|_| Padded::default()).collect() }
    }

    /// Adds one task. `shard_index` chooses the shard: callers with different ones do not contend.
    pub(crate) fn push(&self, shard_index: usize, task: Runnable) {
        let shard = &self.shards[shard_index & (self.shards.len() - 1)];
        let mut tasks = shard.tasks.lock();
        tasks.push_back(task);
        shard.len.store(tasks.len(), Ordering::SeqCst);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.shards.iter().all(|shard| shard.len.load(Ordering::SeqCst) == 0)
    }

    /// How many tasks are queued. A hint, because the shards are read one after the other.
    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.len.load(Ordering::Relaxed)).sum()
    }

    /// Takes a fair share for one of `workers` workers, from the first shard that has tasks. Begins
    /// at shard `shard_index`, and sets `shard_index` to the shard after the one that it took from.
    /// So a shard that is never empty does not delay the others.
    pub(crate) fn take(&self, shard_index: &mut usize, workers: usize, into: &mut Vec<Runnable>) {
        for _ in 0..self.shards.len() {
            let shard = &self.shards[*shard_index & (self.shards.len() - 1)];
            *shard_index = shard_index.wrapping_add(1);
            if shard.len.load(Ordering::Relaxed) == 0 {
                continue;
            }
            let mut tasks = shard.tasks.lock();
            let share = tasks.len().div_ceil(workers).min(BATCH);
            into.extend(tasks.drain(..share));
            let empty = tasks.is_empty();
            shard.len.store(tasks.len(), Ordering::SeqCst);
            if empty && tasks.capacity() > 8 * BATCH {
                // A burst is over, so its memory is freed.
                *tasks = VecDeque::new();
            }
            if !into.is_empty() {
                return;
            }
        }
    }
}
