//! The processor time of this process.

use std::time::Duration;

use crate::simulation;

/// The processor time that all threads of this process have used. `None` where the system does not
/// say, and in a simulation, whose time is not that of the processors.
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
