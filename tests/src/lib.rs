//! Shared parts of the integration tests.

pub mod allocator;
pub mod child;
pub mod executors;
#[cfg(target_os = "linux")]
pub mod measure;
pub mod programs;
pub mod scratch;
pub mod wakers;
