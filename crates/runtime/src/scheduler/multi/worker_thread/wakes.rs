//! Wakes the waiters of a worker's sockets and timers. A waker that does not belong to a task is
//! user code and may block.

use std::mem;
use std::task::Waker;

use reveille_task::is_task_waker;

use super::WorkerThread;
use crate::context;
use crate::record;
use crate::scheduler::wake::{wake, wake_all, wake_recorded};

impl WorkerThread<'_> {
    /// Wakes the waiters of the events that were collected.
    pub(super) fn wake_collected(&mut self) {
        if self.events.has_causes() {
            wake_recorded(&mut self.events, is_task_waker);
        }
        let wakers = self.events.wakers_mut();
        if wakers.iter().all(is_task_waker) {
            wake_all(wakers);
        } else {
            let mut wakers = mem::take(wakers);
            self.wake_others(&mut wakers);
        }
    }

    /// Wakes `wakers`. Those that do not belong to tasks may do anything that a poll may: block
    /// this thread, or call `block_on`, which hands the worker off. So nothing may rely on this
    /// thread meanwhile. It does not count as searching, the monitor watches it, and a thread that
    /// takes the worker over finds the remaining wakers.
    #[cold]
    pub(super) fn wake_others(&mut self, wakers: &mut Vec<Waker>) {
        let (mut of_tasks, others): (Vec<_>, Vec<_>) = wakers.drain(..).partition(is_task_waker);
        wake_all(&mut of_tasks);
        self.worker.unwoken.lock().extend(others);
        self.wake_unwoken();
    }

    /// Wakes the wakers that are left over, from this thread or from one that ran the worker
    /// before.
    pub(super) fn wake_unwoken(&mut self) {
        if self.worker.unwoken.lock().is_empty() {
            return;
        }
        self.stop_searching();
        self.arm_monitor();
        let counter = if self.is_nested() { None } else { Some(&self.context.poll_counter) };
        // No task: the wakers are those of others.
        counter.inspect(|counter| counter.begin(0));
        while let Some(waker) = self.worker.next_unwoken() {
            context::with_batch(|| wake(waker));
        }
        counter.inspect(|counter| counter.increment());
    }

    /// Fires a batch of due timers. The next batch follows after one poll, so that a million due
    /// timers delay neither sockets nor the tasks of the first timers.
    pub(super) fn turn_timers(&mut self, now: u64) {
        self.pace.timed(now);
        let timers = self.event_loop.timers();
        let is_recording = reveille_task::is_recording();
        let due_ns = if is_recording {
            timers.next_deadline(&mut self.event_loop.token().borrow_mut())
        } else {
            None
        };
        let mut wakers = mem::take(&mut self.wakers);
        self.is_more_due = timers.turn_batch(self.event_loop.token(), now, &mut wakers, |wakers| {
            if is_recording {
                record::timer(due_ns.map_or(0, |due_ns| now.saturating_sub(due_ns)));
            }
            if wakers.iter().all(is_task_waker) {
                wake_all(wakers);
            } else {
                self.wake_others(wakers);
            }
        });
        self.wakers = wakers;
        if is_recording {
            record::turn_end();
        }
        if self.is_more_due {
            self.pace.hasten_maintenance();
        }
    }
}
