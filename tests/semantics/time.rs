//! Point 14: timeouts, intervals, and which of two ready futures wins.

use std::future::{Future, pending, ready};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use async_std::future::timeout;
use async_std::io;
use async_std::prelude::*;
use async_std::stream;
use async_std::task::{self, block_on};

#[expect(clippy::disallowed_methods, reason = "a test's claim is about the time")]
fn now() -> Instant {
    Instant::now()
}

#[test]
fn point_14_a_timeout_polls_the_value_first() {
    block_on(async {
        assert_eq!(timeout(Duration::ZERO, ready(1)).await, Ok(1));
        assert_eq!(ready(2).timeout(Duration::ZERO).await, Ok(2));
        assert_eq!(io::timeout(Duration::ZERO, async { Ok(3) }).await.unwrap(), 3);
        let mut items = pin!(stream::once(4).timeout(Duration::ZERO));
        assert_eq!(items.next().await, Some(Ok(4)));
        assert!(timeout(Duration::ZERO, pending::<()>()).await.is_err());
    });
}

/// Is ready at its second poll.
struct Second(bool);

impl Future for Second {
    type Output = u32;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<u32> {
        if std::mem::replace(&mut self.0, true) {
            return Poll::Ready(2);
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

#[test]
fn point_14_the_longest_duration_is_fine() {
    block_on(async {
        assert_eq!(timeout(Duration::MAX, Second(false)).await, Ok(2));
        assert_eq!(Second(false).timeout(Duration::MAX).await, Ok(2));
        let sleep = pin!(task::sleep(Duration::MAX));
        assert_eq!(futures_lite::future::poll_once(sleep).await, None);
        let mut interval = stream::interval(Duration::MAX);
        assert_eq!(futures_lite::future::poll_once(interval.next()).await, None);
    });
}

#[test]
fn point_14_an_interval_waits_one_period_first() {
    let period = Duration::from_millis(20);
    block_on(async {
        let start = now();
        let mut interval = stream::interval(period);
        assert_eq!(futures_lite::future::poll_once(interval.next()).await, None);
        assert_eq!(interval.next().await, Some(()));
        assert!(start.elapsed() >= period);
    });
}

/// Missed ticks are not made up for: a late tick is followed by a whole period.
#[test]
fn point_14_an_interval_resets_after_each_tick() {
    let period = Duration::from_millis(20);
    block_on(async {
        let mut interval = stream::interval(period);
        interval.next().await;
        task::sleep(3 * period).await;
        interval.next().await;
        let late = now();
        interval.next().await;
        assert!(late.elapsed() >= period);
    });
}

/// Two hundred equal choices occur once in 2^199 runs.
#[test]
fn point_14_merge_is_randomly_fair() {
    block_on(async {
        let mut first = Vec::new();
        for _ in 0..200 {
            let mut merged = pin!(stream::repeat(1).merge(stream::repeat(2)));
            first.extend(merged.next().await);
        }
        assert!(first.contains(&1) && first.contains(&2));
        assert_eq!(first.len(), 200);
    });
}

#[test]
fn point_14_race_goes_to_the_left_when_both_are_ready() {
    block_on(async {
        for _ in 0..100 {
            assert_eq!(ready(1).race(ready(2)).await, 1);
        }
        assert_eq!(pending().race(ready(2)).await, 2);
    });
}
