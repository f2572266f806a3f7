//! Copies everything from a reader to a writer.
//!
//! There is one buffer, which starts small and doubles when a read fills it: a short message costs
//! 8 KiB, and a bulk transfer moves 64 KiB per system call (one `send` of 64 KiB costs a fraction
//! of sixteen of 4 KiB). Each chunk takes budget, so copying between two ends that are always
//! ready, such as two vectors, does not monopolize its worker.
//!
//! A long transfer between two sockets of ours moves through a pipe inside the kernel
//! (`os/splice.rs`), on Linux. It begins after some reads in a row have filled the largest buffer:
//! a pipe costs two descriptors and extra system calls, which do not pay for short messages. When
//! only small pieces arrive, the buffer takes over again.
//!
//! After as many reads of a file of ours the blocking pool moves the rest inside the kernel, on
//! Linux, if it goes to another file or to a socket (`copy_file.rs`).
//!
//! When the reader has to wait, what was written so far is flushed, so a peer behind a buffered
//! writer sees an answer before it sends the next request.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use reveille_runtime::budget;

use super::context::Context as _;
use super::copy_file::FileTransfer;
use super::read_to_end::lengthen;
use super::{Read, Write};
use crate::os::known::Known;
use crate::os::splice::{Filled, Splice};

/// The first buffer, in bytes.
const FIRST_LEN: usize = 8 * 1024;

/// The largest buffer, in bytes: the capacity of a pipe. Larger chunks do not help.
const LAST_LEN: usize = 64 * 1024;

/// Copies everything from `reader` to `writer`, flushes it, and returns the number of bytes.
///
/// # Errors
///
/// The first error of either side, and `WriteZero` if the writer accepts no more. The message
/// begins with `io::copy failed`; the source is the original error.
///
/// # Cancel safety
///
/// Dropping the future loses what was read and not yet written: up to 64 KiB, or up to 1 MiB
/// between two sockets. From a file to a file or a socket, up to 4 MiB may arrive that the
/// positions of the files do not count.
///
/// # Differences
///
/// async-std, with its feature `unstable`, took both ends by value. Here they are always borrowed;
/// pass `&mut &stream` for a shared socket.
///
/// # Examples
///
/// ```
/// use reveille::io;
///
/// # fn main() -> io::Result<()> {
/// reveille::task::block_on(async {
///     let mut reader = io::Cursor::new("to the letter");
///     let mut writer = Vec::new();
///     assert_eq!(io::copy(&mut reader, &mut writer).await?, 13);
///     assert_eq!(writer, b"to the letter");
///     Ok(())
/// })
/// # }
/// ```
#[doc(alias = "copy_buf")]
pub async fn copy<R, W>(reader: &mut R, writer: &mut W) -> io::Result<u64>
where
    R: Read + Unpin + ?Sized,
    W: Write + Unpin + ?Sized,
{
    let mut copy = Copy::new();
    poll_fn(|cx| copy.poll(cx, Pin::new(&mut *reader), Pin::new(&mut *writer)))
        .await
        .context(|| "io::copy failed".to_owned())
}

/// [`copy`] with the signature that it has under async-std's feature `unstable`.
#[doc(hidden)]
pub async fn copy_by_value<R, W>(mut reader: R, mut writer: W) -> io::Result<u64>
where
    R: Read + Unpin,
    W: Write + Unpin,
{
    let mut copy = Copy::new();
    poll_fn(|cx| copy.poll(cx, Pin::new(&mut reader), Pin::new(&mut writer)))
        .await
        .context(|| "io::copy failed".to_owned())
}

/// How many reads in a row must fill the largest buffer before the bytes go through the kernel.
const FULL_READS_MIN: u32 = 4;

/// A piece of fewer bytes counts as small, and after this many small ones in a row the buffer takes
/// over again.
const SMALL_LEN: usize = 16 * 1024;
const SMALL_PIECES_MAX: u32 = 8;

/// The state of a copy. `start..end` of the buffer waits for the writer.
pub(super) struct Copy {
    buf: Vec<u8>,
    start: usize,
    end: usize,
    copied: u64,
    is_ended: bool,
    is_flushed: bool,
    /// How many reads in a row have filled the largest buffer.
    full_reads: u32,
    /// While the bytes go through the kernel.
    splice: Option<Splice>,
    small_pieces: u32,
    /// The same, from a file.
    transfer: Option<FileTransfer>,
    can_splice: bool,
}

impl Copy {
    pub(super) fn new() -> Copy {
        Copy {
            buf: Vec::new(),
            start: 0,
            end: 0,
            copied: 0,
            is_ended: false,
            is_flushed: true,
            full_reads: 0,
            splice: None,
            small_pieces: 0,
            transfer: None,
            can_splice: true,
        }
    }

    /// How many bytes have been written.
    pub(super) fn copied(&self) -> u64 {
        self.copied
    }

    /// Copies until the reader ends, flushes, and returns the number of bytes.
    pub(super) fn poll<R: Read + ?Sized, W: Write + ?Sized>(
        &mut self,
        cx: &mut Context<'_>,
        mut reader: Pin<&mut R>,
        mut writer: Pin<&mut W>,
    ) -> Poll<io::Result<u64>> {
        loop {
            while self.start < self.end {
                let rest = &self.buf[self.start..self.end];
                let n = ready!(retry(|| writer.as_mut().poll_write(cx, rest)))?;
                if n == 0 {
                    return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                }
                self.start += n;
                self.copied += n as u64;
                self.is_flushed = false;
            }
            if self.is_ended {
                ready!(writer.as_mut().poll_flush(cx))?;
                return Poll::Ready(Ok(self.copied));
            }
            if self.full_reads >= FULL_READS_MIN {
                let ends = (reader.as_ref(), writer.as_ref());
                if ready!(self.poll_splice(cx, ends.0.get_ref(), ends.1.get_ref()))? {
                    continue;
                }
            }
            ready!(budget::poll_proceed(cx));
            match self.poll_fill(cx, reader.as_mut()) {
                Poll::Ready(result) => result?,
                Poll::Pending if self.is_flushed => return Poll::Pending,
                Poll::Pending => {
                    // The reader has our waker, so the task is polled again, even if the flush is
                    // ready.
                    if let Poll::Ready(result) = writer.as_mut().poll_flush(cx) {
                        result?;
                        self.is_flushed = true;
                    }
                    return Poll::Pending;
                }
            }
        }
    }

    fn poll_fill<R: Read + ?Sized>(
        &mut self,
        cx: &mut Context<'_>,
        mut reader: Pin<&mut R>,
    ) -> Poll<io::Result<()>> {
        if self.buf.is_empty() {
            lengthen(&mut self.buf, FIRST_LEN);
        } else if self.end == self.buf.len() && self.end < LAST_LEN {
            lengthen(&mut self.buf, self.end);
        }
        let n = ready!(retry(|| reader.as_mut().poll_read(cx, &mut self.buf)))?;
        self.start = 0;
        self.end = n;
        self.is_ended = n == 0;
        self.full_reads = if n >= LAST_LEN && self.can_splice { self.full_reads + 1 } else { 0 };
        Poll::Ready(Ok(()))
    }

    /// Moves a piece through the kernel. `false` if the bytes have to be copied from now on, until
    /// enough of them arrive again.
    fn poll_splice<R: ?Sized, W: ?Sized>(
        &mut self,
        cx: &mut Context<'_>,
        reader: &R,
        writer: &W,
    ) -> Poll<io::Result<bool>> {
        if Known::file(reader).is_some() {
            return self.poll_transfer(cx, reader, writer);
        }
        let (Some(from), Some(to)) = (Known::of(reader), Known::of(writer)) else {
            return self.stop_splicing(false);
        };
        if self.splice.is_none() {
            self.small_pieces = 0;
            self.splice = Splice::new();
        }
        let Some(splice) = &mut self.splice else { return self.stop_splicing(false) };
        if splice.len() == 0 {
            if self.small_pieces > SMALL_PIECES_MAX {
                return self.stop_splicing(true);
            }
            match ready!(splice.poll_fill(cx, from))? {
                Filled::Bytes(n) if n < SMALL_LEN => self.small_pieces += 1,
                Filled::Bytes(_) => self.small_pieces = 0,
                Filled::End => self.is_ended = true,
                Filled::MustCopy => return self.stop_splicing(false),
            }
        }
        while splice.len() > 0 {
            if let Some(n) = ready!(splice.poll_drain(cx, to))? {
                self.copied += n as u64;
                continue;
            }
            self.buf = splice.read_rest()?;
            (self.start, self.end) = (0, self.buf.len());
            // The rest goes first.
            let _ = self.stop_splicing(false);
            return Poll::Ready(Ok(true));
        }
        Poll::Ready(Ok(true))
    }

    /// The same, from a file.
    fn poll_transfer<R: ?Sized, W: ?Sized>(
        &mut self,
        cx: &mut Context<'_>,
        reader: &R,
        writer: &W,
    ) -> Poll<io::Result<bool>> {
        if self.transfer.is_none() {
            self.transfer = FileTransfer::between(reader, writer);
        }
        let Some(transfer) = &mut self.transfer else { return self.stop_splicing(false) };
        let Some(count) = ready!(transfer.poll_piece(cx, writer))? else {
            return self.stop_splicing(false);
        };
        self.copied += count as u64;
        self.is_flushed = false;
        Poll::Ready(Ok(true))
    }

    fn stop_splicing(&mut self, can_splice_later: bool) -> Poll<io::Result<bool>> {
        self.splice = None;
        self.transfer = None;
        self.full_reads = 0;
        self.can_splice = can_splice_later;
        Poll::Ready(Ok(false))
    }
}

/// Retries when a signal interrupted the call.
fn retry(mut op: impl FnMut() -> Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
    loop {
        match op() {
            Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}
