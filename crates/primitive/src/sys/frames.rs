//! The return addresses on this thread's stack, by the unwinder that std links.
//!
//! std's `Backtrace` captures the same, allocates for each frame and takes a lock. This writes
//! addresses to a slice and nothing else. It stops at a place on the stack that the caller names,
//! so that it costs what lies in between.
//!
//! Where the unwinder has another interface (Windows with Microsoft's toolchain) there are no
//! addresses.

/// A place on this thread's stack. Stacks grow downwards on every system that this runs on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StackMark(usize);

impl StackMark {
    /// Beyond every frame: the walk ends with the stack.
    pub const END: StackMark = StackMark(usize::MAX);

    /// The frame of the function that calls this, or a place a little below it.
    #[inline(never)]
    #[must_use]
    pub fn here() -> StackMark {
        let local = 0_u8;
        StackMark((&raw const local).addr())
    }
}

/// Writes the return addresses of the frames from the caller's up to `root`, innermost first.
/// Returns how many were written: `addresses.len()` at most.
///
/// `root` is a place on this thread's stack, in a frame that has not returned.
#[inline(never)]
pub fn return_addresses(root: StackMark, addresses: &mut [usize]) -> usize {
    unwinder::walk(StackMark::here(), root, addresses)
}

#[cfg(any(unix, all(windows, target_env = "gnu")))]
#[allow(unsafe_code, reason = "the unwinder is a C library")]
mod unwinder {
    use std::ffi::{c_int, c_void};

    use super::StackMark;

    /// The walk continues.
    const NO_REASON: c_int = 0;
    /// The walk ends: `_URC_NORMAL_STOP`.
    const STOP: c_int = 4;

    unsafe extern "C-unwind" {
        fn _Unwind_Backtrace(
            visit: extern "C-unwind" fn(*mut c_void, *mut c_void) -> c_int,
            argument: *mut c_void,
        ) -> c_int;
        fn _Unwind_GetIP(frame: *mut c_void) -> usize;
        fn _Unwind_GetCFA(frame: *mut c_void) -> usize;
    }

    struct Walk<'a> {
        below: StackMark,
        root: StackMark,
        addresses: &'a mut [usize],
        len: usize,
    }

    pub(super) fn walk(below: StackMark, root: StackMark, addresses: &mut [usize]) -> usize {
        let mut walk = Walk { below, root, addresses, len: 0 };
        // SAFETY: `visit` fits the unwinder's type, and the argument points to a `Walk` that
        // outlives the call. The unwinder keeps neither.
        unsafe { _Unwind_Backtrace(visit, (&raw mut walk).cast()) };
        walk.len
    }

    extern "C-unwind" fn visit(frame: *mut c_void, argument: *mut c_void) -> c_int {
        // SAFETY: `walk` passes its `Walk`, which no other reference reaches during the call.
        let walk = unsafe { &mut *argument.cast::<Walk<'_>>() };
        // SAFETY: the unwinder passes a frame that is valid for this call.
        let address = unsafe { _Unwind_GetIP(frame) };
        // SAFETY: as above.
        let end = unsafe { _Unwind_GetCFA(frame) };
        if end > walk.root.0 || walk.len == walk.addresses.len() || address == 0 {
            return STOP;
        }
        if end > walk.below.0 {
            walk.addresses[walk.len] = address;
            walk.len += 1;
        }
        NO_REASON
    }
}

#[cfg(not(any(unix, all(windows, target_env = "gnu"))))]
mod unwinder {
    use super::StackMark;

    pub(super) fn walk(_: StackMark, _: StackMark, _: &mut [usize]) -> usize {
        0
    }
}

// Not on Windows with Microsoft's toolchain: there are no addresses.
#[cfg(all(test, any(unix, all(windows, target_env = "gnu")), not(reveille_loom)))]
mod tests {
    use super::{StackMark, return_addresses};

    #[inline(never)]
    fn at_depth(depth: usize, root: StackMark, addresses: &mut [usize]) -> usize {
        if depth == 0 {
            return return_addresses(root, addresses);
        }
        // The addition keeps this from becoming a jump.
        at_depth(depth - 1, root, addresses) + std::hint::black_box(0)
    }

    #[test]
    fn the_walk_ends_at_the_root() {
        let root = StackMark::here();
        let mut addresses = [0; 64];
        let shallow = at_depth(2, root, &mut addresses);
        let deep = at_depth(12, root, &mut addresses);
        assert_eq!(deep, shallow + 10, "a frame more for each call");
        assert!(shallow >= 2 && deep < 20, "{shallow} {deep}: no frame beyond the root");
    }

    #[test]
    fn a_stack_deeper_than_the_slice_is_cut_off() {
        let root = StackMark::here();
        let mut addresses = [0; 4];
        assert_eq!(at_depth(12, root, &mut addresses), 4);
        assert!(addresses.iter().all(|&address| address != 0));
    }
}
