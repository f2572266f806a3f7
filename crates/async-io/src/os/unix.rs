//! Items that exist on Unix only.
//!
//! # Examples
//!
//! ```
//! assert!(async_io::os::unix::reactor_fd().is_none());
//! ```

use std::os::fd::BorrowedFd;

/// Returns `None`: no single descriptor represents reveille's driver, because each thread that runs
/// tasks has an event queue of its own.
///
/// async-io returns its epoll or kqueue descriptor here, for event loops that want to turn its
/// reactor. reveille does not need that: its own threads turn the queues that no thread of the
/// program turns.
///
/// # Examples
///
/// ```
/// assert!(async_io::os::unix::reactor_fd().is_none());
/// ```
pub fn reactor_fd() -> Option<BorrowedFd<'static>> {
    None
}
