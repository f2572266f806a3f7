//! The task cell, from outside, on a toy executor.

#![cfg(not(reveille_loom))]

use reveille_watchdog as _;

mod faults;
mod join;
mod life;
mod lost;
mod panics;
mod probes;
mod toy;
mod wakers;
