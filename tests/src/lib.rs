//! Shared parts of the integration tests.

pub mod again;
pub mod programs;
