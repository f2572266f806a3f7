//! A turn of a driver as a worker takes it: failures are reported, and panics of wakers contained.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use reveille_driver::{Driver, Events, Turn};

use crate::context;

/// Turns `driver`; a failure of the wait is reported once and treated as an empty turn.
pub(crate) fn turn(driver: &Arc<Driver>, timeout: Option<Duration>, events: &mut Events) -> usize {
    match turn_contained(driver, timeout, events) {
        Some(Ok(Turn::Done { events, .. })) => events,
        Some(Ok(Turn::Busy)) => 0,
        Some(Err(error)) => {
            crate::observe::failed_turn(&error);
            0
        }
        None => 1,
    }
}

/// Turns `driver`. `None` if a waker panicked, which is reported; the others were woken.
fn turn_contained(
    driver: &Arc<Driver>,
    timeout: Option<Duration>,
    events: &mut Events,
) -> Option<std::io::Result<Turn>> {
    let turned = catch_unwind(AssertUnwindSafe(|| driver.turn(timeout, events)));
    turned.map_err(context::report_waker).ok()
}

/// Turns the driver of another worker without waiting. A notification that was meant for that
/// worker is posted again: it may be about to park.
pub(super) fn turn_for_another(driver: &Arc<Driver>, events: &mut Events) -> usize {
    match turn_contained(driver, Some(Duration::ZERO), events) {
        Some(Ok(Turn::Done { events, is_notified, .. })) => {
            if is_notified {
                driver.notify();
            }
            events
        }
        Some(Ok(Turn::Busy) | Err(_)) => 0,
        None => {
            // Whether it took a notification is not known.
            driver.notify();
            1
        }
    }
}
