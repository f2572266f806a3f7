//! smol, on reveille.
//!
//! This package has the name and the API of smol 2.0. [`spawn`] runs tasks on reveille's workers,
//! [`Async`] and [`Timer`] wait in its driver and timing wheels, [`unblock`] uses its blocking
//! pool, and [`process`] is that of reveille. So a program that mixes reveille with crates made for
//! smol has no second reactor, and no threads called `smol-1`, `async-io` or `blocking-1`. With
//! these lines in the manifest of a program, cargo uses them for its whole dependency tree:
//!
//! ```toml
//! [patch.crates-io]
//! smol = { git = "https://github.com/reveille-rs/reveille" }
//! async-io = { git = "https://github.com/reveille-rs/reveille" }
//! async-process = { git = "https://github.com/reveille-rs/reveille" }
//! blocking = { git = "https://github.com/reveille-rs/reveille" }
//! ```
//!
//! All four lines are needed: async-net and async-fs, which are [`net`] and [`fs`], depend on the
//! crates of the last three. Without the line for `async-io` this package does not compile. Without
//! the line for `blocking` there is a second pool of threads.
//!
//! [`Executor`] and [`LocalExecutor`] are those of async-executor, for programs that run executors
//! of their own. Their tasks run where the program calls `run`, for example in [`block_on`].
//!
//! # Differences
//!
//! * The tasks of [`spawn`] run on the workers of reveille's runtime: one for each processor, or as
//!   many as `REVEILLE_THREADS` says. smol has one thread, and `SMOL_THREADS` has no effect here.
//! * A task belongs to the runtime of the task that spawns it. If that runtime shuts down, the task
//!   is cancelled, and a task that awaits it panics.
//! * If a task blocks its thread, another thread runs the other tasks.
//! * The crates `async-io`, `async-process` and `blocking` of this repository list theirs.
//!
//! # Examples
//!
//! ```
//! use smol::{Timer, future, prelude::*};
//! use std::time::Duration;
//!
//! smol::block_on(async {
//!     let task = smol::spawn(async {
//!         Timer::after(Duration::from_millis(1)).await;
//!         1 + 2
//!     });
//!     let limit = async {
//!         Timer::after(Duration::from_secs(60)).await;
//!         0
//!     };
//!     assert_eq!(task.or(limit).await, 3);
//! });
//! ```

#![forbid(unsafe_code)]

#[cfg(test)]
use reveille_watchdog as _;

use std::future::Future;

#[doc(inline)]
pub use async_channel as channel;
#[doc(inline)]
pub use async_executor::{Executor, LocalExecutor, Task};
#[doc(inline)]
pub use async_fs as fs;
#[doc(inline)]
pub use async_io::{Async, Timer, block_on};
#[doc(inline)]
pub use async_lock as lock;
#[doc(inline)]
pub use async_net as net;
#[doc(inline)]
pub use async_process as process;
#[doc(inline)]
pub use blocking::{Unblock, unblock};
#[doc(inline)]
pub use futures_lite::{future, io, pin, prelude, ready, stream};

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
/// let task = smol::spawn(async { 1 + 2 });
/// assert_eq!(smol::block_on(task), 3);
/// ```
#[track_caller]
pub fn spawn<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> Task<T> {
    async_global_executor::spawn(future)
}

/// Compiles only if async-net builds on the shim of async-io. If this fails, the patch of the
/// program lacks the line for `async-io`.
#[allow(dead_code, reason = "only its types matter")]
fn async_io_is_patched_too(listener: Async<std::net::TcpListener>) -> net::TcpListener {
    listener.into()
}
