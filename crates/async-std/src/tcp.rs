//! async-std's TCP types, and what they share with its Unix sockets.
//!
//! They wrap reveille's types and convert into them and back. The only difference is closing a
//! writer: in reveille it shuts the write side down, and in async-std, and so here, it does
//! nothing.

use std::fmt;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::{Shutdown, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use reveille::net::ToSocketAddrs;

/// Implements the conversions to and from descriptors. `$ours` wraps reveille's type.
macro_rules! impl_descriptor {
    ($($ours:ident: $theirs:ty;)*) => {$(
        #[cfg(unix)]
        impl std::os::fd::AsRawFd for $ours {
            fn as_raw_fd(&self) -> std::os::fd::RawFd {
                self.0.as_raw_fd()
            }
        }

        #[cfg(unix)]
        impl std::os::fd::AsFd for $ours {
            fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
                self.0.as_fd()
            }
        }

        #[cfg(unix)]
        impl From<std::os::fd::OwnedFd> for $ours {
            fn from(fd: std::os::fd::OwnedFd) -> $ours {
                $ours(fd.into())
            }
        }

        #[cfg(unix)]
        impl From<$ours> for std::os::fd::OwnedFd {
            fn from(socket: $ours) -> std::os::fd::OwnedFd {
                socket.0.into()
            }
        }

        #[cfg(unix)]
        #[allow(unsafe_code, reason = "the trait's only function is unsafe")]
        impl std::os::fd::FromRawFd for $ours {
            unsafe fn from_raw_fd(fd: std::os::fd::RawFd) -> $ours {
                // SAFETY: the caller guarantees that `fd` is open and has no other owner, which is
                // what the same function of the wrapped type requires.
                $ours(unsafe { <$theirs>::from_raw_fd(fd) })
            }
        }

        #[cfg(unix)]
        impl std::os::fd::IntoRawFd for $ours {
            fn into_raw_fd(self) -> std::os::fd::RawFd {
                self.0.into_raw_fd()
            }
        }

        #[cfg(windows)]
        impl std::os::windows::io::AsRawSocket for $ours {
            fn as_raw_socket(&self) -> std::os::windows::io::RawSocket {
                self.0.as_raw_socket()
            }
        }

        #[cfg(windows)]
        impl std::os::windows::io::AsSocket for $ours {
            fn as_socket(&self) -> std::os::windows::io::BorrowedSocket<'_> {
                self.0.as_socket()
            }
        }

        #[cfg(windows)]
        impl From<std::os::windows::io::OwnedSocket> for $ours {
            fn from(socket: std::os::windows::io::OwnedSocket) -> $ours {
                $ours(socket.into())
            }
        }

        #[cfg(windows)]
        impl From<$ours> for std::os::windows::io::OwnedSocket {
            fn from(socket: $ours) -> std::os::windows::io::OwnedSocket {
                socket.0.into()
            }
        }

        #[cfg(windows)]
        #[allow(unsafe_code, reason = "the trait's only function is unsafe")]
        impl std::os::windows::io::FromRawSocket for $ours {
            unsafe fn from_raw_socket(socket: std::os::windows::io::RawSocket) -> $ours {
                // SAFETY: the caller guarantees that `socket` is open and has no other owner, which
                // is what the same function of the wrapped type requires.
                $ours(unsafe { <$theirs>::from_raw_socket(socket) })
            }
        }

        #[cfg(windows)]
        impl std::os::windows::io::IntoRawSocket for $ours {
            fn into_raw_socket(self) -> std::os::windows::io::RawSocket {
                self.0.into_raw_socket()
            }
        }
    )*};
}
#[cfg(unix)]
pub(crate) use impl_descriptor;

/// Implements the I/O traits of a connection, as async-std has them: closing does nothing, because
/// a clone may still write.
macro_rules! impl_stream {
    ($($stream:ty),*) => {$(
        impl reveille::io::Read for $stream {
            fn poll_read(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &mut [u8],
            ) -> Poll<io::Result<usize>> {
                Pin::new(&mut &self.0).poll_read(cx, buf)
            }

            fn poll_read_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bufs: &mut [IoSliceMut<'_>],
            ) -> Poll<io::Result<usize>> {
                Pin::new(&mut &self.0).poll_read_vectored(cx, bufs)
            }
        }

        impl reveille::io::Write for $stream {
            fn poll_write(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &[u8],
            ) -> Poll<io::Result<usize>> {
                Pin::new(&mut &self.0).poll_write(cx, buf)
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bufs: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                Pin::new(&mut &self.0).poll_write_vectored(cx, bufs)
            }

            fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(Ok(()))
            }

            fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(Ok(()))
            }
        }
    )*};
}
#[cfg(unix)]
pub(crate) use impl_stream;

/// Implements the conversions from and into reveille's types and std's. `$ours` wraps `$theirs`.
macro_rules! impl_wrapper {
    ($($ours:ident: $theirs:ty, $std:ty;)*) => {$(
        impl From<$std> for $ours {
            fn from(socket: $std) -> $ours {
                $ours(socket.into())
            }
        }

        impl TryFrom<$ours> for $std {
            type Error = io::Error;

            fn try_from(socket: $ours) -> io::Result<$std> {
                socket.0.try_into()
            }
        }

        impl From<$theirs> for $ours {
            fn from(socket: $theirs) -> $ours {
                $ours(socket)
            }
        }

        impl From<$ours> for $theirs {
            fn from(socket: $ours) -> $theirs {
                socket.0
            }
        }

        impl fmt::Debug for $ours {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}
#[cfg(unix)]
pub(crate) use impl_wrapper;

/// A TCP connection. Clones share it.
///
/// Closing the writer does nothing, as in async-std: [`shutdown`](TcpStream::shutdown) closes one
/// direction.
///
/// # Cancel safety
///
/// A read or write that is dropped before it completes has read or written nothing.
///
/// # Examples
///
/// ```
/// use async_std::net::{TcpListener, TcpStream};
/// use async_std::prelude::*;
///
/// # async_std::task::block_on(async {
/// let listener = TcpListener::bind("127.0.0.1:0").await?;
/// let mut stream = TcpStream::connect(listener.local_addr()?).await?;
/// stream.write_all(b"ping").await?;
/// # std::io::Result::Ok(()) })?;
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone)]
pub struct TcpStream(reveille::net::TcpStream);

impl TcpStream {
    /// Connects to the first address that answers.
    ///
    /// # Errors
    ///
    /// Those of the last address, or of the name lookup.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future aborts the attempt.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::net::{TcpListener, TcpStream};
    ///
    /// # async_std::task::block_on(async {
    /// let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// let stream = TcpStream::connect(listener.local_addr()?).await?;
    /// assert_eq!(stream.peer_addr()?, listener.local_addr()?);
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub async fn connect<A: ToSocketAddrs>(addrs: A) -> io::Result<TcpStream> {
        reveille::net::TcpStream::connect(addrs).await.map(TcpStream)
    }

    /// Returns the local address.
    ///
    /// # Errors
    ///
    /// The system's error.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::net::{TcpListener, TcpStream};
    ///
    /// # async_std::task::block_on(async {
    /// let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// let stream = TcpStream::connect(listener.local_addr()?).await?;
    /// assert!(stream.local_addr()?.ip().is_loopback());
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    /// Returns the address of the peer.
    ///
    /// # Errors
    ///
    /// The system's error.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::net::{TcpListener, TcpStream};
    ///
    /// # async_std::task::block_on(async {
    /// let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// let stream = TcpStream::connect(listener.local_addr()?).await?;
    /// assert_eq!(stream.peer_addr()?, listener.local_addr()?);
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.0.peer_addr()
    }

    /// Returns the time-to-live of packets, in hops.
    ///
    /// # Errors
    ///
    /// The system's error.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::net::{TcpListener, TcpStream};
    ///
    /// # async_std::task::block_on(async {
    /// let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// let stream = TcpStream::connect(listener.local_addr()?).await?;
    /// assert!(stream.ttl()? > 0);
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn ttl(&self) -> io::Result<u32> {
        self.0.ttl()
    }

    /// Returns whether small writes are sent at once (`TCP_NODELAY`).
    ///
    /// # Errors
    ///
    /// The system's error.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::net::{TcpListener, TcpStream};
    ///
    /// # async_std::task::block_on(async {
    /// let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// let stream = TcpStream::connect(listener.local_addr()?).await?;
    /// assert!(!stream.nodelay()?);
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn nodelay(&self) -> io::Result<bool> {
        self.0.nodelay()
    }

    /// Sets the time-to-live of packets, in hops.
    ///
    /// # Errors
    ///
    /// The system's error.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::net::{TcpListener, TcpStream};
    ///
    /// # async_std::task::block_on(async {
    /// let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// let stream = TcpStream::connect(listener.local_addr()?).await?;
    /// stream.set_ttl(100)?;
    /// assert_eq!(stream.ttl()?, 100);
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.0.set_ttl(ttl)
    }

    /// Sets whether small writes are sent at once (`TCP_NODELAY`).
    ///
    /// # Errors
    ///
    /// The system's error.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::net::{TcpListener, TcpStream};
    ///
    /// # async_std::task::block_on(async {
    /// let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// let stream = TcpStream::connect(listener.local_addr()?).await?;
    /// stream.set_nodelay(true)?;
    /// assert!(stream.nodelay()?);
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.0.set_nodelay(nodelay)
    }

    /// Reads into `buf` without removing the bytes from the stream.
    ///
    /// # Errors
    ///
    /// The system's error.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost, because nothing is removed.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::net::{TcpListener, TcpStream};
    /// use async_std::prelude::*;
    ///
    /// # async_std::task::block_on(async {
    /// let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// let stream = TcpStream::connect(listener.local_addr()?).await?;
    /// let (mut peer, _) = listener.accept().await?;
    /// peer.write_all(b"G").await?;
    /// assert_eq!(stream.peek(&mut [0]).await?, 1);
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub async fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.peek(buf).await
    }

    /// Shuts down the read half, the write half, or both, for all clones.
    ///
    /// # Errors
    ///
    /// The system's error.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::net::{Shutdown, TcpListener, TcpStream};
    ///
    /// # async_std::task::block_on(async {
    /// let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// let stream = TcpStream::connect(listener.local_addr()?).await?;
    /// stream.shutdown(Shutdown::Write)?;
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.0.shutdown(how)
    }
}

impl_stream!(TcpStream, &TcpStream);

/// A TCP listener.
///
/// # Examples
///
/// ```
/// use async_std::net::{TcpListener, TcpStream};
///
/// # async_std::task::block_on(async {
/// let listener = TcpListener::bind("127.0.0.1:0").await?;
/// let client = TcpStream::connect(listener.local_addr()?).await?;
/// let (_stream, peer) = listener.accept().await?;
/// assert_eq!(peer, client.local_addr()?);
/// # std::io::Result::Ok(()) })?;
/// # std::io::Result::Ok(())
/// ```
pub struct TcpListener(reveille::net::TcpListener);

impl TcpListener {
    /// Binds to the first address that can be bound.
    ///
    /// # Errors
    ///
    /// Those of the last address, or of the name lookup.
    ///
    /// # Cancel safety
    ///
    /// The socket is closed.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::net::TcpListener;
    ///
    /// # async_std::task::block_on(async {
    /// let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// assert_ne!(listener.local_addr()?.port(), 0);
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub async fn bind<A: ToSocketAddrs>(addrs: A) -> io::Result<TcpListener> {
        reveille::net::TcpListener::bind(addrs).await.map(TcpListener)
    }

    /// Accepts a connection.
    ///
    /// # Errors
    ///
    /// The system's error. If descriptors run out, the next call waits before it tries again.
    ///
    /// # Cancel safety
    ///
    /// No connection is lost.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::net::{TcpListener, TcpStream};
    ///
    /// # async_std::task::block_on(async {
    /// let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// let stream = TcpStream::connect(listener.local_addr()?).await?;
    /// let (_stream, peer) = listener.accept().await?;
    /// assert_eq!(peer, stream.local_addr()?);
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let (stream, address) = self.0.accept().await?;
        Ok((TcpStream(stream), address))
    }

    /// Returns a stream of the connections. It never ends.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::net::{TcpListener, TcpStream};
    /// use async_std::prelude::*;
    ///
    /// # async_std::task::block_on(async {
    /// let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// let stream = TcpStream::connect(listener.local_addr()?).await?;
    /// let peer = listener.incoming().next().await.unwrap()?;
    /// assert_eq!(peer.peer_addr()?, stream.local_addr()?);
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn incoming(&self) -> Incoming<'_> {
        Incoming(self.0.incoming())
    }

    /// Converts the listener into a stream of its connections. It never ends.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::net::{TcpListener, TcpStream};
    /// use async_std::prelude::*;
    ///
    /// # async_std::task::block_on(async {
    /// let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// let stream = TcpStream::connect(listener.local_addr()?).await?;
    /// let mut incoming = Box::pin(listener.into_incoming());
    /// let peer = incoming.next().await.unwrap()?;
    /// assert_eq!(peer.peer_addr()?, stream.local_addr()?);
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    #[cfg(feature = "unstable")]
    pub fn into_incoming(self) -> impl Stream<Item = io::Result<TcpStream>> + Send {
        MapStream(Box::pin(self.0.into_incoming()))
    }

    /// Returns the address that the listener is bound to.
    ///
    /// # Errors
    ///
    /// The system's error.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::net::TcpListener;
    ///
    /// # async_std::task::block_on(async {
    /// let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// assert!(listener.local_addr()?.ip().is_loopback());
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// The accepted connections, as a stream. Made by [`TcpListener::incoming`].
///
/// # Examples
///
/// ```
/// use async_std::net::{TcpListener, TcpStream};
/// use async_std::prelude::*;
///
/// # async_std::task::block_on(async {
/// let listener = TcpListener::bind("127.0.0.1:0").await?;
/// let client = TcpStream::connect(listener.local_addr()?).await?;
/// let stream = listener.incoming().next().await.unwrap()?;
/// assert_eq!(stream.peer_addr()?, client.local_addr()?);
/// # std::io::Result::Ok(()) })?;
/// # std::io::Result::Ok(())
/// ```
#[must_use = "streams do nothing unless polled"]
pub struct Incoming<'a>(reveille::net::Incoming<'a>);

impl Stream for Incoming<'_> {
    type Item = io::Result<TcpStream>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = ready!(Pin::new(&mut self.0).poll_next(cx));
        Poll::Ready(next.map(|stream| stream.map(TcpStream)))
    }
}

impl fmt::Debug for Incoming<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// reveille's stream of connections, with the connections wrapped.
#[cfg(feature = "unstable")]
struct MapStream<S>(Pin<Box<S>>);

#[cfg(feature = "unstable")]
impl<S> Stream for MapStream<S>
where
    S: Stream<Item = io::Result<reveille::net::TcpStream>>,
{
    type Item = io::Result<TcpStream>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = ready!(self.0.as_mut().poll_next(cx));
        Poll::Ready(next.map(|stream| stream.map(TcpStream)))
    }
}

impl_wrapper! {
    TcpStream: reveille::net::TcpStream, std::net::TcpStream;
    TcpListener: reveille::net::TcpListener, std::net::TcpListener;
}

impl_descriptor! {
    TcpStream: reveille::net::TcpStream;
    TcpListener: reveille::net::TcpListener;
}
