//! A `block_on` in progress on a thread.

use std::panic::Location;

use reveille_primitive::atomic::Ordering;

use super::LocalExecutor;

impl LocalExecutor {
    /// Sets the address that stands for the innermost `block_on` of this thread in recordings.
    /// Returns the former one.
    pub(crate) fn set_recorded(&self, addr: usize) -> usize {
        let former = self.handle.polled.load(Ordering::Relaxed);
        self.handle.polled.store(addr, Ordering::Relaxed);
        former
    }

    /// Begins a `block_on` that was called at `place`. It lasts until the guard is dropped.
    #[inline]
    pub(crate) fn begin_block_on(
        &self,
        place: Option<&'static Location<'static>>,
    ) -> BlockOnGuard<'_> {
        BlockOnGuard::new(self, place)
    }
}

/// A `block_on` in progress; see [`LocalExecutor::begin_block_on`].
#[must_use]
pub(crate) struct BlockOnGuard<'a> {
    executor: &'a LocalExecutor,
    /// Where the `block_on` around it was called, if there is one.
    outer: Option<&'static Location<'static>>,
}

impl<'a> BlockOnGuard<'a> {
    #[inline]
    fn new(
        executor: &'a LocalExecutor,
        place: Option<&'static Location<'static>>,
    ) -> BlockOnGuard<'a> {
        let handle = &*executor.handle;
        let depth = handle.depth.load(Ordering::Relaxed);
        let mut outer = None;
        if depth > 0 {
            outer = handle.place.get();
        } else if let Some(driver) = executor.own_driver() {
            driver.set_driven_here();
            executor.begin_watch();
        }
        handle.place.set(place);
        // Release: a dump that sees the depth sees the place.
        handle.depth.store(depth + 1, Ordering::Release);
        BlockOnGuard { executor, outer }
    }

    /// The end of a `block_on` inside another one.
    #[cold]
    fn return_to_outer(&self) {
        self.executor.handle.place.set(self.outer);
        // The outer future may have been woken while the inner one took the flag.
        self.executor.handle.signal_main();
    }
}

impl Drop for BlockOnGuard<'_> {
    #[inline]
    fn drop(&mut self) {
        let handle = &*self.executor.handle;
        let depth = handle.depth.load(Ordering::Relaxed) - 1;
        handle.depth.store(depth, Ordering::Relaxed);
        if depth > 0 {
            self.return_to_outer();
        } else if self.executor.has_to_leave.get() {
            self.executor.leave();
        }
    }
}
