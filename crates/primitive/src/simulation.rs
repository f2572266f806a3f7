//! Hooks with which a simulation of the system takes part in what the runtime does.
//!
//! A simulation (`reveille-sim`) catches the calls that std and the runtime make to the C library.
//! The functions of this module are for the rest: calls that go to the kernel directly, and the
//! decisions of the scheduler, which a simulation draws.
//!
//! Without the feature `sim` each function is a constant, and the compiler removes its callers'
//! branches. `reveille-sim` turns the feature on, so only programs that contain it have the
//! branches.

use std::panic::Location;
#[cfg(feature = "sim")]
use std::time::Duration;

/// A decision of the scheduler that a simulation may draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Which of the runnable tasks of a worker is polled next.
    NextTask,
    /// Whether a worker wakes a sibling although its run queue is short.
    WakeSibling,
    /// Whether a worker steals from a queue that is short.
    Steal,
}

/// A task that was polled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PolledTask {
    /// The address of the task, which no other task has at the same time.
    pub addr: usize,
    /// Where the task was spawned, if that is known.
    pub place: Option<&'static Location<'static>>,
}

/// A simulation. There is one for the process; each thread is part of it or is not.
#[cfg(feature = "sim")]
pub trait Simulation: std::fmt::Debug + Sync {
    /// Whether the calling thread is simulated.
    fn is_simulated(&self) -> bool;

    /// Blocks the calling thread until the descriptor `fd` is readable, for `timeout` at most.
    fn wait_readable(&self, fd: i32, timeout: Option<Duration>);

    /// Called after each poll: it takes a drawn time, and another thread may run next. `polled` is
    /// the task, or `None` for the future of a `block_on`. `is_requeued` says that the task was
    /// woken during the poll.
    fn end_poll(&self, polled: Option<PolledTask>, is_requeued: bool);

    /// A number for the present run of the host that the calling thread is one of. 0 on the host of
    /// the test itself.
    fn host_key(&self) -> u64;

    /// Makes the calling thread one of another host. Returns the host and the key that it had.
    fn set_host(&self, host: usize, key: u64) -> (usize, u64);

    /// Draws a number below `count`. 0 is what the scheduler does outside of simulations.
    fn draw(&self, decision: Decision, count: usize) -> usize;
}

#[cfg(feature = "sim")]
mod slot {
    use std::sync::OnceLock;
    use std::time::Duration;

    use super::{Decision, PolledTask, Simulation};

    static SIMULATION: OnceLock<&'static dyn Simulation> = OnceLock::new();

    /// Sets the simulation of this process. The first one stays.
    pub fn install(simulation: &'static dyn Simulation) {
        let _ = SIMULATION.set(simulation);
    }

    fn current() -> Option<&'static dyn Simulation> {
        SIMULATION.get().copied().filter(|simulation| simulation.is_simulated())
    }

    /// Whether the calling thread is simulated.
    #[must_use]
    pub fn is_simulated() -> bool {
        current().is_some()
    }

    /// Blocks the calling thread until the descriptor `fd` is readable, for `timeout` at most. Does
    /// nothing on a thread that is not simulated.
    pub fn wait_readable(fd: i32, timeout: Option<Duration>) {
        if let Some(simulation) = current() {
            simulation.wait_readable(fd, timeout);
        }
    }

    /// The task that is polled next, for [`end_poll`]. `None` on a thread that is not simulated.
    pub fn polled(task: impl FnOnce() -> PolledTask) -> Option<PolledTask> {
        is_simulated().then(task)
    }

    /// Tells the simulation that a poll has ended, so that another thread may run. The caller holds
    /// no lock. `is_requeued` says that the task was woken during the poll.
    pub fn end_poll(polled: Option<PolledTask>, is_requeued: bool) {
        if let Some(simulation) = current() {
            simulation.end_poll(polled, is_requeued);
        }
    }

    /// Lets another thread run, for a thread that repeats itself until another one has gone on.
    /// Does nothing on a thread that is not simulated: there the other one runs anyway.
    pub fn yield_now() {
        if is_simulated() {
            std::thread::yield_now();
        }
    }

    /// A number for the present run of the host that the calling thread is one of. 0 on the host of
    /// the test itself, and outside of simulations.
    #[must_use]
    pub fn host_key() -> u64 {
        current().map_or(0, Simulation::host_key)
    }

    /// Runs `start`, which starts a thread that serves the whole process: it is one of no host that
    /// can crash.
    pub fn for_all_hosts<R>(start: impl FnOnce() -> R) -> R {
        let Some(simulation) = current() else { return start() };
        let (host, key) = simulation.set_host(0, 0);
        let started = start();
        simulation.set_host(host, key);
        started
    }

    /// A number below `count` that the simulation draws; 0 outside of simulations.
    #[must_use]
    pub fn draw(decision: Decision, count: usize) -> usize {
        current().map_or(0, |simulation| simulation.draw(decision, count))
    }
}

#[cfg(not(feature = "sim"))]
mod slot {
    use std::time::Duration;

    use super::{Decision, PolledTask};

    /// Whether the calling thread is simulated: no.
    #[inline(always)]
    #[must_use]
    pub const fn is_simulated() -> bool {
        false
    }

    /// Does nothing: the thread is not simulated.
    #[inline(always)]
    pub const fn wait_readable(_: i32, _: Option<Duration>) {}

    /// Does nothing: the thread is not simulated.
    #[inline(always)]
    pub const fn yield_now() {}

    /// `None`: the thread is not simulated.
    #[inline(always)]
    pub fn polled(_: impl FnOnce() -> PolledTask) -> Option<PolledTask> {
        None
    }

    /// Does nothing: the thread is not simulated.
    #[inline(always)]
    pub const fn end_poll(_: Option<PolledTask>, _: bool) {}

    /// 0: the thread is not simulated.
    #[inline(always)]
    #[must_use]
    pub const fn host_key() -> u64 {
        0
    }

    /// Runs `start`.
    #[inline(always)]
    pub fn for_all_hosts<R>(start: impl FnOnce() -> R) -> R {
        start()
    }

    /// 0, what the scheduler does outside of simulations.
    #[inline(always)]
    #[must_use]
    pub const fn draw(_: Decision, _: usize) -> usize {
        0
    }
}

pub use slot::*;

/// Draws whether the scheduler does something that it would not do by itself. `false` outside of
/// simulations.
#[inline(always)]
#[must_use]
pub fn draws(decision: Decision) -> bool {
    draw(decision, 2) == 1
}
