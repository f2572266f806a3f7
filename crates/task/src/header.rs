//! The type-erased front of a cell, and the table of the functions that depend on its types.

use std::ptr::NonNull;
use std::task::{Context, Waker};

use reveille_primitive::atomic::AtomicU32;

use crate::attachments::Attachments;
use crate::cause::{Cause, Loss};
use crate::location::CompactLocation;
use crate::raw::Raw;
use crate::run::Runnable;
use crate::state::State;
use crate::task_ref::Kept;
use crate::unwind::Payload;

/// The type-erased front of a cell.
#[repr(C)]
pub(crate) struct Header {
    pub(crate) state: State,
    pub(crate) vtable: &'static VTable,
    pub(crate) attachments: Attachments,
    pub(crate) location: CompactLocation,
    /// The task's slot in the executor's registry.
    pub(crate) owned_slot: AtomicU32,
}

#[cfg(all(not(reveille_loom), target_pointer_width = "64"))]
const _: () = assert!(size_of::<Header>() == 32);

/// How a poll ended.
pub(crate) enum Polled {
    Pending,
    /// The stage holds the output.
    Ready,
    /// The stage holds nothing.
    Panicked(Payload),
}

/// The functions that depend on the types of a cell.
///
/// # Safety
///
/// * The caller of each function passes a pointer to the header of a live cell with this vtable
///   (invariant 6). Further obligations are stated at the functions.
pub(crate) struct VTable {
    /// Polls. On `Ready` the output replaces the future. The stage is the caller's (invariant 2).
    pub(crate) poll: unsafe fn(Raw, &mut Context<'_>) -> Polled,
    /// Drops the future, and returns the payload if the drop panics. The stage is the caller's
    /// (invariant 2) and is never used again.
    pub(crate) drop_future: unsafe fn(Raw) -> Option<Payload>,
    /// Drops the output, and returns the payload if the drop panics. The stage is the caller's
    /// (invariant 3), holds the output, and is never used again.
    pub(crate) drop_output: unsafe fn(Raw) -> Option<Payload>,
    /// Moves the output to the pointer, which is valid for the write. The stage is as for
    /// `drop_output`.
    pub(crate) take_output: unsafe fn(Raw, NonNull<()>),
    /// Passes the `Runnable` to the executor.
    pub(crate) schedule: unsafe fn(Raw, Runnable, Cause),
    /// Wakes the joiner through [`Schedule::wake_joiner`](crate::Schedule::wake_joiner).
    pub(crate) wake_joiner: unsafe fn(Raw, Waker),
    /// Notifies the executor, once, that the task is complete. Returns the reference that the
    /// executor kept.
    pub(crate) completed: unsafe fn(Raw) -> Option<Kept>,
    /// Notifies the executor that the task is awaited with this waker.
    pub(crate) awaited: unsafe fn(Raw, &Waker),
    /// Notifies the executor that nothing can wake the task any more.
    pub(crate) lost: unsafe fn(Raw, Loss),
    /// Reports a panic, before `completed` is called.
    pub(crate) unhandled_panic: unsafe fn(Raw, Payload),
    /// Reports a panic whose join handle was dropped without reading it.
    pub(crate) unread_panic: unsafe fn(Raw, Payload),
    /// Drops the scheduler handle and the header, and frees the cell. The stage is empty.
    pub(crate) free: unsafe fn(Raw),
    pub(crate) type_name: fn() -> &'static str,
    pub(crate) future_size_bytes: usize,
    /// Whether the output has a destructor. Most detached tasks return `()` and skip `drop_output`.
    pub(crate) output_needs_drop: bool,
}
