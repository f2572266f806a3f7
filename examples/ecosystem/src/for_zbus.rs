//! A runtime for the connections of zbus 6. zbus makes its own system calls, and reveille waits for
//! readiness.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::pin::Pin;
use std::process::{Command, ExitStatus, Stdio};
use std::task::{Context, Poll};
use std::time::Duration;

use reveille::net::TcpStream;
use reveille::os::unix::io::AsyncFd;
use reveille::os::unix::net::UnixStream;
use reveille::task;
use reveille::time::Sleep;
use zbus::runtime::traits::{PollIo, Runtime};
use zbus::runtime::{Interest, IoSource};

use self::task_handle::Task;

mod task_handle;

/// Runs the connections of zbus on reveille.
#[derive(Debug)]
pub struct Reveille;

/// A socket or a pipe of zbus.
#[derive(Debug)]
pub struct Watched(AsyncFd<IoSource>);

impl Runtime for Reveille {
    type RegisteredIoSource = Watched;
    type Sleep = Sleep;
    type Task<T>
        = Task<T>
    where
        T: Send + 'static;

    fn register_io_source(&self, source: IoSource) -> io::Result<Watched> {
        AsyncFd::new(source).map(Watched)
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        Sleep::after(duration)
    }

    fn spawn<T: Send + 'static>(
        &self,
        name: &str,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Task<T> {
        Task::new(task::Builder::new().name(name.to_owned()).spawn(future))
    }

    async fn connect_tcp(&self, address: SocketAddr) -> io::Result<IoSource> {
        Ok(OwnedFd::from(TcpStream::connect(address).await?).into())
    }

    async fn connect_unix(&self, path: &Path) -> io::Result<IoSource> {
        Ok(OwnedFd::from(UnixStream::connect(path).await?).into())
    }

    fn spawn_process(
        &self,
        command: Command,
        stdin: Stdio,
        stdout: Stdio,
        stderr: Stdio,
    ) -> io::Result<Pin<Box<dyn Future<Output = io::Result<ExitStatus>> + Send>>> {
        let mut command = reveille::process::Command::from(command);
        let mut child = command.stdin(stdin).stdout(stdout).stderr(stderr).spawn()?;
        Ok(Box::pin(async move { child.wait().await }))
    }

    fn spawn_blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Pin<Box<dyn Future<Output = T> + Send>> {
        Box::pin(task::spawn_blocking(work))
    }
}

impl PollIo for Watched {
    fn poll_io<T>(
        &self,
        cx: &mut Context<'_>,
        interest: Interest,
        mut operation: impl FnMut() -> io::Result<T>,
    ) -> Poll<io::Result<T>> {
        match interest {
            Interest::Writable => self.0.poll_write_with(cx, |_| operation()),
            _ => self.0.poll_read_with(cx, |_| operation()),
        }
    }
}
