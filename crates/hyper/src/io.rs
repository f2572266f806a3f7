//! Streams under hyper's traits, and hyper's streams under the traits of futures-io.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_io::{AsyncRead, AsyncWrite};
use hyper::rt::{Read, ReadBuf, ReadBufCursor, Write};
use reveille::io::{is_write_vectored, poll_read_uninit};
use reveille::net::TcpStream;

/// Adapts a stream to hyper's traits: any reader and writer of reveille or futures-io, such as a
/// `TcpStream`, a `UnixStream` or a TLS stream over one of them.
///
/// TCP and Unix streams of reveille read into hyper's buffer without clearing it first, and write
/// several buffers with one call. hyper's `poll_shutdown` calls `poll_close`, which sends the end
/// of the stream to the peer.
///
/// # Examples
///
/// ```
/// use http_body_util::Empty;
/// use hyper::body::Bytes;
/// use hyper::client::conn::http1;
/// use reveille::net::TcpStream;
/// use reveille_hyper::HyperIo;
///
/// # async fn f() -> Result<(), Box<dyn std::error::Error>> {
/// let stream = TcpStream::connect("example.org:80").await?;
/// let (sender, connection) = http1::handshake::<_, Empty<Bytes>>(HyperIo(stream)).await?;
/// drop(reveille::task::spawn(connection));
/// # drop(sender);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct HyperIo<S = TcpStream>(
    /// The stream.
    pub S,
);

impl<S> From<S> for HyperIo<S> {
    fn from(stream: S) -> HyperIo<S> {
        HyperIo(stream)
    }
}

impl<S: AsyncRead + Unpin> Read for HyperIo<S> {
    #[inline]
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        // SAFETY: no initialized byte may become uninitialized. `poll_read_uninit` writes what the
        // kernel or a reader of initialized memory wrote, and zeros.
        let unfilled = unsafe { buf.as_mut() };
        let start = unfilled.as_ptr().addr();
        let read = ready!(poll_read_uninit(Pin::new(&mut self.0), cx, unfilled))?;
        assert_eq!(read.as_ptr().addr(), start, "the start of the buffer is read into");
        let len = read.len();
        // SAFETY: the first `len` bytes of `unfilled` must be initialized. `read` is a slice of
        // that many bytes at the same address, and its type says that they are.
        unsafe { buf.advance(len) };
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> Write for HyperIo<S> {
    #[inline]
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_close(cx)
    }

    fn is_write_vectored(&self) -> bool {
        is_write_vectored(&self.0)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, bufs)
    }
}

#[cfg(feature = "client")]
impl<S> hyper_util::client::legacy::connect::Connection for HyperIo<S> {
    fn connected(&self) -> hyper_util::client::legacy::connect::Connected {
        hyper_util::client::legacy::connect::Connected::new()
    }
}

/// Adapts a stream of hyper to the traits of futures-io, which reveille uses.
///
/// Use it for an upgraded connection if you do not need its underlying stream or cannot have it, as
/// with HTTP/2. [`upgrade::downcast`](crate::upgrade::downcast) returns the stream itself.
///
/// # Examples
///
/// A tunnel, as a proxy makes it for `CONNECT`:
///
/// ```
/// use hyper::{Request, body::Incoming};
/// use reveille::io;
/// use reveille::net::TcpStream;
/// use reveille_hyper::FuturesIo;
///
/// async fn tunnel(request: Request<Incoming>, mut target: TcpStream) -> io::Result<()> {
///     let client = hyper::upgrade::on(request).await.map_err(io::Error::other)?;
///     io::copy_bidirectional(&mut FuturesIo(client), &mut target).await?;
///     Ok(())
/// }
/// ```
#[derive(Debug)]
pub struct FuturesIo<T>(
    /// The stream of hyper.
    pub T,
);

impl<T: Read + Unpin> AsyncRead for FuturesIo<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut buf = ReadBuf::new(buf);
        ready!(Pin::new(&mut self.0).poll_read(cx, buf.unfilled()))?;
        Poll::Ready(Ok(buf.filled().len()))
    }
}

impl<T: Write + Unpin> AsyncWrite for FuturesIo<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, bufs)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
