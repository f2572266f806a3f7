//! The wait of a thread in `block_on`: rounds of local tasks, timers and the driver, then a park.
//!
//! While the thread has timers or a driver, the watcher counts its rounds (`rescue.rs`).

use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use reveille_primitive::atomic::Ordering;
use reveille_primitive::simulation::{self, PolledTask};
use reveille_primitive::sys::TimerSlack;

use super::LocalExecutor;
use crate::context::Guard;
use crate::record;
use crate::scheduler::rescue::{self, BlockOnWatch};
use crate::scheduler::wake;
use crate::scheduler::wake_flags::{INBOX, MAIN};

/// After this many rounds, driver and timers are checked even though there is work.
const CHECK_EVERY: u32 = 64;

/// The interval between turns of the driver while there is work, as in the pool.
const TURN_EVERY_NS: u64 = 100_000;

impl LocalExecutor {
    /// Called when this thread first waits for a timer or a socket. The watcher watches it until it
    /// leaves `block_on`.
    #[inline]
    pub(super) fn watched(&self) -> &Arc<BlockOnWatch> {
        match self.watched.get() {
            Some(watched) if self.has_to_leave.get() => watched,
            _ => self.begin_watch(),
        }
    }

    #[cold]
    pub(super) fn begin_watch(&self) -> &Arc<BlockOnWatch> {
        self.has_to_leave.set(true);
        let watched = self.watched.get_or_init(|| {
            rescue::start();
            BlockOnWatch::new()
        });
        watched.wake();
        watched
    }

    /// Counts a round. A thread that was evacuated takes its timers and driver back.
    #[inline]
    pub(super) fn pass(&self) {
        self.passes.set(self.passes.get().wrapping_add(1));
        if self.has_to_leave.get() {
            self.pass_watched();
        }
    }

    /// Ends the poll of a local task, and counts it as a round. In a simulation another thread may
    /// run next.
    #[inline]
    pub(super) fn end_poll(&self, poll: Guard, polled: Option<PolledTask>, is_requeued: bool) {
        self.pass();
        drop(poll);
        simulation::end_poll(polled, is_requeued);
    }

    fn pass_watched(&self) {
        if !self.runs_for_another.get()
            && let Some(watched) = self.watched.get()
            && watched.pass()
        {
            watched.take_back(&self.event_loop.token().borrow().id());
            watched.wake();
        }
    }

    pub(super) fn is_evacuated(&self) -> bool {
        self.watched.get().is_some_and(|watched| watched.is_evacuated())
    }

    /// Runs local tasks, timers and the driver until the future of the `block_on` was woken.
    pub(crate) fn wait(&self) {
        loop {
            self.begin_round();
            self.run_queued();
            if self.take_main() {
                return;
            }
            if self.is_queue_empty() {
                self.park_for_any(None);
            }
        }
    }

    /// Begins a round: counts it, and turns the driver and the timers if they are due.
    #[inline]
    pub(crate) fn begin_round(&self) {
        let round = self.round.get().wrapping_add(1);
        self.round.set(round);
        self.pass();
        if round.is_multiple_of(CHECK_EVERY) {
            self.check_events();
        }
    }

    /// Sleeps until the future of the `block_on` was woken, for `limit` at most. Local tasks stay
    /// queued.
    pub(crate) fn park_for_main(&self, limit: Option<Duration>) {
        self.park(MAIN, limit);
    }

    /// Sleeps until that future was woken or a local task is queued, for `limit` at most.
    pub(crate) fn park_for_any(&self, limit: Option<Duration>) {
        self.park(MAIN | INBOX, limit);
    }

    /// Turns the driver and the timers if they are due, even though there is work.
    #[cold]
    fn check_events(&self) {
        let now = self.event_loop.now_ns();
        if now.saturating_sub(self.turned_ns.get()) >= TURN_EVERY_NS {
            self.turn_driver(Some(Duration::ZERO));
            self.turn_timers();
        }
    }

    fn turn_driver(&self, timeout: Option<Duration>) {
        self.leave_to_parent();
        if let Some(driver) = self.own_driver() {
            // Taken out: a waker may call `block_on`, which turns this driver too.
            let mut events = self.events.take();
            wake::turn(driver, timeout, &mut events);
            self.events.replace(events);
        }
    }

    fn turn_timers(&self) {
        let now = self.event_loop.now_ns();
        self.turned_ns.set(now);
        let Some(timers) = self.timers.get() else { return };
        let mut wakers = Vec::new();
        if !reveille_task::is_recording() {
            while timers.turn_batch(self.event_loop.token(), now, &mut wakers, wake::wake_all) {}
            return;
        }
        let due_ns = timers.next_deadline(&mut self.event_loop.token().borrow_mut());
        let wake_due = |wakers: &mut Vec<Waker>| {
            record::timer(due_ns.map_or(0, |due_ns| now.saturating_sub(due_ns)));
            wake::wake_all(wakers);
        };
        while timers.turn_batch(self.event_loop.token(), now, &mut wakers, wake_due) {}
        record::turn_end();
    }

    /// Sleeps until one of `flags` is set, an event comes or a timer is due, for `limit` at most.
    fn park(&self, flags: u32, limit: Option<Duration>) {
        self.event_loop.release_spare();
        let deadline = self.event_loop.park_timers();
        self.leave_to_parent();
        let driver = self.own_driver();
        if driver.is_some() && self.handle.driver.lock().is_none() {
            *self.handle.driver.lock() = driver.cloned();
        }
        let start = self.event_loop.now_ns();
        if self.spin_until(flags) {
            return;
        }
        let watched = self.watched.get().filter(|_| self.has_to_leave.get());
        if self.handle.flags.park(flags) {
            let parks = self.handle.parks.load(Ordering::Relaxed);
            self.handle.parks.store(parks.wrapping_add(1), Ordering::Relaxed);
            watched.inspect(|watched| watched.sleep());
            let timeout =
                deadline.map(|deadline| Duration::from_nanos(deadline.saturating_sub(start)));
            let timeout = match limit {
                Some(limit) => Some(limit.min(timeout.unwrap_or(Duration::MAX))),
                None => timeout,
            };
            if timeout.is_some() {
                self.use_exact_timers();
            }
            match (driver, timeout) {
                (Some(_), timeout) => self.turn_driver(timeout),
                (None, timeout) => self.park_without_driver(timeout),
            }
            watched.inspect(|watched| watched.wake());
        }
        let is_flag_set = self.handle.flags.unpark();
        let now = self.event_loop.now_ns();
        self.event_loop.spin.record_wait(is_flag_set.then(|| now.saturating_sub(start)));
        if self.timers.get().is_some() {
            self.turn_timers();
        }
    }

    fn park_without_driver(&self, timeout: Option<Duration>) {
        let is_recording = reveille_task::is_recording();
        if is_recording {
            record::park();
        }
        match timeout {
            Some(timeout) => _ = self.parker.park_timeout(timeout),
            None => self.parker.park(),
        }
        if is_recording {
            record::unpark();
            record::turn_end();
        }
    }

    /// Sets the smallest timer slack, so that timed waits end on time, until the thread leaves
    /// `block_on`.
    fn use_exact_timers(&self) {
        self.has_to_leave.set(true);
        let slack = self.slack.take();
        self.slack.set(slack.or_else(TimerSlack::least));
    }

    /// Spins for a moment. `true` if one of `flags` was set meanwhile.
    fn spin_until(&self, flags: u32) -> bool {
        self.event_loop.driver().is_none() && self.event_loop.spin(|| self.handle.flags.has(flags))
    }
}
