//! What is known about a source's readiness. Plain data: `core.rs` holds the word and the lock.
//!
//! One `u64` holds the flags (low 16 bits) and a tick (high 48 bits) that counts the events
//! delivered to the source. A reader takes a snapshot ([`Ready`]), tries its system call, and
//! clears the direction only if the tick is still that of the snapshot. An event that arrives
//! between the call and the clear is therefore never lost.
//!
//! | flag | set by | cleared by |
//! |---|---|---|
//! | READABLE | creation (assumed), every event a read may be waiting for | `clear(Read)`, `exhaust` |
//! | WRITABLE | creation (assumed), every event a write may be waiting for | `clear(Write)` |
//! | READ_CLOSED, WRITE_CLOSED, ERROR, PRIORITY | events | never |
//! | STREAM | creation, for a stream that no other code uses | `expose` |
//! | HINTED | registration of a STREAM with a driver that reports closed sides | registration with another, `expose` |
//! | BATCHED | registration of a STREAM with a driver that receives for reads | registration with another, `expose` |
//! | RECEIVING, PREFETCHED | a turn that receives, and has received (`prefetch.rs`) | its end; the reader |
//!
//! Invariants:
//! 1. A wait checks READABLE or WRITABLE alone. Each event that sets READ_CLOSED, WRITE_CLOSED or
//!    ERROR sets the matching direction too.
//! 2. A direction is cleared only after the system returned "would block" (then even a closed side
//!    has nothing to report), or after a short read or write that the sticky flags do not forbid.
//! 3. A short read does not clear READABLE but notes the tick of its snapshot in a second word
//!    (`exhaust`); READABLE does not count while that is the current tick. This costs a store
//!    instead of a lock, once per request of a server. The noted tick was seen by a short read that
//!    `trusts_short` allows, with no event since. Ticks never repeat, so a note that is late, or
//!    overwrites a newer one, means at most that READABLE counts once more and a read is tried that
//!    would block.
//!
//! Rejected: letting the sticky flags count as readiness by themselves. A UDP socket whose error
//! was taken, or a FIFO whose writers come back, answers "would block" with the flag still set, and
//! the wait would become a loop that never sleeps.
//!
//! Rejected: a tick of a few bits. A task that is preempted between call and clear may miss any
//! number of events, and a tick that wraps onto itself loses them. 48 bits at one event per
//! nanosecond last three days of preemption.

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
    /// The peer will send no more. Bytes may still be queued in front of the end.
    pub const READ_CLOSED: Flags = Flags(1 << 2);
    /// The peer will take no more.
    pub const WRITE_CLOSED: Flags = Flags(1 << 3);
    /// An error was reported; the next operation returns it.
    pub const ERROR: Flags = Flags(1 << 4);
    /// Urgent data was reported.
    pub const PRIORITY: Flags = Flags(1 << 5);
    /// The driver reports closed sides, so that a short read means an empty queue.
    pub const HINTED: Flags = Flags(1 << 6);
    /// Turns of the driver receive for reads that wait (`prefetch.rs`).
    pub const BATCHED: Flags = Flags(1 << 7);
    /// A turn is receiving.
    pub(crate) const RECEIVING: Flags = Flags(1 << 8);
    /// A turn has received bytes that no reader has taken yet.
    pub(crate) const PREFETCHED: Flags = Flags(1 << 9);
    /// The descriptor is a byte stream, and no other code can change how it reads.
    pub const STREAM: Flags = Flags(1 << 10);

    /// Both sets together.
    #[must_use]
    pub const fn with(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }

    /// Tells whether any flag of `other` is set.
    #[must_use]
    pub const fn has(self, other: Flags) -> bool {
        self.0 & other.0 != 0
    }

    /// This set without the flags of `other`.
    const fn without(self, other: Flags) -> Flags {
        Flags(self.0 & !other.0)
    }

    /// Tells whether these are the flags that a connection reports with an ordinary message.
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
    /// How many events were delivered before the snapshot.
    pub(crate) fn tick(self) -> u64 {
        self.tick
    }

    /// The flags at the time of the snapshot.
    #[must_use]
    pub fn flags(self) -> Flags {
        self.flags
    }

    /// Tells whether an operation that moved `count` of `len` bytes has emptied or filled the
    /// queue, so that the next attempt would block.
    #[inline]
    pub(crate) fn is_emptied_by(self, direction: Direction, count: usize, len: usize) -> bool {
        0 < count && count < len && self.trusts_short(direction)
    }

    /// Tells whether a read or write of fewer bytes than asked for proves that the queue is empty
    /// or full, so that the next attempt would block.
    pub(crate) fn trusts_short(self, direction: Direction) -> bool {
        let forbids = match direction {
            // After the end, an error or urgent data was announced no further edge may come for
            // what is still queued; and a read stops short at the urgent mark.
            Direction::Read => Flags::READ_CLOSED.with(Flags::ERROR).with(Flags::PRIORITY),
            Direction::Write => Flags::WRITE_CLOSED.with(Flags::ERROR),
        };
        self.flags.has(Flags::HINTED) && !self.flags.has(forbids)
    }

    /// What a new source starts with: both directions are assumed ready, so that the first
    /// operation is tried at once.
    pub(super) const ASSUMED: Ready =
        Ready { tick: 0, flags: Flags::READABLE.with(Flags::WRITABLE) };

    /// As [`ASSUMED`](Ready::ASSUMED), with `flags` about the kind of source.
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

    /// The note that a short read leaves. It is never 0, which means that there is no note.
    #[inline]
    pub(super) fn exhaustion_note(self) -> u64 {
        self.tick + 1
    }

    /// Without READABLE if `note` was left at this tick (invariant 3).
    #[inline]
    pub(super) fn considering(self, note: u64) -> Ready {
        if note == self.exhaustion_note() {
            return Ready { flags: self.flags.without(Flags::READABLE), ..self };
        }
        self
    }

    /// Tells whether `direction` is ready.
    #[inline]
    pub(super) fn is_ready(self, direction: Direction) -> bool {
        self.flags.has(direction.flag())
    }

    /// With the flags of an event, which counts.
    #[inline]
    pub(super) fn after_event(self, flags: Flags) -> Ready {
        let mut next = self.flags.with(flags);
        if next.has(Flags::RECEIVING) {
            // `prefetch.rs`, invariant 2: this is another shard's event. The end of the receive
            // makes the source readable.
            next = next.without(Flags::READABLE);
        }
        Ready { tick: self.tick + 1, flags: next }
    }

    /// With the traits of another driver, HINTED and BATCHED. They hold for a STREAM only.
    pub(super) fn with_traits(self, traits: Flags) -> Ready {
        let others = self.flags.without(Flags::HINTED.with(Flags::BATCHED));
        let traits = Flags::when(self.flags.has(Flags::STREAM), traits);
        Ready { flags: others.with(traits), ..self }
    }

    /// As a source that is no STREAM.
    pub(super) fn exposed(self) -> Ready {
        let traits = Flags::STREAM.with(Flags::HINTED).with(Flags::BATCHED);
        Ready { flags: self.flags.without(traits), ..self }
    }

    /// Without the readiness of `direction`, unless an event came after the snapshot `seen`.
    pub(super) fn cleared(self, seen: Ready, direction: Direction) -> Ready {
        if self.tick != seen.tick {
            return self;
        }
        Ready { flags: self.flags.without(direction.flag()), ..self }
    }

    /// Tells whether a turn is receiving.
    pub(super) fn is_receiving(self) -> bool {
        self.flags.has(Flags::RECEIVING)
    }

    /// Tells whether a turn may receive: no reader can be in a system call of its own
    /// (`prefetch.rs`, invariant 1).
    pub(super) fn allows_receiving(self) -> bool {
        !self.flags.has(Flags::READABLE.with(Flags::RECEIVING))
    }

    /// A turn starts to receive.
    pub(super) fn begin_receiving(self) -> Ready {
        let flags = self.flags.without(Flags::READABLE).with(Flags::RECEIVING);
        Ready { flags, ..self }
    }

    /// A turn has received. Adds the flags of the event for which it did, and counts it.
    pub(super) fn end_receiving(self, flags: Flags, is_prefetched: bool) -> Ready {
        let flags = flags.with(Flags::READABLE).with(Flags::when(is_prefetched, Flags::PREFETCHED));
        let flags = self.flags.without(Flags::RECEIVING).with(flags);
        Ready { tick: self.tick + 1, flags }
    }

    /// Readers have taken all that a turn had received. `emptied_at` is the tick of that turn if it
    /// emptied the queue: then the source is not readable, unless an event came after it.
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

    /// What the word holds after `ready` was stored in it.
    fn stored(ready: Ready) -> Ready {
        Ready::unpack(ready.pack())
    }

    #[test]
    fn an_event_between_snapshot_and_clear_survives() {
        let seen = Ready::ASSUMED;
        let now = stored(seen.after_event(Flags::READABLE)).cleared(seen, Direction::Read);
        assert!(now.is_ready(Direction::Read));
    }

    #[test]
    fn clear_touches_its_direction_only() {
        let seen = stored(Ready::ASSUMED.after_event(Flags::READ_CLOSED.with(Flags::ERROR)));
        let now = stored(seen.cleared(seen, Direction::Read));
        assert!(!now.flags.has(Flags::READABLE));
        assert!(now.flags.has(Flags::WRITABLE));
        assert!(now.flags.has(Flags::READ_CLOSED) && now.flags.has(Flags::ERROR));
    }

    #[test]
    fn clearing_one_direction_does_not_void_the_snapshot_of_the_other() {
        let seen = Ready::ASSUMED;
        let now = seen.cleared(seen, Direction::Read).cleared(seen, Direction::Write);
        assert!(!now.is_ready(Direction::Write));
    }

    #[test]
    fn the_tick_is_not_truncated() {
        let late = Ready { tick: 1 << 47, flags: Flags::READABLE };
        assert_eq!(stored(late), late);
        let seen = Ready::ASSUMED;
        // 2^16 events would bring a tick of 16 bits or fewer back to where it was.
        let now = (0..1 << 16).fold(seen, |now, _| stored(now.after_event(Flags::READABLE)));
        assert!(now.cleared(seen, Direction::Read).is_ready(Direction::Read));
    }

    #[test]
    fn the_tick_wraps_without_touching_the_flags() {
        let last = Ready { tick: (1 << (64 - FLAG_BITS)) - 1, flags: Flags::WRITABLE };
        let now = stored(last.after_event(Flags::READABLE));
        assert_eq!(now, Ready { tick: 0, flags: Flags::READABLE.with(Flags::WRITABLE) });
    }

    #[test]
    fn a_short_read_is_trusted_only_where_nothing_forbids_it() {
        let ready = Ready::assumed_with(Flags::STREAM);
        assert!(!ready.trusts_short(Direction::Read), "no driver reports a close yet");
        let ready = ready.with_traits(Flags::HINTED);
        assert!(ready.trusts_short(Direction::Read));
        let ready = ready.after_event(Flags::READ_CLOSED);
        assert!(!ready.trusts_short(Direction::Read));
        assert!(ready.trusts_short(Direction::Write), "half-close keeps writing");
        let ready = ready.after_event(Flags::ERROR);
        assert!(!ready.trusts_short(Direction::Write));
    }

    #[test]
    fn an_exposed_source_trusts_no_short_read_whatever_its_driver() {
        let traits = Flags::HINTED.with(Flags::BATCHED);
        let ready = Ready::assumed_with(Flags::STREAM).with_traits(traits);
        let ready = ready.exposed().with_traits(traits);
        assert_eq!(ready, Ready::ASSUMED);
    }
}
