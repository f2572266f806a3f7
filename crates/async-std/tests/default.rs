//! What the shim is with its default features: without what the predecessor held back.
//!
//! Another package of a build may ask for `unstable`, which leaves nothing of this. So `.ci/run`
//! builds it by itself: `cargo test -p async-std --test default`.

#![cfg(not(feature = "unstable"))]

use std::pin::Pin;
use std::task::{Context, Poll};

use async_std::io::{self, ErrorKind, Read, Write};
use async_std::task::block_on;

/// Takes `limit` bytes in all, and counts how often it is flushed.
#[derive(Default)]
struct Sink {
    limit: usize,
    taken: Vec<u8>,
    flushes: usize,
}

impl Write for Sink {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let count = bytes.len().min(self.limit - self.taken.len());
        self.taken.extend_from_slice(&bytes[..count]);
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

/// `?Sized` in both places, which the signature of `unstable` has not.
async fn copy_unsized(
    reader: &mut (dyn Read + Unpin),
    writer: &mut (dyn Write + Unpin),
) -> io::Result<u64> {
    io::copy(reader, writer).await
}

#[test]
fn point_02_copy_borrows_both_ends_without_unstable() {
    let (mut reader, mut writer) = (io::Cursor::new(vec![7; 30_000]), Vec::new());
    assert_eq!(block_on(io::copy(&mut reader, &mut writer)).unwrap(), 30_000);
    // Both are still here.
    assert_eq!(reader.position(), 30_000);
    assert_eq!(writer, [7; 30_000]);
}

#[test]
fn point_02_copy_takes_unsized_ends_and_flushes_the_writer() {
    let mut sink = Sink { limit: 100, ..Sink::default() };
    assert_eq!(block_on(copy_unsized(&mut &b"some bytes"[..], &mut sink)).unwrap(), 10);
    assert_eq!(sink.taken, b"some bytes");
    assert!(sink.flushes > 0);
}

#[test]
fn point_02_copy_to_a_writer_that_takes_nothing_is_write_zero() {
    let mut sink = Sink { limit: 4, ..Sink::default() };
    let error = block_on(copy_unsized(&mut &b"some bytes"[..], &mut sink)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WriteZero);
    assert_eq!(sink.taken, b"some");
}

/// The names that a program defines itself and imports by a glob beside the predecessor's: were one
/// of them in both, its use would be ambiguous, and this would not compile.
mod held_back {
    pub(super) struct Barrier;
    pub(super) struct Condvar;
    pub(super) struct Interval;
    pub(super) struct Product;
    pub(super) struct FromStream;
    pub(super) struct IntoFuture;

    pub(super) mod process {
        pub(crate) const IS_OURS: bool = true;
    }

    /// Methods of the extension traits.
    pub(super) trait Ours: Sized {
        fn collect(self) -> &'static str {
            "ours"
        }
        fn merge(self) -> &'static str {
            "ours"
        }
        fn race(self) -> &'static str {
            "ours"
        }
    }

    impl<T> Ours for async_std::stream::Once<T> {}
    impl<T> Ours for std::future::Ready<T> {}
}

#[test]
fn what_was_held_back_is_not_there() {
    #[allow(unused_imports, reason = "that they give none of these names is what is shown")]
    use async_std::{future::*, prelude::*, stream::*, sync::*, *};
    use held_back::*;

    // As types: what has private fields is no value.
    let _: (Barrier, Condvar, Interval) =
        (held_back::Barrier, held_back::Condvar, held_back::Interval);
    let _: (Product, FromStream, IntoFuture) =
        (held_back::Product, held_back::FromStream, held_back::IntoFuture);
    const { assert!(process::IS_OURS) };
    assert_eq!(once(1).collect(), "ours");
    assert_eq!(once(1).merge(), "ours");
    assert_eq!(std::future::ready(1).race(), "ours");
}

/// What a program calls `local` itself, as it could of the predecessor's builder.
trait Local {
    fn local(self) -> &'static str;
}

impl Local for async_std::task::Builder {
    fn local(self) -> &'static str {
        "the program's own"
    }
}

#[test]
fn the_builder_of_tasks_has_no_method_local_without_unstable() {
    assert_eq!(async_std::task::Builder::new().local(), "the program's own");
}
