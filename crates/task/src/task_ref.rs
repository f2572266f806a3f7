//! References that can neither poll nor join: the uncounted [`TaskRef`], the counted
//! [`TaskHandle`], and [`Kept`], the executor's own.

use std::fmt;
use std::marker::PhantomData;
use std::panic::Location;
use std::ptr::NonNull;
use std::task::Waker;

use reveille_primitive::atomic::Ordering::Relaxed;

use crate::id::{Task, TaskId};
use crate::locals::Locals;
use crate::raw::Raw;
use crate::run::Runnable;
use crate::state::Outcome;

/// A borrowed task. Costs nothing, and may be used from any thread.
#[derive(Clone, Copy)]
pub struct TaskRef<'a> {
    raw: Raw,
    alive: PhantomData<&'a ()>,
}

// SAFETY: a `TaskRef` gives access only to fields that are atomic or immutable, and to the locals
// through an unsafe function whose caller is on the right thread.
unsafe impl Send for TaskRef<'_> {}

// SAFETY: as above.
unsafe impl Sync for TaskRef<'_> {}

impl<'a> TaskRef<'a> {
    #[inline]
    pub(crate) fn new(raw: Raw) -> TaskRef<'a> {
        TaskRef { raw, alive: PhantomData }
    }

    /// A pointer to the task, for registries and for the context of the running task.
    #[inline]
    pub fn into_raw(self) -> NonNull<()> {
        self.raw.erased()
    }

    /// The inverse of [`into_raw`](TaskRef::into_raw). Also accepts the pointer of
    /// [`Runnable::into_raw`](crate::Runnable::into_raw).
    ///
    /// # Safety
    ///
    /// * The cell is alive for all of `'a`: a counted reference to it exists, or
    ///   [`Schedule::completed`](crate::Schedule::completed) has not returned for it.
    #[inline]
    pub unsafe fn from_raw(task: NonNull<()>) -> TaskRef<'a> {
        // SAFETY: the caller promises that the cell is alive for all of `'a`.
        TaskRef::new(unsafe { Raw::from_erased(task) })
    }

    /// Takes a counted reference. While it exists, a pending task without wakers is not cancelled.
    pub fn to_handle(self) -> TaskHandle {
        self.raw.header().state.retain();
        TaskHandle { raw: self.raw }
    }

    /// Makes a waker of the task.
    pub fn waker(self) -> Waker {
        self.raw.waker()
    }

    /// The public handle: id and name. Allocates on first use.
    pub fn task(self) -> &'a Task {
        &self.raw.header().attachments.extras_or_new().task
    }

    /// The number of this task. Allocates on first use.
    pub fn id(self) -> TaskId {
        self.task().id()
    }

    /// The number of this task, if it already has one.
    pub fn known_id(self) -> Option<TaskId> {
        Some(self.raw.header().attachments.extras()?.task.id())
    }

    /// The name, if the task was given one.
    #[inline]
    pub fn name(self) -> Option<&'a str> {
        self.raw.header().attachments.extras()?.task.name()
    }

    /// Where the task was spawned, if that is known and close enough to be stored (`location.rs`).
    pub fn location(self) -> Option<&'static Location<'static>> {
        self.raw.header().location.get()
    }

    /// A number for what [`location`](TaskRef::location) returns: two tasks have the same one if
    /// and only if they have the same location. Cheaper to compare.
    #[inline]
    pub fn location_key(self) -> i32 {
        self.raw.header().location.key()
    }

    /// The slot of this task in the executor's registry, as [`Kept::set_slot`] stored it last;
    /// [`Kept::NO_SLOT`] before.
    #[inline]
    pub fn owned_slot(self) -> u32 {
        // Relaxed: only the executor uses the slot, and its own lock orders the accesses.
        self.raw.header().owned_slot.load(Relaxed)
    }

    /// The address of the cell: unique among the tasks that are alive.
    #[inline]
    pub fn addr(self) -> usize {
        self.raw.erased().addr().get()
    }

    /// The name of the future's type.
    pub fn future_type_name(self) -> &'static str {
        (self.raw.header().vtable.type_name)()
    }

    /// The size of the future in bytes.
    pub fn future_size(self) -> usize {
        self.raw.header().vtable.future_size_bytes
    }

    /// An address that stands for the types of the future and of the executor. Tasks with the same
    /// address have the same types; the reverse need not hold.
    pub fn type_addr(self) -> usize {
        (&raw const *self.raw.header().vtable).addr()
    }

    /// How the task ended; `None` before it has.
    pub fn ended(self) -> Option<Ended> {
        self.raw.header().state.outcome().map(Ended::from)
    }

    /// Returns whether the task is complete.
    pub fn is_finished(self) -> bool {
        self.raw.header().state.outcome().is_some()
    }

    /// Whether the task is queued or polled: a [`Runnable`] exists, or a thread runs it.
    pub fn is_active(self) -> bool {
        self.raw.header().state.is_active()
    }

    /// Makes the `Runnable` of an idle task although nothing woke it. `None` if the task is queued,
    /// polled or complete. A wake that comes before the `Runnable` is run is not lost: it is
    /// followed by another poll.
    ///
    /// # Safety
    ///
    /// * If the future or its output is not `Send`, this is the thread that spawned the task, and
    ///   the `Runnable` is run or dropped on it.
    pub unsafe fn claim(self) -> Option<Runnable> {
        if !self.raw.header().state.claim() {
            return None;
        }
        // SAFETY: the rule has just set ACTIVE and made the reference (invariant 2).
        Some(unsafe { Runnable::new(self.raw) })
    }

    /// Requests cancellation: the executor will drop the future. Does nothing to a complete task.
    pub fn cancel(self) {
        self.raw.cancel();
    }

    /// The task-locals. Allocates on first use.
    ///
    /// # Safety
    ///
    /// * The calling thread is inside [`Runnable::run`](crate::Runnable::run) or the drop of the
    ///   `Runnable` of this task, and the returned reference is not used after that call.
    pub unsafe fn locals(self) -> &'a Locals {
        &self.raw.header().attachments.extras_or_new().locals
    }
}

/// How a task ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ended {
    /// Its future was ready.
    Finished,
    /// It panicked.
    Panicked,
    /// It was cancelled.
    Cancelled,
}

impl From<Outcome> for Ended {
    fn from(outcome: Outcome) -> Ended {
        match outcome {
            Outcome::Output => Ended::Finished,
            Outcome::Panicked => Ended::Panicked,
            Outcome::Cancelled => Ended::Cancelled,
        }
    }
}

impl fmt::Debug for TaskRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskRef")
            .field("addr", &format_args!("{:#x}", self.addr()))
            .field("id", &self.known_id())
            .field("name", &self.name())
            .finish()
    }
}

/// A counted reference that can cancel, wake and inspect a task, but neither poll nor join it.
///
/// While it exists, a detached task that no waker can wake is not dropped.
pub struct TaskHandle {
    raw: Raw,
}

// SAFETY: it gives access to a `TaskRef`, which any thread may use. Any thread may also free the
// cell, because its stage is empty by then (invariant 1).
unsafe impl Send for TaskHandle {}

// SAFETY: as above.
unsafe impl Sync for TaskHandle {}

impl TaskHandle {
    /// The task, for as long as this borrow.
    pub fn as_task(&self) -> TaskRef<'_> {
        self.raw.as_task()
    }
}

impl Clone for TaskHandle {
    fn clone(&self) -> TaskHandle {
        self.as_task().to_handle()
    }
}

impl Drop for TaskHandle {
    fn drop(&mut self) {
        // SAFETY: the reference is this handle's.
        unsafe { self.raw.release() };
    }
}

impl fmt::Debug for TaskHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TaskHandle").field(&self.as_task()).finish()
    }
}

/// The executor's own reference to a task, for its registry. [`spawn_kept`](crate::spawn_kept)
/// makes one for each task, and there is no other. So only the executor that spawned a task can
/// store its slot.
///
/// While it exists, a detached task that no waker can wake is not dropped.
pub struct Kept {
    handle: TaskHandle,
}

impl Kept {
    /// The slot of a task that no registry has taken.
    pub const NO_SLOT: u32 = u32::MAX;

    /// Makes the executor's reference.
    ///
    /// # Safety
    ///
    /// * The caller passes on one reference to the task.
    #[inline]
    pub(crate) unsafe fn new(raw: Raw) -> Kept {
        Kept { handle: TaskHandle { raw } }
    }

    /// Stores the slot of the task in the executor's registry, for [`TaskRef::owned_slot`].
    #[inline]
    pub fn set_slot(&mut self, slot: u32) {
        self.handle.raw.header().owned_slot.store(slot, Relaxed);
    }

    /// The task, for as long as this borrow.
    #[inline]
    pub fn as_task(&self) -> TaskRef<'_> {
        self.handle.as_task()
    }

    /// Converts this into a pointer, for registries of words.
    #[inline]
    #[must_use = "the reference is lost otherwise"]
    pub fn into_raw(self) -> NonNull<()> {
        let raw = self.handle.raw;
        std::mem::forget(self);
        raw.erased()
    }

    /// The inverse of [`into_raw`](Kept::into_raw).
    ///
    /// # Safety
    ///
    /// * `task` came from [`into_raw`](Kept::into_raw) and is passed to this function only once.
    #[inline]
    pub unsafe fn from_raw(task: NonNull<()>) -> Kept {
        // SAFETY: the pointer carries the reference of the `Kept` that `into_raw` consumed, which
        // keeps the cell alive (invariant 1).
        let raw = unsafe { Raw::from_erased(task) };
        // SAFETY: the pointer carries that reference, and it passes to the new `Kept`.
        unsafe { Kept::new(raw) }
    }

    /// Returns whether this is a reference to the task `raw`.
    #[inline]
    pub(crate) fn is_of(&self, raw: Raw) -> bool {
        self.handle.raw == raw
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Kept").field(&self.as_task()).finish()
    }
}
