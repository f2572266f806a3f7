//! Executors, timers and the blocking pool, on top of tasks and drivers.
//!
//! Internal to reveille: the public API is the crate `reveille`. The modules, lowest first:
//! `rng`, `threads`, `observe` < `lint` < `task_options`, `metrics`, `poll_counter`, `spin_policy`,
//! `tokio_context` < `timer` < `record` < `waits`, `polls`, `event_loop` < `blocking`, `context` <
//! `budget`, `config` < `scheduler` < `runtime` < `task`, `io`. `scheduler/mod.rs` and
//! `scheduler/multi/mod.rs` have the order inside these folders. `cargo xtask tidy` checks all
//! three. It also checks that no files import each other in a circle, except for two pairs that it
//! lists. Start reading at `scheduler/multi/worker_thread.rs`.

#![deny(unsafe_code)]
// The models include the files that they check. The rest of the crate needs what loom lacks.
#![cfg(not(reveille_loom))]

#[cfg(test)]
use reveille_watchdog as _;

#[cfg_attr(reveille_loom, allow(dead_code))]
pub(crate) mod blocking;
pub mod budget;
mod config;
mod context;
mod event_loop;
pub mod io;
mod lint;
mod metrics;
mod observe;
mod poll_counter;
mod polls;
mod record;
mod rng;
pub mod runtime;
mod scheduler;
mod spin_policy;
pub mod task;
mod task_options;
mod threads;
mod timer;
mod tokio_context;
pub mod waits;

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use reveille_task::Options;

pub use lint::{Lint, LintKind};
pub use reveille_primitive::spin_lock;
pub use reveille_primitive::sys::{FdLimit, TimerSlack, raise_fd_limit, without_sigpipe};
pub use reveille_task::{JoinError, JoinHandle, JoinResult, Task, TaskId};
pub use runtime::{
    Builder, Handle, Metrics, Runtime, Shutdown, ShutdownReport, TaskInfo, TaskMeta,
    UnhandledPanic, shutdown_global,
};
pub use scheduler::sleep as time;
pub use scheduler::{inspect, recording};

/// The tokio context, for the module of that name in the public crate.
#[cfg(feature = "tokio1")]
pub use reveille_tokio1 as tokio1;

use task_options::{here, is_large, large};

/// Random numbers of the current thread, for choices that must be fair.
pub mod random {
    /// Returns a pseudorandom number. Not for cryptography.
    #[must_use]
    pub fn next_u64() -> u64 {
        crate::context::next_random()
    }
}

/// Describes each runtime of this process and its tasks, for the report on a program that hangs.
#[must_use]
pub fn diagnosis() -> String {
    scheduler::multi::describe()
}

/// Runs `future` on the calling thread until it is ready, and returns its output.
///
/// While the thread waits, it drives its own sockets and timers and polls the tasks of
/// [`spawn_local`]; it sleeps when there is nothing to do. The future need not be `Send` or
/// `'static`.
///
/// May be called anywhere, even inside a task. In that case another thread takes over the worker
/// until the call returns, so that other tasks do not wait.
///
/// # Other executors
///
/// Another executor may run inside the future, such as a GUI's event loop or another crate's
/// `block_on`. The thread then cannot drive its own sockets and timers, and another thread serves
/// them after some milliseconds.
///
/// # Nesting
///
/// While a `block_on` inside a poll waits, it polls other tasks of its thread: the local ones, and
/// the worker's if no spare thread is available for them. These polls run on top of its own stack,
/// and stop once half of the stack is used. If the future then waits for one of those tasks, the
/// program hangs.
///
/// # Panics
///
/// Panics if `future` does.
///
/// # Examples
///
/// ```
/// # use reveille_runtime as reveille;
/// let text = String::from("not 'static");
/// assert_eq!(reveille::block_on(async { text.len() }), 11);
/// ```
#[track_caller]
pub fn block_on<F: Future>(future: F) -> F::Output {
    if is_large::<F>() {
        return scheduler::block_on::block_on(None, here(), Box::pin(future));
    }
    scheduler::block_on::block_on(None, here(), future)
}

/// Spawns a task onto the current runtime: that of the calling task, or otherwise the global one.
#[inline]
#[track_caller]
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    if is_large::<F>() {
        return scheduler::serving::runtime().spawn(Box::pin(future), large::<F>(here()));
    }
    scheduler::serving::runtime().spawn(future, here())
}

/// Spawns a task onto the executor of this thread, which runs while the thread is in [`block_on`]
/// or, on a worker, between its other tasks.
///
/// On a thread that only runs another crate's executor, the task runs only while its handle is
/// awaited on that thread.
#[track_caller]
pub fn spawn_local<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    if is_large::<F>() {
        return scheduler::local::spawn(Box::pin(future), large::<F>(here()));
    }
    scheduler::local::spawn(future, here())
}

/// Runs `closure` on a thread where blocking is allowed.
///
/// If the handle is dropped, the closure still runs. Cancelling prevents it from running if it has
/// not started.
#[track_caller]
pub fn spawn_blocking<F, T>(closure: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    spawn_blocking_on(scheduler::serving::runtime(), closure, here())
}

/// Like [`spawn_blocking`], on this runtime.
pub(crate) fn spawn_blocking_on<F, T>(
    runtime: scheduler::multi::RuntimeRef,
    closure: F,
    options: Options,
) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    if is_large::<F>() {
        let closure = Box::new(closure);
        return task::blocking(runtime, move || in_context(closure), options);
    }
    task::blocking(runtime, move || in_context(closure), options)
}

/// Calls a closure of the program inside the tokio context, if there is one.
fn in_context<T>(closure: impl FnOnce() -> T) -> T {
    let _foreign = tokio_context::enter();
    closure()
}

/// Like [`spawn_blocking`], for a call of reveille's own. The closure gets no tokio context, and it
/// runs even if the runtime of the calling thread has ended.
#[track_caller]
pub fn spawn_plain<F, T>(closure: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    task::blocking_anywhere(closure, here())
}

/// Starts a thread that belongs to no runtime, so that no runtime waits for it.
///
/// # Errors
///
/// Returns an error if the system refuses a thread.
pub fn start_thread(name: &str, body: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
    let name = name.to_owned();
    let body = Box::new(|| threads::serve(body));
    let spec = threads::ThreadSpec { name, stack_size: Some(128 * 1024), body };
    threads::system_spawner()(spec).map(drop)
}

/// Lets other tasks run. The future is ready at the second poll.
#[must_use = "futures do nothing until awaited"]
pub fn yield_now() -> YieldNow {
    YieldNow { has_yielded: false }
}

/// The future of [`yield_now`].
#[derive(Debug)]
pub struct YieldNow {
    has_yielded: bool,
}

impl Future for YieldNow {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.has_yielded {
            return Poll::Ready(());
        }
        self.has_yielded = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
