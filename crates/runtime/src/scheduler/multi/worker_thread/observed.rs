//! What a worker does so that a poll that blocks is noticed: it arms and defers the timer of the
//! monitor. While the monitor has no thread, it waits for the timer itself.

use std::mem;

use reveille_primitive::atomic::Ordering;

use super::WorkerThread;
use crate::scheduler::multi::monitor::DEFER_NS;

impl WorkerThread<'_> {
    /// Called before a poll. The first poll since the worker began or parked arms the monitor's
    /// timer; the phase stays as it is while the worker is awake.
    #[inline]
    pub(super) fn arm_monitor(&mut self) {
        if mem::take(&mut self.is_first_poll) {
            self.arm_monitor_slow();
        }
    }

    #[inline(never)]
    fn arm_monitor_slow(&self) {
        let monitor = &self.pool.monitor;
        let is_last = self.worker.is_observer.load(Ordering::Relaxed) && {
            self.worker.is_observer.store(false, Ordering::Relaxed);
            monitor.observers().end()
        };
        let is_unheard = monitor.arm();
        if (is_last || is_unheard) && monitor.is_late() {
            self.pool.monitor.start_now();
        }
    }

    /// Called before the worker parks.
    pub(super) fn prepare_to_observe(&mut self) {
        let is_first_poll = mem::replace(&mut self.is_first_poll, true);
        if !is_first_poll && self.pool.monitor.is_late() {
            self.worker.is_observer.store(true, Ordering::Relaxed);
            self.pool.monitor.observers().begin();
        }
    }

    /// Called after the worker has parked. Starts the thread of the monitor if it is late and the
    /// alarm has ended the wait.
    pub(super) fn answer_alarm(&self) {
        if self.is_wait_unexplained && self.pool.monitor.is_late() && self.pool.monitor.is_called()
        {
            self.pool.monitor.start_now();
        }
    }

    /// Defers the monitor's timer, if this worker is the only one awake and has not deferred it for
    /// some milliseconds.
    #[inline]
    pub(super) fn defer_monitor(&mut self, now: u64) {
        if now.saturating_sub(self.deferred_ns) >= DEFER_NS && !self.is_nested() {
            self.deferred_ns = now;
            self.pool.monitor.defer(|| self.pool.is_one_awake());
        }
    }
}
