//! Where a server's connections come from.

use std::future::{self, Future, Ready};
use std::io;
use std::net::SocketAddr;

use futures_io::{AsyncRead, AsyncWrite};
use reveille::net::{TcpListener, TcpStream};

/// Where [`serve`](crate::serve) takes its connections from: a `TcpListener`, a `UnixListener`, or
/// a type of your own, for example one that adds TLS.
///
/// # Examples
///
/// A listener with TLS. The handshake runs in the task of the connection, so a slow client does not
/// hold up the next one:
///
/// ```
/// # use std::sync::Arc;
/// # struct TlsAcceptor;
/// # impl TlsAcceptor {
/// #     async fn accept(&self, stream: TcpStream) -> io::Result<TcpStream> { Ok(stream) }
/// # }
/// # type TlsStream = TcpStream;
/// use std::future::Future;
/// use std::io;
/// use std::net::SocketAddr;
/// use std::pin::Pin;
///
/// use reveille::net::{TcpListener, TcpStream};
/// use reveille_hyper::Listener;
///
/// struct TlsListener {
///     tcp: TcpListener,
///     acceptor: Arc<TlsAcceptor>,
/// }
///
/// impl Listener for TlsListener {
///     type Io = TlsStream;
///     type Addr = SocketAddr;
///     type Opening = Pin<Box<dyn Future<Output = io::Result<TlsStream>> + Send>>;
///
///     async fn accept(&mut self) -> io::Result<(Self::Opening, SocketAddr)> {
///         let (stream, address) = self.tcp.accept().await?;
///         let acceptor = Arc::clone(&self.acceptor);
///         Ok((Box::pin(async move { acceptor.accept(stream).await }), address))
///     }
/// }
/// ```
pub trait Listener: Send + 'static {
    /// The stream of a connection.
    type Io: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// The address of a peer.
    type Addr: Send;

    /// The future that completes the connection, such as a TLS handshake. It runs in the task of
    /// the connection, under the time limit for headers.
    type Opening: Future<Output = io::Result<Self::Io>> + Send + 'static;

    /// Waits for a connection.
    ///
    /// # Errors
    ///
    /// An error does not end the server: it is logged, and this method is called again. If two
    /// errors come within 10 ms, the server first waits for 50 ms, so that it does not spin.
    ///
    /// # Cancel safety
    ///
    /// The future is only dropped when the server ends.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::net::TcpListener;
    /// use reveille_hyper::Listener;
    ///
    /// async fn one(mut listener: TcpListener) -> std::io::Result<()> {
    ///     let (opening, peer) = Listener::accept(&mut listener).await?;
    ///     println!("{peer}: {:?}", opening.await?);
    ///     Ok(())
    /// }
    /// # let _ = one;
    /// ```
    fn accept(&mut self) -> impl Future<Output = io::Result<(Self::Opening, Self::Addr)>> + Send;
}

impl Listener for TcpListener {
    type Io = TcpStream;
    type Addr = SocketAddr;
    type Opening = Ready<io::Result<TcpStream>>;

    async fn accept(&mut self) -> io::Result<(Self::Opening, SocketAddr)> {
        let (stream, address) = TcpListener::accept(self).await?;
        // Without this, the second small write of a response may wait for an acknowledgement.
        let opening = stream.set_nodelay(true).map(|()| stream);
        Ok((future::ready(opening), address))
    }
}
