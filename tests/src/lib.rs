//! Shared parts of the integration tests.

pub mod allocator;
pub mod child;
pub mod executors;
// Not by way of the watchdog's package: the program `stress` would link the watchdog.
#[path = "../watchdog/src/itself.rs"]
mod itself;
#[cfg(target_os = "linux")]
pub mod measure;
pub mod poll;
pub mod programs;
pub mod scratch;
pub mod wakers;
