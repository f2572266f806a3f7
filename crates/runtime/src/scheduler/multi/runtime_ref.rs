//! One use of a pool's memory, and the global one.
//!
//! A pool's memory is never freed, only used again, by another runtime. So what outlives
//! a runtime (a [`Handle`](crate::Handle), a blocking closure that runs on, a thread-local's
//! destructor) names the pool together with the number of its use. An operation on a use that has
//! ended is refused or goes to the global pool; it never reaches the next use. In a child process
//! made by `fork` all uses of the parent have ended.

use std::future::Future;
use std::io;
use std::sync::{Arc, OnceLock};

use reveille_driver::Driver;
use reveille_primitive::atomic::{AtomicBool, Ordering};
use reveille_primitive::fork;
use reveille_primitive::thread::backoff;
use reveille_task::{JoinHandle, Options};

use super::{RemoteState, Scheduler, WorkerPool, thread_index};
use crate::blocking::Pool;
use crate::config::Config;
use crate::metrics::Metrics;
use crate::observe::PanicHook;
use crate::scheduler::current;
use crate::timer::Timers;

/// The upper bits of a number are the generation of the process, the lower ones count.
const GENERATION_SHIFT: u32 = 40;

/// See the header of the module.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RuntimeRef {
    pool: &'static WorkerPool,
    generation: u64,
}

impl PartialEq for RuntimeRef {
    fn eq(&self, other: &RuntimeRef) -> bool {
        std::ptr::eq(self.pool, other.pool) && self.generation == other.generation
    }
}

impl WorkerPool {
    /// Begins another use of this pool. Under the lock of `remote`.
    pub(super) fn next_generation(&'static self) -> RuntimeRef {
        let before = self.generation.load(Ordering::SeqCst);
        let count = (before + 1) & ((1 << GENERATION_SHIFT) - 1);
        let number = u64::from(fork::generation()) << GENERATION_SHIFT | count;
        self.generation.store(number, Ordering::SeqCst);
        RuntimeRef { pool: self, generation: number }
    }

    /// The present use of this pool. Asked by its own threads, which it does not end without, and
    /// by the thread that starts or ends it.
    pub(crate) fn runtime_ref(&'static self) -> RuntimeRef {
        RuntimeRef { pool: self, generation: self.generation.load(Ordering::SeqCst) }
    }
}

impl RuntimeRef {
    #[inline]
    pub(crate) fn pool(self) -> &'static WorkerPool {
        self.pool
    }

    /// Whether it has not begun to end.
    pub(crate) fn is_up(self) -> bool {
        // The flag first: a later use changes the number before it clears the flag, so a flag that
        // is clear because of that use is followed by a number that is not ours.
        !self.pool.is_stopping.load(Ordering::SeqCst) && self.is_current()
    }

    fn is_current(self) -> bool {
        self.pool.generation.load(Ordering::SeqCst) == self.generation && !self.is_inherited()
    }

    /// Whether it belongs to the parent of this process: its threads are not here, and its locks
    /// may be held by them forever.
    pub(crate) fn is_inherited(self) -> bool {
        self.generation >> GENERATION_SHIFT != u64::from(fork::generation())
    }

    /// Whether it has not ended yet.
    pub(crate) fn is_open(self) -> bool {
        !self.is_inherited() && {
            let remote = self.pool.remote.lock();
            self.is_current() && remote.config.is_some()
        }
    }

    /// Whether the calling thread may register a task that no worker spawns.
    pub(super) fn admits(self, remote: &RemoteState) -> bool {
        remote.config.is_some() && self.is_up() && !self.refuses()
    }

    /// Whether this thread may start nothing here: the pool drains, and the thread is not its own.
    fn refuses(self) -> bool {
        self.pool.is_draining.load(Ordering::Relaxed) && current::own_pool() != Some(self)
    }

    /// The hook for panics of tasks that are not awaited.
    pub(crate) fn panic_hook(self) -> Option<PanicHook> {
        if self.is_inherited() {
            return None;
        }
        let remote = self.pool.remote.lock();
        let config = remote.config.as_ref().filter(|_| self.is_current());
        config.and_then(|config| config.on_panic.clone())
    }

    /// What the random numbers of its `block_on`s begin with, if that was asked for.
    pub(crate) fn seed(self) -> Option<u64> {
        self.pool.remote.lock().config.as_ref().and_then(|config| config.seed)
    }

    /// The pool of blocking threads, if the calling thread may use it.
    pub(crate) fn blocking(self) -> Option<Arc<Pool>> {
        if self.is_inherited() {
            return None;
        }
        let remote = self.pool.remote.lock();
        let may_use = self.is_current() && !self.refuses();
        remote.blocking.as_ref().filter(|_| may_use).map(Arc::clone)
    }

    /// The timers for sleeps of threads that turn none.
    pub(crate) fn remote_timers(self) -> &'static Timers {
        &self.pool.workers[0].timers
    }

    /// A driver for the sources of threads that turn none; `None` when the runtime has ended.
    pub(crate) fn remote_driver(self) -> Option<Arc<Driver>> {
        let index = thread_index() % self.pool.workers.len();
        let driver = self.pool.workers[index].driver.lock().clone();
        driver.filter(|_| self.is_up())
    }

    /// Numbers of this moment. All zero once the memory serves another use.
    pub(crate) fn metrics(self) -> Metrics {
        if self.is_inherited() {
            return Metrics::default();
        }
        let metrics = self.pool.metrics();
        if self.is_current() { metrics } else { Metrics::default() }
    }

    /// Spawns onto this pool.
    ///
    /// On a runtime that is shut down the future is dropped at once and the handle is that of a
    /// cancelled task.
    #[inline]
    pub(crate) fn spawn<F>(self, future: F, options: Options) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        current::with_worker(|worker| {
            let worker = worker.filter(|worker| worker.runtime() == self);
            let scheduler_ref =
                worker.map_or(&self.pool.remote_scheduler, |worker| &worker.worker().scheduler);
            let scheduler = Scheduler(scheduler_ref);
            let (task, handle, kept) = reveille_task::spawn_kept(future, scheduler, options);
            self.pool.bind(worker, task, kept, scheduler_ref, self);
            handle
        })
    }

    /// Makes a task that is cancelled at once: what a runtime that is shut down spawns.
    pub(crate) fn spawn_cancelled<F>(self, future: F, options: Options) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let scheduler = Scheduler(&self.pool.remote_scheduler);
        let (task, handle) = reveille_task::spawn(future, scheduler, options);
        drop(task);
        handle
    }
}

/// The default pool, and behind it that of the child process that was made by `fork`, and so on.
static GLOBAL: OnceLock<Box<Global>> = OnceLock::new();

struct Global {
    runtime: RuntimeRef,
    of_child: OnceLock<Box<Global>>,
}

/// A thread starts it.
static IS_STARTING: AtomicBool = AtomicBool::new(false);

/// The right to start the global pool. A flag, which a child process can take back from a thread
/// that it has not got.
struct GlobalStart;

impl GlobalStart {
    fn begin() -> GlobalStart {
        let mut times = 0;
        while IS_STARTING.swap(true, Ordering::Acquire) {
            backoff(times);
            times += 1;
        }
        GlobalStart
    }
}

impl Drop for GlobalStart {
    fn drop(&mut self) {
        IS_STARTING.store(false, Ordering::Release);
    }
}

/// In a child process: the thread that starts the global pool is the parent's. Called by the
/// handler of `fork`.
pub(crate) fn forget_start() {
    IS_STARTING.store(false, Ordering::Release);
}

/// The global pool, if it has started.
#[inline]
pub(crate) fn started_global() -> Option<RuntimeRef> {
    let mut slot = &GLOBAL;
    while let Some(global) = slot.get() {
        if !global.runtime.is_inherited() {
            return Some(global.runtime);
        }
        slot = &global.of_child;
    }
    None
}

/// The global pool, started by the first use.
///
/// # Panics
///
/// Panics when not even one worker thread can be created.
#[inline]
pub(crate) fn global() -> RuntimeRef {
    started_global().unwrap_or_else(|| try_global().unwrap_or_else(|error| refuse_global(&error)))
}

/// Tells that the global pool is needed and cannot be had.
#[cold]
fn refuse_global(error: &io::Error) -> ! {
    panic!("reveille: could not start the global runtime: {error}")
}

/// The global pool, started by the first use.
///
/// # Errors
///
/// As [`WorkerPool::start`].
pub(crate) fn try_global() -> io::Result<RuntimeRef> {
    match started_global() {
        Some(global) => Ok(global),
        None => start_unless_up(Config::global).map(|(global, _)| global),
    }
}

/// Makes a pool with this configuration the global one.
///
/// # Errors
///
/// Fails when there is a global pool, and as [`WorkerPool::start`] does.
pub(crate) fn start_global(config: Config) -> io::Result<RuntimeRef> {
    match start_unless_up(|| config)? {
        (global, true) => Ok(global),
        (_, false) => Err(io::Error::new(io::ErrorKind::AlreadyExists, "the global runtime is up")),
    }
}

/// The global pool, and whether it was started by this call.
fn start_unless_up(config: impl FnOnce() -> Config) -> io::Result<(RuntimeRef, bool)> {
    let _starting = GlobalStart::begin();
    if let Some(global) = started_global() {
        return Ok((global, false));
    }
    let runtime = WorkerPool::start(config())?;
    let mut slot = &GLOBAL;
    while let Some(global) = slot.get() {
        slot = &global.of_child;
    }
    let is_set = slot.set(Box::new(Global { runtime, of_child: OnceLock::new() })).is_ok();
    assert!(is_set, "one thread at a time starts it");
    Ok((runtime, true))
}
