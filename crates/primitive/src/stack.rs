//! Checks how much of its stack a thread has used.
//!
//! For code that polls tasks inside a poll, which can nest to any depth. Stacks grow downwards on
//! every system that Rust's std supports.

use std::cell::Cell;
use std::hint::black_box;

/// If the size of a stack is unknown, half of it is assumed to be used this many bytes below the
/// frame of the thread's first call. A quarter of std's default stack size.
const ASSUMED_HALF: usize = 512 * 1024;

/// Returns whether the calling thread has used half of its stack or more. The first call on each
/// thread queries the bounds from the system, which takes some microseconds. Later calls take a
/// nanosecond.
#[must_use]
pub fn is_half_used() -> bool {
    thread_local!(static MIDDLE: Cell<usize> = const { Cell::new(0) });
    let here = here();
    MIDDLE.with(|middle| {
        if middle.get() == 0 {
            let assumed = here.saturating_sub(ASSUMED_HALF);
            middle.set(system::middle().unwrap_or(assumed).max(1));
        }
        here <= middle.get()
    })
}

/// An address close to the frame of the caller.
#[inline(never)]
fn here() -> usize {
    let local = 0_u8;
    std::ptr::from_ref(black_box(&local)).addr()
}

#[cfg(all(target_os = "linux", not(miri)))]
mod system {
    use std::mem::MaybeUninit;
    use std::ptr;

    /// The address in the middle of the thread's stack.
    pub(super) fn middle() -> Option<usize> {
        let mut attributes = MaybeUninit::uninit();
        // SAFETY: the call has no arguments and no preconditions.
        let this = unsafe { libc::pthread_self() };
        // SAFETY: `this` is the calling thread, which is alive, and the call fills the attributes
        // if it succeeds.
        let got = unsafe { libc::pthread_getattr_np(this, attributes.as_mut_ptr()) };
        if got != 0 {
            return None;
        }
        let (mut lowest, mut size) = (ptr::null_mut(), 0);
        // SAFETY: the attributes were filled above, and both results are alive during the call.
        let got = unsafe {
            libc::pthread_attr_getstack(attributes.as_ptr(), &raw mut lowest, &raw mut size)
        };
        // SAFETY: the attributes were filled above, and are not used after this.
        unsafe { libc::pthread_attr_destroy(attributes.as_mut_ptr()) };
        (got == 0 && size > 0).then(|| lowest.addr() + size / 2)
    }
}

#[cfg(not(all(target_os = "linux", not(miri))))]
mod system {
    /// Unknown on this system.
    pub(super) fn middle() -> Option<usize> {
        None
    }
}

#[cfg(all(test, not(reveille_loom)))]
mod tests {
    use super::*;

    /// Recurses until half of the stack is used. Returns how many bytes that took.
    fn descend(from: usize) -> usize {
        let frame = black_box([0_u8; 1024]);
        if is_half_used() { from - here() } else { descend(from).max(usize::from(frame[0])) }
    }

    fn used_of(stack_size: usize) -> usize {
        let thread = std::thread::Builder::new().stack_size(stack_size);
        let thread = thread.spawn(|| {
            assert!(!is_half_used());
            descend(here())
        });
        thread.expect("a thread").join().expect("the stack does not overflow")
    }

    #[test]
    fn half_of_a_stack_is_used_before_it_overflows() {
        for stack_size in [256 * 1024, 2 << 20, 16 << 20] {
            let used = used_of(stack_size);
            let quarter = stack_size / 4;
            let is_size_known = cfg!(all(target_os = "linux", not(miri)));
            assert!(
                !is_size_known || (quarter..3 * quarter).contains(&used),
                "{used} of {stack_size}"
            );
        }
    }
}
