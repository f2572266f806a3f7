//! The futures that the methods of the extension traits return.
//!
//! They are named types, not `impl Future`, so that generic callers can see whether they are
//! `Send`. The futures that collect text return what they hold to the caller's buffer when they are
//! dropped, so a cancelled read does not lose a line.

use std::fmt;
use std::future::Future;
use std::io::{self, IoSlice, IoSliceMut, SeekFrom};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::lines::poll_read_until;
use super::read_to_end::ReadToEnd;
use super::{BufRead, Read, Seek, Write};

/// Declares the type of a future. It is hidden from the docs, because its method describes it.
macro_rules! future_type {
    ($(#[$doc:meta])* $name:ident<$t:ident> { $($field:ident: $ty:ty,)* }) => {
        $(#[$doc])*
        #[doc(hidden)]
        #[must_use = "futures do nothing unless you `.await` or poll them"]
        pub struct $name<'a, $t: Unpin + ?Sized> { $(pub(super) $field: $ty,)* }

        impl<$t: Unpin + ?Sized> Unpin for $name<'_, $t> {}

        impl<$t: Unpin + ?Sized> fmt::Debug for $name<'_, $t> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    };
}

future_type!(
    /// The future of `ReadExt::read`.
    ReadFuture<T> { reader: &'a mut T, buf: &'a mut [u8], }
);

impl<T: Read + Unpin + ?Sized> Future for ReadFuture<'_, T> {
    type Output = io::Result<usize>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        Pin::new(&mut *this.reader).poll_read(cx, this.buf)
    }
}

future_type!(
    /// The future of `ReadExt::read_vectored`.
    ReadVectoredFuture<T> { reader: &'a mut T, bufs: &'a mut [IoSliceMut<'a>], }
);

impl<T: Read + Unpin + ?Sized> Future for ReadVectoredFuture<'_, T> {
    type Output = io::Result<usize>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        Pin::new(&mut *this.reader).poll_read_vectored(cx, this.bufs)
    }
}

future_type!(
    /// The future of `ReadExt::read_exact`.
    ReadExactFuture<T> { reader: &'a mut T, buf: &'a mut [u8], filled: usize, }
);

impl<T: Read + Unpin + ?Sized> Future for ReadExactFuture<'_, T> {
    type Output = io::Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        while this.filled < this.buf.len() {
            let rest = &mut this.buf[this.filled..];
            match ready!(Pin::new(&mut *this.reader).poll_read(cx, rest)) {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                Ok(n) => this.filled += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        Poll::Ready(Ok(()))
    }
}

future_type!(
    /// The future of `ReadExt::read_buf`.
    ReadBufFuture<T> { reader: &'a mut T, reading: ReadToEnd<'a>, }
);

impl<T: Read + Unpin + ?Sized> Future for ReadBufFuture<'_, T> {
    type Output = io::Result<usize>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        this.reading.poll_once(Pin::new(&mut *this.reader), cx)
    }
}

future_type!(
    /// The future of `ReadExt::read_to_end`.
    ReadToEndFuture<T> { reader: &'a mut T, reading: ReadToEnd<'a>, }
);

impl<T: Read + Unpin + ?Sized> Future for ReadToEndFuture<'_, T> {
    type Output = io::Result<usize>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        this.reading.poll(Pin::new(&mut *this.reader), cx)
    }
}

future_type!(
    /// The future of `ReadExt::read_to_string`.
    ReadToStringFuture<T> {
        reader: &'a mut T,
        buf: &'a mut String,
        reading: ReadToEnd<'static>,
    }
);

impl<T: Read + Unpin + ?Sized> Future for ReadToStringFuture<'_, T> {
    type Output = io::Result<usize>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let n = ready!(this.reading.poll(Pin::new(&mut *this.reader), cx))?;
        append_text(this.buf, &mut this.reading.take())?;
        Poll::Ready(Ok(n))
    }
}

impl<T: Unpin + ?Sized> Drop for ReadToStringFuture<'_, T> {
    fn drop(&mut self) {
        append_valid(self.buf, self.reading.bytes());
    }
}

future_type!(
    /// The future of `BufReadExt::read_until`.
    ReadUntilFuture<T> { reader: &'a mut T, byte: u8, buf: &'a mut Vec<u8>, read: usize, }
);

impl<T: BufRead + Unpin + ?Sized> Future for ReadUntilFuture<'_, T> {
    type Output = io::Result<usize>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let reader = Pin::new(&mut *this.reader);
        ready!(poll_read_until(reader, cx, this.byte, this.buf, &mut this.read))?;
        Poll::Ready(Ok(this.read))
    }
}

future_type!(
    /// The future of `BufReadExt::read_line`.
    ReadLineFuture<T> { reader: &'a mut T, buf: &'a mut String, bytes: Vec<u8>, read: usize, }
);

impl<T: BufRead + Unpin + ?Sized> Future for ReadLineFuture<'_, T> {
    type Output = io::Result<usize>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let reader = Pin::new(&mut *this.reader);
        ready!(poll_read_until(reader, cx, b'\n', &mut this.bytes, &mut this.read))?;
        append_text(this.buf, &mut this.bytes)?;
        Poll::Ready(Ok(this.read))
    }
}

impl<T: Unpin + ?Sized> Drop for ReadLineFuture<'_, T> {
    fn drop(&mut self) {
        append_valid(self.buf, &self.bytes);
    }
}

future_type!(
    /// The future of `WriteExt::write`.
    WriteFuture<T> { writer: &'a mut T, buf: &'a [u8], }
);

impl<T: Write + Unpin + ?Sized> Future for WriteFuture<'_, T> {
    type Output = io::Result<usize>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        Pin::new(&mut *this.writer).poll_write(cx, this.buf)
    }
}

future_type!(
    /// The future of `WriteExt::write_vectored`.
    WriteVectoredFuture<T> { writer: &'a mut T, bufs: &'a [IoSlice<'a>], }
);

impl<T: Write + Unpin + ?Sized> Future for WriteVectoredFuture<'_, T> {
    type Output = io::Result<usize>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        Pin::new(&mut *this.writer).poll_write_vectored(cx, this.bufs)
    }
}

future_type!(
    /// The future of `WriteExt::flush`.
    FlushFuture<T> { writer: &'a mut T, }
);

impl<T: Write + Unpin + ?Sized> Future for FlushFuture<'_, T> {
    type Output = io::Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut *self.get_mut().writer).poll_flush(cx)
    }
}

future_type!(
    /// The future of `WriteExt::close`.
    CloseFuture<T> { writer: &'a mut T, }
);

impl<T: Write + Unpin + ?Sized> Future for CloseFuture<'_, T> {
    type Output = io::Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut *self.get_mut().writer).poll_close(cx)
    }
}

future_type!(
    /// The future of `WriteExt::write_all`.
    WriteAllFuture<T> { writer: &'a mut T, buf: &'a [u8], }
);

impl<T: Write + Unpin + ?Sized> Future for WriteAllFuture<'_, T> {
    type Output = io::Result<()>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let n = ready!(poll_write_all(Pin::new(&mut *this.writer), cx, &mut this.buf));
        Poll::Ready(n)
    }
}

future_type!(
    /// The future of `WriteExt::write_fmt`.
    WriteFmtFuture<T> { writer: &'a mut T, text: io::Result<String>, written: usize, }
);

impl<T: Write + Unpin + ?Sized> Future for WriteFmtFuture<'_, T> {
    type Output = io::Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let text = match &mut this.text {
            Ok(text) => text,
            Err(error) => {
                let taken = std::mem::replace(error, io::ErrorKind::Other.into());
                return Poll::Ready(Err(taken));
            }
        };
        let mut rest = &text.as_bytes()[this.written..];
        let result = poll_write_all(Pin::new(&mut *this.writer), cx, &mut rest);
        this.written = text.len() - rest.len();
        ready!(result)?;
        Pin::new(&mut *this.writer).poll_flush(cx)
    }
}

future_type!(
    /// The future of `SeekExt::seek`.
    SeekFuture<T> { stream: &'a mut T, pos: SeekFrom, }
);

impl<T: Seek + Unpin + ?Sized> Future for SeekFuture<'_, T> {
    type Output = io::Result<u64>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        Pin::new(&mut *this.stream).poll_seek(cx, this.pos)
    }
}

/// Writes from the front of `buf`, which shrinks as the writer accepts bytes.
#[inline]
fn poll_write_all<W: Write + ?Sized>(
    mut writer: Pin<&mut W>,
    cx: &mut Context<'_>,
    buf: &mut &[u8],
) -> Poll<io::Result<()>> {
    while !buf.is_empty() {
        match ready!(writer.as_mut().poll_write(cx, buf)) {
            Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            Ok(n) => *buf = &buf[n..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Poll::Ready(Err(error)),
        }
    }
    Poll::Ready(Ok(()))
}

/// Appends `bytes` to `text`. Returns an error and drops them if they are not UTF-8.
pub(super) fn append_text(text: &mut String, bytes: &mut Vec<u8>) -> io::Result<()> {
    let new = String::from_utf8(std::mem::take(bytes)).map_err(|_| not_text())?;
    if text.is_empty() {
        *text = new;
    } else {
        text.push_str(&new);
    }
    Ok(())
}

/// Saves the bytes up to the first that is not, or not yet, text.
fn append_valid(text: &mut String, bytes: &[u8]) {
    if let Some(chunk) = bytes.utf8_chunks().next() {
        text.push_str(chunk.valid());
    }
}

/// The error for bytes that are not UTF-8, with std's text.
pub(super) fn not_text() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "stream did not contain valid UTF-8")
}
