//! Streams that have ended, and readers that fail in the middle.

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use reveille::channel::{self, Sender};
use reveille::io::BufReader;
use reveille::io::prelude::*;
use reveille::prelude::*;
use reveille::{stream, task};
use reveille_tests::conformance;

use super::soon;

/// A stream of two items that holds a sender.
struct Holder {
    _sender: Sender<u8>,
    left: u8,
}

impl Holder {
    fn of(sender: Sender<u8>) -> Holder {
        Holder { _sender: sender, left: 2 }
    }
}

impl Stream for Holder {
    type Item = u8;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<u8>> {
        let item = self.left.checked_sub(1);
        self.left = item.expect("a stream that has ended is not polled again");
        Poll::Ready(item.filter(|left| *left > 0))
    }
}

// rust-lang/rust#70366 and #71375, futures-rs#2510: the next part may depend on what an ended one
// holds.
async fn an_ended_part_of_a_stream_is_dropped_at_once() {
    let (sender, receiver) = channel::unbounded();
    let chained: Vec<u8> = soon(Holder::of(sender).chain(receiver).collect()).await;
    assert_eq!(chained, [1]);

    let (sender, receiver) = channel::unbounded();
    let merged: Vec<u8> = soon(Holder::of(sender).merge(receiver).collect()).await;
    assert_eq!(merged, [1]);
    let (sender, receiver) = channel::unbounded();
    let merged: Vec<u8> = soon(receiver.merge(Holder::of(sender)).collect()).await;
    assert_eq!(merged, [1]);

    let (sender, receiver) = channel::unbounded();
    let mut fused = Holder::of(sender).fuse();
    while fused.next().await.is_some() {}
    assert!(soon(receiver.recv()).await.is_err());
    assert_eq!(fused.next().await, None);
}

async fn what_is_left_of_a_chain_or_a_fused_stream_is_known() {
    let mut fused = stream::from_iter(0..3).fuse();
    assert_eq!(fused.size_hint(), (3, Some(3)));
    while fused.next().await.is_some() {}
    assert_eq!(fused.size_hint(), (0, Some(0)));
    let chain = stream::from_iter(0..3).chain(stream::from_iter(0..4));
    assert_eq!(chain.size_hint(), (7, Some(7)));
    let endless = stream::repeat(1).chain(stream::repeat(2));
    assert_eq!(endless.size_hint(), (usize::MAX, None));
    assert_eq!(endless.clone().take(2).count().await, 2);
}

/// Panics when it is polled after its end; pending before each item, as a slow stream is.
struct Strict {
    left: u8,
    is_slow: bool,
}

impl Stream for Strict {
    type Item = u8;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<u8>> {
        self.is_slow = !self.is_slow;
        if self.is_slow {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.left = self.left.checked_sub(1).expect("a stream is not polled after its end");
        Poll::Ready(Some(self.left).filter(|left| *left > 0))
    }
}

fn strict(left: u8) -> Strict {
    Strict { left, is_slow: false }
}

// futures-concurrency#120, async-std#437, #701 and #841.
async fn a_stream_is_not_polled_after_its_end_and_the_others_continue() {
    assert_eq!(soon(strict(3).merge(strict(9)).count()).await, 10);
    assert_eq!(soon(strict(9).merge(strict(3)).count()).await, 10);
    assert_eq!(soon(strict(3).chain(strict(3)).count()).await, 4);
    let nested = stream::from_iter([strict(3), strict(2), strict(1)]);
    assert_eq!(soon(nested.flatten().count()).await, 3);
    let flat = strict(3).flat_map(|_| strict(3));
    assert_eq!(soon(flat.count()).await, 4);
}

// futures-lite#106 (issue 105): a completed future holds nothing while the others run.
async fn a_future_that_is_done_is_dropped_before_its_partner() {
    let (sender, receiver) = channel::unbounded::<u8>();
    let first = async move { drop(sender) };
    let (_, received) = soon(first.join(async move { receiver.recv().await })).await;
    assert!(received.is_err());
    let (sender, receiver) = channel::unbounded::<u8>();
    let first = std::future::poll_fn(move |_| {
        let _kept = &sender;
        Poll::Ready(())
    });
    let (_, received) = soon(first.join(async move { receiver.recv().await })).await;
    assert!(received.is_err());
}

/// Yields a byte, is interrupted, yields another, and fails from then on.
struct Failing(usize);

impl reveille::io::Read for Failing {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.0 += 1;
        Poll::Ready(match self.0 {
            1 | 3 => {
                buf[0] = b'a';
                Ok(1)
            }
            2 => Err(ErrorKind::Interrupted.into()),
            _ => Err(io::Error::other("the cable is gone")),
        })
    }
}

// futures-rs#2862: `Lines` panicked after an error that came behind data.
async fn lines_continue_after_an_error_that_follows_data() {
    let mut lines = BufReader::new(Failing(0)).lines();
    for _ in 0..3 {
        let line = lines.next().await.expect("a reader that fails has not ended");
        assert_eq!(line.unwrap_err().to_string(), "the cable is gone");
    }
}

// futures-rs#2784: bytes that are not text caused an endless loop.
async fn a_line_of_invalid_utf8_is_one_error_and_the_next_line_follows() {
    let mut lines = BufReader::new(&b"pierre\naur\xe9lie\nolivier"[..]).lines();
    assert_eq!(lines.next().await.unwrap().unwrap(), "pierre");
    assert_eq!(lines.next().await.unwrap().unwrap_err().kind(), ErrorKind::InvalidData);
    assert_eq!(lines.next().await.unwrap().unwrap(), "olivier");
    assert!(lines.next().await.is_none());
}

// futures-rs#2702 and #2884: what was in the string before is still there.
async fn a_read_that_fails_leaves_the_string_as_std_does() {
    let mut text = String::from("before ");
    let error = (&b"a\xffb"[..]).read_to_string(&mut text).await.unwrap_err();
    assert_eq!((error.kind(), &text[..]), (ErrorKind::InvalidData, "before "));
    let mut reader = BufReader::new(&b"a\xffb\nafter"[..]);
    let error = reader.read_line(&mut text).await.unwrap_err();
    assert_eq!((error.kind(), &text[..]), (ErrorKind::InvalidData, "before "));
    assert_eq!(reader.read_line(&mut text).await.unwrap(), 5);
    assert_eq!(text, "before after");
    // An error of the reader: what came before it is kept, as std keeps it.
    let mut text = String::from("before ");
    assert!(Failing(0).read_to_string(&mut text).await.is_err());
    assert_eq!(text, "before aa");
}

// rust-lang/rust: `Vec::with_capacity(n)` and n bytes need no second allocation.
async fn a_vector_of_the_right_size_does_not_grow() {
    let source = vec![7; 1 << 20];
    let mut bytes = Vec::with_capacity(source.len());
    let capacity = bytes.capacity();
    (&source[..]).read_to_end(&mut bytes).await.unwrap();
    assert_eq!((bytes.len(), bytes.capacity()), (source.len(), capacity));
}

async fn infinite_streams_of_failures_collect_to_the_first() {
    let failures = stream::repeat(Err::<u8, _>("bad"));
    assert_eq!(failures.collect::<Result<Vec<u8>, _>>().await, Err("bad"));
    assert_eq!(stream::repeat(None::<u8>).collect::<Option<Vec<u8>>>().await, None);
}

// async-std#841: a merge whose one half has ended and whose other half waits must be woken.
async fn a_merge_is_woken_by_the_half_that_is_left() {
    let (sender, receiver) = channel::bounded(1);
    let polls = Arc::new(AtomicUsize::new(0));
    let merged = stream::empty().merge(receiver).inspect({
        let polls = Arc::clone(&polls);
        move |_| {
            polls.fetch_add(1, Ordering::SeqCst);
        }
    });
    let reader = task::spawn(merged.count());
    for _ in 0..10 {
        sender.send(1u8).await.unwrap();
    }
    drop(sender);
    assert_eq!(soon(reader).await, 10);
    assert_eq!(polls.load(Ordering::SeqCst), 10);
}

conformance!(
    an_ended_part_of_a_stream_is_dropped_at_once,
    what_is_left_of_a_chain_or_a_fused_stream_is_known,
    a_stream_is_not_polled_after_its_end_and_the_others_continue,
    a_future_that_is_done_is_dropped_before_its_partner,
    lines_continue_after_an_error_that_follows_data,
    a_line_of_invalid_utf8_is_one_error_and_the_next_line_follows,
    a_read_that_fails_leaves_the_string_as_std_does,
    a_vector_of_the_right_size_does_not_grow,
    infinite_streams_of_failures_collect_to_the_first,
    a_merge_is_woken_by_the_half_that_is_left,
);
