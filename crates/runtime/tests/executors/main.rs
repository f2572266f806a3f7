//! The executors, from outside: spawning, panics, polls that block, and wakers that do.

use reveille_watchdog as _;

#[cfg(unix)]
mod blocking_wakers;
mod child;
#[cfg(unix)]
mod panics;
#[cfg(unix)]
mod report;
#[cfg(unix)]
mod rescue;
mod spawn;
