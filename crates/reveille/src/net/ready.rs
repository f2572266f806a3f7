//! Waiting for a connection without reading or writing, and attempts that do not wait: the methods
//! that `TcpStream` and `UnixStream` share.

/// Implements these methods for a stream whose field `io` is a
/// [`Connection`](super::connection::Connection).
///
/// `$uses` and `$pair` complete the examples, as for `impl_halves`. `$batched` is a paragraph about
/// batched reads, if the stream has them.
macro_rules! impl_ready {
    ($stream:ident, $uses:ident, $pair:ident $(, $batched:literal)*) => {
        impl $stream {
            /// Waits until a read would return at once, with bytes, the end or an error.
            ///
            /// A task that waits like this needs no buffer yet. If other tasks read from the
            /// connection, the bytes may be gone when this returns: a
            /// [`read`](crate::io::ReadExt::read) waits again, and [`try_read`](Self::try_read)
            /// fails with `WouldBlock`.
            $(#[doc = $batched])*
            ///
            /// # Errors
            ///
            /// The system's error, if the socket cannot be registered.
            ///
            /// # Cancel safety
            ///
            /// Nothing is lost.
            ///
            /// # Examples
            ///
            /// ```
            /// use reveille::io::prelude::*;
            #[doc = $uses!("")]
            ///
            /// # fn main() -> std::io::Result<()> {
            /// reveille::task::block_on(async {
            #[doc = $pair!("mut client", "stream")]
            ///     client.write_all(b"ping").await?;
            ///
            ///     stream.readable().await?;
            ///     let mut buf = [0; 4];
            ///     assert_eq!(stream.try_read(&mut buf)?, 4);
            ///     Ok(())
            /// })
            /// # }
            /// ```
            pub async fn readable(&self) -> io::Result<()> {
                self.io.ready(Interest::Read).await
            }

            /// Waits until a write would return at once: there is room in the send buffer, or an
            /// error.
            ///
            /// # Errors
            ///
            /// The system's error, if the socket cannot be registered.
            ///
            /// # Cancel safety
            ///
            /// Nothing is lost.
            ///
            /// # Examples
            ///
            /// ```
            #[doc = $uses!("")]
            ///
            /// # fn main() -> std::io::Result<()> {
            /// reveille::task::block_on(async {
            #[doc = $pair!("client", "stream")]
            ///     stream.writable().await?;
            ///     assert_eq!(stream.try_write(b"pong")?, 4);
            ///     # drop(client);
            ///     Ok(())
            /// })
            /// # }
            /// ```
            pub async fn writable(&self) -> io::Result<()> {
                self.io.ready(Interest::Write).await
            }

            /// Waits until the peer has closed its side of the connection, or the connection has
            /// failed.
            ///
            /// Use it to stop work for a client that has left. On Linux and Android this returns
            /// even if bytes before the end are unread, and takes neither the bytes nor the error.
            /// On other systems it returns only after they have been read. The peer may still read:
            /// in some protocols a client closes its write side at the end of each request. If you
            /// shut down the read side of this stream, this returns too.
            ///
            /// # Errors
            ///
            /// The system's error, if the socket cannot be registered. On systems other than Linux
            /// and Android also the error of the connection.
            ///
            /// # Cancel safety
            ///
            /// Nothing is lost.
            ///
            /// # Examples
            ///
            /// ```
            /// use reveille::io::prelude::*;
            #[doc = $uses!("")]
            ///
            /// # fn main() -> std::io::Result<()> {
            /// reveille::task::block_on(async {
            #[doc = $pair!("mut client", "mut stream")]
            ///     client.write_all(b"and good bye").await?;
            ///     drop(client);
            ///
            ///     # #[cfg(target_os = "linux")]
            ///     stream.closed().await?;
            ///     let mut text = String::new();
            ///     stream.read_to_string(&mut text).await?;
            ///     assert_eq!(text, "and good bye");
            ///     Ok(())
            /// })
            /// # }
            /// ```
            #[doc(alias = "EPOLLRDHUP")]
            pub async fn closed(&self) -> io::Result<()> {
                self.io.closed().await
            }

            /// Reads into `buf` without waiting, and returns the number of bytes. Zero means that
            /// the peer has closed its side, or that `buf` is empty.
            ///
            /// # Errors
            ///
            /// `WouldBlock` if there is nothing to read, and the system's error.
            ///
            /// # Examples
            ///
            /// ```
            #[doc = $uses!("")]
            ///
            /// # fn main() -> std::io::Result<()> {
            /// reveille::task::block_on(async {
            #[doc = $pair!("client", "stream")]
            ///     let mut buf = [0; 8];
            ///     let error = stream.try_read(&mut buf).unwrap_err();
            ///     assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
            ///     # drop(client);
            ///     Ok(())
            /// })
            /// # }
            /// ```
            pub fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
                self.io.try_read(buf)
            }

            /// Writes what fits into the send buffer without waiting, and returns the number of
            /// bytes.
            ///
            /// # Errors
            ///
            /// `WouldBlock` if there is no room, and the system's error, such as `BrokenPipe`.
            ///
            /// # Examples
            ///
            /// ```
            /// use reveille::io::prelude::*;
            #[doc = $uses!("")]
            ///
            /// # fn main() -> std::io::Result<()> {
            /// reveille::task::block_on(async {
            #[doc = $pair!("mut client", "stream")]
            ///     assert_eq!(stream.try_write(b"pong")?, 4);
            ///     let mut buf = [0; 4];
            ///     client.read(&mut buf).await?;
            ///     assert_eq!(&buf, b"pong");
            ///     Ok(())
            /// })
            /// # }
            /// ```
            pub fn try_write(&self, buf: &[u8]) -> io::Result<usize> {
                self.io.try_write(buf)
            }
        }
    };
}
pub(crate) use impl_ready;
