//! A worker of the pool: its queue, timers, driver and registry, but not the thread that runs it.
//!
//! A worker outlives the thread that runs it. When a poll blocks, the worker is handed to another
//! thread, and the first thread finds out when its poll returns. Go calls a worker P and a thread
//! M.
//!
//! # Invariants
//!
//! 1. The core is entered by the owning thread only, or by another thread through the biased lock.
//! 2. A task that completed on another thread keeps its slot, and the slot keeps its reference,
//!    until the owner of the worker, or another thread in the core, applies the pending removals.

use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;
use std::task::Waker;

use reveille_driver::Driver;
use reveille_primitive::atomic::{AtomicBool, AtomicU64, Ordering};
use reveille_primitive::biased::{Biased, OwnerId, OwnerToken};
use reveille_primitive::lock::Mutex;
use reveille_task::{Runnable, TaskHandle};

use super::busy_time::BusyTime;
use super::pace::INITIAL_POLL_NS;
use super::pool::{SchedulerRef, WorkerPool};
use super::queue::{Ownership, Queue};
use crate::observe::Counters;
use crate::poll_counter::PollCounter;
use crate::scheduler::registry::Registry;
use crate::timer::Timers;

/// The most removals that stay pending while the owner of the worker is parked.
const PENDING_REMOVALS_MAX: usize = 4096;

/// The state that only the owner of a worker accesses.
#[derive(Debug)]
pub(crate) struct Core {
    /// The task that was woken last. It runs next, while its data are in the cache.
    pub(crate) lifo_slot: Option<Runnable>,
    pub(crate) ownership: Ownership,
    pub(crate) registry: Registry,
    /// A buffer for the pending removals that are being applied.
    removing: Vec<u32>,
}

/// One worker of a pool.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) index: usize,
    pub(crate) scheduler: SchedulerRef,
    pub(crate) queue: Queue,
    pub(crate) core: Biased<Core>,
    pub(crate) timers: Timers,
    pub(crate) counters: Counters,
    pub(crate) busy: BusyTime,
    /// When the driver was last turned, in the clock's nanoseconds.
    pub(crate) turned_ns: AtomicU64,
    /// The recent mean length of a poll, in nanoseconds. A hint for thieves.
    poll_ns: AtomicU64,
    pending_removals: Mutex<Vec<u32>>,
    has_pending_removals: AtomicBool,
    /// Wakers that have to be woken. Waking one may block the thread.
    pub(crate) unwoken: Mutex<VecDeque<Waker>>,
    /// Whether the worker has not polled since it began or parked, while the thread of the monitor
    /// has not started. For the thread that runs the worker.
    pub(super) is_observer: AtomicBool,
    /// The driver of this worker, while the runtime is up.
    pub(crate) driver: Mutex<Option<Arc<Driver>>>,
    /// The counter of the thread that runs the worker.
    pub(crate) poll_counter: Mutex<Option<Arc<PollCounter>>>,
}

impl Worker {
    pub(crate) fn new(index: usize) -> Worker {
        let (queue, ownership) = Queue::new();
        Worker {
            index,
            scheduler: SchedulerRef::new(Some(index)),
            queue,
            core: Biased::new(Core {
                lifo_slot: None,
                ownership,
                registry: Registry::default(),
                removing: Vec::new(),
            }),
            timers: Timers::new(),
            counters: Counters::default(),
            busy: BusyTime::default(),
            turned_ns: AtomicU64::new(0),
            poll_ns: AtomicU64::new(INITIAL_POLL_NS),
            pending_removals: Mutex::new(Vec::new()),
            has_pending_removals: AtomicBool::new(false),
            unwoken: Mutex::default(),
            is_observer: AtomicBool::new(false),
            driver: Mutex::new(None),
            poll_counter: Mutex::new(None),
        }
    }

    #[inline]
    pub(crate) fn pool(&self) -> &'static WorkerPool {
        self.scheduler.pool()
    }

    /// Makes `recipient` the owner of the core and of the timers.
    pub(crate) fn set_owner(&self, recipient: Option<&OwnerId>) {
        self.core.give(recipient.cloned());
        self.timers.set_owner(recipient.cloned());
    }

    /// Gives up the core and the timers, for their owner. The thread that shuts the runtime down
    /// then enters them without a barrier on every core.
    pub(super) fn give_up(&self, token: &mut OwnerToken) {
        self.core.give_up(token);
        self.timers.give_up(token);
    }

    /// The driver of this worker, while the runtime is up.
    pub(super) fn driver(&self) -> Option<Arc<Driver>> {
        self.driver.lock().clone()
    }

    pub(crate) fn next_unwoken(&self) -> Option<Waker> {
        self.unwoken.lock().pop_front()
    }

    /// Interrupts the worker's park.
    pub(crate) fn notify(&self) {
        let driver = self.driver.lock().clone();
        if let Some(driver) = driver {
            driver.notify();
        }
    }

    /// Records that tasks registered here completed on another thread. The owner later removes them
    /// from the registry and frees their memory.
    pub(crate) fn remove_remote(&'static self, slots: &mut Vec<u32>) {
        self.pool().ended_elsewhere.fetch_add(slots.len() as u64, Ordering::Release);
        let waiting = {
            let mut removals = self.pending_removals.lock();
            removals.append(slots);
            self.has_pending_removals.store(true, Ordering::Relaxed);
            removals.len()
        };
        if waiting >= PENDING_REMOVALS_MAX && self.pool().idle.is_parked(self.index) {
            // The owner is parked while other threads complete its tasks. This bounds the memory of
            // those tasks to some megabytes.
            self.core.with(|core, _| self.apply_removals(core));
        }
    }

    /// Tasks in the run queue. A hint.
    pub(crate) fn queued(&self) -> usize {
        self.queue.len() + self.queue.backlog_len()
    }

    /// The work in the run queue, in nanoseconds. A hint.
    #[inline]
    pub(crate) fn queued_ns(&self) -> u64 {
        self.queue.len() as u64 * self.poll_ns.load(Ordering::Relaxed)
    }

    #[inline]
    pub(crate) fn set_poll_ns(&self, poll_ns: u64) {
        self.poll_ns.store(poll_ns, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn has_pending_removals(&self) -> bool {
        self.has_pending_removals.load(Ordering::Relaxed)
    }

    /// Removes the tasks that other threads completed from the registry. Called by the owner.
    #[cold]
    pub(crate) fn apply_removals(&self, core: &mut Core) {
        {
            let mut removals = self.pending_removals.lock();
            self.has_pending_removals.store(false, Ordering::Relaxed);
            mem::swap(&mut *removals, &mut core.removing);
        }
        let Core { registry, removing, .. } = core;
        // Frees the cells of completed tasks, which hold no user values any more.
        removing.drain(..).for_each(|slot| drop(registry.remove(slot)));
    }

    /// A reference to each live task that is registered here. Called by another thread.
    pub(crate) fn live_tasks(&self) -> Vec<TaskHandle> {
        self.core.with(|core, _| {
            self.apply_removals(core);
            core.registry.tasks()
        })
    }

    /// A reference to each live task that is registered here, in up to `len` slots of the registry
    /// from `start` on; `None` beyond the last slot. For another thread.
    pub(crate) fn live_tasks_in(&self, start: usize, len: usize) -> Option<Vec<TaskHandle>> {
        self.core.with(|core, _| core.registry.tasks_in(start, len))
    }
}
