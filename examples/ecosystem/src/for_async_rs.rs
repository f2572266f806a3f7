//! A runtime kit for async-rs, which lapin and other crates use.

use std::future::Future;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use async_rs::traits::{Executor, Reactor, RuntimeKit};
use async_rs::util::Task;
use futures_core::Stream;
use futures_io::{AsyncRead, AsyncWrite};
use reveille::net::TcpStream;
use reveille::os::unix::io::AsyncFd;
use reveille::task;
use reveille::time::{self, Sleep};

use self::spawned::Spawned;

mod spawned;

/// Runs async-rs on reveille.
#[derive(Debug, Clone, Copy)]
pub struct Reveille;

impl RuntimeKit for Reveille {}

impl Executor for Reveille {
    type Task<T: Send + 'static> = Spawned<T>;

    fn block_on<T, F: Future<Output = T>>(&self, future: F) -> T {
        task::block_on(future)
    }

    fn spawn<T, F>(&self, future: F) -> Task<Spawned<T>>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        Spawned::new(task::spawn(future)).into()
    }

    fn spawn_blocking<T, F>(&self, closure: F) -> Task<Spawned<T>>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        Spawned::new(task::spawn_blocking(closure)).into()
    }
}

impl Reactor for Reveille {
    type TcpStream = TcpStream;
    type Sleep = Sleep;

    fn register<H: Read + Write + AsFd + Send + 'static>(
        &self,
        handle: H,
    ) -> io::Result<impl AsyncRead + AsyncWrite + Send + Unpin + 'static> {
        AsyncFd::new(handle)
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        Sleep::after(duration)
    }

    fn interval(&self, period: Duration) -> impl Stream<Item = Instant> + Send + 'static {
        time::interval(period)
    }

    fn tcp_connect_addr(
        &self,
        address: SocketAddr,
    ) -> impl Future<Output = io::Result<TcpStream>> + Send + 'static {
        TcpStream::connect(address)
    }
}
