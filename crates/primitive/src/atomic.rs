//! Atomic types and fences: std's, or loom's when a protocol is being modelled.

#[cfg(not(reveille_loom))]
pub use std::sync::atomic::{
    AtomicBool, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering, compiler_fence,
    fence,
};

#[cfg(reveille_loom)]
pub use loom::sync::atomic::{
    AtomicBool, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
};

/// loom has no compiler fences. A full fence gives the same order of the two accesses around it, as
/// another thread sees them after its own heavy barrier.
#[cfg(reveille_loom)]
pub fn compiler_fence(_: Ordering) {
    fence(Ordering::SeqCst);
}
