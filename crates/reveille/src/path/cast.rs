//! Casts between std's `Path` and this crate's, behind any pointer. All unsafe code of this module
//! is here.
//!
//! Invariant 1: [`Path`] is `repr(transparent)` over [`std::path::Path`], so a pointer to one is a
//! pointer to the other, with the same length, the same alignment, the same allocation layout and
//! the same valid values.
//!
//! *Rejected:* `type Path = std::path::Path`, which cannot have the asynchronous methods.
//! *Rejected:* an extension trait for them, which users of async-std would have to import.
#![allow(unsafe_code)]

use std::rc::Rc;
use std::sync::Arc;

use super::Path;

/// Casts a path of std to one of this crate.
pub(super) fn from_std(path: &std::path::Path) -> &Path {
    let pointer: *const std::path::Path = path;
    // SAFETY: the new reference must point to a valid `Path` for its lifetime, and the path must
    // not be written meanwhile. Invariant 1 and the shared borrow of `path` guarantee that.
    unsafe { &*(pointer as *const Path) }
}

/// Casts a box of std's path to one of this crate's.
pub(super) fn box_from_std(path: Box<std::path::Path>) -> Box<Path> {
    let pointer = Box::into_raw(path) as *mut Path;
    // SAFETY: `Box::from_raw` requires a pointer from `Box::into_raw` of a type with the layout of
    // `Path`, used once. It comes from the line above, and invariant 1 gives the layout.
    unsafe { Box::from_raw(pointer) }
}

/// Casts a box of this crate's path to one of std's.
pub(super) fn box_into_std(path: Box<Path>) -> Box<std::path::Path> {
    let pointer = Box::into_raw(path) as *mut std::path::Path;
    // SAFETY: `Box::from_raw` requires a pointer from `Box::into_raw` of a type with the layout of
    // std's `Path`, used once. It comes from the line above, and invariant 1 gives the layout.
    unsafe { Box::from_raw(pointer) }
}

/// Casts a shared path of std to one of this crate.
pub(super) fn arc_from_std(path: Arc<std::path::Path>) -> Arc<Path> {
    let pointer = Arc::into_raw(path) as *const Path;
    // SAFETY: `Arc::from_raw` requires a pointer from `Arc::into_raw` of a type with the size and
    // alignment of `Path`, used once. It comes from the line above, and invariant 1 gives the
    // layout.
    unsafe { Arc::from_raw(pointer) }
}

/// Casts a shared path of std to one of this crate.
pub(super) fn rc_from_std(path: Rc<std::path::Path>) -> Rc<Path> {
    let pointer = Rc::into_raw(path) as *const Path;
    // SAFETY: `Rc::from_raw` requires a pointer from `Rc::into_raw` of a type with the size and
    // alignment of `Path`, used once. It comes from the line above, and invariant 1 gives the
    // layout.
    unsafe { Rc::from_raw(pointer) }
}
