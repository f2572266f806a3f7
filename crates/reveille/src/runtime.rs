//! Runtimes of your own, beside the global one.
//!
//! Most programs need none: [`task::spawn`](crate::task::spawn) starts the global runtime, sized by
//! the machine or by the environment:
//!
//! | variable | meaning | default |
//! |---|---|---|
//! | `REVEILLE_THREADS`, `ASYNC_STD_THREAD_COUNT` | workers, 1 to 512; the first wins | the parallelism the system grants, container quotas included |
//! | `ASYNC_STD_THREAD_NAME` | name of the threads | `async-std/runtime` |
//! | `BLOCKING_MAX_THREADS` | threads for [`task::spawn_blocking`](crate::task::spawn_blocking) | 500 |
//! | `REVEILLE_BATCHED_READS` | `1`: [`Builder::batched_reads`] | off |
//!
//! [`Builder::build_global`] starts it with options of your own instead, at the beginning of
//! `main`.
//!
//! A [`Runtime`] of your own has its own threads, options and end. Inside its tasks the free
//! functions mean it. Build one
//!
//! * to **end** in order: [`shutdown`](Runtime::shutdown) cancels what is left, waits for what
//!   runs, and says what it found, while the global runtime ends with the process;
//! * to keep one kind of work from the threads of another, each with a size of its own;
//! * to be told of threads, of polls that block, or of panics that nobody awaits, by the hooks of
//!   [`Builder`];
//! * in tests, one for each.
//!
//! # The end of a runtime
//!
//! In this order: nothing new is spawned; each thread finishes the poll it is in; every task that
//! is not complete is cancelled, and its future dropped; closures of the blocking pool that have
//! not started are dropped, and those that run are waited for. Dropping the [`Runtime`] does this
//! without a limit of time; `shutdown` takes one.
//!
//! A [`Handle`] spawns from anywhere and does not keep the runtime alive. What it spawns after the
//! end is cancelled at once.
//!
//! # Examples
//!
//! ```
//! use reveille::runtime::Builder;
//! use reveille::task;
//! use std::time::Duration;
//!
//! let runtime = Builder::new().workers(2).thread_name("io").build()?;
//! let answer = runtime.block_on(async { task::spawn(async { 42 }).await });
//! assert_eq!(answer, 42);
//!
//! let report = runtime.shutdown(Duration::from_secs(1));
//! assert!(report.is_complete());
//! # std::io::Result::Ok(())
//! ```

pub use reveille_runtime::{
    Builder, FdLimit, Handle, Metrics, Runtime, Shutdown, ShutdownReport, TaskInfo, UnhandledPanic,
    raise_fd_limit,
};
