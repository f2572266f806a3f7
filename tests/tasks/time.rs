//! `reveille::time`: sleeps with a name, limits and ticks.

#![expect(clippy::disallowed_methods, reason = "the tests are about real time")]

use std::future::{Future, pending, ready};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use reveille::prelude::*;
use reveille::task::{self, block_on};
use reveille::time::{self, Duration, Instant, Interval, MissedTickBehavior, Sleep};

const SHORT: Duration = Duration::from_millis(2);
const LONG: Duration = Duration::from_secs(600);

fn is_pending<F: Future>(future: Pin<&mut F>) -> bool {
    future.poll(&mut Context::from_waker(Waker::noop())).is_pending()
}

async fn a_sleep_is_reset_forwards_and_backwards() {
    let mut sleep = task::sleep(LONG);
    assert!(is_pending(Pin::new(&mut sleep)));
    let start = Instant::now();
    sleep.reset(start + SHORT);
    assert_eq!(sleep.deadline(), Some(start + SHORT));
    (&mut sleep).await;
    assert!(start.elapsed() >= SHORT);
    assert!(sleep.is_elapsed());
    // The same again, after the deadline has passed.
    sleep.reset_after(SHORT);
    assert!(!sleep.is_elapsed() || start.elapsed() >= 2 * SHORT);
    (&mut sleep).await;
    assert!(start.elapsed() >= 2 * SHORT);
    sleep.reset_after(LONG);
    assert!(is_pending(Pin::new(&mut sleep)));
}

async fn a_sleep_counts_from_its_call() {
    let start = Instant::now();
    let sleep = task::sleep(SHORT);
    let deadline = sleep.deadline().unwrap();
    assert!(deadline >= start + SHORT);
    assert!(deadline <= Instant::now() + SHORT + Duration::from_millis(1));
    sleep.await;
}

async fn a_limit_takes_what_is_ready_and_nothing_else() {
    assert_eq!(time::timeout(Duration::ZERO, ready(1)).await, Ok(1));
    assert!(time::timeout(Duration::ZERO, pending::<()>()).await.is_err());
    assert!(time::timeout(SHORT, pending::<()>()).await.is_err());
    assert!(time::timeout(Duration::MAX, task::sleep(SHORT)).await.is_ok());
    let past = Instant::now();
    assert_eq!(time::timeout_at(past, ready(1)).await, Ok(1));
    assert!(time::timeout_at(past, pending::<()>()).await.is_err());
    assert!(time::timeout_at(past + LONG, task::yield_now()).await.is_ok());
}

async fn ticks_do_not_drift() {
    let start = Instant::now();
    let mut ticks = time::interval_at(start + SHORT, SHORT);
    for n in 1..=5 {
        assert_eq!(ticks.tick().await, start + n * SHORT);
        assert!(start.elapsed() >= n * SHORT);
    }
}

async fn a_dropped_tick_is_not_lost() {
    let mut until_tick = SHORT;
    loop {
        let start = Instant::now();
        let mut ticks = time::interval_at(start + until_tick, LONG);
        let is_dropped =
            is_pending(pin!(ticks.tick())) && ticks.tick().timeout(Duration::ZERO).await.is_err();
        if is_dropped {
            return assert_eq!(ticks.tick().await, start + until_tick);
        }
        // It was due already, as may happen on a slow machine.
        assert!(until_tick < LONG, "a tick that is not due is ready");
        until_tick *= 2;
    }
}

async fn a_burst_of_missed_ticks_lets_others_run() {
    let long_ago = Instant::now() - Duration::from_secs(1);
    let mut ticks = time::interval_at(long_ago, Duration::from_nanos(1));
    let endless = async {
        loop {
            ticks.tick().await;
        }
    };
    assert!(endless.timeout(SHORT).await.is_err());
}

reveille_tests::conformance!(
    a_sleep_is_reset_forwards_and_backwards,
    a_sleep_counts_from_its_call,
    a_limit_takes_what_is_ready_and_nothing_else,
    ticks_do_not_drift,
    a_dropped_tick_is_not_lost,
    a_burst_of_missed_ticks_lets_others_run,
);

#[test]
fn a_sleep_is_unpin_and_moves_between_threads() {
    fn check<T: Unpin + Send + Sync + 'static>(_: &T) {}
    check(&task::sleep(SHORT));
    check(&time::interval(SHORT));
    let mut sleep = task::sleep(LONG);
    block_on(async { assert!(is_pending(Pin::new(&mut sleep))) });
    sleep.reset_after(SHORT);
    std::thread::spawn(move || block_on(sleep)).join().unwrap();
}

#[test]
fn sleeps_limits_and_ticks_work_on_other_executors() {
    pollster::block_on(async {
        time::sleep(SHORT).await;
        assert!(time::timeout(SHORT, pending::<()>()).await.is_err());
        let mut ticks = time::interval(SHORT);
        for _ in 0..3 {
            ticks.tick().await;
        }
    });
}

#[test]
fn huge_durations_never_end() {
    let mut cx = Context::from_waker(Waker::noop());
    let far = Instant::now() + Duration::from_secs(100 * 365 * 24 * 60 * 60);
    let mut sleeps = [Sleep::after(Duration::MAX), Sleep::never(), Sleep::until(far)];
    for sleep in &mut sleeps {
        assert!(Pin::new(&mut *sleep).poll(&mut cx).is_pending());
        assert!(!sleep.is_elapsed());
    }
    let mut ticks = time::interval(Duration::MAX);
    assert!(ticks.poll_tick(&mut cx).is_ready());
    assert!(ticks.poll_tick(&mut cx).is_pending());
    ticks.reset_after(Duration::MAX);
    assert!(ticks.poll_tick(&mut cx).is_pending());
    ticks.reset_immediately();
    assert!(ticks.poll_tick(&mut cx).is_ready());
}

#[test]
#[should_panic(expected = "the period of an interval must not be zero")]
fn a_period_of_zero_is_refused() {
    let _ = time::interval(Duration::ZERO);
}

/// How many ticks are ready at once after a pause of 100 periods of 10 ms each.
fn ready_after_a_pause(behavior: MissedTickBehavior) -> (usize, Interval) {
    let mut cx = Context::from_waker(Waker::noop());
    let past = Instant::now() - Duration::from_secs(1);
    let mut ticks = time::interval_at(past, Duration::from_secs(10) / 1_000);
    ticks.set_missed_tick_behavior(behavior);
    let ready = std::iter::from_fn(|| match ticks.poll_tick(&mut cx) {
        Poll::Ready(_) => Some(()),
        Poll::Pending => None,
    });
    (ready.count(), ticks)
}

#[test]
fn missed_ticks_are_made_up_for_delayed_or_skipped() {
    let (burst, _) = ready_after_a_pause(MissedTickBehavior::Burst);
    assert!(burst >= 100, "{burst} ticks");
    // On a slow machine the test itself may be late for a tick.
    let (delayed, ticks) = ready_after_a_pause(MissedTickBehavior::Delay);
    assert!(delayed < 50, "{delayed} ticks");
    assert_eq!(ticks.missed_tick_behavior(), MissedTickBehavior::Delay);
    let (skipped, _) = ready_after_a_pause(MissedTickBehavior::Skip);
    assert!(skipped < 50, "{skipped} ticks");
}
