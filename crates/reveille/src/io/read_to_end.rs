//! Filling a vector from a reader until its end.
//!
//! A reader needs an initialized buffer, so the part of the vector that it may fill is cleared
//! first and truncated before the poll returns. Clearing the whole spare capacity in each poll
//! costs a large vector its size again and again (8 MiB cleared for each 64 KiB that arrive). So
//! the cleared part is a window that grows only as fast as the reader fills it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::Read;

/// The first window, in bytes, before the reader has shown how much it returns.
const FIRST_WINDOW: usize = 8 * 1024;

/// The largest window, in bytes: more than sockets and pipes return at once, and cheap to clear.
const LAST_WINDOW: usize = 256 * 1024;

/// The size of a read when the data may just have filled the vector, in bytes: if the reader has
/// ended, the vector need not grow to find out. std uses the same size.
const PROBE_LEN: usize = 32;

/// The progress of a read to the end.
#[derive(Debug)]
pub(super) struct ReadToEnd {
    window: usize,
    read: usize,
    first_capacity: usize,
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

impl ReadToEnd {
    pub(super) fn new(buf: &Vec<u8>) -> ReadToEnd {
        ReadToEnd { window: FIRST_WINDOW, read: 0, first_capacity: buf.capacity() }
    }

    /// Appends to `buf` until the reader ends, and returns the number of bytes.
    pub(super) fn poll<R: Read + ?Sized>(
        &mut self,
        mut reader: Pin<&mut R>,
        cx: &mut Context<'_>,
        buf: &mut Vec<u8>,
    ) -> Poll<io::Result<usize>> {
        loop {
            let n = match ready!(self.poll_once(reader.as_mut(), cx, buf)) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                result => result?,
            };
            if n == 0 {
                return Poll::Ready(Ok(self.read));
            }
            self.read += n;
        }
    }

    fn poll_once<R: Read + ?Sized>(
        &mut self,
        reader: Pin<&mut R>,
        cx: &mut Context<'_>,
        buf: &mut Vec<u8>,
    ) -> Poll<io::Result<usize>> {
        let spare = buf.capacity() - buf.len();
        if spare == 0 && buf.capacity() == self.first_capacity && self.first_capacity > 0 {
            let mut probe = [0; PROBE_LEN];
            let n = ready!(reader.poll_read(cx, &mut probe))?;
            buf.extend_from_slice(&probe[..n]);
            return Poll::Ready(Ok(n));
        }
        if spare == 0 {
            buf.reserve(self.window);
        }
        let filled = buf.len();
        let window = self.window.min(buf.capacity() - filled);
        lengthen(buf, window);
        let mut lent = Lent { buf, filled };
        let n = ready!(reader.poll_read(cx, &mut lent.buf[filled..]))?;
        assert!(n <= window, "a reader returned more bytes than it was lent");
        lent.filled += n;
        if n == self.window {
            self.window = (self.window * 2).min(LAST_WINDOW);
        }
        Poll::Ready(Ok(n))
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
        match ReadToEnd::new(buf).poll(Pin::new(&mut reader), &mut cx, buf) {
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
