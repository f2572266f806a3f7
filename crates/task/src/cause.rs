//! Why a task is queued.

/// Why a [`Runnable`](crate::Runnable) is passed to
/// [`Schedule::schedule`](crate::Schedule::schedule).
///
/// The executors queue all of them alike. The cause is for code that records or simulates an
/// executor: a cancellation is no wake, and only wakes may be delayed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cause {
    /// A waker fired.
    Wake,
    /// Cancellation was requested: running the `Runnable` drops the future.
    Cancel,
    /// No waker and no join handle is left, so nothing can wake the task: running the `Runnable`
    /// drops the future.
    Orphan,
}

/// Why nothing can wake a task, although its future is pending. See
/// [`Schedule::lost`](crate::Schedule::lost).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Loss {
    /// A poll has just returned `Pending` and left no waker, and there was none before.
    NoWaker,
    /// The last waker is being dropped.
    LastWaker,
}
