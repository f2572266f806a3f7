//! The blocking pool: threads for closures that block.
//!
//! A closure becomes a task whose future calls it, once, when polled; the pool is that task's
//! scheduler. So there is one kind of join handle, a closure can be cancelled until it starts, and
//! a panic arrives at the await. The threads do not know tasks: [`pool`] runs any [`Job`] in the
//! order given, and [`policy`] decides when it wakes, starts and lets go of threads.
//!
//! # When there is no thread
//!
//! | situation                               | a queued closure                                 |
//! |-----------------------------------------|--------------------------------------------------|
//! | all threads run, the maximum is reached | waits for one of them, however many are queued   |
//! | a thread cannot be started, others exist| waits for one; each push and each start of a job |
//! |                                         | tries again                                      |
//! | a thread cannot be started, none exists | is dropped; awaiting its handle panics with the  |
//! |                                         | system's error in the message                    |
//! | the pool is shut down                   | is dropped; the task counts as cancelled         |
//!
//! Running the closure on the caller's thread instead was rejected: the caller is a worker, and
//! blocking it is what the pool is there to prevent. So was keeping it queued without a thread: the
//! await would hang for a reason nobody can see.

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
use reveille_task::{Cause, JoinHandle, Kept, Options, Runnable, Schedule, TaskRef};

use self::pool::{BlockingShared, Job, contain};
pub(crate) use self::pool::{PoolConfig, PoolMetrics};
use crate::observe::{self, PanicHook};
use crate::threads::Spawner;
use crate::timer::clock::Clock;

/// As many threads as the predecessor's pool had at most.
const MAX_THREADS: usize = 500;

/// Starting a thread costs 70 µs, keeping one asleep a few pages of its stack.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// Three times what it costs to wake a thread that sleeps.
const SPIN: Duration = Duration::from_micros(20);

/// About what it costs to start a thread, and what a timed wait can be trusted to measure.
const NAP: Duration = Duration::from_micros(50);

impl Default for PoolConfig {
    fn default() -> PoolConfig {
        PoolConfig {
            max_threads: MAX_THREADS,
            keep_alive: KEEP_ALIVE,
            spin: SPIN,
            nap: NAP,
            stack_size: None,
            thread_name: Arc::new(|number| format!("blocking-{number}")),
            on_start: None,
            on_stop: None,
        }
    }
}

/// Runs closures on threads of its own.
///
/// Dropping it drops the closures that have not started, waits for the threads that run none, and
/// leaves the others to end with theirs.
pub(crate) struct Pool {
    shared: Arc<BlockingShared<Runnable>>,
}

impl Pool {
    /// Makes a pool without threads, which `spawner` starts when there is work. `on_panic` is told
    /// of panics that nobody awaits.
    ///
    /// # Panics
    ///
    /// Panics when `config` allows no thread.
    pub(crate) fn new(config: PoolConfig, spawner: Spawner, on_panic: Option<PanicHook>) -> Pool {
        let refusals = Refusals { on_panic, ..Refusals::default() };
        Pool { shared: BlockingShared::new(config, spawner, Clock::system(), refusals) }
    }

    /// Queues `closure`. Closures start in the order in which they were given.
    ///
    /// Cancelling the handle before the closure has started drops it; afterwards it runs to its
    /// end. See the [module](self) for what happens without threads.
    pub(crate) fn spawn<F, T>(&self, closure: F, options: Options) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let future = Call { closure: Some(closure), shared: Arc::clone(&self.shared) };
        let scheduler = PoolSchedule { shared: Arc::clone(&self.shared) };
        let (runnable, handle) = reveille_task::spawn(future, scheduler, options);
        queue(&self.shared, runnable);
        handle
    }

    /// Closes the pool: closures that have not started are dropped and their tasks cancelled, those
    /// that run are waited for until `deadline`, an instant of the system's clock, or for as
    /// long as it takes if that is `None`.
    ///
    /// Returns how many were still running.
    pub(crate) fn shutdown(&self, deadline: Option<Instant>) -> usize {
        self.shared.shutdown(deadline)
    }

    /// The pool's numbers.
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

/// What the tasks of a pool know of it.
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

    fn run(self) {
        // A call is complete after one poll.
        let _ = Runnable::run(self);
    }

    fn refuse(self, refusals: &Refusals, error: &io::Error) {
        refusals.during(error, || drop(Runnable::run(self)));
    }
}

/// The future of a task of the pool.
struct Call<F> {
    closure: Option<F>,
    shared: Arc<BlockingShared<Runnable>>,
}

/// Nothing is pinned: the closure is moved out before it is called.
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

/// Which threads are polling tasks only to tell them that they will not be run.
///
/// A future sees nothing of the `Runnable` that polls it, so the reason takes this way. Costs one
/// load as long as nothing is refused.
#[derive(Default)]
pub(crate) struct Refusals {
    /// Not about refusals, but needed in the same places: who is told of panics nobody awaits.
    on_panic: Option<PanicHook>,
    count: AtomicUsize,
    threads: Mutex<Vec<(ThreadId, String)>>,
}

impl Refusals {
    /// Calls `poll` with its thread marked.
    fn during(&self, error: &io::Error, poll: impl FnOnce()) {
        let id = thread::current().id();
        self.threads.lock().push((id, error.to_string()));
        self.count.fetch_add(1, Ordering::Relaxed);
        // `Runnable::run` catches the panic, so the mark is always taken back.
        poll();
        self.count.fetch_sub(1, Ordering::Relaxed);
        let mut threads = self.threads.lock();
        if let Some(at) = threads.iter().rposition(|(other, _)| *other == id) {
            threads.remove(at);
        }
    }

    /// Why this thread refuses tasks, if it does. A thread sees its own mark in any case, so no
    /// ordering is needed.
    fn of_this_thread(&self) -> Option<String> {
        if self.count.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let id = thread::current().id();
        let threads = self.threads.lock();
        threads.iter().rfind(|(other, _)| *other == id).map(|(_, error)| error.clone())
    }
}
