//! One descriptor: what is known of it, who waits for it, and with which shard it is registered.
//!
//! A source begins with nothing: no system call and no allocation. The core is made when an
//! operation
//! would block for the first time, and shared with the shard.
//!
//! Invariants:
//! 1. A shard's slot and the source's registration name each other: a registration that failed or
//!    ended has no slot.
//! 2. A source is armed (`waiters.rs`) first and looks whether its shard is still driven second; a
//!    thread that leaves its shard takes that mark away first, and second, under the lock of the
//!    waiters, disarms the source and collects them. So a waiter of a deserted shard is woken or
//!    learns that it must move.
//! 3. Locks nest in this order: registration, slots of the shard, waiters. No user code under any.
//!
//! Descriptors stay with their owner: the source never keeps a number beyond a call. Dropping a
//! source without `deregister` frees its slot, so that no event reaches it, and leaves the system's
//! entry to the close of the descriptor. Rejected: keeping the number and deregistering on drop. By
//! then it may have been closed and given to another source of the same shard, whose events
//! would silently end.

use std::io;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Waker};

use reveille_primitive::lock::Mutex;

use crate::Driver;
use crate::fd::Fd;
use crate::op::IoOp;
use crate::poll::slots::Key;
use crate::prefetch::{self, PrefetchRequest, Prefetched};
use crate::readiness::{Direction, Flags, Readiness, Ready};
use crate::waiters::{Arming, WaitSlot, Waited, Waiters};

/// One descriptor's readiness and waiters.
///
/// The owner of the descriptor calls [`deregister`](Source::deregister), or drops the source,
/// before it closes the descriptor or gives it away.
#[derive(Debug, Default)]
pub struct Source {
    core: OnceLock<Arc<SourceCore>>,
    /// Whether it was born as a stream: see [`Source::for_stream`].
    is_stream: bool,
}

/// The part that the shard shares. What an event and a wait need is one cache line (`waiters.rs`).
#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct SourceCore {
    readiness: Readiness,
    waiters: Waiters,
    registration: Mutex<Option<Registration>>,
}

#[cfg(all(not(reveille_loom), target_os = "linux", target_pointer_width = "64"))]
const _: () = assert!(std::mem::offset_of!(SourceCore, registration) <= 64, "one cache line");

/// With whom a source is registered.
#[derive(Debug)]
struct Registration {
    shard: Arc<Driver>,
    key: Key,
}

impl Source {
    /// Makes a source that is not registered. Both directions are assumed ready.
    #[must_use]
    pub const fn new() -> Source {
        Source { core: OnceLock::new(), is_stream: false }
    }

    /// As [`new`](Source::new), for a connected TCP socket that this program made and that no one
    /// else can reach. After a read or write of fewer bytes than asked for, the next one waits
    /// without a system call. Turns of [`Kind::Batched`](crate::Kind::Batched) receive for its
    /// reads.
    ///
    /// Any other descriptor may keep message boundaries: packet pipes, SEQPACKET and SCTP sockets,
    /// terminals, Unix streams that pass descriptors, a TCP socket on which kernel TLS is enabled.
    /// A read ends at such a boundary although more is queued, and no event reports the rest. The
    /// owner calls [`expose`](Source::expose) before any other code learns the descriptor.
    #[must_use]
    pub const fn for_stream() -> Source {
        Source { core: OnceLock::new(), is_stream: true }
    }

    /// Takes back what [`for_stream`](Source::for_stream) promised: from now on other code may use
    /// the descriptor and change how it reads.
    pub fn expose(&self) {
        // Without a core nothing is known yet, and the core is made with the flag.
        if self.is_stream {
            let core = self.core();
            core.waiters.expose(&core.readiness);
        }
    }

    /// Pairs the source with its descriptor for a series of operations. `home` names the shard to
    /// register with; it is called when an operation would block and the source is not registered
    /// with a driven shard.
    ///
    /// # Safety
    ///
    /// * As for [`register`](Source::register), which an operation that would block calls.
    #[allow(unsafe_code, reason = "a promise of the caller's, kept for a turn")]
    pub unsafe fn op<'a, H>(&'a self, fd: Fd<'a>, home: H) -> IoOp<'a, H>
    where
        H: Fn() -> io::Result<Arc<Driver>>,
    {
        IoOp::new(self, fd, home)
    }

    /// Registers `fd` with `shard`. Nothing happens if it is registered with a driven shard. From
    /// one that is no longer driven it moves, and its waiters with it; so it does from one that a
    /// single thread turns to one that any of several turns.
    ///
    /// # Errors
    ///
    /// When `shard` is not driven, or the system refuses: a kind of file without readiness, such as
    /// a
    /// regular one (`PermissionDenied`), a descriptor another source has registered
    /// (`AlreadyExists`), one that is closed, or a limit. The error names the descriptor.
    /// The source stays as it was then.
    ///
    /// # Safety
    ///
    /// * `fd` stays open until the source is [deregistered](Source::deregister) or dropped: till
    ///   then a turn may read from it, and it has to reach what `fd` was. So a source is leaked
    ///   only with its descriptor.
    #[allow(unsafe_code, reason = "a promise of the caller's, kept for a turn")]
    pub unsafe fn register(&self, fd: Fd<'_>, shard: &Arc<Driver>) -> io::Result<()> {
        self.enter(fd, shard)
    }

    /// As [`register`](Source::register), whose promise the caller has.
    pub(crate) fn enter(&self, fd: Fd<'_>, shard: &Arc<Driver>) -> io::Result<()> {
        let core = self.core();
        let mut registration = core.registration.lock();
        if registration.as_ref().is_none_or(|old| old.should_move_to(shard)) {
            // The new entry first: it reports what is ready, so that no event falls between the
            // two.
            let key = shard.register(fd, core)?;
            let old = registration.replace(Registration { shard: Arc::clone(shard), key });
            if let Some(old) = old {
                // Its events mean nobody from here on, whatever the system says.
                let _ = old.shard.deregister(fd, old.key);
            }
        }
        let Some(registration) = &*registration else { return Ok(()) };
        core.waiters.set_arming(registration.shard.arming());
        // Invariant 2: deserted in between, it may have been disarmed before it was armed.
        if !registration.shard.is_driven() {
            core.waiters.set_arming(Arming::Unarmed);
        }
        Ok(())
    }

    /// Ends the registration of `fd`, if there is one. Waiters stay, and stay silent.
    ///
    /// # Errors
    ///
    /// When the system refuses for another reason than that it does not know the descriptor. The
    /// source is not registered afterwards in any case.
    pub fn deregister(&self, fd: Fd<'_>) -> io::Result<()> {
        let Some(core) = self.core.get() else { return Ok(()) };
        let registration = {
            let mut registration = core.registration.lock();
            core.waiters.set_arming(Arming::Unarmed);
            registration.take()
        };
        registration.map_or(Ok(()), |old| old.shard.deregister(fd, old.key))
    }

    /// Tells whether the source is registered with a shard that a thread turns.
    #[must_use]
    pub fn is_armed(&self) -> bool {
        let Some(core) = self.core.get() else { return false };
        core.registration.lock().as_ref().is_some_and(|now| now.shard.is_driven())
    }

    /// What is known now. Before the first operation both directions are assumed ready.
    pub fn readiness(&self) -> Ready {
        self.core.get().map_or(Readiness::ASSUMED, |core| core.readiness.snapshot())
    }

    /// Takes back the readiness of `direction` after an operation would have blocked, unless an
    /// event
    /// came after the snapshot `seen`.
    #[inline]
    pub fn clear(&self, seen: Ready, direction: Direction) {
        self.core().clear(seen, direction);
    }

    /// Wakers and waiting futures, for tests of leaks.
    #[doc(hidden)]
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.core.get().map_or(0, |core| core.waiters.len())
    }

    /// The straight path of a stream operation of `len` bytes at most, with the short rule of
    /// [`IoOp::poll_stream`]: calls `op` once if the source counts as ready. `None` if nothing
    /// came of it; then it is time to wait.
    ///
    /// # Errors
    ///
    /// Those of `op`, but for `WouldBlock` and `Interrupted`.
    #[inline]
    pub fn try_stream(
        &self,
        direction: Direction,
        len: usize,
        op: impl FnOnce() -> io::Result<usize>,
    ) -> Option<io::Result<usize>> {
        let core = self.core.get();
        let seen = match core {
            Some(core) => core.readiness.ready(direction)?,
            None => Readiness::ASSUMED,
        };
        self.try_once(core, direction, seen, len, op)
    }

    /// As [`try_stream`](Source::try_stream) for a socket's read into `buf`: what a turn has
    /// received already is handed to `copy` instead.
    ///
    /// # Errors
    ///
    /// As [`try_stream`](Source::try_stream).
    #[inline]
    pub fn try_recv<B: ?Sized>(
        &self,
        len: usize,
        buf: &mut B,
        copy: impl FnOnce(&mut B, &[u8]) -> usize,
        op: impl FnOnce(&mut B) -> io::Result<usize>,
    ) -> Option<io::Result<usize>> {
        let core = self.core.get();
        let seen = match core {
            Some(core) => core.readiness.ready(Direction::Read)?,
            None => Readiness::ASSUMED,
        };
        if seen.flags().has(Flags::PREFETCHED) {
            return match self.take_prefetched(|bytes| copy(buf, bytes)) {
                Prefetched::Got(outcome) => Some(outcome),
                Prefetched::Nothing | Prefetched::Busy => None,
            };
        }
        self.try_once(core, Direction::Read, seen, len, || op(buf))
    }

    /// As [`try_stream`](Source::try_stream) without the short rule, for what need not be a stream.
    ///
    /// # Errors
    ///
    /// As [`try_stream`](Source::try_stream).
    #[inline]
    pub fn try_io<R>(
        &self,
        direction: Direction,
        op: impl FnOnce() -> io::Result<R>,
    ) -> Option<io::Result<R>> {
        let seen = match self.core.get() {
            Some(core) => core.readiness.ready(direction)?,
            None => Readiness::ASSUMED,
        };
        self.settle(direction, seen, op())
    }

    #[inline]
    fn try_once(
        &self,
        core: Option<&Arc<SourceCore>>,
        direction: Direction,
        seen: Ready,
        len: usize,
        op: impl FnOnce() -> io::Result<usize>,
    ) -> Option<io::Result<usize>> {
        let outcome = self.settle(direction, seen, op());
        if let (Some(core), Some(Ok(count))) = (core, &outcome) {
            core.note_short(direction, seen, *count, len);
        }
        outcome
    }

    /// The straight path of waiting for `direction`: `true` if the waker of `cx` is entered, an
    /// event will find it, and nothing else is to be done. `false` if it takes an [`IoOp`].
    #[inline]
    pub fn wait_in_place(&self, direction: Direction, cx: &Context<'_>) -> bool {
        let Some(core) = self.core.get() else { return false };
        core.waiters.wait_in_place(&core.readiness, direction, 0, cx)
    }

    /// As [`wait_in_place`](Source::wait_in_place) for a socket's read of `len` bytes at most,
    /// which a turn may receive. Its reader must use [`try_recv`](Source::try_recv).
    #[inline]
    pub fn wait_for_message(&self, len: usize, cx: &Context<'_>) -> bool {
        let Some(core) = self.core.get() else { return false };
        core.waiters.wait_in_place(&core.readiness, Direction::Read, prefetch::want(len), cx)
    }

    /// What a turn has received for a reader; see [`Prefetched`].
    pub(crate) fn take_prefetched(
        &self,
        copy: impl FnOnce(&[u8]) -> usize,
    ) -> Prefetched<io::Result<usize>> {
        match self.core.get() {
            Some(core) => core.waiters.take_prefetched(&core.readiness, copy),
            None => Prefetched::Nothing,
        }
    }

    /// For an operation that looks at the next bytes and leaves them: what a turn has received for
    /// a reader is handed to `copy`, which says of how much it took notice. `None` if there is
    /// nothing; then it is time to ask the system.
    ///
    /// # Errors
    ///
    /// That of the read, or `WouldBlock` while a turn is receiving.
    pub fn peek(&self, copy: impl FnOnce(&[u8]) -> usize) -> Option<io::Result<usize>> {
        let core = self.core.get()?;
        match core.waiters.peek_prefetched(&core.readiness, copy) {
            Prefetched::Got(outcome) => Some(outcome),
            Prefetched::Nothing => None,
            Prefetched::Busy => Some(Err(io::ErrorKind::WouldBlock.into())),
        }
    }

    /// How many bytes a turn has received for a read that was given up.
    #[must_use]
    pub fn prefetched(&self) -> usize {
        self.core.get().map_or(0, |core| core.waiters.prefetched())
    }

    /// The short rule: takes the readiness back if `count` of `len` bytes mean an empty queue, or a
    /// full one.
    #[inline]
    pub(crate) fn note_short(&self, direction: Direction, seen: Ready, count: usize, len: usize) {
        if let Some(core) = self.core.get() {
            core.note_short(direction, seen, count, len);
        }
    }

    /// Takes the readiness back if `outcome` says that the operation would block. `None` if it is
    /// to be tried again: then, or because a signal came first, which says nothing of the source.
    #[inline]
    pub(crate) fn settle<R>(
        &self,
        direction: Direction,
        seen: Ready,
        outcome: io::Result<R>,
    ) -> Option<io::Result<R>> {
        match outcome {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.clear(seen, direction);
                None
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => None,
            outcome => Some(outcome),
        }
    }

    /// Waits for `direction`. The fast path is one load.
    #[inline]
    pub(crate) fn poll_ready(
        &self,
        direction: Direction,
        seat: &mut WaitSlot,
        cx: &Context<'_>,
    ) -> Waited {
        let Some(core) = self.core.get() else { return Waited::Ready(Readiness::ASSUMED) };
        match core.readiness.ready(direction) {
            Some(ready) => Waited::Ready(ready),
            None => core.waiters.wait(&core.readiness, direction, seat, cx),
        }
    }

    /// Gives back the slot of a future.
    pub(crate) fn leave(&self, direction: Direction, seat: &mut WaitSlot) {
        if let Some(core) = self.core.get() {
            core.waiters.leave(direction, seat);
        }
    }

    /// Arms a driver without edges for the present waiters.
    pub(crate) fn rearm(&self, fd: Fd<'_>) -> io::Result<()> {
        let Some(core) = self.core.get() else { return Ok(()) };
        let registration = core.registration.lock();
        registration.as_ref().map_or(Ok(()), |now| now.shard.rearm(fd, now.key))
    }

    fn core(&self) -> &Arc<SourceCore> {
        self.core.get_or_init(|| {
            let kind = Flags::when(self.is_stream, Flags::STREAM);
            Arc::new(SourceCore {
                readiness: Readiness::assumed_with(kind),
                waiters: Waiters::default(),
                registration: Mutex::new(None),
            })
        })
    }
}

impl Registration {
    /// Whether the source is better off with `shard`.
    fn should_move_to(&self, shard: &Driver) -> bool {
        !self.shard.is_driven() || (!self.shard.is_driven_by_any() && shard.is_driven_by_any())
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        let Some(core) = self.core.get() else { return };
        let registration = core.registration.lock().take();
        if let Some(Registration { shard, key }) = registration {
            shard.forget(key);
        }
    }
}

impl SourceCore {
    #[inline]
    fn note_short(&self, direction: Direction, seen: Ready, count: usize, len: usize) {
        if !seen.is_emptied_by(direction, count, len) {
            return;
        }
        match direction {
            Direction::Read => self.readiness.exhaust(seen),
            Direction::Write => self.clear(seen, direction),
        }
    }

    fn clear(&self, seen: Ready, direction: Direction) {
        self.waiters.clear(&self.readiness, seen, direction);
    }

    /// Stores an event and moves the wakers it concerns to `wakers`.
    #[inline]
    pub(crate) fn deliver(&self, flags: Flags, wakers: &mut Vec<Waker>) {
        self.waiters.deliver(&self.readiness, flags, wakers);
    }

    /// Moves all wakers to `wakers`: their shard is deserted.
    pub(crate) fn disarm(&self, wakers: &mut Vec<Waker>) {
        self.waiters.disarm(wakers);
    }

    /// Moves all wakers to `wakers`.
    pub(crate) fn release(&self, wakers: &mut Vec<Waker>) {
        self.waiters.take_both(wakers);
    }

    /// Tells whether somebody waits for `direction`.
    pub(crate) fn is_awaited(&self, direction: Direction) -> bool {
        self.waiters.is_awaited(direction)
    }

    /// As [`Waiters::claim`].
    pub(crate) fn claim(&self) -> Option<PrefetchRequest> {
        self.waiters.begin_prefetch(&self.readiness)
    }

    /// As [`Waiters::supply`].
    pub(crate) fn supply(
        &self,
        flags: Flags,
        claim: PrefetchRequest,
        outcome: io::Result<usize>,
        wakers: &mut Vec<Waker>,
    ) {
        self.waiters.complete_prefetch(&self.readiness, flags, claim, outcome, wakers);
    }

    /// Says what the shard does, HINTED and BATCHED.
    pub(crate) fn set_traits(&self, traits: Flags) {
        self.waiters.set_traits(&self.readiness, traits);
    }
}
