//! Ticks at a fixed period, and the policies for missed ticks.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use reveille_runtime::time::{Sleep, now};

use crate::stream::{FusedStream, Stream};

/// A tick that is taken at most this late does not count as missed. Timers are usually less late.
/// The value is tokio's.
const TOLERANCE: Duration = Duration::from_millis(5);

/// Creates ticks that are `period` apart. The first tick is ready at once.
///
/// The ticks do not drift: each is due a whole number of periods after the first, however long the
/// work between them takes. If the work takes longer than the period, ticks are missed.
/// [`MissedTickBehavior`] says what happens then.
///
/// # Panics
///
/// Panics if `period` is zero.
///
/// # Examples
///
/// ```
/// use reveille::time::{self, Duration};
///
/// reveille::task::block_on(async {
///     let mut ticks = time::interval(Duration::from_millis(2));
///     let first = ticks.tick().await;
///     let second = ticks.tick().await;
///     assert_eq!(second - first, Duration::from_millis(2));
/// });
/// ```
#[track_caller]
#[doc(alias("Timer", "tick"))]
pub fn interval(period: Duration) -> Interval {
    interval_at(now(), period)
}

/// Creates ticks that are `period` apart. The first tick is due at `start`. If that has passed, it
/// is ready at once.
///
/// # Panics
///
/// Panics if `period` is zero.
///
/// # Examples
///
/// ```
/// use reveille::time::{self, Duration, Instant};
///
/// reveille::task::block_on(async {
///     let start = Instant::now() + Duration::from_millis(2);
///     let mut ticks = time::interval_at(start, Duration::from_secs(60));
///     assert_eq!(ticks.tick().await, start);
/// });
/// ```
#[track_caller]
pub fn interval_at(start: Instant, period: Duration) -> Interval {
    assert!(!period.is_zero(), "the period of an interval must not be zero");
    let behavior = MissedTickBehavior::default();
    Interval { sleep: Sleep::until(start), due: Some(start), period, behavior }
}

/// What an [`Interval`] does when a tick is taken more than 5 ms after it was due.
///
/// With a period of 10 ms and a pause from 12 ms to 44 ms, ticks are taken at these times, in
/// milliseconds:
///
/// | | |
/// |---|---|
/// | `Burst` | 0, 10, 44, 44, 44, 50, 60 |
/// | `Delay` | 0, 10, 44, 54, 64 |
/// | `Skip` | 0, 10, 44, 50, 60 |
///
/// # Examples
///
/// ```
/// use reveille::time::{self, Duration, MissedTickBehavior};
///
/// let mut ticks = time::interval(Duration::from_secs(1));
/// ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
/// assert_eq!(ticks.missed_tick_behavior(), MissedTickBehavior::Skip);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MissedTickBehavior {
    /// Returns the missed ticks at once, one after the other, so that no tick is left out. The
    /// default.
    #[default]
    Burst,
    /// Waits a whole period after the late tick. All later ticks shift with it.
    Delay,
    /// Skips the missed ticks. The next tick is the next one of the original schedule.
    Skip,
}

impl MissedTickBehavior {
    /// Returns when the next tick is due, after one that was due at `due` and is taken at `now`.
    /// `None` means never.
    fn next(self, due: Instant, now: Instant, period: Duration) -> Option<Instant> {
        let lateness = now.saturating_duration_since(due);
        if lateness <= TOLERANCE {
            return due.checked_add(period);
        }
        match self {
            MissedTickBehavior::Burst => due.checked_add(period),
            MissedTickBehavior::Delay => now.checked_add(period),
            MissedTickBehavior::Skip => now.checked_add(period - remainder(lateness, period)),
        }
    }
}

/// The remainder of `duration` after whole periods.
fn remainder(duration: Duration, period: Duration) -> Duration {
    const SECOND: u128 = 1_000_000_000;
    let ns = duration.as_nanos() % period.as_nanos();
    // Neither part is too large: the remainder is at most `duration`.
    Duration::new((ns / SECOND) as u64, (ns % SECOND) as u32)
}

/// Ticks at a fixed period; made by [`interval`] and [`interval_at`].
///
/// It is also a [`Stream`] of ticks, which never ends.
///
/// # Examples
///
/// ```
/// use reveille::prelude::*;
/// use reveille::time::{self, Duration};
///
/// let ticks = time::interval(Duration::from_millis(1)).take(3);
/// assert_eq!(reveille::task::block_on(ticks.count()), 3);
/// ```
#[derive(Debug)]
#[must_use = "an interval does nothing unless its ticks are awaited"]
pub struct Interval {
    /// Ends at `due`.
    sleep: Sleep,
    /// When the next tick is due. `None` means never.
    due: Option<Instant>,
    period: Duration,
    behavior: MissedTickBehavior,
}

impl Interval {
    /// Waits for the next tick, and returns the time at which it was due.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no tick.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::time::{self, Duration, Instant};
    ///
    /// reveille::task::block_on(async {
    ///     let mut ticks = time::interval(Duration::from_secs(60));
    ///     assert!(ticks.tick().await <= Instant::now());
    /// });
    /// ```
    pub async fn tick(&mut self) -> Instant {
        poll_fn(|cx| self.poll_tick(cx)).await
    }

    /// Polls for the next tick; see [`tick`](Interval::tick).
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::time::{self, Duration};
    /// use std::task::{Context, Waker};
    ///
    /// let mut cx = Context::from_waker(Waker::noop());
    /// let mut ticks = time::interval(Duration::from_secs(60));
    /// assert!(ticks.poll_tick(&mut cx).is_ready());
    /// assert!(ticks.poll_tick(&mut cx).is_pending());
    /// ```
    pub fn poll_tick(&mut self, cx: &mut Context<'_>) -> Poll<Instant> {
        ready!(Pin::new(&mut self.sleep).poll(cx));
        let now = now();
        // Only a sleep with a deadline completes.
        let due = self.due.unwrap_or(now);
        self.set(self.behavior.next(due, now, self.period));
        Poll::Ready(due)
    }

    /// Makes the next tick due one period from now.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::time::{self, Duration, Instant};
    ///
    /// reveille::task::block_on(async {
    ///     let start = Instant::now();
    ///     let mut ticks = time::interval(Duration::from_millis(2));
    ///     ticks.reset(); // not at once
    ///     ticks.tick().await;
    ///     assert!(start.elapsed() >= Duration::from_millis(2));
    /// });
    /// ```
    pub fn reset(&mut self) {
        self.reset_after(self.period);
    }

    /// Makes the next tick due now.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::time::{self, Duration};
    ///
    /// reveille::task::block_on(async {
    ///     let mut ticks = time::interval(Duration::from_secs(60));
    ///     ticks.tick().await;
    ///     ticks.reset_immediately();
    ///     ticks.tick().await;
    /// });
    /// ```
    pub fn reset_immediately(&mut self) {
        self.reset_at(now());
    }

    /// Makes the next tick due `after` from now.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::time::{self, Duration};
    ///
    /// reveille::task::block_on(async {
    ///     let mut ticks = time::interval(Duration::from_secs(60));
    ///     ticks.tick().await;
    ///     ticks.reset_after(Duration::from_millis(2));
    ///     ticks.tick().await;
    /// });
    /// ```
    pub fn reset_after(&mut self, after: Duration) {
        self.set(now().checked_add(after));
    }

    /// Makes the next tick due at `deadline`.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::time::{self, Duration, Instant};
    ///
    /// reveille::task::block_on(async {
    ///     let mut ticks = time::interval(Duration::from_secs(60));
    ///     let deadline = Instant::now() + Duration::from_millis(2);
    ///     ticks.reset_at(deadline);
    ///     assert_eq!(ticks.tick().await, deadline);
    /// });
    /// ```
    pub fn reset_at(&mut self, deadline: Instant) {
        self.set(Some(deadline));
    }

    fn set(&mut self, due: Option<Instant>) {
        self.due = due;
        match due {
            Some(due) => self.sleep.reset(due),
            None => self.sleep = Sleep::never(),
        }
    }

    /// Returns the period.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::time::{self, Duration};
    ///
    /// let period = Duration::from_secs(1);
    /// assert_eq!(time::interval(period).period(), period);
    /// ```
    #[must_use]
    pub fn period(&self) -> Duration {
        self.period
    }

    /// Returns what happens to ticks that are missed.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::time::{self, Duration, MissedTickBehavior};
    ///
    /// let ticks = time::interval(Duration::from_secs(1));
    /// assert_eq!(ticks.missed_tick_behavior(), MissedTickBehavior::Burst);
    /// ```
    #[must_use]
    pub fn missed_tick_behavior(&self) -> MissedTickBehavior {
        self.behavior
    }

    /// Sets what happens to ticks that are missed, from the next tick on.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::time::{self, Duration, MissedTickBehavior};
    ///
    /// let mut ticks = time::interval(Duration::from_secs(1));
    /// ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    /// ```
    pub fn set_missed_tick_behavior(&mut self, behavior: MissedTickBehavior) {
        self.behavior = behavior;
    }
}

impl Stream for Interval {
    type Item = Instant;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Instant>> {
        self.poll_tick(cx).map(Some)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (usize::MAX, None)
    }
}

impl FusedStream for Interval {}

#[cfg(test)]
mod tests {
    use super::*;

    /// The times at which ticks are taken, if they are requested at the times `asked`, in
    /// milliseconds.
    fn taken(behavior: MissedTickBehavior, asked: &[u64]) -> Vec<u128> {
        let start = now();
        let ms = Duration::from_millis;
        let mut due = start;
        asked
            .iter()
            .map(|asked| {
                let taken = due.max(start + ms(*asked));
                due = behavior.next(due, taken, ms(10)).unwrap();
                (taken - start).as_millis()
            })
            .collect()
    }

    #[test]
    fn the_table_of_missed_ticks_is_true() {
        let asked = [0, 1, 44, 44, 44, 44, 44];
        let of = |behavior| taken(behavior, &asked);
        assert_eq!(of(MissedTickBehavior::Burst), [0, 10, 44, 44, 44, 50, 60]);
        assert_eq!(of(MissedTickBehavior::Delay)[..5], [0, 10, 44, 54, 64]);
        assert_eq!(of(MissedTickBehavior::Skip)[..5], [0, 10, 44, 50, 60]);
    }

    #[test]
    fn a_tick_too_far_away_is_never() {
        let start = now();
        let late = start + Duration::from_secs(1);
        for behavior in
            [MissedTickBehavior::Burst, MissedTickBehavior::Delay, MissedTickBehavior::Skip]
        {
            assert_eq!(behavior.next(start, late, Duration::MAX), None);
            let year = Duration::from_secs(365 * 24 * 60 * 60);
            let next = behavior.next(start, start + 100 * year, Duration::from_nanos(1));
            assert!(next.is_some_and(|next| next > start));
        }
    }
}
