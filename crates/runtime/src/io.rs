//! Sockets and pipes as the API sees them: an object with a descriptor, and its readiness.

use std::fmt;
use std::io;
use std::task::{Context, Poll};

pub use reveille_driver::{Direction as Interest, fault_number};
use reveille_driver::{Fd, IoOp, Source, WakerOps};

use crate::budget;
use crate::scheduler::current;
use crate::scheduler::wake;

#[cfg(unix)]
use std::os::fd::AsFd;
#[cfg(windows)]
use std::os::windows::io::AsSocket as AsFd;

/// What can be waited for: an object of std's that owns a descriptor, on Windows a socket.
///
/// Sealed: the descriptor has to stay the same, and open, for as long as the object is there. A
/// borrowed one may be closed while the driver knows it, and one of a user's type may change.
///
/// ```compile_fail,E0277
/// let stream = std::net::TcpListener::bind("127.0.0.1:0")?;
/// let io = reveille_runtime::io::Io::new(&stream);
/// # std::io::Result::Ok(())
/// ```
pub trait Descriptor: AsFd + sealed::Sealed {}

impl<T: AsFd + sealed::Sealed> Descriptor for T {}

mod sealed {
    /// Implemented here only.
    pub trait Sealed {}

    macro_rules! owning {
        ($($object:ty),*) => { $(impl Sealed for $object {})* };
    }

    owning!(std::net::TcpListener, std::net::TcpStream, std::net::UdpSocket);
    #[cfg(unix)]
    owning!(
        std::fs::File,
        std::os::fd::OwnedFd,
        std::os::unix::net::UnixDatagram,
        std::os::unix::net::UnixListener,
        std::os::unix::net::UnixStream
    );
}

/// A non-blocking object and its readiness.
///
/// Operations are tried at once. When the first would block, the object registers with the driver
/// of the thread that polls it.
pub struct Io<T: Descriptor> {
    source: Source,
    /// Taken only by [`Io::into_inner`], which consumes the whole.
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

impl<T: Descriptor> Io<T> {
    /// Wraps an object that is in non-blocking mode already.
    pub fn new(inner: T) -> Io<T> {
        Io { source: Source::new(), inner: Some(inner) }
    }

    /// As [`Io::new`], for a connected TCP socket that no one else can reach. After a short read or
    /// write the next one waits without a system call. With
    /// [batched reads](crate::Builder::batched_reads) the driver reads for those that wait. Call
    /// [`Io::expose`] before you hand the descriptor to others: it ends both.
    pub fn for_stream(inner: T) -> Io<T> {
        Io { source: Source::for_stream(), inner: Some(inner) }
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

    /// Leaves the driver and gives the object back.
    ///
    /// # Errors
    ///
    /// When the driver cannot forget the descriptor, and when it has read bytes for a read that was
    /// given up: the next owner would miss them.
    pub fn into_inner(mut self) -> io::Result<T> {
        self.source.deregister(descriptor(self.get_ref()))?;
        let stocked = self.source.prefetched();
        if stocked > 0 {
            return Err(io::Error::other(format!(
                "give up a descriptor: {stocked} bytes of it were read already, for a read that \
                 was dropped (batched reads)"
            )));
        }
        Ok(self.inner.take().expect("the object is taken once"))
    }

    #[allow(unsafe_code, reason = "a driver asks for descriptors that stay open")]
    fn attempt(&self) -> IoOp<'_, fn() -> io::Result<std::sync::Arc<reveille_driver::Driver>>> {
        let home: fn() -> _ = current::driver;
        // SAFETY: the descriptor stays open until the source is deregistered: the object owns it
        // (`Descriptor`), is lent shared only, and is dropped or given away by `into_inner` and
        // `drop`, which deregister first.
        let attempt = unsafe { self.source.op(descriptor(self.get_ref()), home) };
        let ops = WakerOps { is_live: reveille_task::is_live, wake_all: wake::wake_all };
        attempt.with_waker_ops(ops)
    }

    /// Tries `op`; when it would block, waits for readiness and tries again.
    ///
    /// # Errors
    ///
    /// Those of `op`, and of the registration.
    pub fn poll_io<R>(
        &self,
        cx: &mut Context<'_>,
        interest: Interest,
        mut op: impl FnMut(&T) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        budget::poll_budgeted(cx, |cx| {
            if let Some(poll) = self.source.poll_io_fast(interest, cx, || op(self.get_ref())) {
                return poll;
            }
            self.attempt().poll_io(interest, cx, || op(self.get_ref()))
        })
    }

    /// As [`Io::poll_io`] for a stream's read of `len` bytes at most into `buf`. Where the
    /// runtime has [batched reads](crate::Builder::batched_reads), a read that waits may be served
    /// by the driver, which hands the bytes to `copy`; that says how many it had room for. An
    /// object that is read like this is read in no other way, but for [`Io::peek`] before it.
    ///
    /// # Errors
    ///
    /// As [`Io::poll_io`].
    #[inline]
    pub fn poll_recv_with<B: ?Sized>(
        &self,
        cx: &mut Context<'_>,
        len: usize,
        buf: &mut B,
        copy: impl Fn(&mut B, &[u8]) -> usize,
        op: impl Fn(&T, &mut B) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        budget::poll_budgeted(cx, |cx| {
            let recv = |buf: &mut B| op(self.get_ref(), buf);
            if let Some(poll) = self.source.poll_recv_fast(cx, len, buf, &copy, recv) {
                return poll;
            }
            self.attempt().poll_recv(cx, len, buf, &copy, recv)
        })
    }

    /// For an operation that looks at the next bytes without taking them: hands those that the
    /// driver has read already to `copy`. `None` if there are none, so that it asks the system.
    ///
    /// # Errors
    ///
    /// That of the read; `WouldBlock` while the driver is reading.
    pub fn peek(&self, copy: impl FnOnce(&[u8]) -> usize) -> Option<io::Result<usize>> {
        self.source.peek(copy)
    }

    /// As [`Io::poll_io`] for a write of `len` bytes. One of no bytes does not wait for room.
    ///
    /// # Errors
    ///
    /// As [`Io::poll_io`].
    #[inline]
    pub fn poll_write_with(
        &self,
        cx: &mut Context<'_>,
        len: usize,
        mut op: impl FnMut(&T) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let interest = Interest::Write;
        budget::poll_budgeted(cx, |cx| {
            if len == 0 {
                // Writing nothing needs no room, and std does not wait for it.
                match op(self.get_ref()) {
                    Err(error) if is_retried(&error) => {}
                    done => return Poll::Ready(done),
                }
            }
            let write = || op(self.get_ref());
            if let Some(poll) = self.source.poll_stream_fast(interest, cx, len, write) {
                return poll;
            }
            self.attempt().poll_stream(interest, cx, len, || op(self.get_ref()))
        })
    }

    /// Tries `op`, waiting while it would block. Any number of tasks may do so at once.
    ///
    /// # Errors
    ///
    /// As [`Io::poll_io`].
    ///
    /// # Cancel safety
    ///
    /// `op` runs only while the future is polled; its success is returned by that poll.
    pub async fn io<R>(
        &self,
        interest: Interest,
        mut op: impl FnMut(&T) -> io::Result<R>,
    ) -> io::Result<R> {
        std::future::poll_fn(budget::poll_proceed).await;
        self.attempt().io(interest, || op(self.get_ref())).await
    }

    /// Waits until the object counts as ready.
    ///
    /// # Errors
    ///
    /// When the object cannot be registered.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub async fn ready(&self, interest: Interest) -> io::Result<()> {
        self.attempt().ready(interest).await.map(drop)
    }
}

fn is_retried(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

impl<T: Descriptor> Drop for Io<T> {
    fn drop(&mut self) {
        if let Some(inner) = &self.inner {
            // While the descriptor is open: it may have duplicates, which would keep its events.
            // An error means that the system has forgotten it already.
            let _ = self.source.deregister(descriptor(inner));
        }
    }
}

impl<T: Descriptor + fmt::Debug> fmt::Debug for Io<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Io").field("inner", &self.inner).finish_non_exhaustive()
    }
}
