//! The timers of one thread: its wheel, and the operations of other threads on it.
//!
//! A worker thread, a thread in `block_on` and the host each turn one [`Timers`]. A [`Timers`] is
//! never freed, only reused, so a sleep has a plain reference to the one that holds its entry.
//!
//! # Vocabulary
//!
//! * **entry**: a deadline and a waker in the wheel. A sleep has at most one.
//! * **cancelled**: entries that other threads want removed. The owner removes them when it next
//!   turns or parks.
//! * **epoch**: the number of times that the timers were drained. An entry of an earlier epoch no
//!   longer exists.
//!
//! # Invariants
//!
//! 1. The owner enters its wheel through the fast path of a biased lock ([`Biased`]). Another
//!    thread uses the slow path or, to remove an entry, only adds its key to `cancelled`.
//! 2. A sleep that is polled on a thread with other timers moves: it cancels its old entry and adds
//!    a new one to the timers of that thread. So each entry is either in a wheel that a thread will
//!    turn, or its waker has been woken because the timers were drained.
//! 3. A sleep ends when the clock has reached its deadline, never because its entry is missing. A
//!    stale wake-up costs at most a spurious poll, and no sleep ends early.

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

/// Number of cancelled entries after which the owner is interrupted to remove them. Large enough to
/// justify the wake-up, and small enough that the memory of cancelled sleeps does not matter.
const CANCELLED_BATCH: usize = 256;

/// With at least this many timers, one wake-up may serve several.
const COALESCE_FROM: usize = 64;

/// The time between two wake-ups, in nanoseconds, when the deadlines of many timers are close
/// together. A wake-up by the kernel takes some 10 µs of processor time, which would be most of the
/// cost of such timers.
const COALESCE_NS: u64 = 60_000;

/// Maximum number of entries that one step visits, and that fire between two polls.
const BATCH: usize = 256;

/// The timers of one thread. See the header of the module.
#[derive(Debug)]
pub(crate) struct Timers {
    pub(crate) wheel: Biased<TimersState>,
    cancelled: Mutex<Vec<Key>>,
    has_cancelled: AtomicBool,
    pub(crate) epoch: AtomicU32,
    /// Entries with this deadline or an earlier one have fired, except those that another thread
    /// has added since. A hint for sleeps whose deadline has passed.
    fired_until_ns: AtomicU64,
    /// Interrupts the owner's park.
    notify: Mutex<Option<Notify>>,
}

/// Interrupts the park of the owner of some timers.
pub(crate) type Notify = Arc<dyn Fn() + Send + Sync>;

#[derive(Debug)]
pub(crate) struct TimersState {
    pub(crate) wheel: Wheel,
    /// The time until which the owner is parked; 0 while it is awake.
    parked_until_ns: u64,
    /// The time of the last turn of the wheel.
    turned_ns: u64,
    /// Whether that turn ended a park between two close deadlines.
    was_park_short: bool,
    /// The waker of a removed entry, if it is a task's waker. Kept until the next turn or park for
    /// the next entry of that task, so that a task that sets one deadline after another clones and
    /// drops no waker.
    pub(crate) spare: Option<Waker>,
}

impl TimersState {
    /// Returns a clone of `waker`, or the spare if it wakes the same task.
    #[inline]
    pub(crate) fn clone_of(&mut self, waker: &Waker) -> Waker {
        if self.spare.as_ref().is_some_and(|spare| spare.will_wake(waker))
            && let Some(spare) = self.spare.take()
        {
            return spare;
        }
        waker.clone()
    }

    /// Keeps `waker` as the spare if it is a task's waker and there is no spare. Otherwise returns
    /// it.
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
            self.was_park_short =
                has_come && now_ns.saturating_sub(self.turned_ns) < 2 * COALESCE_NS;
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
                was_park_short: false,
                spare: None,
            }),
            cancelled: Mutex::new(Vec::new()),
            has_cancelled: AtomicBool::new(false),
            epoch: AtomicU32::new(0),
            fired_until_ns: AtomicU64::new(0),
            notify: Mutex::new(None),
        }
    }

    /// Gives the wheel to another thread, or takes it away from its owner.
    pub(crate) fn set_owner(&self, recipient: Option<OwnerId>) {
        self.wheel.give(recipient);
    }

    /// Leaves the wheel without an owner if `token` is the owner.
    pub(crate) fn give_up(&self, token: &mut OwnerToken) {
        self.wheel.give_up(token);
    }

    pub(crate) fn set_notify(&self, notify: Option<Notify>) {
        *self.notify.lock() = notify;
    }

    /// Prepares the park of the owner. Returns the time at which the park must end; `None` if there
    /// are no timers. From now on another thread that adds an earlier deadline interrupts the park.
    ///
    /// If there are many timers with deadlines close together, one wake-up serves several of them,
    /// some microseconds late. If there are few, each fires on time.
    pub(crate) fn park(&self, token: &mut OwnerToken) -> Option<u64> {
        self.apply_cancelled(token);
        let mut state = self.wheel.enter(token)?;
        let is_dense = state.was_park_short && state.wheel.len() >= COALESCE_FROM;
        let not_before = if is_dense { state.turned_ns + COALESCE_NS } else { 0 };
        let next = state.wheel.next_deadline().map(|next| next.max(not_before));
        state.parked_until_ns = next.unwrap_or(u64::MAX);
        next
    }

    /// Calls [`Timers::release_spare`] and [`Timers::park`], for an owner that checks for work
    /// before it sleeps.
    pub(crate) fn release_spare_and_park(&self, token: &RefCell<OwnerToken>) -> Option<u64> {
        self.release_spare(token);
        self.park(&mut token.borrow_mut())
    }

    /// Drops the spare waker, because its task may have ended.
    pub(crate) fn release_spare(&self, token: &RefCell<OwnerToken>) {
        let spare = self.wheel.enter(&mut token.borrow_mut()).and_then(|mut it| it.spare.take());
        crate::observe::drop_wakers(spare);
    }

    /// The earliest deadline, without preparing for a park.
    pub(crate) fn next_deadline(&self, token: &mut OwnerToken) -> Option<u64> {
        self.wheel.enter(token)?.wheel.next_deadline()
    }

    /// Moves the wheel to `now_ns` and passes the wakers of due timers to `wake`. Stops after a
    /// batch of 256, so that a million due timers do not block the worker. Returns whether more are
    /// due.
    pub(crate) fn turn_batch(
        &self,
        token: &RefCell<OwnerToken>,
        now_ns: u64,
        wakers: &mut Vec<Waker>,
        mut wake: impl FnMut(&mut Vec<Waker>),
    ) -> bool {
        let mut fired = 0;
        loop {
            // A step may visit only entries that cascade and expire none.
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

    /// Like [`Timers::turn_batch`], for another thread than the owner, and until no more are due.
    /// The owner may have parked meanwhile, so the time until which it is parked stays.
    pub(crate) fn turn_remote(&self, now_ns: u64, mut wake: impl FnMut(&mut Vec<Waker>)) {
        let mut wakers = Vec::new();
        loop {
            let (step, spare) = self.wheel.with(|state, _| {
                let step = state.wheel.advance(now_ns, BATCH, &mut wakers);
                if !step.has_more {
                    self.fired_until_ns.fetch_max(now_ns, Ordering::Relaxed);
                }
                (step, state.spare.take())
            });
            crate::observe::drop_wakers(spare);
            wake(&mut wakers);
            if !step.has_more {
                return;
            }
        }
    }

    /// Moves the wheel towards `now_ns` by one step, and adds the wakers of due timers to `wakers`.
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

    /// Requests that the owner remove an entry when it next turns or parks. For other threads.
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

    /// Adds an entry. For other threads.
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

    /// Removes all entries and returns their wakers, because no thread will turn this wheel.
    pub(crate) fn drain(&self) -> Vec<Waker> {
        let (mut wakers, mut dropped) = (Vec::new(), Vec::new());
        self.empty(&mut wakers, &mut dropped, |_| ());
        crate::observe::drop_wakers(dropped);
        wakers
    }

    /// Like [`Timers::drain`], for another thread. Also takes the wheel away from its owner, so
    /// that sleeps that are polled on that thread add their entries elsewhere. Adds the wakers to
    /// wake to `woken` and those to drop to `dropped`.
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

    /// Whether a deadline has passed whose entry is still in the wheel. For other threads.
    pub(crate) fn is_due(&self, now_ns: u64) -> bool {
        self.wheel.with(|state, _| state.wheel.next_deadline().is_some_and(|next| next <= now_ns))
    }

    /// Whether an entry with this deadline has fired. Also `true` for an entry that another thread
    /// has added too late, which fires at the next turn.
    pub(crate) fn has_fired(&self, deadline_ns: u64) -> bool {
        self.fired_until_ns.load(Ordering::Relaxed) >= deadline_ns
    }

    /// Whether the wheel is empty. For another thread than its owner.
    pub(crate) fn is_empty_for_others(&self) -> bool {
        self.wheel.with(|state, _| state.wheel.is_empty())
    }

    /// How many entries the wheel has. For another thread than its owner.
    pub(crate) fn len_for_others(&self) -> usize {
        self.wheel.with(|state, _| state.wheel.len())
    }

    /// Whether the wheel is empty. For its owner.
    pub(crate) fn is_empty(&self, token: &mut OwnerToken) -> bool {
        self.wheel.enter(token).is_none_or(|state| state.wheel.is_empty())
    }
}

/// Timers that no thread uses.
static UNUSED: Mutex<Vec<&'static Timers>> = Mutex::new(Vec::new());

/// All that were ever acquired.
static ACQUIRED: Mutex<Vec<&'static Timers>> = Mutex::new(Vec::new());

/// Returns timers for a thread. They are not freed when the thread ends, but reused.
pub(crate) fn acquire_timers() -> &'static Timers {
    // In a forked child, a thread of the parent may hold the lock forever.
    let unused = if fork::generation() == 0 { Some(UNUSED.lock()) } else { UNUSED.try_lock() };
    let unused = unused.and_then(|mut unused| unused.pop());
    unused.unwrap_or_else(|| {
        let timers: &'static Timers = Box::leak(Box::new(Timers::new()));
        ACQUIRED.lock().push(timers);
        timers
    })
}

/// Whether the timers that were ever acquired have no entries. For another thread than their
/// owners.
pub(crate) fn acquired_are_empty() -> bool {
    let acquired = ACQUIRED.lock().clone();
    acquired.iter().all(|timers| timers.is_empty_for_others())
}

/// Returns the timers of a thread that ends. They must be drained.
pub(crate) fn release_timers(timers: &'static Timers) {
    timers.set_owner(None);
    timers.set_notify(None);
    UNUSED.lock().push(timers);
}

#[cfg(all(test, not(reveille_loom)))]
mod tests {
    use super::*;

    /// Timers with `count` entries, 5 µs apart, whose owner has just slept for `slept_ns` until the
    /// deadline of the first entry.
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
    fn many_close_timers_share_a_wake_up() {
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
    fn has_fired_is_true_after_the_wheel_passed_the_deadline() {
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
        assert!(!timers.has_fired(1_000), "a drained wheel starts again");
    }
}
