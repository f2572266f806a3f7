//! The wakers of a source, by direction. Plain data: `core.rs` has the lock.
//!
//! There are two kinds of waiter, because there are two kinds of caller:
//!
//! * **shared**: `poll_*` methods, which keep no state between two polls. Their wakers are stored
//!   without duplicates, and a second task does not evict the first. `wait_list.rs` describes how
//!   wakers of tasks that no longer wait are removed.
//! * **owned**: futures, which have a slot of their own and free it when dropped.
//!
//! The first shared waker of each direction is stored inline ([`Waiters`]). All others are in
//! [`ExtraWaiters`], which most sources never allocate.

use std::task::Waker;

use super::prefetch::PrefetchBuffer;
use super::readiness::Direction;
use super::wait_list::{Swept, WaitList, WakerOps};

/// Where a waiter is entered.
#[derive(Debug)]
pub enum WaitSlot {
    /// In the list of callers without state. The functions are for the sweep of the list.
    Shared(WakerOps),
    /// In a slot of its own; `None` before the first wait.
    Owned(Option<usize>),
}

impl WaitSlot {
    /// A shared slot, for wakers of unknown tasks.
    #[must_use]
    pub fn shared() -> WaitSlot {
        WaitSlot::Shared(WakerOps::default())
    }
}

/// The waiters of a source with one waiting task per direction. The size is fixed, so that each
/// section of the spin lock takes constant time. It shares a cache line with the readiness word:
/// with a thousand connections each line is a cache miss at each event.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    /// The first shared waker of each direction.
    pub(super) first: [Option<Waker>; 2],
    /// Whether [`ExtraWaiters`] may hold a waker of the direction.
    pub(super) has_extra: [bool; 2],
    /// The number of bytes that the waiting read wants; 0 if there is no read for which a turn may
    /// receive.
    pub(super) want: u16,
}

/// The inline waker of one direction, taken out for the caller to wake.
#[must_use]
pub(super) struct Taken {
    pub(super) first: Option<Waker>,
    pub(super) has_extra: bool,
}

impl Waiters {
    /// Stores `waker` as the first of its direction. Returns it if an equal one is stored already.
    ///
    /// # Errors
    ///
    /// Returns the waker if another task's waker is the first.
    pub(super) fn enter_first(
        &mut self,
        direction: Direction,
        waker: Waker,
    ) -> Result<Option<Waker>, Waker> {
        match &mut self.first[direction as usize] {
            empty @ None => {
                *empty = Some(waker);
                Ok(None)
            }
            Some(held) if held.will_wake(&waker) => Ok(Some(waker)),
            Some(_) => Err(waker),
        }
    }

    #[inline]
    pub(super) fn take(&mut self, direction: Direction) -> Taken {
        Taken {
            first: self.first[direction as usize].take(),
            has_extra: std::mem::take(&mut self.has_extra[direction as usize]),
        }
    }
}

/// State that most sources never need.
#[derive(Debug, Default)]
pub(super) struct ExtraWaiters {
    pub(super) lists: [WaitList; 2],
    pub(super) prefetch: PrefetchBuffer,
}

/// Wakers left over from entering one. The caller drops or wakes them when no lock is held.
#[must_use]
pub(super) enum Leftover {
    Nothing,
    Drop(Waker),
    Swept(Swept, WakerOps),
}

impl ExtraWaiters {
    pub(super) fn enter(
        &mut self,
        direction: Direction,
        slot: &mut WaitSlot,
        waker: Waker,
    ) -> Leftover {
        let list = &mut self.lists[direction as usize];
        match slot {
            WaitSlot::Shared(_) if list.more.iter().any(|held| held.will_wake(&waker)) => {
                Leftover::Drop(waker)
            }
            WaitSlot::Shared(ops) => match list.push(waker, ops.is_live) {
                Some(swept) => Leftover::Swept(swept, *ops),
                None => Leftover::Nothing,
            },
            WaitSlot::Owned(Some(slot)) => match &mut list.owned[*slot] {
                Some(held) if held.will_wake(&waker) => Leftover::Drop(waker),
                held => held.replace(waker).map_or(Leftover::Nothing, Leftover::Drop),
            },
            WaitSlot::Owned(empty) => {
                *empty = Some(list.owned.insert(Some(waker)));
                Leftover::Nothing
            }
        }
    }

    /// Moves all wakers of `direction` to `into`. The slots of futures are emptied but not freed.
    pub(super) fn take(&mut self, direction: Direction, into: &mut Vec<Waker>) {
        self.lists[direction as usize].take(into);
    }

    pub(super) fn is_awaited(&self, direction: Direction) -> bool {
        let list = &self.lists[direction as usize];
        !list.more.is_empty() || list.owned.iter().any(|(_, slot)| slot.is_some())
    }

    /// The number of wakers and slots of both directions.
    pub(super) fn len(&self) -> usize {
        self.lists.iter().map(|list| list.more.len() + list.owned.len()).sum()
    }
}
