//! A pool: the state that its workers, threads and tasks share.
//!
//! # Invariants
//!
//! 1. A generation ends only when every task of it is complete. So when a task is queued, its pool
//!    is up, or a thread is shutting it down and waits for the task.
//! 2. A task is registered before its first `Runnable` can run, and removed by `completed`.
//!
//! Rejected: an `Arc` of the pool in each task. It costs two contended read-modify-writes per
//! spawn, and the last reference may be dropped on a thread of the pool, or inside the waker of
//! another library.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use reveille_primitive::atomic::{AtomicBool, AtomicU64, Ordering};
use reveille_primitive::lock::Mutex;
use reveille_task::Runnable;
use reveille_trace::WorkerId;

use super::handoff_queue::HandoffQueue;
use super::idle::Idle;
use super::injector::Injector;
use super::modes::{Modes, STOPPING};
use super::monitor::Monitor;
use super::worker::Worker;
use crate::blocking::Pool;
use crate::config::Config;
use crate::metrics::Metrics;
use crate::observe::Event;
use crate::scheduler::panic_hook::HookSlot;
use crate::scheduler::registry::Registry;
use crate::threads::thread_index;

/// A task's reference to its executor.
#[derive(Debug)]
pub(crate) struct SchedulerRef {
    pool: OnceLock<&'static WorkerPool>,
    worker: Option<usize>,
}

impl SchedulerRef {
    pub(super) fn new(worker: Option<usize>) -> SchedulerRef {
        SchedulerRef { pool: OnceLock::new(), worker }
    }

    #[inline]
    pub(super) fn pool(&self) -> &'static WorkerPool {
        self.pool.get().expect("a pool is tied together before it is used")
    }

    /// The worker where the task is registered; `None` for a task that no worker has spawned.
    #[inline]
    pub(super) fn worker(&self) -> Option<usize> {
        self.worker
    }
}

/// One pool. See the header of the module.
#[derive(Debug)]
pub(crate) struct WorkerPool {
    pub(super) workers: Box<[Worker]>,
    pub(super) injector: Injector,
    pub(super) idle: Idle,
    /// The scheduler of tasks that no worker has spawned.
    pub(super) remote_scheduler: SchedulerRef,
    pub(super) remote: Mutex<RemoteState>,
    /// The number of the current [`Generation`](crate::scheduler::generation::Generation). Changed
    /// under the lock `remote`, before `STOPPING` is cleared.
    pub(super) generation: AtomicU64,
    pub(super) modes: Modes,
    /// Set while the pool drains: its tasks may finish, and no task is accepted from outside.
    pub(super) is_draining: AtomicBool,
    /// The number of the present runtime in recordings.
    pub(super) runtime_number: AtomicU64,
    /// Tasks that were spawned, and that ended, where no worker counts them.
    pub(super) spawned_elsewhere: AtomicU64,
    pub(super) ended_elsewhere: AtomicU64,
    /// The threads that wait for a worker, and the workers that wait for a thread.
    pub(super) handoffs: HandoffQueue,
    pub(super) monitor: Monitor,
    /// The hook that panics of this generation are reported to.
    pub(super) hook: HookSlot,
}

/// The state for threads without a worker, under one lock.
#[derive(Debug, Default)]
pub(super) struct RemoteState {
    /// The tasks that no worker has spawned.
    pub(super) registry: Registry,
    /// The configuration of this generation; `None` before and after it.
    pub(super) config: Option<Arc<Config>>,
    pub(super) blocking: Option<Arc<Pool>>,
}

/// Pools that are not in use.
pub(super) static UNUSED: Mutex<Vec<&'static WorkerPool>> = Mutex::new(Vec::new());

impl WorkerPool {
    /// Makes a pool of `workers` workers, whose memory is never freed.
    pub(super) fn allocate(workers: usize) -> &'static WorkerPool {
        let pool: &'static WorkerPool = Box::leak(Box::new(WorkerPool {
            workers: (0..workers).map(Worker::new).collect(),
            injector: Injector::new(workers),
            idle: Idle::new(workers),
            remote_scheduler: SchedulerRef::new(None),
            remote: Mutex::default(),
            generation: AtomicU64::new(0),
            modes: Modes::default(),
            is_draining: AtomicBool::new(false),
            runtime_number: AtomicU64::new(0),
            spawned_elsewhere: AtomicU64::new(0),
            ended_elsewhere: AtomicU64::new(0),
            handoffs: HandoffQueue::new(),
            monitor: Monitor::new(),
            hook: HookSlot::default(),
        }));
        let schedulers = pool.workers.iter().map(|worker| &worker.scheduler);
        for scheduler in schedulers.chain([&pool.remote_scheduler]) {
            scheduler.pool.set(pool).expect("set once, here");
        }
        pool
    }

    pub(crate) fn worker(&'static self, index: usize) -> &'static Worker {
        &self.workers[index]
    }

    /// The configuration of the current generation.
    ///
    /// # Panics
    ///
    /// Panics when the pool is down, which would be a bug of the runtime.
    pub(super) fn config(&self) -> Arc<Config> {
        self.remote.lock().config.clone().expect("called only while the pool is up")
    }

    /// The pool of blocking threads, for the thread that ends the runtime.
    pub(super) fn blocking(&self) -> Option<Arc<Pool>> {
        self.remote.lock().blocking.clone()
    }

    /// Called in a child process. The thread that forked stops running its worker when its poll
    /// returns.
    pub(super) fn refuse_child(&self) {
        self.modes.set(STOPPING, true);
    }

    #[inline]
    pub(crate) fn is_stopping(&self) -> bool {
        self.modes.has_any(STOPPING)
    }

    /// The identifier of a worker in recordings.
    pub(super) fn recorded_worker(&self, index: usize) -> WorkerId {
        let runtime = self.runtime_number.load(Ordering::Relaxed) as u16;
        WorkerId { runtime, index: u16::try_from(index).unwrap_or(u16::MAX) }
    }

    /// Queues a task from outside and wakes a worker for it.
    pub(super) fn inject(&'static self, task: Runnable) {
        self.injector.push(thread_index(), task);
        self.wake_one();
    }

    /// Wakes a parked worker to search, unless a worker searches already.
    pub(crate) fn wake_one(&'static self) {
        if let Some(parked) = self.idle.claim_sleeper() {
            self.workers[parked].notify();
        }
    }

    /// Whether no worker is awake.
    pub(super) fn all_parked(&self) -> bool {
        self.idle.parked_count() == self.workers.len()
    }

    /// Whether one worker is awake and all others are parked. A worker without a thread is not
    /// parked.
    pub(super) fn is_one_awake(&self) -> bool {
        self.idle.parked_count() + 1 == self.workers.len()
    }

    /// The current metrics.
    pub(crate) fn metrics(&'static self) -> Metrics {
        let sum =
            |event| -> u64 { self.workers.iter().map(|worker| worker.counters.get(event)).sum() };
        // The ends are read first, so there are never more of them than of spawns.
        let ended = sum(Event::Complete) + self.ended_elsewhere.load(Ordering::Acquire);
        let spawned = sum(Event::Spawn) + self.spawned_elsewhere.load(Ordering::Relaxed);
        let drivers = self.workers.iter().filter_map(Worker::driver);
        let io = drivers.map(|driver| (driver.metrics(), driver.sources())).collect::<Vec<_>>();
        let blocking = self.blocking().map(|blocking| blocking.metrics()).unwrap_or_default();
        Metrics {
            workers: self.workers.len(),
            parked_workers: self.idle.parked_count(),
            searching_workers: self.idle.searching_count(),
            busy_time: self.busy_time(),
            live_tasks: usize::try_from(spawned.saturating_sub(ended)).unwrap_or(usize::MAX),
            spawned_tasks: spawned,
            injected_tasks: self.injector.len(),
            queued_tasks: self.workers.iter().map(Worker::queued).sum(),
            polls: sum(Event::Poll),
            steals: sum(Event::Steal),
            parks: sum(Event::Park),
            sibling_wakes: sum(Event::WakeSibling),
            overflows: sum(Event::Overflow),
            takeovers: self.handoffs.handoff_count(),
            threads: self.handoffs.thread_count(),
            pending_timers: self.workers.iter().map(|worker| worker.timers.len_for_others()).sum(),
            sources: io.iter().map(|(_, sources)| sources).sum(),
            driver_turns: sum(Event::DriverTurn),
            source_events: io.iter().map(|(driver, _)| driver.events).sum(),
            read_batches: io.iter().map(|(driver, _)| driver.batches).sum(),
            batched_reads: io.iter().map(|(driver, _)| driver.batched_reads).sum(),
            blocking_threads: blocking.threads,
            idle_blocking_threads: blocking.idle,
            queued_closures: blocking.queued,
            running_closures: blocking.running,
            started_closures: blocking.started,
        }
    }

    /// How many polls the workers have made.
    pub(super) fn polls(&self) -> u64 {
        self.workers.iter().map(|worker| worker.counters.get(Event::Poll)).sum()
    }

    fn busy_time(&self) -> Duration {
        let config = self.remote.lock().config.clone();
        let Some(config) = config else { return Duration::ZERO };
        let now = config.clock.now_ns();
        Duration::from_nanos(self.workers.iter().map(|worker| worker.busy.until(now)).sum())
    }
}
