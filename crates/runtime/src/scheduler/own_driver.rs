//! Drivers of threads in `block_on`: how many there may be.
//!
//! Each takes two descriptors, for as long as its thread lives. A program with many such threads
//! and a low limit of descriptors would have none left for its sockets. So there are few beside
//! the limit; a thread beyond that, or one that the system refuses a driver, uses the host's
//! (`host.rs`), which costs its wakes a hop between threads and nothing else.

use std::sync::Arc;

use reveille_driver::{Driver, Kind};
use reveille_primitive::atomic::{AtomicU64, Ordering};
use reveille_primitive::sys::raise_fd_limit;

/// One driver for so many descriptors that the process may have: two of 64.
const DESCRIPTORS_PER_DRIVER: u64 = 64;

/// The drivers of threads in `block_on`.
static COUNT: AtomicU64 = AtomicU64::new(0);

/// A driver that counts, until it is dropped.
#[derive(Debug)]
pub(crate) struct OwnDriver(Arc<Driver>);

impl OwnDriver {
    /// Makes a driver. `None` if there are enough, or the system refuses.
    pub(crate) fn new() -> Option<OwnDriver> {
        // Asks for nothing, and so only reads the limit.
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
