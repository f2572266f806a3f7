//! Other systems: kqueue, IOCP, event ports and poll, through the crate `polling`.
//!
//! Where the system has edge-triggered events, they are used. There is one difference from `epoll`:
//! not every system reports the peer's close, so a short read proves nothing
//! (`Poller::reports_close`).
//!
//! Where the system has no edge-triggered events, a source is armed for each wait, for the
//! directions that have waiters, and any event disarms both directions. An event therefore wakes
//! the waiters of both directions. Waiters whose direction is not ready try their operation, which
//! would block, and arm the direction again.

use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use polling::{Event as PollingEvent, PollMode};

use crate::fd::Fd;
use crate::poll::event::{EVENTS_MAX, Interest, PollEvent};
#[cfg(windows)]
use crate::poll::fine_timer::FineTimer;
use crate::poll::key::SourceKey;
#[cfg(windows)]
use crate::poll::wait_flag::WaitFlag;
use crate::source::Flags;

/// A poller of the `polling` crate, and the mode it is used in. See the module's header.
#[derive(Debug)]
pub(crate) struct Portable {
    poller: Arc<polling::Poller>,
    mode: PollMode,
    /// `None` before Windows 10 1803: waits end with a tick of the system's clock.
    #[cfg(windows)]
    timer: Option<FineTimer>,
    /// Whether a thread waits or is about to.
    #[cfg(windows)]
    wait_flag: WaitFlag,
}

/// The events of a wait.
#[derive(Default)]
pub(crate) struct PortableEvents {
    events: Option<polling::Events>,
}

impl Portable {
    /// Makes a poller. It is edge-triggered if `wants_edges` is set and the system supports that.
    pub(crate) fn new(wants_edges: bool) -> io::Result<Portable> {
        let poller = Arc::new(polling::Poller::new()?);
        let has_edges = wants_edges && poller.supports_edge();
        let mode = if has_edges { PollMode::Edge } else { PollMode::Oneshot };
        Ok(Portable {
            #[cfg(windows)]
            timer: FineTimer::new(&poller).ok(),
            #[cfg(windows)]
            wait_flag: WaitFlag::new(),
            poller,
            mode,
        })
    }

    pub(crate) fn has_edges(&self) -> bool {
        self.mode == PollMode::Edge
    }

    #[allow(unsafe_code, reason = "polling requires its callers to deregister before they close")]
    pub(crate) fn add(&self, fd: Fd<'_>, key: SourceKey) -> io::Result<()> {
        use crate::fd::raw;

        // Without edge-triggered events nothing is armed yet: the waiter, which has been entered
        // already, arms its direction.
        let interest = if self.has_edges() { Interest::BOTH } else { Interest::NONE };
        // SAFETY: the descriptor must be deleted from the poller before it is closed, which is part
        // of the contract of `Source::register` and `Source::op`. The entry of a source that was
        // dropped may stay; its key finds no slot (header of slots.rs).
        unsafe { self.poller.add_with_mode(raw(fd), event(key, interest), self.mode)? };
        self.announce();
        Ok(())
    }

    pub(crate) fn modify(&self, fd: Fd<'_>, key: SourceKey, interest: Interest) -> io::Result<()> {
        self.poller.modify_with_mode(fd, event(key, interest), self.mode)?;
        self.announce();
        Ok(())
    }

    /// Makes a wait in progress see a change, which `polling` may have kept from it.
    #[cfg(windows)]
    fn announce(&self) {
        if self.wait_flag.is_set_after_a_change() {
            self.ring();
        }
    }

    /// Elsewhere each change is a system call.
    #[cfg(not(windows))]
    fn announce(&self) {}

    pub(crate) fn delete(&self, fd: Fd<'_>) -> io::Result<()> {
        self.poller.delete(fd)
    }

    pub(crate) fn wait(
        &self,
        timeout: Option<Duration>,
        buffer: &mut PortableEvents,
    ) -> io::Result<()> {
        let room = NonZeroUsize::new(EVENTS_MAX).expect("the constant is not zero");
        let events = buffer.events.get_or_insert_with(|| polling::Events::with_capacity(room));
        events.clear();
        #[cfg(windows)]
        if let Some(timer) = &self.timer {
            timer.set(timeout);
        }
        // `polling` itself repeats a wait that a signal interrupted.
        #[cfg(windows)]
        let result = self.wait_flag.during(|| self.poller.wait(events, timeout));
        #[cfg(not(windows))]
        let result = self.poller.wait(events, timeout);
        result.map(drop)
    }

    pub(crate) fn ring(&self) {
        // It fails only if the poller is broken, and then each wait fails too.
        let _ = self.poller.notify();
    }
}

impl PortableEvents {
    pub(crate) fn len(&self) -> usize {
        self.events.as_ref().map_or(0, |events| events.iter().count())
    }

    /// `polling` consumes a notification in each wait and does not report it, so each drain counts
    /// as one. No notification is lost: the flag is cleared after the wait and before the caller
    /// searches for work. At worst there is one spurious wake-up.
    pub(crate) fn drain(&mut self, mut each: impl FnMut(PollEvent)) -> bool {
        for event in self.events.iter().flat_map(polling::Events::iter) {
            each(PollEvent { key: SourceKey::from_number(event.key), flags: flags(&event) });
        }
        true
    }
}

fn event(key: SourceKey, interest: Interest) -> PollingEvent {
    let event = PollingEvent::new(key.number(), interest.is_read, interest.is_write);
    if interest.is_read { event.with_priority() } else { event }
}

fn flags(event: &PollingEvent) -> Flags {
    let has_error = event.is_err() == Some(true);
    let is_closed = event.is_interrupt();
    let is_read = event.readable || event.is_priority() || has_error || is_closed;
    let is_write = event.writable || has_error || is_closed;
    Flags::when(is_read, Flags::READABLE)
        .with(Flags::when(is_write, Flags::WRITABLE))
        .with(Flags::when(is_closed, Flags::READ_CLOSED.with(Flags::WRITE_CLOSED)))
        .with(Flags::when(has_error, Flags::ERROR))
        .with(Flags::when(event.is_priority(), Flags::PRIORITY))
}
