//! Readers and writers that are always ready: [`Empty`], [`Repeat`], [`Sink`].
//!
//! futures-lite has the same types. These take a unit of the poll's budget for each operation, so a
//! loop over them yields to other tasks and its time limit takes effect.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use reveille_runtime::budget;

use super::{BufRead, Read, Write};

/// A reader that is always at its end. Created by [`empty`].
///
/// # Examples
///
/// ```
/// use reveille::io;
/// use reveille::prelude::*;
/// use reveille::task;
///
/// # fn main() -> io::Result<()> {
/// let mut reader: io::Empty = io::empty();
/// assert_eq!(task::block_on(reader.read(&mut [0; 4]))?, 0);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Empty;

/// Creates a reader that is always at its end.
///
/// # Examples
///
/// ```
/// use reveille::io;
/// use reveille::prelude::*;
/// use reveille::task;
///
/// # fn main() -> io::Result<()> {
/// let mut text = String::new();
/// task::block_on(io::empty().read_to_string(&mut text))?;
/// assert_eq!(text, "");
/// # Ok(())
/// # }
/// ```
#[must_use]
pub fn empty() -> Empty {
    Empty
}

impl Read for Empty {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        _: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        budget::poll_proceed(cx).map(|()| Ok(0))
    }
}

impl BufRead for Empty {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        budget::poll_proceed(cx).map(|()| Ok(&[][..]))
    }

    fn consume(self: Pin<&mut Self>, _: usize) {}
}

/// A reader that yields one byte endlessly. Created by [`repeat`].
///
/// # Examples
///
/// ```
/// use reveille::io;
/// use reveille::prelude::*;
/// use reveille::task;
///
/// # fn main() -> io::Result<()> {
/// let mut reader: io::Repeat = io::repeat(7);
/// let mut bytes = [0; 3];
/// task::block_on(reader.read_exact(&mut bytes))?;
/// assert_eq!(bytes, [7, 7, 7]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Repeat {
    byte: u8,
}

/// Creates a reader that yields `byte` endlessly.
///
/// # Examples
///
/// ```
/// use reveille::io;
/// use reveille::prelude::*;
/// use reveille::task;
///
/// # fn main() -> io::Result<()> {
/// let mut zeros = Vec::new();
/// task::block_on(io::repeat(0).take(3).read_to_end(&mut zeros))?;
/// assert_eq!(zeros, [0, 0, 0]);
/// # Ok(())
/// # }
/// ```
#[must_use]
pub fn repeat(byte: u8) -> Repeat {
    Repeat { byte }
}

impl Read for Repeat {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        ready!(budget::poll_proceed(cx));
        buf.fill(self.byte);
        Poll::Ready(Ok(buf.len()))
    }
}

/// A writer that discards everything. Created by [`sink`].
///
/// # Examples
///
/// ```
/// use reveille::io;
/// use reveille::prelude::*;
/// use reveille::task;
///
/// # fn main() -> io::Result<()> {
/// let mut writer: io::Sink = io::sink();
/// assert_eq!(task::block_on(writer.write(b"unseen"))?, 6);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Sink;

/// Creates a writer that discards everything.
///
/// # Examples
///
/// ```
/// use reveille::io;
/// use reveille::task;
///
/// # fn main() -> io::Result<()> {
/// let copied = task::block_on(io::copy(&mut &b"unseen"[..], &mut io::sink()))?;
/// assert_eq!(copied, 6);
/// # Ok(())
/// # }
/// ```
#[must_use]
pub fn sink() -> Sink {
    Sink
}

impl Write for Sink {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        budget::poll_proceed(cx).map(|()| Ok(buf.len()))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        budget::poll_proceed(cx).map(|()| Ok(bufs.iter().map(|buf| buf.len()).sum()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
