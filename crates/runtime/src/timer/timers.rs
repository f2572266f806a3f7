//! The timers of one thread: its wheel, and what other threads may do to it.
//!
//! A worker thread, a thread in `block_on` and the host each turn one [`Timers`]. Timers are never
//! freed, only used again, so a sleep refers to those that hold its entry by a plain reference.
//!
//! # Vocabulary
//!
//! * **entry**: a deadline and a waker in the wheel. A sleep has one at most.
//! * **cancelled**: entries that other threads want removed. The owner removes them when it next
//!   turns or parks.
//! * **epoch**: how often the timers were drained. An entry of an earlier epoch is gone.
//!
//! # Invariants
//!
//! 1. The owner enters its wheel without a lock ([`Biased`]). Another thread enters it through the
//!    slow path of the biased lock, or, to remove an entry, only adds its key to `cancelled`.
//! 2. A sleep that is polled where its timers are not current moves: it cancels its entry there and
//!    adds a new one here. So an entry is always with a thread that will turn it, or its waker has
//!    been woken because the timers were drained.
//! 3. A sleep is over when the clock says so, never because an entry is missing. A lost or stale
//!    entry costs a spurious poll at most, and no sleep ends early.

use std::cell::RefCell;
use std::mem;
use std::sync::Arc;
use std::task::Waker;

use reveille_primitive::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use reveille_primitive::biased::{Biased, OwnerId, OwnerToken};
use reveille_primitive::fork;
use reveille_primitive::lock::Mutex;
use reveille_task::is_task_waker;

use super::wheel::{Advanced, Key, Wheel};

/// Cancelled entries after which the owner is interrupted to remove them: enough to pay for the
/// wake-up, and few enough that the memory of cancelled sleeps does not matter.
const CANCELLED_BATCH: usize = 256;

/// From so many timers on, one wake may serve several.
const COALESCE_FROM: usize = 64;

/// The time between two wakes, in nanoseconds, when many timers follow each other so closely that
/// the wakes by the kernel, some 10 us of processor time each, would be most of their cost.
const COALESCE_NS: u64 = 60_000;

/// Entries of a wheel that one step visits, and that fire between two polls, at most.
const BATCH: usize = 256;

/// The timers of one thread. See the header of the module.
#[derive(Debug)]
pub(crate) struct Timers {
    pub(crate) wheel: Biased<TimersState>,
    cancelled: Mutex<Vec<Key>>,
    has_cancelled: AtomicBool,
    pub(crate) epoch: AtomicU32,
    /// Entries with this deadline or an earlier one have fired, except those that another thread
    /// has added since. A hint for sleeps that are over.
    fired_until_ns: AtomicU64,
    /// Interrupts the owner's park.
    notify: Mutex<Option<Notify>>,
}

/// Interrupts the park of the owner of some timers.
pub(crate) type Notify = Arc<dyn Fn() + Send + Sync>;

#[derive(Debug)]
pub(crate) struct TimersState {
    pub(crate) wheel: Wheel,
    /// Until when the owner is parked, 0 while it is awake.
    parked_until_ns: u64,
    /// When the wheel was last turned, and whether that ended a park between two close deadlines.
    turned_ns: u64,
    is_brief: bool,
    /// The waker of an entry that was removed, if it is a task's. Kept for the next entry of that
    /// task until the next turn or park, so that a task that sets a deadline at each step clones
    /// and drops no waker.
    pub(crate) spare: Option<Waker>,
}

impl TimersState {
    /// A clone of a task's waker.
    #[inline]
    pub(crate) fn clone_of(&mut self, waker: &Waker) -> Waker {
        if self.spare.as_ref().is_some_and(|spare| spare.will_wake(waker))
            && let Some(spare) = self.spare.take()
        {
            return spare;
        }
        waker.clone()
    }

    /// Keeps the waker if there is room for it, and returns it if not.
    #[inline]
    pub(crate) fn keep(&mut self, waker: Option<Waker>) -> Option<Waker> {
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

    /// Hands the wheel to another thread, or takes it from its owner.
    pub(crate) fn set_owner(&self, recipient: Option<OwnerId>) {
        self.wheel.give(recipient);
    }

    pub(crate) fn set_notify(&self, notify: Option<Notify>) {
        *self.notify.lock() = notify;
    }

    /// Prepares for the park of the owner. Returns when it has to end; `None` if there are no
    /// timers. From now on another thread that adds an earlier deadline interrupts the park.
    ///
    /// If there are many timers and they follow each other closely, one wake serves several, some
    /// microseconds late. If there are few, each fires on time.
    pub(crate) fn park(&self, token: &mut OwnerToken) -> Option<u64> {
        self.apply_cancelled(token);
        let mut state = self.wheel.enter(token)?;
        let is_dense = state.is_brief && state.wheel.len() >= COALESCE_FROM;
        let not_before = if is_dense { state.turned_ns + COALESCE_NS } else { 0 };
        let next = state.wheel.next_deadline().map(|next| next.max(not_before));
        state.parked_until_ns = next.unwrap_or(u64::MAX);
        next
    }

    /// [`Timers::release_spare`] and [`Timers::park`], for an owner that looks for work after it.
    pub(crate) fn release_spare_and_park(&self, token: &RefCell<OwnerToken>) -> Option<u64> {
        self.release_spare(token);
        self.park(&mut token.borrow_mut())
    }

    /// Drops the spare waker: its task may be over.
    pub(crate) fn release_spare(&self, token: &RefCell<OwnerToken>) {
        let spare = self.wheel.enter(&mut token.borrow_mut()).and_then(|mut it| it.spare.take());
        crate::observe::drop_wakers(spare);
    }

    /// The earliest deadline, without preparing for a park.
    pub(crate) fn next_deadline(&self, token: &mut OwnerToken) -> Option<u64> {
        self.wheel.enter(token)?.wheel.next_deadline()
    }

    /// Moves the wheel to `now_ns` and hands the wakers of due timers to `wake`, until a batch of
    /// 256 is reached, so that a million due timers do not hold up the worker. Returns whether more
    /// are due.
    pub(crate) fn turn_batch(
        &self,
        token: &RefCell<OwnerToken>,
        now_ns: u64,
        wakers: &mut Vec<Waker>,
        mut wake: impl FnMut(&mut Vec<Waker>),
    ) -> bool {
        let mut fired = 0;
        loop {
            // A step may visit only entries that move to a finer slot.
            let step = self.advance(token, now_ns, wakers);
            if !wakers.is_empty() {
                wake(wakers);
            }
            fired += step.expired;
            if !step.has_more || fired >= BATCH {
                return step.has_more;
            }
        }
    }

    /// Moves the wheel to `now_ns` by one step. The wakers of due timers are in `wakers` then.
    fn advance(
        &self,
        token: &RefCell<OwnerToken>,
        now_ns: u64,
        wakers: &mut Vec<Waker>,
    ) -> Advanced {
        self.apply_cancelled(&mut token.borrow_mut());
        let (advanced, spare) = {
            let mut token = token.borrow_mut();
            let Some(mut state) = self.wheel.enter(&mut token) else {
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

    fn apply_cancelled(&self, token: &mut OwnerToken) {
        if !self.has_cancelled.load(Ordering::Relaxed) {
            return;
        }
        let cancelled = {
            let mut cancelled = self.cancelled.lock();
            self.has_cancelled.store(false, Ordering::Relaxed);
            mem::take(&mut *cancelled)
        };
        let Some(mut state) = self.wheel.enter(token) else {
            self.cancelled.lock().extend(cancelled);
            self.has_cancelled.store(true, Ordering::Relaxed);
            return;
        };
        let dropped: Vec<_> =
            cancelled.into_iter().filter_map(|key| state.wheel.remove(key)).collect();
        drop(state);
        crate::observe::drop_wakers(dropped);
    }

    /// Has the owner remove an entry when it next turns or parks. For another thread.
    pub(crate) fn cancel_remote(&self, key: Key) {
        let full = {
            let mut cancelled = self.cancelled.lock();
            cancelled.push(key);
            self.has_cancelled.store(true, Ordering::Relaxed);
            cancelled.len().is_multiple_of(CANCELLED_BATCH)
        };
        if full {
            self.interrupt();
        }
    }

    /// Adds an entry. For another thread.
    pub(crate) fn insert_remote(&self, deadline_ns: u64, waker: Waker) -> Key {
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

    /// Removes every entry and returns their wakers: no thread turns this wheel from now on.
    pub(crate) fn drain(&self) -> Vec<Waker> {
        let (mut wakers, mut dropped) = (Vec::new(), Vec::new());
        self.empty(&mut wakers, &mut dropped, |_| ());
        crate::observe::drop_wakers(dropped);
        wakers
    }

    /// As [`Timers::drain`], from another thread: takes the wheel from its owner too, so that
    /// sleeps that are polled there add their entries elsewhere. Adds the wakers to wake and those
    /// to drop to the two lists.
    pub(crate) fn evacuate(&self, woken: &mut Vec<Waker>, dropped: &mut Vec<Waker>) {
        self.empty(woken, dropped, |owner| *owner = None);
    }

    fn empty(
        &self,
        woken: &mut Vec<Waker>,
        dropped: &mut Vec<Waker>,
        change: impl FnOnce(&mut Option<OwnerId>),
    ) {
        let cancelled = {
            let mut cancelled = self.cancelled.lock();
            self.has_cancelled.store(false, Ordering::Relaxed);
            mem::take(&mut *cancelled)
        };
        self.wheel.with(|state, owner| {
            self.epoch.fetch_add(1, Ordering::Relaxed);
            dropped.extend(cancelled.into_iter().filter_map(|key| state.wheel.remove(key)));
            dropped.extend(state.spare.take());
            state.wheel.drain_all(woken);
            state.parked_until_ns = 0;
            self.fired_until_ns.store(0, Ordering::Relaxed);
            change(owner);
        });
    }

    /// Whether a deadline has passed that the owner has not seen yet. For another thread.
    pub(crate) fn is_due(&self, now_ns: u64) -> bool {
        self.wheel.with(|state, _| state.wheel.next_deadline().is_some_and(|next| next <= now_ns))
    }

    /// Whether an entry with this deadline has fired. `true` also for one that another thread has
    /// added too late: it fires at the next turn.
    pub(crate) fn has_fired(&self, deadline_ns: u64) -> bool {
        self.fired_until_ns.load(Ordering::Relaxed) >= deadline_ns
    }

    /// Whether the wheel is empty. For its owner.
    pub(crate) fn is_empty(&self, token: &mut OwnerToken) -> bool {
        self.wheel.enter(token).is_none_or(|state| state.wheel.is_empty())
    }
}

/// Timers that belong to no thread at the moment.
static UNUSED: Mutex<Vec<&'static Timers>> = Mutex::new(Vec::new());

/// Timers for a thread. Not freed when the thread ends, but used again.
pub(crate) fn acquire_timers() -> &'static Timers {
    // In a child process the lock may be held forever.
    let unused = if fork::generation() == 0 { Some(UNUSED.lock()) } else { UNUSED.try_lock() };
    let unused = unused.and_then(|mut unused| unused.pop());
    unused.unwrap_or_else(|| Box::leak(Box::new(Timers::new())))
}

/// Takes timers back from a thread that ends. They were drained.
pub(crate) fn release_timers(timers: &'static Timers) {
    timers.set_owner(None);
    timers.set_notify(None);
    UNUSED.lock().push(timers);
}

#[cfg(all(test, not(reveille_loom)))]
mod tests {
    use super::*;

    /// Timers with `count` entries, 5 us apart from `first_ns` on, whose owner has just slept until
    /// the first of them.
    fn awoken(count: u64, slept_ns: u64) -> (Timers, RefCell<OwnerToken>, u64) {
        let (timers, token) = (Timers::new(), RefCell::new(OwnerToken::unique()));
        timers.set_owner(Some(token.borrow().id()));
        let _ = timers.advance(&token, 1_000_000, &mut Vec::new());
        let first_ns = 1_000_000 + slept_ns;
        for number in 0..count {
            timers.insert_remote(first_ns + 5_000 * number, Waker::noop().clone());
        }
        assert_eq!(timers.park(&mut token.borrow_mut()), Some(first_ns));
        let _ = timers.advance(&token, first_ns, &mut Vec::new());
        (timers, token, first_ns)
    }

    #[test]
    fn many_close_timers_share_a_wake() {
        let (timers, token, now_ns) = awoken(200, 20_000);
        let next = timers.park(&mut token.borrow_mut());
        assert_eq!(next, Some(now_ns + COALESCE_NS));
    }

    #[test]
    fn few_timers_fire_on_time() {
        let (timers, token, now_ns) = awoken(COALESCE_FROM as u64 / 2, 20_000);
        assert_eq!(timers.park(&mut token.borrow_mut()), Some(now_ns + 5_000));
    }

    #[test]
    fn many_timers_that_are_far_apart_fire_on_time() {
        let (timers, token, now_ns) = awoken(200, 10_000_000);
        assert_eq!(timers.park(&mut token.borrow_mut()), Some(now_ns + 5_000));
    }

    #[test]
    fn an_entry_has_fired_once_the_wheel_was_turned_past_its_deadline() {
        let (timers, token) = (Timers::new(), RefCell::new(OwnerToken::unique()));
        timers.set_owner(Some(token.borrow().id()));
        for number in 0..2 * BATCH as u64 {
            timers.insert_remote(1_000 + number, Waker::noop().clone());
        }
        assert!(!timers.has_fired(1_000));
        let turn = |now_ns| timers.advance(&token, now_ns, &mut Vec::new()).has_more;
        assert!(!turn(999));
        assert!(!timers.has_fired(1_000));
        assert!(turn(5_000), "more is due than a batch");
        assert!(!timers.has_fired(1_000), "some have not fired");
        while turn(5_000) {}
        assert!(timers.has_fired(1_000) && timers.has_fired(5_000) && !timers.has_fired(5_001));
        timers.drain();
        assert!(!timers.has_fired(1_000), "the wheel serves another thread");
    }
}
