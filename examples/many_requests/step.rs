//! The awaits of a request, and which of them it has reached.

use std::sync::atomic::{AtomicU8, Ordering};

use reveille::observe;

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
    /// All steps. The index of a step is its number in [`Progress`].
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

/// The step that a request has reached.
#[derive(Debug, Default)]
pub(crate) struct Progress(AtomicU8);

impl Progress {
    /// Sets the await that comes next, and marks it in the recording.
    pub(crate) fn at(&self, step: Step) {
        self.0.store(step as u8, Ordering::Relaxed);
        observe::mark!("{}", step.label());
    }

    /// Returns the await that the request has reached.
    pub(crate) fn step(&self) -> Step {
        Step::ALL[usize::from(self.0.load(Ordering::Relaxed))]
    }
}
