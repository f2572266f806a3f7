//! What is known of a source: the readiness word.
//!
//! One `u64` holds the flags (low 16 bits) and a tick (high 48 bits) that counts the events
//! delivered to the source. A reader takes a snapshot, tries its system call, and clears the
//! direction only if the tick is still that of the snapshot: an event that arrived between the
//! call and the clear is therefore never lost. The word is read by anybody, and written under the
//! lock of the source's waiters only, so that it takes no read-modify-write of its own.
//!
//! | flag | set by | cleared by |
//! |---|---|---|
//! | READABLE | at birth (assumed), every event a read may be waiting for | `clear(Read)`, `exhaust` |
//! | WRITABLE | at birth (assumed), every event a write may be waiting for | `clear(Write)` |
//! | READ_CLOSED, WRITE_CLOSED, ERROR, PRIORITY | events | nothing |
//! | STREAM | at birth, for a stream that nobody else uses | `expose` |
//! | HINTED | registration of a STREAM with a driver that reports closed sides | registration with another, `expose` |
//! | BATCHED | registration of a STREAM with a driver that receives for reads | registration with another, `expose` |
//! | RECEIVING, PREFETCHED | a turn that receives, and has received (`prefetch.rs`) | its end; the reader |
//!
//! Invariants:
//! 1. A wait looks at READABLE or WRITABLE alone. Each event that sets READ_CLOSED, WRITE_CLOSED or
//!    ERROR sets the matching direction too.
//! 2. `clear` happens only after the system said "would block" (then not even a closed side has
//!    anything to tell) or after a short read or write that the sticky flags do not forbid.
//!
//! A short read takes READABLE back in another way ([`Readiness::exhaust`]), since that happens at
//! each request of a server and a store costs less than a lock: the reader notes the tick of its
//! snapshot in a word beside, and as long as that is the tick, READABLE does not count.
//!
//! 3. A tick that was noted was seen by a short read that `trusts_short` allows, with no event
//!    since. Ticks never come again, so a note that is late, or overwrites a newer one, means at
//!    most that READABLE counts once more: a read is tried that would block.
//!
//! Rejected: letting the sticky flags count as readiness by themselves. A UDP socket whose error
//! was
//! taken, or a FIFO whose writers come back, answers "would block" with the flag still set, and
//! the wait would become a loop that never sleeps.
//!
//! Rejected: a tick of a few bits. A task that is preempted between call and clear may miss any
//! number of events, and a tick that wrapped onto itself loses them. 48 bits at one event per
//! nanosecond last three days of preemption.

use std::fmt;

use reveille_primitive::atomic::{AtomicU64, Ordering};
use reveille_primitive::spin_lock::SpinLockGuard;

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
    /// A turn has received, and the reader has not fetched it yet.
    pub(crate) const PREFETCHED: Flags = Flags(1 << 9);
    /// The descriptor is a byte stream that nobody else can turn into something else.
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

    /// Tells whether this is what a connection reports with an ordinary message.
    pub(crate) fn is_message(self) -> bool {
        self.without(Flags::WRITABLE) == Flags::READABLE
    }

    /// `other` if `condition` holds, and nothing otherwise.
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
    /// How many events there were.
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
}

/// The word. See the module's header.
#[derive(Debug)]
pub struct Readiness {
    word: AtomicU64,
    /// One more than the tick at which a read emptied the queue; 0 if there was none.
    exhausted: AtomicU64,
}

/// Low bits of the word: the flags.
const FLAG_BITS: u32 = 16;

fn pack(tick: u64, flags: Flags) -> u64 {
    (tick << FLAG_BITS) | u64::from(flags.0)
}

fn unpack(word: u64) -> Ready {
    Ready { tick: word >> FLAG_BITS, flags: Flags(word as u16) }
}

impl Readiness {
    /// Both directions are assumed ready, so that the first operation is tried at once. It is a
    /// [`STREAM`](Flags::STREAM).
    pub fn assumed() -> Readiness {
        Readiness::assumed_with(Flags::STREAM)
    }

    /// As [`assumed`](Readiness::assumed), with `flags` about the kind of source.
    pub(crate) fn assumed_with(flags: Flags) -> Readiness {
        Readiness {
            word: AtomicU64::new(pack(0, Readiness::ASSUMED.flags.with(flags))),
            exhausted: AtomicU64::new(0),
        }
    }

    /// What [`assumed`](Readiness::assumed) starts with.
    pub(crate) const ASSUMED: Ready =
        Ready { tick: 0, flags: Flags::READABLE.with(Flags::WRITABLE) };

    /// The present state.
    #[inline]
    pub fn snapshot(&self) -> Ready {
        // Acquire pairs with `set`: what the driver did before it, this thread sees.
        let now = unpack(self.word.load(Ordering::Acquire));
        // Relaxed: a note that is not seen yet costs a read that would block (invariant 3).
        if self.exhausted.load(Ordering::Relaxed) == now.tick + 1 {
            return Ready { flags: now.flags.without(Flags::READABLE), ..now };
        }
        now
    }

    /// Takes back the readiness for reads after a read of fewer bytes than asked for, unless an
    /// event came after the snapshot `seen`.
    #[inline]
    pub fn exhaust(&self, seen: Ready) {
        self.exhausted.store(seen.tick + 1, Ordering::Relaxed);
    }

    /// The present state, if `direction` is ready.
    #[inline]
    pub fn ready(&self, direction: Direction) -> Option<Ready> {
        let now = self.snapshot();
        now.flags.has(direction.flag()).then_some(now)
    }

    /// Adds the flags of an event and counts it. `under` is the lock of the waiters.
    #[inline]
    pub fn set<T>(&self, under: &SpinLockGuard<'_, T>, flags: Flags) {
        let now = self.written(under);
        let mut next = now.flags.with(flags);
        if next.has(Flags::RECEIVING) {
            // `prefetch.rs`, invariant 2. Another shard's event; the one that receives follows it.
            next = next.without(Flags::READABLE);
        }
        self.write(under, Ready { tick: now.tick + 1, flags: next });
    }

    /// Says what the driver of the source does, HINTED and BATCHED, which holds for a STREAM only.
    /// `under` is the lock of the waiters.
    pub(crate) fn set_traits<T>(&self, under: &SpinLockGuard<'_, T>, traits: Flags) {
        let now = self.written(under);
        let others = now.flags.without(Flags::HINTED.with(Flags::BATCHED));
        let traits = Flags::when(now.flags.has(Flags::STREAM), traits);
        self.write(under, Ready { flags: others.with(traits), ..now });
    }

    /// The source is no STREAM from now on. What a short read said before counts no more, as the
    /// next one may read by other rules. `under` is the lock of the waiters.
    pub(crate) fn expose<T>(&self, under: &SpinLockGuard<'_, T>) {
        let now = self.written(under);
        let traits = Flags::STREAM.with(Flags::HINTED).with(Flags::BATCHED);
        self.write(under, Ready { flags: now.flags.without(traits), ..now });
        self.exhausted.store(0, Ordering::Relaxed);
    }

    /// Tells whether a turn may receive: nobody else can be reading (`prefetch.rs`, invariant 1).
    pub(crate) fn may_receive(&self) -> bool {
        !self.snapshot().flags.has(Flags::READABLE.with(Flags::RECEIVING))
    }

    /// Tells whether a turn is receiving.
    pub(crate) fn is_receiving(&self) -> bool {
        self.snapshot().flags.has(Flags::RECEIVING)
    }

    /// A turn is going to receive. Gives the tick.
    pub(crate) fn begin_receiving<T>(&self, under: &SpinLockGuard<'_, T>) -> u64 {
        let now = self.written(under);
        let flags = now.flags.without(Flags::READABLE).with(Flags::RECEIVING);
        self.write(under, Ready { flags, ..now });
        now.tick
    }

    /// Adds the flags of the event for which a turn received, and counts it.
    pub(crate) fn end_receiving<T>(
        &self,
        under: &SpinLockGuard<'_, T>,
        flags: Flags,
        is_stocked: bool,
    ) -> Ready {
        let now = self.written(under);
        let flags = flags.with(Flags::READABLE).with(Flags::when(is_stocked, Flags::PREFETCHED));
        let flags = now.flags.without(Flags::RECEIVING).with(flags);
        let next = Ready { tick: now.tick + 1, flags };
        self.write(under, next);
        next
    }

    /// What a turn had received is fetched. `emptied_at` is the tick of that turn if it emptied the
    /// queue: then the readiness for reads is taken back, unless an event came after it.
    pub(crate) fn end_prefetched<T>(&self, under: &SpinLockGuard<'_, T>, emptied_at: Option<u64>) {
        let now = self.written(under);
        let mut flags = now.flags.without(Flags::PREFETCHED);
        if emptied_at == Some(now.tick) {
            flags = flags.without(Flags::READABLE);
        }
        self.write(under, Ready { flags, ..now });
    }

    /// Takes back the readiness of `direction`, unless an event came after the snapshot `seen`.
    /// `under` is the lock of the waiters.
    pub fn clear<T>(&self, under: &SpinLockGuard<'_, T>, seen: Ready, direction: Direction) {
        let now = self.written(under);
        if now.tick == seen.tick {
            let flags = now.flags.without(direction.flag());
            self.write(under, Ready { flags, ..now });
        }
    }

    #[inline]
    fn written<T>(&self, _under: &SpinLockGuard<'_, T>) -> Ready {
        // Relaxed: the lock brought what others wrote.
        unpack(self.word.load(Ordering::Relaxed))
    }

    #[inline]
    fn write<T>(&self, _under: &SpinLockGuard<'_, T>, next: Ready) {
        // Release pairs with `snapshot`.
        self.word.store(pack(next.tick, next.flags), Ordering::Release);
    }
}

#[cfg(all(test, not(reveille_loom)))]
mod tests {
    use reveille_primitive::spin_lock::SpinLock;

    use super::*;

    /// A word with a lock around its writes, as the waiters' is.
    struct Locked(Readiness, SpinLock<()>);

    impl Locked {
        fn assumed() -> Locked {
            Locked(Readiness::assumed(), SpinLock::new(()))
        }

        fn set(&self, flags: Flags) {
            self.0.set(&self.1.lock(), flags);
        }

        fn set_traits(&self, traits: Flags) {
            self.0.set_traits(&self.1.lock(), traits);
        }

        fn clear(&self, seen: Ready, direction: Direction) {
            self.0.clear(&self.1.lock(), seen, direction);
        }
    }

    impl std::ops::Deref for Locked {
        type Target = Readiness;

        fn deref(&self) -> &Readiness {
            &self.0
        }
    }

    #[test]
    fn an_event_between_snapshot_and_clear_survives() {
        let readiness = Locked::assumed();
        let seen = readiness.snapshot();
        readiness.set(Flags::READABLE);
        readiness.clear(seen, Direction::Read);
        assert!(readiness.ready(Direction::Read).is_some());
    }

    #[test]
    fn clear_touches_its_direction_only() {
        let readiness = Locked::assumed();
        readiness.set(Flags::READ_CLOSED.with(Flags::ERROR));
        readiness.clear(readiness.snapshot(), Direction::Read);
        let now = readiness.snapshot();
        assert!(!now.flags.has(Flags::READABLE));
        assert!(now.flags.has(Flags::WRITABLE));
        assert!(now.flags.has(Flags::READ_CLOSED) && now.flags.has(Flags::ERROR));
    }

    #[test]
    fn clearing_one_direction_does_not_void_the_snapshot_of_the_other() {
        let readiness = Locked::assumed();
        let seen = readiness.snapshot();
        readiness.clear(seen, Direction::Read);
        readiness.clear(seen, Direction::Write);
        assert!(readiness.ready(Direction::Write).is_none());
    }

    #[test]
    fn the_tick_is_not_truncated() {
        let readiness = Locked::assumed();
        let seen = readiness.snapshot();
        // 2^16 events would bring a tick of 16 bits or fewer back to where it was.
        (0..1 << 16).for_each(|_| readiness.set(Flags::READABLE));
        readiness.clear(seen, Direction::Read);
        assert!(readiness.ready(Direction::Read).is_some());
    }

    #[test]
    fn the_tick_wraps_without_touching_the_flags() {
        let last = (1 << (64 - FLAG_BITS)) - 1;
        let word = AtomicU64::new(pack(last, Flags::WRITABLE));
        let readiness = Readiness { word, exhausted: AtomicU64::new(0) };
        let readiness = Locked(readiness, SpinLock::new(()));
        readiness.set(Flags::READABLE);
        let now = readiness.snapshot();
        assert_eq!(now, Ready { tick: 0, flags: Flags::READABLE.with(Flags::WRITABLE) });
    }

    #[test]
    fn a_short_read_is_trusted_only_where_nothing_forbids_it() {
        let readiness = Locked::assumed();
        assert!(!readiness.snapshot().trusts_short(Direction::Read), "nobody reports a close yet");
        readiness.set_traits(Flags::HINTED);
        assert!(readiness.snapshot().trusts_short(Direction::Read));
        readiness.set(Flags::READ_CLOSED);
        assert!(!readiness.snapshot().trusts_short(Direction::Read));
        assert!(readiness.snapshot().trusts_short(Direction::Write), "half-close keeps writing");
        readiness.set(Flags::ERROR);
        assert!(!readiness.snapshot().trusts_short(Direction::Write));
    }

    #[test]
    fn an_exposed_source_trusts_no_short_read_whatever_its_driver() {
        let readiness = Locked::assumed();
        readiness.set_traits(Flags::HINTED.with(Flags::BATCHED));
        readiness.exhaust(readiness.snapshot());
        assert!(readiness.ready(Direction::Read).is_none());
        readiness.0.expose(&readiness.1.lock());
        assert!(readiness.ready(Direction::Read).is_some(), "what a short read said is void");
        readiness.set_traits(Flags::HINTED.with(Flags::BATCHED));
        assert_eq!(readiness.snapshot().flags(), Readiness::ASSUMED.flags());
    }
}
