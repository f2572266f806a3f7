//! How the next thread is chosen. Each seed has one strategy, which the seed draws.
//!
//! Different strategies find different faults. A random walk can reach any order of a few steps.
//! PCT (Burckhardt et al., "A randomized scheduler with probabilistic guarantees of finding bugs",
//! ASPLOS 2010) finds a fault that needs `d` ordered steps with a known probability, however long
//! the rest of the run is. A thread that hardly ever runs reveals code that relies on the progress
//! of other threads.

/// See the header of the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strategy {
    /// Any thread that can run, with the same probability.
    RandomWalk,
    /// The thread with the highest priority. Priorities are drawn, and a running thread loses its
    /// priority at drawn steps. Unlike in the paper, it also loses it after many steps in a row, so
    /// that a thread that loops does not stop the others.
    Pct,
    /// The thread that has been able to run for the longest time, as on an idle machine.
    FirstComeFirstServed,
    /// Like [`Strategy::FirstComeFirstServed`], but `delays` times, at drawn steps, the thread
    /// whose turn it is has to wait for another one (Emmi, Qadeer, Rakamarić, "Delay-bounded
    /// scheduling", POPL 2011).
    DelayBounded { delays: u32 },
    /// As the random walk, but this thread runs only now and then while others can.
    Laggard { thread: usize },
}

/// How many of 20 seeds have each kind of strategy.
const RANDOM_WALKS: u64 = 8;
const PCTS: u64 = 7;
const FIRST_COME: u64 = 2;
const DELAY_BOUNDED: u64 = 1;

/// The most delays of a seed.
const DELAYS_MAX: u64 = 5;

/// The laggard is one of this many first threads: the test's own, the workers, and a few others.
const LAGGARDS: u64 = 8;

/// With [`Strategy::Pct`], a running thread loses its priority at one step in this many.
pub(crate) const STEPS_PER_CHANGE: u64 = 50;

/// With [`Strategy::Pct`], how many times in a row a thread may be chosen.
pub(crate) const TURNS_IN_A_ROW: u32 = 200;

/// With [`Strategy::DelayBounded`], a delay comes at one step in this many.
pub(crate) const STEPS_PER_DELAY: u64 = 40;

/// With [`Strategy::Laggard`], the laggard may be chosen at one step in this many.
pub(crate) const STEPS_PER_LAG: u64 = 64;

impl Strategy {
    /// The strategy for two drawn numbers.
    pub(crate) fn draw(mut below: impl FnMut(u64) -> u64) -> Strategy {
        match below(20) {
            0..RANDOM_WALKS => Strategy::RandomWalk,
            kind if kind < RANDOM_WALKS + PCTS => Strategy::Pct,
            kind if kind < RANDOM_WALKS + PCTS + FIRST_COME => Strategy::FirstComeFirstServed,
            kind if kind < RANDOM_WALKS + PCTS + FIRST_COME + DELAY_BOUNDED => {
                Strategy::DelayBounded { delays: 1 + below(DELAYS_MAX) as u32 }
            }
            _ => Strategy::Laggard { thread: below(LAGGARDS) as usize },
        }
    }

    /// Whether the scheduler's own decisions are drawn too. If not, they are production's.
    pub(crate) fn draws_decisions(self) -> bool {
        !matches!(self, Strategy::FirstComeFirstServed | Strategy::DelayBounded { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_strategy_is_drawn() {
        let of = |kind| Strategy::draw(|count| if count == 20 { kind } else { 3 });
        assert_eq!((of(0), of(7)), (Strategy::RandomWalk, Strategy::RandomWalk));
        assert_eq!((of(8), of(14)), (Strategy::Pct, Strategy::Pct));
        assert_eq!((of(15), of(16)), [Strategy::FirstComeFirstServed; 2].into());
        assert_eq!(of(17), Strategy::DelayBounded { delays: 4 });
        assert_eq!((of(18), of(19)), [Strategy::Laggard { thread: 3 }; 2].into());
        assert!(of(0).draws_decisions() && !of(15).draws_decisions());
    }
}
