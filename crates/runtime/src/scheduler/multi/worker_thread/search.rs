//! Searches for work of siblings: in their queues, and in the drivers of those in a long poll.

use reveille_primitive::atomic::Ordering;
use reveille_primitive::simulation::{self, Decision};

use super::WorkerThread;
use crate::event_loop::collect_remote;
use crate::observe::Event;
use crate::record;
use crate::scheduler::multi::pace;
use crate::scheduler::multi::worker::Worker;

impl WorkerThread<'_> {
    /// Searches the queues of siblings. `true` if something was found.
    pub(super) fn search(&mut self) -> bool {
        let workers = self.pool.workers.len();
        if !self.is_searching {
            self.is_searching = self.pool.idle.start_search(workers);
        }
        if !self.is_searching {
            return false;
        }
        let first = self.random.below(workers);
        for offset in 0..workers {
            let victim = &self.pool.workers[(first + offset) % workers];
            if !self.is_worth_stealing_from(victim) {
                continue;
            }
            let stolen = victim.queue.steal(&mut self.stolen);
            if stolen > 0 {
                self.worker.counters.add(Event::Steal, stolen as u64);
                if reveille_task::is_recording() {
                    record::stolen(stolen, victim.index);
                }
                self.push_stolen();
                return true;
            }
        }
        !self.pool.injector.is_empty() || self.turn_blocked_drivers()
    }

    /// Whether to steal from `victim`: its queue is long, or its thread is in a long poll.
    pub(super) fn is_worth_stealing_from(&self, victim: &Worker) -> bool {
        if victim.index == self.worker.index || victim.queue.is_empty() {
            return false;
        }
        let since_turn_ns =
            || self.event_loop.now_ns().saturating_sub(victim.turned_ns.load(Ordering::Relaxed));
        pace::is_worth_stealing(victim.queued_ns())
            || pace::is_long_poll(since_turn_ns())
            || simulation::draws(Decision::Steal)
    }

    /// Turns the drivers of workers that are in a long poll. `true` if that queued a task.
    fn turn_blocked_drivers(&mut self) -> bool {
        if self.pool.workers.len() == 1 {
            return false;
        }
        let now = self.event_loop.now_ns();
        let mut events = 0;
        for worker in &self.pool.workers {
            let is_own = worker.index == self.worker.index;
            let since_turn_ns = now.saturating_sub(worker.turned_ns.load(Ordering::Relaxed));
            let is_stale = pace::is_stale(since_turn_ns);
            if is_own || !is_stale || self.pool.idle.is_parked(worker.index) {
                continue;
            }
            let driver = worker.driver.lock().clone();
            if let Some(driver) = driver {
                worker.turned_ns.store(now, Ordering::Relaxed);
                events += collect_remote(&driver, &mut self.events);
                self.wake_collected();
            }
        }
        events > 0
    }

    /// Spins for a short time before the worker parks. `true` if something was found. Only a
    /// searcher spins: siblings rely on it, and one spinning worker is enough.
    pub(super) fn spin(&mut self) -> bool {
        if !self.is_searching {
            return false;
        }
        self.event_loop.spin(|| self.has_work_elsewhere()) && self.search()
    }
}
