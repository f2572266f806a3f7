//! A turn of a driver as a worker takes it: failures are reported, and panics of wakers contained.

use std::sync::Arc;
use std::time::Duration;

use reveille_driver::{Driver, Events, Turn};
use reveille_primitive::thread::sleep;

use crate::context;

/// How long a thread waits instead when the system refuses the wait of its driver.
const PAUSE: Duration = Duration::from_millis(5);

/// Turns `driver` and wakes the waiters of what happened.
pub(crate) fn turn(driver: &Driver, timeout: Option<Duration>, events: &mut Events) -> usize {
    let count = collect(driver, timeout, events);
    context::wake_all(events.wakers_mut());
    count
}

/// Waits for events. The wakers of their waiters are in `events` afterwards, to be woken next. A
/// failure of the wait is reported once and treated as a wait without events.
#[inline]
pub(super) fn collect(driver: &Driver, timeout: Option<Duration>, events: &mut Events) -> usize {
    match driver.collect(timeout, events) {
        Ok(Turn::Done { events, .. }) => events,
        Ok(Turn::Busy) => 0,
        Err(error) => {
            crate::observe::failed_turn(&error);
            // The next one fails too, and its caller would ask again at once.
            pause(timeout.map_or(PAUSE, |timeout| timeout.min(PAUSE)));
            0
        }
    }
}

/// As [`collect`] for the driver of another worker, without waiting. A notification that was meant
/// for that worker is posted again: it may be about to park.
pub(super) fn collect_for_another(driver: &Arc<Driver>, events: &mut Events) -> usize {
    match driver.collect(Some(Duration::ZERO), events) {
        Ok(Turn::Done { events, is_notified, .. }) => {
            if is_notified {
                driver.notify();
            }
            events
        }
        Ok(Turn::Busy) | Err(_) => 0,
    }
}

/// Blocks the calling thread for so long.
pub(super) fn pause(duration: Duration) {
    if !duration.is_zero() {
        sleep(duration);
    }
}
