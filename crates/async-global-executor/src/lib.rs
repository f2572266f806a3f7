//! async-global-executor, on reveille.
//!
//! This package has the name and the API of async-global-executor 3.1, but none of its code. A
//! second package, in the folder `v2`, has the same sources and the version 2.4.1. The tasks of
//! [`spawn`] run on reveille's workers, and those of [`spawn_blocking`] on its blocking pool. With
//! these lines in the manifest of a program, cargo uses them for its whole dependency tree:
//!
//! ```toml
//! [patch.crates-io]
//! async-global-executor = { version = "3", git = "https://github.com/reveille-rs/reveille" }
//! async-global-executor-2 = { package = "async-global-executor", version = "2", git = "https://github.com/reveille-rs/reveille" }
//! ```
//!
//! # Differences
//!
//! * The threads are the workers of reveille's runtime. Their number does not change while the
//!   program runs: [`spawn_more_threads`] starts no thread, and [`stop_thread`] and
//!   [`stop_current_thread`] stop none. If a task blocks its thread, reveille uses another one
//!   for the other tasks.
//! * [`init_with_config`] and `ASYNC_GLOBAL_EXECUTOR_THREADS` configure reveille's global runtime:
//!   the number of its workers and their name. They have no effect if that runtime has started
//!   already, or if `REVEILLE_THREADS` is set.
//! * A task belongs to the runtime of the task that spawns it. If that runtime shuts down, the task
//!   is cancelled, and a task that awaits it panics.
//! * The futures of tasks are dropped when the thread or the runtime that runs them ends. In the
//!   original, nothing drops the futures of [`spawn`].
//! * With the feature `tokio`, the whole program has the context of one tokio runtime, as with the
//!   feature `tokio1` of reveille. The features `tokio02` and `tokio03` of version 2 have no
//!   effect.
//! * A dump of the program (`reveille::observe::dump`) shows where a task was spawned, but not
//!   where it waits: the future is in a task of async-task, whose type is that of the original.
//!
//! # Examples
//!
//! ```
//! use async_global_executor::{block_on, spawn, spawn_blocking};
//!
//! let sum = block_on(async {
//!     let task = spawn(async { 1 + 2 });
//!     let blocking = spawn_blocking(|| 4);
//!     task.await + blocking.await
//! });
//! assert_eq!(sum, 7);
//! ```

#![forbid(unsafe_code)]

#[cfg(test)]
use reveille_watchdog as _;

mod config;
mod poller;

use std::future::Future;
use std::io;

use config::{configure, configure_by_default};

pub use async_task::Task;
pub use config::GlobalExecutorConfig;

/// Runs a future on this thread until it ends. While the future waits, the thread turns its driver
/// and timers, and runs its local tasks.
///
/// It may be called inside another call, and inside a task.
///
/// # Examples
///
/// ```
/// let task = async_global_executor::spawn(async { 1 + 2 });
/// assert_eq!(async_global_executor::block_on(task), 3);
/// ```
pub fn block_on<F: Future<Output = T>, T>(future: F) -> T {
    #[cfg(feature = "async-io")]
    return async_io::block_on(future);
    #[cfg(not(feature = "async-io"))]
    return futures_lite::future::block_on(future);
}

/// Spawns a task onto reveille's workers.
///
/// Dropping the handle cancels the task: to let it run, call [`Task::detach`]. A panic of the
/// future resumes where the task is awaited.
///
/// # Panics
///
/// Panics if the global runtime is needed and the system refuses a thread or a descriptor.
///
/// # Examples
///
/// ```
/// use async_global_executor::{block_on, spawn};
///
/// let task = spawn(async { 1 + 2 });
/// assert_eq!(block_on(task), 3);
/// ```
#[track_caller]
pub fn spawn<F: Future<Output = T> + Send + 'static, T: Send + 'static>(future: F) -> Task<T> {
    configure_by_default();
    let (poller, task) = poller::spawn(future);
    // Without its handle, the task of reveille runs to completion.
    drop(reveille_runtime::spawn(poller));
    task
}

/// Spawns a task onto this thread. Its future need not be `Send`.
///
/// It runs while this thread is in [`block_on`] or, on a thread of reveille, between other tasks.
///
/// # Examples
///
/// ```
/// use std::rc::Rc;
///
/// use async_global_executor::{block_on, spawn_local};
///
/// let shared = Rc::new(3);
/// let task = spawn_local({
///     let shared = shared.clone();
///     async move { *shared }
/// });
/// assert_eq!(block_on(task), 3);
/// ```
#[track_caller]
pub fn spawn_local<F: Future<Output = T> + 'static, T: 'static>(future: F) -> Task<T> {
    let (poller, task) = poller::spawn_local(future);
    drop(reveille_runtime::spawn_local(poller));
    task
}

/// Runs a closure on a thread where it may block.
///
/// Dropping the task cancels it: a closure that has not begun does not run.
///
/// # Examples
///
/// ```
/// use async_global_executor::{block_on, spawn_blocking};
///
/// # block_on(async {
/// let text = spawn_blocking(|| std::fs::read_to_string("Cargo.toml")).await?;
/// assert!(text.contains("async-global-executor"));
/// # std::io::Result::Ok(()) }).unwrap();
/// ```
pub fn spawn_blocking<F: FnOnce() -> T + Send + 'static, T: Send + 'static>(f: F) -> Task<T> {
    configure_by_default();
    blocking::unblock(f)
}

/// Configures the global executor by `ASYNC_GLOBAL_EXECUTOR_THREADS`, if that is set. It starts
/// with the first task.
///
/// The functions that spawn call this, so a program need not.
///
/// # Panics
///
/// Panics if the variable is set and the system refuses a thread or a descriptor.
///
/// # Examples
///
/// ```
/// async_global_executor::init();
/// ```
pub fn init() {
    configure_by_default();
}

/// Starts the global executor with a configuration. Only the first call of this or of [`init`] in a
/// process has an effect, and only before a task was spawned.
///
/// # Panics
///
/// Panics if the system refuses a thread or a descriptor, or if the name for threads contains a
/// NUL.
///
/// # Examples
///
/// ```standalone_crate
/// use async_global_executor::{GlobalExecutorConfig, init_with_config};
///
/// init_with_config(
///     GlobalExecutorConfig::default()
///         .with_env_var("NUMBER_OF_THREADS")
///         .with_min_threads(4)
///         .with_max_threads(6)
///         .with_thread_name_fn(|| "worker".to_string()),
/// );
/// ```
pub fn init_with_config(config: GlobalExecutorConfig) {
    configure(config);
}

/// Returns 0: the number of workers of a runtime does not change.
///
/// # Errors
///
/// It has none. The signature is that of the original.
///
/// # Cancel safety
///
/// Nothing is lost.
///
/// # Examples
///
/// ```
/// # async_global_executor::block_on(async {
/// assert_eq!(async_global_executor::spawn_more_threads(2).await?, 0);
/// # std::io::Result::Ok(()) }).unwrap();
/// ```
pub async fn spawn_more_threads(count: usize) -> io::Result<usize> {
    let _ = count;
    configure_by_default();
    Ok(0)
}

/// Returns a task whose output is `false`: no thread was stopped.
///
/// # Examples
///
/// ```
/// assert!(!async_global_executor::block_on(async_global_executor::stop_thread()));
/// ```
pub fn stop_thread() -> Task<bool> {
    spawn(async { false })
}

/// Returns a task whose output is `false`: no thread was stopped.
///
/// # Examples
///
/// ```
/// assert!(!async_global_executor::block_on(async_global_executor::stop_current_thread()));
/// ```
pub fn stop_current_thread() -> Task<bool> {
    spawn_local(async { false })
}
