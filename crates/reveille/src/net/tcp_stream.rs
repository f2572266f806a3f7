//! A TCP connection.

use std::io::{self, IoSlice, IoSliceMut, Read as StdRead};
use std::net::{Shutdown, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use reveille_runtime::io::{Interest, Io};
use reveille_runtime::time::now;

use super::connection::{
    Connection, StreamSocket, impl_socket_calls, impl_stream_access, impl_stream_io,
};
use super::halves::impl_halves;
use super::ready::impl_ready;
use super::{ToSocketAddrs, first_success};
use crate::future;
use crate::io::context::Context as _;
use crate::os::socket::{connect_tcp, recv, recv_spare, recv_uninit};
use crate::os::uninit::UninitBuf;

/// A TCP connection.
///
/// Clones share the connection. `&TcpStream` also reads and writes, so one task may read while
/// another writes. If several tasks read at the same time, each byte goes to one of them. The
/// connection is closed when the last clone is dropped; [`shutdown`](TcpStream::shutdown) closes
/// one direction earlier.
///
/// # Cancel safety
///
/// A read or write that is dropped before it completes has read or written nothing. With [batched
/// reads](crate::runtime::Builder::batched_reads), bytes that were read already are kept for the
/// next read.
///
/// # Closing
///
/// [`close`](crate::io::WriteExt::close) (and `poll_close`, which other crates' `close` and
/// `shutdown` call) shuts the write side down for all clones: the peer reads to the end. The stream
/// can still be read. A later write fails with `BrokenPipe`, and on Windows with
/// `WSAESHUTDOWN` (10058), for which std has no kind. Closing again does nothing.
///
/// # Differences
///
/// In async-std, and in the shim that replaces it, closing the writer does nothing.
///
/// # Examples
///
/// ```
/// use reveille::io::prelude::*;
/// use reveille::net::{TcpListener, TcpStream};
/// use reveille::task;
///
/// # fn main() -> std::io::Result<()> {
/// task::block_on(async {
///     # let listener = TcpListener::bind("127.0.0.1:0").await?;
///     # let address = listener.local_addr()?;
///     let mut stream = TcpStream::connect(address).await?;
///     # let (mut peer, _) = listener.accept().await?;
///     # peer.write_all(b"pong").await?;
///     stream.write_all(b"ping").await?;
///
///     let mut answer = [0; 4];
///     stream.read_exact(&mut answer).await?;
///     assert_eq!(&answer, b"pong");
///     Ok(())
/// })
/// # }
/// ```
#[derive(Debug, Clone)]
#[doc(alias("split", "ReadHalf", "WriteHalf"))]
pub struct TcpStream {
    io: Connection<std::net::TcpStream>,
}

impl TcpStream {
    /// Connects to the first address that answers. Addresses are tried one after the other.
    ///
    /// # Errors
    ///
    /// ``could not connect to `address`: …``, with the kind and the text of the last address's
    /// error. `InvalidInput` if there is no address. If a name does not resolve, see
    /// [`ToSocketAddrs`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future aborts the connection attempt and closes its socket.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use reveille::net::TcpStream;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let stream = TcpStream::connect("example.org:80").await?;
    ///     println!("connected to {}", stream.peer_addr()?);
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub async fn connect<A: ToSocketAddrs>(addrs: A) -> io::Result<TcpStream> {
        let addresses = addrs.to_socket_addrs().await?;
        first_success(addresses, async |address| {
            let io =
                connect_tcp(address).await.named(|| format!("could not connect to `{address}`"))?;
            Ok(TcpStream::new(io))
        })
        .await
    }

    /// Like [`connect`](TcpStream::connect), with a time limit that includes the lookup of a name.
    ///
    /// # Errors
    ///
    /// Those of `connect`, and `TimedOut`, which names the address that had not answered.
    ///
    /// # Cancel safety
    ///
    /// As for [`connect`](TcpStream::connect).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use reveille::net::{TcpListener, TcpStream};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let listener = TcpListener::bind("127.0.0.1:0").await?;
    ///     let address = listener.local_addr()?;
    ///     let stream = TcpStream::connect_timeout(address, Duration::from_secs(5)).await?;
    ///     assert_eq!(stream.peer_addr()?, address);
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub async fn connect_timeout<A: ToSocketAddrs>(
        addrs: A,
        timeout: Duration,
    ) -> io::Result<TcpStream> {
        let deadline = now().checked_add(timeout);
        let left = || deadline.map_or(Duration::MAX, |end| end.saturating_duration_since(now()));
        let late = |_| {
            let message = format!("no answer within {timeout:?}");
            io::Error::new(io::ErrorKind::TimedOut, message)
        };
        let addresses = future::timeout(left(), addrs.to_socket_addrs())
            .await
            .map_err(late)
            .named(|| "could not resolve addresses".to_owned())??;
        first_success(addresses, async |address| {
            let outcome = future::timeout(left(), connect_tcp(address)).await;
            let io = outcome
                .unwrap_or_else(|error| Err(late(error)))
                .named(|| format!("could not connect to `{address}`"))?;
            Ok(TcpStream::new(io))
        })
        .await
    }

    pub(super) fn new(io: Io<std::net::TcpStream>) -> TcpStream {
        TcpStream { io: Connection::new(io) }
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
    /// use reveille::net::{TcpListener, TcpStream};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let listener = TcpListener::bind("127.0.0.1:0").await?;
    ///     let stream = TcpStream::connect(listener.local_addr()?).await?;
    ///     assert!(stream.local_addr()?.ip().is_loopback());
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.get_ref().local_addr()
    }

    /// Returns the address of the peer.
    ///
    /// # Errors
    ///
    /// The system's error, such as `NotConnected` after the connection was reset.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::net::{TcpListener, TcpStream};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let listener = TcpListener::bind("127.0.0.1:0").await?;
    ///     let stream = TcpStream::connect(listener.local_addr()?).await?;
    ///     assert_eq!(stream.peer_addr()?, listener.local_addr()?);
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.io.get_ref().peer_addr()
    }

    /// Returns the time-to-live of packets, in hops (`IP_TTL`).
    ///
    /// # Errors
    ///
    /// The system's error.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::net::{TcpListener, TcpStream};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let listener = TcpListener::bind("127.0.0.1:0").await?;
    ///     let stream = TcpStream::connect(listener.local_addr()?).await?;
    ///     assert!(stream.ttl()? > 0);
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub fn ttl(&self) -> io::Result<u32> {
        self.io.get_ref().ttl()
    }

    /// Sets the time-to-live of packets, in hops (`IP_TTL`).
    ///
    /// # Errors
    ///
    /// The system's error.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::net::{TcpListener, TcpStream};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let listener = TcpListener::bind("127.0.0.1:0").await?;
    ///     let stream = TcpStream::connect(listener.local_addr()?).await?;
    ///     stream.set_ttl(100)?;
    ///     assert_eq!(stream.ttl()?, 100);
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.io.get_ref().set_ttl(ttl)
    }

    /// Reads into `buf` without removing the bytes from the stream, and returns how many there
    /// were.
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
    /// use reveille::io::prelude::*;
    /// use reveille::net::{TcpListener, TcpStream};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let listener = TcpListener::bind("127.0.0.1:0").await?;
    ///     let mut client = TcpStream::connect(listener.local_addr()?).await?;
    ///     let (mut stream, _) = listener.accept().await?;
    ///     client.write_all(b"G").await?;
    ///
    ///     let mut byte = [0];
    ///     assert_eq!(stream.peek(&mut byte).await?, 1);
    ///     assert_eq!(stream.read(&mut byte).await?, 1);
    ///     assert_eq!(&byte, b"G");
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub async fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        let peek = |stream: &std::net::TcpStream| {
            let looked = self.io.peek(|bytes| copy(buf, bytes));
            looked.unwrap_or_else(|| stream.peek(buf))
        };
        self.io.io(Interest::Read, peek).await
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
    /// use reveille::net::{TcpListener, TcpStream};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let listener = TcpListener::bind("127.0.0.1:0").await?;
    ///     let stream = TcpStream::connect(listener.local_addr()?).await?;
    ///     assert!(!stream.nodelay()?); // the default of the system
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub fn nodelay(&self) -> io::Result<bool> {
        self.io.get_ref().nodelay()
    }

    /// Sets whether small writes are sent at once (`TCP_NODELAY`). Otherwise a small write may wait
    /// until the previous one is acknowledged (Nagle's algorithm).
    ///
    /// # Errors
    ///
    /// The system's error.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::net::{TcpListener, TcpStream};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let listener = TcpListener::bind("127.0.0.1:0").await?;
    ///     let stream = TcpStream::connect(listener.local_addr()?).await?;
    ///     stream.set_nodelay(true)?;
    ///     assert!(stream.nodelay()?);
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.io.get_ref().set_nodelay(nodelay)
    }

    /// Returns and clears the pending error of the connection (`SO_ERROR`).
    ///
    /// # Errors
    ///
    /// The system's error, if the option cannot be read.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::net::{TcpListener, TcpStream};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let listener = TcpListener::bind("127.0.0.1:0").await?;
    ///     let stream = TcpStream::connect(listener.local_addr()?).await?;
    ///     assert!(stream.take_error()?.is_none());
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.io.get_ref().take_error()
    }

    /// Shuts down the read half, the write half, or both, for all clones.
    ///
    /// After the write half is shut down, the peer reads to the end. What the peer sends still
    /// arrives.
    ///
    /// # Errors
    ///
    /// The system's error, such as `NotConnected` if the peer has closed the connection.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::io::prelude::*;
    /// use reveille::net::{Shutdown, TcpListener, TcpStream};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let listener = TcpListener::bind("127.0.0.1:0").await?;
    ///     let client = TcpStream::connect(listener.local_addr()?).await?;
    ///     let (mut stream, _) = listener.accept().await?;
    ///
    ///     client.shutdown(Shutdown::Write)?;
    ///     assert_eq!(stream.read(&mut [0; 1]).await?, 0);
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.io.shutdown(how)
    }

    /// The socket, for code that uses its descriptor.
    pub(crate) fn as_std(&self) -> &std::net::TcpStream {
        self.io().expose()
    }
}

/// Copies as much of `bytes` as fits into `buf` and returns the number of bytes.
#[inline]
fn copy(buf: &mut [u8], bytes: &[u8]) -> usize {
    let count = buf.len().min(bytes.len());
    buf[..count].copy_from_slice(&bytes[..count]);
    count
}

/// Like [`copy`], into the spare capacity of a vector.
fn append(buf: &mut Vec<u8>, bytes: &[u8]) -> usize {
    let count = (buf.capacity() - buf.len()).min(bytes.len());
    buf.extend_from_slice(&bytes[..count]);
    count
}

/// Like [`copy`], into several buffers.
fn scatter(bufs: &mut [IoSliceMut<'_>], mut bytes: &[u8]) -> usize {
    let len = bytes.len();
    for buf in bufs {
        let count = copy(buf, bytes);
        bytes = &bytes[count..];
    }
    len - bytes.len()
}

impl StreamSocket for std::net::TcpStream {
    const NAME: &'static str = "TcpStream";

    impl_socket_calls!();

    #[inline]
    #[cfg_attr(not(unix), expect(clippy::redundant_closure, reason = "generic on Unix"))]
    fn poll_recv(io: &Io<Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        io.poll_recv_with(cx, buf.len(), buf, copy, |stream, buf| recv(stream, buf))
    }

    #[cfg_attr(not(unix), expect(clippy::redundant_closure, reason = "generic on Unix"))]
    fn poll_recv_spare(
        io: &Io<Self>,
        cx: &mut Context<'_>,
        buf: &mut Vec<u8>,
    ) -> Poll<io::Result<usize>> {
        let len = buf.capacity() - buf.len();
        io.poll_recv_with(cx, len, buf, append, |stream, buf| recv_spare(stream, buf))
    }

    #[inline]
    fn poll_recv_uninit(
        io: &Io<Self>,
        cx: &mut Context<'_>,
        buf: &mut UninitBuf<'_>,
    ) -> Poll<io::Result<usize>> {
        io.poll_recv_with(cx, buf.len(), buf, UninitBuf::fill, |stream, buf| {
            recv_uninit(stream, buf)
        })
    }

    fn poll_recv_vectored(
        io: &Io<Self>,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        let len = bufs.iter().map(|buf| buf.len()).fold(0, usize::saturating_add);
        let read = |mut stream: &std::net::TcpStream, bufs: &mut [IoSliceMut<'_>]| {
            stream.read_vectored(bufs)
        };
        io.poll_recv_with(cx, len, bufs, scatter, read)
    }
}

/// The imports of an example for the methods that are not written here.
macro_rules! tcp_uses {
    ($names:literal) => {
        concat!("use reveille::net::{", $names, "TcpListener, TcpStream};")
    };
}

/// The lines of such an example that make a connection.
macro_rules! tcp_pair {
    ($client:literal, $stream:literal) => {
        concat!(
            "    let listener = TcpListener::bind(\"127.0.0.1:0\").await?;\n",
            concat!("    let ", $client, " = TcpStream::connect(listener.local_addr()?).await?;\n"),
            concat!("    let (", $stream, ", _) = listener.accept().await?;"),
        )
    };
}

impl_stream_io!(TcpStream, &TcpStream);
impl_stream_access!(TcpStream, std::net::TcpStream);
impl_halves!(TcpStream, tcp_uses, tcp_pair);
impl_ready!(
    TcpStream,
    tcp_uses,
    tcp_pair,
    "With [batched reads](crate::runtime::Builder::batched_reads), bytes that were received \
     already count."
);

impl From<std::net::TcpStream> for TcpStream {
    /// Sets the socket to non-blocking mode, for every handle that shares it.
    ///
    /// # Panics
    ///
    /// Panics if the system refuses that, which it does only if the descriptor is not an open
    /// socket.
    fn from(stream: std::net::TcpStream) -> TcpStream {
        TcpStream { io: Connection::from_std(stream) }
    }
}

impl TryFrom<TcpStream> for std::net::TcpStream {
    type Error = io::Error;

    /// Returns the socket in blocking mode.
    ///
    /// # Errors
    ///
    /// Fails if clones still use the socket: it cannot be blocking for one of them only. With
    /// [batched reads](crate::runtime::Builder::batched_reads), fails if bytes have been read
    /// already for a read that was dropped.
    fn try_from(stream: TcpStream) -> io::Result<std::net::TcpStream> {
        stream.io.into_blocking()
    }
}
