//! The stream of an upgraded connection.
//!
//! # Examples
//!
//! ```
//! use hyper::{Request, body::Incoming};
//! use reveille::net::TcpStream;
//! use reveille::prelude::*;
//! use reveille_hyper::upgrade;
//!
//! async fn echo(request: Request<Incoming>) -> Result<(), Box<dyn std::error::Error>> {
//!     let upgraded = hyper::upgrade::on(request).await?;
//!     let parts = upgrade::downcast::<TcpStream>(upgraded).map_err(|_| "not a TcpStream")?;
//!     let mut stream = parts.stream;
//!     // What the client sent right behind its request.
//!     stream.write_all(&parts.read_buf).await?;
//!     reveille::io::copy(&mut stream.clone(), &mut stream).await?;
//!     Ok(())
//! }
//! ```

use futures_io::{AsyncRead, AsyncWrite};
use hyper::body::Bytes;
use hyper::upgrade::Upgraded;

use crate::HyperIo;

/// The stream of an upgraded connection, and the bytes that hyper has already read from it.
///
/// # Examples
///
/// See the [module](self).
///
/// ```
/// use reveille::net::TcpStream;
/// use reveille_hyper::upgrade::Parts;
///
/// fn has_more(parts: &Parts<TcpStream>) -> bool {
///     !parts.read_buf.is_empty()
/// }
/// # let _ = has_more;
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct Parts<S> {
    /// The stream.
    pub stream: S,
    /// The bytes that follow the head of the request or response. The stream continues after them.
    pub read_buf: Bytes,
}

/// Returns the stream of type `S` under an upgraded connection. It may be a connection of this
/// crate's server or client, or one of hyper over [`HyperIo<S>`](HyperIo).
///
/// # Errors
///
/// Returns the connection if its stream has another type. A stream of HTTP/2 is a part of its
/// connection and has no stream of its own; see [`FuturesIo`](crate::FuturesIo).
///
/// # Examples
///
/// ```
/// use reveille::net::TcpStream;
/// use reveille_hyper::upgrade;
///
/// fn peer(upgraded: hyper::upgrade::Upgraded) -> std::io::Result<std::net::SocketAddr> {
///     match upgrade::downcast::<TcpStream>(upgraded) {
///         Ok(parts) => parts.stream.peer_addr(),
///         Err(_) => Err(std::io::Error::other("not a TCP connection")),
///     }
/// }
/// # let _ = peer;
/// ```
pub fn downcast<S>(upgraded: Upgraded) -> Result<Parts<S>, Upgraded>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    #[cfg(feature = "server")]
    let upgraded = match hyper_util::server::conn::auto::upgrade::downcast::<HyperIo<S>>(upgraded) {
        Ok(parts) => return Ok(Parts { stream: parts.io.0, read_buf: parts.read_buf }),
        Err(upgraded) => upgraded,
    };
    let parts = upgraded.downcast::<HyperIo<S>>()?;
    Ok(Parts { stream: parts.io.0, read_buf: parts.read_buf })
}
