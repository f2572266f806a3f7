//! A Unix domain datagram socket.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::Shutdown;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixDatagram as StdUnixDatagram;

use reveille_runtime::budget;
use reveille_runtime::io::{Interest, Io};
use reveille_runtime::time::Sleep;

use super::{SocketAddr, address};
use crate::io::context::Context as _;
use crate::os::socket::{PAUSES, send};
use crate::path::Path;

/// A Unix domain datagram socket: bound to a path, unbound, or one of a pair.
///
/// Datagrams arrive whole and in order. Any number of tasks may use the socket at the same time.
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
    /// Creates a socket that is bound to `path`, which must not exist.
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
        let address = address::from_path_to(path.as_ref(), "bind to")?;
        UnixDatagram::bind_addr(&address).await
    }

    /// Creates a socket that is bound to `address`, as [`bind`](UnixDatagram::bind) does.
    ///
    /// # Errors
    ///
    /// As for [`bind`](UnixDatagram::bind).
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, no address is bound.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::os::unix::net::{SocketAddr, UnixDatagram};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// # let path = std::env::temp_dir().join(format!("reveille-dgram-{}", std::process::id()));
    /// # let _ = std::fs::remove_file(&path);
    /// # let path = path.to_str().unwrap();
    /// reveille::task::block_on(async {
    ///     let inbox = UnixDatagram::bind_addr(&SocketAddr::from_pathname(path)?).await?;
    ///     assert_eq!(inbox.local_addr()?.as_pathname(), Some(path.as_ref()));
    /// #   std::fs::remove_file(path)?;
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub async fn bind_addr(address: &SocketAddr) -> io::Result<UnixDatagram> {
        StdUnixDatagram::bind_addr(address)
            .and_then(UnixDatagram::new)
            .named(|| format!("could not bind to `{}`", address::display(address)))
    }

    /// Creates a socket without an address. It can send, but others cannot send to it.
    ///
    /// # Errors
    ///
    /// The system's error, for example if no descriptor is left.
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

    /// Creates two sockets that are connected to each other.
    ///
    /// # Errors
    ///
    /// The system's error, for example if no descriptor is left.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::os::unix::net::UnixDatagram;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let (here, there) = UnixDatagram::pair()?;
    /// // Two connected sockets without addresses.
    /// assert!(here.local_addr()?.is_unnamed() && there.local_addr()?.is_unnamed());
    /// # Ok(())
    /// # }
    /// ```
    pub fn pair() -> io::Result<(UnixDatagram, UnixDatagram)> {
        let (a, b) = StdUnixDatagram::pair()?;
        Ok((UnixDatagram::new(a)?, UnixDatagram::new(b)?))
    }

    fn new(socket: StdUnixDatagram) -> io::Result<UnixDatagram> {
        socket.set_nonblocking(true)?;
        Ok(UnixDatagram { io: Io::new(socket) })
    }

    /// Connects to the socket at `path`, to which [`send`](UnixDatagram::send) then sends.
    ///
    /// # Errors
    ///
    /// ``could not connect to `path`: …``, with the kind and the text of the system's error.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the socket may or may not be connected.
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
        let address = address::from_path_to(path.as_ref(), "connect to")?;
        self.connect_addr(&address).await
    }

    /// Connects to the socket at `address`, to which [`send`](UnixDatagram::send) then sends.
    ///
    /// # Errors
    ///
    /// As for [`connect`](UnixDatagram::connect).
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the socket may or may not be connected.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::os::unix::net::UnixDatagram;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// # let path = std::env::temp_dir().join(format!("reveille-peer-{}", std::process::id()));
    /// # let _ = std::fs::remove_file(&path);
    /// # let path = path.to_str().unwrap();
    /// reveille::task::block_on(async {
    ///     let inbox = UnixDatagram::bind(path).await?;
    ///     let sender = UnixDatagram::unbound()?;
    ///     sender.connect_addr(&inbox.local_addr()?).await?;
    ///     assert_eq!(sender.peer_addr()?.as_pathname(), Some(path.as_ref()));
    /// #   std::fs::remove_file(path)?;
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub async fn connect_addr(&self, address: &SocketAddr) -> io::Result<()> {
        let result = self.as_std().connect_addr(address);
        result.named(|| format!("could not connect to `{}`", address::display(address)))
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
    /// use reveille::os::unix::net::UnixDatagram;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// # let path = std::env::temp_dir().join(format!("reveille-name-{}", std::process::id()));
    /// # let _ = std::fs::remove_file(&path);
    /// # let path = path.to_str().unwrap();
    /// reveille::task::block_on(async {
    ///     let inbox = UnixDatagram::bind(path).await?;
    ///     assert_eq!(inbox.local_addr()?.as_pathname(), Some(path.as_ref()));
    /// #   std::fs::remove_file(path)?;
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.as_std().local_addr()
    }

    /// Returns the address that the socket is connected to.
    ///
    /// # Errors
    ///
    /// The system's error; `NotConnected` if the socket is not connected.
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

    /// Waits for a datagram and returns its length and the address of the sender.
    ///
    /// Bytes that do not fit into `buf` are discarded.
    ///
    /// # Errors
    ///
    /// The system's error.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, no datagram is lost.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::os::unix::net::UnixDatagram;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// # let path = std::env::temp_dir().join(format!("reveille-from-{}", std::process::id()));
    /// # let _ = std::fs::remove_file(&path);
    /// # let path = path.to_str().unwrap();
    /// reveille::task::block_on(async {
    ///     let here = UnixDatagram::bind(path).await?;
    ///     let (a, b) = UnixDatagram::pair()?;
    ///     a.send(b"unnamed").await?;
    ///     assert!(b.recv_from(&mut [0; 16]).await?.1.is_unnamed());
    ///
    ///     let sender = UnixDatagram::unbound()?;
    ///     sender.send_to(b"note", path).await?;
    ///     let mut buf = [0; 16];
    ///     let (len, from) = here.recv_from(&mut buf).await?;
    ///     assert_eq!(&buf[..len], b"note");
    ///     assert!(from.is_unnamed()); // it cannot be answered: `bind` the sender for that
    /// #   std::fs::remove_file(path)?;
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub async fn recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.io.io(Interest::Read, |socket| socket.recv_from(buf)).await
    }

    /// Waits for a datagram and returns its length.
    ///
    /// Bytes that do not fit into `buf` are discarded.
    ///
    /// # Errors
    ///
    /// The system's error.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, no datagram is lost.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::os::unix::net::UnixDatagram;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let (here, there) = UnixDatagram::pair()?;
    ///     here.send(b"one").await?;
    ///     here.send(b"two").await?;
    ///     let mut buf = [0; 16];
    ///     assert_eq!(there.recv(&mut buf).await?, 3); // one datagram at a time
    ///     assert_eq!(&buf[..3], b"one");
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub async fn recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.io.io(Interest::Read, |socket| socket.recv(buf)).await
    }

    /// Sends a datagram to the socket at `path` and returns its length in bytes.
    ///
    /// # Errors
    ///
    /// ``could not send packet to `path`: …``, with the kind and the text of the system's error.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it completes, nothing was sent.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::os::unix::net::UnixDatagram;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// # let path = std::env::temp_dir().join(format!("reveille-send-to-{}", std::process::id()));
    /// # let _ = std::fs::remove_file(&path);
    /// # let path = path.to_str().unwrap();
    /// reveille::task::block_on(async {
    ///     let inbox = UnixDatagram::bind(path).await?;
    ///     let sender = UnixDatagram::unbound()?;
    ///     assert_eq!(sender.send_to(b"note", path).await?, 4);
    ///     assert!(sender.send_to(b"note", "/no/such/socket").await.is_err());
    ///     assert_eq!(inbox.recv(&mut [0; 16]).await?, 4);
    /// #   std::fs::remove_file(path)?;
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub async fn send_to<P: AsRef<Path>>(&self, buf: &[u8], path: P) -> io::Result<usize> {
        let address = address::from_path_to(path.as_ref(), "send packet to")?;
        self.send_to_addr(buf, &address).await
    }

    /// Sends a datagram to the socket at `address` and returns its length in bytes.
    ///
    /// # Errors
    ///
    /// As for [`send_to`](UnixDatagram::send_to).
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it completes, nothing was sent.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::os::unix::net::UnixDatagram;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// # let path = std::env::temp_dir().join(format!("reveille-answer-{}", std::process::id()));
    /// # let _ = std::fs::remove_file(&path);
    /// # let path = path.to_str().unwrap();
    /// reveille::task::block_on(async {
    ///     let inbox = UnixDatagram::bind(path).await?;
    ///     let sender = UnixDatagram::unbound()?;
    ///     sender.connect_addr(&inbox.local_addr()?).await?;
    ///     sender.send(b"one").await?;
    ///     sender.send_to_addr(b"another", &inbox.local_addr()?).await?;
    ///     assert_eq!(inbox.recv(&mut [0; 16]).await?, 3);
    ///     assert_eq!(inbox.recv(&mut [0; 16]).await?, 7);
    /// #   std::fs::remove_file(path)?;
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub async fn send_to_addr(&self, buf: &[u8], address: &SocketAddr) -> io::Result<usize> {
        self.send_with(|socket| unless_full(socket.send_to_addr(buf, address)))
            .await
            .named(|| format!("could not send packet to `{}`", address::display(address)))
    }

    /// Sends to a socket other than the connected one.
    ///
    /// When the queue of the receiver is full, Linux refuses, but still reports this socket as
    /// writable, again after each refusal: waiting for that event is a busy loop. No event reports
    /// room in a queue that other senders have filled. So this polls with a timer.
    async fn send_with(
        &self,
        mut send: impl FnMut(&StdUnixDatagram) -> Option<io::Result<usize>>,
    ) -> io::Result<usize> {
        let (mut pause, longest) = PAUSES;
        poll_fn(budget::poll_proceed).await;
        // Unbounded: the queue may stay full for as long as the receiver does not read.
        loop {
            if let Some(result) = send(self.as_std()) {
                return result;
            }
            // Or the send buffer of this socket is full. An event reports that.
            self.io.ready(Interest::Write).await?;
            if let Some(result) = send(self.as_std()) {
                return result;
            }
            Sleep::after(pause).await;
            pause = (pause * 2).min(longest);
        }
    }

    /// Sends a datagram to the connected address and returns its length in bytes.
    ///
    /// # Errors
    ///
    /// The system's error, such as `ConnectionRefused` if the receiver has been closed.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it completes, nothing was sent.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::os::unix::net::UnixDatagram;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let (here, there) = UnixDatagram::pair()?;
    ///     assert_eq!(here.send(b"note").await?, 4);
    ///     drop(there);
    ///     assert!(here.send(b"anybody?").await.is_err());
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub async fn send(&self, buf: &[u8]) -> io::Result<usize> {
        self.io.io(Interest::Write, |socket| send(socket, buf)).await
    }

    /// Waits until a receive would return at once, with a datagram, the end or an error.
    ///
    /// # Errors
    ///
    /// The system's error, if the socket cannot be registered.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::os::unix::net::UnixDatagram;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let (here, there) = UnixDatagram::pair()?;
    ///     there.send(b"ping").await?;
    ///     here.readable().await?;
    ///     assert_eq!(here.recv(&mut [0; 8]).await?, 4);
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub async fn readable(&self) -> io::Result<()> {
        self.io.ready(Interest::Read).await
    }

    /// Waits until there is room in the send buffer of this socket, or an error. The queue of the
    /// receiver may still be full.
    ///
    /// # Errors
    ///
    /// The system's error, if the socket cannot be registered.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::os::unix::net::UnixDatagram;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let (here, _there) = UnixDatagram::pair()?;
    ///     here.writable().await?;
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub async fn writable(&self) -> io::Result<()> {
        self.io.ready(Interest::Write).await
    }

    /// Shuts down receiving, sending, or both.
    ///
    /// # Errors
    ///
    /// The system's error.
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

    /// Returns and clears the pending error of the socket (`SO_ERROR`).
    ///
    /// # Errors
    ///
    /// The system's error, if the option cannot be read.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::os::unix::net::UnixDatagram;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// assert!(UnixDatagram::unbound()?.take_error()?.is_none());
    /// # Ok(())
    /// # }
    /// ```
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.as_std().take_error()
    }

    /// Returns a second handle to the same socket.
    ///
    /// # Errors
    ///
    /// The system's error, for example if no descriptor is left.
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

    /// Returns the socket, still non-blocking.
    pub(crate) fn into_std(self) -> io::Result<StdUnixDatagram> {
        self.io.into_inner()
    }
}

/// `None` if the call must be repeated.
fn unless_full<T>(result: io::Result<T>) -> Option<io::Result<T>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
        Err(error) if error.kind() == io::ErrorKind::Interrupted => None,
        result => Some(result),
    }
}

impl fmt::Debug for UnixDatagram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fd = self.as_std().as_raw_fd();
        super::debug(f, "UnixDatagram", fd, self.local_addr(), self.peer_addr())
    }
}

impl From<StdUnixDatagram> for UnixDatagram {
    /// Sets the socket to non-blocking mode, for every handle that shares it.
    ///
    /// # Panics
    ///
    /// Panics if the system refuses that, which it does only if the descriptor is not an open
    /// socket.
    fn from(socket: StdUnixDatagram) -> UnixDatagram {
        UnixDatagram::new(socket).expect("a UnixDatagram is an open socket")
    }
}

impl TryFrom<UnixDatagram> for StdUnixDatagram {
    type Error = io::Error;

    /// Returns the socket in blocking mode.
    fn try_from(socket: UnixDatagram) -> io::Result<StdUnixDatagram> {
        let socket = socket.into_std()?;
        socket.set_nonblocking(false)?;
        Ok(socket)
    }
}
