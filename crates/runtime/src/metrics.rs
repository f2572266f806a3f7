//! The numbers of a runtime.

/// Numbers of a runtime at one moment. They are read one after the other while the workers go on,
/// so that together they may be some polls apart.
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
    /// Workers.
    pub workers: usize,
    /// Workers that are parked.
    pub parked_workers: usize,
    /// Workers that search for tasks.
    pub searching_workers: usize,
    /// Tasks in the queue that all workers share.
    pub injected_tasks: usize,
    /// Tasks in the queues of the workers.
    pub queued_tasks: usize,
    /// Polls of tasks.
    pub polls: u64,
    /// Tasks that a worker stole from another one.
    pub steals: u64,
    /// Times that a worker parked.
    pub parks: u64,
    /// Times a worker woke another because its queue was long.
    pub sibling_wakes: u64,
    /// Tasks that a worker queued in its backlog, which is behind its queue, because the queue was
    /// full or the backlog not yet empty. The backlog is not stolen from; it refills the queue.
    pub overflows: u64,
    /// Turns of drivers.
    pub driver_turns: u64,
    /// System calls of turns that read for several tasks at once; see
    /// [`batched_reads`](crate::Builder::batched_reads).
    pub read_batches: u64,
    /// Reads of tasks that those calls carried out.
    pub batched_reads: u64,
    /// Times that a thread took over a worker from a thread whose poll blocked.
    pub takeovers: u64,
    /// Threads of the pool: those that run workers, stuck ones and spare ones.
    pub threads: usize,
}
