//! The watchdog's timer in the models: it only stores whether it is set.

use std::time::Duration;

use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, Ordering};

use crate::watchdog::WatchdogTimer;

/// Whether the watchdog's thread will be woken.
#[derive(Clone)]
pub(crate) struct Timer(Arc<AtomicBool>);

impl Timer {
    pub(crate) fn new() -> Timer {
        Timer(Arc::new(AtomicBool::new(false)))
    }

    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn ring(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}

impl WatchdogTimer for Timer {
    fn set(&self, _: Duration) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn clear(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    fn is_cheap(&self) -> bool {
        true
    }
}
