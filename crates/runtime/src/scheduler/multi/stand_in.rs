//! What the monitor does for a worker in a long poll that no thread can take over.
//!
//! The poll may run another executor, which waits for a timer or a socket of this worker. So the
//! poll does not end before somebody turns them. If no thread is left for the worker, because the
//! limit of spare threads is reached or the system refuses a thread, the monitor turns them itself,
//! once in each of its periods. It runs no tasks.
//!
//! The wakers run on the thread of the monitor. If one of them blocks, the monitor detects no other
//! long poll meanwhile. Not to wake them would be worse, because every poll may wait for them.

use reveille_driver::Events;
use reveille_primitive::atomic::Ordering;

use super::worker::Worker;
use crate::event_loop::collect_remote;
use crate::scheduler::wake::{wake_all, wake_events};
use crate::timer::clock::system_clock;

/// Wakes what waits for a timer of `worker` that is due, or for a source that is ready.
pub(super) fn turn(worker: &Worker, events: &mut Events) {
    let now_ns = system_clock().now_ns();
    let driver = worker.driver.lock().clone();
    if let Some(driver) = driver {
        worker.turned_ns.store(now_ns, Ordering::Relaxed);
        events.set_tracks_causes(reveille_task::is_recording());
        collect_remote(&driver, events);
        wake_events(events);
    }
    worker.timers.turn_remote(now_ns, wake_all);
}
