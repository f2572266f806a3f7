//! Who waits for a source: wakers by direction.
//!
//! Two kinds of waiter, since there are two kinds of caller:
//!
//! * **shared**: `poll_*` methods, which have no memory between two polls. Their wakers are kept in
//!   a list without duplicates, so that a second task does not evict the first. The list is
//!   bounded by [`SHARED_MAX`]: the oldest is woken and dropped, and waits again if it still wants.
//! * **owned**: futures, which hold a slot of their own and give it back when dropped.
//!
//! Invariants:
//! 1. The lock guards data only. No waker is cloned, dropped or woken under it.
//! 2. A waiter is entered under the lock after a second look at the readiness word; an event sets
//!    the word first and takes the waiters, under the lock, second. So either the event sees the
//!    waiter or the waiter sees the event.
//! 3. An event empties slots and never frees them; only the future that owns a slot does.
//! 4. What the waiter has to do besides is beside the lanes, under the same lock: a shard that is
//!    deserted takes the waiters and the standing in one step, so a waiter is woken or learns that
//!    it must register anew.

use std::task::{Context, Waker};

use reveille_primitive::lock::{self, Mutex};
use slab::Slab;

use crate::readiness::{Direction, Readiness, Ready};

/// Shared wakers kept per direction. Each stands for a task that polls one direction of one
/// source without a future of its own; more than two are unheard of outside of accept loops.
const SHARED_MAX: usize = 32;

/// Where a waiter is entered.
#[derive(Debug)]
pub enum Seat {
    /// In the list of those without memory.
    Shared,
    /// In a slot of its own, once it has one.
    Owned(Option<usize>),
}

/// Whether events reach the source, and what that takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Standing {
    /// No thread turns a shard with which it is registered.
    #[default]
    Deaf,
    /// Each change is an event.
    Armed,
    /// An event comes only after the driver was armed for the waiter.
    ArmedPerWait,
    /// As one of these, as long as one thread is not busy: a waiter on another one may have better.
    ArmedAlone {
        /// The number of the thread.
        thread: usize,
        /// Whether it is as [`Standing::ArmedPerWait`].
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
    Entered(Standing),
}

/// The waiters of one source.
#[derive(Debug, Default)]
pub struct Waiters {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    lanes: [Lane; 2],
    standing: Standing,
}

/// The waiters of one direction.
#[derive(Debug, Default)]
struct Lane {
    /// The oldest shared waker, outside of the vector: one waiter costs no allocation.
    first: Option<Waker>,
    more: Vec<Waker>,
    owned: Slab<Option<Waker>>,
}

/// What is left over when a waker was entered, for after the lock.
enum Leftover {
    Nothing,
    Drop(Waker),
    Wake(Waker),
}

impl Lane {
    fn holds(&self, seat: &Seat, waker: &Waker) -> bool {
        match seat {
            Seat::Shared => self.first.iter().chain(&self.more).any(|held| held.will_wake(waker)),
            Seat::Owned(Some(slot)) => {
                self.owned[*slot].as_ref().is_some_and(|held| held.will_wake(waker))
            }
            Seat::Owned(None) => false,
        }
    }

    fn enter(&mut self, seat: &mut Seat, waker: Waker) -> Leftover {
        match seat {
            Seat::Shared => self.enter_shared(waker),
            Seat::Owned(Some(slot)) => match self.owned[*slot].replace(waker) {
                Some(old) => Leftover::Drop(old),
                None => Leftover::Nothing,
            },
            Seat::Owned(empty) => {
                *empty = Some(self.owned.insert(Some(waker)));
                Leftover::Nothing
            }
        }
    }

    fn enter_shared(&mut self, waker: Waker) -> Leftover {
        if self.first.is_none() {
            self.first = Some(waker);
            return Leftover::Nothing;
        }
        self.more.push(waker);
        if self.more.len() < SHARED_MAX {
            return Leftover::Nothing;
        }
        let second = self.more.remove(0);
        let oldest = self.first.replace(second).expect("looked at above");
        Leftover::Wake(oldest)
    }

    fn take(&mut self, into: &mut Vec<Waker>) {
        into.extend(self.first.take());
        into.append(&mut self.more);
        into.extend(self.owned.iter_mut().filter_map(|(_, slot)| slot.take()));
    }
}

impl Waiters {
    /// Enters the waker of `cx`, unless `direction` is ready.
    pub fn wait(
        &self,
        readiness: &Readiness,
        direction: Direction,
        seat: &mut Seat,
        cx: &Context<'_>,
    ) -> Waited {
        // A clone costs what a look under the lock would, and the waker is rarely there already.
        lock::assert_none_held("the clone of a waker");
        let waker = cx.waker().clone();
        self.enter(readiness, direction, seat, waker)
    }

    fn enter(
        &self,
        readiness: &Readiness,
        direction: Direction,
        seat: &mut Seat,
        waker: Waker,
    ) -> Waited {
        let mut state = self.state.lock();
        // Invariant 2: the second look, without which an event since the first would be lost.
        if let Some(ready) = readiness.ready(direction) {
            drop(state);
            drop(waker);
            return Waited::Ready(ready);
        }
        let entered = Waited::Entered(state.standing);
        let lane = &mut state.lanes[direction as usize];
        if lane.holds(seat, &waker) {
            drop(state);
            lock::assert_none_held("the drop of a waker");
            drop(waker);
            return entered;
        }
        let leftover = lane.enter(seat, waker);
        drop(state);
        lock::assert_none_held("the wake or drop of a replaced waker");
        match leftover {
            Leftover::Wake(waker) => waker.wake(),
            Leftover::Drop(waker) => drop(waker),
            Leftover::Nothing => {}
        }
        entered
    }

    /// Says what a waiter has to do from now on.
    pub fn set_standing(&self, standing: Standing) {
        self.state.lock().standing = standing;
    }

    /// What a waiter has to do.
    #[must_use]
    pub fn standing(&self) -> Standing {
        self.state.lock().standing
    }

    /// Moves all wakers to `into`; whoever waits from now on has to register.
    pub fn desert(&self, into: &mut Vec<Waker>) {
        let mut state = self.state.lock();
        state.standing = Standing::Deaf;
        state.lanes.iter_mut().for_each(|lane| lane.take(into));
    }

    /// Moves the wakers of one direction to `into`, for the caller to wake.
    pub fn take(&self, direction: Direction, into: &mut Vec<Waker>) {
        self.state.lock().lanes[direction as usize].take(into);
    }

    /// Moves the wakers of both directions to `into`.
    pub fn take_both(&self, into: &mut Vec<Waker>) {
        self.state.lock().lanes.iter_mut().for_each(|lane| lane.take(into));
    }

    /// Frees the slot of a future that is done or dropped.
    pub fn leave(&self, direction: Direction, seat: &mut Seat) {
        let Seat::Owned(slot) = seat else { return };
        let Some(slot) = slot.take() else { return };
        let waker = self.state.lock().lanes[direction as usize].owned.remove(slot);
        lock::assert_none_held("the drop of a waker");
        drop(waker);
    }

    /// Tells whether a waker is entered for `direction`.
    #[must_use]
    pub fn is_awaited(&self, direction: Direction) -> bool {
        let lane = &self.state.lock().lanes[direction as usize];
        // The oldest shared waker is always in `first`.
        lane.first.is_some() || lane.owned.iter().any(|(_, slot)| slot.is_some())
    }

    /// Wakers and slots held for both directions: for tests of leaks.
    #[must_use]
    pub fn len(&self) -> usize {
        let count =
            |lane: &Lane| usize::from(lane.first.is_some()) + lane.more.len() + lane.owned.len();
        self.state.lock().lanes.iter().map(count).sum()
    }

    /// Tells whether nobody waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
