//! The blocking pool: threads for closures that block.
//!
//! A closure becomes a task whose future calls it once, when polled; the pool is the scheduler of
//! that task. So there is one kind of join handle, a closure can be cancelled until it starts, and
//! a panic is resumed at the await. The threads themselves do not depend on tasks: [`pool`] runs
//! jobs of any type [`Job`] in order, and [`policy`] decides when to wake, start and end threads.
//!
//! # When there is no thread
//!
//! | situation                               | effect on a queued closure                       |
//! |-----------------------------------------|--------------------------------------------------|
//! | maximum reached, all threads busy       | waits for a thread; the queue has no bound       |
//! | a thread cannot be started, others exist| waits; each push and start of a job tries again  |
//! | no thread exists or can be started      | is dropped; awaiting its handle panics with the  |
//! |                                         | system's error in the message                    |
//! | the pool is shut down                   | is dropped; the task counts as cancelled         |
//!
//! Rejected: running the closure on the caller's thread. The caller is a worker, and the pool
//! exists so that workers do not block. Rejected: keeping it queued without a thread, because the
//! await would hang without an error.

mod jobs;
mod policy;
pub(crate) mod pool;
#[cfg(all(test, not(reveille_loom)))]
mod tests;

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use reveille_primitive::atomic::{AtomicUsize, Ordering};
use reveille_primitive::lock::Mutex;
use reveille_task::{Cause, JoinHandle, Kept, Options, Runnable, Schedule, TaskHandle, TaskRef};
use reveille_trace::Flavour;

use self::jobs::Jobs;
use self::pool::{BlockingShared, Job, contain};
pub(crate) use self::pool::{PoolConfig, PoolMetrics};
use crate::observe::{self, PanicHook};
use crate::record;
use crate::spin_policy::SPIN_NS;
use crate::threads::Spawner;

/// The same maximum as in async-std.
const MAX_THREADS: usize = 500;

/// Starting a thread costs 70 µs; keeping one asleep costs a few pages of its stack.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// About the cost of starting a thread, and the shortest time that a timed wait measures reliably.
const NAP: Duration = Duration::from_micros(50);

impl Default for PoolConfig {
    fn default() -> PoolConfig {
        PoolConfig {
            max_threads: MAX_THREADS,
            keep_alive: KEEP_ALIVE,
            spin_ns: SPIN_NS,
            nap: NAP,
            stack_size: None,
            thread_name: Arc::new(|number| format!("blocking-{number}")),
            on_start: None,
            on_stop: None,
        }
    }
}

/// Runs closures on its own threads.
///
/// Dropping it drops the closures that have not started and waits for the threads without a
/// closure. A thread that runs a closure ends after it.
pub(crate) struct Pool {
    shared: Arc<BlockingShared<Runnable>>,
}

impl Pool {
    /// Makes a pool without threads; `spawner` starts them when there is work. `on_panic` is called
    /// for panics that no code awaits.
    ///
    /// # Panics
    ///
    /// Panics if `config` allows no thread.
    pub(crate) fn new(config: PoolConfig, spawner: Spawner, on_panic: Option<PanicHook>) -> Pool {
        let refusals = Refusals { on_panic, ..Refusals::default() };
        Pool { shared: BlockingShared::new(config, spawner, refusals) }
    }

    /// Queues `closure`. Closures start in the order in which they were queued.
    ///
    /// Cancelling the handle before the closure has started drops the closure; afterwards it has no
    /// effect. The [module](self) documents what happens if there is no thread.
    pub(crate) fn spawn<F, T>(&self, closure: F, options: Options) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let future = Call { closure: Some(closure), shared: Arc::clone(&self.shared) };
        let scheduler = PoolSchedule { shared: Arc::clone(&self.shared) };
        let (runnable, handle) = reveille_task::spawn(future, scheduler, options);
        if reveille_task::is_recording() {
            record::spawned(runnable.as_task(), Flavour::Blocking);
        }
        queue(&self.shared, runnable);
        handle
    }

    /// Closes the pool: drops the closures that have not started, which cancels their tasks, and
    /// waits for running ones until `deadline`, an instant of the system's clock, or without a
    /// limit if it is `None`.
    ///
    /// Returns the number of closures that were still running.
    pub(crate) fn shutdown(&self, deadline: Option<Instant>) -> usize {
        self.shared.shutdown(deadline)
    }

    /// The tasks of the closures that run and of those that are queued.
    pub(crate) fn jobs(&self) -> Jobs<TaskHandle> {
        self.shared.jobs()
    }

    /// The current metrics of the pool.
    pub(crate) fn metrics(&self) -> PoolMetrics {
        self.shared.metrics()
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.abandon();
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("metrics", &self.metrics()).finish_non_exhaustive()
    }
}

/// Queues a task, or cancels it if the pool is closed.
fn queue(shared: &Arc<BlockingShared<Runnable>>, runnable: Runnable) {
    if let Err(runnable) = shared.push(runnable) {
        contain(|| drop(runnable));
    }
}

/// The scheduler handle of the pool's tasks.
#[derive(Clone)]
struct PoolSchedule {
    shared: Arc<BlockingShared<Runnable>>,
}

impl Schedule for PoolSchedule {
    fn schedule(&self, task: Runnable, _: Cause) {
        queue(&self.shared, task);
    }

    fn completed(&self, _: TaskRef<'_>) -> Option<Kept> {
        None
    }

    fn unhandled_panic(&self, task: TaskRef<'_>, payload: Box<dyn Any + Send>) {
        observe::unhandled(self.shared.context.on_panic.as_ref(), task, payload);
    }
}

impl Job for Runnable {
    type Context = Refusals;
    type Info = TaskHandle;

    fn info(&self) -> TaskHandle {
        self.as_task().to_handle()
    }

    fn run(self) {
        let addr = self.as_task().addr();
        let is_recorded = reveille_task::is_recording();
        if is_recorded {
            record::begin_poll(addr);
        }
        // The future of a closure is complete after one poll.
        let _ = Runnable::run(self);
        if is_recorded {
            record::end_poll(addr);
        }
    }

    fn refuse(self, refusals: &Refusals, error: &io::Error) {
        refusals.during(error, || drop(Runnable::run(self)));
    }
}

/// The future of a task of the pool: calls the closure.
struct Call<F> {
    closure: Option<F>,
    shared: Arc<BlockingShared<Runnable>>,
}

/// The closure is never pinned: it is moved out before it is called.
impl<F> Unpin for Call<F> {}

impl<F: FnOnce() -> T, T> Future for Call<F> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<T> {
        let closure = self.closure.take().expect("a call is complete after one poll");
        if let Some(error) = self.shared.context.of_this_thread() {
            drop(closure);
            panic!("the blocking pool could not start a thread for a closure: {error}");
        }
        Poll::Ready(closure())
    }
}

/// Records the threads that poll a task only to fail it with an error.
///
/// A future has no access to the `Runnable` that is polled, so it reads the error from here. Costs
/// one load if no task is being refused.
#[derive(Default)]
pub(crate) struct Refusals {
    /// The hook for panics that no code awaits. It is here because the same code needs it.
    on_panic: Option<PanicHook>,
    count: AtomicUsize,
    threads: Mutex<Vec<(ThreadId, String)>>,
}

impl Refusals {
    /// Calls `poll` while `error` is recorded for this thread.
    fn during(&self, error: &io::Error, poll: impl FnOnce()) {
        let id = thread::current().id();
        self.threads.lock().push((id, error.to_string()));
        self.count.fetch_add(1, Ordering::Relaxed);
        // `Runnable::run` catches the panic, so the record is always removed.
        poll();
        self.count.fetch_sub(1, Ordering::Relaxed);
        let mut threads = self.threads.lock();
        if let Some(at) = threads.iter().rposition(|(other, _)| *other == id) {
            threads.remove(at);
        }
    }

    /// The error with which this thread refuses tasks, if it does. A thread always sees its own
    /// record, so no ordering is needed.
    fn of_this_thread(&self) -> Option<String> {
        if self.count.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let id = thread::current().id();
        let threads = self.threads.lock();
        threads.iter().rfind(|(other, _)| *other == id).map(|(_, error)| error.clone())
    }
}
