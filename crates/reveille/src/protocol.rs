//! What the protocols of this crate stand on: std's locks and atomics, and the runtime's wakes.
//!
//! The files that have a protocol take these from here, by this path. Their models, which lie
//! beside those of `runtime` (`crates/runtime/tests/loom_token.rs`, `loom_scope.rs`), include the
//! files whole and have a module of this name with loom's.

pub(crate) use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
pub(crate) use std::sync::{Mutex, MutexGuard};

pub(crate) use reveille_runtime::{budget, task, time};
