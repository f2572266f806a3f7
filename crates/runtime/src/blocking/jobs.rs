//! What a pool is doing, for dumps.

use std::time::Instant;

use super::pool::{BlockingShared, Job};

/// A job that runs.
pub(crate) struct RunningJob<I> {
    pub(crate) info: I,
    pub(crate) since: Instant,
    /// The name of its thread.
    pub(crate) thread: String,
}

/// The jobs of a pool at one moment.
pub(crate) struct Jobs<I> {
    pub(crate) running: Vec<RunningJob<I>>,
    pub(crate) queued: Vec<I>,
}

impl<J: Job> BlockingShared<J> {
    /// What runs and what is queued, in the order of the queue.
    pub(crate) fn jobs(&self) -> Jobs<J::Info>
    where
        J::Info: Clone,
    {
        let (threads, queued) = {
            let state = self.state.lock();
            let queued: Vec<_> = state.queue.iter().map(Job::info).collect();
            (state.threads.clone(), queued)
        };
        let running = threads.into_iter().filter_map(|thread| {
            let (info, since) = thread.running.lock().clone()?;
            // Not under a lock: names are made by a function of the program.
            let thread = (self.config.thread_name)(thread.number);
            Some(RunningJob { info, since, thread })
        });
        Jobs { running: running.collect(), queued }
    }
}
