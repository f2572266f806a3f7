//! The types [`Runtime`] and [`Handle`].

mod builder;
mod global;

use std::fmt;
use std::future::Future;
use std::time::Duration;

use reveille_primitive::atomic::{AtomicU64, Ordering};
use reveille_task::JoinHandle;

pub use self::builder::Builder;
pub use self::global::shutdown_global;
use crate::context;
pub use crate::metrics::Metrics;
pub use crate::observe::{TaskMeta, UnhandledPanic};
use crate::scheduler::block_on::block_on;
use crate::scheduler::global::started_global;
use crate::scheduler::multi::{self, RuntimeRef};
pub use crate::scheduler::multi::{Shutdown, ShutdownReport, TaskInfo};
use crate::scheduler::serving;
use crate::task_options::{here, is_large, large};

/// A runtime: worker threads, their drivers and timers, and a pool for blocking closures.
///
/// Most programs use the global runtime through [`spawn`](crate::spawn) and similar functions. A
/// runtime of your own has its own threads, and you decide when it ends: dropping it cancels its
/// tasks, waits for the polls and blocking closures in progress, and joins its threads.
///
/// Inside its tasks and inside [`Runtime::block_on`] the free functions use this runtime.
///
/// # Examples
///
/// ```
/// use reveille::runtime::Builder;
/// use reveille::task;
///
/// let runtime = Builder::new().workers(1).build()?;
/// let sum = runtime.block_on(async { task::spawn(async { 1 + 2 }).await });
/// assert_eq!(sum, 3);
/// # std::io::Result::Ok(())
/// ```
pub struct Runtime {
    handle: Handle,
    is_stopped: bool,
    /// The seed for the random numbers of the next `block_on`, in a runtime with a seed.
    next_seed: Option<AtomicU64>,
}

/// A handle to spawn onto a [`Runtime`] from anywhere. It does not keep the runtime alive.
///
/// # Examples
///
/// ```
/// use reveille::runtime::Runtime;
/// use std::time::Duration;
///
/// let runtime = Runtime::start()?;
/// let handle = runtime.handle();
/// // From a thread that is not part of the runtime.
/// let thread = std::thread::spawn(move || handle.spawn(async { 7 }));
/// assert_eq!(runtime.block_on(thread.join().unwrap()), 7);
///
/// runtime.shutdown(Duration::from_secs(10));
/// assert!(!handle.is_running());
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Copy)]
pub struct Handle {
    runtime: RuntimeRef,
}

impl Runtime {
    pub(crate) fn new(runtime: RuntimeRef) -> Runtime {
        let next_seed = runtime.seed().map(AtomicU64::new);
        Runtime { handle: Handle::new(runtime), is_stopped: false, next_seed }
    }

    /// Starts a runtime with the defaults of [`Builder`].
    ///
    /// # Errors
    ///
    /// Returns an error if the system refuses a thread or a descriptor.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::runtime::Runtime;
    ///
    /// let runtime = Runtime::start()?;
    /// assert_eq!(runtime.block_on(async { 1 + 1 }), 2);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn start() -> std::io::Result<Runtime> {
        Builder::new().build()
    }

    /// Runs `future` on the calling thread until it is ready; spawned tasks go to this runtime.
    ///
    /// # Panics
    ///
    /// Panics if `future` does.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::runtime::Runtime;
    /// use reveille::task;
    ///
    /// let runtime = Runtime::start()?;
    /// // The future stays on this thread and may borrow; the tasks it spawns go to the runtime.
    /// let name = String::from("report");
    /// let length = runtime.block_on(async {
    ///     task::spawn(async { 2 }).await + name.len()
    /// });
    /// assert_eq!(length, 8);
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        let next = self.next_seed.as_ref().map(|seed| seed.fetch_add(1, Ordering::Relaxed));
        let _seeded = context::seed_random(next);
        let runtime = Some(self.handle.runtime);
        if is_large::<F>() {
            return block_on(runtime, here(), Box::pin(future));
        }
        block_on(runtime, here(), future)
    }

    /// Spawns a task onto this runtime.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::runtime::Runtime;
    ///
    /// let runtime = Runtime::start()?;
    /// let task = runtime.spawn(async { "done" });
    /// assert_eq!(runtime.block_on(task), "done");
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        if is_large::<F>() {
            return self.handle.runtime.spawn(Box::pin(future), large::<F>(here()));
        }
        self.handle.runtime.spawn(future, here())
    }

    /// A handle to spawn onto this runtime from elsewhere.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::runtime::Runtime;
    ///
    /// let runtime = Runtime::start()?;
    /// let handle = runtime.handle(); // small, and `Copy`
    /// drop(runtime);
    /// assert!(!handle.is_running()); // it did not keep the runtime alive
    /// # std::io::Result::Ok(())
    /// ```
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.handle
    }

    /// The current metrics of the runtime.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::runtime::Builder;
    ///
    /// let runtime = Builder::new().workers(2).build()?;
    /// assert_eq!(runtime.metrics().workers, 2);
    /// # std::io::Result::Ok(())
    /// ```
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        self.handle.metrics()
    }

    /// Ends the runtime: cancels its tasks and waits, for at most `timeout`, for polls and blocking
    /// closures in progress. Reports what was cancelled and what was still running.
    ///
    /// A thread of the runtime itself cannot wait. If it makes this call, another thread waits, and
    /// the call returns the default report.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::future;
    /// use reveille::runtime::Runtime;
    /// use std::time::Duration;
    ///
    /// let runtime = Runtime::start()?;
    /// let stuck = runtime.spawn(future::pending::<()>());
    /// let report = runtime.shutdown(Duration::from_secs(10));
    /// assert!(report.is_complete());
    /// assert_eq!(report.cancelled_tasks, 1);
    /// assert!(stuck.is_finished()); // its future is dropped
    /// # std::io::Result::Ok(())
    /// ```
    pub fn shutdown(mut self, timeout: Duration) -> Shutdown {
        self.stop(Some(timeout))
    }

    /// Lets running tasks finish, for at most `patience`, and then ends the runtime. Reports what
    /// it cancelled.
    ///
    /// From this call on the runtime accepts no new tasks from outside: a task spawned by a thread
    /// that is not part of the runtime is cancelled immediately. Running tasks and blocking
    /// closures may still start others, because they may need them to finish. The call returns as
    /// soon as all tasks have ended. To make a long-running task end early, signal it through a
    /// cancellation token or a channel.
    ///
    /// When `patience` has passed, this thread cancels the remaining tasks and drops their futures.
    /// It waits at most another 100 ms for a poll or closure that blocks. After that it reports the
    /// blocked code, which keeps running.
    ///
    /// A thread of the runtime itself cannot wait. If it makes this call, another thread waits, and
    /// the call returns the default report, which is empty.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::runtime::Runtime;
    /// use reveille::{future, task};
    /// use std::time::Duration;
    ///
    /// let runtime = Runtime::start()?;
    /// let answer = runtime.spawn(async { 42 });
    /// let report = runtime.shutdown_gracefully(Duration::from_secs(60));
    /// assert!(report.is_complete());
    /// assert_eq!(task::block_on(answer), 42);
    ///
    /// // A task that does not end is cancelled, and the report names it.
    /// let runtime = Runtime::start()?;
    /// runtime.spawn(future::pending::<()>());
    /// let report = runtime.shutdown_gracefully(Duration::from_millis(20));
    /// assert_eq!(report.cancelled.len(), 1);
    /// assert!(report.cancelled[0].spawned_at.is_some());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn shutdown_gracefully(mut self, patience: Duration) -> ShutdownReport {
        self.is_stopped = true;
        let shared = self.handle.runtime.pool();
        if self.is_inside() {
            multi::from_inside(shared, move || drop(multi::drain(shared, patience)));
            return ShutdownReport::default();
        }
        multi::drain(shared, patience)
    }

    /// Whether the calling thread belongs to the runtime, so that it cannot wait for the runtime's
    /// end.
    fn is_inside(&self) -> bool {
        multi::own_pool() == Some(self.handle.runtime)
    }

    fn stop(&mut self, timeout: Option<Duration>) -> Shutdown {
        if std::mem::replace(&mut self.is_stopped, true) {
            return Shutdown::default();
        }
        let shared = self.handle.runtime.pool();
        if self.is_inside() {
            multi::from_inside(shared, move || {
                multi::stop(shared, timeout);
            });
            return Shutdown::default();
        }
        multi::stop(shared, timeout)
    }
}

impl Drop for Runtime {
    /// The same as [`Runtime::shutdown`] with no timeout.
    fn drop(&mut self) {
        self.stop(None);
    }
}

impl Handle {
    pub(crate) fn new(runtime: RuntimeRef) -> Handle {
        Handle { runtime }
    }

    /// The runtime that [`spawn`](crate::spawn) uses here. Starts the global runtime if necessary.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::runtime::{Builder, Handle};
    ///
    /// let runtime = Builder::new().workers(1).build()?;
    /// let workers = runtime.block_on(async { Handle::current().metrics().workers });
    /// assert_eq!(workers, 1); // the runtime of this task, not the global one
    /// # std::io::Result::Ok(())
    /// ```
    #[must_use]
    pub fn current() -> Handle {
        Handle::new(serving::runtime())
    }

    /// Returns the runtime that [`spawn`](crate::spawn) uses here, and starts nothing. Returns
    /// `None` if the thread belongs to no runtime and the global one has not started.
    ///
    /// # Examples
    ///
    /// ```standalone_crate
    /// use reveille::runtime::Handle;
    /// use reveille::task;
    ///
    /// assert!(Handle::try_current().is_none());
    /// task::block_on(task::spawn(async {}));
    /// assert!(Handle::try_current().is_some(), "the spawn started the global runtime");
    /// ```
    #[must_use]
    pub fn try_current() -> Option<Handle> {
        multi::current_runtime().or_else(started_global).map(Handle::new)
    }

    /// Runs `future` on the calling thread until it is ready, as [`Runtime::block_on`] does. Tasks
    /// that it spawns go to this runtime. If the runtime has ended, they are cancelled, but the
    /// future itself runs to completion.
    ///
    /// # Panics
    ///
    /// Panics if `future` does.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::runtime::Builder;
    /// use reveille::task;
    ///
    /// let runtime = Builder::new().workers(1).build()?;
    /// let handle = runtime.handle();
    /// // A thread that only has a handle.
    /// let thread = std::thread::spawn(move || {
    ///     handle.block_on(async { task::spawn(async { 7 }).await })
    /// });
    /// assert_eq!(thread.join().unwrap(), 7);
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        if is_large::<F>() {
            return block_on(Some(self.runtime), here(), Box::pin(future));
        }
        block_on(Some(self.runtime), here(), future)
    }

    /// Runs `closure` on a thread of this runtime where blocking is allowed. If the runtime has
    /// ended, the closure is dropped and the task is cancelled.
    ///
    /// Dropping the handle lets it run. Cancelling prevents it if it has not started.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::runtime::Runtime;
    ///
    /// let runtime = Runtime::start()?;
    /// let handle = runtime.handle();
    /// let sum = handle.spawn_blocking(|| (1..=10).sum::<u32>());
    /// assert_eq!(runtime.block_on(sum), 55);
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn spawn_blocking<F, T>(&self, closure: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        crate::spawn_blocking_on(self.runtime, closure, here())
    }

    /// Spawns a task onto the runtime. If the runtime has ended, the task is cancelled.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::runtime::Runtime;
    /// use reveille::task;
    ///
    /// let runtime = Runtime::start()?;
    /// let handle = runtime.handle();
    /// assert_eq!(task::block_on(handle.spawn(async { 5 })), 5);
    ///
    /// drop(runtime);
    /// let late = handle.spawn(async { 5 });
    /// assert_eq!(task::block_on(late.cancel()), None); // it never ran
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        if is_large::<F>() {
            return self.runtime.spawn(Box::pin(future), large::<F>(here()));
        }
        self.runtime.spawn(future, here())
    }

    /// Whether the runtime is running.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::runtime::Runtime;
    ///
    /// let runtime = Runtime::start()?;
    /// let handle = runtime.handle();
    /// assert!(handle.is_running());
    /// drop(runtime);
    /// assert!(!handle.is_running());
    /// # std::io::Result::Ok(())
    /// ```
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.runtime.is_open()
    }

    /// The current metrics of the runtime.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::runtime::Handle;
    ///
    /// // The metrics of the global runtime, because this code runs outside any other.
    /// println!("{:#?}", Handle::current().metrics());
    /// ```
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        self.runtime.metrics()
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime").field("metrics", &self.metrics()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("is_running", &self.is_running()).finish_non_exhaustive()
    }
}
