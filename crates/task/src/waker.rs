//! The waker of a task: a counted pointer to its header.
//!
//! A wake is one call through std's vtable, one read-modify-write, and, if the task was idle, one
//! call through the cell's vtable. Waking by value passes the waker's own reference to the
//! `Runnable`, so the count does not change.

use std::mem::ManuallyDrop;
use std::ptr::NonNull;
use std::task::{RawWaker, RawWakerVTable, Waker};

use crate::raw::Raw;

/// One static for all tasks: its address distinguishes the wakers of this crate from others.
static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, drop_waker);

/// Makes a waker from a counted reference.
///
/// # Safety
///
/// * `task` points to the header of a live cell, and the caller passes on one reference to it.
#[inline]
pub(crate) unsafe fn from_counted(task: NonNull<()>) -> Waker {
    // SAFETY: the functions of `VTABLE` keep the contract of `RawWaker`: each waker is one
    // reference (invariant 1), and headers may be used from any thread.
    unsafe { Waker::new(task.as_ptr(), &VTABLE) }
}

/// Makes a waker that the caller must not drop.
///
/// # Safety
///
/// * `task` points to the header of a cell that stays alive while the waker is used.
#[inline]
pub(crate) unsafe fn lend(task: NonNull<()>) -> ManuallyDrop<Waker> {
    // SAFETY: the waker is never dropped, so it releases no reference, and its clones count their
    // own. The caller keeps the cell alive while it is used.
    ManuallyDrop::new(unsafe { from_counted(task) })
}

/// The task that `waker` wakes, if it is a waker of this crate.
#[inline]
pub(crate) fn task_of(waker: &Waker) -> Option<NonNull<()>> {
    if !std::ptr::eq(waker.vtable(), &VTABLE) {
        return None;
    }
    NonNull::new(waker.data().cast_mut())
}

/// Returns whether `waker` is the waker of a task. If it is, cloning it runs no user code.
#[inline]
#[must_use]
pub fn is_task_waker(waker: &Waker) -> bool {
    task_of(waker).is_some()
}

/// Returns `Some(true)` if `waker` wakes a task that is not complete, `Some(false)` if that task is
/// complete, and `None` if it is not the waker of a task.
#[must_use]
pub fn is_live(waker: &Waker) -> Option<bool> {
    let task = task_of(waker)?;
    // SAFETY: the waker holds a reference to the cell of this header (invariant 1), and keeps it
    // for as long as it is borrowed.
    let raw = unsafe { Raw::from_erased(task) };
    Some(raw.header().state.outcome().is_none())
}

/// The cell a waker points to.
///
/// # Safety
///
/// * `data` is the data pointer of a waker made by `from_counted`.
#[inline(always)]
unsafe fn raw(data: *const ()) -> Raw {
    // SAFETY: `from_counted` takes a `NonNull`.
    let task = unsafe { NonNull::new_unchecked(data.cast_mut()) };
    // SAFETY: the waker owns a reference, so the cell is alive (invariant 1).
    unsafe { Raw::from_erased(task) }
}

/// # Safety
///
/// * As for [`raw`]; the caller borrows the waker.
unsafe fn clone(data: *const ()) -> RawWaker {
    // SAFETY: std calls this with the data of a waker of this vtable, which `from_counted` made.
    unsafe { raw(data) }.header().state.retain();
    RawWaker::new(data, &VTABLE)
}

/// # Safety
///
/// * As for [`raw`]; the caller consumes the waker.
unsafe fn wake(data: *const ()) {
    // SAFETY: std calls this with the data of a waker of this vtable, which `from_counted` made.
    let raw = unsafe { raw(data) };
    // SAFETY: std consumes the waker, so its reference is ours to give.
    unsafe { raw.wake_consuming() };
}

/// # Safety
///
/// * As for [`raw`]; the caller borrows the waker.
unsafe fn wake_by_ref(data: *const ()) {
    // SAFETY: std calls this with the data of a waker of this vtable, which `from_counted` made.
    unsafe { raw(data) }.wake();
}

/// # Safety
///
/// * As for [`raw`]; the caller consumes the waker.
unsafe fn drop_waker(data: *const ()) {
    // SAFETY: std calls this with the data of a waker of this vtable, which `from_counted` made.
    let raw = unsafe { raw(data) };
    // SAFETY: std consumes the waker, so its reference is ours to give.
    unsafe { raw.drop_waker() };
}
