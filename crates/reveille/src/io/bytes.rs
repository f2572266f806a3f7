//! A reader as a stream of single bytes.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;

use super::Read;

/// A stream of the bytes of a reader. Created by [`ReadExt::bytes`](super::ReadExt::bytes).
///
/// Each byte costs a read of the inner reader. Wrap a reader that makes system calls in a
/// [`BufReader`](super::BufReader) first.
///
/// # Examples
///
/// ```
/// use reveille::io::{self, prelude::*};
/// use reveille::prelude::*;
///
/// # fn main() -> io::Result<()> {
/// reveille::task::block_on(async {
///     let mut bytes: io::Bytes<_> = io::Cursor::new("ab").bytes();
///     assert_eq!(bytes.next().await.transpose()?, Some(b'a'));
///     assert_eq!(bytes.next().await.transpose()?, Some(b'b'));
///     assert_eq!(bytes.next().await.transpose()?, None);
///     Ok(())
/// })
/// # }
/// ```
#[derive(Debug)]
#[must_use = "streams do nothing unless polled"]
pub struct Bytes<T> {
    pub(super) reader: T,
}

impl<T: Read + Unpin> Stream for Bytes<T> {
    type Item = io::Result<u8>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut byte = [0];
        // Bounded by the reader: it is polled again only after a signal interrupted it. async-std
        // returned `Pending` here, after which nothing woke the task.
        loop {
            match ready!(Pin::new(&mut self.reader).poll_read(cx, &mut byte)) {
                Ok(0) => return Poll::Ready(None),
                Ok(_) => return Poll::Ready(Some(Ok(byte[0]))),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
        }
    }
}
