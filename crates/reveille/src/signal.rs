//! Signals of the operating system, such as Ctrl-C.
//!
//! [`ctrl_c`] works on all systems. The module `unix` has a stream for each Unix signal, the module
//! `windows` one for each event of the console.
//!
//! # Delivery
//!
//! * A listener receives the signals that are delivered to the process after the listener was
//!   created. A signal that arrives between two polls is not lost: the next poll returns it.
//! * Several deliveries between two polls count as one, as the system itself merges them. So do not
//!   count signals: check what a signal announces, such as a child that has ended or a changed
//!   file.
//! * There may be any number of listeners, on any executor and on several runtimes. Each of them
//!   receives each signal. A listener outlives the runtime on which it was polled.
//! * The first listener of a signal replaces its default action **for the rest of the process**.
//!   After that, SIGINT or SIGTERM does not end the program, even when every listener is dropped.
//!   On Windows an event ends the program again once its last listener is dropped.
//! * Handlers that were installed before, by std, by C or by another crate, are called first and
//!   stay installed. A handler that is installed later without chaining (plain `sigaction`)
//!   replaces this one.
//!
//! On Unix the handler adds one to a counter and writes to an eventfd (a socket pair on systems
//! without eventfds). The driver of a thread that runs a listener waits for that descriptor as for
//! any socket, so no thread is started. Each signal takes one descriptor, even with many listeners,
//! and keeps it until the process ends.
//!
//! # Shutdown
//!
//! To finish its requests before it ends, a program waits for the signal, stops accepting, and
//! drains:
//!
//! ```
//! use reveille::{signal, task};
//! use std::time::Duration;
//!
//! # #[cfg(unix)] fn raise() {
//! #     let mut shell = std::process::Command::new("sh");
//! #     shell.args(["-c", "kill -INT $PPID"]).status().unwrap();
//! # }
//! # #[cfg(unix)] fn main() -> std::io::Result<()> {
//! task::block_on(async {
//!     let stop = signal::ctrl_c();
//!     let server = task::spawn(async { /* accept connections */ });
//! #   raise();
//!     stop.await?;
//!     server.cancel().await;
//!     // Tasks that answer a request have ten seconds to finish.
//!     let report = reveille::runtime::shutdown_global(Duration::from_secs(10)).await;
//!     assert!(report.is_complete());
//!     Ok(())
//! })
//! # }
//! # #[cfg(not(unix))] fn main() {}
//! ```
//!
//! # Differences
//!
//! The names and meanings are tokio's. But [`ctrl_c`] listens from the call on, not from the first
//! poll on.

use std::future::Future;
use std::io;

use crate::os::signal::interrupt;
pub use crate::os::signal::platform::*;

/// Waits for Ctrl-C: SIGINT on Unix, the console event on Windows.
///
/// The call itself installs the listener, so a Ctrl-C between the call and the first poll is not
/// lost. From then on Ctrl-C does not end the process; see [delivery](crate::signal#delivery). Call
/// the function again to wait for the next Ctrl-C.
///
/// # Errors
///
/// The future fails if the listener could not be installed: no descriptor is left, or the system
/// refuses the handler.
///
/// # Cancel safety
///
/// Dropping the future drops its listener, and with it a Ctrl-C that it has not returned. In a
/// loop, use a listener of the module `unix` or `windows` instead: it keeps a signal until the next
/// call of `recv`.
///
/// # Examples
///
/// ```no_run
/// # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
/// println!("waiting for ctrl-c");
/// reveille::signal::ctrl_c().await?;
/// println!("received it");
/// # Ok(()) }) }
/// ```
pub fn ctrl_c() -> impl Future<Output = io::Result<()>> + Send + 'static {
    let listener = interrupt();
    async move {
        listener?.recv().await;
        Ok(())
    }
}
