//! A worker's place: everything that belongs to one of the pool's workers, apart from its thread.
//!
//! A place outlives the thread that works it: when a poll blocks, the place is given to another
//! thread, and the first one finds itself dispossessed when it comes back. Go calls a place P and
//! a thread M.
//!
//! # Invariants
//!
//! 1. The core is entered by the owning thread only, or by a stranger through the biased lock.
//! 2. A task that ended elsewhere keeps its slot, and the slot its reference, until the owner of
//!    the place, or a stranger with the core, empties `removals`.

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
use crate::time::Timers;

/// Tasks of another place that a worker finishes before it tells: a lock for every so many.
const REMOTE_REMOVALS_BATCH: usize = 32;

/// Finished tasks that wait for the owner of their place, at most, while it sleeps.
const PENDING_REMOVALS_MAX: usize = 4096;

/// What only the owner of a place touches.
#[derive(Debug)]
pub(crate) struct Core {
    /// The task that was woken last: it runs next, while its data are in the cache.
    pub(crate) lifo_slot: Option<Runnable>,
    pub(crate) ownership: Ownership,
    pub(crate) registry: Registry,
    /// Room for the slots that are being emptied.
    removing: Vec<u32>,
}

/// One of a pool's places.
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
    /// What a poll of the owner took on average, lately, in nanoseconds. A hint for thieves.
    poll_ns: AtomicU64,
    pending_removals: Mutex<Vec<u32>>,
    has_pending_removals: AtomicBool,
    /// Wakers that are to be woken, and may block the thread that does so.
    pub(crate) unwoken: Mutex<VecDeque<Waker>>,
    /// The shard of this place, while the runtime is up.
    pub(crate) driver: Mutex<Option<Arc<Driver>>>,
    /// The pulse of the thread that works the place.
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

    /// What the driver of this place has read for tasks: system calls, and reads.
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

    /// Notes that tasks registered here ended, on behalf of whatever thread ran them. Their slots
    /// and their memory are the owner's to empty and to free.
    pub(crate) fn remove_remote(&'static self, slots: &mut Vec<u32>) {
        let waiting = {
            let mut removals = self.pending_removals.lock();
            removals.append(slots);
            self.has_pending_removals.store(true, Ordering::Relaxed);
            removals.len()
        };
        if waiting >= PENDING_REMOVALS_MAX && self.pool().idle.is_parked(self.index) {
            // The owner sleeps over what others finish for it: some megabytes at most.
            self.core.with(|core, _| self.apply_removals(core));
        }
    }

    /// Tasks in the run queue. A hint.
    pub(crate) fn queued(&self) -> usize {
        self.queue.len() + self.queue.backlog_len()
    }

    /// The time that the run queue stands for, in nanoseconds. A hint.
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
        // Frees cells of completed tasks, which hold nothing of the user's any more.
        removing.drain(..).for_each(|slot| drop(registry.remove(slot)));
    }

    /// A reference to each live task that is registered here, as a stranger.
    pub(crate) fn live_tasks(&self) -> Vec<TaskHandle> {
        self.core.with(|core, _| {
            self.apply_removals(core);
            core.registry.tasks()
        })
    }
}

/// A thread's claim to a place, in the frame of the worker that works it.
#[derive(Debug)]
pub(crate) struct WorkerContext {
    worker: &'static Worker,
    event_loop: EventLoop,
    driver: Arc<Driver>,
    incarnation: RuntimeRef,
    pub(crate) poll_counter: Arc<PollCounter>,
    /// Slots of tasks that ended here and are registered elsewhere, by place.
    remote_removals: RefCell<Box<[Vec<u32>]>>,
}

impl WorkerContext {
    pub(crate) fn new(
        worker: &'static Worker,
        identity: OwnerToken,
        driver: Arc<Driver>,
        config: &Config,
        poll_counter: Arc<PollCounter>,
    ) -> WorkerContext {
        WorkerContext {
            worker,
            event_loop: EventLoop::new(
                identity,
                &worker.timers,
                Arc::clone(&driver),
                config.clock.clone(),
                config.event_budget,
            ),
            driver,
            incarnation: worker.pool().runtime_ref(),
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

    /// The use of the pool that the worker works for.
    #[inline]
    pub(crate) fn incarnation(&self) -> RuntimeRef {
        self.incarnation
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

    /// Runs `access` on the core, or tells that the place was given to somebody else.
    #[inline]
    pub(crate) fn with_core<R>(&self, access: impl FnOnce(&mut Core) -> R) -> Option<R> {
        let mut identity = self.token().borrow_mut();
        let mut core = self.worker.core.enter(&mut identity)?;
        Some(access(&mut core))
    }

    /// Queues a task that was woken. Gives it back if the place was lost.
    #[inline]
    pub(crate) fn push(&self, task: Runnable, last_in: bool) -> Result<(), Runnable> {
        let mut identity = self.token().borrow_mut();
        let Some(mut core) = self.worker.core.enter(&mut identity) else {
            return Err(task);
        };
        let is_first = last_in && !self.event_loop.is_batch();
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

    /// Registers a new task and queues it. Gives it back if the place was lost.
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

    /// Removes a completed task of this place's registry; `None` if the place was lost.
    #[inline]
    pub(crate) fn unregister(&self, slot: u32) -> Option<Kept> {
        self.with_core(|core| core.registry.remove(slot))
    }

    /// Notes that a task ended here that is registered at the place `home`.
    #[inline]
    pub(crate) fn remove_from(&self, home: &'static Worker, slot: u32) {
        let mut foreign = self.remote_removals.borrow_mut();
        let slots = &mut foreign[home.index];
        slots.push(slot);
        if slots.len() >= REMOTE_REMOVALS_BATCH {
            home.remove_remote(slots);
        }
    }

    /// Tells every place what has ended here. Before the worker sleeps or leaves.
    pub(crate) fn flush_removals(&self) {
        let mut foreign = self.remote_removals.borrow_mut();
        for (home, slots) in foreign.iter_mut().enumerate().filter(|(_, slots)| !slots.is_empty()) {
            self.pool().worker(home).remove_remote(slots);
        }
    }
}

impl Drop for WorkerContext {
    fn drop(&mut self) {
        self.flush_removals();
    }
}
