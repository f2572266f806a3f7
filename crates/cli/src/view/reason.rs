//! The reason of a wait, in words that are the same for similar waits.

use reveille_trace::{Cause, NO_INDEX, Trace, Wait, WaitFor};

use super::awaits;

/// The beginnings of the names of futures that wait for a lock, in libraries that record nothing.
const LOCKS: [&str; 5] = [
    "async_lock::mutex::",
    "async_lock::rwlock::",
    "futures_util::lock::",
    "tokio::sync::mutex::",
    "tokio::sync::rwlock::",
];

/// The beginnings of the names of futures that wait for a channel.
const CHANNELS: [&str; 7] = [
    "async_channel::",
    "flume::async::",
    "futures_channel::",
    "tokio::sync::broadcast::",
    "tokio::sync::mpsc::",
    "tokio::sync::oneshot::",
    "tokio::sync::watch::",
];

/// What a task waited for, as its leaf future recorded it, or else what woke the task, or what its
/// await stack says.
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
            _ if wait.wake == NO_INDEX => of_stack(trace, wait.stack),
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

/// Returns what a task waits for that nothing has woken.
fn of_stack(trace: &Trace, stack: u32) -> Reason {
    let leaf = trace.stacks.get(stack as usize).and_then(|stack| awaits::leaf(trace, stack));
    let leaf = leaf.unwrap_or_default();
    let begins = |names: &[&str]| names.iter().any(|name| leaf.starts_with(name));
    match (begins(&LOCKS), begins(&CHANNELS)) {
        (true, _) => Reason::Lock,
        (_, true) => Reason::Channel,
        _ => Reason::Unknown,
    }
}

/// Returns the name of a group without its source location.
fn name(trace: &Trace, group: u32) -> String {
    let label = trace.group_label(group);
    label.split(" at ").next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use reveille_trace::{Stack, StackFrame};

    #[test]
    fn a_stack_says_what_an_unknown_wait_is_for() {
        let mut trace = Trace::default();
        let registry = "/home/me/.cargo/registry/src/index/library/src/lib.rs";
        let mut text = |text: &str| {
            trace.texts.push(text.to_owned());
            trace.texts.len() as u32 - 1
        };
        text("");
        let (file, own) = (text(registry), text("shop::pay::{{closure}}"));
        let leaves = [
            ("<async_lock::mutex::Lock<T> as core::future::future::Future>::poll", Reason::Lock),
            ("<async_channel::Recv<T> as core::future::future::Future>::poll", Reason::Channel),
            ("<other::Future as core::future::future::Future>::poll", Reason::Unknown),
        ];
        let functions = leaves.map(|(leaf, _)| text(leaf));
        let frame = |function, file| StackFrame { function, file, line: 1, column: 1 };
        trace.stacks =
            functions.map(|leaf| Stack { frames: vec![frame(leaf, file), frame(own, 0)] }).to_vec();
        for (stack, (leaf, reason)) in (0..).zip(leaves) {
            assert_eq!(of_stack(&trace, stack), reason, "{leaf}");
        }
        assert_eq!(of_stack(&trace, NO_INDEX), Reason::Unknown);
    }
}
