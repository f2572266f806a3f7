//! Unix extensions of processes: user and group, `exec`, signals, descriptors of pipes.
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
use std::future::Future;
use std::io;
use std::os::unix::io::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt as _;
use std::process::ExitStatus;
use std::time::Duration;

use reveille_runtime::TimerSlack;
use rustix::process::Signal;

use crate::future::futures::TimeoutFuture;
use crate::os::group;
use crate::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use crate::signal::unix::SignalKind;

mod sealed {
    /// Implemented by [`Command`](crate::process::Command) and [`Child`](crate::process::Child)
    /// only, so that methods can be added to the traits here.
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

    /// Puts the child into the process group `pgroup`. With 0 the child leads a group of its own,
    /// which its children belong to, and a Ctrl-C at the terminal does not reach it.
    ///
    /// Spawning fails if there is no such group in this session.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
    /// use reveille::os::unix::process::{ChildExt, CommandExt};
    /// use reveille::process::Command;
    ///
    /// // A shell and what it starts are one group.
    /// let script = "sleep 1000 & wait";
    /// let mut shell = Command::new("sh").args(["-c", script]).process_group(0).spawn()?;
    /// shell.kill_group()?;
    /// assert!(!shell.wait().await?.success());
    /// # Ok(()) }) }
    /// ```
    fn process_group(&mut self, pgroup: i32) -> &mut Command;

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

/// Signals to a [`Child`] and to its process group. Other crates cannot implement it.
///
/// The methods for groups need a child that was started with
/// [`process_group(0)`](CommandExt::process_group). A group consists of the child and of the
/// processes below it that did not leave the group: a shell without job control, and what it
/// started, are one group.
///
/// No signal is sent after the status of the child was taken, because its number may then belong to
/// another process or group.
///
/// # Examples
///
/// ```
/// # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
/// use reveille::os::unix::process::ChildExt;
/// use reveille::process::Command;
/// use reveille::signal::unix::SignalKind;
/// use std::os::unix::process::ExitStatusExt;
///
/// let mut child = Command::new("sleep").arg("1000").spawn()?;
/// child.send_signal(SignalKind::interrupt())?;
/// assert_eq!(child.wait().await?.signal(), Some(2));
///
/// let error = child.send_signal(SignalKind::interrupt()).unwrap_err();
/// assert_eq!(error.kind(), std::io::ErrorKind::NotFound, "it has ended");
/// # Ok(()) }) }
/// ```
pub trait ChildExt: sealed::Sealed {
    /// Sends a signal to the child. If the child has ended and its status was not taken, this
    /// succeeds and has no effect.
    ///
    /// # Errors
    ///
    /// The error names the signal and the id of the child.
    ///
    /// * `NotFound` if the status of the child was taken.
    /// * `InvalidInput` for a number without a name, such as that of a real-time signal.
    /// * `PermissionDenied` if the child runs as another user.
    /// * The system's `ESRCH` if other code took the status of the child.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
    /// use reveille::os::unix::process::ChildExt;
    /// use reveille::process::Command;
    /// use reveille::signal::unix::SignalKind;
    ///
    /// let mut child = Command::new("sleep").arg("1000").spawn()?;
    /// child.send_signal(SignalKind::terminate())?;
    /// assert!(!child.wait().await?.success());
    /// # Ok(()) }) }
    /// ```
    fn send_signal(&self, kind: SignalKind) -> io::Result<()>;

    /// Sends a signal to each process of the group that the child leads.
    ///
    /// # Errors
    ///
    /// As for [`send_signal`](ChildExt::send_signal), and `InvalidInput` if the child leads no
    /// group. `PermissionDenied` only if no process of the group may be signalled.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
    /// use reveille::os::unix::process::{ChildExt, CommandExt};
    /// use reveille::process::Command;
    /// use reveille::signal::unix::SignalKind;
    ///
    /// let mut child = Command::new("sleep").arg("1000").process_group(0).spawn()?;
    /// child.send_signal_to_group(SignalKind::terminate())?;
    /// assert!(!child.wait().await?.success());
    /// # Ok(()) }) }
    /// ```
    fn send_signal_to_group(&self, kind: SignalKind) -> io::Result<()>;

    /// Kills each process of the group that the child leads: SIGKILL.
    ///
    /// Call it before the status of the child is taken. After the child alone has exited, it still
    /// reaches the rest of the group.
    ///
    /// # Errors
    ///
    /// As for [`send_signal_to_group`](ChildExt::send_signal_to_group).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
    /// use reveille::os::unix::process::{ChildExt, CommandExt};
    /// use reveille::process::Command;
    ///
    /// let mut child = Command::new("sleep").arg("1000").process_group(0).spawn()?;
    /// child.kill_group()?;
    /// assert!(!child.wait().await?.success());
    /// # Ok(()) }) }
    /// ```
    fn kill_group(&mut self) -> io::Result<()>;

    /// Asks each process of the group that the child leads to end, and kills those that still run
    /// after `grace`. Returns the status of the child.
    ///
    /// This sends SIGTERM to the group and waits until no process of it runs. After the grace time
    /// it sends SIGKILL to the group. The status of the child is taken last, so the group keeps its
    /// number until then. The standard input of the child is closed first. On Linux the processes
    /// of the group are found in `/proc`; without it, the whole grace time passes.
    ///
    /// # Errors
    ///
    /// As for [`send_signal_to_group`](ChildExt::send_signal_to_group). If another future takes the
    /// status of the child meanwhile, the rest of the group can no longer be killed, which is the
    /// error `NotFound`.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, nothing is killed. The group may have been asked to end.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
    /// use reveille::os::unix::process::{ChildExt, CommandExt};
    /// use reveille::process::Command;
    /// use std::time::Duration;
    ///
    /// let script = "sleep 1000 & wait";
    /// let mut shell = Command::new("sh").args(["-c", script]).process_group(0).spawn()?;
    /// let status = shell.terminate_group(Duration::from_secs(10)).await?;
    /// assert!(!status.success());
    /// # Ok(()) }) }
    /// ```
    fn terminate_group(
        &mut self,
        grace: Duration,
    ) -> impl Future<Output = io::Result<ExitStatus>> + Send;
}

impl sealed::Sealed for Command {}
impl sealed::Sealed for Child {}

impl ChildExt for Child {
    fn send_signal(&self, kind: SignalKind) -> io::Result<()> {
        self.unreaped(&format!("send {kind} to"), |_, exit| group::send(exit, kind.to_number()?))
    }

    fn send_signal_to_group(&self, kind: SignalKind) -> io::Result<()> {
        self.unreaped(&format!("send {kind} to the group of"), |_, exit| {
            group::send_to_group(exit, kind.to_number()?)
        })
    }

    fn kill_group(&mut self) -> io::Result<()> {
        self.unreaped("kill the group of", |_, exit| group::send_to_group(exit, Signal::KILL))
    }

    async fn terminate_group(&mut self, grace: Duration) -> io::Result<ExitStatus> {
        drop(self.stdin.take());
        self.unreaped("terminate the group of", |_, exit| {
            group::send_to_group(exit, Signal::TERM)
        })?;
        if let Ok(ended) = TimeoutFuture::new(group::ended(self.exit()), grace).await {
            ended?;
        } else {
            self.kill_group()?;
        }
        self.status().await
    }
}

impl CommandExt for Command {
    fn uid(&mut self, id: u32) -> &mut Command {
        self.as_std_mut().uid(id);
        self
    }

    fn gid(&mut self, id: u32) -> &mut Command {
        self.as_std_mut().gid(id);
        self
    }

    fn process_group(&mut self, pgroup: i32) -> &mut Command {
        self.as_std_mut().process_group(pgroup);
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
