//! async-std 1.13: its global executor with `ASYNC_STD_THREAD_COUNT` threads.

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use async_std::channel::{Receiver, Sender};
use async_std::future;
use async_std::io::BufReader;
use async_std::io::prelude::*;
use async_std::net::{TcpListener, TcpStream};
use async_std::prelude::*;
use async_std::sync::{Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};
use async_std::task::{self, JoinHandle};

use super::Rt;
use super::exchanges::{self, Exchange};
use super::signals::Operations;
use crate::source::{Numbers, Packets};

/// async-std's global executor.
pub struct AsyncStd;

impl Rt for AsyncStd {
    type Handle<T: Send + 'static> = JoinHandle<T>;
    type Elapsed = future::TimeoutError;
    type Mutex = Mutex<u64>;
    type Guard<'a> = MutexGuard<'a, u64>;
    type RwLock = RwLock<u64>;
    type ReadGuard<'a> = RwLockReadGuard<'a, u64>;
    type WriteGuard<'a> = RwLockWriteGuard<'a, u64>;
    type Sender = Sender<u64>;
    type Receiver = Receiver<u64>;
    type Listener = TcpListener;
    type Stream = TcpStream;

    fn start(_workers: usize) -> Self {
        Self
    }

    fn block_on<F: Future>(&self, future: F) -> F::Output {
        task::block_on(future)
    }

    fn spawn_outside<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        task::spawn(future)
    }

    fn spawn<F>(future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        task::spawn(future)
    }

    fn detach<T: Send + 'static>(handle: JoinHandle<T>) {
        drop(handle);
    }

    fn sleep(duration: Duration) -> impl Future<Output = ()> + Send {
        task::sleep(duration)
    }

    fn yield_now() -> impl Future<Output = ()> + Send {
        task::yield_now()
    }

    fn spawn_blocking<T, F>(closure: F) -> impl Future<Output = T> + Send
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        task::spawn_blocking(closure)
    }

    fn timeout<F>(
        duration: Duration,
        future: F,
    ) -> impl Future<Output = Result<F::Output, Self::Elapsed>> + Send
    where
        F: Future + Send,
        F::Output: Send,
    {
        future::timeout(duration, future)
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
        while let Some(line) = lines.next().await {
            letters += line.expect("the text is whole").len();
        }
        letters
    }

    fn channel(capacity: usize) -> (Sender<u64>, Receiver<u64>) {
        async_std::channel::bounded(capacity)
    }

    async fn send(sender: &Sender<u64>, value: u64) {
        sender.send(value).await.expect("the receiver lives as long as its senders");
    }

    async fn recv(receiver: &mut Receiver<u64>) -> Option<u64> {
        receiver.recv().await.ok()
    }

    fn exchange(exchange: Exchange) -> Operations {
        exchanges::async_std::operations(exchange)
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
