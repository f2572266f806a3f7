//! What Unix processes have beyond the portable: user and group, `exec`, descriptors of pipes.
//!
//! # Examples
//!
//! ```
//! use reveille::os::unix::process::CommandExt;
//! use reveille::process::Command;
//!
//! # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
//! // Started as a log-in shell is, with a dash before its name.
//! let status = Command::new("sh").arg0("-sh").args(["-c", "exit 0"]).status().await?;
//! assert!(status.success());
//! # Ok(()) }) }
//! ```

use std::ffi::OsStr;
use std::io;
use std::os::unix::io::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt as _;

use reveille_runtime::TimerSlack;

use crate::process::{ChildStderr, ChildStdin, ChildStdout, Command};

mod sealed {
    /// Only [`Command`](crate::process::Command) has this, so that
    /// [`CommandExt`](super::CommandExt) can grow.
    pub trait Sealed {}
}

/// Options of a [`Command`] that only Unix has. It cannot be implemented elsewhere.
///
/// # Examples
///
/// ```
/// # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
/// use reveille::os::unix::process::CommandExt;
/// use reveille::process::Command;
///
/// let output = Command::new("sh").arg0("a-shell").args(["-c", "echo $0"]).output().await?;
/// assert_eq!(output.stdout, b"a-shell\n");
/// # Ok(()) }) }
/// ```
pub trait CommandExt: sealed::Sealed {
    /// Sets the user id of the child. Spawning fails if the process may not change it.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::os::unix::process::CommandExt;
    /// use reveille::process::Command;
    ///
    /// let mut command = Command::new("id");
    /// command.uid(65534);
    /// ```
    fn uid(&mut self, id: u32) -> &mut Command;

    /// Sets the group id of the child. Spawning fails if the process may not change it.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::os::unix::process::CommandExt;
    /// use reveille::process::Command;
    ///
    /// let mut command = Command::new("id");
    /// command.gid(65534);
    /// ```
    fn gid(&mut self, id: u32) -> &mut Command;

    /// Replaces this process by the command: `execvp`, without a fork.
    ///
    /// Returns only if that fails. Nothing is dropped and no other thread is asked: what
    /// the runtime has not written by then is lost.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::os::unix::process::CommandExt;
    /// use reveille::process::Command;
    ///
    /// let error = Command::new("/no/such/program").exec();
    /// assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
    /// ```
    fn exec(&mut self) -> io::Error;

    /// Sets what the child sees as its own name, `argv[0]`.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::os::unix::process::CommandExt;
    /// use reveille::process::Command;
    ///
    /// let mut command = Command::new("sh");
    /// command.arg0("-sh"); // a login shell
    /// ```
    fn arg0<S>(&mut self, arg: S) -> &mut Command
    where
        S: AsRef<OsStr>;

    /// Has `f` called in the child between fork and exec.
    ///
    /// An error of `f` becomes the error of spawning.
    ///
    /// # Safety
    ///
    /// * `f` runs in a copy of one thread of a program that may have many: it may only do what is
    ///   safe in a signal handler. It must not allocate, lock, or touch the runtime.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
    /// use reveille::os::unix::process::CommandExt;
    /// use reveille::process::Command;
    /// use std::io::{Error, ErrorKind};
    ///
    /// let mut command = Command::new("true");
    /// // SAFETY: the closure only makes a value.
    /// unsafe { command.pre_exec(|| Err(Error::from(ErrorKind::PermissionDenied))) };
    /// assert!(command.status().await.is_err());
    /// # Ok(()) }) }
    /// ```
    #[allow(unsafe_code, reason = "running between fork and exec is the caller's promise")]
    unsafe fn pre_exec<F>(&mut self, f: F) -> &mut Command
    where
        F: FnMut() -> io::Result<()> + Send + Sync + 'static;
}

impl sealed::Sealed for Command {}

impl CommandExt for Command {
    fn uid(&mut self, id: u32) -> &mut Command {
        self.as_std_mut().uid(id);
        self
    }

    fn gid(&mut self, id: u32) -> &mut Command {
        self.as_std_mut().gid(id);
        self
    }

    fn exec(&mut self) -> io::Error {
        TimerSlack::as_usual(|| self.as_std_mut().exec())
    }

    fn arg0<S>(&mut self, arg: S) -> &mut Command
    where
        S: AsRef<OsStr>,
    {
        self.as_std_mut().arg0(arg);
        self
    }

    #[allow(unsafe_code, reason = "running between fork and exec is the caller's promise")]
    unsafe fn pre_exec<F>(&mut self, f: F) -> &mut Command
    where
        F: FnMut() -> io::Result<()> + Send + Sync + 'static,
    {
        // SAFETY: `f` does only what is safe between fork and exec: the obligation of this very
        // method, handed on.
        unsafe { self.as_std_mut().pre_exec(f) };
        self
    }
}

impl AsFd for ChildStdin {
    /// # Panics
    ///
    /// Panics if the pipe was closed (`poll_close`): there is no descriptor to lend.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pipe().expect("the standard input of the child was closed here").as_fd()
    }
}

impl AsRawFd for ChildStdin {
    /// -1 if the pipe was closed (`poll_close`), which each system call refuses.
    fn as_raw_fd(&self) -> RawFd {
        self.pipe().map_or(-1, |pipe| pipe.as_fd().as_raw_fd())
    }
}

/// Gives up the descriptor, blocking again.
impl TryFrom<ChildStdin> for OwnedFd {
    type Error = io::Error;

    fn try_from(stdin: ChildStdin) -> io::Result<OwnedFd> {
        stdin.into_pipe()?.into_owned()
    }
}

impl AsFd for ChildStdout {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pipe().as_fd()
    }
}

impl AsRawFd for ChildStdout {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

/// Gives up the descriptor, blocking again.
impl TryFrom<ChildStdout> for OwnedFd {
    type Error = io::Error;

    fn try_from(stdout: ChildStdout) -> io::Result<OwnedFd> {
        stdout.into_pipe().into_owned()
    }
}

impl AsFd for ChildStderr {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pipe().as_fd()
    }
}

impl AsRawFd for ChildStderr {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

/// Gives up the descriptor, blocking again.
impl TryFrom<ChildStderr> for OwnedFd {
    type Error = io::Error;

    fn try_from(stderr: ChildStderr) -> io::Result<OwnedFd> {
        stderr.into_pipe().into_owned()
    }
}
