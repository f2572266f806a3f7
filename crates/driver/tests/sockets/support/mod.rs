//! Polls futures without a runtime, makes pairs of descriptors, and turns a shard until a condition
//! holds.

#![allow(unreachable_pub, reason = "a module of test files")]

#[cfg(target_os = "linux")]
pub mod filter;

use std::future::Future;
use std::io::{self, Read};
use std::net::{TcpListener, TcpStream};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use reveille_driver::{Direction, Driver, Events, IoOp, Kind, Source, Turn};

#[cfg(unix)]
pub use std::os::fd::AsFd;

/// A socket, under the name that descriptors have.
#[cfg(windows)]
pub trait AsFd {
    /// Borrows the socket.
    fn as_fd(&self) -> reveille_driver::Fd<'_>;
}

#[cfg(windows)]
impl<T: std::os::windows::io::AsSocket> AsFd for T {
    fn as_fd(&self) -> reveille_driver::Fd<'_> {
        self.as_socket()
    }
}

/// All kinds of driver in this build. On Windows they are the same, because it has no
/// edge-triggered events.
pub fn kinds() -> Vec<Kind> {
    #[cfg(windows)]
    return vec![Kind::Native];
    #[cfg(not(windows))]
    vec![
        Kind::Native,
        Kind::Batched,
        #[cfg(any(not(target_os = "linux"), feature = "portable"))]
        Kind::Portable,
        #[cfg(any(not(target_os = "linux"), feature = "portable"))]
        Kind::PortableOneshot,
    ]
}

/// Runs `body` with a new shard of every kind.
pub fn each_kind(body: impl Fn(Arc<Driver>)) {
    for kind in kinds() {
        body(Arc::new(Driver::new(kind).expect("a shard")));
    }
}

/// Counts its wakes.
#[derive(Default)]
pub struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Count>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Count {
    pub fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// A waker that counts its wakes, and its count.
pub fn counting() -> (Arc<Count>, Waker) {
    let count = Arc::new(Count::default());
    (Arc::clone(&count), Waker::from(count))
}

/// Long enough for a busy machine; only a lost event waits that long.
pub const LONG: Duration = Duration::from_secs(20);

/// Turns `shard` until `is_done` returns `true`. Panics if there is no event for [`LONG`].
pub fn turn_until(shard: &Driver, mut is_done: impl FnMut() -> bool) {
    let mut events = Events::new();
    while !is_done() {
        let turn = shard.turn(Some(LONG), &mut events).expect("a turn");
        let nothing = Turn::Done { events: 0, woken: 0, is_notified: false };
        assert_ne!(turn, nothing, "an event is missing");
    }
}

/// Makes one turn without waiting. Returns the number of events.
pub fn drain(shard: &Driver) -> usize {
    let mut events = Events::new();
    match shard.turn(Some(Duration::ZERO), &mut events).expect("a turn") {
        Turn::Done { events, .. } => events,
        Turn::Busy => 0,
    }
}

/// Polls `future` and turns `shard` while it is pending.
pub fn drive<F: Future>(shard: &Driver, future: F) -> F::Output {
    let mut future = pin!(future);
    let (count, waker) = counting();
    loop {
        let before = count.get();
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        turn_until(shard, || count.get() > before);
    }
}

/// Registers a descriptor that the test keeps open longer than its source.
pub fn register(source: &Source, fd: &impl AsFd, shard: &Arc<Driver>) -> io::Result<()> {
    // SAFETY: the tests close the descriptor only after the source is deregistered or dropped.
    unsafe { source.register(fd.as_fd(), shard) }
}

/// A descriptor with its source.
pub struct Io<T: AsFd> {
    pub source: Source,
    pub inner: T,
}

impl Io<TcpStream> {
    /// The same socket with a source that waits for its first event.
    pub fn with_events(&self) -> Io<TcpStream> {
        let inner = self.inner.try_clone().expect("a second descriptor");
        Io { source: Source::for_events(), inner }
    }
}

impl<T: AsFd> Io<T> {
    /// For a stream that no other code uses.
    pub fn new(inner: T) -> Io<T> {
        Io { source: Source::for_stream(), inner }
    }

    /// For a descriptor of unknown kind.
    #[cfg(target_os = "linux")]
    pub fn of_unknown(inner: T) -> Io<T> {
        Io { source: Source::new(), inner }
    }

    pub fn at<'a>(
        &'a self,
        shard: &'a Arc<Driver>,
    ) -> IoOp<'a, impl Fn() -> io::Result<Arc<Driver>> + 'a> {
        self.at_any(move || Ok(Arc::clone(shard)))
    }

    pub fn at_any<F: Fn() -> io::Result<Arc<Driver>>>(&self, shard: F) -> IoOp<'_, F> {
        // SAFETY: this object owns the descriptor, and its drop deregisters the source first.
        unsafe { self.source.op(self.inner.as_fd(), shard) }
    }

    pub fn register(&self, shard: &Arc<Driver>) -> io::Result<()> {
        register(&self.source, &self.inner, shard)
    }

    pub fn poll_read(
        &self,
        shard: &Arc<Driver>,
        waker: &Waker,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>>
    where
        for<'a> &'a T: Read,
    {
        let len = buffer.len();
        self.at(shard).poll_stream(Direction::Read, &Context::from_waker(waker), len, || {
            (&self.inner).read(buffer)
        })
    }

    pub async fn read(&self, shard: &Arc<Driver>, buffer: &mut [u8]) -> io::Result<usize>
    where
        for<'a> &'a T: Read,
    {
        self.at(shard).io(Direction::Read, || (&self.inner).read(buffer)).await
    }
}

impl<T: AsFd> Drop for Io<T> {
    fn drop(&mut self) {
        self.source.deregister(self.inner.as_fd()).expect("deregistered");
    }
}

/// Two connected TCP sockets; the first is non-blocking.
pub fn tcp() -> (Io<TcpStream>, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let address = listener.local_addr().expect("an address");
    let theirs = TcpStream::connect(address).expect("a connection");
    let (ours, _) = listener.accept().expect("a connection");
    ours.set_nonblocking(true).expect("non-blocking");
    ours.set_nodelay(true).expect("no delay");
    theirs.set_nodelay(true).expect("no delay");
    (Io::new(ours), theirs)
}
