//! The budget: how many operations a task may do in one poll before it must yield.
//!
//! Each poll begins with a number of units, and each operation of the runtime that is ready takes
//! one. So a task whose operations are always ready yields after a bounded number of them. The
//! budget counts operations, not time: the monitor detects polls that block.
//!
//! An operation without budget wakes its waker and returns `Pending`, so that the poll ends. But if
//! the poll contains another executor (`pollster`, a GUI's event loop, a second runtime), that
//! executor polls the operation again immediately. So the budget is filled again after 64 refusals
//! in one poll.

use std::task::{Context, Poll};

use crate::context;

/// Takes one unit of the current poll's budget.
///
/// Returns `Pending` if the budget is used up. The task has then been woken already and goes to the
/// back of the queue. Outside a task there is no limit.
#[inline]
pub fn poll_proceed(cx: &mut Context<'_>) -> Poll<()> {
    match context::take_budget() {
        true => Poll::Ready(()),
        false => {
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    }
}

/// Whether the current poll has budget left. Always `true` outside a task.
#[inline]
#[must_use]
pub fn is_left() -> bool {
    context::has_budget()
}

/// Polls a future that shares its task with others that were polled before it, by calling `poll`.
///
/// If the others used up the budget, `poll` gets one unit of its own. Otherwise a future that is
/// always ready would starve those that are polled after it, and a time limit would never expire.
/// `was_left` is the result of [`is_left`] before the first future was polled. A combinator that
/// began without budget does not lend a unit, so a loop over such combinators ends.
#[inline]
pub fn poll_after<R>(was_left: bool, poll: impl FnOnce() -> R) -> R {
    if !was_left || context::has_budget() {
        return poll();
    }
    context::lend_budget(true);
    let result = poll();
    context::lend_budget(false);
    result
}

/// Takes up to `units` more units for a long operation. If fewer are left, takes those.
pub fn charge(units: usize) {
    for _ in 0..units.min(usize::from(context::EVENTS_PER_POLL)) {
        // Without the check the units that are missing would count as refusals, and many refusals
        // fill the budget again.
        if !context::has_budget() {
            return;
        }
        context::take_budget();
    }
}

/// Takes a unit and runs `poll`. Returns the unit if the result is `Pending`.
#[inline]
pub fn poll_budgeted<R>(
    cx: &mut Context<'_>,
    poll: impl FnOnce(&mut Context<'_>) -> Poll<R>,
) -> Poll<R> {
    if poll_proceed(cx).is_pending() {
        return Poll::Pending;
    }
    let result = poll(cx);
    if result.is_pending() {
        context::return_budget();
    }
    result
}
