//! Try first, wait after: operations on one source.
//!
//! Each helper calls the operation as long as the source counts as ready. When it would block, the
//! readiness is cleared, the waiter entered, and only then, if it has not been done, the source
//! registered. Why no event is lost:
//!
//! 1. An event between the operation and the clear changes the tick, and the clear does nothing.
//! 2. An event between the clear and the entry of the waiter is seen by the second look that
//!    entering takes (`waiters.rs`, invariant 2).
//! 3. A change before the registration makes no event, but registering reports what is ready at
//!    that
//!    moment as an event of its own (epoll and kqueue alike), and the waiter is in its place by
//!    then. So the registration could be the end of it. The operation is tried once more all the
//!    same: what arrived in between is used now instead of after a turn.
//!
//! An interrupted operation (EINTR) is repeated at once.
//!
//! The short rule: a stream read of fewer bytes than asked for has emptied the queue, so the next
//! read
//! would block and need not be tried. It holds where the driver reports the peer's close, and not
//! after a close, an error or urgent data was reported (`Ready::trusts_short`). It does not hold
//! for everything that calls itself a stream, see [`Source::for_stream`].

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use crate::Driver;
use crate::extra_waiters::WakerOps;
use crate::fd::Fd;
use crate::poll::turn_owner::this_thread;
use crate::prefetch::Prefetched;
use crate::readiness::{Direction, Ready};
use crate::source::Source;
use crate::waiters::{Arming, WaitSlot, Waited};

/// A source, its descriptor, and where to register it. Made by [`Source::op`].
#[derive(Debug)]
pub struct IoOp<'a, H> {
    source: &'a Source,
    fd: Fd<'a>,
    driver: H,
    waker_ops: WakerOps,
}

/// A future's place among the waiters, given back when dropped.
struct WaitSlotGuard<'a> {
    source: &'a Source,
    direction: Direction,
    slot: WaitSlot,
}

impl Drop for WaitSlotGuard<'_> {
    fn drop(&mut self) {
        self.source.leave(self.direction, &mut self.slot);
    }
}

impl<'a, H> IoOp<'a, H>
where
    H: Fn() -> io::Result<Arc<Driver>>,
{
    pub(crate) fn new(source: &'a Source, fd: Fd<'a>, driver: H) -> IoOp<'a, H> {
        IoOp { source, fd, driver, waker_ops: WakerOps::default() }
    }

    /// Says what the executor knows of wakers.
    #[must_use]
    pub fn with_waker_ops(self, waker_ops: WakerOps) -> IoOp<'a, H> {
        IoOp { waker_ops, ..self }
    }

    /// Calls `op` until it does not answer `WouldBlock`, waiting for `direction` in between.
    ///
    /// For methods without memory: the waker is kept in a list of the source, without duplicates,
    /// until the next event or until its task has ended. Any number of tasks may wait.
    ///
    /// # Errors
    ///
    /// Those of `op`, of `home`, and of [`Source::register`].
    pub fn poll_io<R>(
        &self,
        direction: Direction,
        cx: &Context<'_>,
        op: impl FnMut() -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        let outcome =
            ready!(self.poll_with_slot(direction, &mut WaitSlot::Shared(self.waker_ops), cx, op));
        Poll::Ready(outcome.map(|(result, _)| result))
    }

    /// As [`poll_io`](IoOp::poll_io) for a stream operation of `len` bytes at most, with the
    /// short rule: after fewer bytes the next one waits without a system call.
    ///
    /// The rule applies to a source that was made by [`Source::for_stream`] and is not exposed; for
    /// others this is `poll_io`.
    ///
    /// Who expects it to be ready calls [`Source::try_stream`] first, so this is off that path.
    ///
    /// # Errors
    ///
    /// As [`poll_io`](IoOp::poll_io).
    #[cold]
    pub fn poll_stream(
        &self,
        direction: Direction,
        cx: &Context<'_>,
        len: usize,
        op: impl FnMut() -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let (count, seen) =
            ready!(self.poll_with_slot(direction, &mut WaitSlot::Shared(self.waker_ops), cx, op))?;
        self.source.note_short(direction, seen, count, len);
        Poll::Ready(Ok(count))
    }

    /// As [`poll_stream`](IoOp::poll_stream) for a socket's read into `buf`: what a turn has
    /// received already is handed to `copy` instead.
    ///
    /// # Errors
    ///
    /// As [`poll_io`](IoOp::poll_io).
    #[cold]
    pub fn poll_recv<B: ?Sized>(
        &self,
        cx: &Context<'_>,
        len: usize,
        buf: &mut B,
        mut copy: impl FnMut(&mut B, &[u8]) -> usize,
        mut op: impl FnMut(&mut B) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let direction = Direction::Read;
        let once = || match self.source.take_prefetched(|bytes| copy(buf, bytes)) {
            Prefetched::Got(outcome) => outcome.map(|count| (count, true)),
            Prefetched::Nothing => op(buf).map(|count| (count, false)),
            Prefetched::Busy => Err(io::ErrorKind::WouldBlock.into()),
        };
        let outcome = ready!(self.poll_with_slot(
            direction,
            &mut WaitSlot::Shared(self.waker_ops),
            cx,
            once
        ))?;
        let ((count, is_from_stock), seen) = outcome;
        if !is_from_stock {
            self.source.note_short(direction, seen, count, len);
        }
        Poll::Ready(Ok(count))
    }

    /// Calls `op` until it does not answer `WouldBlock`, waiting for `direction` in between. Any
    /// number of tasks may do so on one source: each future has a place of its own.
    ///
    /// # Errors
    ///
    /// As [`poll_io`](IoOp::poll_io).
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: `op` is called only while the future is polled, and its success is returned
    /// by that poll. The place is given back by the drop.
    pub async fn io<R>(
        &self,
        direction: Direction,
        mut op: impl FnMut() -> io::Result<R>,
    ) -> io::Result<R> {
        let mut place =
            WaitSlotGuard { source: self.source, direction, slot: WaitSlot::Owned(None) };
        let outcome = poll_fn(|cx| self.poll_with_slot(direction, &mut place.slot, cx, &mut op));
        outcome.await.map(|(result, _)| result)
    }

    /// Waits until `direction` is ready in truth: asks the system instead of assuming it.
    ///
    /// # Errors
    ///
    /// Those of `home` and of [`Source::register`].
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub async fn ready(&self, direction: Direction) -> io::Result<()> {
        let mut probe = Probe::new(self.fd, direction);
        let is_stocked = || direction == Direction::Read && self.source.prefetched() > 0;
        self.io(direction, || if is_stocked() { Ok(()) } else { probe.ask() }).await
    }

    /// The loop of all helpers. Ends because each round either returns or has seen a new event, and
    /// the registration succeeds once at most, and is tried again once: when the shard was
    /// deserted since `home` named it.
    fn poll_with_slot<R>(
        &self,
        direction: Direction,
        seat: &mut WaitSlot,
        cx: &Context<'_>,
        mut op: impl FnMut() -> io::Result<R>,
    ) -> Poll<io::Result<(R, Ready)>> {
        let (mut has_registered, mut has_failed) = (false, false);
        loop {
            let seen = match self.source.poll_ready(direction, seat, cx) {
                Waited::Ready(seen) => seen,
                Waited::Entered(standing) => {
                    let home = if has_registered { None } else { self.better_driver(standing)? };
                    let Some(home) = home else {
                        return self.arm_for_wait(standing);
                    };
                    match (self.source.enter(self.fd, &home), standing) {
                        (Ok(()), _) => has_registered = true,
                        // It stays where another thread serves it.
                        (Err(_), Arming::ArmedByThread { .. }) => {
                            return self.arm_for_wait(standing);
                        }
                        // Deserted since it was named. `home` names another now.
                        (Err(_), _) if !home.is_driven() && !has_failed => has_failed = true,
                        (Err(error), _) => return Poll::Ready(Err(error)),
                    }
                    self.source.readiness()
                }
            };
            if let Some(outcome) = self.source.settle(direction, seen, op()) {
                return Poll::Ready(outcome.map(|result| (result, seen)));
            }
        }
    }

    /// Where to register, unless the source is as well off where it is.
    #[inline]
    fn better_driver(&self, standing: Arming) -> io::Result<Option<Arc<Driver>>> {
        match standing {
            Arming::Armed | Arming::ArmedPerWait => Ok(None),
            Arming::ArmedByThread { thread, .. } if thread == this_thread() => Ok(None),
            // Another thread alone turns the shard. It stays there unless this one has better.
            Arming::ArmedByThread { .. } => {
                Ok((self.driver)().ok().filter(|home| home.is_driven_by_any()))
            }
            Arming::Unarmed => (self.driver)().map(Some),
        }
    }

    fn arm_for_wait<R>(&self, standing: Arming) -> Poll<io::Result<R>> {
        match standing {
            Arming::ArmedPerWait | Arming::ArmedByThread { is_per_wait: true, .. } => {
                self.source.rearm(self.fd)?;
            }
            // Unarmed: its driver was disarmed since the registration. The waiter was entered
            // before that, and has been woken.
            Arming::Unarmed | Arming::Armed | Arming::ArmedByThread { .. } => {}
        }
        Poll::Pending
    }
}

/// Asks the system whether a direction is ready.
#[derive(Debug)]
struct Probe<'a> {
    #[cfg(unix)]
    fd: Fd<'a>,
    #[cfg(unix)]
    direction: Direction,
    #[cfg(not(unix))]
    has_asked: bool,
    #[cfg(not(unix))]
    fd: std::marker::PhantomData<&'a ()>,
}

#[cfg(unix)]
impl<'a> Probe<'a> {
    fn new(fd: Fd<'a>, direction: Direction) -> Probe<'a> {
        Probe { fd, direction }
    }

    fn ask(&mut self) -> io::Result<()> {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};

        // Elsewhere the peer's close is IN or HUP, which needs no asking for.
        #[cfg(target_os = "linux")]
        const READ: PollFlags = PollFlags::IN.union(PollFlags::PRI).union(PollFlags::RDHUP);
        #[cfg(not(target_os = "linux"))]
        const READ: PollFlags = PollFlags::IN.union(PollFlags::PRI);

        let interest = match self.direction {
            Direction::Read => READ,
            Direction::Write => PollFlags::OUT,
        };
        let mut asked = [PollFd::new(&self.fd, interest)];
        match poll(&mut asked, Some(&Timespec::default()))? {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            _ => Ok(()),
        }
    }
}

#[cfg(not(unix))]
impl<'a> Probe<'a> {
    fn new(_: Fd<'a>, _: Direction) -> Probe<'a> {
        Probe { has_asked: false, fd: std::marker::PhantomData }
    }

    /// Without a cheap question: takes back the assumption once, so that arming reports the truth.
    fn ask(&mut self) -> io::Result<()> {
        if std::mem::replace(&mut self.has_asked, true) {
            return Ok(());
        }
        Err(io::ErrorKind::WouldBlock.into())
    }
}
