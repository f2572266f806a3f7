//! Thread functions that loom replaces (yielding and spinning), and the sleeps of the runtime.

#[cfg(not(reveille_loom))]
pub use std::hint::spin_loop;
#[cfg(not(reveille_loom))]
pub use std::thread::yield_now;

#[cfg(reveille_loom)]
pub use loom::hint::spin_loop;
#[cfg(reveille_loom)]
pub use loom::thread::yield_now;

/// Waits a short time for another thread. `times` is the number of calls in a row for the same
/// reason: the first calls spin, later ones yield, the rest sleep.
#[cfg(not(reveille_loom))]
#[expect(clippy::disallowed_methods, reason = "a plain store wakes no thread that waits for it")]
pub fn backoff(times: usize) {
    /// Calls that spin: some microseconds in all.
    const SPINS: usize = 100;
    const YIELDS: usize = 10;
    const SLEEP: std::time::Duration = std::time::Duration::from_micros(50);
    match times {
        0..SPINS => spin_loop(),
        SPINS.. if times < SPINS + YIELDS => yield_now(),
        _ => std::thread::sleep(SLEEP),
    }
}

/// Blocks the calling thread for `duration`. For a thread of the runtime that has to repeat a check
/// or a system call later, and that no other thread can wake.
#[cfg(not(reveille_loom))]
#[expect(
    clippy::disallowed_methods,
    reason = "the runtime's own threads, where no event will come"
)]
pub fn sleep(duration: std::time::Duration) {
    std::thread::sleep(duration);
}
