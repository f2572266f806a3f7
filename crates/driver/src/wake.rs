//! Wakes many waiters, even if the waker of one panics.

use std::any::Any;
use std::panic::{self, AssertUnwindSafe};
use std::task::Waker;

use reveille_primitive::lock;

/// Wakes and removes all `wakers`. Returns their number.
///
/// # Panics
///
/// Resumes the last panic of a waker after all wakers have been called. Ignoring the panic would
/// hide a bug, and stopping at it would hang the tasks of the remaining wakers. The payloads of
/// other panics are dropped.
pub(crate) fn wake_all(wakers: &mut Vec<Waker>) -> usize {
    lock::assert_none_held("a wake");
    let count = wakers.len();
    let mut last: Option<Box<dyn Any + Send>> = None;
    for waker in wakers.drain(..) {
        // Unwind safe: the waker is consumed, and no state here is inconsistent after a panic.
        if let Err(panic) = panic::catch_unwind(AssertUnwindSafe(|| waker.wake()))
            && let Some(further) = last.replace(panic)
        {
            discard(further);
        }
    }
    if let Some(panic) = last {
        panic::resume_unwind(panic);
    }
    count
}

/// Drops the payload of a panic. If that drop panics, the second payload is leaked.
fn discard(payload: Box<dyn Any + Send>) {
    if let Err(second) = panic::catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(second);
    }
}
