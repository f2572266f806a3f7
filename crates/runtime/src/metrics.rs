//! The metrics of a runtime.

/// Metrics of a runtime. They are read one after the other while the workers run, so they may be
/// some polls apart.
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
    /// Workers that are parked.
    pub parked_workers: usize,
    /// Workers that search for tasks.
    pub searching_workers: usize,
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
    /// Turns of drivers.
    pub driver_turns: u64,
    /// System calls in which turns read for several tasks; see
    /// [`batched_reads`](crate::Builder::batched_reads).
    pub read_batches: u64,
    /// Reads that those system calls served.
    pub batched_reads: u64,
    /// Times that a thread took over a worker because the poll of its thread blocked.
    pub takeovers: u64,
    /// Threads of the worker pool: those that run workers, those that are stuck, and spare ones.
    pub threads: usize,
}
