//! The implementation that `TcpStream` and `UnixStream` share.
//!
//! The two differ in how they receive, which [`StreamSocket`] says. Everything else is here: reads,
//! writes and conversions from and to std's types.

use std::fmt;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::Shutdown;
use std::ops::Deref;
use std::sync::Arc;
use std::task::{Context, Poll};

use reveille_runtime::io::{Descriptor, Interest, Io};

use crate::os::uninit::UninitBuf;

/// What [`Connection`] needs from a socket of std.
pub(crate) trait StreamSocket: Descriptor + Sized {
    /// The name of our type, for error messages.
    const NAME: &'static str;

    /// Enables or disables non-blocking mode.
    fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()>;

    /// Shuts down one direction or both.
    fn shutdown(&self, how: Shutdown) -> io::Result<()>;

    /// Duplicates the descriptor.
    fn duplicate(&self) -> io::Result<Self>;

    /// Whether the peer has closed its side; `WouldBlock` if it has not. Takes nothing.
    fn is_closed(&self) -> io::Result<()>;

    /// Receives into `buf` without waiting.
    fn recv(&self, buf: &mut [u8]) -> io::Result<usize>;

    /// Sends without raising SIGPIPE.
    fn send(&self, buf: &[u8]) -> io::Result<usize>;

    /// Like [`send`](StreamSocket::send), from several buffers.
    fn send_vectored(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize>;

    /// Receives into `buf`.
    fn poll_recv(io: &Io<Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>>;

    /// Receives into the spare capacity of `buf`, which is not empty, and returns how many bytes
    /// were appended.
    fn poll_recv_spare(
        io: &Io<Self>,
        cx: &mut Context<'_>,
        buf: &mut Vec<u8>,
    ) -> Poll<io::Result<usize>>;

    /// Receives into a buffer that is not initialized, and returns how many bytes were received.
    fn poll_recv_uninit(
        io: &Io<Self>,
        cx: &mut Context<'_>,
        buf: &mut UninitBuf<'_>,
    ) -> Poll<io::Result<usize>>;

    /// Receives into several buffers.
    fn poll_recv_vectored(
        io: &Io<Self>,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>>;
}

/// A connected socket. Clones share it; the last one closes it.
pub(crate) struct Connection<T: StreamSocket> {
    io: Arc<Io<T>>,
}

impl<T: StreamSocket> Connection<T> {
    pub(crate) fn new(io: Io<T>) -> Connection<T> {
        Connection { io: Arc::new(io) }
    }

    /// Takes a socket of std and makes it non-blocking.
    pub(crate) fn from_std(socket: T) -> Connection<T> {
        if let Err(error) = socket.set_nonblocking(true) {
            panic!("a {} is an open socket: {error:?}", T::NAME);
        }
        Connection::new(Io::new(socket))
    }

    /// Returns the socket in blocking mode.
    ///
    /// # Errors
    ///
    /// If clones still use the socket, or if the driver cannot deregister it or has read bytes for
    /// a read that was dropped.
    pub(crate) fn into_blocking(self) -> io::Result<T> {
        let io = Arc::try_unwrap(self.io).map_err(|_| {
            let name = T::NAME;
            io::Error::other(format!("Cannot convert {name} to synchronous: multiple references"))
        })?;
        let socket = io.into_inner()?;
        socket.set_nonblocking(false)?;
        Ok(socket)
    }

    /// Returns the socket, still non-blocking. If clones use it, returns a duplicate.
    ///
    /// # Errors
    ///
    /// If the driver cannot deregister the socket or has read bytes for a read that was dropped,
    /// or if no descriptor is left for the duplicate.
    pub(crate) fn into_std_shared(self) -> io::Result<T> {
        match Arc::try_unwrap(self.io) {
            Ok(io) => io.into_inner(),
            Err(shared) => shared.expose().duplicate().map_err(|error| {
                let message = "clones share the socket, and it could not be duplicated";
                io::Error::new(error.kind(), format!("{message}: {error}"))
            }),
        }
    }

    #[inline]
    pub(crate) fn poll_read(
        &self,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        T::poll_recv(&self.io, cx, buf)
    }

    #[inline]
    pub(crate) fn poll_read_vectored(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        T::poll_recv_vectored(&self.io, cx, bufs)
    }

    #[inline]
    pub(crate) fn poll_read_spare(
        &self,
        cx: &mut Context<'_>,
        buf: &mut Vec<u8>,
    ) -> Poll<io::Result<usize>> {
        T::poll_recv_spare(&self.io, cx, buf)
    }

    #[inline]
    pub(crate) fn poll_read_uninit(
        &self,
        cx: &mut Context<'_>,
        buf: &mut UninitBuf<'_>,
    ) -> Poll<io::Result<usize>> {
        T::poll_recv_uninit(&self.io, cx, buf)
    }

    /// Reads without waiting.
    pub(crate) fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
        let copy = |buf: &mut [u8], bytes: &[u8]| {
            let count = buf.len().min(bytes.len());
            buf[..count].copy_from_slice(&bytes[..count]);
            count
        };
        match self.io.take_prefetched(|bytes| copy(buf, bytes)) {
            Some(taken) => taken,
            None => retry(|| self.io.get_ref().recv(buf)),
        }
    }

    /// Writes without waiting.
    pub(crate) fn try_write(&self, buf: &[u8]) -> io::Result<usize> {
        retry(|| self.io.get_ref().send(buf))
    }

    /// Shuts one direction or both down, and wakes what waits for them.
    pub(crate) fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.io.get_ref().shutdown(how)?;
        self.io.note_shutdown();
        Ok(())
    }

    /// Shuts the write side down. A connection that has ended already counts as success, as in
    /// tokio: closing twice, or after the peer, is not an error of the program.
    pub(crate) fn close(&self) -> io::Result<()> {
        match self.shutdown(Shutdown::Write) {
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
            result => result,
        }
    }

    /// Waits until the peer has closed its side, or the connection has ended.
    pub(crate) async fn closed(&self) -> io::Result<()> {
        self.io.watch(Interest::Read, |socket| socket.is_closed()).await
    }

    /// Returns whether both are handles of one connection.
    pub(crate) fn is_same(&self, other: &Connection<T>) -> bool {
        Arc::ptr_eq(&self.io, &other.io)
    }

    #[inline]
    pub(crate) fn poll_write(&self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.io.poll_write_with(cx, buf.len(), |socket| socket.send(buf))
    }

    #[inline]
    pub(crate) fn poll_write_vectored(
        &self,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let len = bufs.iter().map(|buf| buf.len()).fold(0, usize::saturating_add);
        self.io.poll_write_with(cx, len, |socket| socket.send_vectored(bufs))
    }
}

/// Calls `op` again while a signal interrupts it.
fn retry(mut op: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match op() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

impl<T: StreamSocket> Deref for Connection<T> {
    type Target = Io<T>;

    fn deref(&self) -> &Io<T> {
        &self.io
    }
}

impl<T: StreamSocket> Clone for Connection<T> {
    fn clone(&self) -> Connection<T> {
        Connection { io: Arc::clone(&self.io) }
    }
}

impl<T: StreamSocket + fmt::Debug> fmt::Debug for Connection<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.io.fmt(f)
    }
}

/// Implements [`Read`](crate::io::Read) and [`Write`](crate::io::Write) for types whose field `io`
/// is a [`Connection`]. Flushing does nothing. Closing shuts the write side down.
macro_rules! impl_stream_io {
    ($($stream:ty),*) => {$(
        impl crate::io::Read for $stream {
            #[inline]
            fn poll_read(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &mut [u8],
            ) -> Poll<io::Result<usize>> {
                self.io.poll_read(cx, buf)
            }

            #[inline]
            fn poll_read_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bufs: &mut [IoSliceMut<'_>],
            ) -> Poll<io::Result<usize>> {
                self.io.poll_read_vectored(cx, bufs)
            }
        }

        impl crate::io::Write for $stream {
            #[inline]
            fn poll_write(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &[u8],
            ) -> Poll<io::Result<usize>> {
                self.io.poll_write(cx, buf)
            }

            #[inline]
            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bufs: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                self.io.poll_write_vectored(cx, bufs)
            }

            #[inline]
            fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(Ok(()))
            }

            #[inline]
            fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(self.io.close())
            }
        }
    )*};
}
pub(crate) use impl_stream_io;

/// Implements how the rest of the crate uses a stream whose field `io` is a [`Connection`] with
/// `$socket`.
macro_rules! impl_stream_access {
    ($stream:ident, $socket:ty) => {
        impl $stream {
            /// The socket and its readiness, for calls of the system that move bytes in other ways.
            pub(crate) fn io(&self) -> &reveille_runtime::io::Io<$socket> {
                &self.io
            }

            /// Reads into the spare capacity of `buf`, which is not empty. Nothing is cleared
            /// first.
            #[inline]
            pub(crate) fn poll_read_spare(
                &self,
                cx: &mut Context<'_>,
                buf: &mut Vec<u8>,
            ) -> Poll<io::Result<usize>> {
                self.io.poll_read_spare(cx, buf)
            }

            /// Reads into a buffer that is not initialized.
            #[inline]
            pub(crate) fn poll_read_uninit(
                &self,
                cx: &mut Context<'_>,
                buf: &mut crate::os::uninit::UninitBuf<'_>,
            ) -> Poll<io::Result<usize>> {
                self.io.poll_read_uninit(cx, buf)
            }

            /// Returns the socket, still non-blocking. If clones use it, returns a duplicate.
            pub(crate) fn into_std_shared(self) -> io::Result<$socket> {
                self.io.into_std_shared()
            }
        }
    };
}
pub(crate) use impl_stream_access;

/// The methods of [`StreamSocket`] that are calls of the system, for a socket of std.
macro_rules! impl_socket_calls {
    () => {
        fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
            self.set_nonblocking(nonblocking)
        }

        fn shutdown(&self, how: Shutdown) -> io::Result<()> {
            self.shutdown(how)
        }

        fn duplicate(&self) -> io::Result<Self> {
            self.try_clone()
        }

        fn is_closed(&self) -> io::Result<()> {
            crate::os::socket::is_closed(self)
        }

        fn recv(&self, buf: &mut [u8]) -> io::Result<usize> {
            crate::os::socket::recv(self, buf)
        }

        #[inline]
        fn send(&self, buf: &[u8]) -> io::Result<usize> {
            crate::os::socket::send(self, buf)
        }

        fn send_vectored(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
            crate::os::socket::send_vectored(self, bufs)
        }
    };
}
pub(crate) use impl_socket_calls;
