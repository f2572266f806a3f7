//! Wakes wakers. If one panics, the others are still woken.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Waker;
use std::time::Duration;

use reveille_driver::{Driver, Events, Flags};
use reveille_primitive::lock;
use reveille_trace::Ready;

use super::panic_hook;
use crate::context;
use crate::event_loop;
use crate::observe;
use crate::record;

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

/// Wakes the waiters of events, and records the events. Leaves the wakers that `wakes` refuses to
/// the caller.
#[cold]
pub(crate) fn wake_recorded(events: &mut Events, wakes: fn(&Waker) -> bool) {
    lock::assert_none_held("a wake");
    let causes = events.take_causes();
    let wakers = std::mem::take(events.wakers_mut());
    let others = context::with_batch(|| {
        let mut causes = causes.iter().peekable();
        let mut others = Vec::new();
        for (index, waker) in wakers.into_iter().enumerate() {
            let mut cause = None;
            while let Some(next) = causes.next_if(|next| next.first_waker <= index) {
                cause = Some(next);
            }
            if let Some(cause) = cause {
                record::io(cause.fd, ready(cause.flags));
            }
            if wakes(&waker) {
                wake(waker);
            } else {
                others.push(waker);
            }
        }
        others
    });
    record::turn_end();
    *events.wakers_mut() = others;
}

fn ready(flags: Flags) -> Ready {
    let bits = [
        (Flags::READABLE, Ready::READABLE),
        (Flags::WRITABLE, Ready::WRITABLE),
        (Flags::READ_CLOSED.with(Flags::WRITE_CLOSED), Ready::CLOSED),
        (Flags::ERROR, Ready::ERROR),
    ];
    let set = bits.into_iter().filter(|(flag, _)| flags.has(*flag));
    set.fold(Ready::default(), |ready, (_, bit)| ready.and(bit))
}

/// Wakes everything that waits for a source of `driver`, which no thread turns any more. A panic of
/// a waker is reported.
pub(crate) fn wake_waiting(driver: &Driver) {
    let woken = catch_unwind(AssertUnwindSafe(|| driver.wake_all()));
    woken.map_or_else(report_waker, |_| ());
}

/// Wakes the waiters of events, and records the events if they have their causes.
pub(crate) fn wake_events(events: &mut Events) {
    if events.has_causes() {
        wake_recorded(events, |_| true);
    }
    wake_all(events.wakers_mut());
}

/// Turns `driver` and wakes the waiters of its events.
pub(crate) fn turn(driver: &Driver, timeout: Option<Duration>, events: &mut Events) -> usize {
    let is_recording = reveille_task::is_recording();
    events.set_tracks_causes(is_recording);
    let may_wait = is_recording && timeout != Some(Duration::ZERO);
    if may_wait {
        record::park();
    }
    let count = event_loop::collect(driver, timeout, events);
    if may_wait {
        record::unpark();
    }
    wake_events(events);
    if is_recording {
        record::turn_end();
    }
    count
}

/// Passes the panic of a waker to the hook of this thread's runtime.
#[cold]
fn report_waker(payload: Box<dyn Any + Send>) {
    let hook = panic_hook::current();
    observe::panicked_waker(hook.as_ref(), payload);
}
