//! Our ends of the pipes to a child. [`Pipe`] is the implementation of all three.

use std::io;
use std::pin::Pin;
use std::process::Stdio;
use std::task::{Context, Poll, ready};

use futures_io::{AsyncRead, AsyncWrite};

use crate::os::child::Pipe;

/// Writes to the standard input of a child.
///
/// Dropping it closes the pipe, and so does `close` of an extension trait of writers
/// (`poll_close`): the child then reads the end of its input. A later write fails with
/// `BrokenPipe`, as does a write after the child has closed its end. No write raises SIGPIPE.
///
/// # Examples
///
/// ```
/// # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
/// use reveille::prelude::*;
/// use reveille::process::{Command, Stdio};
///
/// let mut cat = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
/// let mut stdin = cat.stdin.take().expect("stdin is a pipe");
/// stdin.write_all(b"meow").await?;
/// drop(stdin);
/// assert_eq!(cat.output().await?.stdout, b"meow");
/// # Ok(()) }) }
/// ```
#[derive(Debug)]
pub struct ChildStdin {
    /// `None` after it was closed.
    pipe: Option<Pipe>,
}

/// The error of an operation on a pipe that was closed.
fn closed() -> io::Error {
    let message = "the standard input of the child was closed by this process";
    io::Error::new(io::ErrorKind::BrokenPipe, message)
}

impl ChildStdin {
    pub(super) fn new(end: std::process::ChildStdin) -> io::Result<ChildStdin> {
        Ok(ChildStdin { pipe: Some(Pipe::new(end)?) })
    }

    /// Converts the pipe into a [`Stdio`] for another command.
    ///
    /// # Errors
    ///
    /// `BrokenPipe` if the pipe was closed. Otherwise the system's error if the pipe cannot be made
    /// blocking.
    ///
    /// # Cancel safety
    ///
    /// It never waits. Dropping the future before its first poll closes the pipe.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
    /// use reveille::process::{Command, Stdio};
    ///
    /// let mut cat = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    /// let stdin = cat.stdin.take().expect("stdin is a pipe").into_stdio().await?;
    /// Command::new("echo").arg("from one to the other").stdout(stdin).status().await?;
    /// assert_eq!(cat.output().await?.stdout, b"from one to the other\n");
    /// # Ok(()) }) }
    /// ```
    pub async fn into_stdio(self) -> io::Result<Stdio> {
        self.into_pipe()?.into_owned().map(Stdio::from)
    }

    /// `None` if it was closed.
    #[cfg_attr(not(unix), allow(dead_code, reason = "only Unix has descriptors"))]
    pub(crate) fn pipe(&self) -> Option<&Pipe> {
        self.pipe.as_ref()
    }

    pub(crate) fn into_pipe(self) -> io::Result<Pipe> {
        self.pipe.ok_or_else(closed)
    }
}

impl AsyncWrite for ChildStdin {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &self.pipe {
            Some(pipe) => pipe.poll_write(cx, buf),
            None => Poll::Ready(Err(closed())),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &self.pipe {
            Some(pipe) => pipe.poll_flush(cx),
            None => Poll::Ready(Ok(())),
        }
    }

    /// Closes the pipe.
    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(pipe) = &self.pipe {
            ready!(pipe.poll_flush(cx))?;
            self.pipe = None;
        }
        Poll::Ready(Ok(()))
    }
}

/// Implements a pipe from which the output of a child is read. The lines before the name of the
/// type are the example of `into_stdio`.
macro_rules! impl_output {
    ($(#[$example:meta])* $output:ident) => {
        impl $output {
            pub(super) fn new(end: std::process::$output) -> io::Result<$output> {
                Pipe::new(end).map($output)
            }

            /// Converts the pipe into a [`Stdio`] for another command.
            ///
            /// # Errors
            ///
            /// The system's error if the pipe cannot be made blocking.
            ///
            /// # Cancel safety
            ///
            /// It never waits. Dropping the future before its first poll closes the pipe.
            ///
            /// # Examples
            ///
            /// ```
            /// # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
            /// use reveille::process::{Command, Stdio};
            ///
            $(#[$example])*
            /// # Ok(()) }) }
            /// ```
            pub async fn into_stdio(self) -> io::Result<Stdio> {
                self.0.into_owned().map(Stdio::from)
            }
        }

        impl AsyncRead for $output {
            fn poll_read(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &mut [u8],
            ) -> Poll<io::Result<usize>> {
                self.0.poll_read(cx, buf)
            }
        }
    };
}

/// Reads from the standard output of a child.
///
/// # Examples
///
/// ```
/// # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
/// use reveille::prelude::*;
/// use reveille::process::{Command, Stdio};
///
/// let mut child = Command::new("echo").arg("hello").stdout(Stdio::piped()).spawn()?;
/// let mut text = String::new();
/// child.stdout.take().expect("stdout is a pipe").read_to_string(&mut text).await?;
/// assert_eq!(text, "hello\n");
/// # Ok(()) }) }
/// ```
#[derive(Debug)]
pub struct ChildStdout(pub(crate) Pipe);

impl_output! {
    /// let mut echo = Command::new("echo").arg("hello").stdout(Stdio::piped()).spawn()?;
    /// let stdout = echo.stdout.take().expect("stdout is a pipe").into_stdio().await?;
    /// let output = Command::new("cat").stdin(stdout).output().await?;
    /// assert_eq!(output.stdout, b"hello\n");
    ChildStdout
}

/// Reads from the standard error of a child.
///
/// # Examples
///
/// ```
/// # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
/// use reveille::prelude::*;
/// use reveille::process::{Command, Stdio};
///
/// let mut child =
///     Command::new("sh").args(["-c", "echo oh >&2"]).stderr(Stdio::piped()).spawn()?;
/// let mut text = String::new();
/// child.stderr.take().expect("stderr is a pipe").read_to_string(&mut text).await?;
/// assert_eq!(text, "oh\n");
/// # Ok(()) }) }
/// ```
#[derive(Debug)]
pub struct ChildStderr(pub(crate) Pipe);

impl_output! {
    /// let mut child =
    ///     Command::new("sh").args(["-c", "echo oh >&2"]).stderr(Stdio::piped()).spawn()?;
    /// let stderr = child.stderr.take().expect("stderr is a pipe").into_stdio().await?;
    /// let output = Command::new("cat").stdin(stderr).output().await?;
    /// assert_eq!(output.stdout, b"oh\n");
    ChildStderr
}
