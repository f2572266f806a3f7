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

#[cfg(test)]
mod tests {
    use super::*;

    /// So neighbours share no pair of lines of x86, and no line of an ARM core with long lines.
    #[test]
    fn neighbours_are_128_bytes_apart_and_start_a_line() {
        let pair = [Padded::new(1_u8), Padded::new(2)];
        let [first, second] = [&raw const *pair[0], &raw const *pair[1]].map(|at| at.addr());
        assert_eq!((first % 128, second - first), (0, 128));
    }
}
