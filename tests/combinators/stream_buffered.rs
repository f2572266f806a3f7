//! `reveille::stream`: `unfold`, `then`, `buffered`, `buffer_unordered`, `chunks_timeout`.

use std::cell::Cell;
use std::future::{Future, pending};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use reveille::prelude::*;
use reveille::sync::oneshot;
use reveille::task::{self, block_on};
use reveille::{channel, stream};

const LONG: Duration = Duration::from_secs(600);

fn poll<F: Future>(future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn unfold_ends_and_stays_ended() {
    let mut count = Box::pin(stream::unfold(0, async |n| {
        task::yield_now().await;
        (n < 3).then_some((n, n + 1))
    }));
    block_on(async {
        assert_eq!(count.by_ref().collect::<Vec<_>>().await, [0, 1, 2]);
        assert_eq!((count.next().await, count.next().await), (None, None));
    });
}

#[test]
fn the_futures_of_unfold_and_then_outlive_a_dropped_next() {
    let mut count = Box::pin(stream::unfold(0, async |n| {
        task::yield_now().await;
        Some((n, n + 1))
    }));
    let mut doubled = Box::pin(stream::from_iter(1..).then(async |n| {
        task::yield_now().await;
        2 * n
    }));
    for n in 0..3 {
        assert!(poll(count.next()).is_pending());
        assert_eq!(poll(count.next()), Poll::Ready(Some(n)));
        assert!(poll(doubled.next()).is_pending());
        assert_eq!(poll(doubled.next()), Poll::Ready(Some(2 * (n + 1))));
    }
}

/// Oneshot channels, and their receivers as a stream of futures.
fn answers(count: usize) -> (Vec<oneshot::Sender<usize>>, Vec<oneshot::Receiver<usize>>) {
    (0..count).map(|_| oneshot::channel()).unzip()
}

#[test]
fn buffered_keeps_the_order_and_buffer_unordered_that_of_completion() {
    for is_ordered in [true, false] {
        let (senders, receivers) = answers(3);
        let source = stream::from_iter(receivers);
        let mut outputs: Pin<Box<dyn stream::Stream<Item = Result<usize, _>> + Send>> =
            match is_ordered {
                true => Box::pin(source.buffered(3)),
                false => Box::pin(source.buffer_unordered(3)),
            };
        assert!(poll(outputs.next()).is_pending());
        for (n, sender) in senders.into_iter().enumerate().rev() {
            sender.send(n).unwrap();
        }
        let outputs: Vec<usize> = block_on(outputs.map(Result::unwrap).collect());
        let expected = if is_ordered { [0, 1, 2] } else { [2, 1, 0] };
        assert_eq!(outputs, expected);
    }
}

#[test]
fn no_more_futures_than_the_limit_are_started() {
    for is_ordered in [true, false] {
        let (running, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let source = stream::from_iter(0..20).map(async |n: u64| {
            let now = running.fetch_add(1, Ordering::SeqCst) + 1;
            most.fetch_max(now, Ordering::SeqCst);
            for _ in 0..(n * 7 % 5) {
                task::yield_now().await;
            }
            running.fetch_sub(1, Ordering::SeqCst);
            n
        });
        let mut outputs: Vec<u64> = match is_ordered {
            true => block_on(source.buffered(3).collect()),
            false => block_on(source.buffer_unordered(3).collect()),
        };
        outputs.sort();
        assert_eq!(outputs, (0..20).collect::<Vec<_>>());
        assert_eq!((running.into_inner(), most.into_inner()), (0, 3));
    }
}

#[test]
fn an_output_that_waits_for_its_turn_counts_for_the_limit() {
    let started = Cell::new(0);
    let mut outputs = Box::pin(
        stream::from_iter(0..10)
            .map(async |n: u32| {
                started.set(started.get() + 1);
                if n == 0 {
                    pending::<()>().await;
                }
            })
            .buffered(4),
    );
    for _ in 0..5 {
        assert!(poll(outputs.next()).is_pending());
    }
    assert_eq!(started.get(), 4);
}

#[test]
fn futures_are_dropped_with_their_stream() {
    let held = Arc::new(());
    let source = || {
        let held = Arc::clone(&held);
        stream::repeat(()).map(move |()| {
            let held = Arc::clone(&held);
            async move {
                pending::<()>().await;
                drop(held);
            }
        })
    };
    let mut ordered = Box::pin(source().buffered(3));
    let mut unordered = Box::pin(source().buffer_unordered(3));
    assert!(poll(ordered.next()).is_pending());
    assert!(poll(unordered.next()).is_pending());
    drop((ordered, unordered));
    assert_eq!(Arc::strong_count(&held), 1);
}

#[test]
fn their_sizes_count_what_is_started() {
    let source = || stream::from_iter(0..10).map(|_| pending::<()>());
    let mut ordered = Box::pin(source().buffered(3));
    let mut unordered = Box::pin(source().buffer_unordered(3));
    assert!(poll(ordered.next()).is_pending());
    assert!(poll(unordered.next()).is_pending());
    assert_eq!(ordered.size_hint(), (10, Some(10)));
    assert_eq!(unordered.size_hint(), (10, Some(10)));
}

#[test]
fn a_limit_of_zero_is_refused() {
    let futures = || stream::empty::<std::future::Ready<()>>();
    let is_refused = |f: &dyn Fn()| {
        let error = std::panic::catch_unwind(std::panic::AssertUnwindSafe(f)).unwrap_err();
        error.downcast_ref::<String>().is_some_and(|text| text.contains("at least 1"))
    };
    assert!(is_refused(&|| drop(futures().buffered(0))));
    assert!(is_refused(&|| drop(futures().buffer_unordered(0))));
    assert!(is_refused(&|| drop(futures().chunks_timeout(0, LONG))));
}

#[test]
fn the_largest_limits_allocate_nothing_ahead() {
    block_on(async {
        let futures = || stream::from_iter(1..=3).map(std::future::ready);
        let ordered: Vec<i32> = futures().buffered(usize::MAX).collect().await;
        let unordered = futures().buffer_unordered(usize::MAX).sum::<i32>().await;
        assert_eq!((ordered, unordered), (vec![1, 2, 3], 6));
        let batches = stream::from_iter(1..=3).chunks_timeout(usize::MAX, Duration::MAX);
        assert_eq!(batches.collect::<Vec<_>>().await, [[1, 2, 3]]);
    });
}

async fn futures_that_are_always_ready_let_others_run() {
    for is_ordered in [true, false] {
        let source = stream::repeat(()).map(|()| task::yield_now());
        let outputs: Pin<Box<dyn stream::Stream<Item = ()> + Send>> = match is_ordered {
            true => Box::pin(source.buffered(100)),
            false => Box::pin(source.buffer_unordered(100)),
        };
        let endless = outputs.count();
        assert!(endless.timeout(Duration::from_millis(2)).await.is_err());
    }
    let batch = stream::repeat(()).chunks_timeout(usize::MAX, Duration::from_millis(2));
    assert!(pin!(batch).next().await.is_some_and(|batch| !batch.is_empty()));
}

async fn a_batch_is_full_or_its_time_is_up() {
    let (sender, receiver) = channel::unbounded();
    let mut batches = pin!(receiver.chunks_timeout(3, Duration::from_millis(2)));
    for n in 1..=5 {
        sender.send(n).await.unwrap();
    }
    assert_eq!(batches.next().await, Some(vec![1, 2, 3]));
    assert_eq!(batches.next().await, Some(vec![4, 5]));
    sender.send(6).await.unwrap();
    drop(sender);
    assert_eq!(batches.next().await, Some(vec![6]));
    assert_eq!((batches.next().await, batches.next().await), (None, None));
}

async fn no_batch_is_empty() {
    let mut silent = pin!(stream::pending::<u8>().chunks_timeout(3, Duration::ZERO));
    assert!(silent.next().timeout(Duration::from_millis(2)).await.is_err());
}

reveille_tests::conformance!(
    futures_that_are_always_ready_let_others_run,
    a_batch_is_full_or_its_time_is_up,
    no_batch_is_empty,
);

#[test]
fn a_dropped_next_loses_no_item_of_a_batch() {
    let (sender, receiver) = channel::unbounded();
    let mut batches = Box::pin(receiver.chunks_timeout(3, LONG));
    for n in 1..=3 {
        assert!(poll(batches.next()).is_pending());
        sender.try_send(n).unwrap();
    }
    assert_eq!(poll(batches.next()), Poll::Ready(Some(vec![1, 2, 3])));
}
