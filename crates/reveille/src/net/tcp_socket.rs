//! A TCP socket that is not connected yet.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

use super::{TcpListener, TcpStream};
use crate::io::context::Context as _;
use crate::os::socket::{HAS_FAST_OPEN, begin_connect, finish_connect, keep_alive, set_fast_open};

/// A TCP socket that neither connects nor listens yet. Use it for options that must be set before
/// that.
///
/// [`TcpStream::connect`] makes sockets with the system's default options, and
/// [`TcpListener::bind`] with those of std. With a `TcpSocket` you choose, for example, the source
/// address of a connection, the size of its buffers (which the handshake announces) or the length
/// of a listener's queue.
///
/// A method fails with `Unsupported` if the system does not have its option.
///
/// # Examples
///
/// A connection from a given address, and a listener with a short queue:
///
/// ```
/// use reveille::net::TcpSocket;
///
/// # fn main() -> std::io::Result<()> {
/// reveille::task::block_on(async {
///     let socket = TcpSocket::new_v4()?;
///     socket.set_reuse_address(true)?;
///     socket.bind("127.0.0.1:0".parse().unwrap())?;
///     let listener = socket.listen(128)?;
///
///     let socket = TcpSocket::new_v4()?;
///     socket.bind("127.0.0.2:0".parse().unwrap())?;
///     socket.set_nodelay(true)?;
///     let stream = socket.connect(listener.local_addr()?).await?;
///     let (_, peer) = listener.accept().await?;
///     assert_eq!(peer.ip().to_string(), "127.0.0.2");
///     # drop(stream);
///     Ok(())
/// })
/// # }
/// ```
#[doc(alias("socket2", "bind", "SO_REUSEADDR", "SO_LINGER", "setsockopt"))]
pub struct TcpSocket {
    socket: Socket,
    is_fast_open: bool,
}

/// How a connection is probed while it is idle: see [`TcpSocket::set_keep_alive_with`].
///
/// A field that is `None` keeps the system's value.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use reveille::net::{KeepAlive, TcpSocket};
///
/// let probes = KeepAlive { idle: Some(Duration::from_secs(30)), ..KeepAlive::default() };
/// TcpSocket::new_v4()?.set_keep_alive_with(&probes)?;
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KeepAlive {
    /// The time without received data before the first probe. Most systems take whole seconds.
    pub idle: Option<Duration>,
    /// The time between two probes. Most systems take whole seconds.
    pub interval: Option<Duration>,
    /// The number of unanswered probes after which the connection fails.
    pub retries: Option<u32>,
}

impl TcpSocket {
    /// Makes a socket for IPv4.
    ///
    /// # Errors
    ///
    /// The system's error, such as `EMFILE` if no descriptor is left.
    ///
    /// # Examples
    ///
    /// ```
    /// let socket = reveille::net::TcpSocket::new_v4()?;
    /// # drop(socket);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn new_v4() -> io::Result<TcpSocket> {
        TcpSocket::new(Domain::IPV4)
    }

    /// Makes a socket for IPv6.
    ///
    /// # Errors
    ///
    /// As for [`new_v4`](TcpSocket::new_v4).
    ///
    /// # Examples
    ///
    /// ```
    /// # // Some containers have no IPv6.
    /// if let Ok(socket) = reveille::net::TcpSocket::new_v6() {
    ///     socket.set_only_v6(true)?;
    /// }
    /// # std::io::Result::Ok(())
    /// ```
    pub fn new_v6() -> io::Result<TcpSocket> {
        TcpSocket::new(Domain::IPV6)
    }

    /// Makes a socket of the family of `address`.
    ///
    /// # Errors
    ///
    /// As for [`new_v4`](TcpSocket::new_v4).
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::net::TcpSocket;
    ///
    /// let address = "127.0.0.1:0".parse().unwrap();
    /// TcpSocket::new_for(address)?.bind(address)?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn new_for(address: SocketAddr) -> io::Result<TcpSocket> {
        TcpSocket::new(Domain::for_address(address))
    }

    fn new(family: Domain) -> io::Result<TcpSocket> {
        let make = || {
            let socket = Socket::new(family, Type::STREAM, Some(Protocol::TCP))?;
            socket.set_nonblocking(true)?;
            Ok(socket)
        };
        let socket = make().named(|| "could not make a TCP socket".to_owned())?;
        Ok(TcpSocket { socket, is_fast_open: false })
    }

    /// Binds to a local address: the address of a listener, or the source address of a connection.
    /// With port 0 the system chooses a free port.
    ///
    /// # Errors
    ///
    /// ``could not bind to `address`: …``: `AddrInUse`, `AddrNotAvailable`, `PermissionDenied`;
    /// `InvalidInput` if the family is the wrong one or the socket is bound already.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::net::TcpSocket;
    ///
    /// let socket = TcpSocket::new_v4()?;
    /// socket.bind("127.0.0.1:0".parse().unwrap())?;
    /// assert_ne!(socket.local_addr()?.port(), 0);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn bind(&self, address: SocketAddr) -> io::Result<()> {
        self.socket.bind(&address.into()).named(|| format!("could not bind to `{address}`"))
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
    /// use reveille::net::TcpSocket;
    ///
    /// assert_eq!(TcpSocket::new_v4()?.local_addr()?.port(), 0); // not bound yet
    /// # std::io::Result::Ok(())
    /// ```
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        let address = self.socket.local_addr()?;
        address.as_socket().ok_or_else(|| io::Error::other("the socket has no IP address"))
    }

    /// Connects to `address`.
    ///
    /// # Errors
    ///
    /// ``could not connect to `address`: …``, with the kind and the text of the system's error.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future aborts the attempt and closes the socket.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::net::{TcpListener, TcpSocket};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let listener = TcpListener::bind("127.0.0.1:0").await?;
    ///     let stream = TcpSocket::new_v4()?.connect(listener.local_addr()?).await?;
    ///     assert_eq!(stream.peer_addr()?, listener.local_addr()?);
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub async fn connect(self, address: SocketAddr) -> io::Result<TcpStream> {
        let attempt = async {
            if self.is_fast_open {
                set_fast_open(&self.socket, None)?;
            }
            let begun = begin_connect(&self.socket, &address)?;
            let stream = std::net::TcpStream::from(self.socket);
            finish_connect(stream, begun).await
        };
        let io = attempt.await.named(|| format!("could not connect to `{address}`"))?;
        Ok(TcpStream::new(io))
    }

    /// Starts to listen. At most `backlog` connections wait to be accepted. The system limits this
    /// number (`somaxconn` on Linux), and numbers above `i32::MAX` count as `i32::MAX`. A socket
    /// that is not bound listens on all addresses, at a port that the system chooses.
    ///
    /// # Errors
    ///
    /// The system's error.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::net::TcpSocket;
    ///
    /// let socket = TcpSocket::new_v4()?;
    /// socket.bind("127.0.0.1:0".parse().unwrap())?;
    /// let listener = socket.listen(1024)?;
    /// assert_ne!(listener.local_addr()?.port(), 0);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn listen(self, backlog: u32) -> io::Result<TcpListener> {
        let queue = i32::try_from(backlog).unwrap_or(i32::MAX);
        let listen = || {
            if self.is_fast_open {
                set_fast_open(&self.socket, Some(queue))?;
            }
            self.socket.listen(queue)
        };
        listen().named(|| match self.local_addr() {
            Ok(address) => format!("could not listen at `{address}`"),
            Err(_) => "could not listen".to_owned(),
        })?;
        Ok(TcpListener::of_socket(self.socket.into()))
    }
}

/// Options.
impl TcpSocket {
    /// Sets whether the socket may bind to an address that a closed connection still holds
    /// (`SO_REUSEADDR`). A server that restarts at a fixed port needs it. On Unix,
    /// [`TcpListener::bind`] sets it.
    ///
    /// # Errors
    ///
    /// The system's error.
    ///
    /// # Examples
    ///
    /// ```
    /// let socket = reveille::net::TcpSocket::new_v4()?;
    /// socket.set_reuse_address(true)?;
    /// # std::io::Result::Ok(())
    /// ```
    #[doc(alias = "set_reuseaddr")]
    pub fn set_reuse_address(&self, on: bool) -> io::Result<()> {
        self.socket.set_reuse_address(on)
    }

    /// Sets whether several sockets may listen at one port at the same time, each with a queue of
    /// its own (`SO_REUSEPORT`). All of them must set it before they bind.
    ///
    /// # Errors
    ///
    /// `Unsupported` on Windows, illumos and Solaris, and the system's error.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(target_os = "linux")] {
    /// use reveille::net::TcpSocket;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let first = TcpSocket::new_v4()?;
    /// first.set_reuse_port(true)?;
    /// first.bind("127.0.0.1:0".parse().unwrap())?;
    /// let second = TcpSocket::new_v4()?;
    /// second.set_reuse_port(true)?;
    /// second.bind(first.local_addr()?)?;
    /// # Ok(())
    /// # }
    /// # main().unwrap();
    /// # }
    /// ```
    #[doc(alias = "set_reuseport")]
    pub fn set_reuse_port(&self, on: bool) -> io::Result<()> {
        crate::os::socket::set_reuse_port(&self.socket, on)
    }

    /// Sets whether an IPv6 socket refuses IPv4 connections (`IPV6_V6ONLY`). The default is the
    /// system's: on Linux a socket at `[::]` serves both.
    ///
    /// # Errors
    ///
    /// The system's error, for example if the socket is one for IPv4.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::net::TcpSocket;
    ///
    /// assert!(TcpSocket::new_v4()?.set_only_v6(true).is_err());
    /// # std::io::Result::Ok(())
    /// ```
    #[doc(alias = "v6only")]
    pub fn set_only_v6(&self, on: bool) -> io::Result<()> {
        self.socket.set_only_v6(on)
    }

    /// Sets whether the system probes an idle connection, and fails it if the peer does not answer
    /// (`SO_KEEPALIVE`).
    ///
    /// # Errors
    ///
    /// The system's error.
    ///
    /// # Examples
    ///
    /// ```
    /// let socket = reveille::net::TcpSocket::new_v4()?;
    /// socket.set_keep_alive(true)?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn set_keep_alive(&self, on: bool) -> io::Result<()> {
        self.socket.set_keepalive(on)
    }

    /// Enables probes of an idle connection, as [`set_keep_alive(true)`](TcpSocket::set_keep_alive)
    /// does, and sets their times and number.
    ///
    /// # Errors
    ///
    /// The system's error, such as `InvalidInput` for a time below a second. `Unsupported` on
    /// OpenBSD.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use reveille::net::{KeepAlive, TcpSocket};
    ///
    /// let probes = KeepAlive {
    ///     idle: Some(Duration::from_secs(60)),
    ///     interval: Some(Duration::from_secs(10)),
    ///     retries: Some(5),
    /// };
    /// TcpSocket::new_v4()?.set_keep_alive_with(&probes)?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn set_keep_alive_with(&self, probes: &KeepAlive) -> io::Result<()> {
        let params = keep_alive(probes)?;
        self.socket.set_tcp_keepalive(&params)
    }

    /// Sets what happens to unsent bytes when the last handle of the connection is dropped
    /// (`SO_LINGER`). With `None`, the system sends them in the background. With a time of zero, it
    /// discards them and resets the connection.
    ///
    /// A longer time makes the drop **block its thread** until the bytes are acknowledged or the
    /// time is up, even in non-blocking mode. To wait for the peer,
    /// [`close`](crate::io::WriteExt::close) the stream and read to the end.
    ///
    /// # Errors
    ///
    /// The system's error.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let socket = reveille::net::TcpSocket::new_v4()?;
    /// socket.set_linger(Some(Duration::ZERO))?; // reset instead of an orderly close
    /// # std::io::Result::Ok(())
    /// ```
    pub fn set_linger(&self, time: Option<Duration>) -> io::Result<()> {
        self.socket.set_linger(time)
    }

    /// Sets the size of the receive buffer in bytes (`SO_RCVBUF`). Linux doubles it, limits it, and
    /// then no longer adapts it. The connections of a listener inherit it.
    ///
    /// # Errors
    ///
    /// The system's error.
    ///
    /// # Examples
    ///
    /// ```
    /// let socket = reveille::net::TcpSocket::new_v4()?;
    /// socket.set_recv_buffer_size(64 * 1024)?;
    /// assert!(socket.recv_buffer_size()? >= 64 * 1024);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn set_recv_buffer_size(&self, bytes: usize) -> io::Result<()> {
        self.socket.set_recv_buffer_size(bytes)
    }

    /// Returns the size of the receive buffer in bytes.
    ///
    /// # Errors
    ///
    /// The system's error.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(reveille::net::TcpSocket::new_v4()?.recv_buffer_size()? > 0);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn recv_buffer_size(&self) -> io::Result<usize> {
        self.socket.recv_buffer_size()
    }

    /// Sets the size of the send buffer in bytes (`SO_SNDBUF`), as
    /// [`set_recv_buffer_size`](TcpSocket::set_recv_buffer_size) does for the other direction.
    ///
    /// # Errors
    ///
    /// The system's error.
    ///
    /// # Examples
    ///
    /// ```
    /// let socket = reveille::net::TcpSocket::new_v4()?;
    /// socket.set_send_buffer_size(64 * 1024)?;
    /// assert!(socket.send_buffer_size()? >= 64 * 1024);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn set_send_buffer_size(&self, bytes: usize) -> io::Result<()> {
        self.socket.set_send_buffer_size(bytes)
    }

    /// Returns the size of the send buffer in bytes.
    ///
    /// # Errors
    ///
    /// The system's error.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(reveille::net::TcpSocket::new_v4()?.send_buffer_size()? > 0);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn send_buffer_size(&self) -> io::Result<usize> {
        self.socket.send_buffer_size()
    }

    /// Sets whether small writes are sent at once (`TCP_NODELAY`). The connections of a listener
    /// inherit it on Linux.
    ///
    /// # Errors
    ///
    /// The system's error.
    ///
    /// # Examples
    ///
    /// ```
    /// let socket = reveille::net::TcpSocket::new_v4()?;
    /// socket.set_nodelay(true)?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn set_nodelay(&self, on: bool) -> io::Result<()> {
        self.socket.set_tcp_nodelay(on)
    }

    /// Uses TCP Fast Open: the first bytes of a connection travel with the handshake.
    ///
    /// If the system has used Fast Open with the peer before, `connect` then returns before the
    /// handshake. The first write sends the handshake, and returns an error if the connection
    /// fails. A listener with this option accepts such connections. If the network duplicates the
    /// handshake, the peer may receive the bytes twice. So use it only for requests that may be
    /// repeated.
    ///
    /// # Errors
    ///
    /// `Unsupported` on systems other than Linux. If a system setting (`tcp_fastopen`) switches it
    /// off, there is no error, and the handshake is the usual one.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(target_os = "linux")] {
    /// let mut socket = reveille::net::TcpSocket::new_v4().unwrap();
    /// socket.set_fast_open(true).unwrap();
    /// # }
    /// ```
    pub fn set_fast_open(&mut self, on: bool) -> io::Result<()> {
        if on && !HAS_FAST_OPEN {
            let message = "TCP Fast Open is not available on this system";
            return Err(io::Error::new(io::ErrorKind::Unsupported, message));
        }
        self.is_fast_open = on;
        Ok(())
    }
}

impl fmt::Debug for TcpSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpSocket").field("socket", &self.socket).finish_non_exhaustive()
    }
}
