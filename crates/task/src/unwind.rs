//! Catching panics of user code, and aborting where a panic cannot be handled.

use std::any::Any;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What a panic carries.
pub(crate) type Payload = Box<dyn Any + Send>;

/// Runs `user_code` and returns the payload if it panics.
///
/// The state that it may leave inconsistent is the user's own, and is not used again.
#[inline]
pub(crate) fn caught(user_code: impl FnOnce()) -> Option<Payload> {
    catch_unwind(AssertUnwindSafe(user_code)).err()
}

/// Runs `code`; if it unwinds, the process aborts, since the task could never complete.
#[inline]
pub(crate) fn aborting<R>(code: impl FnOnce() -> R) -> R {
    struct Abort;
    impl Drop for Abort {
        fn drop(&mut self) {
            std::process::abort();
        }
    }
    let abort = Abort;
    let result = code();
    mem::forget(abort);
    result
}
