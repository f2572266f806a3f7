//! The work-stealing pool: workers with run queues, the threads that run them, and what they share.
//!
//! `README.md` describes how workers sleep and how tasks wake them.
//!
//! # Vocabulary
//!
//! * **pool**: the workers, the injector and their threads. Pools are never freed, only used
//!   again: a waker that is about to queue a task may touch its pool at any later time, and finds
//!   memory.
//! * **generation**: counts the runtimes that a pool has served. A [`RuntimeRef`] is a pool and a
//!   generation.
//! * **scheduler**: what a task knows of its executor ([`SchedulerRef`]): the pool, and the worker
//!   where the task is registered.
//!
//! # Invariants
//!
//! 1. A generation ends only when every task of it is complete. So a task that is queued always
//!    finds its pool up, or being shut down by a thread that waits for the task.
//! 2. A task is registered before its first `Runnable` can run, and removed by `completed`.
//!
//! Rejected: an `Arc` of the pool in each task. It costs two contended read-modify-writes per
//! spawn, and the last reference may be dropped on a thread of the pool, or inside a foreign
//! waker.

mod block_in_place;
mod diagnosis;
mod drain;
mod environment;
#[cfg(all(test, not(reveille_loom)))]
mod failure_tests;
mod handoff;
mod handoff_queue;
mod idle;
mod injector;
mod monitor;
mod pace;
mod queue;
mod registry;
mod runtime_ref;
mod shutdown;
#[cfg(all(test, not(reveille_loom)))]
mod tests;
mod watchdog;
mod worker;
mod worker_thread;
mod worker_threads;

use std::any::Any;
use std::cell::Cell;
use std::io;
use std::sync::{Arc, OnceLock};
use std::task::Waker;

use reveille_primitive::atomic::{AtomicBool, AtomicU64, Ordering};
use reveille_primitive::fork;
use reveille_primitive::lock::Mutex;
use reveille_task::{Cause, Kept, Runnable, Schedule, TaskRef};

use crate::blocking::Pool;
use crate::config::Config;
use crate::context;
use crate::metrics::Metrics;
use crate::observe::{self, Event};
use crate::scheduler::current;
use crate::timer;
pub(crate) use block_in_place::BlockInPlace;
pub(crate) use diagnosis::describe;
pub(crate) use drain::drain;
pub use drain::{ShutdownReport, TaskInfo};
pub(crate) use handoff::PollCounter;
use idle::Idle;
use injector::Injector;
use monitor::Monitor;
pub(crate) use registry::Registry;
pub(crate) use runtime_ref::RuntimeRef;
pub(crate) use runtime_ref::{forget_start, global, start_global, started_global, try_global};
pub use shutdown::Shutdown;
pub(crate) use shutdown::{from_inside, stop};
pub(crate) use watchdog::Watchdog;
pub(crate) use worker::{Worker, WorkerContext};
use worker_threads::WorkerThreads;

/// What a task knows of its executor.
#[derive(Debug)]
pub(crate) struct SchedulerRef {
    pool: OnceLock<&'static WorkerPool>,
    worker: Option<usize>,
}

impl SchedulerRef {
    fn new(worker: Option<usize>) -> SchedulerRef {
        SchedulerRef { pool: OnceLock::new(), worker }
    }

    #[inline]
    fn pool(&self) -> &'static WorkerPool {
        self.pool.get().expect("a pool is tied together before it is used")
    }
}

/// The scheduler handle of a pool's task: one pointer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scheduler(&'static SchedulerRef);

/// One pool.
#[derive(Debug)]
pub(crate) struct WorkerPool {
    workers: Box<[Worker]>,
    injector: Injector,
    idle: Idle,
    /// The scheduler of tasks that no worker has spawned.
    remote_scheduler: SchedulerRef,
    remote: Mutex<RemoteState>,
    /// Counts the runtimes of this pool. Changed under the lock `remote`, before `is_stopping` is
    /// cleared.
    generation: AtomicU64,
    is_stopping: AtomicBool,
    /// Tasks may finish, and no task is accepted from outside.
    is_draining: AtomicBool,
    threads: WorkerThreads,
    pub(super) monitor: Monitor,
}

#[derive(Debug, Default)]
struct RemoteState {
    registry: Registry,
    /// What this generation was built with; `None` before and after.
    config: Option<Arc<Config>>,
    blocking: Option<Arc<Pool>>,
}

/// Pools that are not in use.
static UNUSED: Mutex<Vec<&'static WorkerPool>> = Mutex::new(Vec::new());

impl WorkerPool {
    /// Brings a pool up: a new one, or one that served before.
    ///
    /// # Errors
    ///
    /// Fails when a driver or a thread cannot be created; then nothing is left behind.
    pub(crate) fn start(config: Config) -> io::Result<RuntimeRef> {
        current::watch_forks();
        let pool = WorkerPool::unused(config.workers);
        let runtime = {
            let mut remote = pool.remote.lock();
            let runtime = pool.next_generation();
            remote.blocking = Some(environment::blocking_pool(&config, runtime));
            remote.config = Some(Arc::new(config));
            runtime
        };
        pool.is_stopping.store(false, Ordering::SeqCst);
        pool.is_draining.store(false, Ordering::SeqCst);
        match pool.open() {
            Ok(()) => Ok(runtime),
            Err(error) => {
                stop(pool, None);
                Err(error)
            }
        }
    }

    fn unused(workers: usize) -> &'static WorkerPool {
        shutdown::retry_in_doubt();
        // In a child process the lock may be held forever.
        let unused = if fork::generation() == 0 { Some(UNUSED.lock()) } else { UNUSED.try_lock() };
        if let Some(mut unused) = unused {
            let found = unused.iter().position(|pool| pool.workers.len() == workers);
            if let Some(found) = found {
                return unused.swap_remove(found);
            }
        }
        let pool: &'static WorkerPool = Box::leak(Box::new(WorkerPool {
            workers: (0..workers).map(Worker::new).collect(),
            injector: Injector::new(workers),
            idle: Idle::new(workers),
            remote_scheduler: SchedulerRef::new(None),
            remote: Mutex::default(),
            generation: AtomicU64::new(0),
            is_stopping: AtomicBool::new(false),
            is_draining: AtomicBool::new(false),
            threads: WorkerThreads::new(),
            monitor: Monitor::new(),
        }));
        for scheduler in
            pool.workers.iter().map(|worker| &worker.scheduler).chain([&pool.remote_scheduler])
        {
            scheduler.pool.set(pool).expect("set once, here");
        }
        diagnosis::enter(pool);
        pool
    }

    /// Creates the drivers and the threads.
    fn open(&'static self) -> io::Result<()> {
        let config = self.config();
        timer::detect_ticks();
        self.idle.reset();
        for worker in &self.workers {
            worker.counters.reset();
            let driver = environment::driver(&config)?;
            let notified = Arc::clone(&driver);
            worker.timers.set_notify(Some(Arc::new(move || notified.notify())));
            *worker.driver.lock() = Some(driver);
        }
        self.threads.open(self, &config)?;
        self.monitor.start(self, &config)
    }

    pub(crate) fn worker(&'static self, index: usize) -> &'static Worker {
        &self.workers[index]
    }

    /// What the current generation was built with.
    ///
    /// # Panics
    ///
    /// Panics when the pool is down: a fault of the runtime.
    fn config(&self) -> Arc<Config> {
        self.remote.lock().config.clone().expect("called only while the pool is up")
    }

    /// The pool of blocking threads, for the thread that ends the runtime.
    fn blocking(&self) -> Option<Arc<Pool>> {
        self.remote.lock().blocking.clone()
    }

    /// In a child process: ends the worker whose poll has forked when that poll returns.
    pub(crate) fn refuse_child(&self) {
        self.is_stopping.store(true, Ordering::SeqCst);
    }

    #[inline]
    pub(crate) fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Relaxed)
    }

    /// Registers a new task and queues it.
    fn bind(
        &'static self,
        worker: Option<&WorkerContext>,
        task: Runnable,
        kept: Kept,
        scheduler: &'static SchedulerRef,
        runtime: RuntimeRef,
    ) {
        let refused = match worker {
            Some(worker) => worker.bind(task, kept).err(),
            None => Some((task, kept)),
        };
        if let Some((task, kept)) = refused {
            self.bind_remote(task, kept, scheduler, runtime);
        }
    }

    /// Registers and queues a new task of a thread that runs no worker, or lost it during this
    /// poll.
    #[cold]
    fn bind_remote(
        &'static self,
        task: Runnable,
        kept: Kept,
        scheduler: &'static SchedulerRef,
        runtime: RuntimeRef,
    ) {
        let mut kept = Some(kept);
        let mut insert = |registry: &mut Registry| kept.take().map(|kept| registry.insert(kept));
        let registered = match scheduler.worker {
            _ if runtime.is_inherited() => None,
            Some(_) if self.is_stopping() => None,
            Some(index) => self.workers[index].core.with(|core, _| insert(&mut core.registry)),
            None => {
                let mut remote = self.remote.lock();
                if runtime.admits(&remote) { insert(&mut remote.registry) } else { None }
            }
        };
        if registered.is_some() {
            self.inject(task);
        } else {
            // The runtime is shut down. Dropping the permission to poll cancels the task.
            drop((task, kept));
        }
    }

    /// Queues a task from outside and wakes a worker for it.
    fn inject(&'static self, task: Runnable) {
        self.injector.push(thread_index(), task);
        self.wake_one();
    }

    /// Wakes a sleeping worker to search, unless one searches already.
    pub(crate) fn wake_one(&'static self) {
        if let Some(parked) = self.idle.claim_sleeper() {
            self.workers[parked].notify();
        }
    }

    /// Numbers for a snapshot.
    pub(crate) fn metrics(&'static self) -> Metrics {
        let sum = |event| self.workers.iter().map(|worker| worker.counters.get(event)).sum();
        let batches = self.workers.iter().map(Worker::read_batches);
        let (read_batches, batched_reads) =
            batches.fold((0, 0), |sum, of| (sum.0 + of.0, sum.1 + of.1));
        Metrics {
            workers: self.workers.len(),
            parked_workers: self.idle.parked_count(),
            searching_workers: self.idle.searching_count(),
            injected_tasks: self.injector.len(),
            queued_tasks: self.workers.iter().map(Worker::queued).sum(),
            polls: sum(Event::Poll),
            steals: sum(Event::Steal),
            parks: sum(Event::Park),
            sibling_wakes: sum(Event::WakeSibling),
            overflows: sum(Event::Overflow),
            driver_turns: sum(Event::DriverTurn),
            read_batches,
            batched_reads,
            takeovers: self.threads.handoff_count(),
            threads: self.threads.thread_count(),
        }
    }
}

impl Schedule for Scheduler {
    fn schedule(&self, task: Runnable, _cause: Cause) {
        let pool = self.0.pool();
        let refused = current::with_worker(|worker| match worker {
            Some(worker) if std::ptr::eq(worker.pool(), pool) => worker.push(task, true).err(),
            _ => Some(task),
        });
        if let Some(task) = refused {
            pool.inject(task);
        }
    }

    fn wake_joiner(&self, waker: Waker) {
        // Behind the queued tasks. Otherwise a task that spawned many others and awaits each would
        // be polled after each of them.
        context::with_batch(|| waker.wake());
    }

    fn completed(&self, task: TaskRef<'_>) -> Option<Kept> {
        let slot = task.owned_slot();
        if slot == Kept::NO_SLOT {
            return None;
        }
        let pool = self.0.pool();
        let Some(index) = self.0.worker else {
            return Some(pool.remote.lock().registry.remove(slot));
        };
        let origin = &pool.workers[index];
        current::with_worker(|worker| match worker {
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

    fn unhandled_panic(&self, task: TaskRef<'_>, payload: Box<dyn Any + Send>) {
        let hook = self.0.pool().runtime_ref().panic_hook();
        observe::unhandled(hook.as_ref(), task, payload);
    }
}

/// A number that differs between threads, to spread them over shards.
pub(crate) fn thread_index() -> usize {
    static NEXT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(1);
    THREAD_INDEX.with(|index| {
        if index.get() == 0 {
            index.set(NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
        }
        index.get()
    })
}

/// Whether `number` is the [`thread_index`] of this thread.
#[inline]
pub(crate) fn is_this_thread(number: usize) -> bool {
    THREAD_INDEX.with(Cell::get) == number
}

thread_local!(static THREAD_INDEX: Cell<usize> = const { Cell::new(0) });
