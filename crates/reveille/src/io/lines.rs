//! A buffered reader as a stream of lines or pieces.

use std::io::{self, BufRead as _};
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use pin_project_lite::pin_project;

use super::BufRead;
use super::futures::not_text;

pin_project! {
    /// A stream of the lines of a reader. Created by
    /// [`BufReadExt::lines`](super::BufReadExt::lines).
    ///
    /// Lines end with `\n` or `\r\n`, which is removed. The last line may lack it.
    ///
    /// # Errors
    ///
    /// A line that is not UTF-8 gives an error of kind `InvalidData`, and the next item is the next
    /// line. After any other error, the partial line is kept for the next item.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::io::{self, prelude::*};
    /// use reveille::prelude::*;
    ///
    /// # fn main() -> io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let mut lines: io::Lines<_> = io::Cursor::new("one\r\ntwo").lines();
    ///     assert_eq!(lines.next().await.transpose()?.as_deref(), Some("one"));
    ///     assert_eq!(lines.next().await.transpose()?.as_deref(), Some("two"));
    ///     assert_eq!(lines.next().await.transpose()?, None);
    ///     Ok(())
    /// })
    /// # }
    /// ```
    #[derive(Debug)]
    #[must_use = "streams do nothing unless polled"]
    pub struct Lines<R> {
        #[pin]
        reader: R,
        bytes: Vec<u8>,
    }
}

impl<R> Lines<R> {
    pub(super) fn new(reader: R) -> Lines<R> {
        Lines { reader, bytes: Vec::new() }
    }
}

impl<R: BufRead> Stream for Lines<R> {
    type Item = io::Result<String>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.project();
        if !ready!(poll_piece(this.reader, cx, b'\n', this.bytes))? {
            return Poll::Ready(None);
        }
        let mut line = mem::take(this.bytes);
        if line.pop_if(|byte| *byte == b'\n').is_some() {
            line.pop_if(|byte| *byte == b'\r');
        }
        Poll::Ready(Some(String::from_utf8(line).map_err(|_| not_text())))
    }
}

pin_project! {
    /// A stream of the pieces of a reader between delimiters. Created by
    /// [`BufReadExt::split`](super::BufReadExt::split).
    ///
    /// The delimiter is removed. The last piece may lack it.
    ///
    /// # Errors
    ///
    /// After an error, the partial piece is kept for the next item.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::io::{self, prelude::*};
    /// use reveille::prelude::*;
    ///
    /// # fn main() -> io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let mut fields: io::Split<_> = io::Cursor::new("a;b").split(b';');
    ///     assert_eq!(fields.next().await.transpose()?, Some(b"a".to_vec()));
    ///     assert_eq!(fields.next().await.transpose()?, Some(b"b".to_vec()));
    ///     assert_eq!(fields.next().await.transpose()?, None);
    ///     Ok(())
    /// })
    /// # }
    /// ```
    #[derive(Debug)]
    #[must_use = "streams do nothing unless polled"]
    pub struct Split<R> {
        #[pin]
        reader: R,
        bytes: Vec<u8>,
        delimiter: u8,
    }
}

impl<R> Split<R> {
    pub(super) fn new(reader: R, delimiter: u8) -> Split<R> {
        Split { reader, bytes: Vec::new(), delimiter }
    }
}

impl<R: BufRead> Stream for Split<R> {
    type Item = io::Result<Vec<u8>>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.project();
        let delimiter = *this.delimiter;
        if !ready!(poll_piece(this.reader, cx, delimiter, this.bytes))? {
            return Poll::Ready(None);
        }
        let mut piece = mem::take(this.bytes);
        piece.pop_if(|byte| *byte == delimiter);
        Poll::Ready(Some(Ok(piece)))
    }
}

/// Completes the piece in `bytes`. False if the reader has ended and there is no piece.
fn poll_piece<R: BufRead + ?Sized>(
    reader: Pin<&mut R>,
    cx: &mut Context<'_>,
    delimiter: u8,
    bytes: &mut Vec<u8>,
) -> Poll<io::Result<bool>> {
    ready!(poll_read_until(reader, cx, delimiter, bytes, &mut 0))?;
    Poll::Ready(Ok(!bytes.is_empty()))
}

/// Appends to `bytes` up to and including the delimiter, or to the end. `read` counts the appended
/// bytes.
pub(super) fn poll_read_until<R: BufRead + ?Sized>(
    mut reader: Pin<&mut R>,
    cx: &mut Context<'_>,
    delimiter: u8,
    bytes: &mut Vec<u8>,
    read: &mut usize,
) -> Poll<io::Result<()>> {
    loop {
        let mut available = match ready!(reader.as_mut().poll_fill_buf(cx)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            result => result?,
        };
        // A slice is a reader too, and std's search through it is the fastest.
        let used = available.read_until(delimiter, bytes)?;
        reader.as_mut().consume(used);
        *read += used;
        if used == 0 || bytes.last() == Some(&delimiter) {
            return Poll::Ready(Ok(()));
        }
    }
}
