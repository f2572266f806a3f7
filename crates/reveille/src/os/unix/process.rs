//! Unix extensions of processes: user and group, `exec`, descriptors of pipes.
//!
//! # Examples
//!
//! ```
//! use reveille::os::unix::process::CommandExt;
//! use reveille::process::Command;
//!
//! # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
//! // Started like a login shell, with a dash before its name.
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
    /// Implemented by [`Command`](crate::process::Command) only, so that methods can be added to
    /// [`CommandExt`](super::CommandExt).
    pub trait Sealed {}
}

/// Unix-specific options of a [`Command`]. Other crates cannot implement it.
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

    /// Replaces this process with the command: `execvp`, without a fork.
    ///
    /// Returns only if that fails. Nothing is dropped and other threads are stopped without notice,
    /// so unwritten data of the runtime is lost.
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

    /// Sets the child's name for itself, `argv[0]`.
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

    /// Schedules `f` to run in the child between fork and exec.
    ///
    /// An error of `f` becomes the error of spawning.
    ///
    /// # Safety
    ///
    /// * `f` runs in a copy of one thread of a program that may have many. It may only do what is
    ///   safe in a signal handler: it must not allocate, lock, or use the runtime.
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
        // SAFETY: the caller of this method guarantees that `f` only does what is safe between fork
        // and exec, which is what std's `pre_exec` requires.
        unsafe { self.as_std_mut().pre_exec(f) };
        self
    }
}

impl AsFd for ChildStdin {
    /// # Panics
    ///
    /// Panics if the pipe was closed (`poll_close`), because there is no descriptor to lend.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pipe().expect("the standard input of the child was closed here").as_fd()
    }
}

impl AsRawFd for ChildStdin {
    /// Returns -1 if the pipe was closed (`poll_close`). Every system call refuses that.
    fn as_raw_fd(&self) -> RawFd {
        self.pipe().map_or(-1, |pipe| pipe.as_fd().as_raw_fd())
    }
}

/// Returns the descriptor in blocking mode.
impl TryFrom<ChildStdin> for OwnedFd {
    type Error = io::Error;

    fn try_from(stdin: ChildStdin) -> io::Result<OwnedFd> {
        stdin.into_pipe()?.into_owned()
    }
}

impl AsFd for ChildStdout {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for ChildStdout {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

/// Returns the descriptor in blocking mode.
impl TryFrom<ChildStdout> for OwnedFd {
    type Error = io::Error;

    fn try_from(stdout: ChildStdout) -> io::Result<OwnedFd> {
        stdout.0.into_owned()
    }
}

impl AsFd for ChildStderr {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for ChildStderr {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

/// Returns the descriptor in blocking mode.
impl TryFrom<ChildStderr> for OwnedFd {
    type Error = io::Error;

    fn try_from(stderr: ChildStderr) -> io::Result<OwnedFd> {
        stderr.0.into_owned()
    }
}
