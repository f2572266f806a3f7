//! Dumps: where each task is, and what it waits for.

#![allow(
    clippy::disallowed_methods,
    clippy::async_yields_async,
    reason = "tests of threads that block and of tasks that are not awaited"
)]

use reveille_watchdog as _;

mod again;
mod deadlock;
mod dumps;
mod flight;
mod lints;
mod names;
mod programs;
mod recorder;
mod recordings;
mod running;
mod stacks;
