//! The primitives that the atomic protocols of this crate use: std's locks and atomics, and the
//! runtime's wakes.
//!
//! The files that contain a protocol import these by this path. Their loom models, beside those of
//! `runtime` (`crates/runtime/tests/loom_token.rs`, `loom_scope.rs`), include the files whole and
//! define a module of this name with loom's types.

pub(crate) use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
pub(crate) use std::sync::{Mutex, MutexGuard};

pub(crate) use reveille_runtime::{budget, task, time};
