//! Owned halves of any stream.
//!
//! Both share the stream behind an asynchronous lock, which each poll of a half holds for its
//! duration. A half that finds the lock taken waits as a task, so no thread blocks while another
//! thread polls the stream. The stream's own code runs under no lock of the runtime.
//!
//! Rejected: a lock of std, as in futures-lite. A thread then waits for the poll of another.

use std::fmt;
use std::future::Future;
use std::io::{self, IoSlice, IoSliceMut};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use async_lock::Mutex;
use async_lock::futures::LockArc;

use super::{Read, Write};

/// Splits a stream into a half that reads and a half that writes, each owned, for two tasks.
///
/// Use it for streams of other crates, such as TLS. `TcpStream` and `UnixStream` need no lock:
/// clone them, or use their `into_split`.
///
/// Dropping a half closes nothing: [`close`](super::WriteExt::close) the half that writes. The
/// stream is dropped with the second half.
///
/// # Examples
///
/// ```
/// use reveille::io::{self, prelude::*};
/// use reveille::task;
///
/// # fn main() -> io::Result<()> {
/// task::block_on(async {
///     let (stream, mut peer) = io::duplex(64);
///     let (mut reader, mut writer) = io::split(stream);
///     let sending = task::spawn(async move { writer.write_all(b"ping").await });
///     let mut buf = [0; 4];
///     peer.read_exact(&mut buf).await?;
///     peer.write_all(b"pong").await?;
///     reader.read_exact(&mut buf).await?;
///     assert_eq!(&buf, b"pong");
///     sending.await
/// })
/// # }
/// ```
pub fn split<T: Read + Write + Unpin>(stream: T) -> (ReadHalf<T>, WriteHalf<T>) {
    let shared = Arc::new(Mutex::new(stream));
    let reader = ReadHalf { half: Half { shared: Arc::clone(&shared), locking: None } };
    (reader, WriteHalf { half: Half { shared, locking: None } })
}

/// The half of a stream that reads. Made by [`split`].
///
/// # Cancel safety
///
/// As for the stream.
///
/// # Examples
///
/// ```
/// use reveille::io::{self, prelude::*};
///
/// # fn main() -> io::Result<()> {
/// reveille::task::block_on(async {
///     let (stream, mut peer) = io::duplex(64);
///     let (mut reader, _writer) = io::split(stream);
///     peer.write_all(b"ping").await?;
///     let mut buf = [0; 4];
///     reader.read_exact(&mut buf).await?;
///     assert_eq!(&buf, b"ping");
///     Ok(())
/// })
/// # }
/// ```
pub struct ReadHalf<T> {
    half: Half<T>,
}

/// The half of a stream that writes. Made by [`split`].
///
/// # Cancel safety
///
/// As for the stream.
///
/// # Examples
///
/// ```
/// use reveille::io::{self, prelude::*};
///
/// # fn main() -> io::Result<()> {
/// reveille::task::block_on(async {
///     let (stream, mut peer) = io::duplex(64);
///     let (_reader, mut writer) = io::split(stream);
///     writer.write_all(b"ping").await?;
///     writer.close().await?;
///     let mut text = String::new();
///     peer.read_to_string(&mut text).await?;
///     assert_eq!(text, "ping");
///     Ok(())
/// })
/// # }
/// ```
pub struct WriteHalf<T> {
    half: Half<T>,
}

/// The type of both halves.
struct Half<T> {
    shared: Arc<Mutex<T>>,
    /// The wait for the lock, kept between polls so that the half keeps its position in the queue.
    locking: Option<Pin<Box<LockArc<T>>>>,
}

impl<T: Unpin> Half<T> {
    /// Polls the stream, or waits until the other half does not.
    fn poll_with<R>(
        &mut self,
        cx: &mut Context<'_>,
        poll: impl FnOnce(Pin<&mut T>, &mut Context<'_>) -> Poll<R>,
    ) -> Poll<R> {
        if self.locking.is_none()
            && let Some(mut stream) = self.shared.try_lock()
        {
            return poll(Pin::new(&mut *stream), cx);
        }
        let shared = &self.shared;
        let locking = self.locking.get_or_insert_with(|| Box::pin(shared.lock_arc()));
        let mut stream = ready!(locking.as_mut().poll(cx));
        self.locking = None;
        poll(Pin::new(&mut *stream), cx)
    }
}

impl<T> ReadHalf<T> {
    /// Joins the halves of one stream again.
    ///
    /// # Errors
    ///
    /// Gives both halves back if they belong to different streams.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::io;
    ///
    /// let (here, there) = io::duplex(64);
    /// let (reader, writer) = io::split(here);
    /// let (other_reader, other_writer) = io::split(there);
    /// let error = reader.reunite(other_writer).unwrap_err();
    /// let here = error.0.reunite(writer).unwrap();
    /// # drop((here, other_reader, error.1));
    /// ```
    pub fn reunite(self, writer: WriteHalf<T>) -> Result<T, SplitError<T>> {
        if !Arc::ptr_eq(&self.half.shared, &writer.half.shared) {
            return Err(SplitError(self, writer));
        }
        // A wait for the lock holds the stream, too.
        let Half { shared, locking } = self.half;
        drop((locking, writer));
        let stream = Arc::try_unwrap(shared).ok().expect("the two halves alone share the stream");
        Ok(stream.into_inner())
    }
}

impl<T> WriteHalf<T> {
    /// Joins the halves of one stream again. See [`ReadHalf::reunite`].
    ///
    /// # Errors
    ///
    /// Gives both halves back if they belong to different streams.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::io;
    ///
    /// let (here, _there) = io::duplex(64);
    /// let (reader, writer) = io::split(here);
    /// let here = writer.reunite(reader).unwrap();
    /// # drop(here);
    /// ```
    pub fn reunite(self, reader: ReadHalf<T>) -> Result<T, SplitError<T>> {
        reader.reunite(self)
    }
}

impl<T: Read + Unpin> Read for ReadHalf<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.half.poll_with(cx, |stream, cx| stream.poll_read(cx, buf))
    }

    fn poll_read_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        self.half.poll_with(cx, |stream, cx| stream.poll_read_vectored(cx, bufs))
    }
}

impl<T: Write + Unpin> Write for WriteHalf<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.half.poll_with(cx, |stream, cx| stream.poll_write(cx, buf))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.half.poll_with(cx, |stream, cx| stream.poll_write_vectored(cx, bufs))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.half.poll_with(cx, |stream, cx| stream.poll_flush(cx))
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.half.poll_with(cx, |stream, cx| stream.poll_close(cx))
    }
}

impl<T> fmt::Debug for ReadHalf<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadHalf").finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for WriteHalf<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriteHalf").finish_non_exhaustive()
    }
}

/// Two halves that belong to different streams: the error of [`ReadHalf::reunite`].
///
/// Its text is `the halves belong to different streams`.
///
/// # Examples
///
/// ```
/// use reveille::io::{self, SplitError};
///
/// let (here, there) = io::duplex(64);
/// let (reader, _writer) = io::split(here);
/// let (_other_reader, other_writer) = io::split(there);
/// let SplitError(reader, other_writer) = reader.reunite(other_writer).unwrap_err();
/// # drop((reader, other_writer));
/// ```
pub struct SplitError<T>(
    /// The half that reads.
    pub ReadHalf<T>,
    /// The half that writes.
    pub WriteHalf<T>,
);

impl<T> fmt::Display for SplitError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the halves belong to different streams")
    }
}

impl<T> fmt::Debug for SplitError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SplitError").field(&self.0).field(&self.1).finish()
    }
}

impl<T> std::error::Error for SplitError<T> {}
