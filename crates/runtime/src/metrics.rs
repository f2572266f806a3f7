//! The metrics of a runtime.

use std::time::Duration;

/// Metrics of a runtime. They are read one after the other while the workers run, so they may
/// differ by some polls. Counters begin at zero when the runtime starts and never decrease; the
/// other metrics are the current state. Each worker has its own counters, so counting takes no lock
/// and shares no memory. Reading takes some microseconds for each worker, because timers and
/// sockets are behind locks: read the metrics some times a second, not in each poll.
///
/// Local tasks and the futures of `block_on` belong to their thread, not to a runtime. They are not
/// counted, and neither are their timers and sockets.
///
/// The crate `reveille-metrics` publishes these numbers for programs that use the crate `metrics`.
///
/// # Examples
///
/// ```
/// use reveille::runtime::Runtime;
///
/// let runtime = Runtime::start()?;
/// let before = runtime.metrics();
/// runtime.block_on(runtime.spawn(reveille::task::yield_now()));
/// assert!(runtime.metrics().polls > before.polls);
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[non_exhaustive]
pub struct Metrics {
    /// Number of workers.
    pub workers: usize,
    /// Workers that are parked: they wait for events, timers or tasks.
    pub parked_workers: usize,
    /// Workers that search for tasks.
    pub searching_workers: usize,
    /// The time for which workers were not parked, summed over the workers. So with 4 workers it
    /// grows by 4 s a second at most. It includes turns of the driver, searches, and polls that
    /// block.
    pub busy_time: Duration,
    /// Tasks that were spawned and have not ended. While workers are busy, this may still count up
    /// to 31 ended tasks for each pair of workers.
    pub live_tasks: usize,
    /// Tasks that were spawned, including those that have ended.
    pub spawned_tasks: u64,
    /// Tasks in the injector, the queue that all workers share.
    pub injected_tasks: usize,
    /// Tasks in the queues of the workers.
    pub queued_tasks: usize,
    /// Polls of tasks.
    pub polls: u64,
    /// Tasks that a worker stole from another one.
    pub steals: u64,
    /// Times that a worker parked.
    pub parks: u64,
    /// Times that a worker woke another because its queue was long.
    pub sibling_wakes: u64,
    /// Tasks that a worker put into its backlog because its queue was full or the backlog was not
    /// empty. The backlog refills the queue; other workers do not steal from it.
    pub overflows: u64,
    /// Times that a thread took over a worker because the poll of its thread blocked.
    pub takeovers: u64,
    /// Threads of the worker pool: those that run workers, those that are stuck, and spare ones.
    pub threads: usize,
    /// Timers that have not fired.
    pub pending_timers: usize,
    /// Sockets and other descriptors that are registered with the drivers of the workers.
    pub sources: usize,
    /// Turns of drivers: how often a worker has asked the system for events.
    pub driver_turns: u64,
    /// Events of the system that reached a source.
    pub source_events: u64,
    /// System calls in which turns read for several tasks; see
    /// [`batched_reads`](crate::Builder::batched_reads).
    pub read_batches: u64,
    /// Reads that those system calls served.
    pub batched_reads: u64,
    /// Threads of the blocking pool.
    pub blocking_threads: usize,
    /// Threads of the blocking pool that wait for a closure.
    pub idle_blocking_threads: usize,
    /// Closures that wait for a thread of the blocking pool. Operations on files and name lookups
    /// are closures, too.
    pub queued_closures: usize,
    /// Closures that run.
    pub running_closures: usize,
    /// Closures that have begun, including those that have ended.
    pub started_closures: u64,
}
