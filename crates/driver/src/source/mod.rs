//! One descriptor: its readiness, its waiters, and the shard with which it is registered.
//!
//! A new source is empty: it has made no system call and no allocation. The core is allocated when
//! an operation would block for the first time, and is shared with the shard. `core.rs` describes
//! its locks and invariants.
//!
//! The descriptor belongs to the owner: the source does not store its number. Dropping a source
//! without `deregister` frees its slot, so that no event reaches it; the system removes its entry
//! when the descriptor is closed. Rejected: storing the number and deregistering on drop. By then
//! the descriptor may have been closed and its number reused by another source of the same shard,
//! whose events would silently stop.

mod arming;
mod core;
mod prefetch;
mod readiness;
#[cfg(all(test, not(reveille_loom)))]
mod tests;
mod wait_list;
mod waiters;

use std::io;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};

pub use self::arming::Arming;
pub(crate) use self::arming::this_thread;
pub use self::core::{SourceCore, Waited};
pub use self::prefetch::{PrefetchRequest, Prefetched};
pub use self::readiness::{Direction, Flags, Ready};
pub use self::wait_list::WakerOps;
pub use self::waiters::WaitSlot;
use crate::Driver;
use crate::fd::Fd;

/// One descriptor's readiness and waiters.
///
/// The owner of the descriptor calls [`deregister`](Source::deregister), or drops the source,
/// before it closes the descriptor or gives it away.
#[derive(Debug, Default)]
pub struct Source {
    core: OnceLock<Arc<SourceCore>>,
    /// Whether [`Source::for_stream`] made this source.
    is_stream: bool,
}

impl Source {
    /// Makes a source that is not registered. Both directions are assumed ready.
    #[must_use]
    pub const fn new() -> Source {
        Source { core: OnceLock::new(), is_stream: false }
    }

    /// Like [`new`](Source::new), for a connected TCP socket that this program made and that no
    /// other code can access. After a read or write of fewer bytes than requested, the next one
    /// waits without a system call. Turns of [`Kind::Batched`](crate::Kind::Batched) receive for
    /// its reads.
    ///
    /// Any other descriptor may keep message boundaries: packet pipes, SEQPACKET and SCTP sockets,
    /// terminals, Unix streams that pass descriptors, a TCP socket on which kernel TLS is enabled.
    /// A read ends at such a boundary although more is queued, and no event reports the rest. The
    /// owner calls [`expose`](Source::expose) before it gives the descriptor to any other code.
    #[must_use]
    pub const fn for_stream() -> Source {
        Source { core: OnceLock::new(), is_stream: true }
    }

    /// Like [`new`](Source::new), but nothing is assumed ready to be read. For a descriptor that
    /// was just made and becomes readable once, such as that of a process: the first attempt would
    /// nearly always be for nothing.
    #[must_use]
    pub fn for_events() -> Source {
        let source = Source::new();
        source.clear(source.readiness(), Direction::Read);
        source
    }

    /// Withdraws the promise of [`for_stream`](Source::for_stream): from now on other code may use
    /// the descriptor and change how reads behave.
    pub fn expose(&self) {
        // Creates the core if there is none, so that the source stays exposed.
        if self.is_stream {
            self.core().expose();
        }
    }

    /// Registers `fd` with `shard`. Does nothing if it is already registered with a driven shard,
    /// with one exception: a source moves from a shard that a single thread turns to one that any
    /// of several threads may turn. A source also moves away from a shard that is no longer driven.
    /// Its waiters move with it.
    ///
    /// # Errors
    ///
    /// Returns an error if `shard` is not driven, or if the system refuses: for a kind of file
    /// without readiness, such as a regular file (`PermissionDenied`), for a descriptor that
    /// another source has registered (`AlreadyExists`), for a closed descriptor, or because of a
    /// limit. The error names the descriptor. The source does not change.
    ///
    /// # Safety
    ///
    /// * `fd` stays open until the source is [deregistered](Source::deregister) or dropped: until
    ///   then a turn may read from the descriptor, and it must still be the same file. If the
    ///   source is leaked, its descriptor must be leaked as well.
    #[allow(unsafe_code, reason = "the caller promises that the descriptor stays open")]
    pub unsafe fn register(&self, fd: Fd<'_>, shard: &Arc<Driver>) -> io::Result<()> {
        self.core().register(fd, shard)
    }

    /// Like [`register`](Source::register), for a caller that is already bound by its contract
    /// through [`op`](Source::op).
    pub(crate) fn enter(&self, fd: Fd<'_>, shard: &Arc<Driver>) -> io::Result<()> {
        self.core().register(fd, shard)
    }

    /// Ends the registration of `fd`, if there is one. Waiters stay, and no event wakes them.
    ///
    /// # Errors
    ///
    /// Returns an error if the system refuses for a reason other than that the descriptor is closed
    /// or not registered. The source is deregistered in any case.
    pub fn deregister(&self, fd: Fd<'_>) -> io::Result<()> {
        self.core.get().map_or(Ok(()), |core| core.deregister(fd))
    }

    /// Returns whether the source is registered with a shard that a thread turns.
    #[must_use]
    pub fn is_armed(&self) -> bool {
        self.core.get().is_some_and(|core| core.is_armed())
    }

    /// Tells the waiters that the owner has shut the socket down, and returns their wakers for the
    /// caller to wake. epoll and kqueue report it as an event, so nothing is returned on Unix. The
    /// completion ports of Windows report only what the peer does.
    #[must_use = "the caller wakes them"]
    pub fn note_shutdown(&self) -> Vec<Waker> {
        let mut wakers = Vec::new();
        if cfg!(windows)
            && let Some(core) = self.core.get()
        {
            core.deliver(Flags::READABLE.with(Flags::WRITABLE), &mut wakers);
        }
        wakers
    }

    /// The current readiness. Before the first operation both directions are assumed ready.
    pub fn readiness(&self) -> Ready {
        self.core.get().map_or(Ready::ASSUMED, |core| core.snapshot())
    }

    /// Clears the readiness of `direction` after an operation would have blocked, unless an event
    /// arrived after the snapshot `seen`.
    pub fn clear(&self, seen: Ready, direction: Direction) {
        self.core().clear(seen, direction);
    }

    /// The number of wakers and waiting futures, for leak tests.
    #[doc(hidden)]
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.core.get().map_or(0, |core| core.waiting())
    }

    /// The fast path of [`IoOp::poll_io`](crate::IoOp::poll_io): calls `op` once if the source
    /// counts as ready; waits if it does not, or if `op` would block. Returns `None` if only
    /// `poll_io` can do that.
    ///
    /// # Errors
    ///
    /// Returns the errors of `op`, except `WouldBlock` and `Interrupted`.
    #[inline]
    pub fn poll_io_fast<R>(
        &self,
        direction: Direction,
        cx: &Context<'_>,
        op: impl FnOnce() -> io::Result<R>,
    ) -> Option<Poll<io::Result<R>>> {
        let Some(seen) = self.ready(direction) else { return self.wait_fast(direction, 0, cx) };
        match op() {
            Ok(result) => Some(Poll::Ready(Ok(result))),
            Err(error) => self.settle_error(direction, seen, 0, cx, error),
        }
    }

    /// The fast path of [`IoOp::poll_stream`](crate::IoOp::poll_stream). Like
    /// [`poll_io_fast`](Source::poll_io_fast), for a stream operation of at most `len` bytes.
    ///
    /// # Errors
    ///
    /// The same as [`poll_io_fast`](Source::poll_io_fast).
    #[inline]
    pub fn poll_stream_fast(
        &self,
        direction: Direction,
        cx: &Context<'_>,
        len: usize,
        op: impl FnOnce() -> io::Result<usize>,
    ) -> Option<Poll<io::Result<usize>>> {
        let Some(seen) = self.ready(direction) else { return self.wait_fast(direction, 0, cx) };
        match op() {
            Ok(count) => {
                self.note_short(direction, seen, count, len);
                Some(Poll::Ready(Ok(count)))
            }
            Err(error) => self.settle_error(direction, seen, 0, cx, error),
        }
    }

    /// The fast path of [`IoOp::poll_recv`](crate::IoOp::poll_recv). Like
    /// [`poll_io_fast`](Source::poll_io_fast), for a read from a socket of at most `len` bytes into
    /// `buf`. If a turn has received bytes already, they are passed to `copy` instead.
    ///
    /// # Errors
    ///
    /// The same as [`poll_io_fast`](Source::poll_io_fast).
    #[inline]
    pub fn poll_recv_fast<B: ?Sized>(
        &self,
        cx: &Context<'_>,
        len: usize,
        buf: &mut B,
        copy: impl FnOnce(&mut B, &[u8]) -> usize,
        op: impl FnOnce(&mut B) -> io::Result<usize>,
    ) -> Option<Poll<io::Result<usize>>> {
        let direction = Direction::Read;
        let Some(seen) = self.ready(direction) else {
            return self.wait_fast(direction, prefetch::want(len), cx);
        };
        if seen.flags().has(Flags::PREFETCHED) {
            return match self.take_prefetched(|bytes| copy(buf, bytes)) {
                Prefetched::Got(outcome) => Some(Poll::Ready(outcome)),
                Prefetched::Nothing | Prefetched::Busy => None,
            };
        }
        match op(buf) {
            Ok(count) => {
                self.note_short(direction, seen, count, len);
                Some(Poll::Ready(Ok(count)))
            }
            Err(error) => self.settle_error(direction, seen, prefetch::want(len), cx, error),
        }
    }

    #[inline]
    fn ready(&self, direction: Direction) -> Option<Ready> {
        match self.core.get() {
            Some(core) => core.ready(direction),
            None => Some(Ready::ASSUMED),
        }
    }

    #[inline]
    fn wait_fast<R>(
        &self,
        direction: Direction,
        want: u16,
        cx: &Context<'_>,
    ) -> Option<Poll<io::Result<R>>> {
        let core = self.core.get()?;
        core.wait_in_place(None, direction, want, cx).then_some(Poll::Pending)
    }

    /// If the operation would block, clears the readiness and waits, in one section. An interrupted
    /// operation is left to the slow path, which repeats it. Other errors are returned.
    fn settle_error<R>(
        &self,
        direction: Direction,
        seen: Ready,
        want: u16,
        cx: &Context<'_>,
        error: io::Error,
    ) -> Option<Poll<io::Result<R>>> {
        match error.kind() {
            io::ErrorKind::WouldBlock => {
                let has_entered = self.core().wait_in_place(Some(seen), direction, want, cx);
                has_entered.then_some(Poll::Pending)
            }
            io::ErrorKind::Interrupted => None,
            _ => Some(Poll::Ready(Err(error))),
        }
    }

    /// Takes the bytes or the error that a turn has received for a reader.
    pub(crate) fn take_prefetched(
        &self,
        copy: impl FnOnce(&[u8]) -> usize,
    ) -> Prefetched<io::Result<usize>> {
        match self.core.get() {
            Some(core) => core.take_prefetched(copy),
            None => Prefetched::Nothing,
        }
    }

    /// For an operation that reads the next bytes without consuming them: passes the bytes that a
    /// turn has received to `copy`, which returns how many it copied. Returns `None` if there are
    /// no such bytes; the caller then makes the system call.
    ///
    /// # Errors
    ///
    /// Returns the error of the receive, or `WouldBlock` while a turn is receiving.
    pub fn peek(&self, copy: impl FnOnce(&[u8]) -> usize) -> Option<io::Result<usize>> {
        match self.core.get()?.peek_prefetched(copy) {
            Prefetched::Got(outcome) => Some(outcome),
            Prefetched::Nothing => None,
            Prefetched::Busy => Some(Err(io::ErrorKind::WouldBlock.into())),
        }
    }

    /// Like [`peek`](Source::peek), but takes the bytes.
    ///
    /// # Errors
    ///
    /// As for [`peek`](Source::peek).
    pub fn take(&self, copy: impl FnOnce(&[u8]) -> usize) -> Option<io::Result<usize>> {
        match self.take_prefetched(copy) {
            Prefetched::Got(outcome) => Some(outcome),
            Prefetched::Nothing => None,
            Prefetched::Busy => Some(Err(io::ErrorKind::WouldBlock.into())),
        }
    }

    /// The number of bytes that a turn has received and no read has taken.
    #[must_use]
    pub fn prefetched(&self) -> usize {
        self.core.get().map_or(0, |core| core.prefetched())
    }

    /// The short rule of [`IoOp::poll_stream`](crate::IoOp::poll_stream): clears the readiness if
    /// `count` of `len` bytes prove that the queue is empty (or full, for a write).
    #[inline]
    pub(crate) fn note_short(&self, direction: Direction, seen: Ready, count: usize, len: usize) {
        if let Some(core) = self.core.get() {
            core.note_short(direction, seen, count, len);
        }
    }

    /// Waits for `direction` before an operation. If it is ready, this takes one load.
    #[inline]
    pub(crate) fn wait_ready(
        &self,
        direction: Direction,
        slot: &mut WaitSlot,
        cx: &Context<'_>,
    ) -> Waited {
        let Some(core) = self.core.get() else { return Waited::Ready(Ready::ASSUMED) };
        match core.ready(direction) {
            Some(ready) => Waited::Ready(ready),
            None => core.wait(None, direction, slot, cx),
        }
    }

    /// Clears the readiness and waits, in one section, after an operation would have blocked.
    pub(crate) fn clear_and_wait(
        &self,
        seen: Ready,
        direction: Direction,
        slot: &mut WaitSlot,
        cx: &Context<'_>,
    ) -> Waited {
        self.core().wait(Some(seen), direction, slot, cx)
    }

    /// Waits for the next event of `direction`, unless one came after the snapshot `seen`.
    pub(crate) fn wait_event(
        &self,
        seen: Ready,
        direction: Direction,
        slot: &mut WaitSlot,
        cx: &Context<'_>,
    ) -> Waited {
        self.core().wait_event(seen, direction, slot, cx)
    }

    /// Frees the slot of a future.
    pub(crate) fn leave(&self, direction: Direction, slot: &mut WaitSlot) {
        if let Some(core) = self.core.get() {
            core.leave(direction, slot);
        }
    }

    /// Arms a driver without edge-triggered events for the current waiters.
    pub(crate) fn rearm(&self, fd: Fd<'_>) -> io::Result<()> {
        self.core.get().map_or(Ok(()), |core| core.rearm(fd))
    }

    fn core(&self) -> &Arc<SourceCore> {
        let kind = Flags::when(self.is_stream, Flags::STREAM);
        self.core.get_or_init(|| Arc::new(SourceCore::new(kind)))
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        if let Some(core) = self.core.get() {
            core.forget();
        }
    }
}
