//! The state that a thread needs to run its worker.
//!
//! The thread may lose its worker during any poll. Then the biased lock no longer lets it enter the
//! core, and each function here that needs the core returns its argument.

use std::cell::RefCell;
use std::sync::Arc;

use reveille_driver::Driver;
use reveille_primitive::biased::OwnerToken;
use reveille_task::{Kept, Runnable};

use super::pool::WorkerPool;
use super::runtime_ref::RuntimeRef;
use super::worker::{Core, Worker};
use crate::config::Config;
use crate::event_loop::EventLoop;
use crate::observe::{Event, TaskHooks};
use crate::poll_counter::PollCounter;

/// How many completed tasks of another worker are collected before they are reported, so that the
/// lock is taken once for all of them.
const REMOTE_REMOVALS_BATCH: usize = 32;

/// The state that a thread needs to run a worker. It is a local variable of that thread.
#[derive(Debug)]
pub(crate) struct WorkerContext {
    worker: &'static Worker,
    event_loop: EventLoop,
    driver: Arc<Driver>,
    runtime: RuntimeRef,
    pub(crate) poll_counter: Arc<PollCounter>,
    task_hooks: TaskHooks,
    /// Slots of tasks that completed here and are registered with another worker, by worker.
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
        let event_loop = EventLoop::new(
            token,
            &worker.timers,
            Arc::clone(&driver),
            config.clock.clone(),
            config.event_budget,
        );
        WorkerContext {
            worker,
            event_loop: event_loop.with_poll_counter(Arc::clone(&poll_counter)),
            driver,
            runtime: worker.pool().runtime_ref(),
            poll_counter,
            task_hooks: config.task_hooks.clone(),
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

    /// The hooks for tasks of the runtime.
    pub(super) fn task_hooks(&self) -> &TaskHooks {
        &self.task_hooks
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

    /// Whether this thread still runs the worker. The answer holds until its next poll begins, or
    /// the next call of other user code.
    pub(crate) fn has_worker(&self) -> bool {
        self.with_core(|_| ()).is_some()
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

    /// Queues tasks that this worker took from another queue. If the worker was handed off, leaves
    /// them in `tasks`.
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

    /// Whether no task is queued. If so, the LIFO slot, which is cheaper, keeps the order too.
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
        self.with_core(|core| {
            self.worker.counters.count(Event::Complete);
            core.registry.remove(slot)
        })
    }

    /// Records that a task that is registered with the worker `origin` completed here.
    #[inline]
    pub(crate) fn remove_from(&self, origin: &'static Worker, slot: u32) {
        let mut removals = self.remote_removals.borrow_mut();
        let slots = &mut removals[origin.index];
        slots.push(slot);
        if slots.len() >= REMOTE_REMOVALS_BATCH {
            origin.remove_remote(slots);
        }
    }

    /// Reports to every worker which of its tasks completed here. Called before the thread parks or
    /// leaves its worker.
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
