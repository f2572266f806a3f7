//! Reading bytes.

use std::io::IoSliceMut;

use super::futures::{
    ReadBufFuture, ReadExactFuture, ReadFuture, ReadToEndFuture, ReadToStringFuture,
    ReadVectoredFuture,
};
use super::read_to_end::{ReadToEnd, Target};
use super::{Bytes, Chain, Take};

#[doc(inline)]
pub use futures_io::AsyncRead as Read;

/// Methods for every [`Read`].
///
/// # Examples
///
/// ```
/// use reveille::io::{Cursor, prelude::*};
///
/// # fn main() -> reveille::io::Result<()> {
/// reveille::task::block_on(async {
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
    /// use reveille::io::{Cursor, prelude::*};
    ///
    /// # fn main() -> reveille::io::Result<()> {
    /// reveille::task::block_on(async {
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
        ReadFuture { reader: self, buf }
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
    /// use reveille::io::{Cursor, IoSliceMut, prelude::*};
    ///
    /// # fn main() -> reveille::io::Result<()> {
    /// reveille::task::block_on(async {
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
        ReadVectoredFuture { reader: self, bufs }
    }

    /// Appends some bytes to `buf` and returns the number of bytes: at most as many as its spare
    /// capacity holds. If it has none, it grows first, by 8 KiB or more.
    ///
    /// Zero means that the reader has ended. Reading from a socket of this crate does not zero the
    /// spare capacity first.
    ///
    /// # Errors
    ///
    /// The error of the reader. No byte was read.
    ///
    /// # Cancel safety
    ///
    /// As for [`read`](ReadExt::read).
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::io::{Cursor, prelude::*};
    ///
    /// # fn main() -> reveille::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let mut buf = Vec::with_capacity(16);
    ///     let mut source = Cursor::new(b"abc");
    ///     assert_eq!(source.read_buf(&mut buf).await?, 3);
    ///     assert_eq!(buf, b"abc");
    ///     assert_eq!(source.read_buf(&mut buf).await?, 0);
    ///     Ok(())
    /// })
    /// # }
    /// ```
    fn read_buf<'a>(&'a mut self, buf: &'a mut Vec<u8>) -> ReadBufFuture<'a, Self>
    where
        Self: Unpin,
    {
        ReadBufFuture { reader: self, reading: ReadToEnd::once(Target::Borrowed(buf)) }
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
    /// use reveille::io::{Cursor, prelude::*};
    ///
    /// # fn main() -> reveille::io::Result<()> {
    /// reveille::task::block_on(async {
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
        ReadToEndFuture { reader: self, reading: ReadToEnd::new(Target::Borrowed(buf)) }
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
    /// use reveille::io::{Cursor, prelude::*};
    ///
    /// # fn main() -> reveille::io::Result<()> {
    /// reveille::task::block_on(async {
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
        let bytes = Vec::with_capacity(if buf.is_empty() { buf.capacity() } else { 0 });
        let reading = ReadToEnd::new(Target::Owned(bytes));
        ReadToStringFuture { reader: self, buf, reading }
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
    /// use reveille::io::{Cursor, ErrorKind, prelude::*};
    ///
    /// # fn main() -> reveille::io::Result<()> {
    /// reveille::task::block_on(async {
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
        ReadExactFuture { reader: self, buf, filled: 0 }
    }

    /// Returns a reader that ends after `limit` bytes of this one, or when this one ends.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::io::{self, prelude::*};
    ///
    /// # fn main() -> io::Result<()> {
    /// reveille::task::block_on(async {
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
        futures_lite::AsyncReadExt::take(self, limit)
    }

    /// Borrows the reader, so that an adapter can take the borrow by value.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::io::{Cursor, prelude::*};
    ///
    /// # fn main() -> reveille::io::Result<()> {
    /// reveille::task::block_on(async {
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
        self
    }

    /// Converts the reader into a stream of its bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::io::{Cursor, prelude::*};
    /// use reveille::prelude::*;
    ///
    /// # fn main() -> reveille::io::Result<()> {
    /// reveille::task::block_on(async {
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
        Bytes { reader: self }
    }

    /// Returns a reader that continues with `next` when this one has ended.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::io::{Cursor, prelude::*};
    ///
    /// # fn main() -> reveille::io::Result<()> {
    /// reveille::task::block_on(async {
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
        futures_lite::AsyncReadExt::chain(self, next)
    }
}

impl<T: Read + ?Sized> ReadExt for T {}
