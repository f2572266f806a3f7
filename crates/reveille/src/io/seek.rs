//! Seeking in a stream of bytes.

use std::io::SeekFrom;

use super::futures::SeekFuture;

#[doc(inline)]
pub use futures_io::AsyncSeek as Seek;

/// Methods for every [`Seek`].
///
/// # Examples
///
/// ```
/// use reveille::io::{Cursor, SeekFrom, prelude::*};
///
/// # fn main() -> reveille::io::Result<()> {
/// reveille::task::block_on(async {
///     let mut file = Cursor::new(b"header body".to_vec());
///     file.seek(SeekFrom::Start(7)).await?;
///     let mut body = String::new();
///     file.read_to_string(&mut body).await?;
///     assert_eq!(body, "body");
///     Ok(())
/// })
/// # }
/// ```
#[doc(alias = "AsyncSeekExt")]
pub trait SeekExt: Seek {
    /// Seeks to `pos` and returns the new position in bytes from the start.
    ///
    /// Positions after the end are allowed; the stream decides what reading or writing there does.
    ///
    /// # Errors
    ///
    /// The error of the stream; `InvalidInput` for a position before the start.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the position may or may not have changed.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::io::{Cursor, SeekFrom, prelude::*};
    ///
    /// # fn main() -> reveille::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let mut bytes = Cursor::new([0; 10]);
    ///     assert_eq!(bytes.seek(SeekFrom::End(-3)).await?, 7);
    ///     assert_eq!(bytes.seek(SeekFrom::Current(1)).await?, 8);
    ///     Ok(())
    /// })
    /// # }
    /// ```
    fn seek(&mut self, pos: SeekFrom) -> SeekFuture<'_, Self>
    where
        Self: Unpin,
    {
        SeekFuture { stream: self, pos }
    }
}

impl<T: Seek + ?Sized> SeekExt for T {}
