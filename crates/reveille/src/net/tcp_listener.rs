//! A TCP listener.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use reveille_runtime::io::Io;

use super::listener::{AcceptStream, Listener, skip_resource_error};
use super::{TcpStream, ToSocketAddrs, first_success};
use crate::io::context::Context as _;
use crate::os::socket::{accept_tcp, bind_tcp, is_tcp};

/// A TCP listener.
///
/// The socket is closed when it is dropped. Any number of tasks may accept at the same time.
///
/// # Accepting when resources run out
///
/// An error of [`accept`](TcpListener::accept) concerns that one connection, or the process, but
/// never the listener. A loop that ends at the first error (`stream?`) stops serving because a peer
/// hung up, or because no descriptor was left for a moment. Report the error and continue:
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
/// This loop does not spin. Connections that were closed in the queue are skipped. After an error
/// which means that no descriptor or memory is left, the next call waits 50 ms before it tries.
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
    /// Whether the connections are certainly TCP.
    is_tcp: bool,
}

impl TcpListener {
    /// Binds to the first address that is available. Addresses are tried one after the other.
    ///
    /// With port 0 the system chooses a free port; see [`local_addr`](TcpListener::local_addr).
    ///
    /// # Errors
    ///
    /// ``could not bind to `address`: …``, with the kind and the text of the last address's error.
    /// `InvalidInput` if there is no address. If a name does not resolve, see [`ToSocketAddrs`].
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, no address is bound.
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

    /// Waits for a connection and returns it with the address of the peer.
    ///
    /// # Errors
    ///
    /// The system's error. The listener stays usable; see the [loop that survives
    /// errors](TcpListener#accepting-when-resources-run-out).
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, no connection is lost.
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

    /// Returns a stream of the connections. It never ends.
    ///
    /// # Errors
    ///
    /// An item may be an error; the stream continues after it. See the [loop that survives
    /// errors](TcpListener#accepting-when-resources-run-out).
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
    #[doc(alias = "TcpListenerStream")]
    pub fn incoming(&self) -> Incoming<'_> {
        Incoming { accepts: AcceptStream::new(self, |listener| Box::pin(listener.accept())) }
    }

    /// Converts the listener into a stream of its connections. It never ends.
    ///
    /// Like the stream of [`incoming`](TcpListener::incoming), it continues when descriptors run
    /// out for a moment.
    ///
    /// # Errors
    ///
    /// As for [`incoming`](TcpListener::incoming).
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
                if let Some(result) = skip_resource_error(listener.accept().await) {
                    return Some((result.map(|(stream, _)| stream), listener));
                }
            }
        })
    }

    /// Returns the address that the socket is bound to, with the port that the system chose.
    ///
    /// # Errors
    ///
    /// The system's error.
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

    /// Returns the time-to-live of packets of accepted connections, in hops (`IP_TTL`).
    ///
    /// # Errors
    ///
    /// The system's error.
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

    /// Sets the time-to-live of packets of accepted connections, in hops (`IP_TTL`).
    ///
    /// # Errors
    ///
    /// The system's error.
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

    /// Returns and clears the pending error of the socket (`SO_ERROR`).
    ///
    /// # Errors
    ///
    /// The system's error, if the option cannot be read.
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

    /// Takes a listening TCP socket that this crate made, in non-blocking mode.
    pub(super) fn of_socket(listener: std::net::TcpListener) -> TcpListener {
        TcpListener { listener: Listener::new(listener), is_tcp: true }
    }

    pub(crate) fn as_std(&self) -> &std::net::TcpListener {
        self.listener.get_ref()
    }

    /// Returns the socket, still non-blocking.
    pub(crate) fn into_std(self) -> io::Result<std::net::TcpListener> {
        self.listener.into_inner()
    }
}

fn bind_one(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = bind_tcp(address)?;
    listener.set_nonblocking(true)?;
    Ok(TcpListener { listener: Listener::new(listener), is_tcp: true })
}

/// A stream of connections that never ends. Created by [`TcpListener::incoming`].
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
    accepts: AcceptStream<'a, TcpListener, TcpStream, SocketAddr>,
}

impl Stream for Incoming<'_> {
    type Item = io::Result<TcpStream>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().accepts.poll_next(cx)
    }
}

impl fmt::Debug for Incoming<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.accepts.fmt(f)
    }
}

impl From<std::net::TcpListener> for TcpListener {
    /// Sets the socket to non-blocking mode, for every handle that shares it.
    ///
    /// # Panics
    ///
    /// Panics if the system refuses that, which it does only if the descriptor is not an open
    /// socket.
    fn from(listener: std::net::TcpListener) -> TcpListener {
        listener.set_nonblocking(true).expect("a TcpListener is an open socket");
        let is_tcp = is_tcp(&listener);
        TcpListener { listener: Listener::new(listener), is_tcp }
    }
}

impl TryFrom<TcpListener> for std::net::TcpListener {
    type Error = io::Error;

    /// Returns the socket in blocking mode.
    fn try_from(listener: TcpListener) -> io::Result<std::net::TcpListener> {
        let listener = listener.into_std()?;
        listener.set_nonblocking(false)?;
        Ok(listener)
    }
}
