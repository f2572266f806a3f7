//! Whether a task of this process can run only if a thread that no runtime knows wakes it.
//!
//! The checks read one part after the other while threads may run. So an answer counts only if
//! [`progress`] is the same before and after it.

use reveille_primitive::fork;
use reveille_primitive::sys::thread_count;

use crate::scheduler::local::visit;
use crate::scheduler::{host, multi};
use crate::{polls, threads, timer, tokio_context};

/// Whether no worker and no `block_on` is awake, nothing is queued or polled, and nothing waits for
/// a timer, a source or a blocking closure.
pub(crate) fn is_quiet() -> bool {
    // tokio's threads may wake tasks at any time, and do not report what they wait for.
    !tokio_context::is_started()
        && !threads::are_any_serving()
        && multi::pools_are_quiet()
        && !polls::are_any()
        && visit::are_quiet()
        && host::is_quiet()
        && timer::acquired_are_empty()
}

/// Changes with each poll of a pool's task and each park in `block_on`.
pub(crate) fn progress() -> (u64, usize) {
    (multi::polls(), visit::parks())
}

/// Whether each thread of the process is one of reveille's own or waits in `block_on`, so that no
/// other one can wake a task. `None` where the threads cannot be counted.
///
/// While the process is quiet, nothing starts threads. A thread of reveille that is about to end is
/// counted by the system for longer than here, so for a moment it looks like a thread of the
/// program.
pub(crate) fn are_threads_known() -> Option<bool> {
    if fork::generation() > 0 {
        // The parent's threads are counted, too.
        return None;
    }
    let known = threads::own_threads() + visit::foreign_threads();
    Some(thread_count()? <= known)
}
