//! Reading bytes.

use std::io::IoSliceMut;

use super::futures::{
    ReadExactFuture, ReadFuture, ReadToEndFuture, ReadToStringFuture, ReadVectoredFuture,
};
use super::read_to_end::ReadToEnd;
use super::{Bytes, Chain, Take};

#[doc(inline)]
pub use futures_io::AsyncRead as Read;

/// The methods of everything that implements [`Read`].
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
pub trait ReadExt: Read {
    /// Reads some bytes into `buf`, and returns how many.
    ///
    /// Zero means that the reader has ended, or that `buf` is empty. Fewer bytes than `buf` holds
    /// mean nothing at all: ask again, or use [`read_exact`](ReadExt::read_exact).
    ///
    /// # Errors
    ///
    /// Those of the reader; no byte was read then.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no byte, as far as the reader itself keeps that promise; all those
    /// of this crate do.
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

    /// Reads some bytes into several buffers, one after the other, and returns how many.
    ///
    /// Sockets do this with one system call.
    ///
    /// # Errors
    ///
    /// As [`read`](ReadExt::read).
    ///
    /// # Cancel safety
    ///
    /// As [`read`](ReadExt::read).
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

    /// Appends everything up to the end of the reader to `buf`, and returns how many bytes that
    /// were.
    ///
    /// # Errors
    ///
    /// Those of the reader. What was read until then is in `buf`.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves what was read until then in `buf`; a second call goes on.
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
        let progress = ReadToEnd::new(buf);
        ReadToEndFuture { reader: self, buf, progress }
    }

    /// Appends everything up to the end of the reader to `buf`, and returns how many bytes that
    /// were.
    ///
    /// # Errors
    ///
    /// Those of the reader; what was read until then is in `buf`, up to the first byte that is not
    /// text. And `InvalidData` if the whole is not UTF-8; `buf` is unchanged then.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves what was read until then in `buf`, except the part of a character
    /// that was cut in two.
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
        let progress = ReadToEnd::new(&bytes);
        ReadToStringFuture { reader: self, buf, bytes, progress }
    }

    /// Fills the whole of `buf`.
    ///
    /// # Errors
    ///
    /// Those of the reader, and `UnexpectedEof` if it ends before; what `buf` then holds is not
    /// said.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses count of the bytes that were read into `buf` until then.
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

    /// Makes a reader that ends after `limit` bytes of this one, or when this one ends.
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

    /// Borrows the reader, so that an adapter can consume the loan instead of the reader.
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

    /// Turns the reader into a stream of its bytes.
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

    /// Makes a reader that goes on with `next` when this one has ended.
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
