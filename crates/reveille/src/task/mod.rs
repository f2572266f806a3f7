//! Tasks: what [`std::thread`] has for threads, for futures.
//!
//! A task is a future that runs by itself: [`spawn`] hands it to a pool of threads, and returns a
//! [`JoinHandle`] that is a future of its output. Tasks cost about a hundred bytes and some dozen
//! nanoseconds to start, where a thread costs kilobytes and tens of microseconds, so a program may
//! have a million of them.
//!
//! | of std | here | |
//! |---|---|---|
//! | `thread::spawn` | [`spawn`] | on the pool; the future must be `Send` |
//! | | [`spawn_local`] | on this thread; it need not be |
//! | | [`spawn_blocking`] | a closure that may block, on a thread of its own |
//! | `JoinHandle::join` | `handle.await` | a panic of the task resumes there |
//! | dropping the handle | the same | the task goes on |
//! | | [`JoinHandle::cancel`] | the future is dropped where it stands |
//! | `thread::sleep`, `sleep_until` | [`sleep`], [`sleep_until`] | |
//! | `thread::yield_now` | [`yield_now`] | |
//! | `thread::current` | [`current`] | |
//! | `thread::Builder` | [`Builder`] | |
//! | `thread_local!` | [`task_local!`](crate::task_local) | |
//! | | [`block_on`] | from a thread into the asynchronous world |
//! | `thread::scope` | [`scope`], [`try_scope`] | tasks that end before the function that made them |
//! | | [`JoinSet`] | results in the order of completion; dropping it cancels |
//! | | [`CancellationToken`] | ends sleeps, operations on sockets, the wait for blocking closures |
//!
//! Children of [`scope`] are tasks and own what they use. Those of
//! [`future::scope`](crate::future::scope) borrow, and share the thread of the task they are in.
//!
//! # Where to run it
//!
//! * **[`spawn`]** for whatever mostly waits. The future moves between threads, so it must be
//!   `Send` and own what it uses (`'static`): move an `Arc` into it rather than a reference.
//! * **[`spawn_local`]** for what must stay on this thread, such as an `Rc` held across an await.
//!   It runs only while this thread does: in [`block_on`], or between the tasks of a worker.
//! * **[`spawn_blocking`]** for a closure that calls blocking functions or computes for more than
//!   some tens of microseconds. It cannot be interrupted once it has started.
//! * **A combinator** of [`FutureExt`](crate::future::FutureExt) for what need not be a task: it
//!   borrows, costs no allocation, and ends with the function around it.
//!
//! # How a task ends
//!
//! It finishes, and its output waits for the handle. Or it panics: the panic resumes where the
//! handle is awaited; if nobody awaits it, a line on standard error (or
//! [`on_unhandled_panic`](crate::runtime::Builder::on_unhandled_panic)) says so, and the other
//! tasks go on. Or it is cancelled, by [`JoinHandle::cancel`], or because its runtime ends: then
//! its future is dropped at the `.await` where it stands. [`JoinHandle::result`] tells the three
//! apart.
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
//! Dropping a handle detaches its task. At the end of the program nobody waits for such tasks:
//! await what must be finished before `main` returns.
//!
//! # Turns
//!
//! A task gives way when it has to wait. Sockets and files that are always ready would let it go on
//! for ever, so after 32 operations in one poll (see
//! [`event_budget`](crate::runtime::Builder::event_budget)) they send it to the back of the queue,
//! and so do [`io::copy`](crate::io::copy()) and the methods that use up a
//! [`stream`](crate::stream). Channels and locks do not count, and a computation cannot: call
//! [`yield_now`] there.
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
pub use token::{CancellationToken, Cancelled, CancelledFuture, DropGuard, HandBack, Run};

/// Spawns a task.
///
/// It runs on the thread pool at once, whether its handle is awaited or not, and goes on when the
/// handle is dropped. Inside a runtime of your own (see [`runtime`](crate::runtime)) it is that
/// runtime's task, else one of the global runtime, which the first call starts.
///
/// # Panics
///
/// Panics when the global runtime cannot start, because the system refuses a thread or a
/// descriptor. A later call tries again.
///
/// When the memory for the task is refused, the process ends as after any other allocation that
/// fails: [`std::alloc::handle_alloc_error`] aborts it.
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
/// It runs while this thread is in [`block_on`], or, on a thread of the pool, between other tasks.
/// What is unfinished when `block_on` returns goes on in the next one, and is dropped when the
/// thread ends.
///
/// On a thread where only another crate's executor runs, such as `futures::executor::block_on`, the
/// task runs while its handle is awaited on that thread, and not otherwise.
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
pub fn spawn_local<F, T>(future: F) -> JoinHandle<T>
where
    F: Future<Output = T> + 'static,
    T: 'static,
{
    let handle = reveille_runtime::spawn_local(future);
    trace_spawn("spawn_local", &handle);
    handle
}

/// Runs a closure that may block on a thread that is there for it.
///
/// The threads are started as they are needed, up to 500 (or `BLOCKING_MAX_THREADS`), and leave
/// when there is nothing to do. Closures start in the order in which they were given.
///
/// Awaiting the handle gives what the closure returned, or resumes its panic. Cancelling it has an
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
/// [`spawn_local`]; the tasks of [`spawn`] are the pool's. The future need not be `Send`, and may
/// borrow.
///
/// May be called anywhere, also inside a task: then another thread takes over the work of the one
/// that blocks.
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
/// pool's if no other thread can be had for them. They are polled on top of its own stack, and only
/// while half of the stack is free. If the future then waits for one of these tasks, it waits
/// forever.
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
pub fn block_on<F, T>(future: F) -> T
where
    F: Future<Output = T>,
{
    if log::log_enabled!(log::Level::Trace) {
        return block_on_traced(None, future);
    }
    reveille_runtime::block_on(future)
}

/// Runs the future of a `block_on`, and logs that, as somebody listens at that level.
#[cold]
fn block_on_traced<F: Future>(name: Option<Arc<str>>, future: F) -> F::Output {
    let parent = current_number();
    reveille_runtime::task::block_on_named(name, async move {
        log::trace!(task_id = current_number(), parent_task_id = parent; "block_on");
        future.await
    })
}

/// Waits for `dur`.
///
/// Never ends early; late by what the system needs to wake a thread, some 30 to 60 µs on an idle
/// Linux machine. [`Duration::MAX`] never ends.
///
/// # Cancel safety
///
/// Dropping the future forgets it.
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
pub async fn sleep(dur: Duration) {
    Sleep::after(dur).await;
}

/// Waits until `deadline`.
///
/// As punctual as [`sleep`]; a deadline that has passed is over at once. What is to happen every so
/// often does not drift, whatever the work between costs.
///
/// # Cancel safety
///
/// Dropping the future forgets it.
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
pub async fn sleep_until(deadline: Instant) {
    Sleep::until(deadline).await;
}

/// Lets other tasks run.
///
/// The task goes to the back of the queue. A computation that takes long calls this now and then,
/// so that tasks on the same thread get their turn.
///
/// # Cancel safety
///
/// Nothing is lost but the turn.
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
pub async fn yield_now() {
    reveille_runtime::yield_now().await;
}

/// The current task: its id and its name.
///
/// # Panics
///
/// Panics outside of a task. [`block_on`] counts as one, the closure of [`spawn_blocking`] does
/// not. See [`try_current`].
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
pub fn current() -> Task {
    try_current().expect("`task::current()` called outside the context of a task")
}

/// The current task, or `None` outside of one.
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

/// Logs that a task was spawned, in the predecessor's words, when somebody listens at that level.
#[inline]
fn trace_spawn<T>(how: &str, handle: &JoinHandle<T>) {
    if log::log_enabled!(log::Level::Trace) {
        let (task, parent) = (handle.id().get(), current_number());
        log::trace!(task_id = task, parent_task_id = parent; "{how}");
    }
}

/// The number of the current task, or 0 outside of one, where the numbers of tasks begin at 1.
fn current_number() -> u64 {
    try_current().map_or(0, |task| task.id().get())
}
