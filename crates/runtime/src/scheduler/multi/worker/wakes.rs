//! What a worker does around the wakes of its sockets and timers: a waker that is no task's may do
//! anything, as a poll may.

use std::mem;
use std::task::Waker;

use reveille_task::is_task_waker;

use super::Worker;
use crate::context;
use crate::scheduler::multi::with_batch;

impl Worker<'_> {
    /// Wakes the waiters of the events that were collected.
    pub(super) fn wake_collected(&mut self) {
        let wakers = self.events.wakers_mut();
        if wakers.iter().all(is_task_waker) {
            context::wake_all(wakers);
        } else {
            let mut wakers = mem::take(wakers);
            self.wake_foreign(&mut wakers);
        }
    }

    /// Wakes `wakers`, some of which are no task's and may do anything, as a poll may: block this
    /// thread, or give its place away by a `block_on`. So nobody relies on this worker meanwhile:
    /// it does not search, the monitor watches it, and whoever gets its place finds the wakers that
    /// are left.
    #[cold]
    pub(super) fn wake_foreign(&mut self, wakers: &mut Vec<Waker>) {
        let (mut of_tasks, others): (Vec<_>, Vec<_>) = wakers.drain(..).partition(is_task_waker);
        context::wake_all(&mut of_tasks);
        self.place.unwoken.lock().extend(others);
        self.wake_unwoken();
    }

    /// Wakes those that are left of what this worker, or one that had the place before it, began.
    pub(super) fn wake_unwoken(&mut self) {
        self.stop_searching();
        self.shared.monitor.arm();
        let pulse = if self.is_nested { None } else { Some(&self.seat.pulse) };
        pulse.inspect(|pulse| pulse.beat());
        while let Some(waker) = self.place.next_unwoken() {
            with_batch(|| crate::task::wake(waker));
        }
        pulse.inspect(|pulse| pulse.beat());
    }

    /// Fires a batch of what is due. The next comes after a poll: a million due timers keep neither
    /// the first of them nor a socket waiting.
    pub(super) fn turn_timers(&mut self, now: u64) {
        self.timed_ns = now;
        let timers = self.seat.timers();
        let mut wakers = mem::take(&mut self.wakers);
        self.is_more_due = timers.turn_batch(self.seat.identity(), now, &mut wakers, |wakers| {
            if wakers.iter().all(is_task_waker) {
                context::wake_all(wakers);
            } else {
                self.wake_foreign(wakers);
            }
        });
        self.wakers = wakers;
        if self.is_more_due {
            self.look_tick = self.tick.wrapping_add(1);
        }
    }
}
