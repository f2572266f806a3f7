//! Asynchronous tasks: `std::thread` for futures.
//!
//! A task is a future that runs by itself. [`spawn`] submits it to a thread pool and returns a
//! [`JoinHandle`], which is a future of its output. A task costs about a hundred bytes and a few
//! dozen nanoseconds to start, where a thread costs kilobytes and tens of microseconds. A program
//! may have a million of them.
//!
//! | std | here | |
//! |---|---|---|
//! | `thread::spawn` | [`spawn`] | on the pool; the future must be `Send` |
//! | | [`spawn_local`] | on this thread; the future need not be `Send` |
//! | | [`spawn_blocking`] | a closure that may block, on a thread of its own |
//! | `JoinHandle::join` | `handle.await` | resumes a panic of the task |
//! | dropping the handle | the same | detaches the task |
//! | | [`JoinHandle::cancel`] | drops the future at its current `.await` |
//! | `thread::sleep`, `sleep_until` | [`sleep`], [`sleep_until`] | |
//! | `thread::yield_now` | [`yield_now`] | |
//! | `thread::current` | [`current`] | |
//! | `thread::Builder` | [`Builder`] | |
//! | `thread_local!` | [`task_local!`](crate::task_local) | |
//! | | [`block_on`] | runs a future from synchronous code |
//! | `thread::scope` | [`scope`], [`try_scope`] | tasks that end before the function that started them |
//! | | [`JoinSet`] | results in the order of completion; dropping it cancels |
//! | | [`CancellationToken`] | stops sleeps, socket operations and waits for blocking closures |
//!
//! Children of [`scope`] are tasks and own what they use. Children of
//! [`future::scope`](crate::future::scope) may borrow, and share the thread of the task that they
//! are in.
//!
//! # Where to run it
//!
//! * **[`spawn`]** for work that mostly waits. The future moves between threads, so it must be
//!   `Send` and own what it uses (`'static`): move an `Arc` into it rather than a reference.
//! * **[`spawn_local`]** for work that must stay on this thread, such as an `Rc` held across an
//!   await. It runs only while this thread does: in [`block_on`], or between the tasks of a worker.
//! * **[`spawn_blocking`]** for a closure that calls blocking functions or computes for more than
//!   some tens of microseconds. It cannot be interrupted once it has started.
//! * **A combinator** of [`FutureExt`](crate::future::FutureExt) for work that need not be a task:
//!   it borrows, costs no allocation, and ends with the function around it.
//!
//! # How a task ends
//!
//! A task finishes, panics or is cancelled. When it finishes, its output waits for the handle. When
//! it panics, awaiting the handle resumes the panic; if nothing awaits it, a line on standard error
//! (or [`on_unhandled_panic`](crate::runtime::Builder::on_unhandled_panic)) reports it, and the
//! other tasks keep running. When it is cancelled, by [`JoinHandle::cancel`] or because its runtime
//! shuts down, its future is dropped at its current `.await`. [`JoinHandle::result`] distinguishes
//! the three.
//!
//! ```
//! use reveille::{future, task};
//!
//! task::block_on(async {
//!     let finished = task::spawn(async { "output" });
//!     assert_eq!(finished.result().await.unwrap(), "output");
//!
//!     let endless = task::spawn(future::pending::<()>());
//!     endless.abort();
//!     assert!(endless.result().await.unwrap_err().is_cancelled());
//! });
//! ```
//!
//! Dropping a handle detaches its task. The program does not wait for detached tasks at its end:
//! await what must be finished before `main` returns.
//!
//! # Fairness
//!
//! A task lets others run when it waits. Sockets and files that are always ready never wait, so
//! after 32 operations in one poll (see [`event_budget`](crate::runtime::Builder::event_budget))
//! they send the task to the back of the queue. So do [`io::copy`](crate::io::copy()) and the
//! methods that consume a [`stream`](crate::stream). Channels, locks and plain computation are not
//! counted: call [`yield_now`] in such loops. The [guide](crate::guide) has the details.
//!
//! # Examples
//!
//! ```
//! use reveille::task;
//!
//! let sum = task::block_on(async {
//!     let one = task::spawn(async { 1 });
//!     let two = task::spawn(async { 2 });
//!     one.await + two.await
//! });
//! assert_eq!(sum, 3);
//! ```

mod builder;
mod join_set;
mod local;
mod scope;
mod token;

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reveille_runtime::time::Sleep;

pub use builder::Builder;
pub use join_set::{AbortHandle, JoinSet};
pub use local::{AccessError, LocalKey};
pub use reveille_runtime::{JoinError, JoinHandle, JoinResult, Task, TaskId};
pub use scope::{Scope, ScopedJoinHandle, scope, try_scope};
#[doc(no_inline)]
pub use std::task::{Context, Poll, Waker, ready};
pub use token::{BlockingHandle, CancellationToken, Cancelled, CancelledFuture, DropGuard, Run};

/// Spawns a task onto the thread pool.
///
/// It starts to run on the thread pool at once, whether its handle is awaited or not, and keeps
/// running if the handle is dropped. Inside a [runtime](crate::runtime) of your own, it is a task
/// of that runtime. Elsewhere it is a task of the global runtime, which the first call starts.
///
/// # Panics
///
/// Panics if the global runtime cannot start because the system refuses a thread or a descriptor. A
/// later call tries again.
///
/// If the memory for the task cannot be allocated, the process ends as after any failed allocation:
/// [`std::alloc::handle_alloc_error`] aborts it.
///
/// # Examples
///
/// ```
/// use reveille::task;
///
/// let task = task::spawn(async { 6 * 7 });
/// assert_eq!(task::block_on(task), 42);
/// ```
#[inline]
#[track_caller]
pub fn spawn<F, T>(future: F) -> JoinHandle<T>
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    let handle = reveille_runtime::spawn(future);
    trace_spawn("spawn", &handle);
    handle
}

/// Spawns a task onto the current thread. Its future need not be `Send`.
///
/// It runs while this thread is in [`block_on`] or, on a thread of the pool, between other tasks. A
/// task that is unfinished when `block_on` returns continues in the next `block_on`, and is dropped
/// when the thread ends.
///
/// On a thread where only another crate's executor runs, such as `futures::executor::block_on`, the
/// task runs only while its handle is awaited on that thread.
///
/// # Examples
///
/// ```
/// use reveille::task;
/// use std::rc::Rc;
///
/// task::block_on(async {
///     let shared = Rc::new(5);
///     let task = task::spawn_local({
///         let shared = Rc::clone(&shared);
///         async move { *shared + 1 }
///     });
///     assert_eq!(task.await, 6);
/// });
/// ```
#[inline]
#[track_caller]
#[doc(alias("LocalSet", "LocalExecutor"))]
pub fn spawn_local<F, T>(future: F) -> JoinHandle<T>
where
    F: Future<Output = T> + 'static,
    T: 'static,
{
    let handle = reveille_runtime::spawn_local(future);
    trace_spawn("spawn_local", &handle);
    handle
}

/// Runs a closure that may block on a thread of the blocking pool.
///
/// Threads are started on demand, up to 500 (or `BLOCKING_MAX_THREADS`), and exit when they are
/// idle. Closures start in the order in which they were submitted.
///
/// Awaiting the handle returns the closure's result or resumes its panic. Cancelling it has an
/// effect only before the closure has started.
///
/// # Examples
///
/// ```
/// use reveille::task;
///
/// task::block_on(async {
///     let lines = task::spawn_blocking(|| {
///         let text = std::fs::read_to_string("Cargo.toml").unwrap_or_default();
///         text.lines().count()
///     });
///     println!("{} lines", lines.await);
/// });
/// ```
#[inline]
#[track_caller]
#[doc(alias("unblock", "block_in_place"))]
pub fn spawn_blocking<F, T>(f: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    reveille_runtime::spawn_blocking(f)
}

/// Runs a future on this thread until it is ready, and returns its output.
///
/// While it waits, the thread drives its own sockets and timers and polls the tasks of
/// [`spawn_local`]. The tasks of [`spawn`] run on the pool. The future need not be `Send`, and may
/// borrow.
///
/// You may call it anywhere, even inside a task. There, another thread takes over the work of the
/// thread that blocks.
///
/// # Other executors
///
/// The future may contain another executor, such as a GUI's event loop or another crate's
/// `block_on`. The thread then cannot drive its own sockets and timers; another thread serves them
/// after some milliseconds.
///
/// # Nesting
///
/// While a `block_on` inside a task waits, it polls other tasks of its thread: local ones, and the
/// pool's if no other thread is available for them. They are polled on top of its own stack, and
/// only while half of the stack is free. If the future waits for one of these tasks at that moment,
/// it waits forever.
///
/// # Panics
///
/// Panics if the future does.
///
/// # Examples
///
/// ```
/// use reveille::task;
///
/// let name = String::from("world");
/// let greeting = task::block_on(async { format!("hello, {name}") });
/// assert_eq!(greeting, "hello, world");
/// ```
#[inline]
#[doc(alias("run", "enter"))]
#[track_caller]
pub fn block_on<F, T>(future: F) -> T
where
    F: Future<Output = T>,
{
    if log::log_enabled!(log::Level::Trace) {
        return block_on_traced(None, future);
    }
    reveille_runtime::block_on(future)
}

/// Runs the future of a `block_on` and logs it, if that log level is enabled.
#[cold]
#[track_caller]
fn block_on_traced<F: Future>(name: Option<Arc<str>>, future: F) -> F::Output {
    let parent = current_number();
    reveille_runtime::task::block_on_named(name, async move {
        log::trace!(task_id = current_number(), parent_task_id = parent; "block_on");
        future.await
    })
}

/// Waits for `dur`, counted from this call.
///
/// The returned [`Sleep`] is a future that can be named and reset. It never ends early. It ends
/// late by the time that the system takes to wake a thread, some 30 to 60 µs on an idle Linux
/// machine. [`Duration::MAX`] never ends.
///
/// # Cancel safety
///
/// Dropping the future cancels the timer.
///
/// # Examples
///
/// ```
/// use reveille::task;
/// use std::time::{Duration, Instant};
///
/// task::block_on(async {
///     let start = Instant::now();
///     task::sleep(Duration::from_millis(5)).await;
///     assert!(start.elapsed() >= Duration::from_millis(5));
/// });
/// ```
#[inline]
#[doc(alias("Timer", "Delay", "delay_for"))]
pub fn sleep(dur: Duration) -> Sleep {
    Sleep::after(dur)
}

/// Waits until `deadline`.
///
/// It is as precise as [`sleep`]. A deadline that has passed is ready at once. Sleeping until
/// successive deadlines does not drift, whatever the work between them costs.
///
/// # Cancel safety
///
/// Dropping the future cancels the timer.
///
/// # Examples
///
/// ```
/// use reveille::task;
/// use std::time::{Duration, Instant};
///
/// task::block_on(async {
///     let start = Instant::now();
///     for tick in 1..=3 {
///         let deadline = start + tick * Duration::from_millis(2);
///         task::sleep_until(deadline).await;
///         assert!(Instant::now() >= deadline);
///     }
/// });
/// ```
#[inline]
#[doc(alias("Timer", "delay_until"))]
pub fn sleep_until(deadline: Instant) -> Sleep {
    Sleep::until(deadline)
}

/// Yields to other tasks.
///
/// The task goes to the back of the queue. Call this now and then in a long computation, so that
/// other tasks on the same thread can run.
///
/// # Cancel safety
///
/// Dropping the future loses nothing.
///
/// # Examples
///
/// ```
/// use reveille::task;
///
/// task::block_on(async {
///     let mut sum = 0_u64;
///     for n in 0..1_000 {
///         sum += n;
///         if n % 100 == 0 {
///             task::yield_now().await;
///         }
///     }
///     assert_eq!(sum, 499_500);
/// });
/// ```
#[inline]
#[doc(alias("consume_budget", "coop"))]
pub async fn yield_now() {
    reveille_runtime::yield_now().await;
}

/// Returns the current task: its id and its name.
///
/// # Panics
///
/// Panics outside a task. [`block_on`] counts as a task; the closure of [`spawn_blocking`] does
/// not. [`try_current`] returns `None` instead.
///
/// # Examples
///
/// ```
/// use reveille::task;
///
/// task::block_on(async {
///     println!("this is task {}", task::current().id());
/// });
/// ```
#[must_use]
#[doc(alias = "id")]
pub fn current() -> Task {
    try_current().expect("`task::current()` called outside the context of a task")
}

/// Returns the current task, or `None` outside a task.
///
/// # Examples
///
/// ```
/// use reveille::task;
///
/// assert!(task::try_current().is_none());
/// task::block_on(async { assert!(task::try_current().is_some()) });
/// ```
#[must_use]
pub fn try_current() -> Option<Task> {
    reveille_runtime::task::try_current()
}

/// Logs that a task was spawned, in async-std's words, if that log level is enabled.
#[inline]
fn trace_spawn<T>(how: &str, handle: &JoinHandle<T>) {
    if log::log_enabled!(log::Level::Trace) {
        let (task, parent) = (handle.id().get(), current_number());
        log::trace!(task_id = task, parent_task_id = parent; "{how}");
    }
}

/// Returns the number of the current task, or 0 outside a task. Task numbers begin at 1.
fn current_number() -> u64 {
    try_current().map_or(0, |task| task.id().get())
}
