//! A running child: its pipes, its exit, and what happens when it is dropped.
//!
//! # Invariants
//!
//! 1. The id of a child is waited for only through the `std::process::Child` inside [`Process`],
//!    under its lock, and that type remembers the status. So an id is never used after the system
//!    has freed it.
//! 2. A child that is dropped while it runs goes to the reaper of the process, unless the command
//!    says otherwise, so no zombie stays. This does not involve a runtime, so it also works in a
//!    task that a shutdown cancels, and where no runtime can be started.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::process::{ExitStatus, Output};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use std::{fmt, io};

use futures_io::AsyncRead;
use futures_lite::AsyncReadExt as _;
use futures_lite::future::try_zip;
use reveille_runtime::waits::{self, WaitFor};

use super::{ChildStderr, ChildStdin, ChildStdout};
use crate::future::futures::TimeoutFuture;
use crate::io::context::Context as _;
use crate::os::child::{Exit, adopt, terminate};

/// A child process.
///
/// Dropping it does not end the process, unless the command has
/// [`kill_on_drop`](super::Command::kill_on_drop). The process runs in the background, and its
/// status is taken when it ends, so no zombie stays. On Unix a separate thread does that while
/// there are such children. The drop starts no runtime, and neither panics nor waits.
///
/// # Examples
///
/// ```
/// # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
/// use reveille::process::Command;
///
/// let mut child = Command::new("true").spawn()?;
/// assert!(child.status().await?.success());
/// # Ok(()) }) }
/// ```
pub struct Child {
    /// The standard input of the child, if it is a pipe.
    pub stdin: Option<ChildStdin>,

    /// The standard output of the child, if it is a pipe.
    pub stdout: Option<ChildStdout>,

    /// The standard error of the child, if it is a pipe.
    pub stderr: Option<ChildStderr>,

    guard: Arc<Guard>,
}

impl Child {
    /// Wraps a child that was just spawned.
    pub(super) fn new(
        mut child: std::process::Child,
        kill_on_drop: bool,
        reap_on_drop: bool,
    ) -> io::Result<Child> {
        let (stdin, stdout, stderr) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let process =
            Process { exit: Exit::of(&child), child: Mutex::new(Tracked { child, status: None }) };
        // From here on the guard reaps the child, even if setting up a pipe below fails.
        let guard = Arc::new(Guard { process: Some(process), kill_on_drop, reap_on_drop });
        Ok(Child {
            stdin: stdin.map(ChildStdin::new).transpose()?,
            stdout: stdout.map(ChildStdout::new).transpose()?,
            stderr: stderr.map(ChildStderr::new).transpose()?,
            guard,
        })
    }

    /// Returns the operating system's id of the child.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
    /// use reveille::process::Command;
    ///
    /// let child = Command::new("true").spawn()?;
    /// assert_ne!(child.id(), std::process::id());
    /// # Ok(()) }) }
    /// ```
    #[must_use]
    pub fn id(&self) -> u32 {
        self.guard.process().with(|child| child.id())
    }

    /// Kills the child: `SIGKILL` on Unix.
    ///
    /// # Errors
    ///
    /// The system's error. As in std, it is not an error if the child has already exited.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
    /// use reveille::process::Command;
    ///
    /// let mut child = Command::new("sleep").arg("1000").spawn()?;
    /// child.kill()?;
    /// assert!(!child.status().await?.success());
    /// # Ok(()) }) }
    /// ```
    pub fn kill(&mut self) -> io::Result<()> {
        self.guard.process().with(std::process::Child::kill)
    }

    /// Returns the exit status if the child has exited, without waiting.
    ///
    /// Unlike [`status`](Child::status), this does not close the standard input.
    ///
    /// # Errors
    ///
    /// The system's error.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
    /// use reveille::process::{Command, Stdio};
    ///
    /// let mut child = Command::new("cat").stdin(Stdio::piped()).spawn()?;
    /// assert!(child.try_status()?.is_none(), "it waits for its input");
    /// child.status().await?;
    /// assert!(child.try_status()?.is_some());
    /// # Ok(()) }) }
    /// ```
    pub fn try_status(&mut self) -> io::Result<Option<ExitStatus>> {
        self.guard.process().try_status()
    }

    /// Closes the standard input of the child and waits for it to exit.
    ///
    /// The input is closed because a child that waits for input would never exit while this waits
    /// for the child.
    ///
    /// # Errors
    ///
    /// The system's error.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing, except that the call itself closes the standard input.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
    /// use reveille::process::Command;
    ///
    /// let mut child = Command::new("false").spawn()?;
    /// assert_eq!(child.status().await?.code(), Some(1));
    /// # Ok(()) }) }
    /// ```
    pub fn status(&mut self) -> impl Future<Output = io::Result<ExitStatus>> + use<> {
        drop(self.stdin.take());
        let guard = self.guard.clone();
        async move { guard.process().status().await }
    }

    /// Closes the standard input of the child, collects its output, and waits for it to exit.
    ///
    /// Standard output and standard error are read at the same time. One that is not a pipe gives
    /// an empty vector.
    ///
    /// # Errors
    ///
    /// The system's error.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses the output that was read.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
    /// use reveille::process::{Command, Stdio};
    ///
    /// let child = Command::new("echo").arg("hello").stdout(Stdio::piped()).spawn()?;
    /// let output = child.output().await?;
    /// assert_eq!(output.stdout, b"hello\n");
    /// # Ok(()) }) }
    /// ```
    pub fn output(mut self) -> impl Future<Output = io::Result<Output>> {
        let status = self.status();
        let stdout = read_all(self.stdout.take());
        let stderr = read_all(self.stderr.take());
        async move {
            let (stdout, stderr) = try_zip(stdout, stderr).await?;
            let status = status.await?;
            Ok(Output { status, stdout, stderr })
        }
    }

    /// Waits for the child to exit, like std's method of this name. It is the same as
    /// [`status`](Child::status).
    ///
    /// # Errors
    ///
    /// The system's error.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing, except that the call itself closes the standard input.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
    /// use reveille::process::Command;
    ///
    /// let mut child = Command::new("true").spawn()?;
    /// assert!(child.wait().await?.success());
    /// # Ok(()) }) }
    /// ```
    pub fn wait(&mut self) -> impl Future<Output = io::Result<ExitStatus>> + use<> {
        self.status()
    }

    /// Returns the exit status if the child has exited, without waiting, like std's method of this
    /// name. It is the same as [`try_status`](Child::try_status).
    ///
    /// # Errors
    ///
    /// The system's error.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
    /// use reveille::process::Command;
    ///
    /// let mut child = Command::new("true").spawn()?;
    /// child.wait().await?;
    /// assert!(child.try_wait()?.is_some());
    /// # Ok(()) }) }
    /// ```
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.try_status()
    }

    /// Closes the standard input of the child, collects its output, and waits for it to exit, like
    /// std's method of this name. It is the same as [`output`](Child::output).
    ///
    /// # Errors
    ///
    /// The system's error.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses the output that was read.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
    /// use reveille::process::{Command, Stdio};
    ///
    /// let child = Command::new("echo").arg("hello").stdout(Stdio::piped()).spawn()?;
    /// assert_eq!(child.wait_with_output().await?.stdout, b"hello\n");
    /// # Ok(()) }) }
    /// ```
    pub fn wait_with_output(self) -> impl Future<Output = io::Result<Output>> {
        self.output()
    }

    /// Asks the child to end, and kills it if it has not ended after `grace`. Returns its status.
    ///
    /// On Unix this sends SIGTERM, and SIGKILL after the grace time. A child that is stopped
    /// receives SIGTERM only when it continues, so it is killed. On Windows, which has no such
    /// request, the child is ended at once. The standard input of the child is closed first. The
    /// processes that the child has started are not affected; for those, see `terminate_group` of
    /// the Unix extensions. A child that has ended already is not an error.
    ///
    /// # Errors
    ///
    /// The system's error, with the id of the child: for example no permission, if the child runs
    /// as another user.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the child is not killed. It may have been asked to end.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
    /// use reveille::process::Command;
    /// use std::time::Duration;
    ///
    /// let mut server = Command::new("sleep").arg("1000").spawn()?;
    /// let status = server.terminate(Duration::from_secs(10)).await?;
    /// assert!(!status.success());
    /// # Ok(()) }) }
    /// ```
    pub async fn terminate(&mut self, grace: Duration) -> io::Result<ExitStatus> {
        drop(self.stdin.take());
        let process = self.guard.process();
        if let Some(status) = process.try_status()? {
            return Ok(status);
        }
        if let Err(error) = process.unreaped("terminate", terminate) {
            // It may have ended just now.
            return process.try_status()?.ok_or(error);
        }
        if let Ok(status) = TimeoutFuture::new(process.status(), grace).await {
            return status;
        }
        process
            .with(std::process::Child::kill)
            .named(|| format!("could not kill child {}", self.id()))?;
        process.status().await
    }

    /// Calls `send` if the status of the child has not been taken, for the platform extensions. An
    /// error says that `what` failed for this child.
    #[cfg_attr(not(unix), allow(dead_code, reason = "only Unix has signals"))]
    pub(crate) fn unreaped(
        &self,
        what: &str,
        send: impl FnOnce(&mut std::process::Child, &Exit) -> io::Result<()>,
    ) -> io::Result<()> {
        self.guard.process().unreaped(what, send)
    }

    /// How to wait for the exit, for the platform extensions.
    #[cfg_attr(not(unix), allow(dead_code, reason = "only Unix has groups"))]
    pub(crate) fn exit(&self) -> &Exit {
        &self.guard.process().exit
    }

    /// Calls `f` with the child of std, for the platform extensions.
    #[cfg_attr(not(windows), allow(dead_code, reason = "only Windows has such a trait"))]
    pub(crate) fn with_std<T>(&self, look: impl FnOnce(&mut std::process::Child) -> T) -> T {
        self.guard.process().with(look)
    }
}

impl fmt::Debug for Child {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Child")
            .field("stdin", &self.stdin)
            .field("stdout", &self.stdout)
            .field("stderr", &self.stderr)
            .finish_non_exhaustive()
    }
}

/// Reads a pipe to its end, if there is one.
async fn read_all(pipe: Option<impl AsyncRead + Unpin>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(mut pipe) = pipe {
        pipe.read_to_end(&mut bytes).await?;
    }
    Ok(bytes)
}

/// A spawned process, and how to wait for its exit.
struct Process {
    child: Mutex<Tracked>,
    exit: Exit,
}

struct Tracked {
    child: std::process::Child,
    /// The status, once it was taken. From then on the id may belong to another process.
    status: Option<ExitStatus>,
}

impl Process {
    fn with<T>(&self, act: impl FnOnce(&mut std::process::Child) -> T) -> T {
        // Nothing that can panic runs under the lock.
        act(&mut self.child.lock().unwrap_or_else(PoisonError::into_inner).child)
    }

    fn try_status(&self) -> io::Result<Option<ExitStatus>> {
        let mut tracked = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        if tracked.status.is_none() {
            tracked.status = tracked.child.try_wait()?;
        }
        Ok(tracked.status)
    }

    /// Calls `send` under the lock, so that no other thread takes the status meanwhile.
    fn unreaped(
        &self,
        what: &str,
        send: impl FnOnce(&mut std::process::Child, &Exit) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut tracked = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = if tracked.status.is_some() {
            let message = "it has ended, and its status was taken";
            Err(io::Error::new(io::ErrorKind::NotFound, message))
        } else {
            send(&mut tracked.child, &self.exit)
        };
        let id = tracked.child.id();
        drop(tracked);
        sent.named(|| format!("could not {what} child {id}"))
    }

    async fn status(&self) -> io::Result<ExitStatus> {
        let taken = self.child.lock().unwrap_or_else(PoisonError::into_inner).status;
        if let Some(status) = taken {
            return Ok(status);
        }
        let mut ended = pin!(self.exit.wait(|| self.try_status()));
        poll_fn(|cx| {
            let poll = ended.as_mut().poll(cx);
            if poll.is_pending() {
                waits::note(cx.waker(), || WaitFor::Child(self.with(|child| child.id())));
            }
            poll
        })
        .await
    }
}

/// What happens to the child when the handle and all its futures are gone.
struct Guard {
    /// `None` only during the drop.
    process: Option<Process>,
    kill_on_drop: bool,
    reap_on_drop: bool,
}

impl Guard {
    fn process(&self) -> &Process {
        self.process.as_ref().expect("the process is only taken out by the drop")
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let Some(process) = self.process.take() else { return };
        if self.kill_on_drop {
            // The child may have exited meanwhile, which is fine.
            let _ = process.with(std::process::Child::kill);
        }
        if self.reap_on_drop && matches!(process.try_status(), Ok(None)) {
            let tracked = process.child.into_inner().unwrap_or_else(PoisonError::into_inner);
            adopt(tracked.child, process.exit);
        }
    }
}
