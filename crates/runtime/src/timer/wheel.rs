//! A hierarchical timing wheel: deadlines in nanoseconds, and the wakers that wait for them.
//!
//! A plain data structure: no lock, no clock, no unsafe. Its owner passes the time in. The wheel
//! returns wakers, and the owner wakes or drops them after it has released its own lock.
//!
//! # Vocabulary
//!
//! * The *cursor* is the time up to which the wheel has been advanced.
//! * A *level* has 64 *slots*, so that one `u64` tells which are occupied. A slot of level 0 covers
//!   2¹⁶ ns (65.5 µs), one of level n 64 times as much as one of level n − 1. Eight levels cover
//!   16 + 8 · 6 = 64 bits: every deadline has a slot, and no overflow list is needed.
//! * An entry's level is that of the highest bit in which its deadline differs from the cursor, its
//!   slot the six bits of the deadline there. An entry due before the cursor goes with the cursor.
//! * To *cascade* a slot is to spread its entries over the levels below, when the cursor enters it.
//!
//! # Invariants
//!
//! 1. Apart from the slot being cascaded, occupied slots of level n > 0 lie strictly after the
//!    cursor's own slot there, those of level 0 not before it, all within the cursor's slot of
//!    level n + 1. So the first occupied slot of the first occupied level is the earliest, slots
//!    never wrap, and an order of magnitude in time costs one look, not a walk over empty slots.
//! 2. While a slot is being cascaded, insertions that fall into it join its tail. So entries with
//!    the same deadline stay in the order of insertion at every moment.
//! 3. `bound_ns` is never later than the earliest deadline.
//! 4. `u64::MAX` means never: such entries are linked nowhere and only removal takes them out.
//! 5. The entry inserted last may still be *fresh*: it has its number, but is in no slot and counts
//!    for no bound. Whatever else is asked of the wheel settles it first.
//!
//! # Promises
//!
//! * No entry expires before its deadline, to the nanosecond.
//! * Entries expire in the order of their level 0 slots; within one slot in the order of insertion,
//!   as far as they are due. Entries with the same deadline expire in the order of insertion.
//! * Insertion, removal and [`next_deadline`](Wheel::next_deadline) are O(1). A jump of the clock
//!   costs O(levels) and what it expires, each entry having moved once per level at most.
//! * The part of [`advance`](Wheel::advance) that is not O(1) is bounded by its limit, except for
//!   one look at each entry of the level 0 slot that the current time falls into.
//!
//! # The width of a slot
//!
//! Deadlines are exact whatever the width, which only trades moves for looks: a narrow slot makes
//! an entry move once more before it expires, a wide one makes entries that are not due be looked
//! at. 2¹⁴, 2¹⁵ and 2¹⁶ ns measured alike on a busy virtual machine (insert and remove 28 to 32 ns,
//! 4.4 of them the waker's clone and drop; insert and expire, 20 thousand entries over 100 ms,
//! 77 to 96 ns); 2¹⁶ is the one that makes eight levels cover 64 bits.
//!
//! Rejected: a binary heap or a B-tree (insert and remove of deadlines in ascending order, the
//! case that is kindest to a B-tree: 54 to 60 ns among 100 thousand entries, where the wheel needs
//! 28 to 32 whatever the number; 240 ns with random ones); ticks of a millisecond (a
//! sleep would last up to 1 ms longer than asked); entries inside the futures, linked by
//! pointers (unsafe, pinned, and a lock or a handshake on every drop); one vector of entries (see
//! `slab`).

mod slab;
#[cfg(test)]
mod tests;

use std::task::Waker;

use slab::{Links, NONE, Slab};

/// Nanoseconds of a level 0 slot, as a power of two.
const SLOT_BITS: u32 = 16;

/// Slots of a level, as a power of two: 64, so that a level's occupancy is one `u64`.
const LEVEL_BITS: u32 = 6;
const SLOTS: usize = 1 << LEVEL_BITS;

/// As many as it takes for the levels to cover all deadlines.
const LEVELS: usize = (u64::BITS - SLOT_BITS).div_ceil(LEVEL_BITS) as usize;

/// The place of an entry that is due never.
const NEVER: u16 = (LEVELS * SLOTS) as u16;

/// How many entries of a slot are looked at to find its earliest deadline. Beyond that the bound
/// stays a bound: the cost is a wake-up without work, once, against a walk over cold memory.
const LOOKS: usize = 32;

/// Names an entry for as long as it is in the wheel, and nothing afterwards: the numbers are never
/// used again. 12 bytes.
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

/// An entry that may be gone before anybody looks: most time limits are not needed in the end, and
/// many are withdrawn within the poll that set them.
#[derive(Debug)]
struct Fresh {
    index: u32,
    stamp: u64,
    deadline_ns: u64,
    /// `None` when there is no fresh entry.
    waker: Option<Waker>,
}

/// What [`Wheel::advance`] has done.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Advanced {
    /// Wakers handed out.
    pub(crate) expired: usize,
    /// The limit was reached and more may be due: the caller shall come again before it parks.
    pub(crate) has_more: bool,
}

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Wheel {
    slab: Slab,
    /// See invariant 5.
    fresh: Fresh,
    /// First entry of each slot, by place; its `prev` is the last one.
    heads: Box<[u32; LEVELS * SLOTS]>,
    /// One bit for each occupied slot.
    occupied: [u64; LEVELS],
    /// One bit for each level with an occupied slot.
    levels: u32,
    cursor_ns: u64,
    /// See invariant 3. `u64::MAX` if nothing will expire.
    bound_ns: u64,
    /// Looking again would not find a better bound.
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

    /// Entries in the wheel, those that never expire included.
    pub(crate) fn len(&self) -> usize {
        self.slab.len() + usize::from(self.fresh.waker.is_some())
    }

    /// Whether there is no entry.
    pub(crate) fn is_empty(&self) -> bool {
        self.slab.len() == 0 && self.fresh.waker.is_none()
    }

    /// Adds an entry that expires at `deadline_ns`, or never if that is `u64::MAX`. A deadline that
    /// has passed is due at once.
    ///
    /// # Panics
    ///
    /// Panics when there are 2³² entries already.
    #[inline]
    pub(crate) fn insert(&mut self, deadline_ns: u64, waker: Waker) -> Key {
        self.settle();
        let (index, stamp) = self.slab.reserve();
        self.fresh.index = index;
        self.fresh.stamp = stamp;
        self.fresh.deadline_ns = deadline_ns;
        self.fresh.waker = Some(waker);
        Key::new(index, stamp)
    }

    /// Puts the fresh entry where it belongs.
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

    /// Takes an entry out. `None` if it has expired or was removed before.
    ///
    /// The waker is the caller's, to be dropped outside of its lock.
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
        expect(dead_code, reason = "completes the structure; tests hold it to the model")
    )]
    pub(crate) fn contains(&self, key: Key) -> bool {
        self.waker(key).is_some()
    }

    /// The waker of an entry, to ask it whether [it wakes](Waker::will_wake) the right task.
    pub(crate) fn waker(&self, key: Key) -> Option<&Waker> {
        match &self.fresh.waker {
            Some(waker) if self.fresh.stamp == key.stamp() => Some(waker),
            _ => self.slab.find(key.index, key.stamp())?.waker.as_ref(),
        }
    }

    /// Gives an entry another waker and returns the former one.
    ///
    /// Takes the waker by value, since cloning one is user code and belongs outside of the lock.
    ///
    /// # Errors
    ///
    /// Gives `waker` back if the entry has left the wheel.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "completes the structure; tests hold it to the model")
    )]
    pub(crate) fn replace_waker(&mut self, key: Key, waker: Waker) -> Result<Waker, Waker> {
        self.settle();
        if self.waker(key).is_none() {
            return Err(waker);
        }
        let former = self.slab.get_mut(key.index).waker.replace(waker);
        Ok(former.expect("an occupied entry has a waker"))
    }

    /// When to advance the wheel next, or `None` if nothing will ever expire.
    ///
    /// The earliest deadline, or at times a bound that is earlier, never one that is later. A bound
    /// that turns out too early costs its caller one advance that expires nothing; it is later than
    /// the time of the last [`advance`](Wheel::advance) that had no more to do.
    #[inline]
    pub(crate) fn next_deadline(&mut self) -> Option<u64> {
        self.settle();
        if !self.is_bound_fresh {
            self.look_for_bound();
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

    /// Takes every waker out, in no particular order, those that never expire included, and gives
    /// all memory back.
    pub(crate) fn drain_all(&mut self, wakers: &mut Vec<Waker>) {
        self.settle();
        self.slab.drain(wakers);
        self.heads.fill(NONE);
        self.occupied = [0; LEVELS];
        self.levels = 0;
        self.forget_bound();
    }

    /// Nothing is linked any more.
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
            // All that is left is later, so a bound that has passed can be improved.
            self.is_bound_fresh &= self.bound_ns > now_ns;
        }
        let has_more = !is_done && self.bound_ns <= now_ns;
        Advanced { expired: wakers.len() - before, has_more }
    }

    /// Moves entries of the slot being cascaded to where they belong now. False if some are left.
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

    /// Expires the entries of a level 0 slot that are due. False if the limit left some of them.
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

    /// Improves the bound, which invariant 3 keeps valid without.
    #[cold]
    fn look_for_bound(&mut self) {
        // Where the earliest entry is, is not known then; the bound is that of before.
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
        for _ in 0..LOOKS {
            let entry = self.slab.get(index);
            earliest_ns = earliest_ns.min(entry.deadline_ns);
            index = entry.next;
            if index == head || earliest_ns == self.bound_ns {
                self.bound_ns = earliest_ns;
                return;
            }
        }
        // Only the cursor's own slot may hold deadlines before its start.
        if start_ns > self.cursor_ns {
            self.bound_ns = self.bound_ns.max(start_ns);
        }
    }

    /// Level, slot and start of the earliest occupied slot (invariant 1).
    fn earliest(&self) -> Option<(usize, usize, u64)> {
        if self.levels == 0 {
            return None;
        }
        let level = self.levels.trailing_zeros() as usize;
        let slot = self.occupied[level].trailing_zeros() as usize;
        let shift = shift_of(level);
        // The bits above the level are the cursor's; the shift is taken in two steps because that
        // of the top level's end may be the whole width.
        let above = self.cursor_ns >> shift >> LEVEL_BITS << LEVEL_BITS;
        Some((level, slot, (above | slot as u64) << shift))
    }

    /// Where an entry is inserted.
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

    /// Appends an entry, whose links say that it is alone, to a slot.
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

    /// Takes an entry out of its slot; `links` are its own, which stay as they are.
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

/// Nanoseconds of a slot of `level`, as a power of two.
#[inline]
fn shift_of(level: usize) -> u32 {
    SLOT_BITS + level as u32 * LEVEL_BITS
}

/// The slot of `level` that `time_ns` falls into.
#[inline]
fn place_of(level: usize, time_ns: u64) -> u16 {
    let slot = (time_ns >> shift_of(level)) as usize % SLOTS;
    (level * SLOTS + slot) as u16
}

/// Where an entry belongs that is due at `deadline_ns`, as seen from `cursor_ns`.
#[inline]
fn natural_place(cursor_ns: u64, deadline_ns: u64) -> u16 {
    let at_ns = deadline_ns.max(cursor_ns);
    // Setting the bits of level 0 makes differences below it count as level 0.
    let differs = (at_ns ^ cursor_ns) | ((1 << shift_of(1)) - 1);
    let level = (differs.ilog2() - SLOT_BITS) / LEVEL_BITS;
    place_of(level as usize, at_ns)
}
