//! The processor time of this process.

use std::time::Duration;

use crate::simulation;

/// What all threads of this process have used of the processors. `None` where the system does not
/// say, and in a simulation, whose time has nothing to do with it.
#[must_use]
pub fn process_cpu_time() -> Option<Duration> {
    if simulation::is_simulated() {
        return None;
    }
    #[cfg(unix)]
    {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        Duration::try_from(time).ok()
    }
    #[cfg(not(unix))]
    {
        None
    }
}
