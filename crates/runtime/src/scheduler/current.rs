//! Which executor this thread works for.
//!
//! A worker thread sets the pointer to its [`WorkerContext`] while it runs its worker. A guard in
//! the frame that owns the value sets the pointer and restores what was there before, so that a
//! `block_on` inside a poll nests. A thread is in `block_on` if it has an event loop, which
//! `context.rs` knows, and no worker: then the event loop is that of its [`LocalExecutor`].
//!
//! # Invariants
//!
//! 1. A pointer here is null or points to a value that outlives the guard that set it. Only this
//!    thread reads it, and no reference outlives the closure that it is lent to.
#![allow(unsafe_code)]

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::Arc;

use reveille_driver::Driver;
use reveille_primitive::fork;
use reveille_task::TaskData;

use super::host;
use super::local::{self, LocalExecutor};
use super::multi::{self, RuntimeRef, WorkerContext};
use crate::context::{self, BlockOnPoll, Entered};
use crate::observe::PanicHook;
use crate::timer::Timers;

thread_local! {
    static CURRENT: Current = const {
        Current {
            worker: Cell::new(std::ptr::null()),
            thread_executor: Cell::new(std::ptr::null()),
            runtime: Cell::new(None),
            pool: Cell::new(None),
        }
    };
}

struct Current {
    worker: Cell<*const WorkerContext>,
    /// The executor of this thread, whether it is in `block_on` or not.
    thread_executor: Cell<*const LocalExecutor>,
    /// The runtime that `spawn` goes to. It may have ended.
    runtime: Cell<Option<RuntimeRef>>,
    /// The pool that this thread is part of. It may have ended.
    pool: Cell<Option<RuntimeRef>>,
}

/// Restores what was current before, when dropped. Not `Send`: the values belong to this thread.
#[must_use]
pub(crate) struct Guard {
    worker: Option<*const WorkerContext>,
    runtime: Option<RuntimeRef>,
    _thread: PhantomData<*const ()>,
}

impl Drop for Guard {
    #[inline]
    fn drop(&mut self) {
        CURRENT.with(|current| {
            if let Some(worker) = self.worker {
                current.worker.set(worker);
            }
            current.runtime.set(self.runtime);
        });
    }
}

/// Runs `body` with `worker` as the worker that this thread runs.
pub(crate) fn enter_worker<R>(worker: &WorkerContext, body: impl FnOnce() -> R) -> R {
    let _guard = CURRENT.with(|current| Guard {
        worker: Some(current.worker.replace(worker)),
        runtime: current.runtime.replace(Some(worker.runtime())),
        _thread: PhantomData,
    });
    context::enter(worker.event_loop(), |_| body())
}

/// A `block_on` in progress; lent by [`enter_block_on`].
pub(crate) struct BlockOnFrame<'a> {
    current: &'a Current,
    entered: &'a Entered<'a>,
    worker: *const WorkerContext,
    /// The former runtime, if it is another now.
    runtime: Option<Option<RuntimeRef>>,
}

impl BlockOnFrame<'_> {
    /// Begins the poll of the future that `data` describes, with a full budget.
    #[inline]
    pub(crate) fn begin_poll<'a>(&'a self, data: &'a TaskData) -> BlockOnPoll<'a> {
        self.entered.begin_poll(data)
    }

    /// Whether this is inside a poll of this runtime.
    #[inline]
    pub(crate) fn is_nested(&self) -> bool {
        self.entered.is_nested()
    }

    /// The worker whose poll this is inside of.
    #[inline]
    pub(crate) fn worker(&self) -> Option<&WorkerContext> {
        // SAFETY: null, or set by a guard in a frame above that owns the context (invariant 1).
        unsafe { self.worker.as_ref() }
    }
}

impl Drop for BlockOnFrame<'_> {
    #[inline]
    fn drop(&mut self) {
        self.current.worker.set(self.worker);
        if let Some(before) = self.runtime {
            self.current.runtime.set(before);
        }
    }
}

/// Runs `body` with `local` as the executor that this thread waits in. `spawn` goes to `runtime`,
/// if that is given.
#[inline]
pub(crate) fn enter_block_on<R>(
    local: &LocalExecutor,
    runtime: Option<RuntimeRef>,
    body: impl FnOnce(&BlockOnFrame<'_>) -> R,
) -> R {
    CURRENT.with(|current| {
        context::enter(local.event_loop(), |entered| {
            let frame = BlockOnFrame {
                current,
                entered,
                worker: current.worker.replace(std::ptr::null()),
                runtime: runtime.map(|runtime| current.runtime.replace(Some(runtime))),
            };
            body(&frame)
        })
    })
}

/// Sets the executor of this thread, or forgets it with null.
pub(crate) fn set_thread_executor(executor: *const LocalExecutor) {
    CURRENT.with(|current| current.thread_executor.set(executor));
}

/// Whether this thread has an executor.
#[inline]
pub(crate) fn has_thread_executor() -> bool {
    CURRENT.with(|current| !current.thread_executor.get().is_null())
}

/// Lends the executor of this thread, if it has one.
#[inline]
pub(crate) fn with_thread_executor<R>(access: impl FnOnce(Option<&LocalExecutor>) -> R) -> R {
    let executor = CURRENT.with(|current| current.thread_executor.get());
    // SAFETY: null, or an executor that sets this pointer to null before it is freed, on this
    // thread.
    let executor = unsafe { executor.as_ref() };
    access(executor)
}

/// Lends the worker, if this thread polls for a pool right now.
#[inline]
pub(crate) fn with_worker<R>(access: impl FnOnce(Option<&WorkerContext>) -> R) -> R {
    // Only the pointer is fetched inside, so that `access` is inlined here.
    let worker = CURRENT.with(|current| current.worker.get());
    // SAFETY: null, or set by a guard in a frame above that owns the context (invariant 1).
    let worker = unsafe { worker.as_ref() };
    access(worker)
}

/// Lends the executor of this thread, if it is in `block_on` right now and polls for no pool.
fn with_local<R>(access: impl FnOnce(Option<&LocalExecutor>) -> R) -> R {
    let is_in_block_on = with_worker(|worker| worker.is_none()) && context::has_event_loop();
    with_thread_executor(|executor| access(executor.filter(|_| is_in_block_on)))
}

/// Has a child process made by `fork` begin without the state of its parent's threads.
pub(crate) fn watch_forks() {
    fork::watch(|| {
        multi::forget_start();
        CURRENT.with(|current| {
            with_worker(|worker| worker.map(|worker| worker.pool().refuse_child()));
            if !current.worker.replace(std::ptr::null()).is_null() {
                context::forget_event_loop();
            }
            current.runtime.set(None);
            current.pool.set(None);
            local::forget_in_child();
        });
    });
}

/// Marks this thread as one of `pool`, for good.
pub(crate) fn set_own_pool(pool: RuntimeRef) {
    CURRENT.with(|current| {
        current.pool.set(Some(pool));
        current.runtime.set(Some(pool));
    });
}

/// The pool that this thread is part of, as a worker thread or a blocking thread.
pub(crate) fn own_pool() -> Option<RuntimeRef> {
    CURRENT.with(|current| current.pool.get())
}

/// Makes `runtime` the one that `spawn` goes to, until the guard is dropped.
pub(crate) fn enter_runtime(runtime: RuntimeRef) -> Guard {
    CURRENT.with(|current| Guard {
        worker: None,
        runtime: current.runtime.replace(Some(runtime)),
        _thread: PhantomData,
    })
}

/// The runtime that `spawn` goes to: the current one, else the global one, started if need be.
///
/// The current one may have ended, if this thread has outlived it: then what is spawned is
/// cancelled.
#[inline]
pub(crate) fn runtime() -> RuntimeRef {
    CURRENT.with(|current| current.runtime.get()).unwrap_or_else(multi::global)
}

/// The runtime that this thread works for, if any.
pub(crate) fn current_runtime() -> Option<RuntimeRef> {
    CURRENT.with(|current| current.runtime.get())
}

/// The hook for panics of the runtime that this thread works for.
pub(crate) fn panic_hook() -> Option<PanicHook> {
    current_runtime().and_then(RuntimeRef::panic_hook)
}

/// The runtime whose threads serve the timers and sources of this thread: the current one, or the
/// global one if there is no current one. `None` if it has ended or cannot be started: then the
/// host serves them.
fn serving_runtime() -> Option<RuntimeRef> {
    match current_runtime() {
        Some(runtime) => Some(runtime).filter(|runtime| runtime.is_up()),
        None => multi::try_global().ok(),
    }
}

/// Adds an entry to timers that another thread turns, for a thread that has no timers or cannot
/// turn its own now. `insert` is called again if the runtime ended meanwhile; the entry that it has
/// made by then is of no use.
///
/// # Panics
///
/// Panics when no thread that turns timers can be started.
pub(crate) fn with_remote_timers(mut insert: impl FnMut(&'static Timers)) {
    // A thread in `block_on` that was evacuated uses those of the host.
    let is_evacuated = with_local(|local| local.is_some());
    if !is_evacuated && let Some(runtime) = serving_runtime() {
        insert(runtime.remote_timers());
        // The end of a runtime marks it first and drains its timers second. So either the entry was
        // drained, or this thread sees the mark.
        if runtime.is_up() {
            return;
        }
    }
    match host::host() {
        Ok(host) => insert(host.timers()),
        Err(_) => insert(multi::global().remote_timers()),
    }
}

/// The driver that a source of this thread registers with.
pub(crate) fn driver() -> std::io::Result<Arc<Driver>> {
    let own = with_worker(|worker| match worker {
        Some(worker) => Some(Ok(Arc::clone(worker.driver()))),
        None => with_local(|local| local.map(LocalExecutor::driver)),
    });
    own.unwrap_or_else(|| match serving_runtime().and_then(RuntimeRef::remote_driver) {
        Some(driver) => Ok(driver),
        None => host::host().map(|host| Arc::clone(host.driver())),
    })
}
