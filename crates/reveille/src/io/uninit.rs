//! Functions for adapters to the I/O traits of other crates.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::{Read, Write};
use crate::os::known::Known;
use crate::os::uninit::UninitBuf;

/// How many bytes are zeroed for a reader that is not a socket of this crate: the length of a TLS
/// record. Most of a larger part would not be used.
const CLEARED_LEN: usize = 16 * 1024;

/// Reads into the start of `buf`, which need not be initialized, and returns the bytes that were
/// read. If it returns no bytes, the reader has ended or `buf` is empty.
///
/// This is for adapters to other I/O traits whose buffers are not initialized, such as hyper's. In
/// other code use [`read_buf`](super::ReadExt::read_buf). A TCP or Unix stream of this crate, or a
/// reference to one, reads into the buffer directly. For any other reader at most the first 16 KiB
/// are zeroed in each poll, and no more are read.
///
/// The result borrows `buf` and begins where `buf` does, so its type says which bytes are
/// initialized. Unsafe code that depends on the start should compare the addresses.
///
/// # Errors
///
/// The error of the reader. No byte was read.
///
/// # Panics
///
/// Panics if the reader claims to have read more bytes than it was lent.
///
/// # Examples
///
/// ```
/// use std::future::poll_fn;
/// use std::mem::MaybeUninit;
/// use std::pin::Pin;
///
/// use reveille::io::{Cursor, poll_read_uninit};
///
/// # fn main() -> reveille::io::Result<()> {
/// reveille::task::block_on(async {
///     let mut source = Cursor::new(b"abc");
///     let mut buf = [MaybeUninit::uninit(); 16];
///     let len = poll_fn(|cx| {
///         let read = poll_read_uninit(Pin::new(&mut source), cx, &mut buf);
///         read.map_ok(|bytes| {
///             assert_eq!(bytes, b"abc");
///             bytes.len()
///         })
///     });
///     assert_eq!(len.await?, 3);
///     Ok(())
/// })
/// # }
/// ```
#[inline]
pub fn poll_read_uninit<'b, R: Read + ?Sized>(
    reader: Pin<&mut R>,
    cx: &mut Context<'_>,
    buf: &'b mut [MaybeUninit<u8>],
) -> Poll<io::Result<&'b mut [u8]>> {
    let mut buf = UninitBuf::new(buf);
    match Known::of(reader.as_ref().get_ref()) {
        Some(socket) => ready!(socket.poll_read_uninit(cx, &mut buf))?,
        None => ready!(buf.fill_cleared(CLEARED_LEN, |lent| reader.poll_read(cx, lent)))?,
    };
    Poll::Ready(Ok(buf.into_filled()))
}

/// Whether one call writes several buffers: whether `writer` is a TCP or Unix stream of this crate,
/// or a reference to one.
///
/// For any other writer the answer is no, because the trait does not say. Then it is better to join
/// small buffers before a write.
///
/// # Examples
///
/// ```
/// use reveille::io::{Sink, is_write_vectored, sink};
/// use reveille::net::{TcpListener, TcpStream};
///
/// # fn main() -> reveille::io::Result<()> {
/// reveille::task::block_on(async {
///     let listener = TcpListener::bind("127.0.0.1:0").await?;
///     let stream = TcpStream::connect(listener.local_addr()?).await?;
///     assert!(is_write_vectored(&stream));
///     assert!(!is_write_vectored::<Sink>(&sink()));
///     Ok(())
/// })
/// # }
/// ```
#[inline]
#[must_use]
pub fn is_write_vectored<W: Write + ?Sized>(writer: &W) -> bool {
    Known::of(writer).is_some()
}
