//! The readiness events of the operating system: which sockets and pipes are ready.
//!
//! ```text
//!   runtime: collect, notify, wake_all     runtime: Io::poll_io, poll_recv_with, ready
//!        │                                      │
//!        ▼                                      ▼
//!   Driver (driver.rs)                     Source, IoOp (source/, op.rs)
//!        │   readiness, wakers                  │   one descriptor; calls the driver
//!        │ ───────────────────► SourceCore ◄────┘   only when a call would block
//!        ▼
//!   Poller (poll/: epoll, portable)
//! ```
//!
//! An operation tries its system call first, and uses the driver only when the call would block
//! ([`IoOp`]). A turn of a driver ([`Driver::turn`]) waits for events of the system, stores the
//! readiness of the sources, and wakes their waiters after all locks are released.
//!
//! This crate has no tasks, timers or threads. The kind of driver is chosen at construction
//! ([`Kind`]); no call is dispatched dynamically.
//!
//! Start reading at `source/readiness.rs`, then `source/core.rs`, then `driver.rs`.

#![deny(unsafe_code)]

#[cfg(test)]
use reveille_watchdog as _;

mod driver;
mod events;
mod fault;
mod fd;
mod metrics;
mod notify;
mod op;
mod poll;
mod source;
mod wake;

pub use crate::driver::Driver;
pub use crate::events::{EventCause, Events, Turn};
pub use crate::fault::number as fault_number;
pub use crate::fd::Fd;
pub use crate::metrics::DriverMetrics;
pub use crate::op::IoOp;
pub use crate::source::{Direction, Flags, Ready, Source, WakerOps};

/// Private protocols, for the models in `tests/loom_*.rs`.
#[doc(hidden)]
pub mod model {
    pub use crate::notify::NotifyFlag;
    #[cfg(any(windows, reveille_loom))]
    pub use crate::poll::wait_flag::WaitFlag;
    pub use crate::source::{Arming, PrefetchRequest, Prefetched, SourceCore, WaitSlot, Waited};
}

/// Which interface of the operating system a driver uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Kind {
    /// The best interface of this system: epoll on Linux, and elsewhere the same as `Portable`.
    #[default]
    Native,
    /// Like `Native`, but when several sockets are readable, one io_uring call receives for all
    /// reads that wait in [`Source::poll_recv_fast`]. The same as `Native` where io_uring is
    /// missing or forbidden (Linux before 5.18, a container's filter, other systems).
    Batched,
    /// kqueue, IOCP, event ports or epoll, through the crate `polling`. On Linux it exists only
    /// with the feature `portable`, for tests.
    #[cfg(any(not(target_os = "linux"), feature = "portable"))]
    Portable,
    /// Like `Portable`, but armed again for each wait, as is necessary on systems without
    /// edge-triggered events.
    #[cfg(any(not(target_os = "linux"), feature = "portable"))]
    PortableOneshot,
}
