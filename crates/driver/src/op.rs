//! Operations on one source: they try first and wait if they would block.
//!
//! Each helper calls the operation while the source counts as ready. If the operation would block,
//! the helper clears the readiness and enters the waiter in one section, and registers the source
//! afterwards if that has not been done. No event is lost:
//!
//! 1. An event between the operation and the section changes the tick. The section then clears
//!    nothing and finds the source ready, so the operation is tried again.
//! 2. An event after the section finds the waiter.
//! 3. A change before the registration causes no event. But the registration itself causes an event
//!    for each direction that is ready at that moment (on epoll and kqueue), and the waiter has
//!    been entered by then. So the registration could be the last step. The operation is still
//!    tried once more, so that data that arrived in between is used now and not after a turn.
//!
//! An interrupted operation (EINTR) is repeated.
//!
//! The short rule: a stream read that returns fewer bytes than requested has emptied the queue, so
//! the next read would block and need not be tried. The rule holds if the driver reports the peer's
//! close, until a close, an error or urgent data has been reported (`Ready::trusts_short`). It does
//! not hold for all descriptors that are called streams; see [`Source::for_stream`].

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use crate::Driver;
use crate::fd::Fd;
use crate::source::{
    Arming, Direction, Prefetched, Ready, Source, WaitSlot, Waited, WakerOps, this_thread,
};

/// A source, its descriptor, and the driver to register it with. Made by [`Source::op`].
#[derive(Debug)]
pub struct IoOp<'a, H> {
    source: &'a Source,
    fd: Fd<'a>,
    driver: H,
    waker_ops: WakerOps,
}

impl Source {
    /// Pairs the source with its descriptor for a series of operations. `driver` returns the shard
    /// to register with. It is called if an operation would block and the source is not registered
    /// with a driven shard.
    ///
    /// # Safety
    ///
    /// * As for [`register`](Source::register), which an operation that would block calls.
    #[allow(unsafe_code, reason = "the caller promises that the descriptor stays open")]
    pub unsafe fn op<'a, H>(&'a self, fd: Fd<'a>, driver: H) -> IoOp<'a, H>
    where
        H: Fn() -> io::Result<Arc<Driver>>,
    {
        IoOp::new(self, fd, driver)
    }
}

/// A future's slot among the waiters, freed when dropped.
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

    /// Sets the executor's functions for wakers.
    #[must_use]
    pub fn with_waker_ops(self, waker_ops: WakerOps) -> IoOp<'a, H> {
        IoOp { waker_ops, ..self }
    }

    /// Calls `op` until it returns something other than `WouldBlock`, waiting for `direction` in
    /// between.
    ///
    /// For methods without state between polls: the waker stays in a list of the source, without
    /// duplicates, until the next event or until its task has ended. Any number of tasks may wait.
    ///
    /// # Errors
    ///
    /// Returns the errors of `op`, of the function that returns the driver, and of
    /// [`Source::register`].
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

    /// Like [`poll_io`](IoOp::poll_io), for a stream operation of at most `len` bytes, with the
    /// short rule: after an operation on fewer bytes the next one waits without a system call.
    ///
    /// The rule applies to a source that was made by [`Source::for_stream`] and is not exposed; for
    /// others this is `poll_io`.
    ///
    /// This is the slow path of [`Source::poll_stream_fast`].
    ///
    /// # Errors
    ///
    /// The same as [`poll_io`](IoOp::poll_io).
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

    /// Like [`poll_stream`](IoOp::poll_stream), for a read from a socket into `buf`. If a turn has
    /// received bytes already, they are passed to `copy` instead.
    ///
    /// # Errors
    ///
    /// The same as [`poll_io`](IoOp::poll_io).
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
        let ((count, is_prefetched), seen) = outcome;
        if !is_prefetched {
            self.source.note_short(direction, seen, count, len);
        }
        Poll::Ready(Ok(count))
    }

    /// Calls `op` until it returns something other than `WouldBlock`, waiting for `direction` in
    /// between. Any number of tasks may wait for one source: each future has its own slot.
    ///
    /// # Errors
    ///
    /// The same as [`poll_io`](IoOp::poll_io).
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: `op` is called only inside a poll of the future, and that poll returns its
    /// success. The drop frees the slot.
    pub async fn io<R>(
        &self,
        direction: Direction,
        mut op: impl FnMut() -> io::Result<R>,
    ) -> io::Result<R> {
        let mut guard =
            WaitSlotGuard { source: self.source, direction, slot: WaitSlot::Owned(None) };
        let outcome = poll_fn(|cx| self.poll_with_slot(direction, &mut guard.slot, cx, &mut op));
        outcome.await.map(|(result, _)| result)
    }

    /// Like [`io`](IoOp::io), but the first call of `op` comes after the first event of
    /// `direction`, if the source was made by [`Source::for_events`].
    ///
    /// # Errors
    ///
    /// The same as [`poll_io`](IoOp::poll_io).
    ///
    /// # Cancel safety
    ///
    /// As for [`io`](IoOp::io).
    pub async fn io_after_event<R>(
        &self,
        direction: Direction,
        mut op: impl FnMut() -> io::Result<R>,
    ) -> io::Result<R> {
        let mut guard =
            WaitSlotGuard { source: self.source, direction, slot: WaitSlot::Owned(None) };
        let outcome = poll_fn(|cx| {
            ready!(self.poll_first_event(direction, &mut guard.slot, cx))?;
            self.poll_with_slot(direction, &mut guard.slot, cx, &mut op)
        });
        outcome.await.map(|(result, _)| result)
    }

    /// Waits for the readiness of `direction`, without an operation. Only a registration reports
    /// what was ready before it, so the loop registers first. It ends as in
    /// [`poll_with_slot`](IoOp::poll_with_slot).
    fn poll_first_event(
        &self,
        direction: Direction,
        slot: &mut WaitSlot,
        cx: &Context<'_>,
    ) -> Poll<io::Result<()>> {
        let (mut has_registered, mut has_failed) = (false, false);
        loop {
            match self.source.wait_ready(direction, slot, cx) {
                Waited::Ready(_) => return Poll::Ready(Ok(())),
                Waited::Entered(arming) => {
                    ready!(self.register_for_wait(arming, &mut has_registered, &mut has_failed))?;
                }
            }
        }
    }

    /// Waits until `direction` is ready. Checks with a system call first and does not assume
    /// readiness.
    ///
    /// # Errors
    ///
    /// Returns the errors of the function that returns the driver, and of [`Source::register`].
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub async fn ready(&self, direction: Direction) -> io::Result<()> {
        let mut probe = Probe::new(self.fd, direction);
        let has_prefetched = || direction == Direction::Read && self.source.prefetched() > 0;
        self.io(direction, || if has_prefetched() { Ok(()) } else { probe.check() }).await
    }

    /// Like [`ready`](IoOp::ready), for methods without memory between polls: see
    /// [`poll_io`](IoOp::poll_io).
    ///
    /// # Errors
    ///
    /// As [`ready`](IoOp::ready).
    pub fn poll_ready(&self, direction: Direction, cx: &Context<'_>) -> Poll<io::Result<()>> {
        let mut probe = Probe::new(self.fd, direction);
        let has_prefetched = || direction == Direction::Read && self.source.prefetched() > 0;
        self.poll_io(direction, cx, || if has_prefetched() { Ok(()) } else { probe.check() })
    }

    /// Calls `op` at once and after each event of `direction`, until it does not answer
    /// `WouldBlock`. The readiness stays as it is: `op` consumes nothing, so that it would block
    /// says nothing about the operations of others.
    ///
    /// # Errors
    ///
    /// As for [`poll_io`](IoOp::poll_io).
    ///
    /// # Cancel safety
    ///
    /// As for [`io`](IoOp::io).
    pub async fn watch<R>(
        &self,
        direction: Direction,
        mut op: impl FnMut() -> io::Result<R>,
    ) -> io::Result<R> {
        let mut guard =
            WaitSlotGuard { source: self.source, direction, slot: WaitSlot::Owned(None) };
        poll_fn(|cx| self.poll_watch(direction, &mut guard.slot, cx, &mut op)).await
    }

    /// The snapshot comes before `op`, so an event after `op` either changes the tick, and `op` is
    /// called again, or finds the waiter.
    fn poll_watch<R>(
        &self,
        direction: Direction,
        slot: &mut WaitSlot,
        cx: &Context<'_>,
        mut op: impl FnMut() -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        let (mut has_registered, mut has_failed) = (false, false);
        loop {
            let seen = self.source.readiness();
            match op() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                outcome => return Poll::Ready(outcome),
            }
            let Waited::Entered(arming) = self.source.wait_event(seen, direction, slot, cx) else {
                continue;
            };
            let step = self.register_for_wait(arming, &mut has_registered, &mut has_failed);
            if let Poll::Ready(outcome) = step {
                // Registered: `op` is called once more, as in `poll_with_slot`.
                outcome?;
            } else {
                return Poll::Pending;
            }
        }
    }

    /// The loop behind all helpers. It ends, because each round either returns or has seen a new
    /// event, and the registration succeeds at most once. The registration is tried a second time
    /// if the shard stopped being driven between the call of `driver` and the registration.
    fn poll_with_slot<R>(
        &self,
        direction: Direction,
        slot: &mut WaitSlot,
        cx: &Context<'_>,
        mut op: impl FnMut() -> io::Result<R>,
    ) -> Poll<io::Result<(R, Ready)>> {
        let (mut has_registered, mut has_failed) = (false, false);
        let mut waited = self.source.wait_ready(direction, slot, cx);
        loop {
            let seen = match waited {
                Waited::Ready(seen) => seen,
                Waited::Entered(arming) => {
                    ready!(self.register_for_wait(arming, &mut has_registered, &mut has_failed))?;
                    self.source.readiness()
                }
            };
            waited = match op() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.source.clear_and_wait(seen, direction, slot, cx)
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                    self.source.wait_ready(direction, slot, cx)
                }
                outcome => return Poll::Ready(outcome.map(|result| (result, seen))),
            };
        }
    }

    /// Registers the source after a waiter was entered. `Ready` if it has just been registered (or
    /// the shard stopped being driven meanwhile): the operation is tried again. `Pending` if
    /// nothing was left to do but to wait.
    fn register_for_wait(
        &self,
        arming: Arming,
        has_registered: &mut bool,
        has_failed: &mut bool,
    ) -> Poll<io::Result<()>> {
        let driver = if *has_registered { None } else { self.better_driver(arming)? };
        let Some(driver) = driver else {
            return self.arm_for_wait(arming);
        };
        match (self.source.enter(self.fd, &driver), arming) {
            (Ok(()), _) => *has_registered = true,
            // The source stays with the shard that another thread turns.
            (Err(_), Arming::ArmedByThread { .. }) => return self.arm_for_wait(arming),
            // The shard stopped being driven. `self.driver` now returns another one.
            (Err(_), _) if !driver.is_driven() && !*has_failed => *has_failed = true,
            (Err(error), _) => return Poll::Ready(Err(error)),
        }
        Poll::Ready(Ok(()))
    }

    /// The shard to register with, if it is better than the current one.
    #[inline]
    fn better_driver(&self, arming: Arming) -> io::Result<Option<Arc<Driver>>> {
        match arming {
            Arming::Armed | Arming::ArmedPerWait => Ok(None),
            Arming::ArmedByThread { thread, .. } if thread == this_thread() => Ok(None),
            // Only one other thread turns the shard. The source stays there, unless this thread has
            // a shard that any of several threads may turn.
            Arming::ArmedByThread { .. } => {
                Ok((self.driver)().ok().filter(|driver| driver.is_driven_by_any()))
            }
            Arming::Unarmed => (self.driver)().map(Some),
        }
    }

    fn arm_for_wait<R>(&self, arming: Arming) -> Poll<io::Result<R>> {
        match arming {
            Arming::ArmedPerWait | Arming::ArmedByThread { is_per_wait: true, .. } => {
                self.source.rearm(self.fd)?;
            }
            // Unarmed: the driver was disarmed after the registration. The waiter was entered
            // before that and has been woken.
            Arming::Unarmed | Arming::Armed | Arming::ArmedByThread { .. } => {}
        }
        Poll::Pending
    }
}

/// Checks with a system call whether a direction is ready.
#[derive(Debug)]
struct Probe<'a> {
    fd: Fd<'a>,
    direction: Direction,
}

impl<'a> Probe<'a> {
    fn new(fd: Fd<'a>, direction: Direction) -> Probe<'a> {
        Probe { fd, direction }
    }

    #[cfg(unix)]
    fn check(&mut self) -> io::Result<()> {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};

        // On other systems the peer's close is reported as IN or HUP, and HUP is always reported.
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

    #[cfg(windows)]
    #[allow(unsafe_code, reason = "a function of the system that takes an array")]
    fn check(&mut self) -> io::Result<()> {
        use std::os::windows::io::AsRawSocket;

        use windows_sys::Win32::Networking::WinSock::{
            POLLRDBAND, POLLRDNORM, POLLWRNORM, SOCKET, SOCKET_ERROR, WSAGetLastError, WSAPOLLFD,
            WSAPoll,
        };

        let events = match self.direction {
            Direction::Read => POLLRDNORM | POLLRDBAND,
            Direction::Write => POLLWRNORM,
        };
        let socket = SOCKET::try_from(self.fd.as_raw_socket()).expect("a socket is a handle");
        let mut asked = WSAPOLLFD { fd: socket, events, revents: 0 };
        // SAFETY: the array has one entry, which is alive during the call.
        match unsafe { WSAPoll(&raw mut asked, 1, 0) } {
            // SAFETY: the call has no preconditions.
            SOCKET_ERROR => Err(io::Error::from_raw_os_error(unsafe { WSAGetLastError() })),
            0 => Err(io::ErrorKind::WouldBlock.into()),
            _ => Ok(()),
        }
    }
}
