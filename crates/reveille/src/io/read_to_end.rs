//! Filling a vector from a reader until its end.
//!
//! A socket of ours reads into the spare capacity of the vector: the kernel writes the bytes, and
//! nothing is cleared. Any other reader needs an initialized buffer, so the part of the vector that
//! it may fill is cleared first. What was cleared and not filled stays cleared: later reads use it
//! without clearing it again. The part grows only as fast as the reader fills it, so a small
//! message in a large vector clears little.
//!
//! Invariants:
//! 1. The `cleared` bytes after the end of the vector are initialized. A [`ReadToEnd`] owns its
//!    vector or borrows it exclusively, so no other code can write uninitialized bytes there or
//!    move the vector's memory; and it resets the count when it grows the vector or gives it away.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::Read;
use crate::os::known::Known;

/// The first window, in bytes, before the reader has shown how much it returns.
const FIRST_WINDOW: usize = 8 * 1024;

/// The largest window, in bytes: more than sockets and pipes return at once, and cheap to clear.
const LAST_WINDOW: usize = 256 * 1024;

/// The size of a read when the data may just have filled the vector, in bytes: if the reader has
/// ended, the vector need not grow to find out. std uses the same size.
const PROBE_LEN: usize = 32;

/// A vector that is filled: borrowed from the program, or owned.
#[derive(Debug)]
pub(super) enum Target<'a> {
    Borrowed(&'a mut Vec<u8>),
    Owned(Vec<u8>),
}

impl Target<'_> {
    fn vec(&mut self) -> &mut Vec<u8> {
        match self {
            Target::Borrowed(vec) => vec,
            Target::Owned(vec) => vec,
        }
    }
}

/// The progress of reading into a vector.
#[derive(Debug)]
pub(super) struct ReadToEnd<'a> {
    target: Target<'a>,
    window: usize,
    read: usize,
    first_capacity: usize,
    /// How many bytes after the end of the vector are initialized (invariant 1).
    cleared: usize,
}

/// A vector that is temporarily longer than its filled part. Dropping this truncates it.
struct Lent<'a> {
    buf: &'a mut Vec<u8>,
    filled: usize,
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        self.buf.truncate(self.filled);
    }
}

impl<'a> ReadToEnd<'a> {
    pub(super) fn new(target: Target<'a>) -> ReadToEnd<'a> {
        let first_capacity = match &target {
            Target::Borrowed(vec) => vec.capacity(),
            Target::Owned(vec) => vec.capacity(),
        };
        ReadToEnd { target, window: FIRST_WINDOW, read: 0, first_capacity, cleared: 0 }
    }

    /// Like [`new`](ReadToEnd::new), for one read: a full vector always grows.
    pub(super) fn once(target: Target<'a>) -> ReadToEnd<'a> {
        ReadToEnd { first_capacity: 0, ..ReadToEnd::new(target) }
    }

    /// What has been read so far, with what was there before.
    pub(super) fn bytes(&self) -> &[u8] {
        match &self.target {
            Target::Borrowed(vec) => vec,
            Target::Owned(vec) => vec,
        }
    }

    /// Takes everything out, and leaves an empty vector.
    pub(super) fn take(&mut self) -> Vec<u8> {
        self.cleared = 0;
        std::mem::take(self.target.vec())
    }

    /// Appends to the vector until the reader ends, and returns the number of bytes.
    pub(super) fn poll<R: Read + ?Sized>(
        &mut self,
        mut reader: Pin<&mut R>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        loop {
            let n = match ready!(self.poll_once(reader.as_mut(), cx)) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                result => result?,
            };
            if n == 0 {
                return Poll::Ready(Ok(self.read));
            }
        }
    }

    /// Appends what one read returns, and grows the vector if it is full.
    pub(super) fn poll_once<R: Read + ?Sized>(
        &mut self,
        reader: Pin<&mut R>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let window = self.window;
        let n = match self.spare() {
            0 if self.may_be_complete() => ready!(self.poll_probe(reader, cx))?,
            0 => {
                self.cleared = 0;
                self.target.vec().reserve(window);
                ready!(self.poll_spare(reader, cx))?
            }
            _ => ready!(self.poll_spare(reader, cx))?,
        };
        self.read += n;
        Poll::Ready(Ok(n))
    }

    fn spare(&mut self) -> usize {
        let buf = self.target.vec();
        buf.capacity() - buf.len()
    }

    /// Whether the vector had room from the start and is just full: the program may know the
    /// length.
    fn may_be_complete(&mut self) -> bool {
        self.first_capacity > 0 && self.target.vec().capacity() == self.first_capacity
    }

    fn poll_probe<R: Read + ?Sized>(
        &mut self,
        reader: Pin<&mut R>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let mut probe = [0; PROBE_LEN];
        let n = ready!(reader.poll_read(cx, &mut probe))?;
        self.cleared = 0;
        self.target.vec().extend_from_slice(&probe[..n]);
        Poll::Ready(Ok(n))
    }

    /// Reads into the spare capacity, of which there is some.
    fn poll_spare<R: Read + ?Sized>(
        &mut self,
        reader: Pin<&mut R>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        if let Some(socket) = Known::of(reader.as_ref().get_ref()) {
            self.cleared = 0;
            let n = ready!(socket.poll_read_spare(cx, self.target.vec()))?;
            self.widen(n);
            return Poll::Ready(Ok(n));
        }
        let window = self.window.max(self.cleared).min(self.spare());
        let mut lent = self.lend(window);
        let filled = lent.filled;
        let n = ready!(reader.poll_read(cx, &mut lent.buf[filled..]))?;
        assert!(n <= window, "a reader returned more bytes than it was lent");
        lent.filled += n;
        drop(lent);
        self.cleared -= n;
        self.widen(n);
        Poll::Ready(Ok(n))
    }

    /// Lengthens the vector by `window` initialized bytes, for a reader to fill.
    #[allow(unsafe_code, reason = "bytes that are clear already need not be cleared again")]
    fn lend(&mut self, window: usize) -> Lent<'_> {
        let known = self.cleared.min(window);
        self.cleared = self.cleared.max(window);
        let buf = self.target.vec();
        let filled = buf.len();
        // SAFETY: the new length must be within the capacity, and its bytes initialized. Invariant
        // 1 says so of the `cleared` bytes after the end, of which these are the first.
        unsafe { buf.set_len(filled + known) };
        lengthen(buf, window - known);
        Lent { buf, filled }
    }

    /// Doubles the window after a read that filled it.
    fn widen(&mut self, n: usize) {
        if n >= self.window {
            self.window = (self.window * 2).min(LAST_WINDOW);
        }
    }
}

/// Appends `len` zeros. `Vec::resize` sets them one by one in a build without optimization, which
/// makes a read of 1 MiB take 6 ms instead of 70 µs.
pub(super) fn lengthen(buf: &mut Vec<u8>, len: usize) {
    const ZEROS: &[u8] = &[0; 4096];
    buf.reserve(len);
    let end = buf.len() + len;
    while buf.len() < end {
        buf.extend_from_slice(&ZEROS[..ZEROS.len().min(end - buf.len())]);
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    fn read(reader: &[u8], buf: &mut Vec<u8>) -> usize {
        let mut reader = reader;
        let mut cx = Context::from_waker(Waker::noop());
        let mut reading = ReadToEnd::new(Target::Borrowed(buf));
        match reading.poll(Pin::new(&mut reader), &mut cx) {
            Poll::Ready(Ok(n)) => n,
            other => panic!("a slice is always ready: {other:?}"),
        }
    }

    #[test]
    fn vector_of_the_right_size_does_not_grow() {
        let mut buf = Vec::with_capacity(1000);
        assert_eq!(read(&[7; 1000], &mut buf), 1000);
        assert_eq!((buf.len(), buf.capacity()), (1000, 1000));
    }

    #[test]
    fn every_length_arrives_behind_what_was_there() {
        let data: Vec<u8> = (0..1_000_003_u32).map(|i| i as u8).collect();
        for len in [0, 1, 31, 32, 33, 8191, 8192, 8193, 100_000, data.len()] {
            let mut buf = b"before".to_vec();
            assert_eq!(read(&data[..len], &mut buf), len);
            assert_eq!(&buf[..6], b"before");
            assert_eq!(&buf[6..], &data[..len]);
        }
    }
}
