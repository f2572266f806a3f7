//! The choice of the next thread among those that can run, by the strategy of the seed.

use super::World;
use crate::platform::thread::Thread;
use crate::strategy::{STEPS_PER_CHANGE, STEPS_PER_DELAY, STEPS_PER_LAG, Strategy, TURNS_IN_A_ROW};

impl World {
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
            let turns = if self.last.0 == chosen.number { self.last.1 + 1 } else { 1 };
            self.last = (chosen.number, turns);
        }
        chosen
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
