//! Faults of other runtimes that this one must not have. `tests/FAULTS.md` lists them.

use reveille_watchdog as _;

mod block_on;
#[path = "../executors/pair.rs"]
mod pair;
mod scheduler;
mod time;
mod wake;
