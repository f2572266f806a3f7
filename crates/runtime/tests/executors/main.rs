//! The executors, from outside: spawning, panics, polls that block, and wakers that do.

use reveille_watchdog as _;

mod blocking_wakers;
mod child;
mod pair;
mod panics;
mod report;
mod rescue;
mod spawn;
