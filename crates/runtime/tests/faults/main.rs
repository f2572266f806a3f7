//! Faults of other runtimes that this one must not have. `tests/FAULTS.md` lists them.

use reveille_watchdog as _;

mod block_on;
mod scheduler;
mod time;
#[cfg(unix)]
mod wake;
