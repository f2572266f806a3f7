//! `reveille::future`: pairs, timeouts, and the drop order of the futures inside.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Mutex as StdMutex;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use reveille::prelude::*;
use reveille::sync::Mutex;

use reveille::{future, task};

/// A future that is ready after some polls, and logs its name when it is dropped.
struct Logged<'l, T> {
    name: &'static str,
    log: &'l Log,
    polls_left: usize,
    output: Option<T>,
}

impl<T: Unpin> Future for Logged<'_, T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        if self.polls_left == 0 {
            return Poll::Ready(self.output.take().expect("polled after it was ready"));
        }
        self.polls_left -= 1;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<T> Drop for Logged<'_, T> {
    fn drop(&mut self) {
        self.log.lock().unwrap().push(self.name);
    }
}

type Log = StdMutex<Vec<&'static str>>;

fn logged<'l, T>(log: &'l Log, name: &'static str, polls_left: usize, output: T) -> Logged<'l, T> {
    Logged { name, log, polls_left, output: Some(output) }
}

async fn join_returns_both_outputs_whichever_is_first() {
    for (left, right) in [(0, 0), (3, 0), (0, 3), (2, 5)] {
        let log = Log::default();
        let both = logged(&log, "left", left, 1).join(logged(&log, "right", right, "two"));
        assert_eq!(both.await, (1, "two"));
        assert_eq!(log.lock().unwrap().len(), 2);
    }
}

#[test]
fn join_drops_a_future_as_soon_as_it_is_ready() {
    let log = Log::default();
    let mut both = pin!(logged(&log, "left", 0, ()).join(logged(&log, "right", 1, ())));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(both.as_mut().poll(&mut cx).is_pending());
    assert_eq!(*log.lock().unwrap(), ["left"]);
    assert!(both.as_mut().poll(&mut cx).is_ready());
    assert_eq!(*log.lock().unwrap(), ["left", "right"]);
}

async fn race_goes_to_the_first_and_on_a_tie_to_the_left() {
    for (left, right, winner) in [(0, 0, 'l'), (2, 1, 'r'), (1, 2, 'l'), (3, 3, 'l')] {
        let log = Log::default();
        let race = logged(&log, "left", left, 'l').race(logged(&log, "right", right, 'r'));
        assert_eq!(race.await, winner);
    }
}

#[test]
fn race_drops_the_loser_before_it_is_ready() {
    let log = Log::default();
    let mut race = pin!(logged(&log, "left", 9, 1).race(logged(&log, "right", 0, 2)));
    let mut cx = Context::from_waker(Waker::noop());
    assert_eq!(race.as_mut().poll(&mut cx), Poll::Ready(2));
    // `race` itself is still alive here.
    let mut dropped = log.lock().unwrap().clone();
    dropped.sort_unstable();
    assert_eq!(dropped, ["left", "right"]);
}

async fn the_loser_of_a_race_gives_its_lock_back() {
    let mutex = Mutex::new(0);
    let holder = async {
        let _guard = mutex.lock().await;
        future::pending::<()>().await;
    };
    let mut race = pin!(holder.race(task::yield_now()));
    race.as_mut().await;
    // If the loser were kept until `race` is dropped, this would wait forever.
    *mutex.lock().await += 1;
}

async fn try_race_prefers_success() {
    type Out = Result<i32, &'static str>;
    let cases: [(usize, Out, usize, Out, Out); 5] = [
        (0, Ok(1), 0, Ok(2), Ok(1)),
        (0, Err("l"), 4, Ok(2), Ok(2)),
        (4, Ok(1), 0, Err("r"), Ok(1)),
        (0, Err("l"), 3, Err("r"), Err("r")),
        (3, Err("l"), 0, Err("r"), Err("r")),
    ];
    for (left, left_output, right, right_output, expected) in cases {
        let log = Log::default();
        let left = logged(&log, "left", left, left_output);
        let race = left.try_race(logged(&log, "right", right, right_output));
        assert_eq!(race.await, expected);
        assert_eq!(log.lock().unwrap().len(), 2);
    }
}

async fn try_join_gives_both_or_the_first_error() {
    type Out = Result<i32, &'static str>;
    type Both = Result<(i32, i32), &'static str>;
    let cases: [(usize, Out, usize, Out, Both); 5] = [
        (0, Ok(1), 2, Ok(2), Ok((1, 2))),
        (2, Ok(1), 0, Ok(2), Ok((1, 2))),
        (0, Err("l"), 9, Ok(2), Err("l")),
        (9, Ok(1), 1, Err("r"), Err("r")),
        (1, Err("l"), 0, Err("r"), Err("r")),
    ];
    for (left, left_output, right, right_output, expected) in cases {
        let log = Log::default();
        let left = logged(&log, "left", left, left_output);
        let join = left.try_join(logged(&log, "right", right, right_output));
        assert_eq!(join.await, expected);
        assert_eq!(log.lock().unwrap().len(), 2);
    }
}

#[test]
fn a_failed_try_join_drops_the_other_future_at_once() {
    let log = Log::default();
    let mut join = pin!(logged(&log, "left", 0, Err::<(), _>("no")).try_join(logged(
        &log,
        "right",
        9,
        Ok(())
    )));
    let mut cx = Context::from_waker(Waker::noop());
    assert_eq!(join.as_mut().poll(&mut cx), Poll::Ready(Err("no")));
    assert_eq!(log.lock().unwrap().len(), 2);
}

async fn a_future_that_is_ready_is_never_late() {
    assert_eq!(future::timeout(Duration::ZERO, future::ready(1)).await, Ok(1));
    assert_eq!(future::ready(2).timeout(Duration::ZERO).await, Ok(2));
}

async fn a_timeout_of_the_longest_duration_just_waits() {
    assert_eq!(future::timeout(Duration::MAX, task::yield_now()).await, Ok(()));
    assert_eq!(task::yield_now().timeout(Duration::MAX).await, Ok(()));
}

#[expect(clippy::disallowed_methods, reason = "the claim is about wall time")]
async fn a_sleep_until_a_deadline_is_never_early_and_one_that_passed_is_over() {
    let start = Instant::now();
    let deadline = start + Duration::from_millis(5);
    task::sleep_until(deadline).await;
    assert!(Instant::now() >= deadline);
    task::sleep_until(start).await;
    // The latest time that the clock can represent.
    let furthest = (0..64).rev().map(|bit| Duration::from_secs(1 << bit));
    let furthest = furthest.fold(start, |sum, step| sum.checked_add(step).unwrap_or(sum));
    let mut never = pin!(task::sleep_until(furthest));
    assert!(never.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
}

async fn a_late_future_is_dropped_before_the_error_is_given() {
    let mutex = Mutex::new(());
    let mut late = pin!(
        async {
            let _guard = mutex.lock().await;
            future::pending::<()>().await;
        }
        .timeout(Duration::from_millis(2))
    );
    let error = late.as_mut().await.unwrap_err();
    assert_eq!(error.to_string(), "future has timed out");
    mutex.lock().await;
}

#[expect(clippy::disallowed_methods, reason = "the claim is about wall time")]
async fn delay_polls_the_future_only_after_the_pause() {
    let start = std::time::Instant::now();
    let first_poll = async { start.elapsed() }.delay(Duration::from_millis(10)).await;
    assert!(first_poll >= Duration::from_millis(10));
}

async fn flatten_awaits_both_and_drops_the_outer_first() {
    let log = Log::default();
    let outer = logged(&log, "outer", 2, logged(&log, "inner", 2, 5));
    assert_eq!(outer.flatten().await, 5);
    assert_eq!(*log.lock().unwrap(), ["outer", "inner"]);
}

#[test]
fn futures_of_futures_keep_their_auto_traits() {
    fn is_send_sync_unpin<T: Send + Sync + Unpin>(_: T) {}
    let ready = || future::ready(Ok::<i32, ()>(1));
    is_send_sync_unpin(ready().race(ready()));
    is_send_sync_unpin(ready().join(ready()));
    is_send_sync_unpin(ready().try_race(ready()));
    is_send_sync_unpin(ready().try_join(ready()));
    is_send_sync_unpin(ready().delay(Duration::MAX));
    is_send_sync_unpin(ready().timeout(Duration::MAX));
}

// Each of these runs on every executor.
reveille_tests::conformance!(
    the_loser_of_a_race_gives_its_lock_back,
    a_future_that_is_ready_is_never_late,
    a_timeout_of_the_longest_duration_just_waits,
    a_sleep_until_a_deadline_is_never_early_and_one_that_passed_is_over,
    a_late_future_is_dropped_before_the_error_is_given,
    delay_polls_the_future_only_after_the_pause,
    join_returns_both_outputs_whichever_is_first,
    race_goes_to_the_first_and_on_a_tie_to_the_left,
    try_race_prefers_success,
    try_join_gives_both_or_the_first_error,
    flatten_awaits_both_and_drops_the_outer_first,
);
