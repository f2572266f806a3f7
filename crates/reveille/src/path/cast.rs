//! Between std's `Path` and this crate's, behind any pointer. All unsafe code of this module.
//!
//! Invariant 1: [`Path`] is `repr(transparent)` over [`std::path::Path`], so a pointer to one is a
//! pointer to the other, with the same length, the same alignment, the same allocation layout and
//! the same valid values.
//!
//! *Rejected:* `type Path = std::path::Path`, which has no room for the asynchronous methods; a
//! trait for them, which the predecessor's users would have to import.
#![allow(unsafe_code)]

use std::rc::Rc;
use std::sync::Arc;

use super::Path;

/// Views a path of std as one of this crate.
pub(super) fn from_std(path: &std::path::Path) -> &Path {
    let pointer: *const std::path::Path = path;
    // SAFETY: the new reference must point to a valid `Path` for as long as the old one lives, and
    // nobody may write meanwhile: invariant 1 and the lifetime of the shared `path`.
    unsafe { &*(pointer as *const Path) }
}

/// Turns a box of std's path into one of this crate's.
pub(super) fn box_from_std(path: Box<std::path::Path>) -> Box<Path> {
    let pointer = Box::into_raw(path) as *mut Path;
    // SAFETY: the pointer must come from `Box::into_raw` of a type with the layout of `Path`, and
    // be used once: it is the one of the line before, and invariant 1.
    unsafe { Box::from_raw(pointer) }
}

/// Turns a box of this crate's path into one of std's.
pub(super) fn box_into_std(path: Box<Path>) -> Box<std::path::Path> {
    let pointer = Box::into_raw(path) as *mut std::path::Path;
    // SAFETY: the pointer must come from `Box::into_raw` of a type with the layout of std's `Path`,
    // and be used once: it is the one of the line before, and invariant 1.
    unsafe { Box::from_raw(pointer) }
}

/// Turns a shared path of std into one of this crate.
pub(super) fn arc_from_std(path: Arc<std::path::Path>) -> Arc<Path> {
    let pointer = Arc::into_raw(path) as *const Path;
    // SAFETY: the pointer must come from `Arc::into_raw` of a type with the size and alignment of
    // `Path`, and be used once: it is the one of the line before, and invariant 1.
    unsafe { Arc::from_raw(pointer) }
}

/// Turns a shared path of std into one of this crate.
pub(super) fn rc_from_std(path: Rc<std::path::Path>) -> Rc<Path> {
    let pointer = Rc::into_raw(path) as *const Path;
    // SAFETY: the pointer must come from `Rc::into_raw` of a type with the size and alignment of
    // `Path`, and be used once: it is the one of the line before, and invariant 1.
    unsafe { Rc::from_raw(pointer) }
}
