//! The event queues of the operating system, below the driver.
//!
//! `epoll` (Linux) and `portable` (elsewhere) are the two event queues. `exact` is a wait that
//! newer kernels offer. On Windows `fine_timer` ends waits on time, and `wait_flag` makes a wait
//! see changes that come while it begins. `batch` receives for many sources in one call, through
//! `uring`. `slots` maps the keys of events (`event`, `key`) to sources, and `turn_owner` records
//! which threads turn a driver.

pub(crate) mod batch;
#[cfg(target_os = "linux")]
mod epoll;
pub(crate) mod event;
#[cfg(target_os = "linux")]
mod exact;
#[cfg(windows)]
mod fine_timer;
pub(crate) mod key;
#[cfg(any(not(target_os = "linux"), feature = "portable"))]
mod portable;
pub(crate) mod slots;
pub(crate) mod turn_owner;
#[cfg(all(
    target_os = "linux",
    any(
        target_arch = "x86_64",
        target_arch = "x86",
        target_arch = "aarch64",
        target_arch = "riscv64"
    )
))]
mod uring;
#[cfg(any(windows, reveille_loom))]
pub(crate) mod wait_flag;

use std::io;
use std::time::Duration;

use reveille_primitive::sys::Alarm;

use crate::Kind;
use crate::fd::Fd;
use crate::poll::event::{Interest, PollEvent};
use crate::poll::key::SourceKey;

/// The system's event queue.
#[derive(Debug)]
pub(crate) enum Poller {
    #[cfg(target_os = "linux")]
    Epoll(epoll::Epoll),
    #[cfg(any(not(target_os = "linux"), feature = "portable"))]
    Portable(portable::Portable),
}

/// The buffer for the events of a wait.
#[derive(Default)]
pub(crate) struct EventBuffer {
    #[cfg(target_os = "linux")]
    epoll: epoll::EpollEvents,
    #[cfg(any(not(target_os = "linux"), feature = "portable"))]
    portable: portable::PortableEvents,
}

impl Poller {
    pub(crate) fn new(kind: Kind) -> io::Result<Poller> {
        match kind {
            #[cfg(target_os = "linux")]
            Kind::Native | Kind::Batched => Ok(Poller::Epoll(epoll::Epoll::new()?)),
            #[cfg(not(target_os = "linux"))]
            Kind::Native | Kind::Batched => Ok(Poller::Portable(portable::Portable::new(true)?)),
            #[cfg(any(not(target_os = "linux"), feature = "portable"))]
            Kind::Portable => Ok(Poller::Portable(portable::Portable::new(true)?)),
            #[cfg(any(not(target_os = "linux"), feature = "portable"))]
            Kind::PortableOneshot => Ok(Poller::Portable(portable::Portable::new(false)?)),
        }
    }

    /// Returns whether events are edge-triggered, so that no source needs to be armed again.
    pub(crate) fn has_edges(&self) -> bool {
        match self {
            #[cfg(target_os = "linux")]
            Poller::Epoll(_) => true,
            #[cfg(any(not(target_os = "linux"), feature = "portable"))]
            Poller::Portable(portable) => portable.has_edges(),
        }
    }

    /// Returns whether the peer's close is always reported, so that a short read means an empty
    /// queue.
    pub(crate) fn reports_close(&self) -> bool {
        match self {
            #[cfg(target_os = "linux")]
            Poller::Epoll(_) => true,
            #[cfg(any(not(target_os = "linux"), feature = "portable"))]
            Poller::Portable(_) => false,
        }
    }

    /// Returns whether the queue belongs to a parent of this process.
    pub(crate) fn is_inherited(&self) -> bool {
        match self {
            #[cfg(target_os = "linux")]
            Poller::Epoll(epoll) => epoll.is_inherited(),
            #[cfg(any(not(target_os = "linux"), feature = "portable"))]
            Poller::Portable(_) => false,
        }
    }

    pub(crate) fn add(&self, fd: Fd<'_>, key: SourceKey) -> io::Result<()> {
        match self {
            #[cfg(target_os = "linux")]
            Poller::Epoll(epoll) => epoll.add(fd, key),
            #[cfg(any(not(target_os = "linux"), feature = "portable"))]
            Poller::Portable(portable) => portable.add(fd, key),
        }
    }

    /// Makes each wait end while `alarm` rings, which counts as a notification.
    pub(crate) fn observe(&self, alarm: &Alarm) -> io::Result<()> {
        match self {
            #[cfg(target_os = "linux")]
            Poller::Epoll(epoll) => epoll.observe(alarm),
            #[cfg(any(not(target_os = "linux"), feature = "portable"))]
            Poller::Portable(_) => {
                let _ = alarm;
                Err(io::ErrorKind::Unsupported.into())
            }
        }
    }

    pub(crate) fn ignore(&self, alarm: &Alarm) {
        match self {
            #[cfg(target_os = "linux")]
            Poller::Epoll(epoll) => epoll.ignore(alarm),
            #[cfg(any(not(target_os = "linux"), feature = "portable"))]
            Poller::Portable(_) => _ = alarm,
        }
    }

    /// Changes the key and the interest of the entry of `fd`.
    pub(crate) fn modify(&self, fd: Fd<'_>, key: SourceKey, interest: Interest) -> io::Result<()> {
        match self {
            #[cfg(target_os = "linux")]
            Poller::Epoll(epoll) => epoll.modify(fd, key, interest),
            #[cfg(any(not(target_os = "linux"), feature = "portable"))]
            Poller::Portable(portable) => portable.modify(fd, key, interest),
        }
    }

    pub(crate) fn delete(&self, fd: Fd<'_>) -> io::Result<()> {
        match self {
            #[cfg(target_os = "linux")]
            Poller::Epoll(epoll) => epoll.delete(fd),
            #[cfg(any(not(target_os = "linux"), feature = "portable"))]
            Poller::Portable(portable) => portable.delete(fd),
        }
    }

    /// Waits and fills `buffer`. After an interruption the buffer is empty.
    pub(crate) fn wait(
        &self,
        timeout: Option<Duration>,
        buffer: &mut EventBuffer,
    ) -> io::Result<()> {
        match self {
            #[cfg(target_os = "linux")]
            Poller::Epoll(epoll) => epoll.wait(timeout, &mut buffer.epoll),
            #[cfg(any(not(target_os = "linux"), feature = "portable"))]
            Poller::Portable(portable) => portable.wait(timeout, &mut buffer.portable),
        }
    }

    /// The number of events of the last wait, including the event of a notification.
    pub(crate) fn event_count(&self, buffer: &EventBuffer) -> usize {
        match self {
            #[cfg(target_os = "linux")]
            Poller::Epoll(_) => buffer.epoll.len(),
            #[cfg(any(not(target_os = "linux"), feature = "portable"))]
            Poller::Portable(_) => buffer.portable.len(),
        }
    }

    /// Passes each event of the last wait to `each`. Returns whether there was a notification.
    pub(crate) fn drain(&self, buffer: &mut EventBuffer, each: impl FnMut(PollEvent)) -> bool {
        match self {
            #[cfg(target_os = "linux")]
            Poller::Epoll(_) => buffer.epoll.drain(each),
            #[cfg(any(not(target_os = "linux"), feature = "portable"))]
            Poller::Portable(_) => buffer.portable.drain(each),
        }
    }

    /// Ends the wait in progress, or otherwise the next one.
    pub(crate) fn ring(&self) {
        match self {
            #[cfg(target_os = "linux")]
            Poller::Epoll(epoll) => epoll.ring(),
            #[cfg(any(not(target_os = "linux"), feature = "portable"))]
            Poller::Portable(portable) => portable.ring(),
        }
    }
}
