//! The type-erased pointer to a cell, and the operations that all kinds of reference share.

use std::ptr::NonNull;
use std::task::Waker;

use crate::cause::{Cause, Loss};
use crate::header::Header;
use crate::record;
use crate::run::Runnable;
use crate::state::{Release, Wake};
use crate::task_ref::{Kept, TaskRef};
use crate::unwind::Payload;
use crate::waker;

/// A pointer to the header of a live cell. It is not counted; the types of references built on it
/// are.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub(crate) struct Raw(NonNull<Header>);

impl Raw {
    /// The inverse of [`erased`](Raw::erased).
    ///
    /// # Safety
    ///
    /// * `task` came from [`erased`](Raw::erased) or is the address of a cell, which stays alive
    ///   while the result or a copy of it is used.
    #[inline(always)]
    pub(crate) unsafe fn from_erased(task: NonNull<()>) -> Raw {
        Raw(task.cast())
    }

    #[inline(always)]
    pub(crate) fn erased(self) -> NonNull<()> {
        self.0.cast()
    }

    /// The header.
    #[inline(always)]
    pub(crate) fn header<'a>(self) -> &'a Header {
        // SAFETY: a `Raw` points to a live cell and is not used after the cell is freed (contract
        // of `from_erased`). Headers are never borrowed mutably.
        unsafe { self.0.as_ref() }
    }

    #[inline]
    pub(crate) fn as_task<'a>(self) -> TaskRef<'a> {
        TaskRef::new(self)
    }

    /// A waker with a reference of its own.
    pub(crate) fn waker(self) -> Waker {
        self.header().state.retain();
        // SAFETY: the cell is alive, and the waker gets the reference that was just taken.
        unsafe { waker::from_counted(self.erased()) }
    }

    /// Wakes the task. The caller keeps its reference.
    #[inline]
    pub(crate) fn wake(self) {
        let action = self.header().state.wake();
        self.submit(action, Cause::Wake);
    }

    /// Wakes the task and consumes a reference.
    ///
    /// # Safety
    ///
    /// * The caller passes on one reference.
    #[inline]
    pub(crate) unsafe fn wake_consuming(self) {
        let action = self.header().state.wake_consuming();
        self.submit(action, Cause::Wake);
    }

    /// Requests cancellation.
    #[inline(never)]
    pub(crate) fn cancel(self) {
        let action = self.header().state.cancel();
        self.submit(action, Cause::Cancel);
    }

    /// Does what a rule that woke or cancelled the task asks for, and records it.
    ///
    /// Each case checks by itself whether it is recorded. With one check before the `match`, the
    /// rule would have to return its result as a value instead of jumping to its case. The function
    /// that records a case also does the rest of it, so the cases that are not recorded save no
    /// registers.
    #[inline]
    fn submit(self, action: Wake, cause: Cause) {
        match action {
            Wake::Nothing if !record::records_wakes() => {}
            // SAFETY: the rule set ACTIVE and counted a reference for the `Runnable`.
            Wake::Submit if !record::records_wakes() => unsafe { self.schedule(cause) },
            // SAFETY: the rule gave up the last reference.
            Wake::Free if !record::records_wakes() => unsafe { self.free() },
            recorded => self.submit_recorded(recorded, cause),
        }
    }

    #[cold]
    #[inline(never)]
    fn submit_recorded(self, action: Wake, cause: Cause) {
        record::woken(self.erased().addr().get(), &action, cause);
        match action {
            Wake::Nothing => {}
            // SAFETY: the rule set ACTIVE and counted a reference for the `Runnable`.
            Wake::Submit => unsafe { self.schedule(cause) },
            // SAFETY: the rule gave up the last reference.
            Wake::Free => unsafe { self.free() },
        }
    }

    /// Releases a reference.
    ///
    /// # Safety
    ///
    /// * The reference is the caller's.
    #[inline]
    pub(crate) unsafe fn release(self) {
        let action = self.header().state.release();
        // SAFETY: the rule has just released the caller's reference.
        unsafe { self.after_release(action) };
    }

    /// Releases the reference of a waker, and reports to the executor if it was the last one of an
    /// idle task.
    ///
    /// # Safety
    ///
    /// * The reference is the caller's.
    #[inline]
    pub(crate) unsafe fn drop_waker(self) {
        let action = self.header().state.drop_waker();
        // SAFETY: the rule has released the caller's reference, or left it with this function.
        unsafe { self.after_release(action) };
    }

    /// Does what a rule that released a reference asks for.
    ///
    /// # Safety
    ///
    /// * The rule has just returned `action`. If that is `LastWaker`, the reference is the
    ///   caller's.
    #[inline]
    unsafe fn after_release(self, action: Release) {
        match action {
            Release::Nothing => {}
            // SAFETY: the rule left the reference with the caller.
            Release::LastWaker => unsafe { self.lose_slow(Loss::LastWaker) },
            // SAFETY: the rule turned the last reference into that of the `Runnable`.
            Release::Orphan => unsafe { self.schedule(Cause::Orphan) },
            // SAFETY: the rule gave up the last reference.
            Release::Free => unsafe { self.free() },
        }
    }

    /// Tells the executor that nothing can wake the idle task any more, and releases a reference.
    ///
    /// # Safety
    ///
    /// * The reference is the caller's.
    #[cold]
    pub(crate) unsafe fn lose_slow(self, loss: Loss) {
        let task = self.as_task();
        // Without the executor's reference the count does not show this.
        if task.owned_slot() != Kept::NO_SLOT {
            // SAFETY: the vtable is of this cell (invariant 6).
            unsafe { (self.header().vtable.lost)(self, loss) };
        }
        // SAFETY: the reference is the caller's.
        unsafe { self.release() };
    }

    /// Releases references after completion.
    ///
    /// # Safety
    ///
    /// * The task is complete and `count` references are the caller's.
    #[inline]
    pub(crate) unsafe fn release_completed(self, count: usize) {
        if self.header().state.release_completed(count) {
            // SAFETY: the last reference was released after completion.
            unsafe { self.free() };
        }
    }

    /// Makes the `Runnable` and passes it to the executor.
    ///
    /// # Safety
    ///
    /// * A rule returned `Submit` or `Orphan`, and the caller passes on the reference that the rule
    ///   counted for the `Runnable`.
    #[inline]
    pub(crate) unsafe fn schedule(self, cause: Cause) {
        if cause == Cause::Orphan && record::is_recording() {
            record::orphaned(self.erased().addr().get());
        }
        // SAFETY: a rule has just set ACTIVE, so this is the one `Runnable` (invariant 2).
        let task = unsafe { Runnable::new(self) };
        // SAFETY: the vtable is that of this cell (invariant 6).
        unsafe { (self.header().vtable.schedule)(self, task, cause) };
    }

    /// Takes the payload of the panic that ended the future.
    ///
    /// # Safety
    ///
    /// * The payload is the caller's (invariant 3).
    pub(crate) unsafe fn take_payload(self) -> Option<Payload> {
        let extras = self.header().attachments.extras()?;
        // SAFETY: the payload is the caller's (invariant 3).
        unsafe { extras.replace_payload(None) }
    }

    /// Frees the cell.
    ///
    /// # Safety
    ///
    /// * A rule returned `Free`: the last reference is gone and the task is complete (invariant 1).
    #[inline]
    unsafe fn free(self) {
        // SAFETY: the vtable is that of this cell (invariant 6). The last reference is gone, and
        // the task is complete, so its stage is empty (invariant 1).
        unsafe { (self.header().vtable.free)(self) };
    }
}
