//! The shim with its default features, without async-std's unstable items.
//!
//! If another package of the same build enables `unstable`, these tests compile to nothing. So
//! `.ci/run` builds them separately: `cargo test -p async-std --test default`.

#![cfg(not(feature = "unstable"))]

use reveille_watchdog as _;

use std::pin::Pin;
use std::task::{Context, Poll};

use async_std::io::{self, ErrorKind, Read, Write};
use async_std::task::block_on;

/// Takes `limit` bytes in total, and counts its flushes.
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

/// Needs `?Sized` for both parameters, which the signature of `unstable` does not have.
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
    // Both ends are still owned here.
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

/// Names that a program defines itself and imports by a glob beside async-std's. If the shim also
/// exported one of them, its use would be ambiguous and would not compile.
mod unstable_names {
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
fn unstable_names_are_absent_by_default() {
    #[allow(unused_imports, reason = "the test shows that they export none of these names")]
    use async_std::{future::*, prelude::*, stream::*, sync::*, *};
    use unstable_names::*;

    // Checked as types, because a struct with private fields is not a value.
    let _: (Barrier, Condvar, Interval) =
        (unstable_names::Barrier, unstable_names::Condvar, unstable_names::Interval);
    let _: (Product, FromStream, IntoFuture) =
        (unstable_names::Product, unstable_names::FromStream, unstable_names::IntoFuture);
    const { assert!(process::IS_OURS) };
    assert_eq!(once(1).collect(), "ours");
    assert_eq!(once(1).merge(), "ours");
    assert_eq!(std::future::ready(1).race(), "ours");
}

/// A program's own method `local`, which it can call on async-std's builder.
trait Local {
    fn local(self) -> &'static str;
}

impl Local for async_std::task::Builder {
    fn local(self) -> &'static str {
        "the program's own"
    }
}

#[test]
fn the_task_builder_has_no_method_local_without_unstable() {
    assert_eq!(async_std::task::Builder::new().local(), "the program's own");
}
