//! Wakes wakers. If one panics, the others are still woken.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Waker;
use std::time::Duration;

use reveille_driver::{Driver, Events};
use reveille_primitive::lock;

use super::panic_hook;
use crate::context;
use crate::event_loop;
use crate::observe;

/// Wakes `waker`. A panic of the waker is caught and reported.
pub(crate) fn wake(waker: Waker) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| waker.wake())) {
        report_waker(payload);
    }
}

/// Wakes every waker of a batch. The tasks that become runnable are queued without waking a sibling
/// each. A panic of a waker is reported.
pub(crate) fn wake_all(wakers: &mut Vec<Waker>) {
    if wakers.is_empty() {
        return;
    }
    lock::assert_none_held("a wake");
    context::with_batch(|| {
        for waker in wakers.drain(..) {
            wake(waker);
        }
    });
}

/// Wakes everything that waits for a source of `driver`, which no thread turns any more. A panic of
/// a waker is reported.
pub(crate) fn wake_waiting(driver: &Driver) {
    let woken = catch_unwind(AssertUnwindSafe(|| driver.wake_all()));
    woken.map_or_else(report_waker, |_| ());
}

/// Turns `driver` and wakes the waiters of its events.
pub(crate) fn turn(driver: &Driver, timeout: Option<Duration>, events: &mut Events) -> usize {
    let count = event_loop::collect(driver, timeout, events);
    wake_all(events.wakers_mut());
    count
}

/// Passes the panic of a waker to the hook of this thread's runtime.
#[cold]
fn report_waker(payload: Box<dyn Any + Send>) {
    let hook = panic_hook::current();
    observe::panicked_waker(hook.as_ref(), payload);
}
