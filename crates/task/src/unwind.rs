//! Catches panics of user code, and aborts where a panic cannot be handled.

use std::any::Any;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The payload of a panic.
pub(crate) type Payload = Box<dyn Any + Send>;

/// Runs `user_code` and returns the payload if it panics.
///
/// Only state of the user's own can be left inconsistent, and the crate does not use it again.
#[inline]
pub(crate) fn caught(user_code: impl FnOnce()) -> Option<Payload> {
    catch_unwind(AssertUnwindSafe(user_code)).err()
}

/// Runs `code`. If it unwinds, the process aborts, because the task could never complete.
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
