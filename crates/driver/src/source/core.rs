//! The shared part of a source: its readiness word, its waiters, its registration, and their locks.
//!
//! A source needs a lock, because an event must set the readiness and take the waiters in one step.
//! The lock is taken once or twice per message, so it is a spin lock, which is released by a plain
//! store. A spin lock needs short sections, so it guards only data of fixed size. Everything that
//! grows or is copied (waiters beyond the first, bytes that a turn received) is behind a mutex,
//! which an ordinary socket never takes.
//!
//! ```text
//!   registration: Mutex            which shard, which key
//!     └─ (slots of the shard)
//!          └─ extra: Mutex         lists of waiters, prefetched bytes
//!               └─ waiters: SpinLock   first waker of each direction; writes of the word
//!                    word, exhausted: atomics, read without a lock
//! ```
//!
//! The other files of `source/` take no locks: `readiness.rs`, `waiters.rs`, `wait_list.rs`,
//! `prefetch.rs` and `arming.rs` define the data.
//!
//! Invariants:
//! 1. No waker is cloned, dropped or woken under a lock.
//! 2. A waiter is entered in a section of the spin lock that checks the readiness; an event sets
//!    the readiness and takes the waiters in one section. So either the event sees the waiter, or
//!    the waiter sees the event. A waiter that goes to `extra` sets `has_extra` in that section and
//!    holds `extra` until it is in the list; an event that finds `has_extra` locks `extra`
//!    afterwards, and so finds the waiter.
//! 3. After "would block" the section that enters the waiter also clears the direction, unless an
//!    event arrived after the snapshot.
//! 4. The arming is in the word of the spin lock. When a shard is no longer turned, one section
//!    changes the arming and takes the waiters. So a waiter is woken, or sees that it must
//!    register.
//! 5. An event empties slots but does not free them. Only the future that owns a slot frees it.
//! 6. Registration first arms the source and then checks whether its shard is still driven. A
//!    thread that leaves its shard first marks it as not driven and then disarms its sources. So a
//!    waiter of a shard that is no longer driven is woken, or sees that it must move.
//! 7. A slot of the shard and the registration refer to each other: a registration that failed or
//!    ended has no slot.
//!
//! Orderings: the word is written under the spin lock with release and read with acquire, so a
//! reader that sees an event also sees what the driver wrote before it.

use std::io;
use std::sync::Arc;
use std::task::{Context, Waker};

use reveille_primitive::atomic::{AtomicU64, Ordering};
use reveille_primitive::lock::{self, Mutex};
use reveille_primitive::spin_lock::{SpinLock, SpinLockGuard};

use super::arming::{self, Arming};
use super::prefetch::{PrefetchBuffer, PrefetchRequest, Prefetched, Received};
use super::readiness::{Direction, Flags, Ready};
use super::waiters::{ExtraWaiters, Leftover, Taken, WaitSlot, Waiters};
use crate::Driver;
use crate::fd::Fd;
use crate::poll::key::SourceKey;

/// The result of an attempt to wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub enum Waited {
    /// The direction is ready.
    Ready(Ready),
    /// The waiter is entered.
    Entered(Arming),
}

/// What a waiter waits for.
#[derive(Clone, Copy)]
enum Until {
    /// The direction is ready. The snapshot was taken before an operation that would have blocked,
    /// if there was one.
    Ready(Option<Ready>),
    /// An event came after the snapshot, whatever is ready.
    Event(Ready),
}

/// The part of a source that is shared with its shard. An event and a wait of one task need only
/// the first cache line. Some 64-bit ARM cores have lines of 128 bytes.
#[derive(Debug)]
#[cfg_attr(not(target_arch = "aarch64"), repr(C, align(64)))]
#[cfg_attr(target_arch = "aarch64", repr(C, align(128)))]
pub struct SourceCore {
    /// A packed [`Ready`]. Written under the lock of the waiters, so that a write takes no
    /// read-modify-write.
    word: AtomicU64,
    /// The note of the last read that emptied the queue; 0 if there is no note.
    exhausted: AtomicU64,
    /// The word of the lock is a packed [`Arming`].
    waiters: SpinLock<Waiters>,
    registration: Mutex<Option<Registration>>,
    extra: Mutex<Option<Box<ExtraWaiters>>>,
}

#[cfg(all(not(reveille_loom), target_os = "linux", target_pointer_width = "64"))]
const _: () = assert!(std::mem::offset_of!(SourceCore, registration) <= 64, "one cache line");

/// The shard with which a source is registered.
#[derive(Debug)]
struct Registration {
    shard: Arc<Driver>,
    key: SourceKey,
}

impl Registration {
    /// Returns whether the source must move to `shard`.
    fn should_move_to(&self, shard: &Driver) -> bool {
        !self.shard.is_driven() || (!self.shard.is_driven_by_any() && shard.is_driven_by_any())
    }
}

/// The spin lock of a source, held.
struct Section<'a> {
    core: &'a SourceCore,
    waiters: SpinLockGuard<'a, Waiters>,
}

impl Section<'_> {
    #[inline]
    fn update(&mut self, change: impl FnOnce(Ready) -> Ready) {
        let _ = self.updated(change);
    }

    /// Like [`update`](Section::update), and returns the new readiness.
    #[inline]
    fn updated(&mut self, change: impl FnOnce(Ready) -> Ready) -> Ready {
        // Relaxed: the lock synchronises with the other writers.
        let next = change(Ready::unpack(self.core.word.load(Ordering::Relaxed)));
        // Release pairs with `snapshot`.
        self.core.word.store(next.pack(), Ordering::Release);
        next
    }

    fn arming(&self) -> Arming {
        Arming::unpack(self.waiters.word())
    }

    fn set_arming(&mut self, arming: Arming) {
        self.waiters.set_word(arming.pack());
    }

    /// The first half of entering a waiter (invariants 2 and 3): clears the direction if the
    /// operation would have blocked, and returns the readiness.
    #[inline]
    fn clear_and_check(&mut self, would_block: Option<Ready>, direction: Direction) -> Ready {
        if let Some(seen) = would_block {
            self.update(|now| now.cleared(seen, direction));
        }
        self.core.snapshot()
    }
}

/// Readiness.
impl SourceCore {
    /// Makes the core of a source with the traits `flags`. Both directions are assumed ready.
    #[must_use]
    pub fn new(flags: Flags) -> SourceCore {
        SourceCore {
            word: AtomicU64::new(Ready::assumed_with(flags).pack()),
            exhausted: AtomicU64::new(0),
            waiters: SpinLock::default(),
            registration: Mutex::new(None),
            extra: Mutex::new(None),
        }
    }

    #[inline]
    fn section(&self) -> Section<'_> {
        Section { core: self, waiters: self.waiters.lock() }
    }

    /// The current readiness.
    #[inline]
    pub fn snapshot(&self) -> Ready {
        // Acquire pairs with `Section::update`.
        let now = Ready::unpack(self.word.load(Ordering::Acquire));
        // Relaxed: missing a recent note only costs a read that would block (`readiness.rs`,
        // invariant 3).
        now.considering(self.exhausted.load(Ordering::Relaxed))
    }

    /// The current readiness, if `direction` is ready.
    #[inline]
    pub fn ready(&self, direction: Direction) -> Option<Ready> {
        Some(self.snapshot()).filter(|now| now.is_ready(direction))
    }

    /// Clears the readiness for reads after a read of fewer bytes than requested, unless an event
    /// arrived after the snapshot `seen`.
    #[inline]
    pub fn exhaust(&self, seen: Ready) {
        self.exhausted.store(seen.exhaustion_note(), Ordering::Relaxed);
    }

    /// Clears the readiness of `direction` after an operation would have blocked, unless an event
    /// arrived after the snapshot `seen`.
    pub fn clear(&self, seen: Ready, direction: Direction) {
        self.section().update(|now| now.cleared(seen, direction));
    }

    /// Clears the readiness if `count` of `len` bytes prove that the queue is empty (or full, for a
    /// write).
    #[inline]
    pub(crate) fn note_short(&self, direction: Direction, seen: Ready, count: usize, len: usize) {
        if !seen.is_emptied_by(direction, count, len) {
            return;
        }
        match direction {
            Direction::Read => self.exhaust(seen),
            Direction::Write => self.clear(seen, direction),
        }
    }

    /// Stores the traits of the shard, HINTED and BATCHED.
    pub fn set_traits(&self, traits: Flags) {
        self.section().update(|now| now.with_traits(traits));
    }

    /// Called before other code may use the descriptor. Clears the note of the last short read,
    /// because the short rule may no longer hold.
    pub(crate) fn expose(&self) {
        let mut section = self.section();
        section.update(Ready::exposed);
        section.waiters.want = 0;
        self.exhausted.store(0, Ordering::Relaxed);
    }
}

/// Waiting.
impl SourceCore {
    /// Enters the waker of `cx` for `direction`, unless the direction is ready. `would_block` is
    /// the snapshot from before an operation that would have blocked, if there was one.
    pub fn wait(
        &self,
        would_block: Option<Ready>,
        direction: Direction,
        slot: &mut WaitSlot,
        cx: &Context<'_>,
    ) -> Waited {
        lock::assert_none_held("the clone of a waker");
        let waker = cx.waker().clone();
        match slot {
            WaitSlot::Shared(_) => self.enter_shared(would_block, direction, slot, waker),
            WaitSlot::Owned(_) => {
                self.enter_extra(Until::Ready(would_block), direction, slot, waker)
            }
        }
    }

    /// Enters the waker of `cx` for the next event of `direction`, unless one came after the
    /// snapshot `seen`. The readiness neither matters nor changes: this is for a waiter that
    /// consumes nothing, beside readers that do.
    pub fn wait_event(
        &self,
        seen: Ready,
        direction: Direction,
        slot: &mut WaitSlot,
        cx: &Context<'_>,
    ) -> Waited {
        lock::assert_none_held("the clone of a waker");
        let waker = cx.waker().clone();
        self.enter_extra(Until::Event(seen), direction, slot, waker)
    }

    /// The fast path of [`wait`](SourceCore::wait): enters the waker of `cx` if it is the first of
    /// its direction, the direction is not ready, and nothing else needs to be done for the event.
    /// Otherwise returns `false`, and the caller calls `wait`. A turn may receive up to `want`
    /// bytes for the waiter (`prefetch.rs`).
    #[inline]
    pub fn wait_in_place(
        &self,
        would_block: Option<Ready>,
        direction: Direction,
        want: u16,
        cx: &Context<'_>,
    ) -> bool {
        lock::assert_none_held("the clone of a waker");
        let waker = cx.waker().clone();
        let mut section = self.section();
        let now = section.clear_and_check(would_block, direction);
        let is_simple = !now.is_ready(direction)
            && arming::is_settled(section.waiters.word())
            && section.waiters.first[direction as usize].is_none();
        if is_simple {
            section.waiters.first[direction as usize] = Some(waker);
            if now.flags().has(Flags::BATCHED) && direction == Direction::Read {
                section.waiters.want = want;
            }
            return true;
        }
        drop(section);
        lock::assert_none_held("the drop of a waker");
        drop(waker);
        false
    }

    /// Begins to enter a waiter. Returns the readiness if there is nothing to wait for, and the
    /// arming otherwise.
    fn begin_wait(section: &mut Section<'_>, until: Until, direction: Direction) -> Waited {
        let (now, is_over) = match until {
            Until::Ready(would_block) => {
                let now = section.clear_and_check(would_block, direction);
                (now, now.is_ready(direction))
            }
            Until::Event(seen) => {
                let now = section.core.snapshot();
                (now, now.tick() != seen.tick())
            }
        };
        if is_over {
            return Waited::Ready(now);
        }
        if !arming::is_settled(section.waiters.word()) {
            // The operation may be tried again elsewhere (`prefetch.rs`, invariant 4).
            section.waiters.want = 0;
        }
        Waited::Entered(section.arming())
    }

    fn enter_shared(
        &self,
        would_block: Option<Ready>,
        direction: Direction,
        slot: &mut WaitSlot,
        waker: Waker,
    ) -> Waited {
        let mut section = self.section();
        let waited = SourceCore::begin_wait(&mut section, Until::Ready(would_block), direction);
        let outcome = match waited {
            Waited::Ready(_) => Ok(Some(waker)),
            Waited::Entered(_) => section.waiters.enter_first(direction, waker),
        };
        drop(section);
        match outcome {
            Ok(unused) => {
                lock::assert_none_held("the drop of a waker");
                drop(unused);
                waited
            }
            Err(waker) => self.enter_extra(Until::Ready(would_block), direction, slot, waker),
        }
    }

    /// Enters a waiter beyond the first of its direction.
    #[cold]
    fn enter_extra(
        &self,
        until: Until,
        direction: Direction,
        slot: &mut WaitSlot,
        waker: Waker,
    ) -> Waited {
        let mut extra = self.extra.lock();
        let waited = {
            let mut section = self.section();
            let waited = SourceCore::begin_wait(&mut section, until, direction);
            // Set in the section of the check, and before `extra` is released (invariant 2).
            section.waiters.has_extra[direction as usize] |= matches!(waited, Waited::Entered(_));
            waited
        };
        let leftover = match waited {
            Waited::Ready(_) => Leftover::Drop(waker),
            Waited::Entered(_) => extra.get_or_insert_default().enter(direction, slot, waker),
        };
        drop(extra);
        lock::assert_none_held("the wake or drop of a replaced waker");
        match leftover {
            Leftover::Swept(mut swept, ops) => {
                drop(swept.gone);
                (ops.wake_all)(&mut swept.unknown);
            }
            Leftover::Drop(waker) => drop(waker),
            Leftover::Nothing => {}
        }
        waited
    }

    /// Frees the slot of a future that has completed or is dropped.
    pub fn leave(&self, direction: Direction, slot: &mut WaitSlot) {
        let WaitSlot::Owned(slot) = slot else { return };
        let Some(slot) = slot.take() else { return };
        let mut extra = self.extra.lock();
        let waker = extra.as_mut().map(|extra| extra.lists[direction as usize].owned.remove(slot));
        drop(extra);
        lock::assert_none_held("the drop of a waker");
        drop(waker);
    }

    /// Returns whether a waker is entered for `direction`.
    #[must_use]
    pub fn is_awaited(&self, direction: Direction) -> bool {
        let extra = self.extra.lock();
        self.waiters.lock().first[direction as usize].is_some()
            || extra.as_ref().is_some_and(|extra| extra.is_awaited(direction))
    }

    #[cfg(test)]
    pub(super) fn has_extra(&self) -> bool {
        self.extra.lock().is_some()
    }

    /// The number of wakers and slots of both directions, for leak tests.
    #[must_use]
    pub fn waiting(&self) -> usize {
        let extra = self.extra.lock().as_ref().map_or(0, |extra| extra.len());
        self.waiters.lock().first.iter().flatten().count() + extra
    }
}

/// Events.
impl SourceCore {
    /// Stores an event and moves the wakers of its directions to `into`, for the caller to wake.
    #[inline]
    pub fn deliver(&self, flags: Flags, into: &mut Vec<Waker>) {
        let mut section = self.section();
        section.update(|now| now.after_event(flags));
        let read = flags.has(Flags::READABLE).then(|| section.waiters.take(Direction::Read));
        let write = flags.has(Flags::WRITABLE).then(|| section.waiters.take(Direction::Write));
        drop(section);
        self.move_to([read, write], into);
    }

    /// Moves the wakers of both directions to `into`.
    pub(crate) fn take_all(&self, into: &mut Vec<Waker>) {
        let mut section = self.section();
        let taken = [Direction::Read, Direction::Write].map(|it| Some(section.waiters.take(it)));
        drop(section);
        self.move_to(taken, into);
    }

    /// Moves all wakers to `into`. A later waiter must register.
    pub fn disarm(&self, into: &mut Vec<Waker>) {
        let mut section = self.section();
        section.set_arming(Arming::Unarmed);
        let taken = [Direction::Read, Direction::Write].map(|it| Some(section.waiters.take(it)));
        drop(section);
        self.move_to(taken, into);
    }

    /// Moves the wakers that a section took to `into`. Called outside the section, because `into`
    /// may grow.
    #[inline]
    fn move_to(&self, taken: [Option<Taken>; 2], into: &mut Vec<Waker>) {
        for (direction, taken) in [Direction::Read, Direction::Write].into_iter().zip(taken) {
            let Some(Taken { first, has_extra }) = taken else { continue };
            into.extend(first);
            if has_extra {
                self.take_extra(direction, into);
            }
        }
    }

    #[cold]
    fn take_extra(&self, direction: Direction, into: &mut Vec<Waker>) {
        if let Some(extra) = &mut *self.extra.lock() {
            extra.take(direction, into);
        }
    }

    /// Sets what a waiter must do from now on.
    pub fn set_arming(&self, arming: Arming) {
        self.section().set_arming(arming);
    }

    /// What a waiter must do.
    #[must_use]
    pub fn arming(&self) -> Arming {
        self.section().arming()
    }
}

/// Batched reads: see `prefetch.rs`.
impl SourceCore {
    /// Takes the request of the waiting read, if a turn may receive for it. The caller then calls
    /// [`complete_prefetch`](SourceCore::complete_prefetch).
    pub fn begin_prefetch(&self) -> Option<PrefetchRequest> {
        let mut section = self.section();
        if section.waiters.want == 0 || !self.snapshot().allows_receiving() {
            return None;
        }
        let want = usize::from(std::mem::take(&mut section.waiters.want));
        let tick = section.updated(Ready::begin_receiving).tick();
        drop(section);
        // No reader uses the buffer now, because it is empty (`prefetch.rs`, invariants 1 and 3).
        let bytes = self.extra.lock().get_or_insert_default().prefetch.lend();
        Some(PrefetchRequest { bytes, want, tick })
    }

    /// Stores the outcome of a receive and its event, and moves the wakers of the event's
    /// directions to `into`.
    pub fn complete_prefetch(
        &self,
        flags: Flags,
        request: PrefetchRequest,
        outcome: io::Result<usize>,
        into: &mut Vec<Waker>,
    ) {
        let outcome = Received::new(outcome);
        let mut extra = self.extra.lock();
        let mut section = self.section();
        let now = section.updated(|now| now.end_receiving(flags, outcome.is_some()));
        let read = Some(section.waiters.take(Direction::Read));
        let write = flags.has(Flags::WRITABLE).then(|| section.waiters.take(Direction::Write));
        drop(section);
        // A reader that already sees the flag waits for the lock of `extra`.
        extra.get_or_insert_default().prefetch.fill(request, outcome, now);
        drop(extra);
        self.move_to([read, write], into);
    }

    /// Passes the bytes that a turn received to `copy`, which returns how many of them it copied.
    pub fn take_prefetched(
        &self,
        copy: impl FnOnce(&[u8]) -> usize,
    ) -> Prefetched<io::Result<usize>> {
        self.with_prefetched(|buffer| buffer.take(copy))
    }

    /// Like [`take_prefetched`](SourceCore::take_prefetched), but leaves the bytes for the next
    /// read. An error is consumed.
    pub fn peek_prefetched(
        &self,
        copy: impl FnOnce(&[u8]) -> usize,
    ) -> Prefetched<io::Result<usize>> {
        self.with_prefetched(|buffer| buffer.peek(copy))
    }

    fn with_prefetched(
        &self,
        take: impl FnOnce(&mut PrefetchBuffer) -> Option<io::Result<usize>>,
    ) -> Prefetched<io::Result<usize>> {
        let mut extra = self.extra.lock();
        if self.snapshot().is_receiving() {
            return Prefetched::Busy;
        }
        let Some(extra) = &mut *extra else { return Prefetched::Nothing };
        let Some(outcome) = take(&mut extra.prefetch) else { return Prefetched::Nothing };
        if extra.prefetch.len() == 0 {
            let emptied_at = extra.prefetch.take_emptied_at();
            self.section().update(|now| now.end_prefetched(emptied_at));
        }
        Prefetched::Got(outcome)
    }

    /// The number of received bytes that no reader has taken; an error counts as one byte.
    #[must_use]
    pub fn prefetched(&self) -> usize {
        self.extra.lock().as_ref().map_or(0, |extra| extra.prefetch.len())
    }
}

/// Registration.
impl SourceCore {
    /// See [`Source::register`](super::Source::register). The caller is bound by its contract.
    pub(super) fn register(self: &Arc<Self>, fd: Fd<'_>, shard: &Arc<Driver>) -> io::Result<()> {
        let mut registration = self.registration.lock();
        if registration.as_ref().is_none_or(|old| old.should_move_to(shard)) {
            // The new entry comes first. It reports what is ready, so no event is lost in between.
            let key = shard.register(fd, self)?;
            let old = registration.replace(Registration { shard: Arc::clone(shard), key });
            if let Some(old) = old {
                // Even if the system refuses, the events of the old entry find no source any more.
                let _ = old.shard.deregister(fd, old.key);
            }
        }
        let Some(registration) = &*registration else { return Ok(()) };
        self.set_arming(registration.shard.arming());
        // The shard may have been disarmed just before the source was armed (invariant 6).
        if !registration.shard.is_driven() {
            self.set_arming(Arming::Unarmed);
        }
        Ok(())
    }

    /// See [`Source::deregister`](super::Source::deregister).
    pub(super) fn deregister(&self, fd: Fd<'_>) -> io::Result<()> {
        let registration = {
            let mut registration = self.registration.lock();
            self.set_arming(Arming::Unarmed);
            registration.take()
        };
        registration.map_or(Ok(()), |old| old.shard.deregister(fd, old.key))
    }

    /// Frees the slot of the shard when the descriptor is no longer available.
    pub(super) fn forget(&self) {
        let registration = self.registration.lock().take();
        if let Some(Registration { shard, key }) = registration {
            shard.forget(key);
        }
    }

    /// Returns whether the source is registered with a shard that a thread turns.
    pub(super) fn is_armed(&self) -> bool {
        self.registration.lock().as_ref().is_some_and(|now| now.shard.is_driven())
    }

    /// Arms a driver without edge-triggered events for the current waiters.
    pub(super) fn rearm(&self, fd: Fd<'_>) -> io::Result<()> {
        let registration = self.registration.lock();
        registration.as_ref().map_or(Ok(()), |now| now.shard.rearm(fd, now.key))
    }
}
