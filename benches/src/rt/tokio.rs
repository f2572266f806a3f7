//! tokio: the multi-thread runtime, or the current-thread runtime if `MULTI` is false.

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard, mpsc};
use tokio::task::JoinHandle;
use tokio_stream::StreamExt;

use super::Rt;
use super::exchanges::{self, Exchange};
use super::signals::{self, Operations, Signal};
use crate::source::{Numbers, Packets};

/// A tokio runtime.
pub struct Tokio<const MULTI: bool>(Runtime);

/// tokio's handle, with its error turned into a panic. No workload panics or cancels.
pub struct Handle<T>(JoinHandle<T>);

impl<T> Future for Handle<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        Pin::new(&mut self.0).poll(cx).map(|output| output.expect("no workload's task panics"))
    }
}

impl AsyncRead for Packets {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let piece = ready!(self.poll_take(cx, buf.remaining()));
        buf.put_slice(piece);
        Poll::Ready(Ok(()))
    }
}

impl<const MULTI: bool> Rt for Tokio<MULTI> {
    type Handle<T: Send + 'static> = Handle<T>;
    type Elapsed = tokio::time::error::Elapsed;
    type Mutex = Mutex<u64>;
    type Guard<'a> = MutexGuard<'a, u64>;
    type RwLock = RwLock<u64>;
    type ReadGuard<'a> = RwLockReadGuard<'a, u64>;
    type WriteGuard<'a> = RwLockWriteGuard<'a, u64>;
    type Sender = mpsc::Sender<u64>;
    type Receiver = mpsc::Receiver<u64>;
    type Listener = TcpListener;
    type Stream = TcpStream;

    fn start(workers: usize) -> Self {
        let mut builder =
            if MULTI { Builder::new_multi_thread() } else { Builder::new_current_thread() };
        if MULTI {
            builder.worker_threads(workers);
        }
        Self(builder.enable_all().build().expect("tokio's runtime starts"))
    }

    fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.0.block_on(future)
    }

    fn spawn_outside<F>(&self, future: F) -> Handle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        Handle(self.0.spawn(future))
    }

    fn spawn<F>(future: F) -> Handle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        Handle(tokio::spawn(future))
    }

    fn detach<T: Send + 'static>(handle: Handle<T>) {
        drop(handle);
    }

    fn sleep(duration: Duration) -> impl Future<Output = ()> + Send {
        tokio::time::sleep(duration)
    }

    fn yield_now() -> impl Future<Output = ()> + Send {
        tokio::task::yield_now()
    }

    fn spawn_blocking<T, F>(closure: F) -> impl Future<Output = T> + Send
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        Handle(tokio::task::spawn_blocking(closure))
    }

    fn timeout<F>(
        duration: Duration,
        future: F,
    ) -> impl Future<Output = Result<F::Output, Self::Elapsed>> + Send
    where
        F: Future + Send,
        F::Output: Send,
    {
        tokio::time::timeout(duration, future)
    }

    fn mutex() -> Mutex<u64> {
        Mutex::new(0)
    }

    fn lock(mutex: &Mutex<u64>) -> impl Future<Output = MutexGuard<'_, u64>> + Send {
        mutex.lock()
    }

    fn rwlock() -> RwLock<u64> {
        RwLock::new(0)
    }

    fn read_lock(lock: &RwLock<u64>) -> impl Future<Output = RwLockReadGuard<'_, u64>> + Send {
        lock.read()
    }

    fn write_lock(lock: &RwLock<u64>) -> impl Future<Output = RwLockWriteGuard<'_, u64>> + Send {
        lock.write()
    }

    async fn adapters(numbers: Numbers) -> u64 {
        let kept = numbers.filter(|number| number % 3 != 0).map(|number| number * 2).skip(10);
        let mut kept = kept.take_while(|number| *number < u64::MAX).fuse();
        let mut sum = 0;
        while let Some(number) = kept.next().await {
            sum += number;
        }
        sum
    }

    async fn sum_line_lengths(packets: Packets) -> usize {
        let mut lines = BufReader::new(packets).lines();
        let mut letters = 0;
        while let Some(line) = lines.next_line().await.expect("the text is whole") {
            letters += line.len();
        }
        letters
    }

    fn channel(capacity: usize) -> (Self::Sender, Self::Receiver) {
        mpsc::channel(capacity)
    }

    async fn send(sender: &Self::Sender, value: u64) {
        sender.send(value).await.expect("the receiver lives as long as its senders");
    }

    fn recv(receiver: &mut Self::Receiver) -> impl Future<Output = Option<u64>> + Send {
        receiver.recv()
    }

    fn signal(signal: Signal) -> Option<Operations> {
        MULTI.then(|| signals::tokio::operations(signal))
    }

    fn exchange(exchange: Exchange) -> Operations {
        exchanges::tokio::operations(exchange)
    }

    async fn listen() -> io::Result<(TcpListener, SocketAddr)> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let addr = listener.local_addr()?;
        Ok((listener, addr))
    }

    async fn accept(listener: &TcpListener) -> io::Result<TcpStream> {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    async fn connect(addr: SocketAddr) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(addr).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    fn read<'a>(
        stream: &'a mut TcpStream,
        buf: &'a mut [u8],
    ) -> impl Future<Output = io::Result<usize>> + Send {
        stream.read(buf)
    }

    fn write_all<'a>(
        stream: &'a mut TcpStream,
        bytes: &'a [u8],
    ) -> impl Future<Output = io::Result<()>> + Send {
        stream.write_all(bytes)
    }
}
