//! Point 2: `io::copy` with the signature that it has under `unstable`, which this package enables.
//! The tests of the signature without it are in `crates/async-std/tests/default.rs`.

use std::pin::Pin;
use std::task::{Context, Poll};

use async_std::io::{self, ErrorKind, Write};
use async_std::task::block_on;

/// Counts requests, and accepts `limit` bytes in total.
#[derive(Default)]
struct Sink {
    limit: usize,
    taken: usize,
    flushes: usize,
}

impl Write for Sink {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let count = bytes.len().min(self.limit - self.taken);
        self.taken += count;
        Poll::Ready(Ok(count))
    }

    fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.flushes += 1;
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[test]
fn point_02_copy_takes_both_ends_by_value_with_unstable() {
    let copied = block_on(io::copy(io::Cursor::new(vec![7; 30_000]), io::sink())).unwrap();
    assert_eq!(copied, 30_000);
}

#[test]
fn point_02_copy_flushes_the_writer() {
    let mut sink = Sink { limit: 100, ..Sink::default() };
    assert_eq!(block_on(io::copy(&b"some bytes"[..], &mut sink)).unwrap(), 10);
    assert_eq!(sink.taken, 10);
    assert!(sink.flushes > 0);
}

#[test]
fn point_02_copy_to_a_writer_that_takes_nothing_is_write_zero() {
    let mut sink = Sink { limit: 4, ..Sink::default() };
    let error = block_on(io::copy(&b"some bytes"[..], &mut sink)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WriteZero);
    assert_eq!(sink.taken, 4);
}
