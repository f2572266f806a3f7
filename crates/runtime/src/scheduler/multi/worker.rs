//! A worker: everything that belongs to one worker of the pool, apart from its thread.
//!
//! A worker outlives the thread that runs it. When a poll blocks, the worker is handed to another
//! thread, and the first thread finds out when its poll returns. Go calls a worker P and a thread
//! M.
//!
//! # Invariants
//!
//! 1. The core is entered by the owning thread only, or by another thread through the biased lock.
//! 2. A task that ended elsewhere keeps its slot, and the slot its reference, until the owner of
//!    the worker, or another thread in the core, applies the pending removals.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;
use std::task::Waker;

use reveille_driver::Driver;
use reveille_primitive::atomic::{AtomicBool, AtomicU64, Ordering};
use reveille_primitive::biased::{Biased, OwnerId, OwnerToken};
use reveille_primitive::lock::Mutex;
use reveille_task::{Kept, Runnable, TaskHandle};

use super::handoff::PollCounter;
use super::pace::INITIAL_POLL_NS;
use super::queue::{Ownership, Queue};
use super::registry::Registry;
use super::{RuntimeRef, SchedulerRef, WorkerPool};
use crate::config::Config;
use crate::event_loop::EventLoop;
use crate::observe::{Counters, Event};
use crate::timer::Timers;

/// Tasks of another worker that a worker completes before it reports them: one lock for so many.
const REMOTE_REMOVALS_BATCH: usize = 32;

/// Completed tasks that wait for the owner of their worker while it is parked, at most.
const PENDING_REMOVALS_MAX: usize = 4096;

/// What only the owner of a worker touches.
#[derive(Debug)]
pub(crate) struct Core {
    /// The task that was woken last: it runs next, while its data are in the cache.
    pub(crate) lifo_slot: Option<Runnable>,
    pub(crate) ownership: Ownership,
    pub(crate) registry: Registry,
    /// Memory for the slots that are being emptied.
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
    /// When the driver was last turned, in the clock's nanoseconds.
    pub(crate) turned_ns: AtomicU64,
    /// The recent mean length of a poll, in nanoseconds. A hint for thieves.
    poll_ns: AtomicU64,
    pending_removals: Mutex<Vec<u32>>,
    has_pending_removals: AtomicBool,
    /// Wakers that have to be woken, and may block the thread that wakes them.
    pub(crate) unwoken: Mutex<VecDeque<Waker>>,
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
            turned_ns: AtomicU64::new(0),
            poll_ns: AtomicU64::new(INITIAL_POLL_NS),
            pending_removals: Mutex::new(Vec::new()),
            has_pending_removals: AtomicBool::new(false),
            unwoken: Mutex::default(),
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

    /// What the driver of this worker has read for tasks: system calls, and reads.
    pub(crate) fn read_batches(&self) -> (u64, u64) {
        let driver = self.driver.lock().clone();
        let metrics = driver.map(|driver| driver.metrics()).unwrap_or_default();
        (metrics.batches, metrics.batched_reads)
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

    /// Records that tasks registered here ended on another thread. The owner empties their slots
    /// and frees their memory.
    pub(crate) fn remove_remote(&'static self, slots: &mut Vec<u32>) {
        let waiting = {
            let mut removals = self.pending_removals.lock();
            removals.append(slots);
            self.has_pending_removals.store(true, Ordering::Relaxed);
            removals.len()
        };
        if waiting >= PENDING_REMOVALS_MAX && self.pool().idle.is_parked(self.index) {
            // The owner is parked while others complete its tasks: some megabytes at most.
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

    /// Empties the slots of tasks that other threads completed. For the owner.
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

    /// A reference to each live task that is registered here. For another thread.
    pub(crate) fn live_tasks(&self) -> Vec<TaskHandle> {
        self.core.with(|core, _| {
            self.apply_removals(core);
            core.registry.tasks()
        })
    }
}

/// What a thread needs to run a worker. Lives in a frame of that thread.
#[derive(Debug)]
pub(crate) struct WorkerContext {
    worker: &'static Worker,
    event_loop: EventLoop,
    driver: Arc<Driver>,
    runtime: RuntimeRef,
    pub(crate) poll_counter: Arc<PollCounter>,
    /// Slots of tasks that ended here and are registered elsewhere, by worker.
    remote_removals: RefCell<Box<[Vec<u32>]>>,
}

impl WorkerContext {
    pub(crate) fn new(
        worker: &'static Worker,
        token: OwnerToken,
        driver: Arc<Driver>,
        config: &Config,
        poll_counter: Arc<PollCounter>,
    ) -> WorkerContext {
        WorkerContext {
            worker,
            event_loop: EventLoop::new(
                token,
                &worker.timers,
                Arc::clone(&driver),
                config.clock.clone(),
                config.event_budget,
            ),
            driver,
            runtime: worker.pool().runtime_ref(),
            poll_counter,
            remote_removals: RefCell::new(vec![Vec::new(); worker.pool().workers.len()].into()),
        }
    }

    #[inline]
    pub(crate) fn worker(&self) -> &'static Worker {
        self.worker
    }

    #[inline]
    pub(crate) fn pool(&self) -> &'static WorkerPool {
        self.worker.pool()
    }

    /// The runtime that this thread works for.
    #[inline]
    pub(crate) fn runtime(&self) -> RuntimeRef {
        self.runtime
    }

    pub(crate) fn into_token(self) -> OwnerToken {
        self.token().replace(OwnerToken::unique())
    }

    #[inline]
    pub(crate) fn event_loop(&self) -> &EventLoop {
        &self.event_loop
    }

    #[inline]
    pub(crate) fn token(&self) -> &RefCell<OwnerToken> {
        self.event_loop.token()
    }

    pub(crate) fn driver(&self) -> &Arc<Driver> {
        &self.driver
    }

    /// Runs `access` on the core. `None` if the worker was handed to another thread.
    #[inline]
    pub(crate) fn with_core<R>(&self, access: impl FnOnce(&mut Core) -> R) -> Option<R> {
        let mut token = self.token().borrow_mut();
        let mut core = self.worker.core.enter(&mut token)?;
        Some(access(&mut core))
    }

    /// Queues a task that was woken. Returns it if the worker was handed off.
    #[inline]
    pub(crate) fn push(&self, task: Runnable, to_lifo: bool) -> Result<(), Runnable> {
        let mut token = self.token().borrow_mut();
        let Some(mut core) = self.worker.core.enter(&mut token) else {
            return Err(task);
        };
        let is_first = to_lifo && !self.event_loop.is_batch();
        if !is_first && !self.is_idle(&core) {
            self.queue_at_back(&mut core, task);
        } else if let Some(displaced) = core.lifo_slot.replace(task) {
            self.queue_at_back(&mut core, displaced);
        }
        Ok(())
    }

    /// Queues tasks that this worker took from elsewhere. Leaves them if the worker was handed off.
    pub(crate) fn push_batch(&self, tasks: &mut Vec<Runnable>) {
        self.with_core(|core| {
            let mut tasks = tasks.drain(..);
            if self.is_idle(core) {
                core.lifo_slot = tasks.next();
            }
            let overflow = self.worker.queue.push_batch(&mut core.ownership, tasks);
            self.worker.counters.add(Event::Overflow, overflow as u64);
        });
    }

    /// Whether no task is queued. Then the LIFO slot, which is cheaper, keeps the order too.
    #[inline]
    fn is_idle(&self, core: &Core) -> bool {
        core.lifo_slot.is_none() && self.worker.queue.is_empty() && !core.ownership.has_backlog()
    }

    #[inline]
    fn queue_at_back(&self, core: &mut Core, task: Runnable) {
        if self.worker.queue.push(&mut core.ownership, task) {
            self.worker.counters.count(Event::Overflow);
        }
    }

    /// Registers a new task and queues it. Returns it if the worker was handed off.
    #[inline]
    pub(crate) fn bind(&self, task: Runnable, kept: Kept) -> Result<(), (Runnable, Kept)> {
        let mut new = Some((task, kept));
        self.with_core(|core| {
            let (task, kept) = new.take()?;
            if self.worker.has_pending_removals() {
                self.worker.apply_removals(core);
            }
            core.registry.insert(kept);
            self.worker.counters.count(Event::Spawn);
            if let Some(displaced) = core.lifo_slot.replace(task) {
                self.queue_at_back(core, displaced);
            }
            Some(())
        });
        match new {
            Some(new) => Err(new),
            None => Ok(()),
        }
    }

    /// Removes a completed task from the registry. `None` if the worker was handed off.
    #[inline]
    pub(crate) fn unregister(&self, slot: u32) -> Option<Kept> {
        self.with_core(|core| core.registry.remove(slot))
    }

    /// Records that a task ended here that is registered with the worker `origin`.
    #[inline]
    pub(crate) fn remove_from(&self, origin: &'static Worker, slot: u32) {
        let mut removals = self.remote_removals.borrow_mut();
        let slots = &mut removals[origin.index];
        slots.push(slot);
        if slots.len() >= REMOTE_REMOVALS_BATCH {
            origin.remove_remote(slots);
        }
    }

    /// Tells every worker which of its tasks ended here. Before this one parks or is left.
    pub(crate) fn flush_removals(&self) {
        let mut removals = self.remote_removals.borrow_mut();
        for (origin, slots) in
            removals.iter_mut().enumerate().filter(|(_, slots)| !slots.is_empty())
        {
            self.pool().worker(origin).remove_remote(slots);
        }
    }
}

impl Drop for WorkerContext {
    fn drop(&mut self) {
        self.flush_removals();
    }
}
