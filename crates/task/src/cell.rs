//! The allocation of a task, and the functions that are generic over its future and scheduler
//! types.
//!
//! ```text
//! Header                                                        S          Stage
//! ┌─────────┬──────────┬───────────────┬───────────┬──────────┐┌──────────┐┌─────────────────┐
//! │ state 8 │ vtable 8 │ attachments 8 │location 4 │ slot 4   ││scheduler ││ future | output │
//! └─────────┴──────────┴───────────────┴───────────┴──────────┘└──────────┘└─────────────────┘
//! ```
//!
//! All other code of the crate works on [`Header`] and is compiled once.

use std::alloc::{Layout, handle_alloc_error};
use std::any::type_name;
use std::future::Future;
use std::mem::{ManuallyDrop, needs_drop};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::{Context, Poll, Waker};

use reveille_primitive::atomic::AtomicU32;
use reveille_primitive::cell::UnsafeCell;

use crate::attachments::Attachments;
use crate::cause::{Cause, Loss};
use crate::header::{Header, Polled, VTable};
use crate::location::CompactLocation;
use crate::memory;
use crate::raw::Raw;
use crate::run::Runnable;
use crate::schedule::{Options, Schedule};
use crate::state::State;
use crate::task_ref::Kept;
use crate::unwind::{Payload, caught};

/// The future, then its output; the state word says which. `repr(C)` puts both at offset 0, so a
/// pointer to the stage is a pointer to either.
#[repr(C)]
union Stage<F: Future> {
    future: ManuallyDrop<F>,
    output: ManuallyDrop<F::Output>,
}

/// One task.
#[repr(C)]
pub(crate) struct Cell<F: Future, S> {
    header: Header,
    scheduler: S,
    stage: UnsafeCell<Stage<F>>,
}

impl<F: Future, S: Schedule> Cell<F, S> {
    const VTABLE: &'static VTable = &VTable {
        poll: Self::poll,
        drop_future: Self::drop_future,
        drop_output: Self::drop_output,
        take_output: Self::take_output,
        schedule: Self::schedule,
        wake_joiner: Self::wake_joiner,
        completed: Self::completed,
        awaited: Self::awaited,
        lost: Self::lost,
        unhandled_panic: Self::unhandled_panic,
        unread_panic: Self::unread_panic,
        free: Self::free,
        type_name: type_name::<F>,
        future_size_bytes: size_of::<F>(),
        output_needs_drop: needs_drop::<F::Output>(),
    };

    /// Allocates the cell of a new task. The references that `state` counts are the caller's.
    #[inline]
    pub(crate) fn allocate(future: F, scheduler: S, options: Options, state: State) -> Raw {
        let header = Header {
            state,
            vtable: Self::VTABLE,
            attachments: Attachments::new(options.name),
            location: CompactLocation::new(options.location),
            owned_slot: AtomicU32::new(Kept::NO_SLOT),
        };
        let layout = Layout::new::<Self>();
        let Some(memory) = memory::allocate(layout) else { handle_alloc_error(layout) };
        let cell = memory.cast::<Self>();
        let stage = Stage { future: ManuallyDrop::new(future) };
        // SAFETY: the allocator returned memory of the layout of `Self`, and it is ours.
        unsafe { cell.write(Cell { header, scheduler, stage: UnsafeCell::new(stage) }) };
        // SAFETY: the header is the first field of the `repr(C)` cell, and the cell is alive.
        unsafe { Raw::from_erased(cell.cast()) }
    }

    /// The cell behind `raw`.
    ///
    /// # Safety
    ///
    /// * `raw` was made by `allocate` with these types (invariant 6), and the cell lives for all of
    ///   `'a`.
    #[inline(always)]
    unsafe fn of<'a>(raw: Raw) -> &'a Self {
        // SAFETY: the pointer is the one `allocate` cast, with the provenance of the whole cell.
        unsafe { raw.erased().cast::<Self>().as_ref() }
    }

    /// See [`VTable::poll`].
    ///
    /// # Safety
    ///
    /// * As for [`of`](Cell::of); the stage is the caller's and holds the future (invariant 2).
    unsafe fn poll(raw: Raw, cx: &mut Context<'_>) -> Polled {
        // SAFETY: the caller passes a live cell of these types (invariant 6).
        let cell = unsafe { Self::of(raw) };
        let polled = cell.stage.with_mut(|stage| {
            // SAFETY: the stage is ours and holds the future (invariant 2).
            let future = unsafe { &mut *stage.cast::<F>() };
            // SAFETY: the cell neither moves nor is freed before the future is dropped.
            let future = unsafe { Pin::new_unchecked(future) };
            catch_unwind(AssertUnwindSafe(|| future.poll(cx)))
        });
        let output = match polled {
            Ok(Poll::Pending) => return Polled::Pending,
            Ok(Poll::Ready(output)) => Ok(output),
            Err(payload) => Err(payload),
        };
        // SAFETY: the caller passes a live cell of these types and owns its stage (invariants 6 and
        // 2), and the future is not used again.
        if let Some(payload) = unsafe { Self::drop_future(raw) } {
            cell.scheduler.unhandled_panic(raw.as_task(), payload);
        }
        match output {
            Ok(output) => {
                let output = ManuallyDrop::new(output);
                // SAFETY: the stage is ours (invariant 2), and the future in it is dropped.
                cell.stage.with_mut(|stage| unsafe { stage.write(Stage { output }) });
                Polled::Ready
            }
            Err(payload) => Polled::Panicked(payload),
        }
    }

    /// See [`VTable::drop_future`].
    ///
    /// # Safety
    ///
    /// * As for [`of`](Cell::of); the stage is the caller's, holds the future (invariant 2), and is
    ///   not used again.
    unsafe fn drop_future(raw: Raw) -> Option<Payload> {
        // SAFETY: the caller passes a live cell of these types (invariant 6).
        let cell = unsafe { Self::of(raw) };
        cell.stage.with_mut(|stage| {
            // SAFETY: the stage is ours and holds the future (invariant 2), which the caller never
            // uses again, even if this panics.
            caught(|| unsafe { stage.cast::<F>().drop_in_place() })
        })
    }

    /// See [`VTable::drop_output`].
    ///
    /// # Safety
    ///
    /// * As for [`of`](Cell::of); the stage is the caller's, holds the output (invariant 3), and is
    ///   not used again.
    unsafe fn drop_output(raw: Raw) -> Option<Payload> {
        // SAFETY: the caller passes a live cell of these types (invariant 6).
        let cell = unsafe { Self::of(raw) };
        cell.stage.with_mut(|stage| {
            // SAFETY: the stage is ours and holds the output (invariant 3), which the caller never
            // uses again, even if this panics.
            caught(|| unsafe { stage.cast::<F::Output>().drop_in_place() })
        })
    }

    /// See [`VTable::take_output`].
    ///
    /// # Safety
    ///
    /// * As for [`drop_output`](Cell::drop_output); `to` is valid for a write of the output.
    unsafe fn take_output(raw: Raw, to: NonNull<()>) {
        // SAFETY: the caller passes a live cell of these types (invariant 6).
        let cell = unsafe { Self::of(raw) };
        cell.stage.with_mut(|stage| {
            // SAFETY: the stage is ours and holds the output (invariant 3), which the caller never
            // uses again.
            let output = unsafe { stage.cast::<F::Output>().read() };
            // SAFETY: the caller's pointer is valid for a write of the output.
            unsafe { to.cast::<F::Output>().write(output) };
        });
    }

    /// See [`VTable::schedule`].
    ///
    /// # Safety
    ///
    /// * As for [`of`](Cell::of). `task` is the task of `raw`.
    unsafe fn schedule(raw: Raw, task: Runnable, cause: Cause) {
        // As soon as the task is queued, another thread may run, complete and free it. So this
        // calls a clone of the scheduler handle and not the one in the cell.
        // SAFETY: `task` is a reference to the cell and is not queued yet, so the cell is alive. It
        // is of these types (invariant 6).
        let scheduler = unsafe { Self::of(raw) }.scheduler.clone();
        scheduler.schedule(task, cause);
    }

    /// See [`VTable::wake_joiner`].
    ///
    /// # Safety
    ///
    /// * As for [`of`](Cell::of).
    unsafe fn wake_joiner(raw: Raw, waker: Waker) {
        // SAFETY: the caller completes the task and keeps its reference during the call, so the
        // cell is alive. It is of these types (invariant 6).
        unsafe { Self::of(raw) }.scheduler.wake_joiner(waker);
    }

    /// See [`VTable::completed`].
    ///
    /// # Safety
    ///
    /// * As for [`of`](Cell::of).
    unsafe fn completed(raw: Raw) -> Option<Kept> {
        // SAFETY: the caller completes the task and gives its reference up after the call, so the
        // cell is alive. It is of these types (invariant 6).
        unsafe { Self::of(raw) }.scheduler.completed(raw.as_task())
    }

    /// See [`VTable::awaited`].
    ///
    /// # Safety
    ///
    /// * As for [`of`](Cell::of).
    unsafe fn awaited(raw: Raw, waker: &Waker) {
        // SAFETY: the task may run and complete during the call, but the join handle that makes the
        // call has a reference, so the cell is alive. It is of these types (invariant 6).
        unsafe { Self::of(raw) }.scheduler.awaited(waker);
    }

    /// See [`VTable::lost`].
    ///
    /// # Safety
    ///
    /// * As for [`of`](Cell::of).
    unsafe fn lost(raw: Raw, loss: Loss) {
        // SAFETY: the caller passes a live cell of these types (invariant 6), and has a reference
        // until this returns.
        unsafe { Self::of(raw) }.scheduler.lost(raw.as_task(), loss);
    }

    /// See [`VTable::unhandled_panic`].
    ///
    /// # Safety
    ///
    /// * As for [`of`](Cell::of).
    unsafe fn unhandled_panic(raw: Raw, payload: Payload) {
        // SAFETY: the caller completes the task and keeps its reference during the call, so the
        // cell is alive. It is of these types (invariant 6).
        unsafe { Self::of(raw) }.scheduler.unhandled_panic(raw.as_task(), payload);
    }

    /// See [`VTable::unread_panic`].
    ///
    /// # Safety
    ///
    /// * As for [`of`](Cell::of).
    unsafe fn unread_panic(raw: Raw, payload: Payload) {
        // SAFETY: the join handle gives its reference up after the call, so the cell is alive. It
        // is of these types (invariant 6).
        unsafe { Self::of(raw) }.scheduler.unread_panic(raw.as_task(), payload);
    }

    /// See [`VTable::free`].
    ///
    /// # Safety
    ///
    /// * As for [`of`](Cell::of); the last reference is gone, and the stage is empty (invariant 1).
    unsafe fn free(raw: Raw) {
        let cell = raw.erased().cast::<Self>();
        // SAFETY: the last reference is gone, so no other code uses the cell (invariant 1). The
        // stage is a union, which drops nothing, and it is empty.
        unsafe { cell.drop_in_place() };
        // SAFETY: `allocate` got the memory with this layout.
        unsafe { memory::free(cell.cast(), Layout::new::<Self>()) };
    }
}
