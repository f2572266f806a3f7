//! A buffered reader.

use std::fmt;
use std::io::{self, IoSliceMut, Read as _, SeekFrom};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::{BufRead, DEFAULT_BUFFER_LEN, Read, Seek};

pin_project! {
    /// Adds a buffer to a reader, so that small reads do not each cost a system call.
    ///
    /// A read of at least the buffer's size bypasses an empty buffer. The contents of the buffer
    /// are lost when it is dropped or unwrapped with [`into_inner`](BufReader::into_inner).
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::io::{BufReader, prelude::*};
    ///
    /// # fn main() -> reveille::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let source: &[u8] = b"PING\r\nPONG\r\n";
    ///     let mut reader = BufReader::new(source);
    ///     let mut line = String::new();
    ///     reader.read_line(&mut line).await?;
    ///     assert_eq!(line, "PING\r\n");
    ///     assert_eq!(reader.buffer(), b"PONG\r\n");
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub struct BufReader<R> {
        #[pin]
        reader: R,
        buf: Box<[u8]>,
        start: usize,
        end: usize,
    }
}

impl<R: Read> BufReader<R> {
    /// Creates a buffered reader with a buffer of 8 KiB.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::io::BufReader;
    ///
    /// let reader = BufReader::new(&b"text"[..]);
    /// assert!(reader.buffer().is_empty());
    /// ```
    pub fn new(reader: R) -> BufReader<R> {
        BufReader::with_capacity(DEFAULT_BUFFER_LEN, reader)
    }

    /// Creates a buffered reader with a buffer of `capacity` bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::io::BufReader;
    ///
    /// let reader = BufReader::with_capacity(64 * 1024, &b"text"[..]);
    /// assert_eq!(reader.get_ref(), &b"text");
    /// ```
    pub fn with_capacity(capacity: usize, reader: R) -> BufReader<R> {
        BufReader { reader, buf: vec![0; capacity].into_boxed_slice(), start: 0, end: 0 }
    }
}

impl<R> BufReader<R> {
    /// Returns a reference to the inner reader.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::io::BufReader;
    ///
    /// let reader = BufReader::new(&b"text"[..]);
    /// assert_eq!(reader.get_ref().len(), 4);
    /// ```
    pub fn get_ref(&self) -> &R {
        &self.reader
    }

    /// Returns a mutable reference to the inner reader. Reading from it skips what is buffered.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::io::{BufReader, Cursor};
    ///
    /// let mut reader = BufReader::new(Cursor::new("text"));
    /// reader.get_mut().set_position(2);
    /// ```
    pub fn get_mut(&mut self) -> &mut R {
        &mut self.reader
    }

    /// Returns the bytes that are in the buffer.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::io::{BufReader, prelude::*};
    ///
    /// # fn main() -> reveille::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let mut reader = BufReader::new(&b"text"[..]);
    ///     reader.read(&mut [0; 1]).await?;
    ///     assert_eq!(reader.buffer(), b"ext");
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub fn buffer(&self) -> &[u8] {
        &self.buf[self.start..self.end]
    }

    /// Returns the inner reader. The contents of the buffer are lost.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::io::BufReader;
    ///
    /// assert_eq!(BufReader::new(&b"text"[..]).into_inner(), b"text");
    /// ```
    pub fn into_inner(self) -> R {
        self.reader
    }

    fn discard(self: Pin<&mut Self>) {
        let this = self.project();
        *this.start = 0;
        *this.end = 0;
    }
}

impl<R: Read> Read for BufReader<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        if self.start == self.end && buf.len() >= self.buf.len() {
            return self.project().reader.poll_read(cx, buf);
        }
        let n = ready!(self.as_mut().poll_fill_buf(cx))?.read(buf)?;
        self.consume(n);
        Poll::Ready(Ok(n))
    }

    fn poll_read_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        let total = bufs.iter().map(|buf| buf.len()).fold(0, usize::saturating_add);
        if self.start == self.end && total >= self.buf.len() {
            return self.project().reader.poll_read_vectored(cx, bufs);
        }
        let n = ready!(self.as_mut().poll_fill_buf(cx))?.read_vectored(bufs)?;
        self.consume(n);
        Poll::Ready(Ok(n))
    }
}

impl<R: Read> BufRead for BufReader<R> {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.project();
        if *this.start == *this.end {
            let n = ready!(this.reader.poll_read(cx, this.buf))?;
            assert!(n <= this.buf.len(), "a reader returned more bytes than it was lent");
            *this.start = 0;
            *this.end = n;
        }
        Poll::Ready(Ok(&this.buf[*this.start..*this.end]))
    }

    fn consume(self: Pin<&mut Self>, n: usize) {
        let this = self.project();
        *this.start = this.start.saturating_add(n).min(*this.end);
    }
}

impl<R: Seek> Seek for BufReader<R> {
    /// Seeks in the reader, and empties the buffer.
    ///
    /// A relative seek counts from the position of the buffer's user, not of the inner reader.
    fn poll_seek(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pos: SeekFrom,
    ) -> Poll<io::Result<u64>> {
        let SeekFrom::Current(offset) = pos else {
            let place = ready!(self.as_mut().project().reader.poll_seek(cx, pos))?;
            self.discard();
            return Poll::Ready(Ok(place));
        };
        let buffered = i64::try_from(self.end - self.start).unwrap_or(i64::MAX);
        if let Some(from_reader) = offset.checked_sub(buffered) {
            let pos = SeekFrom::Current(from_reader);
            let place = ready!(self.as_mut().project().reader.poll_seek(cx, pos))?;
            self.discard();
            return Poll::Ready(Ok(place));
        }
        // The sum overflows: seek back to the user's position first. The buffer is then empty, so a
        // poll after a wait does not repeat that step.
        let back = SeekFrom::Current(-buffered);
        ready!(self.as_mut().project().reader.poll_seek(cx, back))?;
        self.as_mut().discard();
        self.project().reader.poll_seek(cx, SeekFrom::Current(offset))
    }
}

impl<R: Read + fmt::Debug> fmt::Debug for BufReader<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BufReader")
            .field("reader", &self.reader)
            .field("buffer", &format_args!("{}/{}", self.end - self.start, self.buf.len()))
            .finish()
    }
}
