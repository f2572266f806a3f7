//! A value on cache lines of its own.

use std::ops::{Deref, DerefMut};

/// Keeps a value on cache lines of its own. The alignment is 128 bytes, because x86 fetches lines
/// in pairs and some 64-bit ARM cores have lines of that size.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Padded<T>(T);

impl<T> Padded<T> {
    /// Wraps `value`.
    pub const fn new(value: T) -> Padded<T> {
        Padded(value)
    }
}

impl<T> Deref for Padded<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for Padded<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}
