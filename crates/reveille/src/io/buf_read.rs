//! Reading lines and other delimited pieces from a buffered reader.

use super::futures::{ReadLineFuture, ReadUntilFuture};
use super::{Lines, Split};

#[doc(inline)]
pub use futures_io::AsyncBufRead as BufRead;

/// Methods for every [`BufRead`].
///
/// # Examples
///
/// ```
/// use reveille::io::{BufReader, prelude::*};
/// use reveille::prelude::*;
///
/// # fn main() -> reveille::io::Result<()> {
/// reveille::task::block_on(async {
///     let source: &[u8] = b"one\ntwo\n";
///     let mut lines = BufReader::new(source).lines();
///     let mut count = 0;
///     while let Some(line) = lines.next().await {
///         count += line?.len();
///     }
///     assert_eq!(count, 6);
///     Ok(())
/// })
/// # }
/// ```
#[doc(alias = "AsyncBufReadExt")]
pub trait BufReadExt: BufRead {
    /// Appends to `buf` up to and including the first `byte`, or up to the end of the reader, and
    /// returns the number of bytes.
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
    ///     let mut source = Cursor::new(b"key=value");
    ///     let mut key = Vec::new();
    ///     assert_eq!(source.read_until(b'=', &mut key).await?, 4);
    ///     assert_eq!(key, b"key=");
    ///     Ok(())
    /// })
    /// # }
    /// ```
    fn read_until<'a>(&'a mut self, byte: u8, buf: &'a mut Vec<u8>) -> ReadUntilFuture<'a, Self>
    where
        Self: Unpin,
    {
        ReadUntilFuture { reader: self, byte, buf, read: 0 }
    }

    /// Appends a line with its `\n` to `buf` and returns its length in bytes.
    ///
    /// Zero means that the reader has ended. The last line may lack the `\n`.
    ///
    /// # Errors
    ///
    /// The error of the reader; what was read before it is in `buf`, up to the first byte that is
    /// not text. `InvalidData` if the line is not UTF-8; the line is then lost and `buf` is
    /// unchanged.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves what was read of the line in `buf`, except for a partial
    /// character at its end. A second call continues.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::io::{Cursor, prelude::*};
    ///
    /// # fn main() -> reveille::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let mut source = Cursor::new("one\ntwo");
    ///     let mut line = String::new();
    ///     assert_eq!(source.read_line(&mut line).await?, 4);
    ///     assert_eq!(source.read_line(&mut line).await?, 3);
    ///     assert_eq!(line, "one\ntwo");
    ///     Ok(())
    /// })
    /// # }
    /// ```
    fn read_line<'a>(&'a mut self, buf: &'a mut String) -> ReadLineFuture<'a, Self>
    where
        Self: Unpin,
    {
        ReadLineFuture { reader: self, buf, bytes: Vec::new(), read: 0 }
    }

    /// Converts the reader into a stream of its lines, without line endings.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::io::{Cursor, prelude::*};
    /// use reveille::prelude::*;
    ///
    /// # fn main() -> reveille::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let mut lines = Cursor::new("first\nsecond").lines();
    ///     assert_eq!(lines.next().await.transpose()?.as_deref(), Some("first"));
    ///     Ok(())
    /// })
    /// # }
    /// ```
    fn lines(self) -> Lines<Self>
    where
        Self: Unpin + Sized,
    {
        Lines::new(self)
    }

    /// Converts the reader into a stream of the pieces between occurrences of `byte`.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::io::{Cursor, prelude::*};
    /// use reveille::prelude::*;
    ///
    /// # fn main() -> reveille::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let mut fields = Cursor::new("a,b").split(b',');
    ///     assert_eq!(fields.next().await.transpose()?, Some(b"a".to_vec()));
    ///     Ok(())
    /// })
    /// # }
    /// ```
    fn split(self, byte: u8) -> Split<Self>
    where
        Self: Sized,
    {
        Split::new(self, byte)
    }
}

impl<T: BufRead + ?Sized> BufReadExt for T {}
