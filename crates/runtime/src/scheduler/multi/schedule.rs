//! The tasks of a pool: how they are spawned, queued when they are woken, and unregistered.
//!
//! A task that a worker spawns or wakes stays with that worker, in its registry and in its LIFO
//! slot or run queue, without a lock. All other tasks go through shared state: the injector, the
//! registry for tasks that no worker has spawned, and the pending removals of the worker where the
//! task is registered.

use std::any::Any;
use std::future::Future;
use std::task::Waker;

use reveille_primitive::atomic::Ordering;
use reveille_task::{Cause, JoinHandle, Kept, Loss, Options, Runnable, Schedule, TaskRef};
use reveille_trace::Flavour;

use super::current::with_worker;
use super::modes::{HOOKS, RECORDING};
use super::pool::{SchedulerRef, WorkerPool};
use super::pool_task::PoolTask;
use super::runtime_ref::RuntimeRef;
use super::worker_context::WorkerContext;
use crate::context;
use crate::observe::{self, TaskHooks};
use crate::record;
use crate::scheduler::lost;
use crate::scheduler::registry::Registry;

/// The scheduler handle of a pool's task: one pointer.
#[derive(Clone, Copy, Debug)]
struct Scheduler(&'static SchedulerRef);

impl Scheduler {
    /// Calls the hook for the end of a task. No lock is held here.
    #[cold]
    fn call_end_hook(self, task: TaskRef<'_>) {
        let pool = self.0.pool();
        let hooks = with_worker(|worker| {
            pool.task_hooks(worker.filter(|worker| std::ptr::eq(worker.pool(), pool)))
        });
        hooks.ended(task);
    }
}

impl Schedule for Scheduler {
    fn schedule(&self, task: Runnable, _cause: Cause) {
        let pool = self.0.pool();
        let refused = with_worker(|worker| match worker {
            Some(worker) if std::ptr::eq(worker.pool(), pool) => worker.push(task, true).err(),
            _ => Some(task),
        });
        if let Some(task) = refused {
            pool.inject(task);
        }
    }

    fn wake_joiner(&self, waker: Waker) {
        // The task goes behind the queued tasks. Otherwise a task that awaits many tasks that it
        // has spawned would be polled after each of them.
        context::with_batch(|| waker.wake());
    }

    fn completed(&self, task: TaskRef<'_>) -> Option<Kept> {
        let slot = task.owned_slot();
        if slot == Kept::NO_SLOT {
            return None;
        }
        let pool = self.0.pool();
        if pool.modes.has_any(HOOKS) {
            self.call_end_hook(task);
        }
        let Some(index) = self.0.worker() else {
            pool.ended_elsewhere.fetch_add(1, Ordering::Release);
            return Some(pool.remote.lock().registry.remove(slot));
        };
        let origin = &pool.workers[index];
        with_worker(|worker| match worker {
            Some(worker) if std::ptr::eq(worker.worker(), origin) => {
                let kept = worker.unregister(slot);
                if kept.is_none() {
                    origin.remove_remote(&mut vec![slot]);
                }
                kept
            }
            Some(worker) if std::ptr::eq(worker.pool(), pool) => {
                worker.remove_from(origin, slot);
                None
            }
            _ => {
                origin.remove_remote(&mut vec![slot]);
                None
            }
        })
    }

    fn lost(&self, task: TaskRef<'_>, loss: Loss) {
        let runtime = self.0.pool().runtime_ref();
        lost::add(task, loss, || Box::new(PoolTask::new(runtime, task.to_handle())));
    }

    fn unhandled_panic(&self, task: TaskRef<'_>, payload: Box<dyn Any + Send>) {
        let hook = self.0.pool().runtime_ref().panic_hook();
        observe::unhandled(hook.as_ref(), task, payload);
    }
}

impl WorkerPool {
    /// The hooks for tasks. A worker thread of this runtime reads them without a lock.
    #[cold]
    fn task_hooks(&self, worker: Option<&WorkerContext>) -> TaskHooks {
        match worker {
            Some(worker) => worker.task_hooks().clone(),
            None => {
                let remote = self.remote.lock();
                remote.config.as_ref().map(|config| config.task_hooks.clone()).unwrap_or_default()
            }
        }
    }

    /// Records the spawn, if something is recorded. Returns whether the runtime has hooks.
    #[cold]
    #[inline(never)]
    fn observe_spawn(&self, task: TaskRef<'_>) -> bool {
        if self.modes.has_any(RECORDING) && !record::try_spawned(task, Flavour::Pool) {
            return self.observe_spawn_slow(task);
        }
        self.modes.has_any(HOOKS)
    }

    /// Apart, so that [`observe_spawn`](WorkerPool::observe_spawn) saves no registers.
    #[cold]
    #[inline(never)]
    fn observe_spawn_slow(&self, task: TaskRef<'_>) -> bool {
        record::spawned(task, Flavour::Pool);
        self.modes.has_any(HOOKS)
    }

    /// Like [`bind`](WorkerPool::bind), but also calls the hooks. The one for the spawn comes
    /// first, so it never follows the end of the task. A task that is refused has ended.
    #[cold]
    #[inline(never)]
    fn bind_with_hooks(
        &'static self,
        worker: Option<&WorkerContext>,
        task: Runnable,
        kept: Kept,
        scheduler: &'static SchedulerRef,
        runtime: RuntimeRef,
    ) {
        let watched = task.as_task().to_handle();
        let hooks = self.task_hooks(worker);
        hooks.spawned(watched.as_task());
        if !self.bind(worker, task, kept, scheduler, runtime) {
            hooks.ended(watched.as_task());
        }
    }

    /// Registers a new task and queues it. If it is refused, it is cancelled and this returns
    /// `false`.
    fn bind(
        &'static self,
        worker: Option<&WorkerContext>,
        task: Runnable,
        kept: Kept,
        scheduler: &'static SchedulerRef,
        runtime: RuntimeRef,
    ) -> bool {
        let refused = match worker {
            Some(worker) => worker.bind(task, kept).err(),
            None => Some((task, kept)),
        };
        match refused {
            Some((task, kept)) => self.bind_remote(task, kept, scheduler, runtime),
            None => true,
        }
    }

    /// Registers and queues a new task of a thread that runs no worker, or that lost its worker
    /// during this poll.
    #[cold]
    fn bind_remote(
        &'static self,
        task: Runnable,
        kept: Kept,
        scheduler: &'static SchedulerRef,
        runtime: RuntimeRef,
    ) -> bool {
        let mut kept = Some(kept);
        let mut insert = |registry: &mut Registry| kept.take().map(|kept| registry.insert(kept));
        let registered = match scheduler.worker() {
            _ if runtime.is_inherited() => None,
            Some(_) if self.is_stopping() => None,
            Some(index) => self.workers[index].core.with(|core, _| insert(&mut core.registry)),
            None => {
                let mut remote = self.remote.lock();
                if runtime.admits(&remote) { insert(&mut remote.registry) } else { None }
            }
        };
        if registered.is_some() {
            self.spawned_elsewhere.fetch_add(1, Ordering::Relaxed);
            self.inject(task);
        } else {
            // The runtime is shut down. Dropping the `Runnable` cancels the task.
            drop((task, kept));
        }
        registered.is_some()
    }
}

impl RuntimeRef {
    /// Spawns onto this pool.
    ///
    /// If the runtime is shut down, the future is dropped at once, and the handle is that of a
    /// cancelled task.
    #[inline]
    pub(crate) fn spawn<F>(self, future: F, options: Options) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        with_worker(|worker| {
            let worker = worker.filter(|worker| worker.runtime() == self);
            let scheduler_ref =
                worker.map_or(&self.pool().remote_scheduler, |worker| &worker.worker().scheduler);
            let scheduler = Scheduler(scheduler_ref);
            let (task, handle, kept) = reveille_task::spawn_kept(future, scheduler, options);
            let modes = &self.pool().modes;
            if modes.has_any(HOOKS | RECORDING) && self.pool().observe_spawn(task.as_task()) {
                self.pool().bind_with_hooks(worker, task, kept, scheduler_ref, self);
            } else {
                self.pool().bind(worker, task, kept, scheduler_ref, self);
            }
            handle
        })
    }

    /// Makes a task that is cancelled at once, for a spawn onto a runtime that is shut down.
    pub(crate) fn spawn_cancelled<F>(self, future: F, options: Options) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let scheduler = Scheduler(&self.pool().remote_scheduler);
        let (task, handle) = reveille_task::spawn(future, scheduler, options);
        if reveille_task::is_recording() {
            record::spawned(task.as_task(), Flavour::Pool);
        }
        drop(task);
        handle
    }
}

/// A task that is in no registry.
#[cfg(test)]
pub(super) fn unregistered_task(pool: &'static WorkerPool) -> Runnable {
    let scheduler = Scheduler(&pool.remote_scheduler);
    let (task, handle) = reveille_task::spawn(async {}, scheduler, Options::default());
    drop(handle);
    task
}
