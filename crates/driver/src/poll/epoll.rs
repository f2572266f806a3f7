//! Linux: one edge-triggered epoll set, and an eventfd that ends a wait.
//!
//! * **The eventfd is never read.** Each write to an eventfd is a new edge and ends a wait, so the
//!   read would be a needless system call. The counter would overflow after 2^64 notifications.
//! * **Time.** `epoll_wait` counts whole milliseconds, and a wait must neither end early nor be
//!   rounded up. So `epoll_wait` serves timeouts of whole milliseconds below 25 days, and
//!   `epoll_pwait2` (`exact.rs`) all others. Where the kernel has no such call (before 5.11),
//!   `ppoll` waits on the epoll set itself, to the nanosecond, and `epoll_wait` only collects the
//!   events: a second system call of 0.15 µs, made by a thread that has nothing to do. Waiting on
//!   the set consumes no edge. Rejected: a timerfd in the set, which costs a call to set it before
//!   each wait.
//! * **An entry stays until the last duplicate of its descriptor is closed.** Hence the explicit
//!   delete, and keys with generations for sources that were dropped without it.

use std::io;
use std::time::Duration;

use reveille_primitive::sys::Alarm;
use reveille_primitive::{fork, simulation};
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::fd::{AsFd, AsRawFd, OwnedFd};
use rustix::io::Errno;

use crate::fd::Fd;
use crate::poll::event::{EVENTS_MAX, Interest, PollEvent};
use crate::poll::exact::ExactWait;
use crate::poll::key::SourceKey;
use crate::source::Flags;

/// An epoll set and its eventfd. See the module's header.
#[derive(Debug)]
pub(crate) struct Epoll {
    set: OwnedFd,
    notifier: OwnedFd,
    exact: ExactWait,
    /// The fork generation in which it was made. A forked child shares the set with its parent, so
    /// a change by the child would affect the parent.
    made_in: u32,
}

/// The events of a wait.
#[derive(Default)]
pub(crate) struct EpollEvents {
    events: Vec<epoll::Event>,
}

/// All events, while the source is registered: arming for each wait would cost a system call per
/// wait.
const INTEREST: EventFlags = EventFlags::IN
    .union(EventFlags::OUT)
    .union(EventFlags::RDHUP)
    .union(EventFlags::PRI)
    .union(EventFlags::ET);

impl Epoll {
    pub(crate) fn new() -> io::Result<Epoll> {
        let set = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let notifier = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let key = EventData::new_u64(SourceKey::NOTIFY.number() as u64);
        epoll::add(&set, &notifier, key, EventFlags::IN | EventFlags::ET)?;
        Ok(Epoll { set, notifier, exact: ExactWait::new(), made_in: fork::generation() })
    }

    /// Returns whether the set was made by a parent of this process, before a fork.
    pub(crate) fn is_inherited(&self) -> bool {
        fork::generation() != self.made_in
    }

    fn check(&self) -> io::Result<()> {
        if self.is_inherited() {
            return Err(io::Error::other("the event queue was made before a fork"));
        }
        Ok(())
    }

    /// Makes each wait end while `alarm` rings. Not edge-triggered: a wait that another event has
    /// ended does not hide it.
    pub(crate) fn observe(&self, alarm: &Alarm) -> io::Result<()> {
        self.check()?;
        let Some(fd) = alarm.fd() else { return Err(io::ErrorKind::Unsupported.into()) };
        let key = EventData::new_u64(SourceKey::NOTIFY.number() as u64);
        Ok(epoll::add(&self.set, fd, key, EventFlags::IN)?)
    }

    pub(crate) fn ignore(&self, alarm: &Alarm) {
        if let Some(fd) = alarm.fd() {
            // The only failure is that the set does not have it.
            let _ = self.delete(fd);
        }
    }

    pub(crate) fn add(&self, fd: Fd<'_>, key: SourceKey) -> io::Result<()> {
        self.check()?;
        Ok(epoll::add(&self.set, fd, EventData::new_u64(key.number() as u64), INTEREST)?)
    }

    pub(crate) fn modify(&self, fd: Fd<'_>, key: SourceKey, _: Interest) -> io::Result<()> {
        self.check()?;
        Ok(epoll::modify(&self.set, fd, EventData::new_u64(key.number() as u64), INTEREST)?)
    }

    pub(crate) fn delete(&self, fd: Fd<'_>) -> io::Result<()> {
        if self.is_inherited() {
            return Ok(());
        }
        Ok(epoll::delete(&self.set, fd)?)
    }

    pub(crate) fn wait(
        &self,
        timeout: Option<Duration>,
        buffer: &mut EpollEvents,
    ) -> io::Result<()> {
        self.check()?;
        let events = &mut buffer.events;
        events.clear();
        events.reserve(EVENTS_MAX);
        let waited = match timeout {
            _ if simulation::is_simulated() => self.wait_simulated(timeout, events),
            Some(timeout) if !is_coarse(timeout) => self.wait_exactly(timeout, events),
            _ => self.wait_coarsely(timeout, events),
        };
        match waited {
            Ok(()) | Err(Errno::INTR) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    fn wait_exactly(&self, timeout: Duration, events: &mut Vec<epoll::Event>) -> Result<(), Errno> {
        if self.exact.wait(self.set.as_fd(), timeout, events)?.is_some() {
            return Ok(());
        }
        let mut set = [PollFd::new(&self.set, PollFlags::IN)];
        match poll(&mut set, Timespec::try_from(timeout).ok().as_ref())? {
            0 => Ok(()),
            _ => self.wait_coarsely(Some(Duration::ZERO), events),
        }
    }

    /// The wait in a simulation, which decides when the thread continues and at which time.
    fn wait_simulated(
        &self,
        timeout: Option<Duration>,
        events: &mut Vec<epoll::Event>,
    ) -> Result<(), Errno> {
        if timeout != Some(Duration::ZERO) {
            // Returns at once if there are events.
            simulation::wait_readable(self.set.as_raw_fd(), timeout);
        }
        self.wait_coarsely(Some(Duration::ZERO), events)
    }

    /// For a timeout with [`is_coarse`], or no timeout.
    fn wait_coarsely(
        &self,
        timeout: Option<Duration>,
        events: &mut Vec<epoll::Event>,
    ) -> Result<(), Errno> {
        // A timeout that the kernel cannot represent counts as no timeout.
        let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        epoll::wait(&self.set, spare_capacity(events), timeout.as_ref())?;
        Ok(())
    }

    pub(crate) fn ring(&self) {
        if self.is_inherited() {
            return;
        }
        // The write fails only if the counter is full, and then a notification is pending.
        let _ = rustix::io::write(&self.notifier, &1_u64.to_ne_bytes());
    }
}

impl EpollEvents {
    pub(crate) fn len(&self) -> usize {
        self.events.len()
    }

    pub(crate) fn drain(&mut self, mut each: impl FnMut(PollEvent)) -> bool {
        let mut is_notified = false;
        for event in self.events.drain(..) {
            let data = event.data;
            match SourceKey::from_number(data.u64() as usize) {
                SourceKey::NOTIFY => is_notified = true,
                key => each(PollEvent { key, flags: flags(event.flags) }),
            }
        }
        is_notified
    }
}

/// Whether `epoll_wait` can represent a timeout: 31 bits of whole milliseconds, 24.8 days.
fn is_coarse(timeout: Duration) -> bool {
    const MAX: Duration = Duration::from_millis(i32::MAX as u64);
    timeout <= MAX && timeout.subsec_nanos().is_multiple_of(1_000_000)
}

/// Converts the bits of epoll to flags.
///
/// HUP (both sides are closed, or a process has ended) and ERR concern both directions. ERR alone
/// wakes both, because the operation returns the error. RDHUP is the peer's half-close, after which
/// writes still work. Pipes report HUP without RDHUP, and sockets may report RDHUP without IN.
#[inline]
fn flags(bits: EventFlags) -> Flags {
    // A connection reports these bits with every message.
    if bits == EventFlags::IN.union(EventFlags::OUT) {
        return Flags::READABLE.with(Flags::WRITABLE);
    }
    rare_flags(bits)
}

fn rare_flags(bits: EventFlags) -> Flags {
    let read =
        EventFlags::IN | EventFlags::PRI | EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR;
    let write = EventFlags::OUT | EventFlags::HUP | EventFlags::ERR;
    let read_closed = EventFlags::RDHUP | EventFlags::HUP;
    Flags::when(bits.intersects(read), Flags::READABLE)
        .with(Flags::when(bits.intersects(write), Flags::WRITABLE))
        .with(Flags::when(bits.intersects(read_closed), Flags::READ_CLOSED))
        .with(Flags::when(bits.contains(EventFlags::HUP), Flags::WRITE_CLOSED))
        .with(Flags::when(bits.contains(EventFlags::ERR), Flags::ERROR))
        .with(Flags::when(bits.contains(EventFlags::PRI), Flags::PRIORITY))
}
