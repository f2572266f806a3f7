//! What a wait reports and what is armed for it, independent of the system.

use crate::poll::key::SourceKey;
use crate::source::Flags;

/// Maximum number of events per wait. The remaining events stay in the kernel at no cost. With 64
/// events, the sources that the wait touched are still in the cache when the last one is handled;
/// with 1024 they were fetched twice (docs/performance.md).
pub(crate) const EVENTS_MAX: usize = 64;

/// Which directions to arm. Only a poller without edge-triggered events uses it.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(
    all(target_os = "linux", not(feature = "portable")),
    expect(dead_code, reason = "epoll has edges and is armed for both")
)]
pub(crate) struct Interest {
    pub(crate) is_read: bool,
    pub(crate) is_write: bool,
}

impl Interest {
    pub(crate) const BOTH: Interest = Interest { is_read: true, is_write: true };
    #[cfg(any(not(target_os = "linux"), feature = "portable"))]
    pub(crate) const NONE: Interest = Interest { is_read: false, is_write: false };
}

/// One event, independent of the system.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PollEvent {
    pub(crate) key: SourceKey,
    pub(crate) flags: Flags,
}
