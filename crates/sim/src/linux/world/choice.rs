//! The threads that can run, and the choice of the next one among them, by the strategy of the
//! seed.

use super::{World, now_ns};
use crate::platform::thread::{NEVER_NS, Outcome, State, Thread};
use crate::strategy::{STEPS_PER_CHANGE, STEPS_PER_DELAY, STEPS_PER_LAG, Strategy, TURNS_IN_A_ROW};

impl World {
    /// Wakes the threads whose deadlines have passed, and collects those that can run now. Returns
    /// when the first of the others can run, if none can run now.
    pub(super) fn find_candidates(&mut self) -> u64 {
        let later_ns = self.find_due();
        match self.candidates[..] {
            [] => later_ns,
            [only] if matches!(only.state.get(), State::Ready { .. }) && !self.is_paused(only) => {
                later_ns
            }
            _ => later_ns.min(self.wake_due()),
        }
    }

    /// Collects the threads that can run now, or whose deadlines have passed. Returns when the
    /// first of the others can run.
    fn find_due(&mut self) -> u64 {
        self.candidates.clear();
        let now = now_ns();
        let mut later_ns = NEVER_NS;
        for (time_ns, thread) in self.timed.soonest_first() {
            if time_ns <= now {
                self.candidates.push(thread);
            } else if !self.kernel.is_paused(thread.host.get()) {
                // A thread of a host that is paused does not count.
                later_ns = time_ns;
                break;
            }
        }
        if self.candidates.len() > 1 {
            // The choice depends on the order.
            self.candidates.sort_unstable_by_key(|thread| thread.number);
        }
        later_ns
    }

    /// Wakes the threads among the candidates whose deadlines have passed, and leaves those that
    /// can run now. Returns when the first of the others can run.
    fn wake_due(&mut self) -> u64 {
        let now = now_ns();
        let mut later_ns = NEVER_NS;
        let mut due = std::mem::take(&mut self.candidates);
        due.retain(|&thread| {
            if !matches!(thread.state.get(), State::Ready { .. }) {
                let at_ns = now + self.wake_time_ns();
                self.set_state(thread, State::Ready { at_ns });
                thread.outcome.set(Outcome::TimedOut);
            }
            let time_ns = thread.state.get().time_ns();
            let (is_paused, is_due) = (self.is_paused(thread), time_ns <= now);
            if !is_paused && !is_due {
                later_ns = later_ns.min(time_ns);
            }
            is_due && !is_paused
        });
        self.candidates = due;
        later_ns
    }

    /// Chooses one of the threads that can run now.
    pub(super) fn choose(&mut self) -> Option<&'static Thread> {
        let mut candidates = std::mem::take(&mut self.candidates);
        let chosen = match candidates.len() {
            0 => None,
            1 => Some(candidates[0]),
            _ => Some(self.choose_among(&mut candidates)),
        };
        self.candidates = candidates;
        if let Some(chosen) = chosen {
            self.count_turn(chosen);
        }
        chosen
    }

    /// Counts how often in a row a thread was chosen.
    pub(super) fn count_turn(&mut self, chosen: &Thread) {
        let turns = if self.last.0 == chosen.number { self.last.1 + 1 } else { 1 };
        self.last = (chosen.number, turns);
    }

    fn choose_among(&mut self, candidates: &mut Vec<&'static Thread>) -> &'static Thread {
        match self.strategy {
            Strategy::RandomWalk => self.draw_one(candidates),
            Strategy::Laggard { thread } => {
                if self.draw("schedule", STEPS_PER_LAG) != STEPS_PER_LAG - 1 {
                    candidates.retain(|candidate| candidate.number != thread);
                }
                self.draw_one(candidates)
            }
            Strategy::Pct => {
                let is_changed = self.draw("schedule", STEPS_PER_CHANGE) == STEPS_PER_CHANGE - 1;
                if (is_changed || self.last.1 >= TURNS_IN_A_ROW)
                    && let Some(last) = candidates.iter().find(|it| it.number == self.last.0)
                {
                    self.lowest_priority -= 1;
                    last.priority.set(self.lowest_priority);
                }
                let first = candidates.iter().max_by_key(|thread| thread.priority.get());
                first.copied().unwrap_or(candidates[0])
            }
            Strategy::DelayBounded { delays } => {
                candidates.sort_by_key(|thread| (thread.state.get().time_ns(), thread.number));
                let is_delayed =
                    delays > 0 && self.draw("schedule", STEPS_PER_DELAY) == STEPS_PER_DELAY - 1;
                if is_delayed {
                    self.strategy = Strategy::DelayBounded { delays: delays - 1 };
                }
                candidates[usize::from(is_delayed)]
            }
            Strategy::FirstComeFirstServed => {
                let first = candidates.iter().min_by_key(|thread| thread.state.get().time_ns());
                first.copied().unwrap_or(candidates[0])
            }
        }
    }

    fn draw_one(&mut self, candidates: &[&'static Thread]) -> &'static Thread {
        let index = self.draw("schedule", candidates.len() as u64);
        candidates[index as usize]
    }
}
