//! Child processes: start them, communicate with them, and wait for them.
//!
//! This is `std::process` with `.await`. Pipes to a child go through the driver, like sockets. On
//! Linux so does its exit, by its pidfd: no thread and no signal handler is needed. On other
//! systems a thread of the blocking pool waits for it.
//!
//! | to | use |
//! |---|---|
//! | run a command and collect its output | [`Command::output`] |
//! | run a command and get its status | [`Command::status`] |
//! | talk to a running child | [`Command::spawn`], with pipes as [`Stdio`] |
//! | wait for a child | [`Child::wait`], or [`Child::try_wait`], which does not wait |
//! | end a child | [`Child::terminate`], which asks first; [`Child::kill`] |
//! | end a child and what it has started | `process_group(0)` and `terminate_group` of the [Unix extensions](crate::os) |
//!
//! # Origin of the items
//!
//! | item | kind |
//! |---|---|
//! | [`ExitStatus`], [`Output`], [`Stdio`], [`abort`], [`exit`], [`id`] | re-export of std |
//! | [`Command`], [`Child`], [`ChildStdin`], [`ChildStdout`], [`ChildStderr`] | own |
//!
//! # Differences
//!
//! async-std re-exported these types from the crate async-process, which starts a thread and a
//! driver of its own. Here the names and methods are the same, but the types are different.
//!
//! # Examples
//!
//! ```
//! # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
//! use reveille::process::Command;
//!
//! let output = Command::new("echo").args(["hello", "world"]).output().await?;
//! assert!(output.status.success());
//! assert_eq!(output.stdout, b"hello world\n");
//! # Ok(()) }) }
//! ```
//!
//! Read the output of a child line by line:
//!
//! ```
//! # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
//! use reveille::io::BufReader;
//! use reveille::prelude::*;
//! use reveille::process::{Command, Stdio};
//!
//! let mut child = Command::new("sh")
//!     .args(["-c", "echo one; echo two"])
//!     .stdout(Stdio::piped())
//!     .spawn()?;
//! let mut lines = BufReader::new(child.stdout.take().expect("stdout is a pipe")).lines();
//! assert_eq!(lines.next().await.transpose()?, Some("one".into()));
//! assert_eq!(lines.next().await.transpose()?, Some("two".into()));
//! assert_eq!(lines.next().await.transpose()?, None);
//! assert!(child.status().await?.success());
//! # Ok(()) }) }
//! ```

#[doc(inline)]
pub use std::process::{ExitStatus, Output, Stdio, abort, exit, id};

pub use child::Child;
pub use command::Command;
pub use pipes::{ChildStderr, ChildStdin, ChildStdout};

mod child;
mod command;
mod pipes;
