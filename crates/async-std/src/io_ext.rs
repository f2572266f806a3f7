//! async-std's I/O methods, without those that reveille has in addition: a program that also
//! imports the traits of another crate would find two methods of one name.

use std::fmt;

use reveille::io::futures::{
    FlushFuture, ReadExactFuture, ReadFuture, ReadToEndFuture, ReadToStringFuture,
    ReadVectoredFuture, WriteAllFuture, WriteFmtFuture, WriteFuture, WriteVectoredFuture,
};
use reveille::io::{Bytes, Chain, IoSlice, IoSliceMut, Read, Take, Write};

/// Methods for every [`Read`].
///
/// # Examples
///
/// ```
/// use async_std::io::{Cursor, prelude::*};
///
/// # fn main() -> async_std::io::Result<()> {
/// async_std::task::block_on(async {
///     let mut source = Cursor::new("answer=42");
///     let mut name = [0; 6];
///     source.read_exact(&mut name).await?;
///     assert_eq!(&name, b"answer");
///     Ok(())
/// })
/// # }
/// ```
#[doc(alias = "AsyncReadExt")]
pub trait ReadExt: Read {
    /// Reads some bytes into `buf` and returns the number of bytes.
    ///
    /// Zero means that the reader has ended, or that `buf` is empty. A short read is not the end of
    /// the reader: read again, or use [`read_exact`](ReadExt::read_exact).
    ///
    /// # Errors
    ///
    /// The error of the reader. No byte was read.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no byte if the reader guarantees that; all readers of this crate
    /// do.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::io::{Cursor, prelude::*};
    ///
    /// # fn main() -> async_std::io::Result<()> {
    /// async_std::task::block_on(async {
    ///     let mut source = Cursor::new(b"abc");
    ///     let mut buf = [0; 8];
    ///     assert_eq!(source.read(&mut buf).await?, 3);
    ///     assert_eq!(source.read(&mut buf).await?, 0);
    ///     Ok(())
    /// })
    /// # }
    /// ```
    fn read<'a>(&'a mut self, buf: &'a mut [u8]) -> ReadFuture<'a, Self>
    where
        Self: Unpin,
    {
        reveille::io::ReadExt::read(self, buf)
    }

    /// Reads some bytes into several buffers in order, and returns the number of bytes.
    ///
    /// Sockets do this in one system call.
    ///
    /// # Errors
    ///
    /// As for [`read`](ReadExt::read).
    ///
    /// # Cancel safety
    ///
    /// As for [`read`](ReadExt::read).
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::io::{Cursor, IoSliceMut, prelude::*};
    ///
    /// # fn main() -> async_std::io::Result<()> {
    /// async_std::task::block_on(async {
    ///     let (mut head, mut body) = ([0; 2], [0; 4]);
    ///     let mut bufs = [IoSliceMut::new(&mut head), IoSliceMut::new(&mut body)];
    ///     let n = Cursor::new(b"hibody").read_vectored(&mut bufs).await?;
    ///     assert_eq!((n, &head, &body), (6, b"hi", b"body"));
    ///     Ok(())
    /// })
    /// # }
    /// ```
    fn read_vectored<'a>(
        &'a mut self,
        bufs: &'a mut [IoSliceMut<'a>],
    ) -> ReadVectoredFuture<'a, Self>
    where
        Self: Unpin,
    {
        reveille::io::ReadExt::read_vectored(self, bufs)
    }

    /// Appends everything up to the end of the reader to `buf` and returns the number of bytes.
    ///
    /// # Errors
    ///
    /// The error of the reader. The bytes read before it are in `buf`.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the bytes read so far in `buf`. A second call continues.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::io::{Cursor, prelude::*};
    ///
    /// # fn main() -> async_std::io::Result<()> {
    /// async_std::task::block_on(async {
    ///     let mut all = b"<".to_vec();
    ///     assert_eq!(Cursor::new(b"abc").read_to_end(&mut all).await?, 3);
    ///     assert_eq!(all, b"<abc");
    ///     Ok(())
    /// })
    /// # }
    /// ```
    fn read_to_end<'a>(&'a mut self, buf: &'a mut Vec<u8>) -> ReadToEndFuture<'a, Self>
    where
        Self: Unpin,
    {
        reveille::io::ReadExt::read_to_end(self, buf)
    }

    /// Appends everything up to the end of the reader to `buf` and returns the number of bytes.
    ///
    /// # Errors
    ///
    /// The error of the reader; what was read before it is in `buf`, up to the first byte that is
    /// not text. `InvalidData` if the data is not UTF-8; `buf` is then unchanged.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves what was read so far in `buf`, except for a partial character at
    /// its end.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::io::{Cursor, prelude::*};
    ///
    /// # fn main() -> async_std::io::Result<()> {
    /// async_std::task::block_on(async {
    ///     let mut text = String::new();
    ///     Cursor::new("naïve").read_to_string(&mut text).await?;
    ///     assert_eq!(text, "naïve");
    ///     Ok(())
    /// })
    /// # }
    /// ```
    fn read_to_string<'a>(&'a mut self, buf: &'a mut String) -> ReadToStringFuture<'a, Self>
    where
        Self: Unpin,
    {
        reveille::io::ReadExt::read_to_string(self, buf)
    }

    /// Fills `buf` completely.
    ///
    /// # Errors
    ///
    /// The error of the reader, and `UnexpectedEof` if it ends early. The contents of `buf` are
    /// then unspecified.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the number of bytes that were read into `buf` is unknown.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::io::{Cursor, ErrorKind, prelude::*};
    ///
    /// # fn main() -> async_std::io::Result<()> {
    /// async_std::task::block_on(async {
    ///     let mut source = Cursor::new(b"abc");
    ///     let mut two = [0; 2];
    ///     source.read_exact(&mut two).await?;
    ///     assert_eq!(&two, b"ab");
    ///     let error = source.read_exact(&mut two).await.unwrap_err();
    ///     assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    ///     Ok(())
    /// })
    /// # }
    /// ```
    fn read_exact<'a>(&'a mut self, buf: &'a mut [u8]) -> ReadExactFuture<'a, Self>
    where
        Self: Unpin,
    {
        reveille::io::ReadExt::read_exact(self, buf)
    }

    /// Returns a reader that ends after `limit` bytes of this one, or when this one ends.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::io::{self, prelude::*};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// async_std::task::block_on(async {
    ///     let mut zeros = Vec::new();
    ///     io::repeat(0).take(3).read_to_end(&mut zeros).await?;
    ///     assert_eq!(zeros, [0, 0, 0]);
    ///     Ok(())
    /// })
    /// # }
    /// ```
    fn take(self, limit: u64) -> Take<Self>
    where
        Self: Sized,
    {
        reveille::io::ReadExt::take(self, limit)
    }

    /// Borrows the reader, so that an adapter can take the borrow by value.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::io::{Cursor, prelude::*};
    ///
    /// # fn main() -> async_std::io::Result<()> {
    /// async_std::task::block_on(async {
    ///     let mut source = Cursor::new("headbody");
    ///     let (mut head, mut body) = (String::new(), String::new());
    ///     source.by_ref().take(4).read_to_string(&mut head).await?;
    ///     source.read_to_string(&mut body).await?;
    ///     assert_eq!((&head[..], &body[..]), ("head", "body"));
    ///     Ok(())
    /// })
    /// # }
    /// ```
    fn by_ref(&mut self) -> &mut Self
    where
        Self: Sized,
    {
        reveille::io::ReadExt::by_ref(self)
    }

    /// Converts the reader into a stream of its bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::io::{Cursor, prelude::*};
    /// use async_std::prelude::*;
    ///
    /// # fn main() -> async_std::io::Result<()> {
    /// async_std::task::block_on(async {
    ///     let mut bytes = Cursor::new("xy").bytes();
    ///     assert_eq!(bytes.next().await.transpose()?, Some(b'x'));
    ///     Ok(())
    /// })
    /// # }
    /// ```
    fn bytes(self) -> Bytes<Self>
    where
        Self: Sized,
    {
        reveille::io::ReadExt::bytes(self)
    }

    /// Returns a reader that continues with `next` when this one has ended.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::io::{Cursor, prelude::*};
    ///
    /// # fn main() -> async_std::io::Result<()> {
    /// async_std::task::block_on(async {
    ///     let mut text = String::new();
    ///     Cursor::new("two ").chain(Cursor::new("halves")).read_to_string(&mut text).await?;
    ///     assert_eq!(text, "two halves");
    ///     Ok(())
    /// })
    /// # }
    /// ```
    fn chain<R: Read>(self, next: R) -> Chain<Self, R>
    where
        Self: Sized,
    {
        reveille::io::ReadExt::chain(self, next)
    }
}

impl<T: Read + ?Sized> ReadExt for T {}

/// Methods for every [`Write`].
///
/// # Examples
///
/// ```
/// use async_std::io::prelude::*;
///
/// # fn main() -> async_std::io::Result<()> {
/// async_std::task::block_on(async {
///     let mut page = Vec::new();
///     page.write_all(b"<h1>").await?;
///     write!(page, "{}", 6 * 7).await?;
///     page.write_all(b"</h1>").await?;
///     assert_eq!(page, b"<h1>42</h1>");
///     Ok(())
/// })
/// # }
/// ```
#[doc(alias = "AsyncWriteExt")]
pub trait WriteExt: Write {
    /// Writes some bytes from the front of `buf` and returns the number of bytes.
    ///
    /// Zero means that the writer accepts no more, or that `buf` is empty. Most callers want
    /// [`write_all`](WriteExt::write_all).
    ///
    /// # Errors
    ///
    /// The error of the writer. No byte was written.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it completes, a socket has accepted no byte. A writer that
    /// works on another thread, such as standard output, may have accepted some.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::io::{Cursor, prelude::*};
    ///
    /// # fn main() -> async_std::io::Result<()> {
    /// async_std::task::block_on(async {
    ///     let mut room = [0; 2];
    ///     assert_eq!(Cursor::new(&mut room[..]).write(b"abc").await?, 2);
    ///     assert_eq!(&room, b"ab");
    ///     Ok(())
    /// })
    /// # }
    /// ```
    fn write<'a>(&'a mut self, buf: &'a [u8]) -> WriteFuture<'a, Self>
    where
        Self: Unpin,
    {
        reveille::io::WriteExt::write(self, buf)
    }

    /// Flushes the writer and every buffer in front of it.
    ///
    /// # Errors
    ///
    /// The error of the writer.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing. A second call continues.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::io::{BufWriter, prelude::*};
    ///
    /// # fn main() -> async_std::io::Result<()> {
    /// async_std::task::block_on(async {
    ///     let mut writer = BufWriter::new(Vec::new());
    ///     writer.write_all(b"held back").await?;
    ///     assert!(writer.get_ref().is_empty());
    ///     writer.flush().await?;
    ///     assert_eq!(writer.get_ref(), b"held back");
    ///     Ok(())
    /// })
    /// # }
    /// ```
    fn flush(&mut self) -> FlushFuture<'_, Self>
    where
        Self: Unpin,
    {
        reveille::io::WriteExt::flush(self)
    }

    /// Writes some bytes from several buffers in order, and returns the number of bytes.
    ///
    /// Sockets do this in one system call.
    ///
    /// # Errors
    ///
    /// As for [`write`](WriteExt::write).
    ///
    /// # Cancel safety
    ///
    /// As for [`write`](WriteExt::write).
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::io::{IoSlice, prelude::*};
    ///
    /// # fn main() -> async_std::io::Result<()> {
    /// async_std::task::block_on(async {
    ///     let mut packet = Vec::new();
    ///     let parts = [IoSlice::new(b"head "), IoSlice::new(b"body")];
    ///     assert_eq!(packet.write_vectored(&parts).await?, 9);
    ///     assert_eq!(packet, b"head body");
    ///     Ok(())
    /// })
    /// # }
    /// ```
    fn write_vectored<'a>(&'a mut self, bufs: &'a [IoSlice<'a>]) -> WriteVectoredFuture<'a, Self>
    where
        Self: Unpin,
    {
        reveille::io::WriteExt::write_vectored(self, bufs)
    }

    /// Writes all of `buf`.
    ///
    /// # Errors
    ///
    /// The error of the writer, and `WriteZero` if it accepts no more. The number of bytes written
    /// is then unknown.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the number of bytes written is unknown.
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::io::prelude::*;
    ///
    /// # fn main() -> async_std::io::Result<()> {
    /// async_std::task::block_on(async {
    ///     let mut page = Vec::new();
    ///     page.write_all(b"everything").await?;
    ///     assert_eq!(page, b"everything");
    ///     Ok(())
    /// })
    /// # }
    /// ```
    fn write_all<'a>(&'a mut self, buf: &'a [u8]) -> WriteAllFuture<'a, Self>
    where
        Self: Unpin,
    {
        reveille::io::WriteExt::write_all(self, buf)
    }

    /// Writes formatted text, then flushes the writer.
    ///
    /// std's `write!(writer, "…").await` and `writeln!` call this. The text is formatted by the
    /// call, before the first poll. The arguments are temporaries that live until the end of the
    /// await, and are not `Send`: in a spawned task, call `format!` first and then `write_all`.
    ///
    /// # Errors
    ///
    /// As for [`write_all`](WriteExt::write_all), and `Other` if an argument fails to format
    /// itself.
    ///
    /// # Cancel safety
    ///
    /// As for [`write_all`](WriteExt::write_all).
    ///
    /// # Examples
    ///
    /// ```
    /// use async_std::io::prelude::*;
    ///
    /// # fn main() -> async_std::io::Result<()> {
    /// async_std::task::block_on(async {
    ///     let mut page = Vec::new();
    ///     writeln!(page, "{:>4}", 42).await?;
    ///     assert_eq!(page, b"  42\n");
    ///     Ok(())
    /// })
    /// # }
    /// ```
    fn write_fmt<'a>(&'a mut self, fmt: fmt::Arguments<'_>) -> WriteFmtFuture<'a, Self>
    where
        Self: Unpin,
    {
        reveille::io::WriteExt::write_fmt(self, fmt)
    }
}

impl<T: Write + ?Sized> WriteExt for T {}
