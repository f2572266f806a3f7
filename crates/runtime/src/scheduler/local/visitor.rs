//! The visitors of dumps, and the places that executors keep for them; see `visit.rs`.

use std::panic::Location;
use std::ptr;

use reveille_primitive::atomic::{AtomicPtr, Ordering};
use reveille_task::{Observer, TaskData, TaskRef};

use crate::waits::TaskState;

/// Sees what a thread polls. Called on that thread; calls the given `poll` once, with the observer
/// of the probe.
pub(crate) trait LocalVisitor: Send + Sync {
    /// A local task that waits.
    fn waiting(&self, task: TaskRef<'_>, poll: &mut dyn FnMut(&dyn Observer) -> TaskState);

    /// A local task that is queued.
    fn queued(&self, task: TaskRef<'_>);

    /// The future of the innermost `block_on`.
    fn block_on(&self, data: &TaskData, poll: &mut dyn FnMut(&dyn Observer) -> TaskState);

    /// Whether the dump has given up on this thread.
    fn is_given_up(&self) -> bool;
}

/// A place in a source file, or nothing.
#[derive(Debug, Default)]
pub(super) struct PlaceCell(AtomicPtr<Location<'static>>);

impl PlaceCell {
    pub(super) fn get(&self) -> Option<&'static Location<'static>> {
        // SAFETY: null, or the address of a `Location` that lives forever and never changes: only
        // `set` stores here.
        unsafe { self.0.load(Ordering::Relaxed).as_ref() }
    }

    /// For the thread whose place it is.
    #[inline]
    pub(super) fn set(&self, place: Option<&'static Location<'static>>) {
        let place: *const _ = place.map_or(ptr::null(), ptr::from_ref);
        self.0.store(place.cast_mut(), Ordering::Relaxed);
    }
}
