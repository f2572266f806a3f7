//! The switch of the recorder, and the functions that are called for each wake and for each end of
//! a task.
//!
//! A wake happens on any thread, in any code, so it is recorded here and not in an executor. The
//! end of a task is recorded here because that comes before the wake of the joiner, which may stop
//! the recording. While nothing is recorded, both cost one more load and a branch.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::cause::Cause;
use crate::state::{Outcome, Wake};
use crate::task_ref::{Ended, TaskRef};

/// Whether wakes are recorded. It publishes nothing: a thread that sees it late misses some events.
static IS_RECORDING: AtomicBool = AtomicBool::new(false);

/// The same for the functions of this crate that are not inlined into others. No other crate reads
/// it, so it is read with an instruction instead of three.
static RECORDS_WAKES: AtomicBool = AtomicBool::new(false);

static FUNCTIONS: OnceLock<RecordFunctions> = OnceLock::new();

/// The functions of the recorder. They may be called on any thread at any time. They must neither
/// block nor wake nor panic.
#[derive(Clone, Copy, Debug)]
pub struct RecordFunctions {
    /// A task was woken: its address ([`TaskRef::addr`]), and what the wake did. Called before the
    /// task is queued.
    pub on_wake: fn(usize, Woken),
    /// A task is complete. Called before its joiner is woken.
    pub on_complete: fn(TaskRef<'_>, Ended),
}

/// What a wake did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Woken {
    /// The task was idle, and is queued now.
    Queued,
    /// Nothing: the task is already queued or being polled, or it has ended.
    Again,
    /// The task was cancelled, or nothing is left that could wake it.
    Cancelled,
}

/// Whether events are recorded.
#[inline(always)]
pub fn is_recording() -> bool {
    IS_RECORDING.load(Ordering::Relaxed)
}

/// As [`is_recording`], for functions that are not inlined into other crates.
#[inline(always)]
pub(crate) fn records_wakes() -> bool {
    RECORDS_WAKES.load(Ordering::Relaxed)
}

/// Calls `functions` from now on. Those of the first call count.
pub fn start_recording(functions: RecordFunctions) {
    let _ = FUNCTIONS.set(functions);
    IS_RECORDING.store(true, Ordering::Relaxed);
    RECORDS_WAKES.store(true, Ordering::Relaxed);
}

/// Stops the calls. Those that have begun are completed.
pub fn stop_recording() {
    IS_RECORDING.store(false, Ordering::Relaxed);
    RECORDS_WAKES.store(false, Ordering::Relaxed);
}

/// Records what a wake of the task at `addr` did. Its callers are cold.
#[inline]
pub(crate) fn woken(addr: usize, action: &Wake, cause: Cause) {
    let woken = match (cause, action) {
        (Cause::Cancel | Cause::Orphan, _) => Woken::Cancelled,
        (Cause::Wake, Wake::Submit) => Woken::Queued,
        (Cause::Wake, Wake::Nothing | Wake::Free) => Woken::Again,
    };
    if let Some(functions) = FUNCTIONS.get() {
        (functions.on_wake)(addr, woken);
    }
}

/// Records that nothing is left that could wake the task at `addr`.
#[cold]
#[inline(never)]
pub(crate) fn orphaned(addr: usize) {
    woken(addr, &Wake::Submit, Cause::Orphan);
}

/// Records the end of a task. Returns the outcome, so that the caller need not keep it in a
/// register of its own meanwhile.
#[cold]
#[inline(never)]
pub(crate) fn completed(task: TaskRef<'_>, outcome: Outcome) -> Outcome {
    if let Some(functions) = FUNCTIONS.get() {
        (functions.on_complete)(task, outcome.into());
    }
    outcome
}
