//! The operations that a workload needs of a runtime, with an implementation per runtime.
//!
//! Workloads are written once, generic over [`Rt`]. Every method is the call that a user of the
//! runtime would write. Futures are the runtime's own types, returned as `impl Future`, so that no
//! runtime pays for an adapter. For the same reason streams are read and written through each
//! runtime's own traits.
//!
//! Rejected: futures-io as the common interface, because tokio would need a wrapper around each
//! call. Rejected: boxed futures, because an allocation per call would hide what is measured.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use crate::source::{Numbers, Packets};

mod async_std;
pub mod exchanges;
#[cfg(feature = "reveille")]
mod reveille;
pub mod signals;
mod smol;
mod tokio;

pub use self::async_std::AsyncStd;
#[cfg(feature = "reveille")]
pub use self::reveille::Reveille;
pub use self::smol::Smol;
pub use self::tokio::Tokio;

/// A runtime under measurement.
///
/// Methods without `self` are called from inside a task, as in a program.
pub trait Rt: Sized + Send + Sync + 'static {
    /// The handle of a spawned task, which resolves to its output.
    type Handle<T: Send + 'static>: Future<Output = T> + Send + 'static;
    /// The error of a future whose time has run out.
    type Elapsed: Send;
    /// The runtime's mutex around a counter.
    type Mutex: Send + Sync + 'static;
    /// The guard of that mutex.
    type Guard<'a>: DerefMut<Target = u64> + Send + 'a;
    /// The runtime's read-write lock around a counter.
    type RwLock: Send + Sync + 'static;
    /// The guard of a read lock.
    type ReadGuard<'a>: Deref<Target = u64> + Send + 'a;
    /// The guard of a write lock.
    type WriteGuard<'a>: DerefMut<Target = u64> + Send + 'a;
    /// The sending half of the runtime's bounded channel.
    type Sender: Clone + Send + Sync + 'static;
    /// The receiving half.
    type Receiver: Send + 'static;
    /// A listening TCP socket.
    type Listener: Send + Sync + 'static;
    /// A connected TCP socket.
    type Stream: Send + 'static;

    /// Starts the runtime with `workers` threads. smol and async-std ignore the argument: they read
    /// the number from the environment, which the parent process has set.
    fn start(workers: usize) -> Self;

    /// Runs `future` on this thread, inside the runtime.
    fn block_on<F: Future>(&self, future: F) -> F::Output;

    /// Runs one future from a plain thread, with the call that a program would use.
    fn plain_block_on<F: Future>(&self, future: F) -> F::Output {
        self.block_on(future)
    }

    /// Spawns from a thread that does not belong to the runtime.
    fn spawn_outside<F>(&self, future: F) -> Self::Handle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static;

    /// Spawns from inside a task.
    fn spawn<F>(future: F) -> Self::Handle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static;

    /// Detaches the task.
    fn detach<T: Send + 'static>(handle: Self::Handle<T>);

    /// Sleeps.
    fn sleep(duration: Duration) -> impl Future<Output = ()> + Send;

    /// Yields to other tasks once.
    fn yield_now() -> impl Future<Output = ()> + Send;

    /// Runs a closure on the blocking pool. It starts before the future is polled.
    fn spawn_blocking<T, F>(closure: F) -> impl Future<Output = T> + Send
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static;

    /// Limits the time of a future, with the runtime's own future. A wrapper would move that once
    /// more, which costs as much as the limit.
    fn timeout<F>(
        duration: Duration,
        future: F,
    ) -> impl Future<Output = Result<F::Output, Self::Elapsed>> + Send
    where
        F: Future + Send,
        F::Output: Send;

    /// A mutex that holds 0.
    fn mutex() -> Self::Mutex;

    /// Locks it.
    fn lock(mutex: &Self::Mutex) -> impl Future<Output = Self::Guard<'_>> + Send;

    /// A read-write lock that holds 0.
    fn rwlock() -> Self::RwLock;

    /// Locks it to read.
    fn read_lock(lock: &Self::RwLock) -> impl Future<Output = Self::ReadGuard<'_>> + Send;

    /// Locks it to write.
    fn write_lock(lock: &Self::RwLock) -> impl Future<Output = Self::WriteGuard<'_>> + Send;

    /// Sums item by item what remains of the numbers after `filter` (not divisible by three), `map`
    /// (doubled), `skip` (without the first ten), `take_while` and `fuse`.
    fn adapters(numbers: Numbers) -> impl Future<Output = u64> + Send;

    /// Adds up the lengths of the lines of a buffered reader, line by line.
    fn sum_line_lengths(packets: Packets) -> impl Future<Output = usize> + Send;

    /// A bounded channel.
    fn channel(capacity: usize) -> (Self::Sender, Self::Receiver);

    /// Sends a value, after waiting for capacity.
    fn send(sender: &Self::Sender, value: u64) -> impl Future<Output = ()> + Send;

    /// Receives a value, or `None` after the last sender is dropped.
    fn recv(receiver: &mut Self::Receiver) -> impl Future<Output = Option<u64>> + Send;

    /// Listens on a free port of 127.0.0.1.
    fn listen() -> impl Future<Output = io::Result<(Self::Listener, SocketAddr)>> + Send;

    /// Accepts one connection and sets `TCP_NODELAY`.
    fn accept(listener: &Self::Listener) -> impl Future<Output = io::Result<Self::Stream>> + Send;

    /// Connects and sets `TCP_NODELAY`.
    fn connect(addr: SocketAddr) -> impl Future<Output = io::Result<Self::Stream>> + Send;

    /// Reads available bytes, at most `buf.len()`. Returns 0 at the end.
    fn read<'a>(
        stream: &'a mut Self::Stream,
        buf: &'a mut [u8],
    ) -> impl Future<Output = io::Result<usize>> + Send;

    /// Writes all of `bytes`.
    fn write_all<'a>(
        stream: &'a mut Self::Stream,
        bytes: &'a [u8],
    ) -> impl Future<Output = io::Result<()>> + Send;

    /// Many operations of a signal between tasks. `None` if neither the runtime nor the crates
    /// around it have one.
    fn signal(_signal: signals::Signal) -> Option<signals::Operations> {
        None
    }

    /// Many round trips through sockets other than TCP.
    fn exchange(exchange: exchanges::Exchange) -> signals::Operations;

    /// Runs `future` as a spawned task and waits for it on the calling thread. Most workloads run
    /// this way.
    fn block_on_task<F>(&self, future: F) -> F::Output
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.block_on(async { Self::spawn(future).await })
    }
}
