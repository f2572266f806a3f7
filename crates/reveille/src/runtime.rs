//! Runtimes of your own, beside the global one.
//!
//! Most programs do not need a runtime of their own. [`task::spawn`](crate::task::spawn) starts the
//! global runtime, which takes its size from the machine or from the environment:
//!
//! | variable | meaning | default |
//! |---|---|---|
//! | `REVEILLE_THREADS`, `ASYNC_STD_THREAD_COUNT` | number of workers, 1 to 512; the first variable takes precedence | the available parallelism, container quotas included |
//! | `ASYNC_STD_THREAD_NAME` | name of the workers | `reveille-0`, `reveille-1`, …; with the shim of async-std `async-std/runtime` |
//! | `BLOCKING_MAX_THREADS` | most threads for [`task::spawn_blocking`](crate::task::spawn_blocking) | 500 |
//! | `REVEILLE_DUMP` | `1`: `SIGQUIT` prints a dump, see [`observe`](crate::observe); `threads`: with [`Builder::dump_thread_stacks`]; another value is reported | off |
//! | `REVEILLE_BATCHED_READS` | `1`: [`Builder::batched_reads`] | off |
//!
//! [`Builder::build_global`] starts the global runtime with your own options instead. Call it at
//! the beginning of `main`.
//!
//! A [`Runtime`] has its own threads, options and shutdown. Inside its tasks the free functions use
//! it. Build one
//!
//! * to **shut down** in order: [`shutdown`](Runtime::shutdown) cancels the remaining tasks, waits
//!   for running polls, and reports what it found; the global runtime ends with the
//!   process, or by [`shutdown_global`];
//! * to **separate** kinds of work: each runtime has threads of its own;
//! * to **observe** tasks, threads, blocking polls and unhandled panics with the hooks of
//!   [`Builder`];
//! * to **isolate tests**: give each test a runtime of its own.
//!
//! # Shutdown
//!
//! | to | call |
//! |---|---|
//! | let tasks finish up to a time limit, then cancel the rest | [`Runtime::shutdown_gracefully`]; for the global runtime [`shutdown_global`] |
//! | cancel all tasks, and wait for polls and closures up to a time limit | [`Runtime::shutdown`] |
//! | the same without a time limit | drop the [`Runtime`] |
//!
//! A shutdown does this, in order. New tasks are refused. Each thread finishes its current poll.
//! Every task that is not complete is cancelled and its future is dropped. Closures of the blocking
//! pool that have not started are dropped, and running ones are waited for.
//!
//! A [`Handle`] spawns from anywhere and does not keep the runtime alive. A task that it spawns
//! after the shutdown is cancelled at once.
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
//! let report = runtime.shutdown(Duration::from_secs(10));
//! assert!(report.is_complete());
//! # std::io::Result::Ok(())
//! ```

use std::future::Future;
use std::time::Duration;

pub use reveille_runtime::{
    Builder, FdLimit, Handle, Metrics, Runtime, Shutdown, ShutdownReport, TaskInfo, TaskMeta,
    UnhandledPanic, raise_fd_limit, shutdown_global,
};

/// Runs the future of `main` with the options of [`reveille::main`](macro@crate::main).
///
/// # Panics
///
/// Panics if the global runtime cannot be started with these options.
#[doc(hidden)]
pub fn run_main<F: Future>(
    builder: Option<Builder>,
    shutdown_grace: Option<Duration>,
    main: F,
) -> F::Output {
    if let Some(Err(error)) = builder.map(Builder::build_global) {
        panic!("could not start the global runtime with the options of `main`: {error}");
    }
    crate::task::block_on(async move {
        let output = main.await;
        if let Some(grace) = shutdown_grace {
            let report = shutdown_global(grace).await;
            if !report.is_complete() {
                log::warn!("the program ends before its tasks: {report}");
            }
        }
        output
    })
}
