//! TCP and UDP.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use reveille_runtime::io::Interest;

#[cfg(unix)]
use std::os::fd::OwnedFd as Owned;
#[cfg(windows)]
use std::os::windows::io::OwnedSocket as Owned;

use crate::Async;

impl Async<TcpListener> {
    /// Creates a listener that is bound to an address.
    ///
    /// # Errors
    ///
    /// The system's error.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::net::TcpListener;
    ///
    /// let listener = async_io::Async::<TcpListener>::bind(([127, 0, 0, 1], 0))?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn bind<A: Into<SocketAddr>>(addr: A) -> io::Result<Async<TcpListener>> {
        Async::new(TcpListener::bind(addr.into())?)
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
    /// use std::net::{TcpListener, TcpStream};
    ///
    /// use async_io::Async;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// async_io::block_on(async {
    ///     let listener = Async::<TcpListener>::bind(([127, 0, 0, 1], 0))?;
    ///     let address = listener.get_ref().local_addr()?;
    ///     let client = Async::<TcpStream>::connect(address).await?;
    ///     let (stream, peer) = listener.accept().await?;
    ///     assert_eq!(peer, client.get_ref().local_addr()?);
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub async fn accept(&self) -> io::Result<(Async<TcpStream>, SocketAddr)> {
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
    /// use std::net::{TcpListener, TcpStream};
    ///
    /// use async_io::Async;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// async_io::block_on(async {
    ///     let listener = Async::<TcpListener>::bind(([127, 0, 0, 1], 0))?;
    ///     let address = listener.get_ref().local_addr()?;
    ///     let client = Async::<TcpStream>::connect(address).await?;
    ///     let stream = listener.incoming().next().await.expect("it never ends")?;
    ///     assert_eq!(stream.get_ref().peer_addr()?, client.get_ref().local_addr()?);
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub fn incoming(&self) -> impl Stream<Item = io::Result<Async<TcpStream>>> + Send + '_ {
        TcpIncoming(self)
    }
}

/// The stream of connections of a listener.
struct TcpIncoming<'a>(&'a Async<TcpListener>);

impl Stream for TcpIncoming<'_> {
    type Item = io::Result<Async<TcpStream>>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let (io, listener) = self.0.shared_parts();
        let accepted = ready!(io.poll_io(cx, Interest::Read, |_| listener.accept()));
        Poll::Ready(Some(accepted.and_then(|(stream, _)| Async::new(stream))))
    }
}

impl TryFrom<TcpListener> for Async<TcpListener> {
    type Error = io::Error;

    fn try_from(io: TcpListener) -> io::Result<Self> {
        Async::new(io)
    }
}

impl Async<TcpStream> {
    /// Connects to an address.
    ///
    /// # Errors
    ///
    /// The system's error, with the address.
    ///
    /// # Cancel safety
    ///
    /// The connection attempt is aborted.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::net::{TcpListener, TcpStream};
    ///
    /// use async_io::Async;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// async_io::block_on(async {
    ///     let listener = Async::<TcpListener>::bind(([127, 0, 0, 1], 0))?;
    ///     let address = listener.get_ref().local_addr()?;
    ///     let client = Async::<TcpStream>::connect(address).await?;
    ///     let (stream, peer) = listener.accept().await?;
    ///     assert_eq!(peer, client.get_ref().local_addr()?);
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub async fn connect<A: Into<SocketAddr>>(addr: A) -> io::Result<Async<TcpStream>> {
        let stream = reveille::net::TcpStream::connect(addr.into()).await?;
        Async::new_nonblocking(Owned::from(stream).into())
    }

    /// Reads bytes without removing them from the stream.
    ///
    /// # Errors
    ///
    /// The system's error.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    ///
    /// # Examples
    ///
    /// ```
    /// use futures_lite::AsyncWriteExt;
    /// use std::net::{TcpListener, TcpStream};
    ///
    /// use async_io::Async;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// async_io::block_on(async {
    ///     let listener = Async::<TcpListener>::bind(([127, 0, 0, 1], 0))?;
    ///     let address = listener.get_ref().local_addr()?;
    ///     let mut client = Async::<TcpStream>::connect(address).await?;
    ///     let (stream, _) = listener.accept().await?;
    ///     client.write_all(b"x").await?;
    ///     assert_eq!(stream.peek(&mut [0; 8]).await?, 1);
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub async fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.io(Interest::Read, |stream| stream.peek(buf)).await
    }
}

impl TryFrom<TcpStream> for Async<TcpStream> {
    type Error = io::Error;

    fn try_from(io: TcpStream) -> io::Result<Self> {
        Async::new(io)
    }
}

impl Async<UdpSocket> {
    /// Creates a socket that is bound to an address.
    ///
    /// # Errors
    ///
    /// The system's error.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::net::UdpSocket;
    ///
    /// let socket = async_io::Async::<UdpSocket>::bind(([127, 0, 0, 1], 0))?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn bind<A: Into<SocketAddr>>(addr: A) -> io::Result<Async<UdpSocket>> {
        Async::new(UdpSocket::bind(addr.into())?)
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
    /// use std::net::UdpSocket;
    ///
    /// use async_io::Async;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// async_io::block_on(async {
    ///     let socket = Async::<UdpSocket>::bind(([127, 0, 0, 1], 0))?;
    ///     socket.send_to(b"x", socket.get_ref().local_addr()?).await?;
    ///     let (len, from) = socket.recv_from(&mut [0; 8]).await?;
    ///     assert_eq!((len, from), (1, socket.get_ref().local_addr()?));
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub async fn recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.io(Interest::Read, |socket| socket.recv_from(buf)).await
    }

    /// Receives a datagram and leaves it in the queue.
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
    /// use std::net::UdpSocket;
    ///
    /// use async_io::Async;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// async_io::block_on(async {
    ///     let socket = Async::<UdpSocket>::bind(([127, 0, 0, 1], 0))?;
    ///     socket.send_to(b"x", socket.get_ref().local_addr()?).await?;
    ///     assert_eq!(socket.peek_from(&mut [0; 8]).await?.0, 1);
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub async fn peek_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.io(Interest::Read, |socket| socket.peek_from(buf)).await
    }

    /// Sends a datagram to an address.
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
    /// use std::net::UdpSocket;
    ///
    /// use async_io::Async;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// async_io::block_on(async {
    ///     let socket = Async::<UdpSocket>::bind(([127, 0, 0, 1], 0))?;
    ///     let to = socket.get_ref().local_addr()?;
    ///     assert_eq!(socket.send_to(b"hello", to).await?, 5);
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub async fn send_to<A: Into<SocketAddr>>(&self, buf: &[u8], addr: A) -> io::Result<usize> {
        let addr = addr.into();
        self.io(Interest::Write, |socket| socket.send_to(buf, addr)).await
    }

    /// Receives a datagram from the address that the socket is connected to.
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
    /// use std::net::UdpSocket;
    ///
    /// use async_io::Async;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// async_io::block_on(async {
    ///     let socket = Async::<UdpSocket>::bind(([127, 0, 0, 1], 0))?;
    ///     socket.get_ref().connect(socket.get_ref().local_addr()?)?;
    ///     socket.send(b"x").await?;
    ///     assert_eq!(socket.recv(&mut [0; 8]).await?, 1);
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub async fn recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.io(Interest::Read, |socket| socket.recv(buf)).await
    }

    /// Receives a datagram from the address that the socket is connected to, and leaves it in the
    /// queue.
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
    /// use std::net::UdpSocket;
    ///
    /// use async_io::Async;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// async_io::block_on(async {
    ///     let socket = Async::<UdpSocket>::bind(([127, 0, 0, 1], 0))?;
    ///     socket.get_ref().connect(socket.get_ref().local_addr()?)?;
    ///     socket.send(b"x").await?;
    ///     assert_eq!(socket.peek(&mut [0; 8]).await?, 1);
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub async fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.io(Interest::Read, |socket| socket.peek(buf)).await
    }

    /// Sends a datagram to the address that the socket is connected to.
    ///
    /// # Errors
    ///
    /// The system's error; `NotConnected` or `EDESTADDRREQ` if the socket is not connected.
    ///
    /// # Cancel safety
    ///
    /// The datagram was not sent.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::net::UdpSocket;
    ///
    /// use async_io::Async;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// async_io::block_on(async {
    ///     let socket = Async::<UdpSocket>::bind(([127, 0, 0, 1], 0))?;
    ///     socket.get_ref().connect(socket.get_ref().local_addr()?)?;
    ///     assert_eq!(socket.send(b"hello").await?, 5);
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub async fn send(&self, buf: &[u8]) -> io::Result<usize> {
        self.io(Interest::Write, |socket| socket.send(buf)).await
    }
}

impl TryFrom<UdpSocket> for Async<UdpSocket> {
    type Error = io::Error;

    fn try_from(io: UdpSocket) -> io::Result<Self> {
        Async::new(io)
    }
}
