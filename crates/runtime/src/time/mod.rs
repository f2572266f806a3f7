//! Timers: a wheel per driven thread, and the future that sleeps in it.
//!
//! # Vocabulary
//!
//! * **home**: the wheel of one worker or of one thread in `block_on`. Homes are never freed, only
//!   used again, so a sleeping future names its home by a plain reference.
//! * **epoch**: how often a home was vacated. An entry of an earlier epoch is gone.
//!
//! # Invariants
//!
//! 1. The owner of a home reaches its wheel without a lock ([`Biased`]); a stranger that only
//!    cancels leaves a note, which the owner reads when it next turns the wheel.
//! 2. A sleep that is polled where its home is not current moves: it leaves a note there and makes
//!    a new entry here. So an entry is always with a thread that will turn it, or its waker has
//!    been woken because the home was vacated.
//! 3. A sleep is over when the clock says so, never because an entry is missing: a lost or stale
//!    entry costs a spurious poll at most, and none fires early.

mod approx_clock;
pub(crate) mod clock;
pub(crate) mod wheel;

use std::fmt;
use std::future::Future;
use std::mem;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use reveille_primitive::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use reveille_primitive::biased::{Biased, OwnerId, OwnerToken};
use reveille_primitive::fork;
use reveille_primitive::lock::{Mutex, assert_none_held};

use reveille_task::is_task_waker;

use crate::scheduler::current;
use crate::{budget, context};
pub(crate) use approx_clock::{APPROX_ERROR_MAX_NS, ApproxClock, detect_ticks};
use clock::Clock;
use wheel::{Advanced, Key, Wheel};

/// Notes after which the owner of a home is asked to read them: a batch big enough to pay for the
/// wake-up, small enough that the memory of cancelled sleeps does not matter.
const CANCELLED_BATCH: usize = 256;

/// Timers from which on a wake may serve several.
const COALESCE_FROM: usize = 64;

/// The time between two wakes, in nanoseconds, when a crowd of timers follow each other so closely
/// that the kernel's wake, some 10 us of processor time, would be most of what they cost.
const COALESCE_NS: u64 = 60_000;

/// Entries of a wheel that are looked at in a step, and fired between two polls.
const BATCH: usize = 256;

/// The wheel of one worker or thread.
#[derive(Debug)]
pub(crate) struct Timers {
    wheel: Biased<TimersState>,
    cancelled: Mutex<Vec<Key>>,
    has_cancelled: AtomicBool,
    epoch: AtomicU32,
    /// Entries with this deadline or an earlier one have fired, but for those that another thread
    /// has added since. A hint that a sleep need not be removed.
    fired_until_ns: AtomicU64,
    /// Interrupts the owner's park.
    notify: Mutex<Option<Notify>>,
}

/// What interrupts the park of a home's owner.
pub(crate) type Notify = Arc<dyn Fn() + Send + Sync>;

#[derive(Debug)]
struct TimersState {
    wheel: Wheel,
    /// Until when the owner is parked, 0 while it is awake.
    parked_until_ns: u64,
    /// When the wheel was last turned, and whether that ended a park between two close deadlines.
    turned_ns: u64,
    is_brief: bool,
    /// A task's waker that an entry gave back, kept for the next entry of that task until the next
    /// turn or the owner's park: a task that sets a deadline at each step clones and drops none.
    spare: Option<Waker>,
}

impl TimersState {
    /// A clone of a task's waker.
    #[inline]
    fn clone_of(&mut self, waker: &Waker) -> Waker {
        if self.spare.as_ref().is_some_and(|spare| spare.will_wake(waker))
            && let Some(spare) = self.spare.take()
        {
            return spare;
        }
        waker.clone()
    }

    /// Keeps the waker if there is room for it, and gives it back if not.
    #[inline]
    fn keep(&mut self, waker: Option<Waker>) -> Option<Waker> {
        if self.spare.is_none() && waker.as_ref().is_some_and(is_task_waker) {
            self.spare = waker;
            return None;
        }
        waker
    }

    fn turned(&mut self, now_ns: u64) {
        let parked_until_ns = mem::take(&mut self.parked_until_ns);
        if parked_until_ns != 0 {
            let has_come = now_ns >= parked_until_ns;
            self.is_brief = has_come && now_ns.saturating_sub(self.turned_ns) < 2 * COALESCE_NS;
        }
        self.turned_ns = now_ns;
    }
}

impl Timers {
    pub(crate) fn new() -> Timers {
        Timers {
            wheel: Biased::new(TimersState {
                wheel: Wheel::new(0),
                parked_until_ns: 0,
                turned_ns: 0,
                is_brief: false,
                spare: None,
            }),
            cancelled: Mutex::new(Vec::new()),
            has_cancelled: AtomicBool::new(false),
            epoch: AtomicU32::new(0),
            fired_until_ns: AtomicU64::new(0),
            notify: Mutex::new(None),
        }
    }

    /// Hands the wheel to another thread, or to none.
    pub(crate) fn set_owner(&self, recipient: Option<OwnerId>) {
        self.wheel.give(recipient);
    }

    pub(crate) fn set_notify(&self, notify: Option<Notify>) {
        *self.notify.lock() = notify;
    }

    /// The owner is about to park: until when at most. `None` if nothing is ever due.
    ///
    /// Of a crowd of timers that follow each other closely one wake serves many, some microseconds
    /// late; while there are few, each is served on time.
    ///
    /// From now on a stranger that adds an earlier deadline interrupts the park.
    pub(crate) fn park(&self, identity: &mut OwnerToken) -> Option<u64> {
        self.apply_cancelled(identity);
        let mut state = self.wheel.enter(identity)?;
        let is_crowd = state.is_brief && state.wheel.len() >= COALESCE_FROM;
        let not_before = if is_crowd { state.turned_ns + COALESCE_NS } else { 0 };
        let next = state.wheel.next_deadline().map(|next| next.max(not_before));
        state.parked_until_ns = next.unwrap_or(u64::MAX);
        next
    }

    /// [`Timers::release_spare`] and [`Timers::park`], for an owner that looks for work after it.
    pub(crate) fn release_spare_and_park(
        &self,
        identity: &std::cell::RefCell<OwnerToken>,
    ) -> Option<u64> {
        self.release_spare(identity);
        self.park(&mut identity.borrow_mut())
    }

    /// Gives the spare waker back: its task may be over.
    pub(crate) fn release_spare(&self, identity: &std::cell::RefCell<OwnerToken>) {
        let spare = self.wheel.enter(&mut identity.borrow_mut()).and_then(|mut it| it.spare.take());
        crate::observe::drop_wakers(spare);
    }

    /// The earliest deadline, without the intention to park.
    pub(crate) fn next_deadline(&self, identity: &mut OwnerToken) -> Option<u64> {
        self.wheel.enter(identity)?.wheel.next_deadline()
    }

    /// Moves the wheel to `now_ns` and hands the wakers of what is due to `wake` until a batch of
    /// 256 is reached, so that a million due timers do not hold up the worker. `true` if more is
    /// due.
    pub(crate) fn turn_batch(
        &self,
        identity: &std::cell::RefCell<OwnerToken>,
        now_ns: u64,
        wakers: &mut Vec<Waker>,
        mut wake: impl FnMut(&mut Vec<Waker>),
    ) -> bool {
        let mut fired = 0;
        loop {
            // A step may spend itself on entries that only move to a finer slot.
            let step = self.advance(identity, now_ns, wakers);
            if !wakers.is_empty() {
                wake(wakers);
            }
            fired += step.expired;
            if !step.has_more || fired >= BATCH {
                return step.has_more;
            }
        }
    }

    /// Moves the wheel to `now_ns`, a step. The wakers of what is due are in `wakers` afterwards.
    fn advance(
        &self,
        identity: &std::cell::RefCell<OwnerToken>,
        now_ns: u64,
        wakers: &mut Vec<Waker>,
    ) -> Advanced {
        self.apply_cancelled(&mut identity.borrow_mut());
        let (advanced, spare) = {
            let mut identity = identity.borrow_mut();
            let Some(mut state) = self.wheel.enter(&mut identity) else {
                return Advanced::default();
            };
            state.turned(now_ns);
            (state.wheel.advance(now_ns, BATCH, wakers), state.spare.take())
        };
        if !advanced.has_more {
            self.fired_until_ns.store(now_ns, Ordering::Relaxed);
        }
        crate::observe::drop_wakers(spare);
        advanced
    }

    fn apply_cancelled(&self, identity: &mut OwnerToken) {
        if !self.has_cancelled.load(Ordering::Relaxed) {
            return;
        }
        let notes = {
            let mut notes = self.cancelled.lock();
            self.has_cancelled.store(false, Ordering::Relaxed);
            mem::take(&mut *notes)
        };
        let Some(mut state) = self.wheel.enter(identity) else {
            self.cancelled.lock().extend(notes);
            self.has_cancelled.store(true, Ordering::Relaxed);
            return;
        };
        let dropped: Vec<_> = notes.into_iter().filter_map(|key| state.wheel.remove(key)).collect();
        drop(state);
        crate::observe::drop_wakers(dropped);
    }

    /// A stranger's way to take an entry out: the owner does it when it next looks.
    fn cancel_remote(&self, key: Key) {
        let full = {
            let mut notes = self.cancelled.lock();
            notes.push(key);
            self.has_cancelled.store(true, Ordering::Relaxed);
            notes.len().is_multiple_of(CANCELLED_BATCH)
        };
        if full {
            self.interrupt();
        }
    }

    /// A stranger's way to add an entry.
    fn insert_remote(&self, deadline_ns: u64, waker: Waker) -> Key {
        let (key, is_earlier) = self.wheel.with(|state, _| {
            let is_earlier = deadline_ns < state.parked_until_ns;
            (state.wheel.insert(deadline_ns, waker), is_earlier)
        });
        if is_earlier {
            self.interrupt();
        }
        key
    }

    fn interrupt(&self) {
        let notify = self.notify.lock().clone();
        if let Some(notify) = notify {
            notify();
        }
    }

    /// Takes every entry out and gives their wakers: nobody will turn this wheel any more.
    pub(crate) fn drain(&self) -> Vec<Waker> {
        let (mut wakers, mut dropped) = (Vec::new(), Vec::new());
        self.empty(&mut wakers, &mut dropped, |_| ());
        crate::observe::drop_wakers(dropped);
        wakers
    }

    /// As [`Timers::drain`], from another thread: takes the wheel from its owner too, so that what
    /// is polled there goes to another home. Gives the wakers that are to be woken and those that
    /// are to be dropped.
    pub(crate) fn evacuate(&self, woken: &mut Vec<Waker>, dropped: &mut Vec<Waker>) {
        self.empty(woken, dropped, |owner| *owner = None);
    }

    fn empty(
        &self,
        woken: &mut Vec<Waker>,
        dropped: &mut Vec<Waker>,
        change: impl FnOnce(&mut Option<OwnerId>),
    ) {
        let notes = {
            let mut notes = self.cancelled.lock();
            self.has_cancelled.store(false, Ordering::Relaxed);
            mem::take(&mut *notes)
        };
        self.wheel.with(|state, owner| {
            self.epoch.fetch_add(1, Ordering::Relaxed);
            dropped.extend(notes.into_iter().filter_map(|key| state.wheel.remove(key)));
            dropped.extend(state.spare.take());
            state.wheel.drain_all(woken);
            state.parked_until_ns = 0;
            self.fired_until_ns.store(0, Ordering::Relaxed);
            change(owner);
        });
    }

    /// Whether a deadline has passed that the owner has not seen yet, for a stranger.
    pub(crate) fn is_due(&self, now_ns: u64) -> bool {
        self.wheel.with(|state, _| state.wheel.next_deadline().is_some_and(|next| next <= now_ns))
    }

    /// Whether an entry with this deadline has fired. `true` also for one that another thread has
    /// added too late: it fires at the next turn.
    fn has_fired(&self, deadline_ns: u64) -> bool {
        self.fired_until_ns.load(Ordering::Relaxed) >= deadline_ns
    }

    /// Whether the wheel is empty, for its owner.
    pub(crate) fn is_empty(&self, identity: &mut OwnerToken) -> bool {
        self.wheel.enter(identity).is_none_or(|state| state.wheel.is_empty())
    }
}

/// Homes that belong to no thread at the moment.
static UNUSED: Mutex<Vec<&'static Timers>> = Mutex::new(Vec::new());

/// A home for a thread. Not freed when the thread ends, but used again.
pub(crate) fn acquire_timers() -> &'static Timers {
    // In a child process the lock may be held for ever.
    let unused = if fork::generation() == 0 { Some(UNUSED.lock()) } else { UNUSED.try_lock() };
    let unused = unused.and_then(|mut unused| unused.pop());
    unused.unwrap_or_else(|| Box::leak(Box::new(Timers::new())))
}

/// Takes a home back from a thread that ends. It was vacated.
pub(crate) fn release_timers(home: &'static Timers) {
    home.set_owner(None);
    home.set_notify(None);
    UNUSED.lock().push(home);
}

/// The time of the current runtime's clock.
///
/// Inside a simulated runtime this is its virtual time.
#[must_use]
pub fn now() -> Instant {
    context::clock(Clock::now)
}

/// A future that is ready once a deadline has passed; made by [`Sleep::until`] and
/// [`Sleep::after`].
///
/// It never ends early. How late it ends depends on the system: about 30 to 60 µs on an idle
/// Linux machine. Costs no allocation and, while its thread has other deadlines or work, no system
/// call.
///
/// # Cancel safety
///
/// Dropping it forgets the deadline, and nothing else.
pub struct Sleep {
    deadline_ns: u64,
    /// The deadline had passed when it was set.
    is_due: bool,
    entry: Option<TimerEntry>,
}

#[derive(Clone, Copy)]
struct TimerEntry {
    timers: &'static Timers,
    epoch: u32,
    key: Key,
}

impl Sleep {
    /// Sleeps until `deadline`.
    #[must_use]
    pub fn until(deadline: Instant) -> Sleep {
        let deadline_ns = context::clock(|clock| clock.to_ns(deadline));
        Sleep { deadline_ns, is_due: deadline_ns <= now_ns(), entry: None }
    }

    /// Sleeps for `duration` from now. A duration too long for the clock never ends.
    #[must_use]
    #[inline]
    pub fn after(duration: Duration) -> Sleep {
        let deadline_ns = deadline_after(duration);
        Sleep { deadline_ns, is_due: duration.is_zero(), entry: None }
    }

    /// A sleep that never ends.
    #[must_use]
    pub fn never() -> Sleep {
        Sleep { deadline_ns: u64::MAX, is_due: false, entry: None }
    }

    /// When it ends; `None` for never.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        (self.deadline_ns != u64::MAX)
            .then(|| context::clock(|clock| clock.to_instant(self.deadline_ns)))
            .flatten()
    }

    /// Sets another deadline. The future must be polled again to be woken then.
    pub fn reset(&mut self, deadline: Instant) {
        self.forget();
        *self = Sleep::until(deadline);
    }

    /// Sets the deadline to `duration` from now. The future must be polled again.
    pub fn reset_after(&mut self, duration: Duration) {
        self.forget();
        *self = Sleep::after(duration);
    }

    /// Adds an entry at the current home.
    fn insert(&mut self, waker: &Waker) {
        let deadline_ns = self.deadline_ns;
        if deadline_ns == u64::MAX {
            return;
        }
        // Cloned before the wheel is entered, unless it is a task's: a waker is user code.
        let mut cloned = None;
        if !is_task_waker(waker) {
            assert_none_held("the clone of a waker");
            cloned = Some(waker.clone());
        }
        // Each part is written to its place: a copy of what was just written in parts waits until
        // the parts have left the store buffer.
        context::with_timers(|home, identity| {
            let mut identity = identity.borrow_mut();
            let mut state = home.wheel.enter(&mut identity)?;
            let waker = cloned.take().unwrap_or_else(|| state.clone_of(waker));
            let key = state.wheel.insert(deadline_ns, waker);
            self.entry =
                Some(TimerEntry { timers: home, epoch: home.epoch.load(Ordering::Relaxed), key });
            Some(())
        });
        if self.entry.is_none() {
            self.insert_elsewhere(cloned.unwrap_or_else(|| waker.clone()));
        }
    }

    /// Adds an entry at a home that another thread turns.
    #[cold]
    fn insert_elsewhere(&mut self, waker: Waker) {
        let deadline_ns = self.deadline_ns;
        current::with_remote_timers(|home| {
            self.forget();
            let epoch = home.epoch.load(Ordering::Relaxed);
            let key = home.insert_remote(deadline_ns, waker.clone());
            self.entry = Some(TimerEntry { timers: home, epoch, key });
        });
        assert_none_held("the drop of a waker");
        drop(waker);
    }

    /// Makes sure that the entry is at the current home and wakes `waker`.
    fn refresh(&mut self, entry: TimerEntry, waker: &Waker) {
        let is_current = context::with_timers(|home, identity| {
            if !std::ptr::eq(home, entry.timers) {
                return None;
            }
            let mut identity = identity.borrow_mut();
            let state = home.wheel.enter(&mut identity)?;
            state.wheel.waker(entry.key).map(|present| present.will_wake(waker))
        });
        if is_current != Some(true) {
            // Elsewhere, vacated, or with another waker: all are rare, and one way serves them.
            self.forget();
            self.insert(waker);
        }
    }

    /// Takes the entry out of its wheel.
    fn forget(&mut self) {
        // Read where it stands, part by part: for a copy of the key see `enlist`.
        let Some(entry) = &self.entry else {
            return;
        };
        let home = entry.timers;
        let mut waker = None;
        if home.epoch.load(Ordering::Relaxed) == entry.epoch {
            let is_removed = context::with_own_timers(home, |identity| {
                let mut identity = identity.borrow_mut();
                let mut state = home.wheel.enter(&mut identity)?;
                let removed = state.wheel.remove(entry.key);
                waker = state.keep(removed);
                Some(())
            });
            if is_removed.is_none() {
                home.cancel_remote(entry.key);
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
            if self.is_due {
                // A loop of sleeps that are over at once has to let others run too.
                return budget::poll_proceed(cx);
            }
            self.insert(cx.waker());
            return Poll::Pending;
        };
        if now_ns() >= self.deadline_ns {
            self.is_due = true;
            if entry.timers.has_fired(self.deadline_ns) {
                self.entry = None;
            } else {
                self.forget();
            }
            return Poll::Ready(());
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

// What a panic leaves behind is at most an entry that wakes in vain.
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

/// The whole of a duration in nanoseconds; `u64::MAX`, which is never, if it does not fit.
#[inline]
fn nanoseconds(duration: Duration) -> u64 {
    let seconds = duration.as_secs().checked_mul(1_000_000_000);
    let ns = seconds.and_then(|ns| ns.checked_add(u64::from(duration.subsec_nanos())));
    ns.unwrap_or(u64::MAX)
}

#[cfg(all(test, not(reveille_loom)))]
mod tests {
    use super::*;
    use std::cell::RefCell;

    /// A home with `timers` entries, 5 us apart from `first_ns` on, whose owner just slept until
    /// the first of them.
    fn awoken(timers: u64, slept_ns: u64) -> (Timers, RefCell<OwnerToken>, u64) {
        let (home, identity) = (Timers::new(), RefCell::new(OwnerToken::unique()));
        home.set_owner(Some(identity.borrow().id()));
        let _ = home.advance(&identity, 1_000_000, &mut Vec::new());
        let first_ns = 1_000_000 + slept_ns;
        for number in 0..timers {
            home.insert_remote(first_ns + 5_000 * number, Waker::noop().clone());
        }
        assert_eq!(home.park(&mut identity.borrow_mut()), Some(first_ns));
        let _ = home.advance(&identity, first_ns, &mut Vec::new());
        (home, identity, first_ns)
    }

    #[test]
    fn a_crowd_of_close_timers_shares_a_wake() {
        let (home, identity, now_ns) = awoken(200, 20_000);
        let next = home.park(&mut identity.borrow_mut());
        assert_eq!(next, Some(now_ns + COALESCE_NS));
    }

    #[test]
    fn few_timers_are_served_on_time() {
        let (home, identity, now_ns) = awoken(COALESCE_FROM as u64 / 2, 20_000);
        assert_eq!(home.park(&mut identity.borrow_mut()), Some(now_ns + 5_000));
    }

    #[test]
    fn many_timers_that_are_far_apart_are_served_on_time() {
        let (home, identity, now_ns) = awoken(200, 10_000_000);
        assert_eq!(home.park(&mut identity.borrow_mut()), Some(now_ns + 5_000));
    }

    #[test]
    fn an_entry_has_fired_once_the_wheel_was_turned_past_its_deadline() {
        let (home, identity) = (Timers::new(), RefCell::new(OwnerToken::unique()));
        home.set_owner(Some(identity.borrow().id()));
        for number in 0..2 * BATCH as u64 {
            home.insert_remote(1_000 + number, Waker::noop().clone());
        }
        assert!(!home.has_fired(1_000));
        let turn = |now_ns| home.advance(&identity, now_ns, &mut Vec::new()).has_more;
        assert!(!turn(999));
        assert!(!home.has_fired(1_000));
        assert!(turn(5_000), "more is due than a batch");
        assert!(!home.has_fired(1_000), "some have not fired");
        while turn(5_000) {}
        assert!(home.has_fired(1_000) && home.has_fired(5_000) && !home.has_fired(5_001));
        home.drain();
        assert!(!home.has_fired(1_000), "the wheel serves another thread");
    }

    /// What is kept at the current home.
    fn spare() -> Option<Waker> {
        context::with_timers(|home, identity| {
            home.wheel.enter(&mut identity.borrow_mut())?.spare.as_ref().cloned()
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
            // By now the worker has parked or turned, whichever came first.
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
