//! Chooses the runtime and the driver for the operations of this thread.
//!
//! A thread that spawns a task, sleeps or waits for a socket need not have timers or a driver of
//! its own. It uses the first of these that exists: its worker, its `block_on`, its runtime, the
//! global runtime, the host (`host.rs`).

use std::io;
use std::sync::Arc;

use reveille_driver::Driver;

use super::global;
use super::host;
use super::local::{LocalExecutor, with_thread_executor};
use super::multi::{RuntimeRef, current_runtime, with_worker};
use crate::context;
use crate::timer::Timers;

/// Runs `access` on the executor of this thread, if the thread is in `block_on` and runs no worker.
fn with_local<R>(access: impl FnOnce(Option<&LocalExecutor>) -> R) -> R {
    let is_in_block_on = with_worker(|worker| worker.is_none()) && context::has_event_loop();
    with_thread_executor(|executor| access(executor.filter(|_| is_in_block_on)))
}

/// The runtime that `spawn` uses: the current one, or else the global one, which is started if
/// necessary.
///
/// If this thread has outlived the current runtime, spawned tasks are cancelled.
#[inline]
pub(crate) fn runtime() -> RuntimeRef {
    current_runtime().unwrap_or_else(global::global)
}

/// The runtime whose threads serve the timers and sources of this thread: the current one, or the
/// global one if there is no current one. `None` if it has ended or cannot be started: then the
/// host serves them.
fn serving_runtime() -> Option<RuntimeRef> {
    match current_runtime() {
        Some(runtime) => Some(runtime).filter(|runtime| runtime.is_up()),
        None => global::try_global().ok(),
    }
}

/// Adds an entry to timers that another thread turns, for a thread that has no timers or cannot
/// turn its own now. If the runtime ends meanwhile, `insert` is called again and has to discard its
/// first entry.
///
/// # Panics
///
/// Panics when no thread that turns timers can be started.
pub(crate) fn with_remote_timers(mut insert: impl FnMut(&'static Timers)) {
    // A thread in `block_on` that was evacuated uses the host's timers.
    let is_evacuated = with_local(|local| local.is_some());
    if !is_evacuated && let Some(runtime) = serving_runtime() {
        insert(runtime.remote_timers());
        // A shutdown first marks the runtime as ended and then drains its timers. So either the
        // entry was drained, or this thread sees the mark.
        if runtime.is_up() {
            return;
        }
    }
    match host::host() {
        Ok(host) => insert(host.timers()),
        Err(_) => insert(global::global().remote_timers()),
    }
}

/// The driver that a source of this thread registers with.
pub(crate) fn driver() -> io::Result<Arc<Driver>> {
    let own = with_worker(|worker| match worker {
        Some(worker) => Some(Ok(Arc::clone(worker.driver()))),
        None => with_local(|local| local.map(LocalExecutor::driver)),
    });
    own.unwrap_or_else(|| match serving_runtime().and_then(RuntimeRef::remote_driver) {
        Some(driver) => Ok(driver),
        None => host::host().map(|host| Arc::clone(host.driver())),
    })
}
