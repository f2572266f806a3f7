//! The owned halves of a Unix domain connection. They share it as clones do; only the drop of the
//! write half differs.

use std::fmt;
use std::io::{self, IoSlice, IoSliceMut};
use std::pin::Pin;
use std::task::{Context, Poll};

use super::UnixStream;

impl UnixStream {
    /// Splits the connection into a half that reads and a half that writes, each owned.
    ///
    /// A clone, or `&UnixStream`, can do the same. The halves say in their types which task does
    /// what, and **dropping the write half shuts the write side down**, so the peer reads to the
    /// end, as in tokio. The connection is closed when both halves, and all clones, are dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::io::prelude::*;
    /// use reveille::os::unix::net::UnixStream;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let (mut client, stream) = UnixStream::pair()?;
    ///     let (mut reader, mut writer) = stream.into_split();
    ///     let sending = reveille::task::spawn(async move { writer.write_all(b"ping").await });
    ///
    ///     let mut text = String::new();
    ///     client.read_to_string(&mut text).await?; // up to the end: the write half was dropped
    ///     assert_eq!(text, "ping");
    ///     client.write_all(b"pong").await?;
    ///     drop(client);
    ///     text.clear();
    ///     reader.read_to_string(&mut text).await?;
    ///     assert_eq!(text, "pong");
    ///     sending.await?;
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub fn into_split(self) -> (OwnedReadHalf, OwnedWriteHalf) {
        let writer = OwnedWriteHalf { stream: self.clone(), shuts_down: true };
        (OwnedReadHalf { stream: self }, writer)
    }
}

/// The half of a [`UnixStream`] that reads. Made by [`UnixStream::into_split`].
///
/// # Cancel safety
///
/// As for [`UnixStream`].
///
/// # Examples
///
/// ```
/// use reveille::io::prelude::*;
/// use reveille::os::unix::net::UnixStream;
///
/// # fn main() -> std::io::Result<()> {
/// reveille::task::block_on(async {
///     let (mut client, stream) = UnixStream::pair()?;
///     let (mut reader, _writer) = stream.into_split();
///     client.write_all(b"ping").await?;
///     let mut buf = [0; 4];
///     reader.read_exact(&mut buf).await?;
///     assert_eq!(&buf, b"ping");
///     Ok(())
/// })
/// # }
/// ```
#[derive(Debug)]
pub struct OwnedReadHalf {
    stream: UnixStream,
}

impl OwnedReadHalf {
    /// Joins the halves of one connection again. Nothing is shut down.
    ///
    /// # Errors
    ///
    /// Gives both halves back if they belong to different connections.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::os::unix::net::UnixStream;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let (client, stream) = UnixStream::pair()?;
    ///     let (reader, writer) = stream.into_split();
    ///     let (their_reader, their_writer) = client.into_split();
    ///     let error = reader.reunite(their_writer).unwrap_err();
    ///     let stream = error.0.reunite(writer).unwrap();
    ///     # drop((stream, their_reader, error.1));
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub fn reunite(self, writer: OwnedWriteHalf) -> Result<UnixStream, ReuniteError> {
        if !self.stream.io.is_same(&writer.stream.io) {
            return Err(ReuniteError(self, writer));
        }
        writer.forget();
        Ok(self.stream)
    }
}

impl AsRef<UnixStream> for OwnedReadHalf {
    fn as_ref(&self) -> &UnixStream {
        &self.stream
    }
}

/// The half of a [`UnixStream`] that writes. Made by [`UnixStream::into_split`].
///
/// Dropping it shuts the write side down, for all clones of the stream. Bytes that were written
/// before still arrive. [`close`](crate::io::WriteExt::close) does the same and returns the error;
/// [`forget`](OwnedWriteHalf::forget) leaves the write side open.
///
/// # Cancel safety
///
/// As for [`UnixStream`].
///
/// # Examples
///
/// ```
/// use reveille::io::prelude::*;
/// use reveille::os::unix::net::UnixStream;
///
/// # fn main() -> std::io::Result<()> {
/// reveille::task::block_on(async {
///     let (mut client, stream) = UnixStream::pair()?;
///     let (_reader, mut writer) = stream.into_split();
///     writer.write_all(b"bye").await?;
///     drop(writer);
///     let mut text = String::new();
///     client.read_to_string(&mut text).await?;
///     assert_eq!(text, "bye");
///     Ok(())
/// })
/// # }
/// ```
#[derive(Debug)]
pub struct OwnedWriteHalf {
    stream: UnixStream,
    shuts_down: bool,
}

impl OwnedWriteHalf {
    /// Joins the halves of one connection again. See [`OwnedReadHalf::reunite`].
    ///
    /// # Errors
    ///
    /// Gives both halves back if they belong to different connections.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::os::unix::net::UnixStream;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let (client, stream) = UnixStream::pair()?;
    ///     let (reader, writer) = stream.into_split();
    ///     let stream = writer.reunite(reader).unwrap();
    ///     # drop((stream, client));
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub fn reunite(self, reader: OwnedReadHalf) -> Result<UnixStream, ReuniteError> {
        reader.reunite(self)
    }

    /// Drops the half without shutting the write side down. A clone of the stream can still write.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::io::prelude::*;
    /// use reveille::os::unix::net::UnixStream;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let (client, stream) = UnixStream::pair()?;
    ///     let (reader, writer) = stream.into_split();
    ///     writer.forget();
    ///     let mut clone: &UnixStream = reader.as_ref();
    ///     clone.write_all(b"still open").await?;
    ///     # drop(client);
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub fn forget(mut self) {
        self.shuts_down = false;
    }
}

impl AsRef<UnixStream> for OwnedWriteHalf {
    fn as_ref(&self) -> &UnixStream {
        &self.stream
    }
}

impl Drop for OwnedWriteHalf {
    fn drop(&mut self) {
        if self.shuts_down {
            // An error means that the connection has ended.
            let _ = self.stream.io.close();
        }
    }
}

impl crate::io::Read for OwnedReadHalf {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.stream.io.poll_read(cx, buf)
    }

    fn poll_read_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        self.stream.io.poll_read_vectored(cx, bufs)
    }
}

impl crate::io::Write for OwnedWriteHalf {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.stream.io.poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.stream.io.poll_write_vectored(cx, bufs)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.shuts_down = false;
        Poll::Ready(self.stream.io.close())
    }
}

/// Two halves that belong to different connections: the error of [`OwnedReadHalf::reunite`].
///
/// # Examples
///
/// ```
/// use reveille::os::unix::net::{ReuniteError, UnixStream};
///
/// # fn main() -> std::io::Result<()> {
/// reveille::task::block_on(async {
///     let (client, stream) = UnixStream::pair()?;
///     let (reader, _writer) = stream.into_split();
///     let (_their_reader, their_writer) = client.into_split();
///     let ReuniteError(reader, their_writer) = reader.reunite(their_writer).unwrap_err();
///     # drop((reader, their_writer));
///     Ok(())
/// })
/// # }
/// ```
#[derive(Debug)]
pub struct ReuniteError(
    /// The half that reads.
    pub OwnedReadHalf,
    /// The half that writes.
    pub OwnedWriteHalf,
);

impl fmt::Display for ReuniteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the halves belong to different connections")
    }
}

impl std::error::Error for ReuniteError {}
