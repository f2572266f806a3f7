//! Atomic types and fences: std's, or loom's in models.

#[cfg(not(reveille_loom))]
pub use std::sync::atomic::{
    AtomicBool, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering, compiler_fence,
    fence,
};

#[cfg(reveille_loom)]
pub use loom::sync::atomic::{
    AtomicBool, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
};

/// loom has no compiler fences. A full fence orders the two accesses around it at least as strongly
/// as a compiler fence together with the heavy barrier of another thread.
#[cfg(reveille_loom)]
pub fn compiler_fence(_: Ordering) {
    fence(Ordering::SeqCst);
}
