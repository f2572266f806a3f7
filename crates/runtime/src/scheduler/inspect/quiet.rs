//! Whether anything in this process will go on unless a thread that no runtime knows wakes a task.
//!
//! The checks read one part after the other while threads may run, so one answer proves nothing.
//! Only if [`progress`] is the same before and after, nothing has moved.

use crate::scheduler::local::visit;
use crate::scheduler::{host, multi};
use crate::{threads, timer, tokio_context};

/// Whether no worker and no `block_on` is awake, nothing is queued, and nothing waits for a timer,
/// a source or a blocking closure.
pub(crate) fn is_quiet() -> bool {
    // tokio's threads may wake tasks at any time, and nothing tells what they wait for.
    !tokio_context::is_started()
        && !threads::are_any_serving()
        && multi::pools_are_quiet()
        && visit::are_quiet()
        && host::is_quiet()
        && timer::acquired_are_empty()
}

/// Changes with each poll of a pool's task and each park in `block_on`.
pub(crate) fn progress() -> (u64, usize) {
    (multi::polls(), visit::parks())
}
