//! What a simulation learns of a poll.

use reveille_primitive::simulation::{PolledTask, polled};
use reveille_task::Runnable;

/// The task that is polled next, for `simulation::end_poll`. `None` outside of simulations.
#[inline(always)]
pub(super) fn simulated_poll(task: &Runnable) -> Option<PolledTask> {
    polled(|| {
        let task = task.as_task();
        PolledTask { addr: task.addr(), place: task.location() }
    })
}
