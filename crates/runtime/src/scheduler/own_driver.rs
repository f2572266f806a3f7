//! Limits how many threads in `block_on` have a driver of their own.
//!
//! Each driver takes two descriptors for as long as its thread lives. In a program with many such
//! threads and a low limit on descriptors, no descriptor would be left for sockets. So only a share
//! of the limit goes to these drivers. Further threads use the driver of the host (`host.rs`), and
//! so do those that the system refuses a driver. For these threads a wake comes from another
//! thread; nothing else changes.

use std::sync::Arc;

use reveille_driver::{Driver, Kind};
use reveille_primitive::atomic::{AtomicU64, Ordering};
use reveille_primitive::sys::raise_fd_limit;

/// One driver, which takes two descriptors, is allowed for each 64 descriptors that the process may
/// have.
const DESCRIPTORS_PER_DRIVER: u64 = 64;

/// The drivers of threads in `block_on`.
static COUNT: AtomicU64 = AtomicU64::new(0);

/// A driver that [`COUNT`] counts until it is dropped.
#[derive(Debug)]
pub(crate) struct OwnDriver(Arc<Driver>);

impl OwnDriver {
    /// Makes a driver. `None` if there are enough, or the system refuses.
    pub(crate) fn new() -> Option<OwnDriver> {
        // Raising the limit to at least 0 only reads it.
        let limit = raise_fd_limit(0).map_or(u64::MAX, |limit| limit.soft);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let has_room = count < (limit / DESCRIPTORS_PER_DRIVER).max(1);
        let driver = has_room.then(|| Driver::new(Kind::Native).ok()).flatten();
        let Some(driver) = driver else {
            COUNT.fetch_sub(1, Ordering::Relaxed);
            return None;
        };
        Some(OwnDriver(Arc::new(driver)))
    }

    pub(crate) fn driver(&self) -> &Arc<Driver> {
        &self.0
    }
}

impl Drop for OwnDriver {
    fn drop(&mut self) {
        COUNT.fetch_sub(1, Ordering::Relaxed);
    }
}
