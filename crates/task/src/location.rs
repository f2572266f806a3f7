//! The source location of a spawn in four bytes.
//!
//! A `Location` is usually a static in the same image as this crate, and therefore close to any
//! static of this crate. [`CompactLocation`] stores the distance to one of them in units of their
//! alignment: in units of 8 bytes it reaches 16 GiB to either side. A location in a library that is
//! loaded farther away is not stored. Rejected: a table of numbered locations, which costs a lock
//! and a lookup per spawn.

use std::panic::Location;

/// The unit of distances: the alignment of `Location`, which divides that of the base.
const UNIT_BYTES: isize = align_of::<Location<'static>>() as isize;

/// The address from which distances are measured.
static BASE: Base = Base(0);

#[repr(align(16))]
struct Base(#[allow(dead_code, reason = "only its address is used")] u128);

/// An `Option<&'static Location<'static>>` in four bytes.
#[derive(Clone, Copy)]
pub(crate) struct CompactLocation(i32);

impl CompactLocation {
    /// Distance 0 means no location: the base itself is at that address.
    const NONE: CompactLocation = CompactLocation(0);

    #[inline]
    pub(crate) fn new(location: Option<&'static Location<'static>>) -> CompactLocation {
        let Some(location) = location else { return CompactLocation::NONE };
        let address = (&raw const *location).expose_provenance() as isize;
        let distance = address.wrapping_sub(base()) / UNIT_BYTES;
        i32::try_from(distance).map_or(CompactLocation::NONE, CompactLocation)
    }

    /// A number that equal locations share and that no two locations share.
    #[inline]
    pub(crate) fn key(self) -> i32 {
        self.0
    }

    pub(crate) fn get(self) -> Option<&'static Location<'static>> {
        if self.0 == CompactLocation::NONE.0 {
            return None;
        }
        let address = base().wrapping_add(self.0 as isize * UNIT_BYTES) as usize;
        // SAFETY: `new` measured this distance from a `&'static Location<'static>`, whose
        // provenance it exposed, and no static moves.
        Some(unsafe { &*std::ptr::with_exposed_provenance(address) })
    }
}

#[inline]
fn base() -> isize {
    (&raw const BASE).addr() as isize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_location_is_read_back() {
        let here = Location::caller();
        assert!(std::ptr::eq(CompactLocation::new(Some(here)).get().expect("it is near"), here));
        assert!(CompactLocation::new(None).get().is_none());
    }
}
