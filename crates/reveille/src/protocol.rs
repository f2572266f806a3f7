//! The primitives that the atomic protocols of this crate use: std's locks and atomics, and the
//! runtime's wakes.
//!
//! The files that contain a protocol import these by this path. Their loom models, beside those of
//! `runtime` (`crates/runtime/tests/loom_token.rs`, `loom_scope.rs`, `loom_sync.rs`), include the
//! files whole and define a module of this name with loom's types.

pub(crate) use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
pub(crate) use std::sync::{Mutex, MutexGuard, RwLock, RwLockReadGuard};

pub(crate) use reveille_runtime::spin_lock::{SpinLock, SpinLockGuard};
pub(crate) use reveille_runtime::{block_on, budget, task, time, waits};
