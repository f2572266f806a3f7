//! Running a task: poll, cancel, complete.

use std::fmt;
use std::mem;
use std::ptr::NonNull;
use std::task::{Context, Waker};

use reveille_primitive::lock::assert_none_held;

use crate::cause::Loss;
use crate::header::Polled;
use crate::raw::Raw;
use crate::record;
use crate::state::{AfterPending, Outcome, Run};
use crate::task_ref::{Kept, TaskRef};
use crate::unwind::{Payload, aborting, caught};
use crate::waker;

/// The permission to poll a task once.
///
/// Dropping it cancels the task: the drop of the `Runnable` drops the future on this thread.
#[must_use = "dropping a Runnable cancels its task"]
pub struct Runnable {
    raw: Raw,
}

// SAFETY: a cell with a `Send` future may be used on any thread. For other futures, the caller of
// `spawn_unchecked` promises to run and drop the `Runnable` on one thread.
unsafe impl Send for Runnable {}

// SAFETY: `&Runnable` only gives access to `TaskRef`s and wakers, which any thread may use.
unsafe impl Sync for Runnable {}

/// The outcome of running a task.
#[must_use = "a requeued Runnable has to be queued again"]
#[derive(Debug)]
pub enum Ran {
    /// The future is gone: finished, panicked or cancelled.
    Complete,
    /// The task waits for a wake.
    Pending,
    /// The task was woken during the poll. The executor must queue it again, behind the other
    /// tasks.
    Requeued(Runnable),
}

impl Runnable {
    /// Makes the `Runnable` of a task.
    ///
    /// # Safety
    ///
    /// * The caller passes on one reference to the task.
    /// * ACTIVE is set and no other `Runnable` of the task exists (invariant 2).
    #[inline]
    pub(crate) unsafe fn new(raw: Raw) -> Runnable {
        Runnable { raw }
    }

    /// Polls the task once, or drops its future if it was cancelled.
    ///
    /// Panics of the future are caught. The thread must not hold a lock of the runtime.
    #[inline(always)]
    pub fn run(self) -> Ran {
        self.run_by(|raw| {
            // SAFETY: the `Runnable`'s reference outlives this use of the waker.
            let waker = unsafe { waker::lend(raw.erased()) };
            let mut cx = Context::from_waker(&waker);
            // SAFETY: the stage is ours (invariant 2), the vtable is of this cell (invariant 6).
            unsafe { (raw.header().vtable.poll)(raw, &mut cx) }
        })
    }

    /// Runs the task, with `poll` for the poll of its future. `poll` owns the stage.
    #[inline(always)]
    pub(crate) fn run_by(self, poll: impl FnOnce(Raw) -> Polled) -> Ran {
        assert_none_held("a poll");
        let raw = self.into_parts();
        let header = raw.header();
        if header.state.run() == Run::Cancel {
            // SAFETY: the `Runnable` was ours, so the stage is (invariant 2).
            unsafe { cancel_slow(raw) };
            return Ran::Complete;
        }
        let polled = poll(raw);
        if !matches!(polled, Polled::Pending) {
            // SAFETY: the stage is ours, and the future in it is gone.
            unsafe { finish_slow(raw, polled) };
            return Ran::Complete;
        }
        match header.state.idle() {
            AfterPending::Parked => Ran::Pending,
            // SAFETY: the rule left ACTIVE set, and our reference passes to the new `Runnable`.
            AfterPending::Requeue => Ran::Requeued(unsafe { Runnable::new(raw) }),
            AfterPending::Cancel => {
                // SAFETY: the rule left the stage with us.
                unsafe { cancel_slow(raw) };
                Ran::Complete
            }
            AfterPending::WithoutWaker => {
                // SAFETY: the rule left our reference with us.
                unsafe { raw.lose_slow(Loss::NoWaker) };
                Ran::Pending
            }
        }
    }

    /// The task, for the lifetime of this borrow.
    #[inline]
    pub fn as_task(&self) -> TaskRef<'_> {
        self.raw.as_task()
    }

    /// Makes a waker of the task.
    pub fn waker(&self) -> Waker {
        self.raw.waker()
    }

    /// Converts this into a pointer, for queues of words. The pointer is aligned to 8 bytes, and
    /// its address is [`TaskRef::addr`].
    #[inline]
    pub fn into_raw(self) -> NonNull<()> {
        self.into_parts().erased()
    }

    /// The inverse of [`into_raw`](Runnable::into_raw).
    ///
    /// # Safety
    ///
    /// * `task` came from `into_raw` and is passed to this function only once.
    #[inline]
    pub unsafe fn from_raw(task: NonNull<()>) -> Runnable {
        // SAFETY: the pointer carries the reference of the `Runnable` that `into_raw` consumed,
        // which keeps the cell alive (invariant 1).
        let raw = unsafe { Raw::from_erased(task) };
        // SAFETY: the pointer stands for the one `Runnable`, which `into_raw` consumed, and carries
        // its reference (invariant 2).
        unsafe { Runnable::new(raw) }
    }

    #[inline]
    fn into_parts(self) -> Raw {
        let raw = self.raw;
        mem::forget(self);
        raw
    }
}

impl Drop for Runnable {
    fn drop(&mut self) {
        let action = self.raw.header().state.abandon();
        debug_assert!(action == Run::Cancel, "the rule has just cancelled the task");
        // SAFETY: the `Runnable` was ours, so the stage is (invariant 2).
        unsafe { cancel_slow(self.raw) };
    }
}

impl fmt::Debug for Runnable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Runnable").field(&self.as_task()).finish()
    }
}

/// Drops the future and completes the task.
///
/// # Safety
///
/// * ACTIVE is set and the stage is the caller's, with the future in it (invariant 2).
/// * The caller gives its reference away.
#[cold]
unsafe fn cancel_slow(raw: Raw) {
    assert_none_held("the drop of a future");
    // SAFETY: the caller owns the stage with the future in it (invariant 2) and does not use it
    // again. The vtable is of this cell (invariant 6).
    let panicked = unsafe { (raw.header().vtable.drop_future)(raw) };
    match panicked {
        // SAFETY: the caller owns the stage and passes on its reference; the future is dropped.
        None => unsafe { complete(raw, Outcome::Cancelled) },
        // SAFETY: the caller owns the stage and passes on its reference; the future is dropped as
        // far as its panicking drop allows.
        Some(payload) => unsafe { finish_slow(raw, Polled::Panicked(payload)) },
    }
}

/// Completes a task whose future is gone.
///
/// # Safety
///
/// * As for `complete`.
#[inline(never)]
unsafe fn finish_slow(raw: Raw, polled: Polled) {
    let outcome = match polled {
        Polled::Panicked(payload) => {
            let extras = raw.header().attachments.extras_or_new();
            // SAFETY: before completion the payload belongs to the running thread (invariant 2).
            let old = unsafe { extras.replace_payload(Some(payload)) };
            debug_assert!(old.is_none(), "a future ends once");
            Outcome::Panicked
        }
        Polled::Pending | Polled::Ready => Outcome::Output,
    };
    // SAFETY: the caller keeps the contract of `complete`, which is the contract of this function.
    unsafe { complete(raw, outcome) };
}

/// Publishes the outcome, wakes the joiner, notifies the executor and releases the reference.
///
/// # Safety
///
/// * ACTIVE is set, and the stage is the caller's; it holds the output or nothing.
/// * The caller gives its reference away.
#[inline(never)]
unsafe fn complete(raw: Raw, outcome: Outcome) {
    let kept = aborting(|| {
        let header = raw.header();
        if let Some(extras) = header.attachments.extras() {
            extras.locals.clear();
        }
        let action = header.state.complete(outcome);
        let outcome = match record::records_wakes() {
            true => record::completed(raw.as_task(), outcome),
            false => outcome,
        };
        if action.drop_outcome {
            // SAFETY: the task has no join handle, so the outcome is ours (invariant 3).
            if let Some(payload) = unsafe { dispose(raw, outcome) } {
                report(raw, payload);
            }
        }
        if action.wake_join {
            // SAFETY: the slot was published at completion, so it is ours (invariant 4).
            let waker = unsafe { header.attachments.take_waker() };
            wake_joiner(raw, waker.expect("a published slot holds a waker"));
        }
        // SAFETY: the vtable is of this cell (invariant 6).
        unsafe { (header.vtable.completed)(raw) }
    });
    let mut references = 1;
    // The executor is safe code and may return a reference to another task, so this checks which
    // task it is.
    if let Some(kept) = kept {
        if kept.is_of(raw) {
            mem::forget(kept);
            references += 1;
        } else {
            drop_slow(kept);
        }
    }
    // SAFETY: the task is complete. The caller passes on its reference, and the kept one, if it is
    // counted here, is one of this task.
    unsafe { raw.release_completed(references) };
}

/// Releases a reference to the wrong task, returned by an executor with a bug.
#[cold]
#[inline(never)]
fn drop_slow(kept: Kept) {
    drop(kept);
}

/// Disposes of the outcome. Returns the payload if the task panicked or if the drop of its output
/// does.
///
/// # Safety
///
/// * `outcome` is the outcome of the completed task and belongs to the caller (invariant 3). No
///   other code has taken it or will take it.
pub(crate) unsafe fn dispose(raw: Raw, outcome: Outcome) -> Option<Payload> {
    assert_none_held("the drop of an output");
    match outcome {
        Outcome::Cancelled => None,
        Outcome::Output if !raw.header().vtable.output_needs_drop => None,
        // SAFETY: the output belongs to the caller and nothing else takes it (invariant 3). The
        // vtable is of this cell (invariant 6).
        Outcome::Output => unsafe { (raw.header().vtable.drop_output)(raw) },
        // SAFETY: the payload belongs to the caller (invariant 3).
        Outcome::Panicked => unsafe { raw.take_payload() },
    }
}

/// Wakes the joiner. If the waker panics, the panic is reported: the task that it should have woken
/// may hang, but this task completes and its worker continues.
fn wake_joiner(raw: Raw, waker: Waker) {
    assert_none_held("a wake");
    // SAFETY: the vtable is of this cell (invariant 6).
    if let Some(payload) = caught(|| unsafe { (raw.header().vtable.wake_joiner)(raw, waker) }) {
        report(raw, payload);
    }
}

#[cold]
fn report(raw: Raw, payload: Payload) {
    // SAFETY: the vtable is of this cell (invariant 6).
    unsafe { (raw.header().vtable.unhandled_panic)(raw, payload) };
}
