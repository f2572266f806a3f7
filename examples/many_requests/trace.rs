//! Records when a request was polled, when it waited, and at which await.
//!
//! An executor polls the future of a task. [`Traced`] wraps that future. It records the time before
//! and after each poll, and the [`Step`] that the request had reached at the end of the poll. Until
//! the next poll, the request waits at that step. The request reports its steps by [`Trace::at`].
//! This module does not depend on the runtime and can trace any future.

use std::any::Any;
use std::future::Future;
use std::panic::{self, AssertUnwindSafe};
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// The awaits of a request, in the order in which it reaches them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Spawned, not polled yet.
    Spawned,
    Resolve,
    Connect,
    Write,
    Head,
    Body,
}

impl Step {
    /// All steps. The index of a step is its number in [`Trace`].
    pub(crate) const ALL: [Step; 6] =
        [Step::Spawned, Step::Resolve, Step::Connect, Step::Write, Step::Head, Step::Body];

    /// Returns what the request waits for, as text for the legend.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Step::Spawned => "first poll",
            Step::Resolve => "name",
            Step::Connect => "connect",
            Step::Write => "write",
            Step::Head => "head",
            Step::Body => "body",
        }
    }

    /// Returns the same as the end of a sentence "timed out ...".
    pub(crate) fn in_words(self) -> &'static str {
        match self {
            Step::Spawned => "before its first poll",
            Step::Resolve => "looking the name up",
            Step::Connect => "connecting",
            Step::Write => "sending the request",
            Step::Head => "waiting for the head of the answer",
            Step::Body => "reading the body",
        }
    }
}

/// One poll of a request's task. Times count from the start of the run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PollRecord {
    pub(crate) start: Duration,
    pub(crate) end: Duration,
    /// The await at which the request waited after this poll. Meaningless for the last poll.
    pub(crate) waits_at: Step,
}

/// The polls of one request.
#[derive(Debug, Default)]
pub(crate) struct Row {
    /// When the task was spawned.
    pub(crate) spawned: Duration,
    pub(crate) polls: Vec<PollRecord>,
}

impl Row {
    /// Returns the end of the last poll.
    pub(crate) fn end(&self) -> Duration {
        self.polls.last().map_or(self.spawned, |poll| poll.end)
    }
}

/// The number of polls of one request that are recorded separately. A body of gigabytes has more.
/// Then the last record grows, and the row shows one long poll.
const POLLS_MAX: usize = 4096;

/// The record of one request, which is written while the request runs.
#[derive(Debug)]
pub(crate) struct Trace {
    origin: Instant,
    step: AtomicU8,
    row: Mutex<Row>,
}

impl Trace {
    /// Starts the record of a task that is being spawned. Times count from `origin`.
    pub(crate) fn new(origin: Instant) -> Trace {
        let row = Row { spawned: origin.elapsed(), polls: Vec::new() };
        Trace { origin, step: AtomicU8::new(0), row: Mutex::new(row) }
    }

    /// Sets the await that comes next.
    pub(crate) fn at(&self, step: Step) {
        self.step.store(step as u8, Ordering::Relaxed);
    }

    /// Returns the await that the request has reached.
    pub(crate) fn step(&self) -> Step {
        Step::ALL[usize::from(self.step.load(Ordering::Relaxed))]
    }

    /// Takes the record out.
    pub(crate) fn take_row(&self) -> Row {
        std::mem::take(&mut *self.row.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn note_poll(&self, start: Duration) {
        let record = PollRecord { start, end: self.origin.elapsed(), waits_at: self.step() };
        let mut row = self.row.lock().unwrap_or_else(PoisonError::into_inner);
        let is_full = row.polls.len() == POLLS_MAX;
        match row.polls.last_mut() {
            Some(last) if is_full => {
                (last.end, last.waits_at) = (record.end, record.waits_at);
            }
            _ => row.polls.push(record),
        }
    }
}

/// The payload of a panic.
pub(crate) type Payload = Box<dyn Any + Send>;

/// A future whose polls are recorded. If a poll panics, the future is ready with the payload, so
/// that every request has a result.
#[derive(Debug)]
pub(crate) struct Traced<F> {
    /// Boxed, so that it can be pinned without unsafe code.
    future: Pin<Box<F>>,
    trace: Arc<Trace>,
}

impl<F: Future> Traced<F> {
    /// Records the polls of `future` in `trace`.
    pub(crate) fn new(trace: Arc<Trace>, future: F) -> Traced<F> {
        Traced { future: Box::pin(future), trace }
    }
}

impl<F: Future> Future for Traced<F> {
    type Output = Result<F::Output, Payload>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let start = self.trace.origin.elapsed();
        // Unwind safe: a future that has panicked is not polled again. It shares only the record,
        // whose lock ignores poisoning.
        let polled = panic::catch_unwind(AssertUnwindSafe(|| self.future.as_mut().poll(cx)));
        self.trace.note_poll(start);
        match polled {
            Ok(poll) => poll.map(Ok),
            Err(payload) => Poll::Ready(Err(payload)),
        }
    }
}

#[cfg(test)]
mod tests {
    use reveille::task;

    use super::*;

    #[test]
    fn each_poll_is_recorded_with_the_await_after_it() {
        let trace = Arc::new(Trace::new(Instant::now()));
        let future = async {
            trace.at(Step::Connect);
            task::yield_now().await;
            trace.at(Step::Body);
            task::yield_now().await;
        };
        task::block_on(Traced::new(trace.clone(), future)).expect("nothing in it panics");
        let row = trace.take_row();
        let steps: Vec<Step> = row.polls.iter().map(|poll| poll.waits_at).collect();
        assert_eq!(steps, [Step::Connect, Step::Body, Step::Body]);
        assert!(row.polls.is_sorted_by(|a, b| a.end <= b.start));
    }

    #[test]
    fn a_panic_is_an_output_and_its_poll_is_recorded() {
        let trace = Arc::new(Trace::new(Instant::now()));
        let future = async {
            task::yield_now().await;
            panic::resume_unwind(Box::new("without a word from the hook"));
        };
        let payload = task::block_on(Traced::new(trace.clone(), future));
        assert!(payload.is_err_and(|payload| payload.is::<&str>()));
        assert_eq!(trace.take_row().polls.len(), 2);
    }

    #[test]
    fn a_long_record_is_bounded() {
        let trace = Trace::new(Instant::now());
        (0..2 * POLLS_MAX).for_each(|_| trace.note_poll(trace.origin.elapsed()));
        assert_eq!(trace.take_row().polls.len(), POLLS_MAX);
    }
}
