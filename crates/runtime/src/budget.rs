//! How much a task may do in one poll before it has to let others run.
//!
//! Each poll begins with a number of units; operations of the runtime that are ready take one. A
//! task whose operations are always ready so yields after a bounded number of them. The budget
//! counts operations, not time: what blocks inside a poll is the monitor's business.
//!
//! An operation that is refused wakes its waker and is pending, so that the poll ends. A poll does
//! not end if it contains another executor (`pollster`, the loop of a window system, a second
//! runtime): that one polls again at once. So the budget is filled again after 64
//! refusals in one poll.

use std::task::{Context, Poll};

use crate::context;

/// Takes one unit of the current poll's budget.
///
/// `Pending` when the budget is used up: then the task has been woken already and goes to the back
/// of the queue. Outside a task there is no limit.
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

/// Whether the current poll has budget left. Outside a task it always has.
#[inline]
#[must_use]
pub fn is_left() -> bool {
    context::has_budget()
}

/// Runs `poll` of a future that shares its task with others, which were polled before it.
///
/// If they used up the budget, `poll` gets one unit of its own. Otherwise a future that is always
/// ready would starve those polled after it, and a time limit would never see that it is over.
/// `was_left` is what [`is_left`] said before the first of them: a combinator that began without
/// budget lends none, so that a loop over such combinators ends.
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

/// Takes up to so many units more, for an operation that was long. What is missing is forgiven.
pub fn charge(units: usize) {
    for _ in 0..units.min(usize::from(context::EVENTS_PER_POLL)) {
        context::take_budget();
    }
}

/// Runs `poll` and gives the unit back if nothing came of it.
#[inline]
pub(crate) fn poll_budgeted<R>(
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
