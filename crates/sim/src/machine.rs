//! The machine that a seed draws: its processors, and how long things take.

use crate::streams::Streams;

/// The most processors.
const PROCESSORS_MAX: u64 = 4;

/// The mean times of a poll, in nanoseconds. Each seed draws one. With short polls, tasks stay on
/// their worker. With long ones, they are shared and stolen.
const MEAN_POLL_NS: [u64; 4] = [500, 2_000, 20_000, 100_000];

/// The longest time from a wake until the woken thread can run, on a machine with free cores, in
/// nanoseconds.
const WAKE_MAX_NS: u64 = 20_000;

/// One poll and one wake in this many takes much longer, as if other programs had the core
/// meanwhile. Each seed draws one of these numbers, so some seeds are a busy machine. There a task
/// that relies on another one to be faster is late soon.
const STEPS_PER_PREEMPTION: [u64; 4] = [1_000, 1_000, 100, 10];
const PREEMPTION_MAX_NS: u64 = 30_000_000;

/// See the header of the module.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) processors: usize,
    mean_poll_ns: u64,
    steps_per_preemption: u64,
}

impl Machine {
    pub(crate) fn draw(streams: &mut Streams) -> Machine {
        let processors = 1 + streams.draw("machine", PROCESSORS_MAX);
        let mut one_of = |values: &[u64; 4]| values[streams.draw("machine", 4) as usize];
        Machine {
            processors: processors as usize,
            mean_poll_ns: one_of(&MEAN_POLL_NS),
            steps_per_preemption: one_of(&STEPS_PER_PREEMPTION),
        }
    }

    /// Draws how long a poll took.
    pub(crate) fn poll_time_ns(&self, streams: &mut Streams) -> u64 {
        let mean = self.mean_poll_ns;
        match self.is_preempted("time", streams) {
            true => streams.draw("time", PREEMPTION_MAX_NS),
            false => mean / 2 + streams.draw("time", mean),
        }
    }

    /// Draws the time from a wake, or from a deadline, until the thread can run.
    pub(crate) fn wake_time_ns(&self, streams: &mut Streams) -> u64 {
        match self.is_preempted("wake", streams) {
            true => streams.draw("wake", PREEMPTION_MAX_NS),
            false => streams.draw("wake", WAKE_MAX_NS),
        }
    }

    fn is_preempted(&self, name: &'static str, streams: &mut Streams) -> bool {
        // The highest number, because a shrunk run draws 0.
        streams.draw(name, self.steps_per_preemption) == self.steps_per_preemption - 1
    }
}
