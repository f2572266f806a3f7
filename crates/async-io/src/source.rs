//! An object with a descriptor, and its readiness.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use reveille_runtime::budget::poll_proceed;
use reveille_runtime::io::{Held, Interest, Io};

use crate::held::{self, AsFd};
use crate::readiness::{Readable, ReadableOwned, Writable, WritableOwned};

#[cfg(unix)]
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
#[cfg(windows)]
use std::os::windows::io::{AsRawSocket, AsSocket, BorrowedSocket, OwnedSocket, RawSocket};

/// An object with a descriptor (on Windows a socket) in non-blocking mode, for which tasks can
/// wait.
///
/// The object's own operations work on it through [`get_ref`](Async::get_ref). Those that would
/// block wait if they are called by [`read_with`](Async::read_with) or
/// [`write_with`](Async::write_with). If `T` or `&T` implements std's `Read` or `Write`, the
/// `Async` or a reference to it implements the asynchronous traits of futures-io.
///
/// Files, directories and disks have no readiness: use [`reveille::fs`] or the crate blocking.
///
/// # Closing
///
/// Closing the write side (`AsyncWriteExt::close`) only flushes. Shut a socket down through
/// `get_ref()`.
///
/// # Cancel safety
///
/// Waiting consumes nothing. An operation runs only while its future is polled, and that poll
/// returns its result.
///
/// # Examples
///
/// ```
/// use std::net::UdpSocket;
///
/// use async_io::Async;
///
/// # fn main() -> std::io::Result<()> {
/// async_io::block_on(async {
///     let socket = Async::<UdpSocket>::bind(([127, 0, 0, 1], 0))?;
///     socket.send_to(b"hello", socket.get_ref().local_addr()?).await?;
///     let mut buf = [0; 8];
///     let (len, _) = socket.recv_from(&mut buf).await?;
///     assert_eq!(&buf[..len], b"hello");
///     Ok(())
/// })
/// # }
/// ```
#[derive(Debug)]
pub struct Async<T> {
    // Dropped first: the registration ends while the object has its descriptor. `held::lend`
    // depends on the order of the fields.
    io: Io<Held>,
    inner: T,
}

// `T` is never pinned: nothing gives out a `Pin<&mut T>`.
impl<T> Unpin for Async<T> {}

impl<T: AsFd> Async<T> {
    /// Takes an object, and sets it to non-blocking mode.
    ///
    /// # Errors
    ///
    /// The object is dropped.
    ///
    /// * `PermissionDenied` (`EPERM`) on Linux if the descriptor is of a kind that is always ready,
    ///   such as a regular file. On other systems the first wait fails.
    /// * The system's error, such as `EMFILE` if no descriptor is left for a duplicate.
    ///
    /// # Examples
    ///
    /// ```
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let listener = async_io::Async::new(listener)?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn new(io: T) -> io::Result<Async<T>> {
        let io = Async::new_nonblocking(io)?;
        // Set through the driver's descriptor, because the object may return another one by now.
        set_nonblocking(io.io.get_ref())?;
        Ok(io)
    }

    /// Takes an object that is in non-blocking mode already. If it is not, its operations block the
    /// thread.
    ///
    /// # Errors
    ///
    /// As for [`new`](Async::new).
    ///
    /// # Examples
    ///
    /// ```
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// listener.set_nonblocking(true)?;
    /// let listener = async_io::Async::new_nonblocking(listener)?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn new_nonblocking(io: T) -> io::Result<Async<T>> {
        Ok(Async { io: Io::new(held::hold(&io)?), inner: io })
    }
}

fn set_nonblocking(held: &Held) -> io::Result<()> {
    Ok(rustix::io::ioctl_fionbio(held, true)?)
}

impl<T> Async<T> {
    /// Returns the object.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::net::TcpListener;
    ///
    /// let listener = async_io::Async::<TcpListener>::bind(([127, 0, 0, 1], 0))?;
    /// assert_ne!(listener.get_ref().local_addr()?.port(), 0);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn get_ref(&self) -> &T {
        &self.inner
    }

    /// Returns the object, mutably.
    ///
    /// # Safety
    ///
    /// The object must not be dropped or replaced, and must not close its descriptor: the driver
    /// may still wait for that.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::net::TcpListener;
    ///
    /// let mut listener = async_io::Async::<TcpListener>::bind(([127, 0, 0, 1], 0))?;
    /// // SAFETY: the listener stays where it is.
    /// let inner = unsafe { listener.get_mut() };
    /// inner.set_ttl(64)?;
    /// # std::io::Result::Ok(())
    /// ```
    #[allow(unsafe_code, reason = "unsafe to call, as in the original")]
    pub unsafe fn get_mut(&mut self) -> &mut T {
        &mut self.inner
    }

    /// Gives the object back, in non-blocking mode.
    ///
    /// # Errors
    ///
    /// The system's error, if the driver cannot remove the object.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::net::TcpListener;
    ///
    /// let listener = async_io::Async::<TcpListener>::bind(([127, 0, 0, 1], 0))?;
    /// listener.into_inner()?.set_nonblocking(false)?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn into_inner(self) -> io::Result<T> {
        let Async { io, inner } = self;
        drop(io.into_inner()?);
        Ok(inner)
    }

    /// Waits until a read would not block: there are bytes or a connection, the end, or an error.
    ///
    /// # Errors
    ///
    /// The future returns the system's error if the descriptor cannot be registered.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::net::UdpSocket;
    ///
    /// use async_io::Async;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// async_io::block_on(async {
    ///     let socket = Async::<UdpSocket>::bind(([127, 0, 0, 1], 0))?;
    ///     socket.get_ref().send_to(b"x", socket.get_ref().local_addr()?)?;
    ///     socket.readable().await?;
    ///     assert_eq!(socket.get_ref().recv(&mut [0; 8])?, 1);
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub fn readable(&self) -> Readable<'_, T> {
        Readable(self)
    }

    /// Like [`readable`](Async::readable), with a future that owns a share of the `Async`.
    ///
    /// # Errors
    ///
    /// As for [`readable`](Async::readable).
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::net::UdpSocket;
    /// use std::sync::Arc;
    ///
    /// use async_io::Async;
    ///
    /// let socket = Arc::new(Async::<UdpSocket>::bind(([127, 0, 0, 1], 0))?);
    /// socket.get_ref().send_to(b"x", socket.get_ref().local_addr()?)?;
    /// async_io::block_on(socket.readable_owned())?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn readable_owned(self: Arc<Self>) -> ReadableOwned<T> {
        ReadableOwned(self)
    }

    /// Waits until a write would not block: there is room, or an error.
    ///
    /// # Errors
    ///
    /// As for [`readable`](Async::readable).
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::net::UdpSocket;
    ///
    /// let socket = async_io::Async::<UdpSocket>::bind(([127, 0, 0, 1], 0))?;
    /// async_io::block_on(socket.writable())?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn writable(&self) -> Writable<'_, T> {
        Writable(self)
    }

    /// Like [`writable`](Async::writable), with a future that owns a share of the `Async`.
    ///
    /// # Errors
    ///
    /// As for [`readable`](Async::readable).
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::net::UdpSocket;
    /// use std::sync::Arc;
    ///
    /// let socket = Arc::new(async_io::Async::<UdpSocket>::bind(([127, 0, 0, 1], 0))?);
    /// async_io::block_on(socket.writable_owned())?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn writable_owned(self: Arc<Self>) -> WritableOwned<T> {
        WritableOwned(self)
    }

    /// Like [`readable`](Async::readable), for the poll function of a future of your own. Every
    /// task that polls is woken.
    ///
    /// # Errors
    ///
    /// As for [`readable`](Async::readable).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::future::poll_fn;
    /// use std::net::UdpSocket;
    ///
    /// let socket = async_io::Async::<UdpSocket>::bind(([127, 0, 0, 1], 0))?;
    /// socket.get_ref().send_to(b"x", socket.get_ref().local_addr()?)?;
    /// async_io::block_on(poll_fn(|cx| socket.poll_readable(cx)))?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_ready(cx, Interest::Read)
    }

    /// Like [`writable`](Async::writable), for the poll function of a future of your own. Every
    /// task that polls is woken.
    ///
    /// # Errors
    ///
    /// As for [`readable`](Async::readable).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::future::poll_fn;
    /// use std::net::UdpSocket;
    ///
    /// let socket = async_io::Async::<UdpSocket>::bind(([127, 0, 0, 1], 0))?;
    /// async_io::block_on(poll_fn(|cx| socket.poll_writable(cx)))?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_ready(cx, Interest::Write)
    }

    /// Calls `op` until it does not fail with `WouldBlock`, and waits until the object is readable
    /// in between.
    ///
    /// # Errors
    ///
    /// Those of `op`; the system's error, if the descriptor cannot be registered.
    ///
    /// # Cancel safety
    ///
    /// `op` runs only while the future is polled, and that poll returns its result.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::net::UdpSocket;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let socket = async_io::Async::<UdpSocket>::bind(([127, 0, 0, 1], 0))?;
    /// socket.get_ref().send_to(b"x", socket.get_ref().local_addr()?)?;
    /// let mut buf = [0; 8];
    /// assert_eq!(async_io::block_on(socket.read_with(|socket| socket.recv(&mut buf)))?, 1);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn read_with<R>(&self, mut op: impl FnMut(&T) -> io::Result<R>) -> io::Result<R> {
        poll_fn(|cx| poll_call(&self.io, cx, Interest::Read, || op(&self.inner))).await
    }

    /// Like [`read_with`](Async::read_with), with mutable access to the object.
    ///
    /// # Safety
    ///
    /// As for [`get_mut`](Async::get_mut): `op` must leave the object and its descriptor in place.
    ///
    /// # Errors
    ///
    /// As for [`read_with`](Async::read_with).
    ///
    /// # Cancel safety
    ///
    /// As for [`read_with`](Async::read_with).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::{Read, Write};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// # #[cfg(unix)] {
    /// let (reader, mut writer) = std::io::pipe()?;
    /// let mut reader = async_io::Async::new(reader)?;
    /// writer.write_all(b"x")?;
    /// let mut buf = [0; 8];
    /// // SAFETY: a read leaves the pipe in place.
    /// let len = async_io::block_on(unsafe { reader.read_with_mut(|pipe| pipe.read(&mut buf)) })?;
    /// assert_eq!(len, 1);
    /// # }
    /// # Ok(())
    /// # }
    /// ```
    #[allow(unsafe_code, reason = "unsafe to call, as in the original")]
    pub async unsafe fn read_with_mut<R>(
        &mut self,
        mut op: impl FnMut(&mut T) -> io::Result<R>,
    ) -> io::Result<R> {
        let Async { io, inner } = self;
        poll_fn(|cx| poll_call(io, cx, Interest::Read, || op(inner))).await
    }

    /// Calls `op` until it does not fail with `WouldBlock`, and waits until the object is writable
    /// in between.
    ///
    /// # Errors
    ///
    /// As for [`read_with`](Async::read_with).
    ///
    /// # Cancel safety
    ///
    /// As for [`read_with`](Async::read_with).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::net::UdpSocket;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let socket = async_io::Async::<UdpSocket>::bind(([127, 0, 0, 1], 0))?;
    /// let to = socket.get_ref().local_addr()?;
    /// assert_eq!(async_io::block_on(socket.write_with(|socket| socket.send_to(b"x", to)))?, 1);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn write_with<R>(&self, mut op: impl FnMut(&T) -> io::Result<R>) -> io::Result<R> {
        poll_fn(|cx| poll_call(&self.io, cx, Interest::Write, || op(&self.inner))).await
    }

    /// Like [`write_with`](Async::write_with), with mutable access to the object.
    ///
    /// # Safety
    ///
    /// As for [`get_mut`](Async::get_mut): `op` must leave the object and its descriptor in place.
    ///
    /// # Errors
    ///
    /// As for [`read_with`](Async::read_with).
    ///
    /// # Cancel safety
    ///
    /// As for [`read_with`](Async::read_with).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::Write;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// # #[cfg(unix)] {
    /// let (_reader, writer) = std::io::pipe()?;
    /// let mut writer = async_io::Async::new(writer)?;
    /// // SAFETY: a write leaves the pipe in place.
    /// let len = async_io::block_on(unsafe { writer.write_with_mut(|pipe| pipe.write(b"x")) })?;
    /// assert_eq!(len, 1);
    /// # }
    /// # Ok(())
    /// # }
    /// ```
    #[allow(unsafe_code, reason = "unsafe to call, as in the original")]
    pub async unsafe fn write_with_mut<R>(
        &mut self,
        mut op: impl FnMut(&mut T) -> io::Result<R>,
    ) -> io::Result<R> {
        let Async { io, inner } = self;
        poll_fn(|cx| poll_call(io, cx, Interest::Write, || op(inner))).await
    }

    /// The readiness, and the object, mutably. The caller leaves the object in place.
    pub(crate) fn parts(&mut self) -> (&Io<Held>, &mut T) {
        (&self.io, &mut self.inner)
    }

    /// The readiness and the object.
    pub(crate) fn shared_parts(&self) -> (&Io<Held>, &T) {
        (&self.io, &self.inner)
    }

    /// Calls an operation of a socket of std until it does not block.
    pub(crate) async fn io<R>(
        &self,
        interest: Interest,
        mut op: impl FnMut(&T) -> io::Result<R>,
    ) -> io::Result<R> {
        self.io.io(interest, |_| op(&self.inner)).await
    }

    fn poll_ready(&self, cx: &mut Context<'_>, interest: Interest) -> Poll<io::Result<()>> {
        poll_ready(&self.io, cx, interest)
    }
}

/// Polls a read or write of some bytes. On an object of std it would block only if the descriptor
/// is not ready, so it is attempted once for each event. For other objects that is unknown, and a
/// transfer of no bytes does not depend on readiness.
pub(crate) fn poll_transfer<R>(
    io: &Io<Held>,
    cx: &mut Context<'_>,
    interest: Interest,
    is_empty: bool,
    mut op: impl FnMut() -> io::Result<R>,
) -> Poll<io::Result<R>> {
    match io.get_ref() {
        Held::Lent(_) if !is_empty => io.poll_io(cx, interest, |_| op()),
        _ => poll_call(io, cx, interest, op),
    }
}

/// Polls an operation that may return `WouldBlock` for any reason. It is called in each poll, and
/// again while the system says that the descriptor is ready, as in the original.
pub(crate) fn poll_call<R>(
    io: &Io<Held>,
    cx: &mut Context<'_>,
    interest: Interest,
    mut op: impl FnMut() -> io::Result<R>,
) -> Poll<io::Result<R>> {
    loop {
        ready!(poll_proceed(cx));
        match op() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            done => return Poll::Ready(done),
        }
        ready!(poll_ready(io, cx, interest))?;
    }
}

#[cfg(unix)]
fn poll_ready(io: &Io<Held>, cx: &mut Context<'_>, interest: Interest) -> Poll<io::Result<()>> {
    io.poll_ready(cx, interest)
}

#[cfg(windows)]
fn poll_ready(io: &Io<Held>, cx: &mut Context<'_>, interest: Interest) -> Poll<io::Result<()>> {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    let asked = match interest {
        Interest::Read => PollFlags::IN,
        Interest::Write => PollFlags::OUT,
    };
    io.poll_io(cx, interest, |held| {
        match poll(&mut [PollFd::new(held, asked)], Some(&Timespec::default()))? {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            _ => Ok(()),
        }
    })
}

impl<T> AsRef<T> for Async<T> {
    fn as_ref(&self) -> &T {
        self.get_ref()
    }
}

#[cfg(unix)]
impl<T: AsRawFd> AsRawFd for Async<T> {
    fn as_raw_fd(&self) -> RawFd {
        self.inner.as_raw_fd()
    }
}

#[cfg(unix)]
impl<T: AsFd> AsFd for Async<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inner.as_fd()
    }
}

#[cfg(unix)]
impl<T: AsFd + From<OwnedFd>> TryFrom<OwnedFd> for Async<T> {
    type Error = io::Error;

    fn try_from(fd: OwnedFd) -> io::Result<Self> {
        Async::new(fd.into())
    }
}

#[cfg(unix)]
impl<T: Into<OwnedFd>> TryFrom<Async<T>> for OwnedFd {
    type Error = io::Error;

    fn try_from(source: Async<T>) -> io::Result<OwnedFd> {
        source.into_inner().map(Into::into)
    }
}

#[cfg(windows)]
impl<T: AsRawSocket> AsRawSocket for Async<T> {
    fn as_raw_socket(&self) -> RawSocket {
        self.inner.as_raw_socket()
    }
}

#[cfg(windows)]
impl<T: AsSocket> AsSocket for Async<T> {
    fn as_socket(&self) -> BorrowedSocket<'_> {
        self.inner.as_socket()
    }
}

#[cfg(windows)]
impl<T: AsSocket + From<OwnedSocket>> TryFrom<OwnedSocket> for Async<T> {
    type Error = io::Error;

    fn try_from(socket: OwnedSocket) -> io::Result<Self> {
        Async::new(socket.into())
    }
}

#[cfg(windows)]
impl<T: Into<OwnedSocket>> TryFrom<Async<T>> for OwnedSocket {
    type Error = io::Error;

    fn try_from(source: Async<T>) -> io::Result<OwnedSocket> {
        source.into_inner().map(Into::into)
    }
}
