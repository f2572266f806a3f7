//! Unix domain sockets.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener, UnixStream};
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use reveille_runtime::io::Interest;

use crate::Async;

impl Async<UnixListener> {
    /// Creates a listener that is bound to a path.
    ///
    /// # Errors
    ///
    /// The system's error.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::os::unix::net::{UnixListener, UnixStream};
    ///
    /// use async_io::Async;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// async_io::block_on(async {
    ///     let name = format!("async-io-bind-{}", std::process::id());
    ///     let path = std::env::temp_dir().join(name);
    ///     let listener = Async::<UnixListener>::bind(&path)?;
    ///     std::fs::remove_file(&path)?;
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub fn bind<P: AsRef<Path>>(path: P) -> io::Result<Async<UnixListener>> {
        Async::new(UnixListener::bind(path)?)
    }

    /// Waits for a connection.
    ///
    /// # Errors
    ///
    /// The system's error, such as `EMFILE` if no descriptor is left. The listener stays usable.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: a datagram or connection is taken only by the poll that returns it.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::os::unix::net::{UnixListener, UnixStream};
    ///
    /// use async_io::Async;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// async_io::block_on(async {
    ///     let name = format!("async-io-accept-{}", std::process::id());
    ///     let path = std::env::temp_dir().join(name);
    ///     let listener = Async::<UnixListener>::bind(&path)?;
    ///     let client = Async::<UnixStream>::connect(&path).await?;
    ///     let (stream, _) = listener.accept().await?;
    ///     std::fs::remove_file(&path)?;
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub async fn accept(&self) -> io::Result<(Async<UnixStream>, SocketAddr)> {
        let (stream, addr) = self.io(Interest::Read, |listener| listener.accept()).await?;
        Ok((Async::new(stream)?, addr))
    }

    /// Returns a stream of the connections, which never ends.
    ///
    /// # Errors
    ///
    /// The stream returns those of [`accept`](Async::accept).
    ///
    /// # Examples
    ///
    /// ```
    /// use futures_lite::StreamExt;
    /// use std::os::unix::net::{UnixListener, UnixStream};
    ///
    /// use async_io::Async;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// async_io::block_on(async {
    ///     let name = format!("async-io-incoming-{}", std::process::id());
    ///     let path = std::env::temp_dir().join(name);
    ///     let listener = Async::<UnixListener>::bind(&path)?;
    ///     let client = Async::<UnixStream>::connect(&path).await?;
    ///     let stream = listener.incoming().next().await.expect("it never ends")?;
    ///     std::fs::remove_file(&path)?;
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub fn incoming(&self) -> impl Stream<Item = io::Result<Async<UnixStream>>> + Send + '_ {
        UnixIncoming(self)
    }
}

/// The stream of connections of a listener.
struct UnixIncoming<'a>(&'a Async<UnixListener>);

impl Stream for UnixIncoming<'_> {
    type Item = io::Result<Async<UnixStream>>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let (io, listener) = self.0.shared_parts();
        let accepted = ready!(io.poll_io(cx, Interest::Read, |_| listener.accept()));
        Poll::Ready(Some(accepted.and_then(|(stream, _)| Async::new(stream))))
    }
}

impl TryFrom<UnixListener> for Async<UnixListener> {
    type Error = io::Error;

    fn try_from(io: UnixListener) -> io::Result<Self> {
        Async::new(io)
    }
}

impl Async<UnixStream> {
    /// Connects to a path. On Linux a path that begins with a zero byte is an abstract name.
    ///
    /// # Errors
    ///
    /// The system's error, with the path.
    ///
    /// # Cancel safety
    ///
    /// The connection attempt is aborted.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::os::unix::net::{UnixListener, UnixStream};
    ///
    /// use async_io::Async;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// async_io::block_on(async {
    ///     let name = format!("async-io-connect-{}", std::process::id());
    ///     let path = std::env::temp_dir().join(name);
    ///     let listener = Async::<UnixListener>::bind(&path)?;
    ///     let client = Async::<UnixStream>::connect(&path).await?;
    ///     std::fs::remove_file(&path)?;
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub async fn connect<P: AsRef<Path>>(path: P) -> io::Result<Async<UnixStream>> {
        let stream = reveille::os::unix::net::UnixStream::connect(path.as_ref()).await?;
        Async::new_nonblocking(OwnedFd::from(stream).into())
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
    /// use futures_lite::{AsyncReadExt, AsyncWriteExt};
    /// use std::os::unix::net::UnixStream;
    ///
    /// use async_io::Async;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// async_io::block_on(async {
    ///     let (mut one, mut other) = Async::<UnixStream>::pair()?;
    ///     one.write_all(b"x").await?;
    ///     assert_eq!(other.read(&mut [0; 8]).await?, 1);
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub fn pair() -> io::Result<(Async<UnixStream>, Async<UnixStream>)> {
        let (one, other) = UnixStream::pair()?;
        Ok((Async::new(one)?, Async::new(other)?))
    }
}

impl TryFrom<UnixStream> for Async<UnixStream> {
    type Error = io::Error;

    fn try_from(io: UnixStream) -> io::Result<Self> {
        Async::new(io)
    }
}

impl Async<UnixDatagram> {
    /// Creates a socket that is bound to a path.
    ///
    /// # Errors
    ///
    /// The system's error.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::os::unix::net::UnixDatagram;
    ///
    /// use async_io::Async;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// async_io::block_on(async {
    ///     let name = format!("async-io-dgram-{}", std::process::id());
    ///     let path = std::env::temp_dir().join(name);
    ///     let socket = Async::<UnixDatagram>::bind(&path)?;
    ///     std::fs::remove_file(&path)?;
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub fn bind<P: AsRef<Path>>(path: P) -> io::Result<Async<UnixDatagram>> {
        Async::new(UnixDatagram::bind(path)?)
    }

    /// Creates a socket without an address.
    ///
    /// # Errors
    ///
    /// The system's error.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::os::unix::net::UnixDatagram;
    ///
    /// use async_io::Async;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// async_io::block_on(async {
    ///     let socket = Async::<UnixDatagram>::unbound()?;
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub fn unbound() -> io::Result<Async<UnixDatagram>> {
        Async::new(UnixDatagram::unbound()?)
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
    /// use std::os::unix::net::UnixDatagram;
    ///
    /// use async_io::Async;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// async_io::block_on(async {
    ///     let (one, other) = Async::<UnixDatagram>::pair()?;
    ///     one.send(b"x").await?;
    ///     assert_eq!(other.recv(&mut [0; 8]).await?, 1);
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub fn pair() -> io::Result<(Async<UnixDatagram>, Async<UnixDatagram>)> {
        let (one, other) = UnixDatagram::pair()?;
        Ok((Async::new(one)?, Async::new(other)?))
    }

    /// Receives a datagram. Bytes that do not fit are lost.
    ///
    /// # Errors
    ///
    /// The system's error.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: a datagram or connection is taken only by the poll that returns it.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::os::unix::net::UnixDatagram;
    ///
    /// use async_io::Async;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// async_io::block_on(async {
    ///     let (one, other) = Async::<UnixDatagram>::pair()?;
    ///     one.send(b"x").await?;
    ///     let (len, from) = other.recv_from(&mut [0; 8]).await?;
    ///     assert!(len == 1 && from.is_unnamed());
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub async fn recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.io(Interest::Read, |socket| socket.recv_from(buf)).await
    }

    /// Sends a datagram to a path.
    ///
    /// # Errors
    ///
    /// The system's error.
    ///
    /// # Cancel safety
    ///
    /// The datagram was not sent.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::os::unix::net::UnixDatagram;
    ///
    /// use async_io::Async;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// async_io::block_on(async {
    ///     let name = format!("async-io-send-to-{}", std::process::id());
    ///     let path = std::env::temp_dir().join(name);
    ///     let socket = Async::<UnixDatagram>::bind(&path)?;
    ///     socket.send_to(b"x", &path).await?;
    ///     assert_eq!(socket.recv(&mut [0; 8]).await?, 1);
    ///     std::fs::remove_file(&path)?;
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub async fn send_to<P: AsRef<Path>>(&self, buf: &[u8], path: P) -> io::Result<usize> {
        self.io(Interest::Write, |socket| socket.send_to(buf, &path)).await
    }

    /// Receives a datagram from the socket that this one is connected to.
    ///
    /// # Errors
    ///
    /// The system's error.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: a datagram or connection is taken only by the poll that returns it.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::os::unix::net::UnixDatagram;
    ///
    /// use async_io::Async;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// async_io::block_on(async {
    ///     let (one, other) = Async::<UnixDatagram>::pair()?;
    ///     one.send(b"x").await?;
    ///     assert_eq!(other.recv(&mut [0; 8]).await?, 1);
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub async fn recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.io(Interest::Read, |socket| socket.recv(buf)).await
    }

    /// Sends a datagram to the socket that this one is connected to.
    ///
    /// # Errors
    ///
    /// The system's error; `NotConnected` if the socket is not connected.
    ///
    /// # Cancel safety
    ///
    /// The datagram was not sent.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::os::unix::net::UnixDatagram;
    ///
    /// use async_io::Async;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// async_io::block_on(async {
    ///     let (one, other) = Async::<UnixDatagram>::pair()?;
    ///     assert_eq!(one.send(b"hello").await?, 5);
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub async fn send(&self, buf: &[u8]) -> io::Result<usize> {
        self.io(Interest::Write, |socket| socket.send(buf)).await
    }
}

impl TryFrom<UnixDatagram> for Async<UnixDatagram> {
    type Error = io::Error;

    fn try_from(io: UnixDatagram) -> io::Result<Self> {
        Async::new(io)
    }
}
