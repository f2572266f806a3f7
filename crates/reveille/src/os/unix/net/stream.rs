//! A Unix domain stream socket.

use std::fmt;
use std::io::{self, IoSlice, IoSliceMut, Read as StdRead};
use std::net::Shutdown;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::pin::Pin;
use std::task::{Context, Poll};

use reveille_runtime::io::{Interest, Io};

use super::{SocketAddr, address};
use crate::io::context::Context as _;
use crate::net::connection::{
    Connection, StreamSocket, impl_socket_calls, impl_stream_access, impl_stream_io,
};
use crate::net::halves::impl_halves;
use crate::net::ready::impl_ready;
use crate::os::socket::{connect_unix, recv, recv_spare, recv_uninit};
use crate::os::uninit::UninitBuf;
use crate::path::Path;

/// A Unix domain stream socket.
///
/// Clones share the connection. `&UnixStream` also reads and writes. The connection is closed when
/// the last clone is dropped.
///
/// [`close`](crate::io::WriteExt::close) shuts the write side down for all clones, so the peer
/// reads to the end. In async-std, and in the shim that replaces it, it does nothing.
///
/// # Cancel safety
///
/// A read or write that is dropped before it completes has read or written nothing.
///
/// # Examples
///
/// ```
/// use reveille::io::prelude::*;
/// use reveille::os::unix::net::UnixStream;
///
/// # fn main() -> std::io::Result<()> {
/// reveille::task::block_on(async {
///     let (mut here, mut there) = UnixStream::pair()?;
///     here.write_all(b"ping").await?;
///     let mut buf = [0; 4];
///     there.read_exact(&mut buf).await?;
///     assert_eq!(&buf, b"ping");
///     Ok(())
/// })
/// # }
/// ```
#[derive(Clone)]
#[doc(alias("split", "ReadHalf", "WriteHalf"))]
pub struct UnixStream {
    io: Connection<StdUnixStream>,
}

impl UnixStream {
    /// Connects to the socket at `path`.
    ///
    /// If the queue of the listener is full, this waits until there is room.
    ///
    /// # Errors
    ///
    /// ``could not connect to `path`: …``, with the kind and the text of the system's error.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future aborts the connection attempt and closes its socket.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use reveille::os::unix::net::UnixStream;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let stream = UnixStream::connect("/run/service.sock").await?;
    ///     println!("connected to {:?}", stream.peer_addr()?);
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub async fn connect<P: AsRef<Path>>(path: P) -> io::Result<UnixStream> {
        let address = address::from_path_to(path.as_ref(), "connect to")?;
        UnixStream::connect_addr(&address).await
    }

    /// Connects to the socket at `address`, as [`connect`](UnixStream::connect) does.
    ///
    /// # Errors
    ///
    /// As for [`connect`](UnixStream::connect); `InvalidInput` if the address is unnamed.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future aborts the connection attempt and closes its socket.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::os::unix::net::{UnixListener, UnixStream};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// # let path = std::env::temp_dir().join(format!("reveille-conn-{}", std::process::id()));
    /// # let _ = std::fs::remove_file(&path);
    /// # let path = path.to_str().unwrap();
    /// reveille::task::block_on(async {
    ///     let listener = UnixListener::bind(path).await?;
    ///     let client = UnixStream::connect_addr(&listener.local_addr()?).await?;
    ///     assert_eq!(client.peer_addr()?.as_pathname(), Some(path.as_ref()));
    /// #   std::fs::remove_file(path)?;
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub async fn connect_addr(address: &SocketAddr) -> io::Result<UnixStream> {
        let io = connect_unix(address)
            .await
            .named(|| format!("could not connect to `{}`", address::display(address)))?;
        Ok(UnixStream::new(io))
    }

    /// Creates two sockets that are connected to each other.
    ///
    /// # Errors
    ///
    /// The system's error, for example if no descriptor is left.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::os::unix::net::UnixStream;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let (here, there) = UnixStream::pair()?;
    /// assert!(here.peer_addr()?.is_unnamed());
    /// # drop(there);
    /// # Ok(())
    /// # }
    /// ```
    pub fn pair() -> io::Result<(UnixStream, UnixStream)> {
        let (a, b) = StdUnixStream::pair()?;
        a.set_nonblocking(true)?;
        b.set_nonblocking(true)?;
        Ok((UnixStream::new(Io::new(a)), UnixStream::new(Io::new(b))))
    }

    pub(super) fn new(io: Io<StdUnixStream>) -> UnixStream {
        UnixStream { io: Connection::new(io) }
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
    /// use reveille::os::unix::net::UnixStream;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let (stream, _) = UnixStream::pair()?;
    /// assert!(stream.local_addr()?.is_unnamed());
    /// # Ok(())
    /// # }
    /// ```
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.as_std().local_addr()
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
    /// use reveille::os::unix::net::UnixStream;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let (stream, _peer) = UnixStream::pair()?;
    /// assert_eq!(stream.peer_addr()?.as_pathname(), None);
    /// # Ok(())
    /// # }
    /// ```
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.as_std().peer_addr()
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
    /// use reveille::os::unix::net::UnixStream;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let (stream, _peer) = UnixStream::pair()?;
    /// assert!(stream.take_error()?.is_none());
    /// # Ok(())
    /// # }
    /// ```
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.as_std().take_error()
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
    /// use reveille::io::prelude::*;
    /// use reveille::net::Shutdown;
    /// use reveille::os::unix::net::UnixStream;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let (here, mut there) = UnixStream::pair()?;
    ///     here.shutdown(Shutdown::Write)?;
    ///     assert_eq!(there.read(&mut [0; 1]).await?, 0);
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.as_std().shutdown(how)
    }

    pub(crate) fn as_std(&self) -> &StdUnixStream {
        self.io.get_ref()
    }
}

// Not `poll_recv_with`: a read ends early at a message that carries descriptors, with more data
// behind it, so a short read does not prove that the queue is empty. The socket may also be a
// sequenced-packet socket that the program converted.
impl StreamSocket for StdUnixStream {
    const NAME: &'static str = "UnixStream";

    impl_socket_calls!();

    #[inline]
    fn poll_recv(io: &Io<Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        io.poll_io(cx, Interest::Read, |stream| recv(stream, buf))
    }

    fn poll_recv_spare(
        io: &Io<Self>,
        cx: &mut Context<'_>,
        buf: &mut Vec<u8>,
    ) -> Poll<io::Result<usize>> {
        io.poll_io(cx, Interest::Read, |stream| recv_spare(stream, buf))
    }

    fn poll_recv_uninit(
        io: &Io<Self>,
        cx: &mut Context<'_>,
        buf: &mut UninitBuf<'_>,
    ) -> Poll<io::Result<usize>> {
        io.poll_io(cx, Interest::Read, |stream| recv_uninit(stream, buf))
    }

    fn poll_recv_vectored(
        io: &Io<Self>,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        io.poll_io(cx, Interest::Read, |mut stream| stream.read_vectored(bufs))
    }
}

/// The imports of an example for the methods that are not written here.
macro_rules! unix_uses {
    ("") => {
        "use reveille::os::unix::net::UnixStream;"
    };
    ($names:literal) => {
        concat!("use reveille::os::unix::net::{", $names, "UnixStream};")
    };
}

/// The line of such an example that makes a connection.
macro_rules! unix_pair {
    ($client:literal, $stream:literal) => {
        concat!("    let (", $client, ", ", $stream, ") = UnixStream::pair()?;")
    };
}

impl_stream_io!(UnixStream, &UnixStream);
impl_stream_access!(UnixStream, StdUnixStream);
impl_halves!(UnixStream, unix_uses, unix_pair);
impl_ready!(UnixStream, unix_uses, unix_pair);

impl fmt::Debug for UnixStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fd = self.as_std().as_raw_fd();
        super::debug(f, "UnixStream", fd, self.local_addr(), self.peer_addr())
    }
}

impl From<StdUnixStream> for UnixStream {
    /// Sets the socket to non-blocking mode, for every handle that shares it.
    ///
    /// # Panics
    ///
    /// Panics if the system refuses that, which it does only if the descriptor is not an open
    /// socket.
    fn from(stream: StdUnixStream) -> UnixStream {
        UnixStream { io: Connection::from_std(stream) }
    }
}

impl TryFrom<UnixStream> for StdUnixStream {
    type Error = io::Error;

    /// Returns the socket in blocking mode.
    ///
    /// # Errors
    ///
    /// Fails if clones still use the socket: it cannot be blocking for one of them only.
    fn try_from(stream: UnixStream) -> io::Result<StdUnixStream> {
        stream.io.into_blocking()
    }
}
