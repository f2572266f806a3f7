//! The model of a trace, from which all outputs are made.
//!
//! Times are nanoseconds from the first event. Tasks, threads, texts and stacks are referred to by
//! their index.

use std::borrow::Cow;
use std::ops::Range;

use crate::missing::Missing;
use crate::operand::{Flavour, LintRule, Outcome, Ready, TaskKey, WaitFor, WorkerId};
use crate::reader::OpenError;
use crate::writer::{LiveState, Meta, Module};

/// The index of a task in [`Trace::tasks`].
pub type TaskIndex = u32;

/// The index of a text in [`Trace::texts`]. 0 is the empty text, which means "not known".
pub type TextIndex = u32;

/// No task, wake or stack.
pub const NO_INDEX: u32 = u32::MAX;

/// The contents of a trace file.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Trace {
    /// The metadata of the file.
    pub meta: Meta,
    /// When the first event happened, in nanoseconds since 1970; 0 if not known.
    pub start_wall_ns: u64,
    /// When the last event happened.
    pub end: u64,
    /// The number of events in the file.
    pub events: u64,
    /// What the trace lacks, and why.
    pub missing: Vec<Missing>,
    /// All texts, each once.
    pub texts: Vec<String>,
    /// The threads, in the order of their numbers.
    pub threads: Vec<Thread>,
    /// The tasks, in the order in which they were spawned. Those from before the trace come first.
    pub tasks: Vec<Task>,
    /// Groups of tasks of one place and type, the largest group first.
    pub groups: Vec<Group>,
    /// The polls, in the order of their starts.
    pub polls: Vec<Poll>,
    /// The wakes, in the order of their times.
    pub wakes: Vec<Wake>,
    /// What tasks waited for, by task and then in the order of time.
    pub waits: Vec<Wait>,
    /// The sleeps of threads, in the order of their starts.
    pub parks: Vec<Park>,
    /// Tasks that threads took from others, in the order of time.
    pub steals: Vec<Steal>,
    /// Workers that were handed off because a poll blocks, in the order of time.
    pub hand_offs: Vec<HandOff>,
    /// Marks of the user, in the order of time.
    pub marks: Vec<Mark>,
    /// Spans of the user, in the order of starts.
    pub spans: Vec<Span>,
    /// The findings of rules, in the order of time.
    pub lints: Vec<LintFound>,
    /// Panics, in the order of time.
    pub panics: Vec<Panic>,
    /// Await stacks, each once.
    pub stacks: Vec<Stack>,
    /// The stacks that were captured in polls, in the order of time.
    pub samples: Vec<Sample>,
    /// Snapshots of all live tasks, in the order of time.
    pub snapshots: Vec<Snapshot>,
    /// The programs and libraries of the process.
    pub modules: Vec<Module>,
    /// The indices of each task's polls; see [`Trace::polls_of`].
    pub(crate) polls_by_task: Vec<u32>,
}

/// A thread that recorded events.
#[derive(Clone, Debug, Default)]
pub struct Thread {
    /// Its number in the file.
    pub number: u32,
    /// Its name.
    pub name: TextIndex,
    /// The workers that it ran, in the order of time, with the times.
    pub workers: Vec<(u64, Option<WorkerId>)>,
    /// When its first event happened.
    pub first: u64,
    /// When its last event happened.
    pub last: u64,
    /// How long it polled.
    pub busy: u64,
    /// How long it slept.
    pub parked: u64,
    /// The number of its polls.
    pub polls: u32,
    /// How many events it dropped.
    pub dropped: u64,
    /// The times for which the trace has events of this thread. There are several if chunks are
    /// missing in between.
    pub recorded: Vec<Range<u64>>,
}

/// A task: one use of an address.
#[derive(Clone, Debug)]
pub struct Task {
    /// Its key.
    pub key: TaskKey,
    /// Its name.
    pub name: TextIndex,
    /// The type of its future.
    pub type_name: TextIndex,
    /// The size of its future in bytes, or 0.
    pub size: u32,
    /// The file where it was spawned.
    pub file: TextIndex,
    /// The line, or 0.
    pub line: u32,
    /// The column, or 0.
    pub column: u32,
    /// The kind of task.
    pub flavour: Flavour,
    /// The task that spawned it, or [`NO_INDEX`].
    pub parent: TaskIndex,
    /// When it was spawned. `None` if that was before the trace, or its event is missing.
    pub spawned: Option<u64>,
    /// When and how it ended. `None` if it did not end, or its event is missing.
    pub ended: Option<(u64, Outcome)>,
    /// How long it was polled.
    pub busy: u64,
    /// How long it was queued, from its spawn or a wake to the poll.
    pub queued: u64,
    /// How long it waited.
    pub waited: u64,
    /// Its group, an index in [`Trace::groups`].
    pub group: u32,
    /// Its polls, as a range of an index; see [`Trace::polls_of`].
    pub(crate) polls: Range<u32>,
    /// Its waits, as a range of [`Trace::waits`].
    pub waits: Range<u32>,
}

/// Tasks of one place and type.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// The type of the futures.
    pub type_name: TextIndex,
    /// The file where they were spawned.
    pub file: TextIndex,
    /// The line, or 0.
    pub line: u32,
    /// What they are.
    pub flavour: Flavour,
    /// The number of tasks.
    pub tasks: u32,
}

/// A poll of a task, or the run of a blocking closure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Poll {
    /// The task.
    pub task: TaskIndex,
    /// The thread, as an index in [`Trace::threads`].
    pub thread: u32,
    /// When it began.
    pub start: u64,
    /// When it ended.
    pub end: u64,
    /// The number of polls around it on its thread: above 0 in a `block_on` inside a poll.
    pub depth: u8,
    /// Whether the trace has both its start and its end. If not, it was in progress when the trace
    /// began or ended.
    pub is_whole: bool,
    /// Whether the task ended in it.
    pub is_last: bool,
}

/// What caused a wake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The poll of a task, or a blocking closure.
    Task(TaskIndex),
    /// A descriptor.
    Io {
        /// The descriptor.
        fd: u32,
        /// What it is ready for.
        ready: Ready,
        /// What it is connected to.
        socket: TextIndex,
    },
    /// A timer.
    Timer {
        /// How late the timer was, in nanoseconds.
        late_ns: u64,
    },
    /// A thread outside of any poll.
    Thread,
}

/// How a task was woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WakeKind {
    /// It was queued.
    Queued,
    /// It was queued, ran, or had ended already.
    Again,
    /// It was cancelled.
    Cancel,
}

/// A wake of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wake {
    /// The task that was woken.
    pub task: TaskIndex,
    /// The thread that woke it.
    pub thread: u32,
    /// The earliest possible time.
    pub at: u64,
    /// The latest possible time: the next stamp on the thread. Equal to `at` if the wake has a
    /// stamp of its own.
    pub latest: u64,
    /// The effect of the wake.
    pub kind: WakeKind,
    /// The cause of the wake.
    pub cause: Cause,
}

/// A period in which a task was not polled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// The task.
    pub task: TaskIndex,
    /// The end of the poll before, or the spawn.
    pub from: u64,
    /// When it was woken. Equal to `from` if it did not wait and was queued at once.
    pub woken: u64,
    /// When it was polled again.
    pub until: u64,
    /// What it waited for, if the innermost future said so.
    pub on: WaitFor,
    /// The wake that ended the wait, as an index in [`Trace::wakes`], or [`NO_INDEX`].
    pub wake: u32,
    /// The await stack, as an index in [`Trace::stacks`], or [`NO_INDEX`].
    pub stack: u32,
    /// Whether the trace ends before the wait does.
    pub is_open: bool,
}

/// A period in which a thread slept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Park {
    /// The thread.
    pub thread: u32,
    /// When it fell asleep.
    pub start: u64,
    /// When it woke up.
    pub end: u64,
}

/// Tasks that a thread took from elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Steal {
    /// The thread.
    pub thread: u32,
    /// When.
    pub at: u64,
    /// How many tasks.
    pub count: u32,
    /// The index of the worker from which they were taken. `None` means the injector.
    pub victim: Option<u16>,
}

/// A worker was handed off to another thread, because a poll blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HandOff {
    /// The thread that recorded it.
    pub thread: u32,
    /// When.
    pub at: u64,
    /// The worker.
    pub worker: Option<WorkerId>,
}

/// A mark of the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The task that was polled, or [`NO_INDEX`].
    pub task: TaskIndex,
    /// The thread.
    pub thread: u32,
    /// When.
    pub at: u64,
    /// Its name.
    pub name: TextIndex,
    /// Its number.
    pub number: u64,
}

/// A span of the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The task that was polled, or [`NO_INDEX`].
    pub task: TaskIndex,
    /// The thread on which it began.
    pub thread: u32,
    /// When it began.
    pub start: u64,
    /// When it ended. `None` if the trace ends before.
    pub end: Option<u64>,
    /// Its name.
    pub name: TextIndex,
    /// Its number.
    pub number: u64,
}

/// A rule found something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LintFound {
    /// The task, or [`NO_INDEX`].
    pub task: TaskIndex,
    /// The thread.
    pub thread: u32,
    /// When.
    pub at: u64,
    /// The rule.
    pub rule: LintRule,
    /// The measure, in the rule's unit.
    pub measure: u64,
}

/// A task panicked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Panic {
    /// The task, or [`NO_INDEX`].
    pub task: TaskIndex,
    /// The thread.
    pub thread: u32,
    /// When.
    pub at: u64,
    /// The message.
    pub message: TextIndex,
}

/// A frame of a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StackFrame {
    /// The function, or the module and the address, if the name is not known.
    pub function: TextIndex,
    /// The source file.
    pub file: TextIndex,
    /// The line, or 0.
    pub line: u32,
    /// The column, or 0.
    pub column: u32,
}

/// An await stack, innermost frame first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Stack {
    /// The frames.
    pub frames: Vec<StackFrame>,
}

/// A stack that was captured in a poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The task.
    pub task: TaskIndex,
    /// When.
    pub at: u64,
    /// The stack.
    pub stack: u32,
}

/// All tasks that were live at one time.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// When.
    pub at: u64,
    /// The tasks.
    pub tasks: Vec<LiveTask>,
}

/// A task of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LiveTask {
    /// The task.
    pub task: TaskIndex,
    /// What it was doing.
    pub state: LiveState,
    /// Since when, if known.
    pub since: Option<u64>,
    /// What it waited for.
    pub on: WaitFor,
    /// Its stack, or [`NO_INDEX`].
    pub stack: u32,
}

impl Snapshot {
    /// Returns each stack with the number of tasks that have it, largest number first. Tasks
    /// without a stack are counted under [`NO_INDEX`].
    #[must_use]
    pub fn stacks(&self) -> Vec<(u32, usize)> {
        let mut counts = std::collections::BTreeMap::<u32, usize>::new();
        for task in &self.tasks {
            *counts.entry(task.stack).or_default() += 1;
        }
        let mut counts: Vec<_> = counts.into_iter().collect();
        counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        counts
    }
}

impl Trace {
    /// Reads a file. If it is damaged or cut off, the trace contains what could be read, and
    /// [`Trace::missing`] lists the rest.
    ///
    /// # Errors
    ///
    /// Fails if the bytes are not a trace, if their format has a newer major version, or if nothing
    /// is in it.
    pub fn read(file: &[u8]) -> Result<Trace, OpenError> {
        let sections = crate::reader::read(file)?;
        let trace = crate::assemble::assemble(sections);
        if trace.threads.is_empty() && trace.tasks.is_empty() {
            return Err(OpenError::Nothing);
        }
        Ok(trace)
    }

    /// Returns a text.
    #[must_use]
    pub fn text(&self, index: TextIndex) -> &str {
        self.texts.get(index as usize).map_or("", String::as_str)
    }

    /// Returns the indices of a task's polls in [`Trace::polls`], in the order of their starts.
    #[must_use]
    pub fn poll_indices_of(&self, task: TaskIndex) -> &[u32] {
        let range = self.tasks[task as usize].polls.clone();
        &self.polls_by_task[range.start as usize..range.end as usize]
    }

    /// Returns the polls of a task, in the order of their starts.
    pub fn polls_of(&self, task: TaskIndex) -> impl DoubleEndedIterator<Item = &Poll> {
        self.poll_indices_of(task).iter().map(|index| &self.polls[*index as usize])
    }

    /// Returns the waits of a task, in the order of time.
    #[must_use]
    pub fn waits_of(&self, task: TaskIndex) -> &[Wait] {
        let range = self.tasks[task as usize].waits.clone();
        &self.waits[range.start as usize..range.end as usize]
    }

    /// Returns a place in the source code, such as `src/main.rs:12`; empty if it is not known.
    #[must_use]
    pub fn place_label(&self, file: TextIndex, line: u32) -> String {
        match line {
            0 => self.text(file).to_owned(),
            line => format!("{}:{line}", self.text(file)),
        }
    }

    /// Returns a name for a task: its own name, its type or its address.
    #[must_use]
    pub fn task_label(&self, task: TaskIndex) -> String {
        let task = &self.tasks[task as usize];
        if task.name != 0 {
            return self.text(task.name).to_owned();
        }
        match &*readable_type(self.text(task.type_name)) {
            "" if task.file != 0 => self.place_label(task.file, task.line),
            "" => format!("task {:#x}", task.key.address()),
            name => name.to_owned(),
        }
    }

    /// Returns a name for a group of tasks: its type and place.
    #[must_use]
    pub fn group_label(&self, group: u32) -> String {
        let group = &self.groups[group as usize];
        let name = readable_type(self.text(group.type_name));
        let place = self.place_label(group.file, group.line);
        match (&*name, &*place) {
            ("", "") => "tasks of unknown origin".to_owned(),
            ("", place) => place.to_owned(),
            (name, "") => name.to_owned(),
            (name, place) => format!("{name} at {place}"),
        }
    }
}

/// Returns [`short_type`] without type arguments that are closures: `serve<…>` instead of
/// `serve<shop::main::{{closure}}::{{closure}}>`.
#[must_use]
pub fn readable_type(name: &str) -> Cow<'_, str> {
    let name = short_type(name);
    let (Some(open), Some(inner)) = (name.find('<'), name.strip_suffix('>')) else {
        return name.into();
    };
    let arguments = &inner[open + 1..];
    let is_of_closures = arguments.contains("{{closure}}") || arguments.contains("{closure");
    match open > 0 && is_of_closures && !arguments.contains("dyn ") {
        true => format!("{}<…>", &name[..open]).into(),
        false => name.into(),
    }
}

/// Returns the name of an `async fn` or a type without the suffixes that the compiler appends.
#[must_use]
pub fn short_type(name: &str) -> &str {
    let mut name = name;
    for end in ["::{{closure}}", "::{closure_env#0}", "::{async_fn_env#0}", "::{async_block_env#0}"]
    {
        while let Some(rest) = name.strip_suffix(end) {
            name = rest;
        }
    }
    name
}
