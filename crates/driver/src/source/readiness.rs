//! The readiness of a source as plain data. `core.rs` has the atomic word and the lock.
//!
//! One `u64` holds the flags (low 16 bits) and a tick (high 48 bits) that counts the events
//! delivered to the source. A reader takes a snapshot ([`Ready`]), tries its system call, and
//! clears the direction only if the tick has not changed since the snapshot. So an event that
//! arrives between the call and the clear is not lost.
//!
//! | flag | set by | cleared by |
//! |---|---|---|
//! | READABLE | creation (assumed), every event that may concern a read | `clear(Read)`, `exhaust` |
//! | WRITABLE | creation (assumed), every event that may concern a write | `clear(Write)` |
//! | READ_CLOSED, WRITE_CLOSED, ERROR, PRIORITY | events | never |
//! | STREAM | creation, for a stream that no other code uses | `expose` |
//! | HINTED | registration of a STREAM with a driver that reports closed sides | registration with another, `expose` |
//! | BATCHED | registration of a STREAM with a driver that receives for reads | registration with another, `expose` |
//! | RECEIVING | a turn that begins to receive (`prefetch.rs`) | the end of the receive |
//! | PREFETCHED | a turn that has received (`prefetch.rs`) | the reader that takes the last byte |
//!
//! Invariants:
//! 1. A wait checks only READABLE or WRITABLE. Each event that sets READ_CLOSED, WRITE_CLOSED or
//!    ERROR also sets the matching direction.
//! 2. A direction is cleared only after the system returned "would block" (then even a closed side
//!    has nothing to report), or after a short read or write, unless a sticky flag makes short
//!    operations inconclusive.
//! 3. A short read does not clear READABLE. It notes the tick of its snapshot in a second word
//!    (`exhaust`), and READABLE does not count while the note equals the current tick. This costs a
//!    store instead of a lock, once per request of a server. A note is only written by a short read
//!    that `trusts_short` allows. Ticks never repeat, so a late note, or one that overwrites a
//!    newer note, means at most that READABLE counts once more and one read is tried that would
//!    block.
//!
//! Rejected: letting the sticky flags count as readiness. A UDP socket whose error was taken, or a
//! FIFO that gets a new writer, returns "would block" with the flag still set, and the wait would
//! become a busy loop.
//!
//! Rejected: a tick of a few bits. A thread may be preempted between call and clear for any number
//! of events, and if the tick wraps to the same value, they are lost. With 48 bits and one event
//! per nanosecond that takes a preemption of three days.

use std::fmt;

/// Which half of a source an operation uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Reading, receiving, accepting.
    Read,
    /// Writing, sending, connecting.
    Write,
}

impl Direction {
    pub(crate) fn flag(self) -> Flags {
        match self {
            Direction::Read => Flags::READABLE,
            Direction::Write => Flags::WRITABLE,
        }
    }
}

/// A set of readiness flags.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Flags(u16);

impl Flags {
    /// No flag.
    pub const NONE: Flags = Flags(0);
    /// A read may succeed.
    pub const READABLE: Flags = Flags(1);
    /// A write may succeed.
    pub const WRITABLE: Flags = Flags(1 << 1);
    /// The peer will send nothing more. Bytes that it sent before may still be queued.
    pub const READ_CLOSED: Flags = Flags(1 << 2);
    /// The peer will receive nothing more.
    pub const WRITE_CLOSED: Flags = Flags(1 << 3);
    /// An error was reported; the next operation returns it.
    pub const ERROR: Flags = Flags(1 << 4);
    /// Urgent data was reported.
    pub const PRIORITY: Flags = Flags(1 << 5);
    /// The driver reports closed sides, so that a short read means an empty queue.
    pub const HINTED: Flags = Flags(1 << 6);
    /// Turns of the driver receive for waiting reads (`prefetch.rs`).
    pub const BATCHED: Flags = Flags(1 << 7);
    /// A turn is receiving.
    pub(crate) const RECEIVING: Flags = Flags(1 << 8);
    /// A turn has received bytes that no reader has taken yet.
    pub(crate) const PREFETCHED: Flags = Flags(1 << 9);
    /// The descriptor is a byte stream, and no other code can change how reads behave.
    pub const STREAM: Flags = Flags(1 << 10);

    /// The union of both sets.
    #[must_use]
    pub const fn with(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }

    /// Returns whether any flag of `other` is set.
    #[must_use]
    pub const fn has(self, other: Flags) -> bool {
        self.0 & other.0 != 0
    }

    /// This set without the flags of `other`.
    const fn without(self, other: Flags) -> Flags {
        Flags(self.0 & !other.0)
    }

    /// Returns whether these flags report an ordinary message: READABLE, with or without WRITABLE.
    pub(crate) fn is_message(self) -> bool {
        self.without(Flags::WRITABLE) == Flags::READABLE
    }

    /// `flags` if `condition` holds, and no flag otherwise.
    pub(crate) const fn when(condition: bool, flags: Flags) -> Flags {
        if condition { flags } else { Flags::NONE }
    }
}

impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMES: [(Flags, &str); 11] = [
            (Flags::READABLE, "READABLE"),
            (Flags::WRITABLE, "WRITABLE"),
            (Flags::READ_CLOSED, "READ_CLOSED"),
            (Flags::WRITE_CLOSED, "WRITE_CLOSED"),
            (Flags::ERROR, "ERROR"),
            (Flags::PRIORITY, "PRIORITY"),
            (Flags::HINTED, "HINTED"),
            (Flags::BATCHED, "BATCHED"),
            (Flags::RECEIVING, "RECEIVING"),
            (Flags::PREFETCHED, "PREFETCHED"),
            (Flags::STREAM, "STREAM"),
        ];
        let set = NAMES.iter().filter(|(flag, _)| self.has(*flag)).map(|(_, name)| *name);
        f.debug_set().entries(set).finish()
    }
}

/// A snapshot of a source's readiness.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a snapshot is what `clear` needs after the operation would have blocked"]
pub struct Ready {
    tick: u64,
    flags: Flags,
}

impl Ready {
    /// The number of events that were delivered before the snapshot.
    pub(crate) fn tick(self) -> u64 {
        self.tick
    }

    /// The flags at the time of the snapshot.
    #[must_use]
    pub fn flags(self) -> Flags {
        self.flags
    }

    /// Returns whether an operation that moved `count` of `len` bytes has emptied or filled the
    /// queue, so that the next attempt would block.
    #[inline]
    pub(crate) fn is_emptied_by(self, direction: Direction, count: usize, len: usize) -> bool {
        0 < count && count < len && self.trusts_short(direction)
    }

    /// Returns whether a read or write of fewer bytes than requested proves that the queue is empty
    /// or full, so that the next attempt would block.
    pub(crate) fn trusts_short(self, direction: Direction) -> bool {
        let forbids = match direction {
            // After the end of the stream, an error or urgent data was reported, there may be no
            // further edge for bytes that are still queued. And a read stops at the urgent mark.
            Direction::Read => Flags::READ_CLOSED.with(Flags::ERROR).with(Flags::PRIORITY),
            Direction::Write => Flags::WRITE_CLOSED.with(Flags::ERROR),
        };
        self.flags.has(Flags::HINTED) && !self.flags.has(forbids)
    }

    /// The initial readiness: both directions are assumed ready, so that the first operation is
    /// tried.
    pub(super) const ASSUMED: Ready =
        Ready { tick: 0, flags: Flags::READABLE.with(Flags::WRITABLE) };

    /// Like [`ASSUMED`](Ready::ASSUMED), with the traits `flags` of the source.
    pub(super) fn assumed_with(flags: Flags) -> Ready {
        Ready { flags: Ready::ASSUMED.flags.with(flags), ..Ready::ASSUMED }
    }

    pub(super) fn pack(self) -> u64 {
        (self.tick << FLAG_BITS) | u64::from(self.flags.0)
    }

    #[inline]
    pub(super) fn unpack(word: u64) -> Ready {
        Ready { tick: word >> FLAG_BITS, flags: Flags(word as u16) }
    }

    /// The note that a short read stores. It is never 0, because 0 means that there is no note.
    #[inline]
    pub(super) fn exhaustion_note(self) -> u64 {
        self.tick + 1
    }

    /// Removes READABLE if `note` was stored at this tick (invariant 3).
    #[inline]
    pub(super) fn considering(self, note: u64) -> Ready {
        if note == self.exhaustion_note() {
            return Ready { flags: self.flags.without(Flags::READABLE), ..self };
        }
        self
    }

    /// Returns whether `direction` is ready.
    #[inline]
    pub(super) fn is_ready(self, direction: Direction) -> bool {
        self.flags.has(direction.flag())
    }

    /// Adds the flags of an event, and counts it.
    #[inline]
    pub(super) fn after_event(self, flags: Flags) -> Ready {
        let mut next = self.flags.with(flags);
        if next.has(Flags::RECEIVING) {
            // The event is from another shard. The end of the receive makes the source readable
            // (`prefetch.rs`, invariant 2).
            next = next.without(Flags::READABLE);
        }
        Ready { tick: self.tick + 1, flags: next }
    }

    /// Replaces the traits of the driver, HINTED and BATCHED. Only a STREAM has them.
    pub(super) fn with_traits(self, traits: Flags) -> Ready {
        let others = self.flags.without(Flags::HINTED.with(Flags::BATCHED));
        let traits = Flags::when(self.flags.has(Flags::STREAM), traits);
        Ready { flags: others.with(traits), ..self }
    }

    /// Removes STREAM and all traits that depend on it.
    pub(super) fn exposed(self) -> Ready {
        let traits = Flags::STREAM.with(Flags::HINTED).with(Flags::BATCHED);
        Ready { flags: self.flags.without(traits), ..self }
    }

    /// Clears the readiness of `direction`, unless an event arrived after the snapshot `seen`.
    pub(super) fn cleared(self, seen: Ready, direction: Direction) -> Ready {
        if self.tick != seen.tick {
            return self;
        }
        Ready { flags: self.flags.without(direction.flag()), ..self }
    }

    /// Returns whether a turn is receiving.
    pub(super) fn is_receiving(self) -> bool {
        self.flags.has(Flags::RECEIVING)
    }

    /// Returns whether a turn may receive, because no reader can be in its own system call
    /// (`prefetch.rs`, invariant 1).
    pub(super) fn allows_receiving(self) -> bool {
        !self.flags.has(Flags::READABLE.with(Flags::RECEIVING))
    }

    /// The transition when a turn starts to receive.
    pub(super) fn begin_receiving(self) -> Ready {
        let flags = self.flags.without(Flags::READABLE).with(Flags::RECEIVING);
        Ready { flags, ..self }
    }

    /// The transition when a turn has received. Adds the flags of its event, and counts it.
    pub(super) fn end_receiving(self, flags: Flags, is_prefetched: bool) -> Ready {
        let flags = flags.with(Flags::READABLE).with(Flags::when(is_prefetched, Flags::PREFETCHED));
        let flags = self.flags.without(Flags::RECEIVING).with(flags);
        Ready { tick: self.tick + 1, flags }
    }

    /// The transition when readers have taken everything that a turn had received. `emptied_at` is
    /// the tick of that turn if it emptied the queue. In that case the source is not readable,
    /// unless an event arrived afterwards.
    pub(super) fn end_prefetched(self, emptied_at: Option<u64>) -> Ready {
        let mut flags = self.flags.without(Flags::PREFETCHED);
        if emptied_at == Some(self.tick) {
            flags = flags.without(Flags::READABLE);
        }
        Ready { flags, ..self }
    }
}

/// Low bits of the word: the flags.
const FLAG_BITS: u32 = 16;

#[cfg(all(test, not(reveille_loom)))]
mod tests {
    use super::*;

    /// Packs and unpacks `ready`.
    fn stored(ready: Ready) -> Ready {
        Ready::unpack(ready.pack())
    }

    #[test]
    fn an_event_between_snapshot_and_clear_is_kept() {
        let seen = Ready::ASSUMED;
        let now = stored(seen.after_event(Flags::READABLE)).cleared(seen, Direction::Read);
        assert!(now.is_ready(Direction::Read));
    }

    #[test]
    fn clear_affects_only_its_direction() {
        let seen = stored(Ready::ASSUMED.after_event(Flags::READ_CLOSED.with(Flags::ERROR)));
        let now = stored(seen.cleared(seen, Direction::Read));
        assert!(!now.flags.has(Flags::READABLE));
        assert!(now.flags.has(Flags::WRITABLE));
        assert!(now.flags.has(Flags::READ_CLOSED) && now.flags.has(Flags::ERROR));
    }

    #[test]
    fn clearing_one_direction_leaves_the_snapshot_valid_for_the_other() {
        let seen = Ready::ASSUMED;
        let now = seen.cleared(seen, Direction::Read).cleared(seen, Direction::Write);
        assert!(!now.is_ready(Direction::Write));
    }

    #[test]
    fn the_tick_is_not_truncated() {
        let late = Ready { tick: 1 << 47, flags: Flags::READABLE };
        assert_eq!(stored(late), late);
        let seen = Ready::ASSUMED;
        // After 2^16 events a tick of 16 bits or fewer would have its old value again.
        let now = (0..1 << 16).fold(seen, |now, _| stored(now.after_event(Flags::READABLE)));
        assert!(now.cleared(seen, Direction::Read).is_ready(Direction::Read));
    }

    #[test]
    fn the_tick_wraps_without_changing_the_flags() {
        let last = Ready { tick: (1 << (64 - FLAG_BITS)) - 1, flags: Flags::WRITABLE };
        let now = stored(last.after_event(Flags::READABLE));
        assert_eq!(now, Ready { tick: 0, flags: Flags::READABLE.with(Flags::WRITABLE) });
    }

    #[test]
    fn a_short_read_is_trusted_only_where_nothing_forbids_it() {
        let ready = Ready::assumed_with(Flags::STREAM);
        assert!(!ready.trusts_short(Direction::Read), "no driver reports a close");
        let ready = ready.with_traits(Flags::HINTED);
        assert!(ready.trusts_short(Direction::Read));
        let ready = ready.after_event(Flags::READ_CLOSED);
        assert!(!ready.trusts_short(Direction::Read));
        assert!(ready.trusts_short(Direction::Write), "a half-close allows writes");
        let ready = ready.after_event(Flags::ERROR);
        assert!(!ready.trusts_short(Direction::Write));
    }

    #[test]
    fn an_exposed_source_trusts_no_short_read_with_any_driver() {
        let traits = Flags::HINTED.with(Flags::BATCHED);
        let ready = Ready::assumed_with(Flags::STREAM).with_traits(traits);
        let ready = ready.exposed().with_traits(traits);
        assert_eq!(ready, Ready::ASSUMED);
    }
}
