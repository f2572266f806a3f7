//! A datagram socket with a path.

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
    /// ``could not bind to `path`: …``, with the kind and the text of the system's error;
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
        let address = address::from_path_to(path.as_ref(), "bind to")?;
        UnixDatagram::bind_addr(&address).await
    }

    /// Makes a socket at `address`, as [`bind`](UnixDatagram::bind) does.
    ///
    /// # Errors
    ///
    /// As [`bind`](UnixDatagram::bind).
    ///
    /// # Cancel safety
    ///
    /// Nothing is bound if the future is dropped.
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
    /// ```
    /// use reveille::os::unix::net::UnixDatagram;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let (here, there) = UnixDatagram::pair()?;
    /// // Two ends of one conversation that nobody else can find: neither has a name.
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

    /// Connects to the socket at `path`: [`send`](UnixDatagram::send) goes there.
    ///
    /// # Errors
    ///
    /// ``could not connect to `path`: …``, with the kind and the text of the system's error.
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
        let address = address::from_path_to(path.as_ref(), "connect to")?;
        self.connect_addr(&address).await
    }

    /// Connects to the socket at `address`: [`send`](UnixDatagram::send) goes there.
    ///
    /// # Errors
    ///
    /// As [`connect`](UnixDatagram::connect).
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

    /// Returns the address of this end.
    ///
    /// # Errors
    ///
    /// Those of the system.
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
    ///     assert!(from.is_unnamed()); // nobody can answer it: `bind` the sender for that
    /// #   std::fs::remove_file(path)?;
    ///     Ok(())
    /// })
    /// # }
    /// ```
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
    /// ```
    /// use reveille::os::unix::net::UnixDatagram;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let (here, there) = UnixDatagram::pair()?;
    ///     here.send(b"one").await?;
    ///     here.send(b"two").await?;
    ///     let mut buf = [0; 16];
    ///     assert_eq!(there.recv(&mut buf).await?, 3); // one at a time, and not both together
    ///     assert_eq!(&buf[..3], b"one");
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub async fn recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.io.io(Interest::Read, |socket| socket.recv(buf)).await
    }

    /// Sends a datagram to the socket at `path`, and returns how many bytes it had.
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

    /// Sends a datagram to the socket at `address`, and returns how many bytes it had.
    ///
    /// # Errors
    ///
    /// As [`send_to`](UnixDatagram::send_to).
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

    /// Sends to another socket than the one this is connected to.
    ///
    /// When the queue of that one is full, Linux refuses, but calls this socket writable all the
    /// same, and says so anew after each refusal: who waits for that event is busy. No event tells
    /// that there is room in a queue that others have filled. So the clock has to.
    async fn send_with(
        &self,
        mut send: impl FnMut(&StdUnixDatagram) -> Option<io::Result<usize>>,
    ) -> io::Result<usize> {
        let (mut pause, longest) = PAUSES;
        poll_fn(budget::poll_proceed).await;
        // Without a bound, since the queue may stay full for as long as the other end pleases.
        loop {
            if let Some(result) = send(self.as_std()) {
                return result;
            }
            // Or is it the space of this socket that is used up? Of that there is an event.
            self.io.ready(Interest::Write).await?;
            if let Some(result) = send(self.as_std()) {
                return result;
            }
            Sleep::after(pause).await;
            pause = (pause * 2).min(longest);
        }
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

    /// Takes the error that the socket met since it was last asked (`SO_ERROR`).
    ///
    /// # Errors
    ///
    /// Those of the asking.
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

/// `None` if the call is to be tried again.
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
