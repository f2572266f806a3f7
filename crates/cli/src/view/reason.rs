//! The reason of a wait, in words that are the same for similar waits.

use reveille_trace::{Cause, NO_INDEX, Trace, Wait, WaitFor};

/// What a task waited for, as its leaf future recorded it, or else what woke the task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Reason {
    Timer,
    Socket,
    Task,
    Child,
    Blocking,
    Process,
    Lock,
    Channel,
    Signal,
    Turn,
    /// The leaf did not record it, and a poll of a task of this group woke the task.
    WokenBy(u32),
    /// The leaf did not record it, and this thread woke the task.
    Thread(u32),
    Unknown,
}

impl Reason {
    /// Returns what a task waited for.
    pub(crate) fn of(trace: &Trace, wait: &Wait) -> Reason {
        match wait.on {
            WaitFor::Readable(_) | WaitFor::Writable(_) => Reason::Socket,
            WaitFor::Timer(_) => Reason::Timer,
            WaitFor::Task(_) => Reason::Task,
            WaitFor::Child(_) => Reason::Child,
            WaitFor::Blocking(_) => Reason::Blocking,
            WaitFor::Process(_) => Reason::Process,
            WaitFor::Lock => Reason::Lock,
            WaitFor::Channel => Reason::Channel,
            WaitFor::Signal(_) => Reason::Signal,
            WaitFor::Turn => Reason::Turn,
            _ if wait.wake == NO_INDEX => Reason::Unknown,
            _ => {
                let wake = &trace.wakes[wait.wake as usize];
                match wake.cause {
                    Cause::Task(NO_INDEX) => Reason::Unknown,
                    Cause::Task(task) => Reason::WokenBy(trace.tasks[task as usize].group),
                    Cause::Io { .. } => Reason::Socket,
                    Cause::Timer { .. } => Reason::Timer,
                    Cause::Thread => Reason::Thread(wake.thread),
                }
            }
        }
    }

    /// Returns the number of the reason's colour in the page's legend.
    pub(crate) fn code(self) -> u32 {
        match self {
            Reason::Unknown => 0,
            Reason::Timer => 1,
            Reason::Socket => 2,
            Reason::Task | Reason::Child => 3,
            Reason::Blocking | Reason::Process => 4,
            Reason::Lock | Reason::Channel => 5,
            Reason::WokenBy(_) => 6,
            Reason::Signal | Reason::Thread(_) => 7,
            Reason::Turn => 8,
        }
    }

    /// Returns the words.
    pub(crate) fn label(self, trace: &Trace) -> String {
        let words = match self {
            Reason::Timer => "a timer",
            Reason::Socket => "a socket",
            Reason::Task => "another task",
            Reason::Child => "a child of its scope",
            Reason::Blocking => "a blocking closure",
            Reason::Process => "a child process",
            Reason::Lock => "a lock",
            Reason::Channel => "a channel",
            Reason::Signal => "a signal",
            Reason::Turn => "its turn",
            Reason::WokenBy(group) => return format!("a wake by {}", name(trace, group)),
            Reason::Thread(thread) => {
                let name = trace.text(trace.threads[thread as usize].name);
                return format!("a wake by thread {name}");
            }
            Reason::Unknown => "not known",
        };
        words.to_owned()
    }
}

/// Returns the name of a group without its source location.
fn name(trace: &Trace, group: u32) -> String {
    let label = trace.group_label(group);
    label.split(" at ").next().unwrap_or_default().to_owned()
}
