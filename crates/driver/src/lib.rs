//! The operating system as a source of events: which sockets, pipes and processes are ready.
//!
//! ```text
//!   runtime            turn, notify, wake_all            IoOp: poll_io, poll_read, io, ready
//!                               │                                    │ only when a call would
//!                               block
//!   enum Driver ────────────────┤                              Source (one descriptor)
//!   Shard (poll/reactor)        │   readiness word, waiters  ◄───────┘
//!   Poller (epoll, portable) ───┘
//! ```
//!
//! An operation tries its system call first and touches the driver only when the call would block
//! ([`IoOp`]). A turn of a shard ([`Driver::turn`]) asks the system for events, sets the readiness
//! words of the sources, and wakes who waits once every lock is released.
//!
//! There is no task, no timer and no thread in here. The choice of driver is made at construction
//! ([`Kind`]); behind it nothing is dispatched dynamically.
//!
//! Start reading at `readiness.rs`, then `source.rs`, then `poll/reactor.rs`.

#![deny(unsafe_code)]

#[cfg(test)]
use reveille_watchdog as _;

mod alarm;
mod children;
mod contract;
mod events;
mod fault;
mod fd;
mod limit;
mod metrics;
mod notify;
mod op;
mod poll;
mod sigpipe;
mod slack;
mod source;

use std::io;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

pub use crate::alarm::Alarm;
pub use crate::children::has_children;
pub use crate::events::{Events, Turn};
pub use crate::fault::number as fault_number;
pub use crate::fd::Fd;
pub use crate::limit::{FdLimit, raise_fd_limit};
pub use crate::metrics::Metrics;
pub use crate::op::IoOp;
pub use crate::sigpipe::without_sigpipe;
pub use crate::slack::TimerSlack;
pub use crate::source::{Direction, Flags, Ready, Source, WakerOps};

use crate::contract::Contract;
use crate::poll::reactor::Shard;
use crate::poll::slots::Key;
use crate::source::{Arming, SourceCore};

/// The protocols by themselves, for the models in `tests/loom_*.rs`.
#[doc(hidden)]
pub mod model {
    pub use crate::notify::Notify;
    pub use crate::source::{Arming, PrefetchRequest, Prefetched, SourceCore, WaitSlot, Waited};
}

/// Which interface of the operating system a driver uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Kind {
    /// The best of this system: epoll on Linux, else as `Portable`.
    #[default]
    Native,
    /// As `Native`, and a turn that hears of several messages receives those for which a read of
    /// [`Source::try_recv`] waits in one system call, by io_uring. Where that is missing or
    /// forbidden (Linux before 5.18, a container's filter, other systems) it is `Native`.
    Batched,
    /// kqueue, IOCP, event ports, or epoll through the same face. On Linux it exists with the
    /// feature `portable`, for tests.
    #[cfg(any(not(target_os = "linux"), feature = "portable"))]
    Portable,
    /// As `Portable`, armed anew for each wait, as systems without edges need it.
    #[cfg(any(not(target_os = "linux"), feature = "portable"))]
    PortableOneshot,
}

/// One shard of the event source: an event queue of the operating system, which one thread at a
/// time may turn.
///
/// Dropping it while sources are registered is impossible: they hold it.
#[derive(Debug)]
pub struct Driver {
    engine: Engine,
}

/// What a driver is made of. With a single variant the match below vanishes.
#[derive(Debug)]
enum Engine {
    Reactor(Shard),
}

impl Driver {
    /// Makes a shard. It counts as driven from the start.
    ///
    /// # Errors
    ///
    /// When the system refuses the descriptors it needs (two on Linux).
    pub fn new(kind: Kind) -> io::Result<Driver> {
        Ok(Driver { engine: Engine::Reactor(Shard::new(kind)?) })
    }

    /// Waits for events for `timeout` at most (`None`: without end; zero: only looks), stores
    /// readiness and wakes the waiters. Never returns early without an event, a notification or a
    /// signal.
    ///
    /// Returns [`Turn::Busy`] at once if another thread turns this shard. A signal that interrupts
    /// the wait ends the turn without events: the caller computes the remaining time anyway.
    ///
    /// # Errors
    ///
    /// When the system refuses the wait, which means a fault of this crate or a closed descriptor.
    ///
    /// # Panics
    ///
    /// When a waker panicked; all the other wakers of the turn have been woken before that.
    pub fn turn(&self, timeout: Option<Duration>, events: &mut Events) -> io::Result<Turn> {
        let turn = self.collect(timeout, events)?;
        events.wake();
        Ok(turn)
    }

    /// The first half of [`turn`](Driver::turn): waits and stores readiness. The waiters' wakers
    /// are in `events` afterwards, and the caller has to call [`Events::wake`] next. In between it
    /// can get ready for what a waker may do, such as to block this thread.
    ///
    /// # Errors
    ///
    /// As [`turn`](Driver::turn).
    pub fn collect(&self, timeout: Option<Duration>, events: &mut Events) -> io::Result<Turn> {
        match &self.engine {
            Engine::Reactor(shard) => shard.collect(timeout, events),
        }
    }

    /// Makes the turn in progress, or else the next one, return at once. Never blocks.
    ///
    /// What the caller wrote before is visible to the thread whose turn returns. While a
    /// notification is pending, further ones cost one atomic operation and no system call.
    pub fn notify(&self) {
        match &self.engine {
            Engine::Reactor(shard) => shard.notify(),
        }
    }

    /// Marks the shard as not driven and wakes each waiter of each source registered here, so that
    /// their tasks register elsewhere when they are polled. Returns how many were woken.
    ///
    /// For a thread that leaves `block_on`. No waiter is missed: one that comes later sees the
    /// mark.
    ///
    /// # Panics
    ///
    /// As [`turn`](Driver::turn), when a waker panicked.
    pub fn wake_all(&self) -> usize {
        match &self.engine {
            Engine::Reactor(shard) => shard.wake_all(),
        }
    }

    /// As [`wake_all`](Driver::wake_all), from a thread that cannot run wakers now: moves them to
    /// `into`, for the caller to wake.
    pub fn disarm(&self, into: &mut Vec<Waker>) {
        match &self.engine {
            Engine::Reactor(shard) => shard.disarm(into),
        }
    }

    /// Says whether some thread is going to turn this shard. A shard that is driven again delivers
    /// the events that came in between.
    pub fn set_driven(&self, is_driven: bool) {
        match &self.engine {
            Engine::Reactor(shard) => shard.set_driven(is_driven),
        }
    }

    /// Says that the calling thread is going to turn this shard, and that no other will while it is
    /// busy. A source that is registered here moves to a shard without this restriction as soon as
    /// a thread that has one waits for it.
    pub fn set_driven_here(&self) {
        match &self.engine {
            Engine::Reactor(shard) => shard.set_driven_here(),
        }
    }

    /// Tells whether some thread is going to turn this shard.
    #[must_use]
    pub fn is_driven(&self) -> bool {
        match &self.engine {
            Engine::Reactor(shard) => shard.is_driven(),
        }
    }

    /// Sources registered at the moment.
    #[must_use]
    pub fn sources(&self) -> usize {
        match &self.engine {
            Engine::Reactor(shard) => shard.sources(),
        }
    }

    /// What the shard has done so far.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        match &self.engine {
            Engine::Reactor(shard) => shard.metrics(),
        }
    }

    fn register(&self, fd: Fd<'_>, core: &Arc<SourceCore>) -> io::Result<Key> {
        match &self.engine {
            Engine::Reactor(shard) => shard.register(fd, core),
        }
    }

    fn deregister(&self, fd: Fd<'_>, key: Key) -> io::Result<()> {
        match &self.engine {
            Engine::Reactor(shard) => shard.deregister(fd, key),
        }
    }

    fn forget(&self, key: Key) {
        match &self.engine {
            Engine::Reactor(shard) => shard.forget(key),
        }
    }

    pub(crate) fn is_driven_by_any(&self) -> bool {
        match &self.engine {
            Engine::Reactor(shard) => shard.is_driven_by_any(),
        }
    }

    fn arming(&self) -> Arming {
        match &self.engine {
            Engine::Reactor(shard) => shard.arming(),
        }
    }

    fn rearm(&self, fd: Fd<'_>, key: Key) -> io::Result<()> {
        match &self.engine {
            Engine::Reactor(shard) => shard.rearm(fd, key),
        }
    }
}
