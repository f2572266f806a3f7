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
