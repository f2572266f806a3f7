//! What a worker does around the wakes of its sockets and timers: a waker that is no task's may do
//! anything, as a poll may.

use std::mem;
use std::task::Waker;

use reveille_task::is_task_waker;

use super::WorkerThread;
use crate::context;
use crate::scheduler::multi::with_batch;

impl WorkerThread<'_> {
    /// Wakes the waiters of the events that were collected.
    pub(super) fn wake_collected(&mut self) {
        let wakers = self.events.wakers_mut();
        if wakers.iter().all(is_task_waker) {
            context::wake_all(wakers);
        } else {
            let mut wakers = mem::take(wakers);
            self.wake_others(&mut wakers);
        }
    }

    /// Wakes `wakers`, some of which are no task's and may do anything, as a poll may: block this
    /// thread, or give its place away by a `block_on`. So nobody relies on this worker meanwhile:
    /// it does not search, the monitor watches it, and whoever gets its place finds the wakers that
    /// are left.
    #[cold]
    pub(super) fn wake_others(&mut self, wakers: &mut Vec<Waker>) {
        let (mut of_tasks, others): (Vec<_>, Vec<_>) = wakers.drain(..).partition(is_task_waker);
        context::wake_all(&mut of_tasks);
        self.worker.unwoken.lock().extend(others);
        self.wake_unwoken();
    }

    /// Wakes those that are left of what this worker, or one that had the place before it, began.
    pub(super) fn wake_unwoken(&mut self) {
        if self.worker.unwoken.lock().is_empty() {
            return;
        }
        self.stop_searching();
        self.pool.monitor.arm();
        let pulse = if self.is_nested { None } else { Some(&self.context.poll_counter) };
        pulse.inspect(|pulse| pulse.increment());
        while let Some(waker) = self.worker.next_unwoken() {
            with_batch(|| crate::task::wake(waker));
        }
        pulse.inspect(|pulse| pulse.increment());
    }

    /// Fires a batch of what is due. The next comes after a poll: a million due timers keep neither
    /// the first of them nor a socket waiting.
    pub(super) fn turn_timers(&mut self, now: u64) {
        self.timed_ns = now;
        let timers = self.context.timers();
        let mut wakers = mem::take(&mut self.wakers);
        self.is_more_due = timers.turn_batch(self.context.token(), now, &mut wakers, |wakers| {
            if wakers.iter().all(is_task_waker) {
                context::wake_all(wakers);
            } else {
                self.wake_others(wakers);
            }
        });
        self.wakers = wakers;
        if self.is_more_due {
            self.maintenance_tick = self.tick.wrapping_add(1);
        }
    }
}
