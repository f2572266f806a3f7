//! The operating system as a source of events: which sockets and pipes are ready.
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
//! ([`IoOp`]). A turn of a driver ([`Driver::turn`]) asks the system for events, stores the
//! readiness of the sources, and wakes their waiters after all locks are released.
//!
//! This crate has no task, no timer and no thread. The kind of driver is chosen at construction
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

pub use crate::driver::Driver;
pub use crate::events::{Events, Turn};
pub use crate::fault::number as fault_number;
pub use crate::fd::Fd;
pub use crate::metrics::DriverMetrics;
pub use crate::op::IoOp;
pub use crate::source::{Direction, Flags, Ready, Source, WakerOps};

/// The protocols by themselves, for the models in `tests/loom_*.rs`.
#[doc(hidden)]
pub mod model {
    pub use crate::notify::NotifyFlag;
    pub use crate::source::{Arming, PrefetchRequest, Prefetched, SourceCore, WaitSlot, Waited};
}

/// Which interface of the operating system a driver uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Kind {
    /// The best of this system: epoll on Linux, elsewhere as `Portable`.
    #[default]
    Native,
    /// As `Native`. In addition, when several sockets are readable, one io_uring call receives for
    /// all reads that wait in [`Source::poll_recv_fast`]. Where io_uring is missing or forbidden
    /// (Linux before 5.18, a container's filter, other systems) it is `Native`.
    Batched,
    /// kqueue, IOCP, event ports, or epoll through the same library. On Linux it exists with the
    /// feature `portable`, for tests.
    #[cfg(any(not(target_os = "linux"), feature = "portable"))]
    Portable,
    /// As `Portable`, armed again for each wait, as systems without edge-triggered events need it.
    #[cfg(any(not(target_os = "linux"), feature = "portable"))]
    PortableOneshot,
}
