//! The worker that this thread runs.
//!
//! A worker thread sets the pointer to its [`WorkerContext`] while it runs its worker. A guard in
//! the frame that owns the value sets the pointer and restores what was there before, so that a
//! `block_on` inside a poll nests. A thread is in `block_on` if it has an event loop (see
//! `context.rs`) and no worker. The event loop is then that of its local executor.
//!
//! A second pointer, to the worker that a `block_on` has left, is for a further `block_on` inside
//! that one.
//!
//! # Invariants
//!
//! 1. Each pointer is null or points to a value that outlives the guard that set it. Only this
//!    thread reads it, and no reference outlives the closure that it is lent to.
#![allow(unsafe_code)]

use std::cell::Cell;

use super::runtime_ref::{RuntimeRef, enter_runtime};
use super::worker_context::WorkerContext;
use crate::context;

thread_local! {
    static WORKER: Cell<*const WorkerContext> = const { Cell::new(std::ptr::null()) };
    static LEFT: Cell<*const WorkerContext> = const { Cell::new(std::ptr::null()) };
}

/// Restores the worker that this thread ran before, when dropped.
#[must_use]
struct WorkerGuard {
    before: *const WorkerContext,
}

impl Drop for WorkerGuard {
    #[inline]
    fn drop(&mut self) {
        WORKER.set(self.before);
    }
}

/// Names the worker that a `block_on` has left, and restores what was there before, when dropped.
#[must_use]
struct LeftGuard<'a> {
    before: *const WorkerContext,
    _worker: &'a WorkerContext,
}

impl<'a> LeftGuard<'a> {
    fn begin(worker: &'a WorkerContext) -> LeftGuard<'a> {
        LeftGuard { before: LEFT.replace(worker), _worker: worker }
    }
}

impl Drop for LeftGuard<'_> {
    fn drop(&mut self) {
        LEFT.set(self.before);
    }
}

/// Runs `body` with `worker` as the worker of this thread.
///
/// `body` runs outside the access to the thread-local, so that it is inlined here: through
/// [`LocalKey::with`](std::thread::LocalKey::with) it cost a `block_on` of a ready future 40
/// instructions.
#[inline]
fn replace_worker<R>(worker: *const WorkerContext, body: impl FnOnce(&WorkerGuard) -> R) -> R {
    body(&WorkerGuard { before: WORKER.replace(worker) })
}

/// Runs `body` with `worker` as the worker that this thread runs.
pub(super) fn enter_worker<R>(worker: &WorkerContext, body: impl FnOnce() -> R) -> R {
    replace_worker(worker, |_| {
        let _runtime = enter_runtime(worker.runtime());
        context::enter(worker.event_loop(), |_| body())
    })
}

/// Runs `body` for a `block_on`, with no worker set. `spawn` uses `runtime`, if one is given. If
/// this is inside a poll, `body` receives the worker of that poll.
#[inline]
pub(crate) fn leave_worker<R>(
    runtime: Option<RuntimeRef>,
    body: impl FnOnce(Option<&WorkerContext>) -> R,
) -> R {
    replace_worker(std::ptr::null(), |outer| {
        let _runtime = runtime.map(enter_runtime);
        // SAFETY: null, or set by a guard in a frame above that owns the context (invariant 1).
        let worker = unsafe { outer.before.as_ref() };
        let _left = worker.map(LeftGuard::begin);
        body(worker)
    })
}

/// Runs `access` on the worker that an outer `block_on` of this thread has left, if there is one.
pub(crate) fn with_left_worker<R>(access: impl FnOnce(Option<&WorkerContext>) -> R) -> R {
    // SAFETY: null, or set by a guard in a frame above, which borrows the context (invariant 1).
    let worker = unsafe { LEFT.get().as_ref() };
    access(worker)
}

/// Runs `access` on the worker, if this thread runs one.
#[inline]
pub(crate) fn with_worker<R>(access: impl FnOnce(Option<&WorkerContext>) -> R) -> R {
    // The closure only reads the pointer, so that `access` is inlined here.
    let worker = WORKER.with(Cell::get);
    // SAFETY: null, or set by a guard in a frame above that owns the context (invariant 1).
    let worker = unsafe { worker.as_ref() };
    access(worker)
}

/// Called in a child process made by `fork`. The worker belongs to the parent, so this thread no
/// longer runs it, and the poll that forked must not return into the worker's loop.
pub(super) fn forget_in_child() {
    with_worker(|worker| worker.map(|worker| worker.pool().refuse_child()));
    LEFT.set(std::ptr::null());
    if !WORKER.with(|current| current.replace(std::ptr::null())).is_null() {
        context::forget_event_loop();
    }
}
