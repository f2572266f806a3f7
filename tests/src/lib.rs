//! Shared parts of the integration tests.

pub mod again;
pub mod allocator;
pub mod child;
#[cfg(target_os = "linux")]
pub mod measure;
pub mod executors;
pub mod programs;
