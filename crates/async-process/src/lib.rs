//! async-process, on reveille.
//!
//! This package has the name and the API of async-process 2.5, but none of its code. Its types are
//! those of `reveille::process`, so a program needs no second reactor and no thread that reaps
//! children. With these lines in the manifest of a program, cargo uses this package for its whole
//! dependency tree:
//!
//! ```toml
//! [patch.crates-io]
//! async-process = { git = "https://github.com/reveille-rs/reveille" }
//! ```
//!
//! The shim `async-std` re-exports these types. A program that mixes async-std and async-process
//! patches both, and sees one set of types as before.
//!
//! # Differences
//!
//! * A [`Command`] made from one of std keeps the streams that were set there.
//! * Closing a [`ChildStdin`] closes the pipe, so the child reads the end of its input.
//! * A write to a child that has closed its input is an error and never the signal SIGPIPE.
//! * [`driver`] has nothing to do and never completes.
//!
//! # Examples
//!
//! ```
//! use async_process::Command;
//!
//! let output = futures_lite::future::block_on(Command::new("echo").arg("hello").output())?;
//! assert_eq!(output.stdout, b"hello\n");
//! # std::io::Result::Ok(())
//! ```

#![forbid(unsafe_code)]

#[cfg(test)]
use reveille_watchdog as _;

use std::convert::Infallible;
use std::future::Future;

#[cfg(unix)]
#[doc(inline)]
pub use reveille::os::unix::process as unix;
#[cfg(windows)]
#[doc(inline)]
pub use reveille::os::windows::process as windows;
#[doc(inline)]
pub use reveille::process::{
    Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Output, Stdio,
};

/// Never completes: reveille reaps children without a future that the program must poll.
///
/// # Cancel safety
///
/// Nothing is lost.
///
/// # Examples
///
/// ```
/// use async_process::{Command, driver};
/// use futures_lite::future;
///
/// let status = future::block_on(future::or(
///     async { Err(std::io::Error::other(format!("{:?}", driver().await))) },
///     async { Command::new("true").status().await },
/// ))?;
/// assert!(status.success());
/// # std::io::Result::Ok(())
/// ```
#[inline]
pub fn driver() -> impl Future<Output = Infallible> + Send + 'static {
    std::future::pending()
}
