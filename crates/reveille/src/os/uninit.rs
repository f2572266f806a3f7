//! A buffer that is not initialized, and the bytes that a reader wrote to its start.
//!
//! Invariant 1: the first `filled` bytes of `bytes` are initialized.

use std::io;
use std::mem::MaybeUninit;
use std::task::{Poll, ready};

/// A buffer of a caller, for one read.
#[derive(Debug)]
pub(crate) struct UninitBuf<'b> {
    bytes: &'b mut [MaybeUninit<u8>],
    filled: usize,
}

impl<'b> UninitBuf<'b> {
    pub(crate) fn new(bytes: &'b mut [MaybeUninit<u8>]) -> UninitBuf<'b> {
        UninitBuf { bytes, filled: 0 }
    }

    /// The length of the whole buffer, in bytes.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Copies as much of `from` as fits to the start, and returns the number of bytes.
    pub(crate) fn fill(&mut self, from: &[u8]) -> usize {
        let count = self.bytes.len().min(from.len());
        for (to, from) in self.bytes.iter_mut().zip(from) {
            to.write(*from);
        }
        self.filled = count;
        count
    }

    /// Passes the buffer to `read`, which returns the part that it has initialized: the start of
    /// the buffer. Returns the length of that part.
    #[cfg(unix)]
    #[inline]
    pub(crate) fn fill_with(
        &mut self,
        read: impl FnOnce(&mut [MaybeUninit<u8>]) -> io::Result<&mut [u8]>,
    ) -> io::Result<usize> {
        let start = self.bytes.as_ptr().addr();
        let read = read(self.bytes)?;
        assert_eq!(read.as_ptr().addr(), start, "the start of the buffer is read into");
        self.filled = read.len();
        Ok(self.filled)
    }

    /// Writes zeros to the first `len` bytes, or to all if there are fewer, and lends them to
    /// `read`, which returns how many of them it has filled.
    pub(crate) fn fill_cleared(
        &mut self,
        len: usize,
        read: impl FnOnce(&mut [u8]) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        let len = len.min(self.bytes.len());
        self.bytes[..len].fill(MaybeUninit::new(0));
        self.filled = len;
        let outcome = read(self.filled_mut());
        self.filled = 0;
        let count = ready!(outcome)?;
        assert!(count <= len, "a reader returned more bytes than it was lent");
        self.filled = count;
        Poll::Ready(Ok(count))
    }

    #[allow(unsafe_code, reason = "the same bytes, with the type that says they are initialized")]
    fn filled_mut(&mut self) -> &mut [u8] {
        let filled = &raw mut self.bytes[..self.filled] as *mut [u8];
        // SAFETY: the bytes must be initialized, which invariant 1 says, and borrowed by nothing
        // else: `self` is, for as long as the result.
        unsafe { &mut *filled }
    }

    /// The bytes that were read.
    #[allow(unsafe_code, reason = "the same bytes, with the type that says they are initialized")]
    pub(crate) fn into_filled(self) -> &'b mut [u8] {
        let filled = &raw mut self.bytes[..self.filled] as *mut [u8];
        // SAFETY: the bytes must be initialized, which invariant 1 says, and borrowed by nothing
        // else: the only borrow of them is consumed.
        unsafe { &mut *filled }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_filled_is_shown() {
        let mut bytes = [MaybeUninit::uninit(); 4];
        assert_eq!(UninitBuf::new(&mut bytes).into_filled(), b"");

        let mut buf = UninitBuf::new(&mut bytes);
        assert_eq!(buf.fill(b"abc"), 3);
        assert_eq!(buf.into_filled(), b"abc");

        let mut buf = UninitBuf::new(&mut bytes);
        assert_eq!(buf.fill(b"longer"), 4);
        assert_eq!(buf.into_filled(), b"long");
    }

    #[test]
    fn a_reader_that_has_to_wait_leaves_nothing() {
        let mut bytes = [MaybeUninit::uninit(); 4];
        let mut buf = UninitBuf::new(&mut bytes);
        assert!(buf.fill_cleared(2, |_| Poll::Pending).is_pending());
        assert_eq!(buf.into_filled(), b"");

        let mut buf = UninitBuf::new(&mut bytes);
        let one = |lent: &mut [u8]| {
            lent[0] = b'x';
            Poll::Ready(Ok(1))
        };
        assert!(matches!(buf.fill_cleared(9, one), Poll::Ready(Ok(1))));
        assert_eq!(buf.into_filled(), b"x");
    }

    #[test]
    #[should_panic(expected = "more bytes than it was lent")]
    fn a_reader_that_counts_wrong_is_refused() {
        let mut bytes = [MaybeUninit::uninit(); 4];
        let _ = UninitBuf::new(&mut bytes).fill_cleared(2, |_| Poll::Ready(Ok(3)));
    }
}
