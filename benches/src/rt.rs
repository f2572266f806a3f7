//! What a workload asks of a runtime, and one implementation per contestant.
//!
//! Workloads are written once, generic over [`Rt`]. Every method is the call that a user of the
//! runtime would write: the futures are the runtime's own types, returned as `impl Future`, so
//! that no contestant pays for an adapter. Streams are read and written through each runtime's
//! own traits for the same reason.
//!
//! Rejected: futures-io as the common face, because tokio would need a wrapper around each call;
//! boxed futures, because an allocation per call would drown what is measured.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use crate::source::{Numbers, Packets};

mod async_std;
#[cfg(feature = "reveille")]
mod reveille;
mod smol;
mod tokio;

pub use self::async_std::AsyncStd;
#[cfg(feature = "reveille")]
pub use self::reveille::Reveille;
pub use self::smol::Smol;
pub use self::tokio::Tokio;

/// A runtime under measurement.
///
/// The methods without `self` are called from inside a task, as a program would call them.
pub trait Rt: Sized + Send + Sync + 'static {
    /// The handle of a spawned task: gives the task's output.
    type Handle<T: Send + 'static>: Future<Output = T> + Send + 'static;
    /// The runtime's mutex around a counter.
    type Mutex: Send + Sync + 'static;
    /// What locking that mutex gives.
    type Guard<'a>: DerefMut<Target = u64> + Send + 'a;
    /// The runtime's read-write lock around a counter.
    type RwLock: Send + Sync + 'static;
    /// What locking it to read gives.
    type ReadGuard<'a>: Deref<Target = u64> + Send + 'a;
    /// What locking it to write gives.
    type WriteGuard<'a>: DerefMut<Target = u64> + Send + 'a;
    /// The sending half of the runtime's bounded channel.
    type Sender: Clone + Send + Sync + 'static;
    /// The receiving half.
    type Receiver: Send + 'static;
    /// A listening TCP socket.
    type Listener: Send + Sync + 'static;
    /// A connected TCP socket.
    type Stream: Send + 'static;

    /// Starts the runtime. smol and async-std read the number of threads from the environment,
    /// which the parent process has set; the argument says the same to the others.
    fn start(workers: usize) -> Self;

    /// Runs `future` on this thread, inside the runtime.
    fn block_on<F: Future>(&self, future: F) -> F::Output;

    /// The call a program makes from a plain thread to wait for one future.
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

    /// Lets the task run on by itself.
    fn detach<T: Send + 'static>(handle: Self::Handle<T>);

    /// Sleeps.
    fn sleep(duration: Duration) -> impl Future<Output = ()> + Send;

    /// Gives way to other tasks once.
    fn yield_now() -> impl Future<Output = ()> + Send;

    /// Runs a closure on the blocking pool; it starts before the future is polled.
    fn unblock<T, F>(closure: F) -> impl Future<Output = T> + Send
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static;

    /// Bounds the time of a future; `None` when the time was up first.
    fn timeout<F>(duration: Duration, future: F) -> impl Future<Output = Option<F::Output>> + Send
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
    fn lock_to_read(lock: &Self::RwLock) -> impl Future<Output = Self::ReadGuard<'_>> + Send;

    /// Locks it to write.
    fn lock_to_write(lock: &Self::RwLock) -> impl Future<Output = Self::WriteGuard<'_>> + Send;

    /// Sums, item by item, the doubles of the numbers that three does not divide, without the
    /// first ten: through `filter`, `map`, `skip`, `take_while` and `fuse`.
    fn adapters(numbers: Numbers) -> impl Future<Output = u64> + Send;

    /// Counts the letters of the lines of a buffered reader, line by line.
    fn letters_of_lines(packets: Packets) -> impl Future<Output = usize> + Send;

    /// A bounded channel.
    fn channel(capacity: usize) -> (Self::Sender, Self::Receiver);

    /// Sends, waiting for room.
    fn send(sender: &Self::Sender, value: u64) -> impl Future<Output = ()> + Send;

    /// Receives; `None` after the last sender is gone.
    fn recv(receiver: &mut Self::Receiver) -> impl Future<Output = Option<u64>> + Send;

    /// Listens on a free port of 127.0.0.1.
    fn listen() -> impl Future<Output = io::Result<(Self::Listener, SocketAddr)>> + Send;

    /// Accepts one connection, `TCP_NODELAY` set.
    fn accept(listener: &Self::Listener) -> impl Future<Output = io::Result<Self::Stream>> + Send;

    /// Connects, `TCP_NODELAY` set.
    fn connect(addr: SocketAddr) -> impl Future<Output = io::Result<Self::Stream>> + Send;

    /// Reads what there is, at most `buf.len()` bytes; 0 at the end.
    fn read<'a>(
        stream: &'a mut Self::Stream,
        buf: &'a mut [u8],
    ) -> impl Future<Output = io::Result<usize>> + Send;

    /// Writes all of `bytes`.
    fn write_all<'a>(
        stream: &'a mut Self::Stream,
        bytes: &'a [u8],
    ) -> impl Future<Output = io::Result<()>> + Send;

    /// Runs `future` as a spawned task and waits for it on the calling thread: the place where
    /// most workloads live.
    fn inside<F>(&self, future: F) -> F::Output
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.block_on(async { Self::spawn(future).await })
    }
}
