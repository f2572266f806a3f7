//! A hierarchical timing wheel: deadlines in nanoseconds, and the wakers that wait for them.
//!
//! A plain data structure: it has no lock, no clock and no unsafe code. The caller passes the time.
//! The wheel returns wakers, and the caller wakes or drops them after it has released its own lock.
//!
//! # Vocabulary
//!
//! * The *cursor* is the time up to which the wheel has been advanced.
//! * A *level* has 64 *slots*, so that one `u64` is the bit set of the occupied ones. A slot of
//!   level 0 covers 2¹⁶ ns (65.5 µs), and a slot of level n covers 64 times as much as one of level
//!   n − 1. Eight levels cover 16 + 8 · 6 = 64 bits: every deadline has a slot, and no overflow
//!   list is needed.
//! * The level of an entry is that of the highest bit in which its deadline differs from the
//!   cursor; its slot is the six bits of the deadline at that level. An entry that is due before
//!   the cursor goes into the cursor's slot.
//! * To *cascade* a slot means to move its entries to lower levels, when the cursor enters the
//!   slot.
//!
//! # Invariants
//!
//! 1. Except for the slot that is being cascaded, occupied slots of level n > 0 lie strictly after
//!    the cursor's slot of that level, occupied slots of level 0 lie at or after it, and all of
//!    them lie within the cursor's slot of level n + 1. So the first occupied slot of the first
//!    occupied level is the earliest, slots never wrap, and finding it takes two bit scans instead
//!    of a walk over empty slots.
//! 2. While a slot is being cascaded, new entries with a deadline in it are appended to it. So
//!    entries with the same deadline always stay in the order of insertion.
//! 3. `bound_ns` is never later than the earliest deadline.
//! 4. `u64::MAX` means never: such entries are in no slot and leave the wheel only by removal.
//! 5. The last inserted entry may still be *fresh*: it has a number, but it is in no slot and is
//!    not part of any bound. Every other operation on the wheel first settles it, that is, puts it
//!    into its slot.
//!
//! # Guarantees
//!
//! * No entry expires before its deadline, to the nanosecond.
//! * Entries expire in the order of their level 0 slots. Within a slot, those that are due expire
//!   in the order of insertion. Entries with the same deadline expire in the order of insertion.
//! * Insertion, removal and [`next_deadline`](Wheel::next_deadline) are O(1). A jump of the clock
//!   costs O(levels), plus the entries that it expires; each entry moves at most once per level.
//! * The part of [`advance`](Wheel::advance) that is not O(1) is bounded by its limit, except that
//!   it checks each entry of the current level 0 slot once.
//!
//! # The width of a slot
//!
//! Deadlines are exact with any width. With narrow slots an entry moves once more before it
//! expires; with wide slots more entries that are not yet due are checked. 2¹⁴, 2¹⁵ and 2¹⁶ ns
//! performed equally on a busy virtual machine (insert and remove: 28 to 32 ns, 4.4 of them for the
//! clone and drop of the waker; insert and expire, 20 thousand entries over 100 ms: 77 to 96 ns).
//! With 2¹⁶ ns eight levels cover exactly 64 bits.
//!
//! # Rejected
//!
//! * A binary heap or a B-tree. Insert and remove take 54 to 60 ns among 100 thousand entries in
//!   ascending order, the best case of a B-tree, and 240 ns in random order. The wheel takes 28 to
//!   32 ns with any number of entries.
//! * Ticks of a millisecond. A sleep would last up to 1 ms longer than requested.
//! * Entries inside the futures, linked by pointers. They need unsafe code, pinning, and a lock or
//!   a handshake at each drop.
//! * One vector of entries (see `slab`).

mod slab;
#[cfg(test)]
mod tests;

use std::task::Waker;

use slab::{Links, NONE, Slab};

/// The width of a level 0 slot in nanoseconds, as a power of two.
const SLOT_BITS: u32 = 16;

/// Slots of a level, as a power of two: 64, so that a level's occupancy is one `u64`.
const LEVEL_BITS: u32 = 6;
const SLOTS: usize = 1 << LEVEL_BITS;

/// The number of levels that is needed to cover all deadlines.
const LEVELS: usize = (u64::BITS - SLOT_BITS).div_ceil(LEVEL_BITS) as usize;

/// The place of an entry that never expires.
const NEVER: u16 = (LEVELS * SLOTS) as u16;

/// The maximum number of entries of a slot that are scanned for the earliest deadline. If there are
/// more, the bound stays inexact. That costs one wake-up without work, which is cheaper than a walk
/// over cold memory.
const SCAN_MAX: usize = 32;

/// Identifies an entry while it is in the wheel. Afterwards the key matches nothing, because stamps
/// are never reused. 12 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Key {
    index: u32,
    stamp_low: u32,
    stamp_high: u32,
}

impl Key {
    fn new(index: u32, stamp: u64) -> Key {
        Key { index, stamp_low: stamp as u32, stamp_high: (stamp >> 32) as u32 }
    }

    fn stamp(self) -> u64 {
        u64::from(self.stamp_high) << 32 | u64::from(self.stamp_low)
    }
}

/// An entry that has not been put into its slot, because it may be removed soon: most time limits
/// do not expire, and many are removed within the poll that set them.
#[derive(Debug)]
struct Fresh {
    index: u32,
    stamp: u64,
    deadline_ns: u64,
    /// `None` if there is no fresh entry.
    waker: Option<Waker>,
}

/// The result of [`Wheel::advance`].
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Advanced {
    /// Number of wakers returned.
    pub(crate) expired: usize,
    /// The limit was reached and more entries may be due: the caller must advance again before it
    /// parks.
    pub(crate) has_more: bool,
}

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Wheel {
    slab: Slab,
    /// See invariant 5.
    fresh: Fresh,
    /// The first entry of each slot, by place; its `prev` is the last entry.
    heads: Box<[u32; LEVELS * SLOTS]>,
    /// One bit for each occupied slot.
    occupied: [u64; LEVELS],
    /// One bit for each level with an occupied slot.
    levels: u32,
    cursor_ns: u64,
    /// See invariant 3. `u64::MAX` if nothing will expire.
    bound_ns: u64,
    /// Whether the bound is as exact as a scan can make it.
    is_bound_fresh: bool,
    /// The level whose slot at the cursor is being cascaded, or 0.
    cascading: usize,
}

impl Wheel {
    /// Makes an empty wheel whose time is `start_ns`.
    pub(crate) fn new(start_ns: u64) -> Wheel {
        Wheel {
            slab: Slab::new(),
            fresh: Fresh { index: NONE, stamp: 0, deadline_ns: 0, waker: None },
            heads: Box::new([NONE; LEVELS * SLOTS]),
            occupied: [0; LEVELS],
            levels: 0,
            cursor_ns: start_ns,
            bound_ns: u64::MAX,
            is_bound_fresh: true,
            cascading: 0,
        }
    }

    /// The number of entries in the wheel, including those that never expire.
    pub(crate) fn len(&self) -> usize {
        self.slab.len() + usize::from(self.fresh.waker.is_some())
    }

    /// Whether there is no entry.
    pub(crate) fn is_empty(&self) -> bool {
        self.slab.len() == 0 && self.fresh.waker.is_none()
    }

    /// Adds an entry that expires at `deadline_ns`, or never if that is `u64::MAX`. An entry with a
    /// deadline in the past is due immediately.
    ///
    /// # Panics
    ///
    /// Panics if there are 2³² entries already.
    // Always inlined, or its result is returned through memory in three words. The caller would
    // copy it before these words have left the store buffer, which takes longer than the rest.
    #[inline(always)]
    pub(crate) fn insert(&mut self, deadline_ns: u64, waker: Waker) -> Key {
        self.settle();
        let (index, stamp) = self.slab.reserve();
        self.fresh.index = index;
        self.fresh.stamp = stamp;
        self.fresh.deadline_ns = deadline_ns;
        self.fresh.waker = Some(waker);
        Key::new(index, stamp)
    }

    /// Puts the fresh entry into its slot.
    #[inline]
    fn settle(&mut self) {
        if self.fresh.waker.is_some() {
            self.settle_slow();
        }
    }

    fn settle_slow(&mut self) {
        let Some(waker) = self.fresh.waker.take() else { return };
        let Fresh { index, stamp, deadline_ns, .. } = self.fresh;
        let place = self.place(deadline_ns);
        self.slab.insert((index, stamp), deadline_ns, place, waker);
        self.link(index, place);
        if deadline_ns <= self.bound_ns {
            self.bound_ns = deadline_ns;
            self.is_bound_fresh = true;
        }
    }

    /// Removes an entry. `None` if it has expired or has been removed.
    ///
    /// The caller must drop the waker outside its lock.
    #[inline]
    pub(crate) fn remove(&mut self, key: Key) -> Option<Waker> {
        if self.fresh.stamp == key.stamp() && self.fresh.waker.is_some() {
            return self.fresh.waker.take();
        }
        self.settle();
        self.remove_settled(key)
    }

    fn remove_settled(&mut self, key: Key) -> Option<Waker> {
        let entry = self.slab.find(key.index, key.stamp())?;
        let links = entry.links();
        if entry.deadline_ns == self.bound_ns {
            self.is_bound_fresh = false;
        }
        self.unlink(key.index, links);
        let waker = self.slab.remove(key.index);
        if self.levels == 0 {
            self.forget_bound();
        }
        Some(waker)
    }

    /// Whether the entry is still in the wheel.
    #[cfg_attr(
        not(test),
        expect(
            dead_code,
            reason = "completes the data structure; the tests compare it with the model"
        )
    )]
    pub(crate) fn contains(&self, key: Key) -> bool {
        self.waker(key).is_some()
    }

    /// The waker of an entry, for a check whether it [wakes the right task](Waker::will_wake).
    pub(crate) fn waker(&self, key: Key) -> Option<&Waker> {
        match &self.fresh.waker {
            Some(waker) if self.fresh.stamp == key.stamp() => Some(waker),
            _ => self.slab.find(key.index, key.stamp())?.waker.as_ref(),
        }
    }

    /// Replaces the waker of an entry and returns the former one.
    ///
    /// Takes the waker by value, because cloning it is user code, which must not run under the
    /// caller's lock.
    ///
    /// # Errors
    ///
    /// Returns `waker` if the entry is no longer in the wheel.
    #[cfg_attr(
        not(test),
        expect(
            dead_code,
            reason = "completes the data structure; the tests compare it with the model"
        )
    )]
    pub(crate) fn replace_waker(&mut self, key: Key, waker: Waker) -> Result<Waker, Waker> {
        self.settle();
        if self.waker(key).is_none() {
            return Err(waker);
        }
        let former = self.slab.get_mut(key.index).waker.replace(waker);
        Ok(former.expect("an occupied entry has a waker"))
    }

    /// The time at which to advance the wheel next, or `None` if no entry will expire.
    ///
    /// This is the earliest deadline or a lower bound of it. A bound that is too early costs the
    /// caller one advance that expires nothing. It is always later than the time of the last
    /// [`advance`](Wheel::advance) that left nothing to do.
    #[inline]
    pub(crate) fn next_deadline(&mut self) -> Option<u64> {
        self.settle();
        if !self.is_bound_fresh {
            self.improve_bound();
        }
        (self.bound_ns != u64::MAX).then_some(self.bound_ns)
    }

    /// Moves the cursor to `now_ns` and appends the wakers of the entries that are due to `wakers`.
    ///
    /// Expires or moves at most `limit` entries. A time before the cursor counts as the cursor.
    #[inline]
    pub(crate) fn advance(
        &mut self,
        now_ns: u64,
        limit: usize,
        wakers: &mut Vec<Waker>,
    ) -> Advanced {
        self.settle();
        if self.levels == 0 {
            self.cursor_ns = self.cursor_ns.max(now_ns);
            return Advanced { expired: 0, has_more: false };
        }
        self.advance_slow(now_ns.max(self.cursor_ns), limit, wakers)
    }

    /// Removes all entries, including those that never expire, appends their wakers to `wakers` in
    /// no particular order, and frees all memory.
    pub(crate) fn drain_all(&mut self, wakers: &mut Vec<Waker>) {
        self.settle();
        self.slab.drain(wakers);
        self.heads.fill(NONE);
        self.occupied = [0; LEVELS];
        self.levels = 0;
        self.forget_bound();
    }

    /// Resets the bound when no entry is in a slot.
    fn forget_bound(&mut self) {
        self.cascading = 0;
        self.bound_ns = u64::MAX;
        self.is_bound_fresh = true;
    }

    fn advance_slow(&mut self, now_ns: u64, limit: usize, wakers: &mut Vec<Waker>) -> Advanced {
        let before = wakers.len();
        let mut left = limit;
        let is_done = loop {
            if self.cascading != 0 && !self.cascade(&mut left) {
                break false;
            }
            let Some((level, slot, start_ns)) = self.earliest() else { break true };
            if start_ns > now_ns {
                break true;
            }
            self.cursor_ns = self.cursor_ns.max(start_ns);
            if level > 0 {
                self.cascading = level;
            } else if now_ns < self.bound_ns {
                break true;
            } else if !self.expire(slot, now_ns, &mut left, wakers) {
                break false;
            } else if self.occupied[0] & (1 << slot) != 0 {
                break true;
            }
        };
        if is_done {
            self.cursor_ns = now_ns;
            // All remaining entries are later, so a bound that has passed can be improved.
            self.is_bound_fresh &= self.bound_ns > now_ns;
        }
        let has_more = !is_done && self.bound_ns <= now_ns;
        Advanced { expired: wakers.len() - before, has_more }
    }

    /// Moves entries of the slot that is being cascaded to their new slots. `false` if some are
    /// left.
    fn cascade(&mut self, left: &mut usize) -> bool {
        let level = self.cascading;
        let place = place_of(level, self.cursor_ns);
        while *left > 0 && self.heads[place as usize] != NONE {
            *left -= 1;
            let index = self.heads[place as usize];
            let entry = self.slab.get_mut(index);
            let links = entry.links();
            let place = natural_place(self.cursor_ns, entry.deadline_ns);
            entry.set_links(Links { place, prev: index, next: index });
            self.unlink(index, links);
            self.link(index, place);
        }
        if self.heads[place as usize] != NONE {
            return false;
        }
        self.cascading = 0;
        true
    }

    /// Expires the due entries of a level 0 slot. `false` if some are left because of the limit.
    fn expire(
        &mut self,
        slot: usize,
        now_ns: u64,
        left: &mut usize,
        wakers: &mut Vec<Waker>,
    ) -> bool {
        let mut bound_ns = u64::MAX;
        let mut index = self.heads[slot];
        let tail = self.slab.get(index).prev;
        loop {
            let entry = self.slab.get(index);
            let (links, deadline_ns) = (entry.links(), entry.deadline_ns);
            if deadline_ns > now_ns {
                bound_ns = bound_ns.min(deadline_ns);
            } else if *left == 0 {
                self.is_bound_fresh = false;
                return false;
            } else {
                *left -= 1;
                self.unlink(index, links);
                wakers.push(self.slab.remove(index));
            }
            if index == tail {
                break;
            }
            index = links.next;
        }
        self.is_bound_fresh = bound_ns != u64::MAX;
        if self.is_bound_fresh {
            self.bound_ns = bound_ns;
        }
        true
    }

    /// Improves the bound, which is valid but may be too early (invariant 3).
    #[cold]
    fn improve_bound(&mut self) {
        // During a cascade the earliest slot is unknown, so the old bound is kept.
        if self.cascading != 0 {
            return;
        }
        self.is_bound_fresh = true;
        let Some((level, slot, start_ns)) = self.earliest() else {
            self.bound_ns = u64::MAX;
            return;
        };
        let head = self.heads[level * SLOTS + slot];
        let mut earliest_ns = u64::MAX;
        let mut index = head;
        for _ in 0..SCAN_MAX {
            let entry = self.slab.get(index);
            earliest_ns = earliest_ns.min(entry.deadline_ns);
            index = entry.next;
            if index == head || earliest_ns == self.bound_ns {
                self.bound_ns = earliest_ns;
                return;
            }
        }
        // Only the cursor's slot may have entries with a deadline before its start.
        if start_ns > self.cursor_ns {
            self.bound_ns = self.bound_ns.max(start_ns);
        }
    }

    /// The level, the slot and the start of the earliest occupied slot (invariant 1).
    fn earliest(&self) -> Option<(usize, usize, u64)> {
        if self.levels == 0 {
            return None;
        }
        let level = self.levels.trailing_zeros() as usize;
        let slot = self.occupied[level].trailing_zeros() as usize;
        let shift = shift_of(level);
        // The bits above the level are those of the cursor. There are two shifts, because for the
        // top level their sum may be the width of the word.
        let above = self.cursor_ns >> shift >> LEVEL_BITS << LEVEL_BITS;
        Some((level, slot, (above | slot as u64) << shift))
    }

    /// The place for a new entry.
    #[inline]
    fn place(&self, deadline_ns: u64) -> u16 {
        if deadline_ns == u64::MAX {
            return NEVER;
        }
        let shift = shift_of(self.cascading);
        if self.cascading != 0 && deadline_ns >> shift == self.cursor_ns >> shift {
            return place_of(self.cascading, deadline_ns);
        }
        natural_place(self.cursor_ns, deadline_ns)
    }

    /// Appends an entry to a slot. The links of the entry point to itself.
    #[inline]
    fn link(&mut self, index: u32, place: u16) {
        if place == NEVER {
            return;
        }
        let head = self.heads[place as usize];
        if head == NONE {
            self.heads[place as usize] = index;
            let level = place as usize / SLOTS;
            self.occupied[level] |= 1 << (place as usize % SLOTS);
            self.levels |= 1 << level;
            return;
        }
        let tail = std::mem::replace(&mut self.slab.get_mut(head).prev, index);
        self.slab.get_mut(tail).next = index;
        let entry = self.slab.get_mut(index);
        (entry.prev, entry.next) = (tail, head);
    }

    /// Removes an entry from its slot. `links` are the entry's links, which are not changed.
    #[inline]
    fn unlink(&mut self, index: u32, links: Links) {
        let Links { place, prev, next } = links;
        if place == NEVER {
            return;
        }
        if next == index {
            self.heads[place as usize] = NONE;
            let level = place as usize / SLOTS;
            self.occupied[level] &= !(1 << (place as usize % SLOTS));
            if self.occupied[level] == 0 {
                self.levels &= !(1 << level);
            }
            return;
        }
        self.slab.get_mut(prev).next = next;
        self.slab.get_mut(next).prev = prev;
        if self.heads[place as usize] == index {
            self.heads[place as usize] = next;
        }
    }
}

/// The width of a slot of `level` in nanoseconds, as a power of two.
#[inline]
fn shift_of(level: usize) -> u32 {
    SLOT_BITS + level as u32 * LEVEL_BITS
}

/// The place of the slot of `level` that contains `time_ns`.
#[inline]
fn place_of(level: usize, time_ns: u64) -> u16 {
    let slot = (time_ns >> shift_of(level)) as usize % SLOTS;
    (level * SLOTS + slot) as u16
}

/// The place of an entry that is due at `deadline_ns`, relative to `cursor_ns`.
#[inline]
fn natural_place(cursor_ns: u64, deadline_ns: u64) -> u16 {
    let at_ns = deadline_ns.max(cursor_ns);
    // Setting the low bits makes a difference below level 1 count as level 0.
    let differs = (at_ns ^ cursor_ns) | ((1 << shift_of(1)) - 1);
    let level = (differs.ilog2() - SLOT_BITS) / LEVEL_BITS;
    place_of(level as usize, at_ns)
}
