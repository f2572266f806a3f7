//! A Unix domain socket that accepts connections.

use std::fmt;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixListener as StdUnixListener, UnixStream as StdUnixStream};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use reveille_runtime::io::Io;

use super::{SocketAddr, UnixStream, address};
use crate::io::context::Context as _;
use crate::net::listener::{AcceptStream, Listener};
use crate::path::Path;

/// A Unix domain socket that accepts connections.
///
/// The socket is closed when it is dropped; the file at its path stays. An error of
/// [`accept`](UnixListener::accept) does not end the listener: see the loop in
/// [`TcpListener`](crate::net::TcpListener#accepting-when-resources-run-out).
///
/// # Examples
///
/// ```
/// use reveille::os::unix::net::{UnixListener, UnixStream};
///
/// # fn main() -> std::io::Result<()> {
/// # let path = std::env::temp_dir().join(format!("reveille-listener-{}", std::process::id()));
/// # let _ = std::fs::remove_file(&path);
/// # let path = path.to_str().unwrap();
/// reveille::task::block_on(async {
///     let listener = UnixListener::bind(path).await?;
///     let client = UnixStream::connect(path).await?;
///     let (stream, _) = listener.accept().await?;
///     assert_eq!(client.peer_addr()?.as_pathname(), stream.local_addr()?.as_pathname());
/// #   std::fs::remove_file(path)?;
///     Ok(())
/// })
/// # }
/// ```
pub struct UnixListener {
    listener: Listener<StdUnixListener>,
}

impl UnixListener {
    /// Binds to `path`, which must not exist, and listens.
    ///
    /// # Errors
    ///
    /// ``could not bind to `path`: …``, with the kind and the text of the system's error;
    /// `AddrInUse` if the path exists.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, no address is bound.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::os::unix::net::UnixListener;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// # let path = std::env::temp_dir().join(format!("reveille-twice-{}", std::process::id()));
    /// # let _ = std::fs::remove_file(&path);
    /// # let path = path.to_str().unwrap();
    /// reveille::task::block_on(async {
    ///     let listener = UnixListener::bind(path).await?;
    ///     let error = UnixListener::bind(path).await.unwrap_err();
    ///     assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
    ///     drop(listener);
    ///     // The file stays, and must be removed before the next bind.
    ///     assert!(UnixListener::bind(path).await.is_err());
    /// #   std::fs::remove_file(path)?;
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub async fn bind<P: AsRef<Path>>(path: P) -> io::Result<UnixListener> {
        let address = address::from_path_to(path.as_ref(), "bind to")?;
        UnixListener::bind_addr(&address).await
    }

    /// Binds to `address` and listens, as [`bind`](UnixListener::bind) does.
    ///
    /// # Errors
    ///
    /// As for [`bind`](UnixListener::bind).
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, no address is bound.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::os::unix::net::{SocketAddr, UnixListener};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// # let path = std::env::temp_dir().join(format!("reveille-bind-{}", std::process::id()));
    /// # let _ = std::fs::remove_file(&path);
    /// # let path = path.to_str().unwrap();
    /// reveille::task::block_on(async {
    ///     let address = SocketAddr::from_pathname(path)?;
    ///     let listener = UnixListener::bind_addr(&address).await?;
    ///     assert_eq!(listener.local_addr()?.as_pathname(), address.as_pathname());
    /// #   std::fs::remove_file(path)?;
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub async fn bind_addr(address: &SocketAddr) -> io::Result<UnixListener> {
        bind(address).named(|| format!("could not bind to `{}`", address::display(address)))
    }

    /// Waits for a connection and returns it with the address of the peer.
    ///
    /// # Errors
    ///
    /// The system's error. The listener stays usable.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, no connection is lost.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::os::unix::net::{UnixListener, UnixStream};
    /// use reveille::prelude::*;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// # let path = std::env::temp_dir().join(format!("reveille-accept-{}", std::process::id()));
    /// # let _ = std::fs::remove_file(&path);
    /// # let path = path.to_str().unwrap();
    /// reveille::task::block_on(async {
    ///     let listener = UnixListener::bind(path).await?;
    ///     let mut client = UnixStream::connect(path).await?;
    ///     let (mut stream, from) = listener.accept().await?;
    ///     assert!(from.is_unnamed()); // clients have no path
    ///
    ///     client.write_all(b"hi").await?;
    ///     let mut buf = [0; 2];
    ///     stream.read_exact(&mut buf).await?;
    ///     assert_eq!(&buf, b"hi");
    /// #   std::fs::remove_file(path)?;
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub async fn accept(&self) -> io::Result<(UnixStream, SocketAddr)> {
        let (stream, address) = self.listener.accept(accept).await?;
        Ok((UnixStream::new(Io::new(stream)), address))
    }

    /// Returns a stream of the connections. It never ends.
    ///
    /// # Errors
    ///
    /// An item may be an error; the stream continues after it.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::os::unix::net::{UnixListener, UnixStream};
    /// use reveille::prelude::*;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// # let path = std::env::temp_dir().join(format!("reveille-in-{}", std::process::id()));
    /// # let _ = std::fs::remove_file(&path);
    /// # let path = path.to_str().unwrap();
    /// reveille::task::block_on(async {
    ///     let listener = UnixListener::bind(path).await?;
    ///     let _client = UnixStream::connect(path).await?;
    ///     if let Some(stream) = listener.incoming().next().await {
    ///         assert!(stream?.peer_addr()?.is_unnamed());
    ///     }
    /// #   std::fs::remove_file(path)?;
    ///     Ok(())
    /// })
    /// # }
    /// ```
    #[doc(alias = "UnixListenerStream")]
    pub fn incoming(&self) -> Incoming<'_> {
        Incoming { accepts: AcceptStream::new(self, |listener| Box::pin(listener.accept())) }
    }

    /// Returns the address that the socket is bound to.
    ///
    /// # Errors
    ///
    /// The system's error.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::os::unix::net::UnixListener;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// # let path = std::env::temp_dir().join(format!("reveille-local-{}", std::process::id()));
    /// # let _ = std::fs::remove_file(&path);
    /// # let path = path.to_str().unwrap();
    /// reveille::task::block_on(async {
    ///     let listener = UnixListener::bind(path).await?;
    ///     assert_eq!(listener.local_addr()?.as_pathname(), Some(path.as_ref()));
    /// #   std::fs::remove_file(path)?;
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.get_ref().local_addr()
    }

    /// Returns and clears the pending error of the socket (`SO_ERROR`).
    ///
    /// # Errors
    ///
    /// The system's error, if the option cannot be read.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::os::unix::net::UnixListener;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// # let path = std::env::temp_dir().join(format!("reveille-error-{}", std::process::id()));
    /// # let _ = std::fs::remove_file(&path);
    /// # let path = path.to_str().unwrap();
    /// reveille::task::block_on(async {
    ///     let listener = UnixListener::bind(path).await?;
    ///     assert!(listener.take_error()?.is_none());
    /// #   std::fs::remove_file(path)?;
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.listener.get_ref().take_error()
    }

    pub(crate) fn as_std(&self) -> &StdUnixListener {
        self.listener.get_ref()
    }

    /// Returns the socket, still non-blocking.
    pub(crate) fn into_std(self) -> io::Result<StdUnixListener> {
        self.listener.into_inner()
    }
}

fn bind(address: &SocketAddr) -> io::Result<UnixListener> {
    let listener = StdUnixListener::bind_addr(address)?;
    listener.set_nonblocking(true)?;
    Ok(UnixListener { listener: Listener::new(listener) })
}

fn accept(listener: &StdUnixListener) -> io::Result<(StdUnixStream, SocketAddr)> {
    let (stream, address) = listener.accept()?;
    stream.set_nonblocking(true)?;
    Ok((stream, address))
}

/// A stream of connections that never ends. Created by [`UnixListener::incoming`].
///
/// # Differences
///
/// If the process has no descriptor or memory left for a connection, the connection waits in the
/// queue, a warning is logged, and the stream tries again every 50 ms. async-std's stream yields
/// the error.
///
/// # Examples
///
/// ```
/// use reveille::os::unix::net::{UnixListener, UnixStream};
/// use reveille::prelude::*;
///
/// # fn main() -> std::io::Result<()> {
/// # let path = std::env::temp_dir().join(format!("reveille-incoming-{}", std::process::id()));
/// # let _ = std::fs::remove_file(&path);
/// # let path = path.to_str().unwrap();
/// reveille::task::block_on(async {
///     let listener = UnixListener::bind(path).await?;
///     let client = UnixStream::connect(path).await?;
///     let stream = listener.incoming().next().await.expect("incoming never ends")?;
///     # drop((client, stream));
/// #   std::fs::remove_file(path)?;
///     Ok(())
/// })
/// # }
/// ```
#[must_use = "streams do nothing unless polled"]
pub struct Incoming<'a> {
    accepts: AcceptStream<'a, UnixListener, UnixStream, SocketAddr>,
}

impl Stream for Incoming<'_> {
    type Item = io::Result<UnixStream>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().accepts.poll_next(cx)
    }
}

impl fmt::Debug for Incoming<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.accepts.fmt(f)
    }
}

impl fmt::Debug for UnixListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let no_peer = Err(io::ErrorKind::NotConnected.into());
        super::debug(f, "UnixListener", self.as_std().as_raw_fd(), self.local_addr(), no_peer)
    }
}

impl From<StdUnixListener> for UnixListener {
    /// Sets the socket to non-blocking mode, for every handle that shares it.
    ///
    /// # Panics
    ///
    /// Panics if the system refuses that, which it does only if the descriptor is not an open
    /// socket.
    fn from(listener: StdUnixListener) -> UnixListener {
        listener.set_nonblocking(true).expect("a UnixListener is an open socket");
        UnixListener { listener: Listener::new(listener) }
    }
}

impl TryFrom<UnixListener> for StdUnixListener {
    type Error = io::Error;

    /// Returns the socket in blocking mode.
    fn try_from(listener: UnixListener) -> io::Result<StdUnixListener> {
        let listener = listener.into_std()?;
        listener.set_nonblocking(false)?;
        Ok(listener)
    }
}
