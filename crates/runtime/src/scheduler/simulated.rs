//! What a simulation is told of a poll.

use reveille_primitive::simulation::{Polled, polled};
use reveille_task::Runnable;

/// The task that is polled next, for `simulation::end_poll`. `None` outside of simulations.
#[inline(always)]
pub(super) fn simulated_poll(task: &Runnable) -> Option<Polled> {
    polled(|| {
        let task = task.as_task();
        Polled { addr: task.addr(), place: task.location() }
    })
}
