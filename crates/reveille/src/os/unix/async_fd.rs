//! Readiness of any descriptor.
//!
//! # Which descriptor is registered
//!
//! The driver must reach the same open file until its entry is removed. An object of another crate
//! cannot promise that: its `as_fd` may return another descriptor each time, and it may close what
//! it lent. So the object's descriptor is duplicated once, and the duplicate, which belongs to
//! [`AsyncFd`] alone, is registered. Both have the same readiness, because that belongs to the open
//! file. An object that changes its descriptor later gets the readiness of the old one, and nothing
//! else goes wrong.
//!
//! Rejected: an `unsafe` trait that promises a descriptor that stays (async-io's `IoSafe`). It
//! saves one descriptor for each object, but a type of another crate that does not implement it
//! cannot be used without a wrapper. Rejected: the object's own descriptor with the number kept
//! (tokio). After the object has closed it, the number may belong to another file, whose entry is
//! then removed.

use std::fmt;
use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::fs::FileTypeExt;
use std::pin::Pin;
use std::task::{Context, Poll};

use reveille_runtime::io::{Interest, Io};

use crate::io::context::Context as _;

/// An object with a descriptor, and functions that wait until the descriptor is ready.
///
/// Use it for what this crate has no type for: raw sockets, timerfds, eventfds, inotify, terminals,
/// TUN devices, the socket of a C library. The object is `T`; its own functions do the reading and
/// writing, and an `AsyncFd` says when.
///
/// * [`readable`](AsyncFd::readable) and [`writable`](AsyncFd::writable) wait until the system says
///   that the descriptor is ready. They ask it each time, so nothing has to be cleared.
/// * [`read_with`](AsyncFd::read_with) and [`write_with`](AsyncFd::write_with) call a closure until
///   it does not fail with `WouldBlock`, and wait in between. They try first, which saves a system
///   call.
/// * If `T` implements std's `Read` or `Write`, the `AsyncFd` implements
///   [`Read`](crate::io::Read) or [`Write`](crate::io::Write).
///
/// # The descriptor
///
/// [`new`](AsyncFd::new) sets the open file to non-blocking mode (`O_NONBLOCK`), for every handle
/// that shares it. The file stays in this mode: after [`into_inner`](AsyncFd::into_inner), set it
/// back if you need to. `new` also duplicates the descriptor. The `AsyncFd` waits for the
/// duplicate, so an `AsyncFd` has one descriptor more than its object. While the `AsyncFd` exists
/// the open file is not closed, even if the object closes its own descriptor. `T` may return any
/// descriptor from `as_fd`, at any time; readiness is that of the one it returned first.
///
/// # Cancel safety
///
/// Waiting consumes nothing. A closure runs only while its future is polled, and its result is
/// returned by that poll.
///
/// # Examples
///
/// Waits for bytes in a pipe. A timerfd, an inotify descriptor or a raw socket works in the same
/// way:
///
/// ```
/// use std::io::{Read, Write};
///
/// use reveille::os::unix::io::AsyncFd;
///
/// # fn main() -> std::io::Result<()> {
/// reveille::task::block_on(async {
///     let (reader, mut writer) = std::io::pipe()?;
///     let reader = AsyncFd::new(reader)?;
///     writer.write_all(b"ping")?;
///
///     let mut buf = [0; 8];
///     let len = reader.read_with(|mut pipe| pipe.read(&mut buf)).await?;
///     assert_eq!(&buf[..len], b"ping");
///     Ok(())
/// })
/// # }
/// ```
///
/// A vsock stream to the host of a virtual machine, whose number is 2. There is no type for vsock
/// in this crate: std has no address for it, and the socket's own functions, from the crate
/// socket2, are all that it needs:
///
/// ```
/// # #[cfg(target_os = "linux")]
/// # mod linux {
/// use std::io;
///
/// use reveille::os::unix::io::AsyncFd;
/// use socket2::{Domain, SockAddr, Socket, Type};
///
/// async fn connect(cid: u32, port: u32) -> io::Result<AsyncFd<Socket>> {
///     let socket = AsyncFd::new(Socket::new(Domain::VSOCK, Type::STREAM, None)?)?;
///     match socket.get_ref().connect(&SockAddr::vsock(cid, port)) {
///         Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => {
///             socket.writable().await?;
///             socket.get_ref().take_error()?.map_or(Ok(socket), Err)
///         }
///         connected => connected.map(|()| socket),
///     }
/// }
///
/// // A stream with this crate's `Read` and `Write`, as `Socket` has std's.
/// async fn ask(port: u32) -> io::Result<String> {
///     use reveille::io::{ReadExt, WriteExt};
///
///     let mut host = connect(2, port).await?;
///     host.write_all(b"ping").await?;
///     let mut answer = String::new();
///     host.read_to_string(&mut answer).await?;
///     Ok(answer)
/// }
/// # pub(super) fn main() {
/// #     // Nothing listens there, and many machines have no vsock.
/// #     assert!(reveille::task::block_on(ask(u32::MAX - 1)).is_err());
/// # }
/// # }
/// # #[cfg(target_os = "linux")]
/// # fn main() { linux::main() }
/// # #[cfg(not(target_os = "linux"))]
/// # fn main() {}
/// ```
#[doc(alias("Async", "PollFd", "epoll", "kqueue", "vsock", "VsockStream", "AF_VSOCK"))]
pub struct AsyncFd<T> {
    io: Io<OwnedFd>,
    inner: T,
}

// `T` is never pinned: nothing gives out a `Pin<&mut T>`.
impl<T> Unpin for AsyncFd<T> {}

impl<T: AsFd> AsyncFd<T> {
    /// Takes an object, sets its open file to non-blocking mode, and duplicates its descriptor.
    ///
    /// # Errors
    ///
    /// The object is dropped, and the error names the descriptor.
    ///
    /// * `InvalidInput` if the descriptor is of a kind that is always ready and that the system
    ///   does not wait for: a regular file, a directory, a disk, `/dev/null`. Use
    ///   [`File`](crate::fs::File) for files.
    /// * The system's error, such as `EMFILE` if no descriptor is left for the duplicate.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::os::unix::io::AsyncFd;
    ///
    /// let file = std::fs::File::open("Cargo.toml")?;
    /// let error = AsyncFd::new(file).unwrap_err();
    /// assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn new(inner: T) -> io::Result<AsyncFd<T>> {
        // Asked once: another call may return another descriptor.
        let fd = inner.as_fd();
        let number = fd.as_raw_fd();
        let registered =
            duplicate(fd).named(|| format!("could not make descriptor {number} asynchronous"))?;
        Ok(AsyncFd { io: Io::new(registered), inner })
    }

    /// Waits until a read would return at once, with bytes, an event, the end, or an error.
    ///
    /// # Errors
    ///
    /// The system's error, if the descriptor cannot be registered.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::Write;
    ///
    /// use reveille::os::unix::io::AsyncFd;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let (reader, mut writer) = std::io::pipe()?;
    ///     let reader = AsyncFd::new(reader)?;
    ///     writer.write_all(b"ping")?;
    ///     reader.readable().await?;
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub async fn readable(&self) -> io::Result<()> {
        self.io.ready(Interest::Read).await
    }

    /// Waits until a write would return at once: there is room, or an error.
    ///
    /// # Errors
    ///
    /// The system's error, if the descriptor cannot be registered.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::os::unix::io::AsyncFd;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let (_reader, writer) = std::io::pipe()?;
    ///     AsyncFd::new(writer)?.writable().await?;
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub async fn writable(&self) -> io::Result<()> {
        self.io.ready(Interest::Write).await
    }

    /// Like [`readable`](AsyncFd::readable), for the poll function of a future of your own. Every
    /// task that polls is woken, not only the last.
    ///
    /// # Errors
    ///
    /// As for [`readable`](AsyncFd::readable).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::future::poll_fn;
    /// use std::io::Write;
    ///
    /// use reveille::os::unix::io::AsyncFd;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let (reader, mut writer) = std::io::pipe()?;
    ///     let reader = AsyncFd::new(reader)?;
    ///     writer.write_all(b"ping")?;
    ///     poll_fn(|cx| reader.poll_readable(cx)).await
    /// })
    /// # }
    /// ```
    pub fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io.poll_ready(cx, Interest::Read)
    }

    /// Like [`writable`](AsyncFd::writable), for the poll function of a future of your own. Every
    /// task that polls is woken, not only the last.
    ///
    /// # Errors
    ///
    /// As for [`writable`](AsyncFd::writable).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::future::poll_fn;
    ///
    /// use reveille::os::unix::io::AsyncFd;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let (_reader, writer) = std::io::pipe()?;
    ///     let writer = AsyncFd::new(writer)?;
    ///     poll_fn(|cx| writer.poll_writable(cx)).await
    /// })
    /// # }
    /// ```
    pub fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io.poll_ready(cx, Interest::Write)
    }

    /// Calls `read` until it does not fail with `WouldBlock`, and waits until the descriptor is
    /// readable in between. An interrupted call (`EINTR`) is repeated.
    ///
    /// `read` must fail with `WouldBlock` only if there is nothing to read. If it does so while
    /// there is, it is not called again before more arrives.
    ///
    /// # Errors
    ///
    /// Those of `read`; the system's error, if the descriptor cannot be registered.
    ///
    /// # Cancel safety
    ///
    /// `read` runs only while the future is polled, and its result is returned by that poll.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::{Read, Write};
    ///
    /// use reveille::os::unix::io::AsyncFd;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let (reader, mut writer) = std::io::pipe()?;
    ///     let reader = AsyncFd::new(reader)?;
    ///     writer.write_all(b"x")?;
    ///     let mut byte = [0];
    ///     reader.read_with(|mut pipe| pipe.read(&mut byte)).await?;
    ///     assert_eq!(&byte, b"x");
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub async fn read_with<R>(&self, mut read: impl FnMut(&T) -> io::Result<R>) -> io::Result<R> {
        self.io.io(Interest::Read, |_| read(&self.inner)).await
    }

    /// Calls `write` until it does not fail with `WouldBlock`, and waits until the descriptor is
    /// writable in between. See [`read_with`](AsyncFd::read_with).
    ///
    /// # Errors
    ///
    /// Those of `write`; the system's error, if the descriptor cannot be registered.
    ///
    /// # Cancel safety
    ///
    /// As for [`read_with`](AsyncFd::read_with).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::{Read, Write};
    ///
    /// use reveille::os::unix::io::AsyncFd;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let (mut reader, writer) = std::io::pipe()?;
    ///     let writer = AsyncFd::new(writer)?;
    ///     writer.write_with(|mut pipe| pipe.write(b"x")).await?;
    ///     assert_eq!(reader.read(&mut [0])?, 1);
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub async fn write_with<R>(&self, mut write: impl FnMut(&T) -> io::Result<R>) -> io::Result<R> {
        self.io.io(Interest::Write, |_| write(&self.inner)).await
    }

    /// Like [`read_with`](AsyncFd::read_with), for the poll function of a future of your own.
    ///
    /// # Errors
    ///
    /// As for [`read_with`](AsyncFd::read_with).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::future::poll_fn;
    /// use std::io::{Read, Write};
    ///
    /// use reveille::os::unix::io::AsyncFd;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let (reader, mut writer) = std::io::pipe()?;
    ///     let reader = AsyncFd::new(reader)?;
    ///     writer.write_all(b"x")?;
    ///     let mut byte = [0];
    ///     poll_fn(|cx| reader.poll_read_with(cx, |mut pipe| pipe.read(&mut byte))).await?;
    ///     assert_eq!(&byte, b"x");
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub fn poll_read_with<R>(
        &self,
        cx: &mut Context<'_>,
        mut read: impl FnMut(&T) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        self.io.poll_io(cx, Interest::Read, |_| read(&self.inner))
    }

    /// Like [`write_with`](AsyncFd::write_with), for the poll function of a future of your own.
    ///
    /// # Errors
    ///
    /// As for [`write_with`](AsyncFd::write_with).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::future::poll_fn;
    /// use std::io::{Read, Write};
    ///
    /// use reveille::os::unix::io::AsyncFd;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let (mut reader, writer) = std::io::pipe()?;
    ///     let writer = AsyncFd::new(writer)?;
    ///     poll_fn(|cx| writer.poll_write_with(cx, |mut pipe| pipe.write(b"x"))).await?;
    ///     assert_eq!(reader.read(&mut [0])?, 1);
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub fn poll_write_with<R>(
        &self,
        cx: &mut Context<'_>,
        mut write: impl FnMut(&T) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        self.io.poll_io(cx, Interest::Write, |_| write(&self.inner))
    }
}

impl<T> AsyncFd<T> {
    /// Returns the object. Its own operations do not wait: call one after
    /// [`readable`](AsyncFd::readable) or [`writable`](AsyncFd::writable), and wait again if it
    /// fails with `WouldBlock`.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::os::unix::io::AsyncFd;
    ///
    /// let socket = AsyncFd::new(std::net::UdpSocket::bind("127.0.0.1:0")?)?;
    /// assert!(socket.get_ref().local_addr()?.ip().is_loopback());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn get_ref(&self) -> &T {
        &self.inner
    }

    /// Returns the object mutably. If you put another object in its place, the `AsyncFd` still
    /// waits for the descriptor of the first.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::Write;
    ///
    /// use reveille::os::unix::io::AsyncFd;
    ///
    /// let (_reader, writer) = std::io::pipe()?;
    /// let mut writer = AsyncFd::new(writer)?;
    /// assert_eq!(writer.get_mut().write(b"x")?, 1);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn get_mut(&mut self) -> &mut T {
        &mut self.inner
    }

    /// Gives the object back, in non-blocking mode, and closes the duplicate of its descriptor.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::net::UdpSocket;
    ///
    /// use reveille::os::unix::io::AsyncFd;
    ///
    /// let socket = AsyncFd::new(UdpSocket::bind("127.0.0.1:0")?)?.into_inner();
    /// socket.set_nonblocking(false)?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn into_inner(self) -> T {
        self.inner
    }
}

/// Duplicates a descriptor and sets its open file to non-blocking mode, if its kind can be waited
/// for.
fn duplicate(fd: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let file = File::from(fd.try_clone_to_owned()?);
    let kind = file.metadata()?.file_type();
    let name = if kind.is_file() {
        Some("a regular file")
    } else if kind.is_dir() {
        Some("a directory")
    } else if kind.is_block_device() {
        Some("a disk")
    } else if kind.is_socket() || kind.is_fifo() || can_wait(&file)? {
        None
    } else {
        Some("a device")
    };
    if let Some(name) = name {
        let message = format!("{name} has no readiness to wait for");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    rustix::io::ioctl_fionbio(&file, true)?;
    Ok(file.into())
}

/// Whether the system can wait for a device or a descriptor without a type: only epoll itself
/// knows, and refuses `/dev/null` and others.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn can_wait(file: &File) -> io::Result<bool> {
    use rustix::event::epoll;

    let probe = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    match epoll::add(&probe, file, epoll::EventData::new_u64(0), epoll::EventFlags::IN) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::PERM) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Whether the system can wait for a device. On systems without epoll, the registration finds out.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn can_wait(_: &File) -> io::Result<bool> {
    Ok(true)
}

impl<T: AsFd + io::Read> crate::io::Read for AsyncFd<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let AsyncFd { io, inner } = self.get_mut();
        io.poll_io(cx, Interest::Read, |_| inner.read(buf))
    }

    fn poll_read_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        let AsyncFd { io, inner } = self.get_mut();
        io.poll_io(cx, Interest::Read, |_| inner.read_vectored(bufs))
    }
}

impl<T: AsFd + io::Write> crate::io::Write for AsyncFd<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let AsyncFd { io, inner } = self.get_mut();
        io.poll_io(cx, Interest::Write, |_| inner.write(buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let AsyncFd { io, inner } = self.get_mut();
        io.poll_io(cx, Interest::Write, |_| inner.write_vectored(bufs))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let AsyncFd { io, inner } = self.get_mut();
        io.poll_io(cx, Interest::Write, |_| inner.flush())
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}

impl<T: AsFd> AsFd for AsyncFd<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inner.as_fd()
    }
}

impl<T: AsRawFd> AsRawFd for AsyncFd<T> {
    fn as_raw_fd(&self) -> RawFd {
        self.inner.as_raw_fd()
    }
}

impl<T: fmt::Debug> fmt::Debug for AsyncFd<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncFd").field("inner", &self.inner).finish_non_exhaustive()
    }
}
