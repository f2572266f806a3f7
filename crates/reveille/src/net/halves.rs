//! The owned halves of a `TcpStream` or `UnixStream`. They share the connection as clones do;
//! only the drop of the write half differs.

/// Declares the halves of a stream whose field `io` is a
/// [`Connection`](super::connection::Connection).
///
/// `$uses` and `$pair` are macros that complete the examples, with which rustdoc shows how the
/// stream at hand is made. `$uses` takes the names to import in addition, `$pair` the patterns for
/// the two ends of a connection.
macro_rules! impl_halves {
    ($stream:ident, $uses:ident, $pair:ident) => {
        impl $stream {
            /// Splits the connection into a half that reads and a half that writes, each owned.
            ///
            #[doc = concat!("A clone, or `&", stringify!($stream), "`, can do the same.")]
            /// The halves say in their types which task does what, and **dropping the write half
            /// shuts the write side down**, so the peer reads to the end, as in tokio. The
            /// connection is closed when both halves, and all clones, are dropped.
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
            ///     let (mut reader, mut writer) = stream.into_split();
            ///     let sending =
            ///         reveille::task::spawn(async move { writer.write_all(b"ping").await });
            ///
            ///     let mut text = String::new();
            ///     client.read_to_string(&mut text).await?; // the write half was dropped
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

        #[doc = concat!("The half of a [`", stringify!($stream), "`] that reads.")]
        #[doc = concat!("Made by [`", stringify!($stream), "::into_split`].")]
        ///
        /// # Cancel safety
        ///
        #[doc = concat!("As for [`", stringify!($stream), "`].")]
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
            stream: $stream,
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
            #[doc = $uses!("")]
            ///
            /// # fn main() -> std::io::Result<()> {
            /// reveille::task::block_on(async {
            #[doc = $pair!("client", "stream")]
            ///     let (reader, writer) = stream.into_split();
            ///     let (their_reader, their_writer) = client.into_split();
            ///     let error = reader.reunite(their_writer).unwrap_err();
            ///     let stream = error.0.reunite(writer).unwrap();
            ///     # drop((stream, their_reader, error.1));
            ///     Ok(())
            /// })
            /// # }
            /// ```
            pub fn reunite(self, writer: OwnedWriteHalf) -> Result<$stream, ReuniteError> {
                if !self.stream.io.is_same(&writer.stream.io) {
                    return Err(ReuniteError(self, writer));
                }
                writer.forget();
                Ok(self.stream)
            }
        }

        impl AsRef<$stream> for OwnedReadHalf {
            fn as_ref(&self) -> &$stream {
                &self.stream
            }
        }

        #[doc = concat!("The half of a [`", stringify!($stream), "`] that writes.")]
        #[doc = concat!("Made by [`", stringify!($stream), "::into_split`].")]
        ///
        /// Dropping it shuts the write side down, for all clones of the stream. Bytes that were
        /// written before still arrive. [`close`](crate::io::WriteExt::close) does the same and
        /// returns the error; [`forget`](OwnedWriteHalf::forget) leaves the write side open.
        ///
        /// # Cancel safety
        ///
        #[doc = concat!("As for [`", stringify!($stream), "`].")]
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
            stream: $stream,
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
            #[doc = $uses!("")]
            ///
            /// # fn main() -> std::io::Result<()> {
            /// reveille::task::block_on(async {
            #[doc = $pair!("client", "stream")]
            ///     let (reader, writer) = stream.into_split();
            ///     let stream = writer.reunite(reader).unwrap();
            ///     # drop((stream, client));
            ///     Ok(())
            /// })
            /// # }
            /// ```
            pub fn reunite(self, reader: OwnedReadHalf) -> Result<$stream, ReuniteError> {
                reader.reunite(self)
            }

            /// Drops the half without shutting the write side down. A clone of the stream can still
            /// write.
            ///
            /// # Examples
            ///
            /// ```
            /// use reveille::io::prelude::*;
            #[doc = $uses!("")]
            ///
            /// # fn main() -> std::io::Result<()> {
            /// reveille::task::block_on(async {
            #[doc = $pair!("client", "stream")]
            ///     let (reader, writer) = stream.into_split();
            ///     writer.forget();
            #[doc = concat!("    let mut clone: &", stringify!($stream), " = reader.as_ref();")]
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

        impl AsRef<$stream> for OwnedWriteHalf {
            fn as_ref(&self) -> &$stream {
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

        /// Two halves that belong to different connections: the error of
        /// [`OwnedReadHalf::reunite`].
        ///
        /// Its text is `the halves belong to different connections`.
        ///
        /// # Examples
        ///
        /// ```
        #[doc = $uses!("ReuniteError, ")]
        ///
        /// # fn main() -> std::io::Result<()> {
        /// reveille::task::block_on(async {
        #[doc = $pair!("client", "stream")]
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

        impl std::fmt::Display for ReuniteError {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("the halves belong to different connections")
            }
        }

        impl std::error::Error for ReuniteError {}
    };
}
pub(crate) use impl_halves;
