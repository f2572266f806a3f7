//! A TCP socket that takes connections.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use reveille_runtime::io::Io;

use super::listener::{AcceptStream, Listener, outlast};
use super::{TcpStream, ToSocketAddrs, first_success};
use crate::io::context::Context as _;
use crate::os::socket::{accept_tcp, is_tcp, lengthen_queue};

/// A TCP socket that takes connections.
///
/// It is closed when it is dropped. Any number of tasks may accept at once.
///
/// # Accepting on a bad day
///
/// An error of [`accept`](TcpListener::accept) is about that one connection, or about the process,
/// never about the listener: a loop that ends at the first one (`stream?`) stops serving because a
/// peer hung up or because for a moment no descriptor was left. Report it and go on:
///
/// ```
/// use reveille::net::{TcpListener, TcpStream};
/// use reveille::task;
///
/// async fn serve(listener: TcpListener) {
///     loop {
///         match listener.accept().await {
///             Ok((stream, _)) => drop(task::spawn(answer(stream))),
///             Err(error) => eprintln!("could not accept: {error}"),
///         }
///     }
/// }
///
/// async fn answer(stream: TcpStream) {
///     # drop(stream);
/// }
/// ```
///
/// This loop does not spin. Connections that died in the queue are skipped in silence. After an
/// error that means that no descriptor or memory is left, the next call waits 50 ms before it
/// tries.
///
/// # Examples
///
/// ```
/// use reveille::net::{TcpListener, TcpStream};
/// use reveille::task;
///
/// # fn main() -> std::io::Result<()> {
/// task::block_on(async {
///     let listener = TcpListener::bind("127.0.0.1:0").await?;
///     let client = TcpStream::connect(listener.local_addr()?).await?;
///
///     let (_, address) = listener.accept().await?;
///     assert_eq!(address, client.local_addr()?);
///     Ok(())
/// })
/// # }
/// ```
#[derive(Debug)]
pub struct TcpListener {
    listener: Listener<std::net::TcpListener>,
    /// Whether its connections are TCP's for certain.
    is_tcp: bool,
}

impl TcpListener {
    /// Listens on the first address that is free; they are tried one after the other.
    ///
    /// Port 0 asks the system for a free one, see [`local_addr`](TcpListener::local_addr).
    ///
    /// # Errors
    ///
    /// ``could not bind to `address`: …``, with the kind and the text of the last address's
    /// error. If there is no address at all, `InvalidInput`. If a name does not resolve, see
    /// [`ToSocketAddrs`].
    ///
    /// # Cancel safety
    ///
    /// Nothing is bound if the future is dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::net::TcpListener;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    ///     assert_ne!(listener.local_addr()?.port(), 0);
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub async fn bind<A: ToSocketAddrs>(addrs: A) -> io::Result<TcpListener> {
        let addresses = addrs.to_socket_addrs().await?;
        first_success(addresses, async |address| {
            bind_one(address).named(|| format!("could not bind to `{address}`"))
        })
        .await
    }

    /// Waits for a connection, and returns it with the address of the other end.
    ///
    /// # Errors
    ///
    /// Those of the system. The listener is as good as before; see the
    /// [loop that survives](TcpListener#accepting-on-a-bad-day).
    ///
    /// # Cancel safety
    ///
    /// No connection is lost if the future is dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::net::{TcpListener, TcpStream};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let listener = TcpListener::bind("127.0.0.1:0").await?;
    ///     let client = TcpStream::connect(listener.local_addr()?).await?;
    ///     let (stream, _) = listener.accept().await?;
    ///     assert_eq!(stream.peer_addr()?, client.local_addr()?);
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let (stream, address) = self.listener.accept(accept_tcp).await?;
        let io = if self.is_tcp { Io::for_stream(stream) } else { Io::new(stream) };
        Ok((TcpStream::new(io), address))
    }

    /// Returns the connections as a stream that never ends.
    ///
    /// # Errors
    ///
    /// An item may be an error, and the stream goes on; see the [loop that
    /// survives](TcpListener#accepting-on-a-bad-day).
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::net::{TcpListener, TcpStream};
    /// use reveille::prelude::*;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let listener = TcpListener::bind("127.0.0.1:0").await?;
    ///     let client = TcpStream::connect(listener.local_addr()?).await?;
    ///
    ///     let mut incoming = listener.incoming();
    ///     let stream = incoming.next().await.expect("incoming never ends")?;
    ///     assert_eq!(stream.peer_addr()?, client.local_addr()?);
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub fn incoming(&self) -> Incoming<'_> {
        Incoming { accepts: AcceptStream::new(self, |listener| Box::pin(listener.accept())) }
    }

    /// Turns the listener into a stream of its connections that never ends.
    ///
    /// Like that of [`incoming`](TcpListener::incoming), it outlasts a moment without descriptors.
    ///
    /// # Errors
    ///
    /// As [`incoming`](TcpListener::incoming).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::pin::pin;
    ///
    /// use reveille::net::{TcpListener, TcpStream};
    /// use reveille::prelude::*;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let listener = TcpListener::bind("127.0.0.1:0").await?;
    ///     let client = TcpStream::connect(listener.local_addr()?).await?;
    ///
    ///     let mut incoming = pin!(listener.into_incoming());
    ///     let stream = incoming.next().await.expect("incoming never ends")?;
    ///     assert_eq!(stream.peer_addr()?, client.local_addr()?);
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub fn into_incoming(self) -> impl Stream<Item = io::Result<TcpStream>> + Send {
        futures_lite::stream::unfold(self, |listener| async move {
            loop {
                if let Some(result) = outlast(listener.accept().await) {
                    return Some((result.map(|(stream, _)| stream), listener));
                }
            }
        })
    }

    /// Returns the address on which this listens, with the port that the system chose.
    ///
    /// # Errors
    ///
    /// Those of the system.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::net::TcpListener;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let listener = TcpListener::bind("127.0.0.1:0").await?;
    ///     println!("listening on {}", listener.local_addr()?);
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.get_ref().local_addr()
    }

    /// Returns how many routers a packet of an accepted connection may pass (`IP_TTL`).
    ///
    /// # Errors
    ///
    /// Those of the system.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::net::TcpListener;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let listener = TcpListener::bind("127.0.0.1:0").await?;
    ///     assert!(listener.ttl()? > 0);
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub fn ttl(&self) -> io::Result<u32> {
        self.listener.get_ref().ttl()
    }

    /// Sets how many routers a packet of an accepted connection may pass (`IP_TTL`).
    ///
    /// # Errors
    ///
    /// Those of the system.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::net::TcpListener;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let listener = TcpListener::bind("127.0.0.1:0").await?;
    ///     listener.set_ttl(100)?;
    ///     assert_eq!(listener.ttl()?, 100);
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.listener.get_ref().set_ttl(ttl)
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
    /// use reveille::net::TcpListener;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let listener = TcpListener::bind("127.0.0.1:0").await?;
    ///     assert!(listener.take_error()?.is_none());
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.listener.get_ref().take_error()
    }

    pub(crate) fn as_std(&self) -> &std::net::TcpListener {
        self.listener.get_ref()
    }

    /// Gives up the socket, which stays non-blocking.
    pub(crate) fn into_std(self) -> io::Result<std::net::TcpListener> {
        self.listener.into_inner()
    }
}

fn bind_one(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = std::net::TcpListener::bind(address)?;
    lengthen_queue(&listener)?;
    listener.set_nonblocking(true)?;
    Ok(TcpListener { listener: Listener::new(listener), is_tcp: true })
}

/// A stream of connections that never ends, made by [`TcpListener::incoming`].
///
/// # Differences
///
/// While the process has no descriptor or memory left for a connection, the connection waits, a
/// warning is logged, and the stream tries again every 50 ms, where async-std's gives the error.
///
/// # Examples
///
/// ```
/// use reveille::net::{Incoming, TcpListener, TcpStream};
/// use reveille::prelude::*;
///
/// async fn first(mut incoming: Incoming<'_>) -> std::io::Result<TcpStream> {
///     incoming.next().await.expect("incoming never ends")
/// }
///
/// # fn main() -> std::io::Result<()> {
/// reveille::task::block_on(async {
///     let listener = TcpListener::bind("127.0.0.1:0").await?;
///     let client = TcpStream::connect(listener.local_addr()?).await?;
///     let stream = first(listener.incoming()).await?;
///     assert_eq!(stream.peer_addr()?, client.local_addr()?);
///     Ok(())
/// })
/// # }
/// ```
#[must_use = "streams do nothing unless polled"]
pub struct Incoming<'a> {
    accepts: AcceptStream<'a, TcpListener, (TcpStream, SocketAddr)>,
}

impl Stream for Incoming<'_> {
    type Item = io::Result<TcpStream>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let result = ready!(self.get_mut().accepts.poll_next(cx));
        Poll::Ready(Some(result.map(|(stream, _)| stream)))
    }
}

impl fmt::Debug for Incoming<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.accepts.fmt(f)
    }
}

impl From<std::net::TcpListener> for TcpListener {
    /// Makes the socket non-blocking, for all who share it.
    ///
    /// # Panics
    ///
    /// Panics if the system refuses that, which it does only for what is no open socket.
    fn from(listener: std::net::TcpListener) -> TcpListener {
        listener.set_nonblocking(true).expect("a TcpListener is an open socket");
        let is_tcp = is_tcp(&listener);
        TcpListener { listener: Listener::new(listener), is_tcp }
    }
}

impl TryFrom<TcpListener> for std::net::TcpListener {
    type Error = io::Error;

    /// Gives the socket to blocking code.
    fn try_from(listener: TcpListener) -> io::Result<std::net::TcpListener> {
        let listener = listener.into_std()?;
        listener.set_nonblocking(false)?;
        Ok(listener)
    }
}
