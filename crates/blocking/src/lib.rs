//! blocking, on reveille's blocking pool.
//!
//! This package has the name and the API of blocking 1.7, but none of its code. The closures of
//! [`unblock`] and the objects of [`Unblock`] run on the threads of
//! `reveille::task::spawn_blocking`. So a program that mixes reveille with crates made for smol has
//! one pool and no threads called `blocking-1` and so on. With these lines in the manifest of a
//! program, cargo uses this package for its whole dependency tree:
//!
//! ```toml
//! [patch.crates-io]
//! blocking = { git = "https://github.com/reveille-rs/reveille" }
//! ```
//!
//! # Differences
//!
//! * The number of threads is that of reveille's pool. `BLOCKING_MAX_THREADS` and
//!   [`set_max_blocking_threads`] have no effect.
//! * A closure belongs to the runtime of the task that starts it. If that runtime shuts down before
//!   the closure has begun, the closure is dropped, and a task that awaits it panics.
//! * The feature `tracing` has no effect.
//!
//! # Examples
//!
//! ```
//! use blocking::unblock;
//!
//! # futures_lite::future::block_on(async {
//! let text = unblock(|| std::fs::read_to_string("Cargo.toml")).await?;
//! assert!(text.contains("blocking"));
//! # std::io::Result::Ok(()) }).unwrap();
//! ```

#![forbid(unsafe_code)]

#[cfg(test)]
use reveille_watchdog as _;

mod object;
mod transfer;

use std::future::Future;
use std::num::NonZeroUsize;

use async_task::Runnable;

pub use async_task::Task;
pub use object::Unblock;

/// Does nothing: the number of threads is that of reveille's pool, which
/// `reveille::runtime::Builder` sets.
///
/// # Examples
///
/// ```
/// blocking::set_max_blocking_threads(std::num::NonZeroUsize::MIN);
/// ```
pub fn set_max_blocking_threads(_: NonZeroUsize) {}

/// Runs a closure on a thread where it may block.
///
/// Dropping the task cancels it: a closure that has not begun does not run. To let it run anyway,
/// call [`Task::detach`]. A panic of the closure resumes where the task is awaited.
///
/// # Examples
///
/// ```
/// # futures_lite::future::block_on(async {
/// assert_eq!(blocking::unblock(|| 1 + 2).await, 3);
/// # });
/// ```
pub fn unblock<T, F>(f: F) -> Task<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    spawn(async move { f() })
}

/// Runs a future whose polls block, on threads where that is allowed.
pub(crate) fn spawn<T: Send + 'static>(
    future: impl Future<Output = T> + Send + 'static,
) -> Task<T> {
    // The pool would report the panic to a hook, but it belongs to the awaiter of the task.
    let builder = async_task::Builder::new().propagate_panic(true);
    let (runnable, task) = builder.spawn(|()| future, schedule);
    runnable.schedule();
    task
}

/// Passes a task that must be polled to the pool. The closure runs although its handle is dropped.
fn schedule(runnable: Runnable) {
    drop(reveille_runtime::spawn_blocking(move || runnable.run()));
}
