//! What exists on Unix only.
//!
//! # Examples
//!
//! ```
//! assert!(async_io::os::unix::reactor_fd().is_none());
//! ```

use std::os::fd::BorrowedFd;

/// Returns `None`: there is no one descriptor that stands for reveille's driver, because each
/// thread that runs tasks has an event queue of its own.
///
/// async-io returns its epoll or kqueue descriptor here, for event loops that want to turn its
/// reactor. reveille needs nobody to turn it: its own threads wait for what no thread of the
/// program waits for.
///
/// # Examples
///
/// ```
/// assert!(async_io::os::unix::reactor_fd().is_none());
/// ```
pub fn reactor_fd() -> Option<BorrowedFd<'static>> {
    None
}
