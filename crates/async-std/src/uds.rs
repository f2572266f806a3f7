//! async-std's Unix domain sockets: see `tcp.rs`.

use std::fmt;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::Shutdown;
use std::os::unix::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use reveille::path::Path;

use crate::tcp::{impl_descriptor, impl_stream, impl_wrapper};

/// A Unix domain stream socket. Clones share the connection.
///
/// Closing the writer does nothing, as in async-std: [`shutdown`](UnixStream::shutdown) closes one
/// direction.
///
/// # Cancel safety
///
/// A read or write that is dropped before it completes has read or written nothing.
///
/// # Examples
///
/// ```
/// use async_std::os::unix::net::UnixStream;
/// use async_std::prelude::*;
///
/// # async_std::task::block_on(async {
/// let (mut here, mut there) = UnixStream::pair()?;
/// here.write_all(b"hi").await?;
/// there.read_exact(&mut [0; 2]).await?;
/// # std::io::Result::Ok(()) })?;
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone)]
pub struct UnixStream(reveille::os::unix::net::UnixStream);

impl UnixStream {
    /// Connects to the socket at `path`.
    ///
    /// # Errors
    ///
    /// The system's error, with the path.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future aborts the attempt.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::os::unix::net::{UnixListener, UnixStream};
    ///
    /// # let name = format!("shim-uds-{}-{}", std::process::id(), line!());
    /// # let path = std::env::temp_dir().join(name);
    /// # let path = async_std::path::PathBuf::from(path);
    /// # async_std::task::block_on(async {
    /// let listener = UnixListener::bind(&path).await?;
    /// let stream = UnixStream::connect(&path).await?;
    /// assert_eq!(stream.peer_addr()?.as_pathname(), Some(path.as_ref()));
    /// # async_std::fs::remove_file(&path).await?;
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub async fn connect<P: AsRef<Path>>(path: P) -> io::Result<UnixStream> {
        reveille::os::unix::net::UnixStream::connect(path).await.map(UnixStream)
    }

    /// Creates two sockets that are connected to each other.
    ///
    /// # Errors
    ///
    /// The system's error.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::os::unix::net::UnixStream;
    ///
    /// # async_std::task::block_on(async {
    /// let (stream, _peer) = UnixStream::pair()?;
    /// assert!(stream.peer_addr()?.is_unnamed());
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn pair() -> io::Result<(UnixStream, UnixStream)> {
        let (a, b) = reveille::os::unix::net::UnixStream::pair()?;
        Ok((UnixStream(a), UnixStream(b)))
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
    /// use async_std::os::unix::net::UnixStream;
    ///
    /// # async_std::task::block_on(async {
    /// let (stream, _peer) = UnixStream::pair()?;
    /// assert!(stream.local_addr()?.is_unnamed());
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
    /// use async_std::os::unix::net::UnixStream;
    ///
    /// # async_std::task::block_on(async {
    /// let (stream, _peer) = UnixStream::pair()?;
    /// assert!(stream.peer_addr()?.is_unnamed());
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.0.peer_addr()
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
    /// use async_std::os::unix::net::UnixStream;
    ///
    /// # async_std::task::block_on(async {
    /// let (stream, _peer) = UnixStream::pair()?;
    /// stream.shutdown(async_std::net::Shutdown::Write)?;
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.0.shutdown(how)
    }
}

impl_stream!(UnixStream, &UnixStream);

/// A Unix domain socket that accepts connections.
///
/// # Examples
///
/// ```
/// use async_std::os::unix::net::UnixListener;
///
/// # let path = std::env::temp_dir().join(format!("shim-listen-{}", std::process::id()));
/// # let path = async_std::path::PathBuf::from(path);
/// # async_std::task::block_on(async {
/// let listener = UnixListener::bind(&path).await?;
/// assert_eq!(listener.local_addr()?.as_pathname(), Some(path.as_ref()));
/// # async_std::fs::remove_file(&path).await?;
/// # std::io::Result::Ok(()) })?;
/// # std::io::Result::Ok(())
/// ```
pub struct UnixListener(reveille::os::unix::net::UnixListener);

impl UnixListener {
    /// Binds to `path`.
    ///
    /// # Errors
    ///
    /// The system's error, with the path.
    ///
    /// # Cancel safety
    ///
    /// The socket is closed.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::os::unix::net::UnixListener;
    ///
    /// # let name = format!("shim-uds-{}-{}", std::process::id(), line!());
    /// # let path = std::env::temp_dir().join(name);
    /// # let path = async_std::path::PathBuf::from(path);
    /// # async_std::task::block_on(async {
    /// let listener = UnixListener::bind(&path).await?;
    /// assert!(!listener.local_addr()?.is_unnamed());
    /// # async_std::fs::remove_file(&path).await?;
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub async fn bind<P: AsRef<Path>>(path: P) -> io::Result<UnixListener> {
        reveille::os::unix::net::UnixListener::bind(path).await.map(UnixListener)
    }

    /// Accepts a connection.
    ///
    /// # Errors
    ///
    /// The system's error.
    ///
    /// # Cancel safety
    ///
    /// No connection is lost.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::os::unix::net::{UnixListener, UnixStream};
    ///
    /// # let name = format!("shim-uds-{}-{}", std::process::id(), line!());
    /// # let path = std::env::temp_dir().join(name);
    /// # let path = async_std::path::PathBuf::from(path);
    /// # async_std::task::block_on(async {
    /// let listener = UnixListener::bind(&path).await?;
    /// let _client = UnixStream::connect(&path).await?;
    /// let (_stream, peer) = listener.accept().await?;
    /// assert!(peer.is_unnamed());
    /// # async_std::fs::remove_file(&path).await?;
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub async fn accept(&self) -> io::Result<(UnixStream, SocketAddr)> {
        let (stream, address) = self.0.accept().await?;
        Ok((UnixStream(stream), address))
    }

    /// Returns a stream of the connections. It never ends.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::os::unix::net::{UnixListener, UnixStream};
    /// use async_std::prelude::*;
    ///
    /// # let name = format!("shim-uds-{}-{}", std::process::id(), line!());
    /// # let path = std::env::temp_dir().join(name);
    /// # let path = async_std::path::PathBuf::from(path);
    /// # async_std::task::block_on(async {
    /// let listener = UnixListener::bind(&path).await?;
    /// let _client = UnixStream::connect(&path).await?;
    /// let _stream = listener.incoming().next().await.unwrap()?;
    /// # async_std::fs::remove_file(&path).await?;
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn incoming(&self) -> Incoming<'_> {
        Incoming(self.0.incoming())
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
    /// use async_std::os::unix::net::UnixListener;
    ///
    /// # let name = format!("shim-uds-{}-{}", std::process::id(), line!());
    /// # let path = std::env::temp_dir().join(name);
    /// # let path = async_std::path::PathBuf::from(path);
    /// # async_std::task::block_on(async {
    /// let listener = UnixListener::bind(&path).await?;
    /// assert!(!listener.local_addr()?.is_unnamed());
    /// # async_std::fs::remove_file(&path).await?;
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// The accepted connections, as a stream. Made by [`UnixListener::incoming`].
///
/// # Examples
///
/// ```
/// use async_std::os::unix::net::{UnixListener, UnixStream};
/// use async_std::prelude::*;
///
/// # let path = std::env::temp_dir().join(format!("shim-incoming-{}", std::process::id()));
/// # let path = async_std::path::PathBuf::from(path);
/// # async_std::task::block_on(async {
/// let listener = UnixListener::bind(&path).await?;
/// let _client = UnixStream::connect(&path).await?;
/// let _stream = listener.incoming().next().await.unwrap()?;
/// # async_std::fs::remove_file(&path).await?;
/// # std::io::Result::Ok(()) })?;
/// # std::io::Result::Ok(())
/// ```
#[must_use = "streams do nothing unless polled"]
pub struct Incoming<'a>(reveille::os::unix::net::Incoming<'a>);

impl Stream for Incoming<'_> {
    type Item = io::Result<UnixStream>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = ready!(Pin::new(&mut self.0).poll_next(cx));
        Poll::Ready(next.map(|stream| stream.map(UnixStream)))
    }
}

impl fmt::Debug for Incoming<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl_wrapper! {
    UnixStream: reveille::os::unix::net::UnixStream, std::os::unix::net::UnixStream;
    UnixListener: reveille::os::unix::net::UnixListener, std::os::unix::net::UnixListener;
}

impl_descriptor! {
    UnixStream: reveille::os::unix::net::UnixStream;
    UnixListener: reveille::os::unix::net::UnixListener;
}
