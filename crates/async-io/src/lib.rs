//! async-io, on reveille.
//!
//! This package has the name and the API of async-io 2.6, but none of its code. [`Async`] waits in
//! reveille's driver and [`Timer`] in its timing wheels, so a program that mixes reveille with
//! crates made for smol has no second reactor and no thread called `async-io`. With these lines in
//! the manifest of a program, cargo uses this package for its whole dependency tree:
//!
//! ```toml
//! [patch.crates-io]
//! async-io = { git = "https://github.com/reveille-rs/reveille" }
//! ```
//!
//! async-net, async-signal and async-executor work on it without a change, and so do crates with a
//! feature for smol or async-io, such as sqlx and quinn.
//!
//! # Differences
//!
//! * An [`Async`] registers when it first waits, with the driver of the thread that polls it. Any
//!   executor may poll it.
//! * [`Async::new`] duplicates the descriptor of an object, unless the object is std's: an object
//!   of another crate may close a descriptor that it lends. The duplicate is closed with the
//!   `Async`.
//! * A descriptor may be in any number of `Async`s; async-io refuses the second as a duplicate.
//! * If a call is interrupted by a signal (`EINTR`), it is repeated.
//! * All tasks that poll [`Async::poll_readable`] are woken. In async-io, the last one replaces the
//!   others.
//! * A task yields after 32 operations in one poll, as with reveille's own types.
//! * The function [`reactor_fd`](os::unix::reactor_fd) never returns a descriptor, because each
//!   worker thread has an event queue of its own.
//! * The modules for kqueue's filters and for Windows' handles do not exist here. To wait for child
//!   processes and signals, use reveille's `process` and `signal`, on every system.
//! * The feature `tracing` has no effect.
//!
//! # Examples
//!
//! ```
//! use std::time::Duration;
//!
//! use async_io::{Timer, block_on};
//!
//! block_on(Timer::after(Duration::from_millis(1)));
//! ```

#![deny(unsafe_code)]

#[cfg(test)]
use reveille_watchdog as _;

mod block_on;
mod held;
mod io_safe;
mod net;
pub mod os;
mod readiness;
mod source;
mod streams;
mod timer;
#[cfg(unix)]
mod uds;

pub use block_on::block_on;
pub use io_safe::IoSafe;
pub use readiness::{Readable, ReadableOwned, Writable, WritableOwned};
pub use source::Async;
pub use timer::Timer;
