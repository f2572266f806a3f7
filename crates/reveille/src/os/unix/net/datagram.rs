//! A datagram socket with a path.

use std::fmt;
use std::io;
use std::net::Shutdown;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixDatagram as StdUnixDatagram;

use reveille_runtime::io::{Interest, Io};

use super::SocketAddr;
use crate::io::context::Context as _;
use crate::path::Path;

/// A datagram socket with a path, or with none, or one of a pair.
///
/// Datagrams arrive whole and in order. Any number of tasks may use it at once.
///
/// # Examples
///
/// ```
/// use reveille::os::unix::net::UnixDatagram;
///
/// # fn main() -> std::io::Result<()> {
/// reveille::task::block_on(async {
///     let (here, there) = UnixDatagram::pair()?;
///     here.send(b"note").await?;
///     let mut buf = [0; 16];
///     assert_eq!(there.recv(&mut buf).await?, 4);
///     Ok(())
/// })
/// # }
/// ```
pub struct UnixDatagram {
    io: Io<StdUnixDatagram>,
}

impl UnixDatagram {
    /// Makes a socket at `path`, where nothing may be yet.
    ///
    /// # Errors
    ///
    /// ``could not bind to `path`: …``, with the kind and the source of the system's error;
    /// `AddrInUse` if something is there.
    ///
    /// # Cancel safety
    ///
    /// Nothing is bound if the future is dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::os::unix::net::UnixDatagram;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// # let path = std::env::temp_dir().join(format!("reveille-datagram-{}", std::process::id()));
    /// # let _ = std::fs::remove_file(&path);
    /// # let path = path.to_str().unwrap();
    /// reveille::task::block_on(async {
    ///     let inbox = UnixDatagram::bind(path).await?;
    ///     let sender = UnixDatagram::unbound()?;
    ///     sender.send_to(b"note", path).await?;
    ///     let (len, from) = inbox.recv_from(&mut [0; 16]).await?;
    ///     assert!(len == 4 && from.is_unnamed());
    /// #   std::fs::remove_file(path)?;
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub async fn bind<P: AsRef<Path>>(path: P) -> io::Result<UnixDatagram> {
        let path: &std::path::Path = path.as_ref().as_ref();
        StdUnixDatagram::bind(path)
            .and_then(UnixDatagram::new)
            .context(|| format!("could not bind to `{}`", path.display()))
    }

    /// Makes a socket without an address, which can send but not be sent to.
    ///
    /// # Errors
    ///
    /// Those of the system, such as that no descriptor is left.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::os::unix::net::UnixDatagram;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// assert!(UnixDatagram::unbound()?.local_addr()?.is_unnamed());
    /// # Ok(())
    /// # }
    /// ```
    pub fn unbound() -> io::Result<UnixDatagram> {
        UnixDatagram::new(StdUnixDatagram::unbound()?)
    }

    /// Makes two sockets that are connected to each other.
    ///
    /// # Errors
    ///
    /// Those of the system, such as that no descriptor is left.
    ///
    /// # Examples
    ///
    /// See [`UnixDatagram`].
    pub fn pair() -> io::Result<(UnixDatagram, UnixDatagram)> {
        let (a, b) = StdUnixDatagram::pair()?;
        Ok((UnixDatagram::new(a)?, UnixDatagram::new(b)?))
    }

    fn new(socket: StdUnixDatagram) -> io::Result<UnixDatagram> {
        socket.set_nonblocking(true)?;
        Ok(UnixDatagram { io: Io::new(socket) })
    }

    /// Connects to the socket at `path`: [`send`](UnixDatagram::send) goes there.
    ///
    /// # Errors
    ///
    /// ``could not connect to `path`: …``, with the kind and the source of the system's error.
    ///
    /// # Cancel safety
    ///
    /// The socket is connected or not, nothing in between.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::os::unix::net::UnixDatagram;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// # let path = std::env::temp_dir().join(format!("reveille-connect-{}", std::process::id()));
    /// # let _ = std::fs::remove_file(&path);
    /// # let path = path.to_str().unwrap();
    /// reveille::task::block_on(async {
    ///     let inbox = UnixDatagram::bind(path).await?;
    ///     let sender = UnixDatagram::unbound()?;
    ///     sender.connect(path).await?;
    ///     sender.send(b"note").await?;
    ///     assert_eq!(inbox.recv(&mut [0; 16]).await?, 4);
    /// #   std::fs::remove_file(path)?;
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub async fn connect<P: AsRef<Path>>(&self, path: P) -> io::Result<()> {
        let path: &std::path::Path = path.as_ref().as_ref();
        let result = self.as_std().connect(path);
        result.context(|| format!("could not connect to `{}`", path.display()))
    }

    /// Returns the address of this end.
    ///
    /// # Errors
    ///
    /// Those of the system.
    ///
    /// # Examples
    ///
    /// See [`unbound`](UnixDatagram::unbound).
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.as_std().local_addr()
    }

    /// Returns the address to which this is connected.
    ///
    /// # Errors
    ///
    /// Those of the system; `NotConnected` if there is none.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::os::unix::net::UnixDatagram;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let (here, _there) = UnixDatagram::pair()?;
    /// assert!(here.peer_addr()?.is_unnamed());
    /// # Ok(())
    /// # }
    /// ```
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.as_std().peer_addr()
    }

    /// Waits for a datagram, and returns its length and where it came from.
    ///
    /// What does not fit into `buf` is lost.
    ///
    /// # Errors
    ///
    /// Those of the system.
    ///
    /// # Cancel safety
    ///
    /// No datagram is lost if the future is dropped.
    ///
    /// # Examples
    ///
    /// See [`bind`](UnixDatagram::bind).
    pub async fn recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.io.io(Interest::Read, |socket| socket.recv_from(buf)).await
    }

    /// Waits for a datagram, and returns its length.
    ///
    /// What does not fit into `buf` is lost.
    ///
    /// # Errors
    ///
    /// Those of the system.
    ///
    /// # Cancel safety
    ///
    /// No datagram is lost if the future is dropped.
    ///
    /// # Examples
    ///
    /// See [`UnixDatagram`].
    pub async fn recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.io.io(Interest::Read, |socket| socket.recv(buf)).await
    }

    /// Sends a datagram to the socket at `path`, and returns how many bytes it had.
    ///
    /// # Errors
    ///
    /// ``could not send packet to `path`: …``, with the kind and the source of the system's error.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it completes, nothing was sent.
    ///
    /// # Examples
    ///
    /// See [`bind`](UnixDatagram::bind).
    pub async fn send_to<P: AsRef<Path>>(&self, buf: &[u8], path: P) -> io::Result<usize> {
        let path = path.as_ref().to_owned();
        let path: &std::path::Path = path.as_ref();
        self.io
            .io(Interest::Write, |socket| socket.send_to(buf, path))
            .await
            .context(|| format!("could not send packet to `{}`", path.display()))
    }

    /// Sends a datagram to where this is connected, and returns how many bytes it had.
    ///
    /// # Errors
    ///
    /// Those of the system, such as `ConnectionRefused` when the other end is gone.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it completes, nothing was sent.
    ///
    /// # Examples
    ///
    /// See [`UnixDatagram`].
    pub async fn send(&self, buf: &[u8]) -> io::Result<usize> {
        self.io.io(Interest::Write, |socket| socket.send(buf)).await
    }

    /// Closes the receiving or the sending direction, or both.
    ///
    /// # Errors
    ///
    /// Those of the system.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::net::Shutdown;
    /// use reveille::os::unix::net::UnixDatagram;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let (here, _there) = UnixDatagram::pair()?;
    ///     here.shutdown(Shutdown::Write)?;
    ///     assert!(here.send(b"too late").await.is_err());
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.as_std().shutdown(how)
    }

    /// Makes a second handle to the same socket, so that two owners can use it.
    ///
    /// # Errors
    ///
    /// Those of the system, such as that no descriptor is left.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::os::unix::net::UnixDatagram;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let (here, there) = UnixDatagram::pair()?;
    ///     here.try_clone()?.send(b"note").await?;
    ///     assert_eq!(there.recv(&mut [0; 16]).await?, 4);
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub fn try_clone(&self) -> io::Result<UnixDatagram> {
        Ok(UnixDatagram { io: Io::new(self.as_std().try_clone()?) })
    }

    pub(crate) fn as_std(&self) -> &StdUnixDatagram {
        self.io.get_ref()
    }

    /// Gives up the socket, which stays non-blocking.
    pub(crate) fn into_std(self) -> io::Result<StdUnixDatagram> {
        self.io.into_inner()
    }
}

impl fmt::Debug for UnixDatagram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fd = self.as_std().as_raw_fd();
        super::debug(f, "UnixDatagram", fd, self.local_addr(), self.peer_addr())
    }
}

impl From<StdUnixDatagram> for UnixDatagram {
    /// Makes the socket non-blocking, for all who share it.
    ///
    /// # Panics
    ///
    /// Panics if the system refuses that, which it does only for what is no open socket.
    fn from(socket: StdUnixDatagram) -> UnixDatagram {
        UnixDatagram::new(socket).expect("a UnixDatagram is an open socket")
    }
}

impl TryFrom<UnixDatagram> for StdUnixDatagram {
    type Error = io::Error;

    /// Gives the socket to blocking code.
    fn try_from(socket: UnixDatagram) -> io::Result<StdUnixDatagram> {
        let socket = socket.into_std()?;
        socket.set_nonblocking(false)?;
        Ok(socket)
    }
}
