//! A timer, once or periodic.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use futures_core::Stream;
use reveille_runtime::time::{Sleep, now};

/// A timer: a future that is ready at an instant, and a stream of periodic instants.
///
/// It is never early. As a future it returns the instant that it was set to. As a stream it returns
/// one instant for each period, missed periods included, and never ends.
///
/// # Cancel safety
///
/// Nothing is lost: a timer that is dropped is removed.
///
/// # Examples
///
/// ```
/// use std::time::{Duration, Instant};
///
/// use async_io::Timer;
///
/// # async_io::block_on(async {
/// let start = Instant::now();
/// Timer::after(Duration::from_millis(2)).await;
/// assert!(start.elapsed() >= Duration::from_millis(2));
/// # });
/// ```
#[derive(Debug)]
#[must_use = "timers do nothing unless you `.await` or poll them"]
pub struct Timer {
    sleep: Sleep,
    /// The next instant, or `None` for never.
    when: Option<Instant>,
    period: Duration,
    /// The task that waits, so that a timer that is set again still wakes it.
    waker: Option<Waker>,
}

impl Timer {
    /// Creates a timer that never fires. It can be set later.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(!async_io::Timer::never().will_fire());
    /// ```
    pub fn never() -> Timer {
        Timer { sleep: Sleep::never(), when: None, period: Duration::MAX, waker: None }
    }

    /// Creates a timer that fires once, when a duration has passed. A duration that is too long for
    /// an `Instant` never passes.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use async_io::Timer;
    ///
    /// async_io::block_on(Timer::after(Duration::from_millis(1)));
    /// assert!(!Timer::after(Duration::MAX).will_fire());
    /// ```
    pub fn after(duration: Duration) -> Timer {
        now().checked_add(duration).map_or_else(Timer::never, Timer::at)
    }

    /// Creates a timer that fires once, at an instant.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Instant;
    ///
    /// let instant = Instant::now();
    /// assert_eq!(async_io::block_on(async_io::Timer::at(instant)), instant);
    /// ```
    pub fn at(instant: Instant) -> Timer {
        Timer::interval_at(instant, Duration::MAX)
    }

    /// Creates a timer that fires each time a period has passed.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use async_io::Timer;
    /// use futures_lite::StreamExt;
    ///
    /// # async_io::block_on(async {
    /// let period = Duration::from_millis(1);
    /// let fired: Vec<_> = Timer::interval(period).take(2).collect().await;
    /// assert_eq!(fired[1] - fired[0], period);
    /// # });
    /// ```
    pub fn interval(period: Duration) -> Timer {
        now().checked_add(period).map_or_else(Timer::never, |at| Timer::interval_at(at, period))
    }

    /// Creates a timer that fires at an instant, and then each time a period has passed.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    ///
    /// use async_io::Timer;
    /// use futures_lite::StreamExt;
    ///
    /// # async_io::block_on(async {
    /// let start = Instant::now();
    /// let mut timer = Timer::interval_at(start, Duration::from_millis(1));
    /// assert_eq!(timer.next().await, Some(start));
    /// # });
    /// ```
    pub fn interval_at(start: Instant, period: Duration) -> Timer {
        Timer { sleep: Sleep::until(start), when: Some(start), period, waker: None }
    }

    /// Returns whether the timer will fire: whether it is set to an instant.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// assert!(async_io::Timer::after(Duration::from_secs(1)).will_fire());
    /// ```
    #[inline]
    pub fn will_fire(&self) -> bool {
        self.when.is_some()
    }

    /// Sets the timer to fire when a duration has passed, instead of what it was set to. The period
    /// stays.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use async_io::Timer;
    ///
    /// let mut timer = Timer::after(Duration::from_secs(100));
    /// timer.set_after(Duration::from_millis(1));
    /// async_io::block_on(timer);
    /// ```
    pub fn set_after(&mut self, duration: Duration) {
        self.set(now().checked_add(duration));
    }

    /// Sets the timer to fire at an instant, instead of what it was set to. The period stays.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Instant;
    ///
    /// use async_io::Timer;
    ///
    /// let mut timer = Timer::never();
    /// timer.set_at(Instant::now());
    /// async_io::block_on(timer);
    /// ```
    pub fn set_at(&mut self, instant: Instant) {
        self.set(Some(instant));
    }

    /// Sets the timer to fire each time a period has passed.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use async_io::Timer;
    /// use futures_lite::StreamExt;
    ///
    /// # async_io::block_on(async {
    /// let mut timer = Timer::never();
    /// timer.set_interval(Duration::from_millis(1));
    /// assert!(timer.next().await.is_some() && timer.will_fire());
    /// # });
    /// ```
    pub fn set_interval(&mut self, period: Duration) {
        match now().checked_add(period) {
            Some(start) => self.set_interval_at(start, period),
            None => self.clear(),
        }
    }

    /// Sets the timer to fire at an instant, and then each time a period has passed.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    ///
    /// use async_io::Timer;
    ///
    /// let mut timer = Timer::never();
    /// timer.set_interval_at(Instant::now(), Duration::from_secs(1));
    /// assert!(timer.will_fire());
    /// ```
    pub fn set_interval_at(&mut self, start: Instant, period: Duration) {
        self.period = period;
        self.set(Some(start));
    }

    /// Clears the timer: it does not fire until it is set again. A task that waits for it keeps
    /// waiting.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let mut timer = async_io::Timer::after(Duration::from_secs(1));
    /// timer.clear();
    /// assert!(!timer.will_fire());
    /// ```
    pub fn clear(&mut self) {
        self.set(None);
    }

    fn set(&mut self, when: Option<Instant>) {
        self.when = when;
        self.sleep = when.map_or_else(Sleep::never, Sleep::until);
        // The waiting task does not poll again before it is woken, so its waker is put into the
        // wheel here. Waking it instead would make a task that sets a timer in each poll run
        // forever.
        if let Some(waker) = &self.waker
            && Pin::new(&mut self.sleep).poll(&mut Context::from_waker(waker)).is_ready()
        {
            waker.wake_by_ref();
        }
    }
}

impl Future for Timer {
    type Output = Instant;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Instant> {
        self.poll_fired(cx)
    }
}

impl Stream for Timer {
    type Item = Instant;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Instant>> {
        self.poll_fired(cx).map(Some)
    }
}

impl Timer {
    fn poll_fired(&mut self, cx: &mut Context<'_>) -> Poll<Instant> {
        if let Some(when) = self.when
            && Pin::new(&mut self.sleep).poll(cx).is_ready()
        {
            let next = when.checked_add(self.period);
            // As in the original, the next period wakes the task even if it does not poll again.
            self.waker = next.is_some().then(|| cx.waker().clone());
            self.set(next);
            return Poll::Ready(when);
        }
        if !self.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            self.waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }
}
