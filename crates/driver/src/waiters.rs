//! Who waits for a source: wakers by direction.
//!
//! Two kinds of waiter, since there are two kinds of caller:
//!
//! * **shared**: `poll_*` methods, which have no memory between two polls. Their wakers are kept in
//!   a list without duplicates, so that a second task does not evict the first.
//!   `extra_waiters.rs` says how the list is kept free of those that gave up.
//! * **owned**: futures, which hold a slot of their own and give it back when dropped.
//!
//! Invariants:
//! 1. The lock guards data only. No waker is cloned, dropped or woken under it.
//! 2. A waiter is entered under the lock after a second look at the readiness word; an event sets
//!    the word and takes the waiters in one section of the lock. So either the event sees the
//!    waiter or the waiter sees the event.
//! 3. An event empties slots and never frees them; only the future that owns a slot does.
//! 4. What the waiter has to do besides is beside the lanes, under the same lock: a shard that is
//!    deserted takes the waiters and the standing in one step, so a waiter is woken or learns that
//!    it must register anew.

use std::task::{Context, Waker};

use reveille_primitive::lock;
use reveille_primitive::spin_lock::{SpinLock, SpinLockGuard};

use crate::extra_waiters::{ExtraWaiters, Swept, WaitList, WakerOps};
use crate::poll::turn_owner::this_thread;
use crate::readiness::{Direction, Flags, Readiness, Ready};

/// Where a waiter is entered.
#[derive(Debug)]
pub enum WaitSlot {
    /// In the list of those without memory, with what it takes to sweep that.
    Shared(WakerOps),
    /// In a slot of its own, once it has one.
    Owned(Option<usize>),
}

impl WaitSlot {
    /// In the list, for a caller that cannot tell which tasks still exist.
    #[must_use]
    pub fn shared() -> WaitSlot {
        WaitSlot::Shared(WakerOps::default())
    }
}

/// Whether events reach the source, and what that takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Arming {
    /// No thread turns a shard with which it is registered.
    #[default]
    Unarmed,
    /// Each change is an event.
    Armed,
    /// An event comes only after the driver was armed for the waiter.
    ArmedPerWait,
    /// As one of these, as long as one thread is not busy: a waiter on another one may have better.
    ArmedByThread {
        /// The number of the thread.
        thread: usize,
        /// Whether it is as [`Arming::ArmedPerWait`].
        is_per_wait: bool,
    },
}

/// What came of waiting.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub enum Waited {
    /// There was nothing to wait for.
    Ready(Ready),
    /// The waiter is entered.
    Entered(Arming),
}

/// The waiters of one source. The word of the lock is the [`Arming`], packed.
#[derive(Debug, Default)]
pub struct Waiters {
    pub(crate) state: SpinLock<WaitersState>,
}

/// All that one task per direction needs is in here, so that it shares a cache line with the
/// readiness word: with a thousand connections each line is fetched anew for each event.
#[derive(Debug, Default)]
pub(crate) struct WaitersState {
    /// The oldest shared waker of each direction.
    first: [Option<Waker>; 2],
    /// What else there is, once there was anything.
    pub(crate) extra: Option<Box<ExtraWaiters>>,
}

/// A [`Arming`] in one word: the number of a thread is an address, whose lowest four bits are
/// zero. The lowest is the lock's.
#[derive(Clone, Copy, Debug)]
struct PackedArming(usize);

const ARMED: usize = 1 << 1;
const ARMED_PER_WAIT: usize = 2 << 1;
const BY_THREAD: usize = 3 << 1;
const BY_THREAD_PER_WAIT: usize = 4 << 1;
const PACKED_MASK: usize = 15;

impl PackedArming {
    fn new(standing: Arming) -> PackedArming {
        PackedArming(match standing {
            Arming::Unarmed => 0,
            Arming::Armed => ARMED,
            Arming::ArmedPerWait => ARMED_PER_WAIT,
            Arming::ArmedByThread { thread, is_per_wait } => {
                debug_assert_eq!(thread & PACKED_MASK, 0, "an aligned address");
                thread | if is_per_wait { BY_THREAD_PER_WAIT } else { BY_THREAD }
            }
        })
    }

    #[inline]
    fn standing(self) -> Arming {
        let thread = self.0 & !PACKED_MASK;
        match self.0 & PACKED_MASK {
            0 => Arming::Unarmed,
            ARMED => Arming::Armed,
            ARMED_PER_WAIT => Arming::ArmedPerWait,
            tag => Arming::ArmedByThread { thread, is_per_wait: tag == BY_THREAD_PER_WAIT },
        }
    }
}

/// What is left over when a waker was entered, for after the lock.
enum Leftover {
    Nothing,
    Drop(Waker),
    Swept(Swept, WakerOps),
}

impl WaitersState {
    fn list(&mut self, direction: Direction) -> &mut WaitList {
        &mut self.extra.get_or_insert_default().lists[direction as usize]
    }

    fn holds(&self, direction: Direction, seat: &WaitSlot, waker: &Waker) -> bool {
        let lane = self.extra.as_ref().map(|crowd| &crowd.lists[direction as usize]);
        match seat {
            WaitSlot::Shared(_) => {
                let more = lane.map_or(&[][..], |lane| &lane.more);
                let mut held = self.first[direction as usize].iter().chain(more);
                held.any(|held| held.will_wake(waker))
            }
            WaitSlot::Owned(Some(slot)) => lane
                .and_then(|lane| lane.owned[*slot].as_ref())
                .is_some_and(|held| held.will_wake(waker)),
            WaitSlot::Owned(None) => false,
        }
    }

    fn enter(&mut self, direction: Direction, seat: &mut WaitSlot, waker: Waker) -> Leftover {
        match seat {
            WaitSlot::Shared(ops) => self.enter_shared(direction, waker, *ops),
            WaitSlot::Owned(Some(slot)) => match self.list(direction).owned[*slot].replace(waker) {
                Some(old) => Leftover::Drop(old),
                None => Leftover::Nothing,
            },
            WaitSlot::Owned(empty) => {
                *empty = Some(self.list(direction).owned.insert(Some(waker)));
                Leftover::Nothing
            }
        }
    }

    fn enter_shared(&mut self, direction: Direction, waker: Waker, ops: WakerOps) -> Leftover {
        let first = &mut self.first[direction as usize];
        if first.is_none() {
            *first = Some(waker);
            return Leftover::Nothing;
        }
        match self.list(direction).push(waker, ops.is_live) {
            Some(swept) => Leftover::Swept(swept, ops),
            None => Leftover::Nothing,
        }
    }

    #[inline]
    pub(crate) fn take(&mut self, direction: Direction, into: &mut Vec<Waker>) {
        if let Some(first) = self.first[direction as usize].take() {
            into.push(first);
        }
        if self.extra.is_some() {
            self.take_crowd(direction, into);
        }
    }

    #[cold]
    fn take_crowd(&mut self, direction: Direction, into: &mut Vec<Waker>) {
        self.list(direction).take(into);
    }

    #[inline]
    fn take_both(&mut self, into: &mut Vec<Waker>) {
        self.take(Direction::Read, into);
        self.take(Direction::Write, into);
    }
}

/// Whether events reach a source of this standing, and a waiter on this thread can have no better.
#[inline]
fn is_settled(word: usize) -> bool {
    word == ARMED || word == BY_THREAD | this_thread()
}

fn standing(state: &SpinLockGuard<'_, WaitersState>) -> Arming {
    PackedArming(state.word()).standing()
}

impl Waiters {
    /// Enters the waker of `cx`, unless `direction` is ready.
    pub fn wait(
        &self,
        readiness: &Readiness,
        direction: Direction,
        seat: &mut WaitSlot,
        cx: &Context<'_>,
    ) -> Waited {
        // A clone costs what a look under the lock would, and the waker is rarely there already.
        lock::assert_none_held("the clone of a waker");
        let waker = cx.waker().clone();
        self.enter(readiness, direction, seat, waker)
    }

    /// Enters the waker of `cx` as a shared one, if that is all there is to do: nobody else waits,
    /// `direction` is not ready, and each change will be an event. `false` if it takes
    /// [`wait`](Waiters::wait). A turn may receive as much as `wish` says for it (`prefetch.rs`).
    #[inline]
    pub fn wait_in_place(
        &self,
        readiness: &Readiness,
        direction: Direction,
        wish: usize,
        cx: &Context<'_>,
    ) -> bool {
        lock::assert_none_held("the clone of a waker");
        let waker = cx.waker().clone();
        let mut state = self.state.lock();
        // Invariant 2, as in `enter`.
        let flags = readiness.snapshot().flags();
        let is_simple = !flags.has(direction.flag())
            && is_settled(state.word())
            && state.first[direction as usize].is_none();
        if is_simple {
            state.first[direction as usize] = Some(waker);
            if flags.has(Flags::BATCHED) && direction == Direction::Read {
                state.extra.get_or_insert_default().prefetch.set_want(wish);
            }
            return true;
        }
        drop(state);
        lock::assert_none_held("the drop of a waker");
        drop(waker);
        false
    }

    fn enter(
        &self,
        readiness: &Readiness,
        direction: Direction,
        seat: &mut WaitSlot,
        waker: Waker,
    ) -> Waited {
        let mut state = self.state.lock();
        // Invariant 2: the second look, without which an event since the first would be lost.
        if let Some(ready) = readiness.ready(direction) {
            drop(state);
            drop(waker);
            return Waited::Ready(ready);
        }
        let entered = Waited::Entered(standing(&state));
        if !is_settled(state.word())
            && let Some(crowd) = &mut state.extra
        {
            // `prefetch.rs`, invariant 4.
            crowd.prefetch.set_want(0);
        }
        if state.holds(direction, seat, &waker) {
            drop(state);
            lock::assert_none_held("the drop of a waker");
            drop(waker);
            return entered;
        }
        let leftover = state.enter(direction, seat, waker);
        drop(state);
        lock::assert_none_held("the wake or drop of a replaced waker");
        match leftover {
            Leftover::Swept(Swept { gone, mut asked }, ops) => {
                drop(gone);
                (ops.wake_all)(&mut asked);
            }
            Leftover::Drop(waker) => drop(waker),
            Leftover::Nothing => {}
        }
        entered
    }

    /// Says what a waiter has to do from now on.
    pub fn set_arming(&self, standing: Arming) {
        self.state.lock().set_word(PackedArming::new(standing).0);
    }

    /// What a waiter has to do.
    #[must_use]
    pub fn arming(&self) -> Arming {
        standing(&self.state.lock())
    }

    /// Moves all wakers to `into`; whoever waits from now on has to register.
    pub fn disarm(&self, into: &mut Vec<Waker>) {
        let mut state = self.state.lock();
        state.set_word(PackedArming::new(Arming::Unarmed).0);
        state.take_both(into);
    }

    /// Stores an event in `readiness`, and moves the wakers that it concerns to `into`, for the
    /// caller to wake.
    #[inline]
    pub fn deliver(&self, readiness: &Readiness, flags: Flags, into: &mut Vec<Waker>) {
        let mut state = self.state.lock();
        readiness.set(&state, flags);
        if flags.has(Flags::READABLE) {
            state.take(Direction::Read, into);
        }
        if flags.has(Flags::WRITABLE) {
            state.take(Direction::Write, into);
        }
    }

    /// As [`Readiness::clear`], under the lock.
    pub fn clear(&self, readiness: &Readiness, seen: Ready, direction: Direction) {
        readiness.clear(&self.state.lock(), seen, direction);
    }

    /// As [`Readiness::set_traits`], under the lock.
    pub fn set_traits(&self, readiness: &Readiness, traits: Flags) {
        readiness.set_traits(&self.state.lock(), traits);
    }

    /// The descriptor may serve others from now on: see [`Readiness::expose`].
    pub(crate) fn expose(&self, readiness: &Readiness) {
        let mut state = self.state.lock();
        readiness.expose(&state);
        if let Some(crowd) = &mut state.extra {
            crowd.prefetch.set_want(0);
        }
    }

    /// Moves the wakers of both directions to `into`.
    pub fn take_both(&self, into: &mut Vec<Waker>) {
        self.state.lock().take_both(into);
    }

    /// Frees the slot of a future that is done or dropped.
    pub fn leave(&self, direction: Direction, seat: &mut WaitSlot) {
        let WaitSlot::Owned(slot) = seat else { return };
        let Some(slot) = slot.take() else { return };
        let waker = self.state.lock().list(direction).owned.remove(slot);
        lock::assert_none_held("the drop of a waker");
        drop(waker);
    }

    /// Tells whether a waker is entered for `direction`.
    #[must_use]
    pub fn is_awaited(&self, direction: Direction) -> bool {
        let state = self.state.lock();
        let lane = state.extra.as_ref().map(|crowd| &crowd.lists[direction as usize]);
        // The oldest shared waker is always in `first`.
        state.first[direction as usize].is_some()
            || lane.is_some_and(|lane| lane.owned.iter().any(|(_, slot)| slot.is_some()))
    }

    /// Wakers and slots held for both directions: for tests of leaks.
    #[must_use]
    pub fn len(&self) -> usize {
        let state = self.state.lock();
        let lanes = state.extra.iter().flat_map(|crowd| crowd.lists.iter());
        let crowd: usize = lanes.map(|lane| lane.more.len() + lane.owned.len()).sum();
        state.first.iter().flatten().count() + crowd
    }

    /// Tells whether nobody waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(all(test, not(reveille_loom)))]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;
    use crate::readiness::Flags;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A word in which nothing is ready.
    fn nothing() -> (Waiters, Readiness) {
        let (waiters, readiness) = (Waiters::default(), Readiness::assumed());
        for direction in [Direction::Read, Direction::Write] {
            waiters.clear(&readiness, readiness.snapshot(), direction);
        }
        (waiters, readiness)
    }

    #[test]
    fn a_standing_is_the_same_after_it_was_a_word() {
        let alone = |is_per_wait| Arming::ArmedByThread { thread: this_thread(), is_per_wait };
        let all = [Arming::Unarmed, Arming::Armed, Arming::ArmedPerWait];
        for standing in all.into_iter().chain([alone(false), alone(true)]) {
            assert_eq!(PackedArming::new(standing).standing(), standing);
        }
    }

    #[test]
    fn a_waker_is_entered_in_place_where_nothing_else_is_to_be_done() {
        let alone = |thread, is_per_wait| Arming::ArmedByThread { thread, is_per_wait };
        let here = this_thread();
        let cases = [
            (Arming::Armed, true),
            (alone(here, false), true),
            (Arming::Unarmed, false),
            (Arming::ArmedPerWait, false),
            (alone(here, true), false),
            (alone(here + 16, false), false),
        ];
        for (standing, is_settled) in cases {
            let (waiters, readiness) = nothing();
            waiters.set_arming(standing);
            let wait = |direction| {
                let cx = Context::from_waker(Waker::noop());
                waiters.wait_in_place(&readiness, direction, 0, &cx)
            };
            assert_eq!(wait(Direction::Read), is_settled, "{standing:?}");
            assert_eq!(waiters.len(), usize::from(is_settled), "{standing:?}");
            assert_eq!(wait(Direction::Write), is_settled, "{standing:?}");
            assert!(!wait(Direction::Read), "{standing:?}: another may wait already");
            readiness.set(&waiters.state.lock(), Flags::READABLE);
            assert!(!wait(Direction::Read), "{standing:?}: it is ready");
        }
    }

    #[test]
    fn one_shared_waiter_per_direction_needs_no_box_and_others_are_woken_from_it() {
        let (waiters, readiness) = nothing();
        let counts: Vec<_> = (0..3).map(|_| Arc::new(Count::default())).collect();
        let wakers: Vec<_> = counts.iter().map(|count| Waker::from(Arc::clone(count))).collect();
        let enter = |direction, seat: &mut WaitSlot, waker: &Waker| {
            let waited = waiters.wait(&readiness, direction, seat, &Context::from_waker(waker));
            assert_eq!(waited, Waited::Entered(Arming::Unarmed));
        };
        enter(Direction::Read, &mut WaitSlot::shared(), &wakers[0]);
        enter(Direction::Write, &mut WaitSlot::shared(), &wakers[0]);
        // The same task once more is no second waiter.
        enter(Direction::Read, &mut WaitSlot::shared(), &wakers[0]);
        assert!(waiters.state.lock().extra.is_none());
        let mut owned = WaitSlot::Owned(None);
        enter(Direction::Read, &mut WaitSlot::shared(), &wakers[1]);
        enter(Direction::Read, &mut owned, &wakers[2]);
        assert_eq!(waiters.len(), 4);
        let mut woken = Vec::new();
        waiters.deliver(&readiness, Flags::READABLE, &mut woken);
        woken.drain(..).for_each(Waker::wake);
        assert!(counts.iter().all(|count| count.0.load(Ordering::Relaxed) == 1));
        assert!(waiters.is_awaited(Direction::Write) && !waiters.is_awaited(Direction::Read));
        waiters.leave(Direction::Read, &mut owned);
        waiters.take_both(&mut woken);
        assert_eq!((woken.len(), waiters.len()), (1, 0));
    }
}
