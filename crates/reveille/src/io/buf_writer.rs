//! A buffered writer.

use std::error::Error as StdError;
use std::fmt;
use std::io::{self, SeekFrom};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::{DEFAULT_BUFFER_LEN, Seek, Write, WriteExt};

pin_project! {
    /// Adds a buffer to a writer, so that small writes do not each cost a system call.
    ///
    /// A write of at least the buffer's size bypasses the buffer. **Dropping the writer does not
    /// flush it**: a flush must be awaited, and a drop cannot await. Call
    /// [`flush`](WriteExt::flush), or unwrap the writer with [`into_inner`](BufWriter::into_inner).
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::io::{BufWriter, prelude::*};
    ///
    /// # fn main() -> reveille::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let mut writer = BufWriter::new(Vec::new());
    ///     for word in ["one", " ", "send"] {
    ///         writer.write_all(word.as_bytes()).await?;
    ///     }
    ///     assert_eq!(writer.buffer(), b"one send");
    ///     writer.flush().await?;
    ///     assert_eq!(writer.get_ref(), b"one send");
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub struct BufWriter<W> {
        #[pin]
        writer: W,
        buf: Vec<u8>,
        written: usize,
        capacity: usize,
    }
}

/// The error of [`BufWriter::into_inner`]: the writer, and why the last flush failed.
///
/// Its text is that of the error of the flush.
///
/// # Examples
///
/// ```
/// use reveille::io::{BufWriter, Cursor, ErrorKind, prelude::*};
///
/// # fn main() -> reveille::io::Result<()> {
/// reveille::task::block_on(async {
///     let mut no_room = [0; 0];
///     let mut writer = BufWriter::new(Cursor::new(&mut no_room[..]));
///     writer.write_all(b"lost?").await?;
///
///     let failed = writer.into_inner().await.unwrap_err();
///     assert_eq!(failed.error().kind(), ErrorKind::WriteZero);
///     assert_eq!(failed.into_inner().buffer(), b"lost?");
///     Ok(())
/// })
/// # }
/// ```
#[derive(Debug)]
pub struct IntoInnerError<W>(W, io::Error);

impl<W> IntoInnerError<W> {
    /// Returns the error of the flush.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::io::{BufWriter, Cursor, ErrorKind, prelude::*};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let mut one_byte = [0; 1];
    ///     let mut writer = BufWriter::new(Cursor::new(&mut one_byte[..]));
    ///     writer.write_all(b"ab").await?;
    ///     let failed = writer.into_inner().await.unwrap_err();
    ///     assert_eq!(failed.error().kind(), ErrorKind::WriteZero);
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub fn error(&self) -> &io::Error {
        &self.1
    }

    /// Returns the writer, with everything that is still in its buffer.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::io::{BufWriter, Cursor, prelude::*};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let mut one_byte = [0; 1];
    ///     let mut writer = BufWriter::new(Cursor::new(&mut one_byte[..]));
    ///     writer.write_all(b"ab").await?;
    ///     let failed = writer.into_inner().await.unwrap_err();
    ///     // The buffer holds only what was not written.
    ///     assert_eq!(failed.into_inner().buffer(), b"b");
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub fn into_inner(self) -> W {
        self.0
    }
}

impl<W> From<IntoInnerError<W>> for io::Error {
    fn from(error: IntoInnerError<W>) -> io::Error {
        error.1
    }
}

impl<W> fmt::Display for IntoInnerError<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.1, f)
    }
}

impl<W: Send + fmt::Debug> StdError for IntoInnerError<W> {}

impl<W: Write> BufWriter<W> {
    /// Creates a buffered writer with a buffer of 8 KiB.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::io::BufWriter;
    ///
    /// let writer = BufWriter::new(Vec::new());
    /// assert!(writer.buffer().is_empty());
    /// ```
    pub fn new(writer: W) -> BufWriter<W> {
        BufWriter::with_capacity(DEFAULT_BUFFER_LEN, writer)
    }

    /// Creates a buffered writer with a buffer of `capacity` bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::io::BufWriter;
    ///
    /// let writer = BufWriter::with_capacity(64 * 1024, Vec::new());
    /// assert!(writer.get_ref().is_empty());
    /// ```
    pub fn with_capacity(capacity: usize, writer: W) -> BufWriter<W> {
        BufWriter { writer, buf: Vec::with_capacity(capacity), written: 0, capacity }
    }

    /// Returns a reference to the inner writer.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::io::BufWriter;
    ///
    /// assert!(BufWriter::new(Vec::new()).get_ref().is_empty());
    /// ```
    pub fn get_ref(&self) -> &W {
        &self.writer
    }

    /// Returns a mutable reference to the inner writer. What you write to it directly is written
    /// before what is in the buffer.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::io::BufWriter;
    ///
    /// let mut writer = BufWriter::new(Vec::new());
    /// writer.get_mut().push(1);
    /// assert_eq!(writer.get_ref(), &[1]);
    /// ```
    pub fn get_mut(&mut self) -> &mut W {
        &mut self.writer
    }

    /// Flushes the buffer and returns the inner writer.
    ///
    /// # Errors
    ///
    /// If the flush fails, the error contains the buffered writer.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the writer, with what was not flushed.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::io::{BufWriter, prelude::*};
    ///
    /// # fn main() -> reveille::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let mut writer = BufWriter::new(Vec::new());
    ///     writer.write_all(b"kept").await?;
    ///     assert_eq!(writer.into_inner().await?, b"kept");
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub async fn into_inner(mut self) -> Result<W, IntoInnerError<BufWriter<W>>>
    where
        Self: Unpin,
    {
        match self.flush().await {
            Ok(()) => Ok(self.writer),
            Err(error) => Err(IntoInnerError(self, error)),
        }
    }

    /// Returns the bytes that were not passed on yet.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::io::{BufWriter, prelude::*};
    ///
    /// # fn main() -> reveille::io::Result<()> {
    /// reveille::task::block_on(async {
    ///     let mut writer = BufWriter::new(Vec::new());
    ///     writer.write_all(b"waiting").await?;
    ///     assert_eq!(writer.buffer(), b"waiting");
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub fn buffer(&self) -> &[u8] {
        &self.buf[self.written..]
    }

    /// Writes the buffer to the inner writer. What was accepted before an error or a wait is not
    /// written twice.
    fn poll_flush_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut this = self.project();
        while *this.written < this.buf.len() {
            let rest = &this.buf[*this.written..];
            match ready!(this.writer.as_mut().poll_write(cx, rest)) {
                Ok(0) => {
                    let message = "Failed to write buffered data";
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::WriteZero, message)));
                }
                Ok(n) => *this.written += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        this.buf.clear();
        *this.written = 0;
        Poll::Ready(Ok(()))
    }
}

impl<W: Write> Write for BufWriter<W> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.buf.len() + buf.len() > self.capacity {
            ready!(self.as_mut().poll_flush_buf(cx))?;
        }
        let this = self.project();
        if buf.len() >= *this.capacity {
            return this.writer.poll_write(cx, buf);
        }
        this.buf.extend_from_slice(buf);
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let total = bufs.iter().map(|buf| buf.len()).fold(0, usize::saturating_add);
        if self.buf.len().saturating_add(total) > self.capacity {
            ready!(self.as_mut().poll_flush_buf(cx))?;
        }
        let this = self.project();
        if total >= *this.capacity {
            return this.writer.poll_write_vectored(cx, bufs);
        }
        for buf in bufs {
            this.buf.extend_from_slice(buf);
        }
        Poll::Ready(Ok(total))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.as_mut().poll_flush_buf(cx))?;
        self.project().writer.poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.as_mut().poll_flush_buf(cx))?;
        self.project().writer.poll_close(cx)
    }
}

impl<W: Write + Seek> Seek for BufWriter<W> {
    /// Flushes the buffer, then seeks in the writer.
    fn poll_seek(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pos: SeekFrom,
    ) -> Poll<io::Result<u64>> {
        ready!(self.as_mut().poll_flush_buf(cx))?;
        self.project().writer.poll_seek(cx, pos)
    }
}

impl<W: Write + fmt::Debug> fmt::Debug for BufWriter<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BufWriter")
            .field("writer", &self.writer)
            .field("buf", &&self.buf[self.written..])
            .finish()
    }
}
