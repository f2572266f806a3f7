//! [`Io`]: a socket or pipe together with its readiness.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::task::{Context, Poll};

pub use reveille_driver::{Direction as Interest, fault_number};
use reveille_driver::{Fd, IoOp, Source, WakerOps};

use crate::budget;
use crate::scheduler::serving;
use crate::scheduler::wake;
use crate::waits::{self, WaitFor};

#[cfg(unix)]
use std::os::fd::AsFd;
#[cfg(windows)]
use std::os::windows::io::AsSocket as AsFd;

/// An object of std that owns a descriptor (on Windows a socket) and can be waited for.
///
/// Sealed, because the descriptor must stay open and the same while the object exists. A borrowed
/// descriptor may be closed while it is registered with the driver, and that of a user's type may
/// change.
///
/// ```compile_fail,E0277
/// let stream = std::net::TcpListener::bind("127.0.0.1:0")?;
/// let io = reveille_runtime::io::Io::new(&stream);
/// # std::io::Result::Ok(())
/// ```
pub trait Descriptor: AsFd + sealed::Sealed {}

impl<T: AsFd + sealed::Sealed> Descriptor for T {}

mod sealed {
    /// Implemented only in this module.
    pub trait Sealed {}

    macro_rules! owning {
        ($($object:ty),*) => { $(impl Sealed for $object {})* };
    }

    owning!(super::Held, std::net::TcpListener, std::net::TcpStream, std::net::UdpSocket);
    #[cfg(unix)]
    owning!(
        std::fs::File,
        std::os::fd::OwnedFd,
        std::os::unix::net::UnixDatagram,
        std::os::unix::net::UnixListener,
        std::os::unix::net::UnixStream
    );
}

/// A descriptor that the holder owns, or that another object keeps open.
///
/// For a wrapper of any object with a descriptor: it holds the object beside the `Io`, so that it
/// can lend it mutably. `Lent` needs a borrow for `'static`. To get one from an object takes unsafe
/// code, which promises that the object outlives the `Io`.
#[derive(Debug)]
pub enum Held {
    /// A duplicate of the descriptor of an object that may close or exchange it.
    Owned(Owned),
    /// The descriptor of an object that keeps it.
    Lent(Fd<'static>),
}

#[cfg(unix)]
type Owned = std::os::fd::OwnedFd;
#[cfg(windows)]
type Owned = std::os::windows::io::OwnedSocket;

#[cfg(unix)]
impl AsFd for Held {
    fn as_fd(&self) -> Fd<'_> {
        match self {
            Held::Owned(owned) => owned.as_fd(),
            Held::Lent(lent) => *lent,
        }
    }
}

#[cfg(windows)]
impl AsFd for Held {
    fn as_socket(&self) -> Fd<'_> {
        match self {
            Held::Owned(owned) => owned.as_socket(),
            Held::Lent(lent) => *lent,
        }
    }
}

/// A non-blocking object and its readiness.
///
/// Operations are tried first. When an operation would block, the object registers with the driver
/// of the thread that polls it.
pub struct Io<T: Descriptor> {
    source: Source,
    /// `None` only after [`Io::into_inner`] has taken it.
    inner: Option<T>,
}

#[cfg(unix)]
fn descriptor<T: Descriptor>(inner: &T) -> Fd<'_> {
    inner.as_fd()
}

#[cfg(windows)]
fn descriptor<T: Descriptor>(inner: &T) -> Fd<'_> {
    inner.as_socket()
}

/// The number by which the system knows a descriptor.
#[cfg(unix)]
fn number(descriptor: Fd<'_>) -> u64 {
    use std::os::fd::AsRawFd;
    u64::try_from(descriptor.as_raw_fd()).unwrap_or_default()
}

#[cfg(windows)]
fn number(descriptor: Fd<'_>) -> u64 {
    use std::os::windows::io::AsRawSocket;
    descriptor.as_raw_socket()
}

impl<T: Descriptor> Io<T> {
    /// Wraps an object that is in non-blocking mode already.
    pub fn new(inner: T) -> Io<T> {
        Io { source: Source::new(), inner: Some(inner) }
    }

    /// Like [`Io::new`], for a connected TCP socket that no other code can access. After a short
    /// read or write the next one waits without a system call. With [batched
    /// reads](crate::Builder::batched_reads) the driver reads for waiting tasks. Call
    /// [`Io::expose`] before you give the descriptor to other code; it turns both off.
    pub fn for_stream(inner: T) -> Io<T> {
        Io { source: Source::for_stream(), inner: Some(inner) }
    }

    /// Like [`Io::new`], for a descriptor that becomes readable once and was just made, such as
    /// that of a process. It is not assumed to be readable already, so
    /// [`io_after_event`](Io::io_after_event) waits for the event first.
    pub fn for_events(inner: T) -> Io<T> {
        Io { source: Source::for_events(), inner: Some(inner) }
    }

    /// Returns the object for code that may use its descriptor in any way. That code may enable
    /// kernel TLS on a TCP socket, for example, and then each read ends at a record.
    pub fn expose(&self) -> &T {
        self.source.expose();
        self.get_ref()
    }

    /// The object.
    pub fn get_ref(&self) -> &T {
        self.inner.as_ref().expect("the object is taken only together with the whole")
    }

    /// Wakes what waits for the object, after its owner has shut it down.
    pub fn note_shutdown(&self) {
        wake::wake_all(&mut self.source.note_shutdown());
    }

    /// Deregisters from the driver and returns the object.
    ///
    /// # Errors
    ///
    /// Returns an error if the driver cannot deregister the descriptor, or if the driver has
    /// received bytes that no read has taken: they would be lost for the next owner.
    pub fn into_inner(mut self) -> io::Result<T> {
        self.source.deregister(descriptor(self.get_ref()))?;
        let unread = self.source.prefetched();
        if unread > 0 {
            return Err(io::Error::other(format!(
                "the descriptor cannot be given up, because {unread} bytes of it were read \
                 already, for a read that was dropped (batched reads)"
            )));
        }
        Ok(self.inner.take().expect("the object is taken once"))
    }

    #[allow(unsafe_code, reason = "a driver requires that descriptors stay open")]
    fn io_op(&self) -> IoOp<'_, fn() -> io::Result<std::sync::Arc<reveille_driver::Driver>>> {
        let driver: fn() -> _ = serving::driver;
        // SAFETY: the descriptor stays open until the source is deregistered. The object owns it
        // (`Descriptor`) and is only borrowed as shared. Only `into_inner` and `drop` give it away
        // or drop it, and both deregister first.
        let op = unsafe { self.source.op(descriptor(self.get_ref()), driver) };
        let ops = WakerOps { is_live: reveille_task::is_live, wake_all: wake::wake_all };
        op.with_waker_ops(ops)
    }

    /// Reports to a dump what a pending poll waits for.
    #[inline]
    fn noted<R>(&self, cx: &Context<'_>, interest: Interest, poll: Poll<R>) -> Poll<R> {
        if poll.is_pending() {
            waits::note(cx.waker(), || self.wait_for(interest));
        }
        poll
    }

    #[cold]
    fn wait_for(&self, interest: Interest) -> WaitFor {
        let interest = match interest {
            Interest::Read => "to be readable",
            Interest::Write => "to be writable",
        };
        let descriptor = descriptor(self.get_ref());
        // std has the calls for the addresses, on an object of its own. They work for any socket;
        // other descriptors have no addresses.
        let socket = descriptor.try_clone_to_owned().ok().map(std::net::TcpStream::from);
        let local = socket.as_ref().and_then(|socket| socket.local_addr().ok());
        let peer = socket.as_ref().and_then(|socket| socket.peer_addr().ok());
        WaitFor::Descriptor { interest, fd: number(descriptor), local, peer }
    }

    /// Tries `op`. If it would block, waits for readiness and tries again.
    ///
    /// # Errors
    ///
    /// Returns the errors of `op` and of the registration.
    pub fn poll_io<R>(
        &self,
        cx: &mut Context<'_>,
        interest: Interest,
        mut op: impl FnMut(&T) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        let poll = budget::poll_budgeted(cx, |cx| {
            if let Some(poll) = self.source.poll_io_fast(interest, cx, || op(self.get_ref())) {
                return poll;
            }
            self.io_op().poll_io(interest, cx, || op(self.get_ref()))
        });
        self.noted(cx, interest, poll)
    }

    /// Like [`Io::poll_io`], for a read of at most `len` bytes from a stream into `buf`. If the
    /// runtime has [batched reads](crate::Builder::batched_reads), the driver may receive for a
    /// waiting read. The bytes are then passed to `copy`, which returns how many of them it copied.
    /// Read the object in no other way, except for [`Io::peek`].
    ///
    /// # Errors
    ///
    /// The same as [`Io::poll_io`].
    #[inline]
    pub fn poll_recv_with<B: ?Sized>(
        &self,
        cx: &mut Context<'_>,
        len: usize,
        buf: &mut B,
        copy: impl Fn(&mut B, &[u8]) -> usize,
        op: impl Fn(&T, &mut B) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let poll = budget::poll_budgeted(cx, |cx| {
            let recv = |buf: &mut B| op(self.get_ref(), buf);
            if let Some(poll) = self.source.poll_recv_fast(cx, len, buf, &copy, recv) {
                return poll;
            }
            self.io_op().poll_recv(cx, len, buf, &copy, recv)
        });
        self.noted(cx, Interest::Read, poll)
    }

    /// For an operation that reads the next bytes without consuming them: passes the bytes that the
    /// driver has already received to `copy`. Returns `None` if there are no such bytes; the caller
    /// then makes the system call.
    ///
    /// # Errors
    ///
    /// Returns the error of the receive, or `WouldBlock` while the driver is receiving.
    pub fn peek(&self, copy: impl FnOnce(&[u8]) -> usize) -> Option<io::Result<usize>> {
        self.source.peek(copy)
    }

    /// Like [`Io::poll_io`], for a write of `len` bytes. A write of zero bytes does not wait.
    ///
    /// # Errors
    ///
    /// The same as [`Io::poll_io`].
    #[inline]
    pub fn poll_write_with(
        &self,
        cx: &mut Context<'_>,
        len: usize,
        mut op: impl FnMut(&T) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let interest = Interest::Write;
        let poll = budget::poll_budgeted(cx, |cx| {
            if len == 0 {
                // A write of zero bytes needs no room, and does not wait in std either.
                match op(self.get_ref()) {
                    Err(error) if is_retried(&error) => {}
                    done => return Poll::Ready(done),
                }
            }
            let write = || op(self.get_ref());
            if let Some(poll) = self.source.poll_stream_fast(interest, cx, len, write) {
                return poll;
            }
            self.io_op().poll_stream(interest, cx, len, || op(self.get_ref()))
        });
        self.noted(cx, interest, poll)
    }

    /// Tries `op` until it does not block, waiting in between. Any number of tasks may wait
    /// concurrently.
    ///
    /// # Errors
    ///
    /// The same as [`Io::poll_io`].
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: `op` runs only inside a poll of the future, and that poll returns its
    /// success.
    pub async fn io<R>(
        &self,
        interest: Interest,
        mut op: impl FnMut(&T) -> io::Result<R>,
    ) -> io::Result<R> {
        poll_fn(budget::poll_proceed).await;
        let attempt = self.io_op();
        self.noting(interest, attempt.io(interest, || op(self.get_ref()))).await
    }

    /// Like [`Io::io`], but an object of [`Io::for_events`] waits for its first event before the
    /// first call of `op`.
    ///
    /// # Errors
    ///
    /// The same as [`Io::poll_io`].
    ///
    /// # Cancel safety
    ///
    /// As for [`Io::io`].
    pub async fn io_after_event<R>(
        &self,
        interest: Interest,
        mut op: impl FnMut(&T) -> io::Result<R>,
    ) -> io::Result<R> {
        let attempt = self.io_op();
        self.noting(interest, attempt.io_after_event(interest, || op(self.get_ref()))).await
    }

    /// Runs an operation of the driver. While it waits, dumps say for what.
    async fn noting<R>(
        &self,
        interest: Interest,
        operation: impl Future<Output = io::Result<R>>,
    ) -> io::Result<R> {
        let mut operation = pin!(operation);
        poll_fn(|cx| {
            let poll = operation.as_mut().poll(cx);
            self.noted(cx, interest, poll)
        })
        .await
    }

    /// Waits until the object is ready.
    ///
    /// # Errors
    ///
    /// Returns an error if the object cannot be registered.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub async fn ready(&self, interest: Interest) -> io::Result<()> {
        let attempt = self.io_op();
        self.noting(interest, attempt.ready(interest)).await
    }

    /// Like [`Io::ready`], for methods without memory between polls. Each task that polls is woken.
    ///
    /// # Errors
    ///
    /// When the object cannot be registered.
    pub fn poll_ready(&self, cx: &mut Context<'_>, interest: Interest) -> Poll<io::Result<()>> {
        budget::poll_budgeted(cx, |cx| self.io_op().poll_ready(interest, cx))
    }

    /// Calls `op` at once and after each event, until it does not return `WouldBlock`. `op` must
    /// consume nothing: the readiness that others wait for stays as it is.
    ///
    /// # Errors
    ///
    /// As for [`Io::poll_io`].
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub async fn watch<R>(
        &self,
        interest: Interest,
        mut op: impl FnMut(&T) -> io::Result<R>,
    ) -> io::Result<R> {
        let attempt = self.io_op();
        let mut operation = pin!(attempt.watch(interest, || op(self.get_ref())));
        poll_fn(|cx| {
            let poll = operation.as_mut().poll(cx);
            self.noted(cx, interest, poll)
        })
        .await
    }

    /// Like [`Io::peek`], but takes the bytes: for a read that does not wait.
    ///
    /// # Errors
    ///
    /// As for [`Io::peek`].
    pub fn take_prefetched(&self, copy: impl FnOnce(&[u8]) -> usize) -> Option<io::Result<usize>> {
        self.source.take(copy)
    }

    /// How many bytes the driver has read for a read that was dropped (batched reads).
    pub fn prefetched(&self) -> usize {
        self.source.prefetched()
    }
}

fn is_retried(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

impl<T: Descriptor> Drop for Io<T> {
    fn drop(&mut self) {
        if let Some(inner) = &self.inner {
            // Deregister while the descriptor is open: its duplicates, if any, would keep its
            // events alive. An error means that the system has no such entry any more.
            let _ = self.source.deregister(descriptor(inner));
        }
    }
}

impl<T: Descriptor + fmt::Debug> fmt::Debug for Io<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Io").field("inner", &self.inner).finish_non_exhaustive()
    }
}
