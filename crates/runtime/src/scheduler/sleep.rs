//! [`Sleep`], the future of a deadline.
//!
//! A [`Sleep`] adds an entry to the timers of the thread that polls it. If that thread turns no
//! timers, the entry goes to those of the current runtime, of the global one, or of the host.
//! `timer/timers.rs` has the invariants.

use std::fmt;
use std::future::Future;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use reveille_primitive::atomic::Ordering;
use reveille_primitive::lock::assert_none_held;
use reveille_task::{is_kept_by, is_probe, is_task_waker};

use super::serving;
use crate::timer::Timers;
use crate::timer::clock::Clock;
use crate::timer::wheel::Key;
use crate::waits::WaitFor;
use crate::{budget, context, waits};

/// The time of the current runtime's clock.
///
/// Inside a simulated runtime this is its virtual time.
///
/// # Examples
///
/// ```
/// use std::time::Instant;
///
/// let now = reveille_runtime::time::now();
/// assert!(now <= Instant::now());
/// ```
#[must_use]
pub fn now() -> Instant {
    context::clock(Clock::now)
}

/// A future that is ready once a deadline has passed.
///
/// `time::sleep` and `time::sleep_until` make one, as do [`Sleep::after`] and [`Sleep::until`].
///
/// It never ends early. How late it ends depends on the system: about 30 to 60 µs on an idle
/// Linux machine. It needs no allocation and, while its thread has other deadlines or work, no
/// system call. It is `Unpin`, so one `Sleep` can be a field and be [reset](Sleep::reset) again and
/// again.
///
/// # Cancel safety
///
/// Dropping it removes the deadline and has no other effect.
///
/// # Examples
///
/// A time limit that starts again with each activity:
///
/// ```
/// use reveille::time::Sleep;
/// use std::future::Future;
/// use std::pin::Pin;
/// use std::task::{Context, Poll};
/// use std::time::Duration;
///
/// struct Idle {
///     limit: Duration,
///     sleep: Sleep,
/// }
///
/// impl Idle {
///     fn sign_of_life(&mut self) {
///         self.sleep.reset_after(self.limit);
///     }
/// }
///
/// impl Future for Idle {
///     type Output = ();
///
///     fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
///         Pin::new(&mut self.sleep).poll(cx)
///     }
/// }
///
/// let limit = Duration::from_millis(2);
/// let mut idle = Idle { limit, sleep: Sleep::never() };
/// idle.sign_of_life();
/// reveille::task::block_on(idle);
/// ```
#[must_use = "futures do nothing unless you `.await` or poll them"]
#[doc(alias("Timer", "Delay"))]
pub struct Sleep {
    deadline_ns: u64,
    /// The deadline had passed when it was set: the lowest bit. The others are the address of the
    /// task whose waker the entry keeps, if it is a task's; addresses of tasks are even.
    marks: usize,
    entry: Option<TimerEntry>,
}

/// The mark of a deadline that had passed when it was set.
const DUE: usize = 1;

#[derive(Clone, Copy)]
struct TimerEntry {
    timers: &'static Timers,
    epoch: u32,
    key: Key,
}

impl Sleep {
    /// Sleeps until `deadline`. A deadline that has passed is ready at once.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::time::Sleep;
    /// use std::time::{Duration, Instant};
    ///
    /// let deadline = Instant::now() + Duration::from_millis(2);
    /// reveille::task::block_on(Sleep::until(deadline));
    /// assert!(Instant::now() >= deadline);
    /// ```
    #[doc(alias = "at")]
    pub fn until(deadline: Instant) -> Sleep {
        let deadline_ns = context::clock(|clock| clock.to_ns(deadline));
        // The estimate is never before the present time, and costs less than the clock.
        let is_due = deadline_ns <= context::approx_now_ns() && deadline_ns <= now_ns();
        Sleep { deadline_ns, marks: usize::from(is_due), entry: None }
    }

    /// Sleeps for `duration` from now. A duration too long for the clock never ends.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::time::Sleep;
    /// use std::time::Duration;
    ///
    /// reveille::task::block_on(Sleep::after(Duration::from_millis(2)));
    /// ```
    #[inline]
    pub fn after(duration: Duration) -> Sleep {
        let deadline_ns = deadline_after(duration);
        Sleep { deadline_ns, marks: usize::from(duration.is_zero()), entry: None }
    }

    /// A sleep that never ends, until it is [reset](Sleep::reset).
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::time::Sleep;
    /// use std::time::Duration;
    ///
    /// let mut sleep = Sleep::never();
    /// assert_eq!(sleep.deadline(), None);
    /// sleep.reset_after(Duration::from_millis(2));
    /// reveille::task::block_on(sleep);
    /// ```
    pub fn never() -> Sleep {
        Sleep { deadline_ns: u64::MAX, marks: 0, entry: None }
    }

    /// When it ends; `None` for never.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::time::Sleep;
    /// use std::time::{Duration, Instant};
    ///
    /// let deadline = Instant::now() + Duration::from_secs(1);
    /// assert_eq!(Sleep::until(deadline).deadline(), Some(deadline));
    /// assert_eq!(Sleep::after(Duration::MAX).deadline(), None);
    /// ```
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        (self.deadline_ns != u64::MAX)
            .then(|| context::clock(|clock| clock.to_instant(self.deadline_ns)))
            .flatten()
    }

    /// Whether the deadline has passed, by the clock and without a poll.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::time::Sleep;
    /// use std::time::Duration;
    ///
    /// assert!(Sleep::after(Duration::ZERO).is_elapsed());
    /// assert!(!Sleep::after(Duration::from_secs(60)).is_elapsed());
    /// ```
    #[must_use]
    pub fn is_elapsed(&self) -> bool {
        self.marks & DUE != 0 || now_ns() >= self.deadline_ns
    }

    /// Sets another deadline, whether the sleep has ended or not. Poll the future again, or it will
    /// not wake your task.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::time::Sleep;
    /// use std::time::{Duration, Instant};
    ///
    /// let mut sleep = Sleep::after(Duration::from_secs(60));
    /// sleep.reset(Instant::now());
    /// reveille::task::block_on(sleep);
    /// ```
    pub fn reset(&mut self, deadline: Instant) {
        self.forget();
        // In place, for the reason given in `insert`.
        self.deadline_ns = context::clock(|clock| clock.to_ns(deadline));
        self.marks = usize::from(self.deadline_ns <= now_ns());
    }

    /// Sets the deadline to `duration` from now. The future must be polled again.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::time::Sleep;
    /// use std::time::Duration;
    ///
    /// let mut sleep = Sleep::after(Duration::from_secs(60));
    /// sleep.reset_after(Duration::from_millis(2));
    /// reveille::task::block_on(sleep);
    /// ```
    pub fn reset_after(&mut self, duration: Duration) {
        self.forget();
        self.deadline_ns = deadline_after(duration);
        self.marks = usize::from(duration.is_zero());
    }

    /// Adds an entry to the timers of this thread.
    fn insert(&mut self, waker: &Waker) {
        let deadline_ns = self.deadline_ns;
        if deadline_ns == u64::MAX {
            waits::note(waker, || WaitFor::Timer(None));
            return;
        }
        // Cloned before the wheel is entered, unless it is a task's: a waker is user code.
        let mut cloned = None;
        self.marks = if is_task_waker(waker) {
            waker.data().addr()
        } else {
            assert_none_held("the clone of a waker");
            let waker = cloned.insert(waker.clone());
            if is_task_waker(waker) { waker.data().addr() } else { 0 }
        };
        // Each field is written in its final place. To copy a value that was just written field by
        // field, the processor would have to wait until the fields have left the store buffer.
        context::with_timers(|timers, token| {
            let mut token = token.borrow_mut();
            let mut state = timers.wheel.enter(&mut token)?;
            let waker = cloned.take().unwrap_or_else(|| state.clone_of(waker));
            let key = state.wheel.insert(deadline_ns, waker);
            self.entry =
                Some(TimerEntry { timers, epoch: timers.epoch.load(Ordering::Relaxed), key });
            Some(())
        });
        if self.entry.is_none() {
            self.insert_elsewhere(cloned.unwrap_or_else(|| waker.clone()));
        }
    }

    /// Adds an entry to timers that another thread turns.
    #[cold]
    fn insert_elsewhere(&mut self, waker: Waker) {
        let deadline_ns = self.deadline_ns;
        serving::with_remote_timers(|timers| {
            self.forget();
            let epoch = timers.epoch.load(Ordering::Relaxed);
            let key = timers.insert_remote(deadline_ns, waker.clone());
            self.entry = Some(TimerEntry { timers, epoch, key });
        });
        assert_none_held("the drop of a waker");
        drop(waker);
    }

    /// Makes sure that the entry is in the timers of this thread and wakes `waker`.
    fn refresh(&mut self, entry: TimerEntry, waker: &Waker) {
        let is_current = context::with_timers(|timers, token| {
            if !std::ptr::eq(timers, entry.timers) {
                return None;
            }
            let mut token = token.borrow_mut();
            let state = timers.wheel.enter(&mut token)?;
            state.wheel.waker(entry.key).map(|present| present.will_wake(waker))
        });
        if is_current != Some(true) {
            // The entry is in other timers, was drained, or has another waker. All three are rare.
            self.forget();
            self.insert(waker);
        }
    }

    /// Whether the entry wakes the task that the probe `waker` polls, so that it stays where it is:
    /// the thread that probes turns no timers.
    #[cold]
    fn stays_for_probe(&self, entry: TimerEntry, waker: &Waker) -> bool {
        waits::push(WaitFor::Timer(self.deadline()));
        let is_drained = entry.timers.epoch.load(Ordering::Relaxed) != entry.epoch;
        // An entry that was not drained keeps its waker, and with it the cell at this address.
        !is_drained && is_kept_by(self.marks, waker)
    }

    /// Removes the entry from its wheel.
    fn forget(&mut self) {
        // Read field by field and not copied; see `insert`.
        let Some(entry) = &self.entry else {
            return;
        };
        let timers = entry.timers;
        let mut waker = None;
        if timers.epoch.load(Ordering::Relaxed) == entry.epoch {
            let is_removed = context::with_own_timers(timers, |token| {
                let mut token = token.borrow_mut();
                let mut state = timers.wheel.enter(&mut token)?;
                let removed = state.wheel.remove(entry.key);
                waker = state.keep(removed);
                Some(())
            });
            if is_removed.is_none() {
                timers.cancel_remote(entry.key);
            }
        }
        self.entry = None;
        assert_none_held("the drop of a waker");
        drop(waker);
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(entry) = self.entry else {
            if self.marks & DUE != 0 {
                // A loop of sleeps that end at once has to let other tasks run.
                return budget::poll_proceed(cx);
            }
            self.insert(cx.waker());
            return Poll::Pending;
        };
        if now_ns() >= self.deadline_ns {
            self.marks = DUE;
            if entry.timers.has_fired(self.deadline_ns) {
                self.entry = None;
            } else {
                self.forget();
            }
            return Poll::Ready(());
        }
        if is_probe(cx.waker()) && self.stays_for_probe(entry, cx.waker()) {
            return Poll::Pending;
        }
        self.refresh(entry, cx.waker());
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.forget();
    }
}

// A panic can only leave an entry whose wake has no effect.
impl UnwindSafe for Sleep {}
impl RefUnwindSafe for Sleep {}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleep").field("deadline", &self.deadline()).finish_non_exhaustive()
    }
}

fn now_ns() -> u64 {
    context::clock(Clock::now_ns)
}

fn deadline_after(duration: Duration) -> u64 {
    let duration = nanoseconds(duration);
    context::approx_now_ns().saturating_add(duration)
}

/// A duration in nanoseconds. If it does not fit, `u64::MAX`, which means never.
#[inline]
fn nanoseconds(duration: Duration) -> u64 {
    let seconds = duration.as_secs().checked_mul(1_000_000_000);
    let ns = seconds.and_then(|ns| ns.checked_add(u64::from(duration.subsec_nanos())));
    ns.unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The waker that the timers of this thread keep.
    fn spare() -> Option<Waker> {
        context::with_timers(|timers, token| {
            timers.wheel.enter(&mut token.borrow_mut())?.spare.as_ref().cloned()
        })
    }

    /// Polls a sleep once and drops it.
    async fn touch() {
        let mut sleep = std::pin::pin!(Sleep::after(Duration::from_secs(100)));
        let first = std::future::poll_fn(|cx| Poll::Ready(sleep.as_mut().poll(cx))).await;
        assert!(first.is_pending());
    }

    #[test]
    fn a_tasks_waker_is_kept_for_its_next_deadline_until_the_worker_parks() {
        let runtime = crate::Builder::new().workers(1).build().expect("a runtime");
        let (first, second) = runtime.block_on(async {
            let first = crate::spawn(async {
                touch().await;
                let kept = spare().expect("the waker is kept");
                touch().await;
                assert!(spare().expect("kept again").will_wake(&kept));
                kept
            });
            let first = first.await;
            // By now the worker has parked or turned its timers.
            let second = crate::spawn(async {
                Sleep::after(Duration::from_millis(1)).await;
                spare()
            });
            (first, second.await)
        });
        assert!(is_task_waker(&first));
        assert!(second.is_none_or(|second| !second.will_wake(&first)), "kept across a park");
    }
}
