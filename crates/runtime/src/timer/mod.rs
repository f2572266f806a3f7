//! Time: the clocks, the timer wheel, and the timers of one thread.
//!
//! No code here wakes a waker: the wakers that are due are returned to the caller.

mod approx_clock;
pub(crate) mod clock;
pub(crate) mod timers;
pub(crate) mod wheel;

pub(crate) use approx_clock::{APPROX_ERROR_MAX_NS, ApproxClock, counts_ticks, detect_ticks};
pub(crate) use timers::{Notify, Timers, acquire_timers, acquired_are_empty, release_timers};
