//! The value that a dump returns.

use std::collections::{HashMap, HashSet};
use std::panic::Location;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reveille_primitive::sys::ThreadNumber;
use reveille_task::TaskRef;
use reveille_trace::source_root;

use crate::metrics::Metrics;
use crate::polls::Poll;
use crate::waits::{TaskState, WaitFor};

/// One function of a stack.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Frame {
    /// The path of the function, as the compiler names it.
    pub function: String,
    /// File, line and column, if the program has line tables.
    pub place: Option<String>,
}

/// The frames of a stack, innermost first.
pub(super) type Stack = Arc<[Frame]>;

/// Where a task that runs was seen waiting by an earlier dump.
#[derive(Clone, Debug)]
pub(super) struct LastAwait {
    pub(super) stacks: Vec<u32>,
    /// How long before this dump.
    pub(super) age: Duration,
}

/// What a task of a dump is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TaskKind {
    /// A task of `spawn`.
    Spawned,
    /// A task of `spawn_local`.
    Local,
    /// The future of a `block_on`.
    BlockOn,
    /// A closure of `spawn_blocking`.
    Blocking,
}

/// One task of a dump.
///
/// # Examples
///
/// ```
/// # use reveille_runtime as reveille;
/// # use reveille_runtime::inspect as observe;
/// let runtime = reveille::Runtime::start()?;
/// let task = runtime.spawn(std::future::pending::<()>());
/// let dump = observe::dump();
/// let waiting = dump.tasks().iter().filter(|task| task.state == observe::TaskState::Waiting);
/// println!("{} tasks wait", waiting.count());
/// # drop(task);
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TaskDump {
    pub(crate) addr: usize,
    /// What it is.
    pub kind: TaskKind,
    /// The name that it was given.
    pub name: Option<String>,
    /// Its number, if the program asked for it before.
    pub id: Option<u64>,
    /// Where it was spawned.
    pub spawned_at: Option<&'static Location<'static>>,
    /// The name of the future's type.
    pub type_name: &'static str,
    /// What it does.
    pub state: TaskState,
    /// The thread that it belongs to, or that polls it, if that is known.
    pub thread: Option<String>,
    /// How long it has done that, if that is known.
    pub since: Option<Duration>,
    /// What it waits for, if the futures report it.
    pub waits: Vec<WaitFor>,
    pub(crate) stacks: Vec<u32>,
    /// The scopes, by their addresses, that it has, and those that it is a task of.
    pub(crate) scopes: Vec<usize>,
    pub(crate) member_of: Vec<usize>,
    /// The tasks of its scopes.
    pub(super) scope_tasks: Vec<usize>,
    /// The thread that polls it, for the system.
    pub(super) thread_number: ThreadNumber,
    /// The stack of that thread, if it was asked for.
    pub(super) thread_stack: Option<u32>,
    /// Where it was last seen waiting, while it runs.
    pub(super) last_await: Option<LastAwait>,
    /// Its stacks and waits are known.
    pub(crate) is_probed: bool,
    /// The probe left a waker.
    pub(crate) has_waker: bool,
    /// When the probe ended. A dump of many tasks takes longer than a short timer.
    pub(super) probed_at: Option<Instant>,
}

impl TaskDump {
    pub(crate) fn of(task: TaskRef<'_>, kind: TaskKind) -> TaskDump {
        TaskDump {
            addr: task.addr(),
            kind,
            name: task.name().map(str::to_owned),
            id: task.known_id().map(reveille_task::TaskId::get),
            type_name: task.future_type_name(),
            ..TaskDump::of_block_on(None, task.location())
        }
    }

    /// The future of a `block_on`.
    pub(crate) fn of_block_on(
        name: Option<&str>,
        place: Option<&'static Location<'static>>,
    ) -> TaskDump {
        TaskDump {
            addr: 0,
            kind: TaskKind::BlockOn,
            name: name.map(str::to_owned),
            id: None,
            spawned_at: place,
            type_name: "",
            state: TaskState::Waiting,
            thread: None,
            since: None,
            waits: Vec::new(),
            stacks: Vec::new(),
            scopes: Vec::new(),
            member_of: Vec::new(),
            scope_tasks: Vec::new(),
            thread_number: 0,
            thread_stack: None,
            last_await: None,
            is_probed: false,
            has_waker: false,
            probed_at: None,
        }
    }

    /// The time from which the waits of this task are measured, in a dump begun at `taken_at`.
    pub(super) fn seen_at(&self, taken_at: Instant) -> Instant {
        self.probed_at.unwrap_or(taken_at)
    }

    /// Completes the record of a task that is queued or polled.
    pub(crate) fn set_active(&mut self, polls: &HashMap<usize, Poll>) {
        self.state = TaskState::Queued;
        if let Some(poll) = polls.get(&self.addr) {
            self.state = TaskState::Running;
            self.thread = Some(poll.thread.clone());
            self.since = poll.since;
            self.thread_number = poll.number;
        }
    }
}

/// One runtime of a dump.
///
/// # Examples
///
/// ```
/// # use reveille_runtime::inspect as observe;
/// let runtime = reveille_runtime::Runtime::start()?;
/// let dump = observe::dump();
/// assert!(dump.runtimes().iter().any(|runtime| runtime.metrics.workers > 0));
/// # drop(runtime);
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RuntimeDump {
    /// The name of its worker threads.
    pub thread_name: Arc<str>,
    /// Its metrics.
    pub metrics: Metrics,
}

/// Where every task of the process is, and what it waits for.
///
/// Its `Display` is text for a terminal of 80 columns. Tasks with the same state, place and stack
/// are one entry with a count.
#[derive(Clone, Debug)]
pub struct Dump {
    pub(super) tasks: Vec<TaskDump>,
    pub(super) stacks: Vec<Stack>,
    pub(super) runtimes: Vec<RuntimeDump>,
    pub(super) taken_at: Instant,
    pub(super) took: Duration,
    pub(super) notes: Vec<String>,
    pub(super) is_quiescent: bool,
    pub(super) source_root: Option<String>,
}

impl Dump {
    /// Completes a dump.
    pub(super) fn new(mut dump: Dump) -> Dump {
        dump.find_scope_tasks();
        dump.notes.extend(dump.missing());
        dump.source_root = dump.find_source_root();
        dump
    }

    /// Finds the tasks of each scope. Those that run or are queued say nothing of theirs.
    fn find_scope_tasks(&mut self) {
        let mut members: HashMap<usize, Vec<usize>> = HashMap::new();
        for task in &self.tasks {
            task.member_of.iter().for_each(|&s| members.entry(s).or_default().push(task.addr));
        }
        for task in &mut self.tasks {
            let of = task.scopes.iter().filter_map(|scope| members.get(scope));
            task.scope_tasks = of.flatten().copied().collect();
        }
    }

    /// For each task the tasks below it, by their index: those that it awaits, and those of its
    /// scopes, unless several tasks await them. One task of each circle is below no other.
    pub(super) fn below(&self) -> Vec<Vec<usize>> {
        let index_of: HashMap<usize, usize> =
            self.tasks.iter().enumerate().map(|(index, task)| (task.addr, index)).collect();
        let mut above = vec![Vec::new(); self.tasks.len()];
        for (index, task) in self.tasks.iter().enumerate() {
            let awaited = task.waits.iter().filter_map(|wait| match wait {
                WaitFor::Task(addr) => Some(addr),
                _ => None,
            });
            for other in awaited.chain(&task.scope_tasks).filter_map(|addr| index_of.get(addr)) {
                if *other != index && !above[*other].contains(&index) {
                    above[*other].push(index);
                }
            }
        }
        let mut parent: Vec<Option<usize>> = above
            .iter()
            .map(|above| if let [one] = above[..] { Some(one) } else { None })
            .collect();
        // Cuts each circle at the task where the walk upwards meets itself.
        let mut walked_by = vec![usize::MAX; parent.len()];
        for start in 0..parent.len() {
            let mut at = start;
            while walked_by[at] == usize::MAX {
                walked_by[at] = start;
                let Some(next) = parent[at] else { break };
                if walked_by[next] == start {
                    parent[next] = None;
                    break;
                }
                at = next;
            }
        }
        let mut below = vec![Vec::new(); parent.len()];
        for (index, parent) in parent.into_iter().enumerate() {
            if let Some(parent) = parent {
                below[parent].push(index);
            }
        }
        below
    }

    /// The folder in which the compiler ran. In the debug information each path of the program
    /// begins with it; in the places where tasks are spawned none does.
    fn find_source_root(&self) -> Option<String> {
        let files: HashSet<&str> =
            self.tasks.iter().filter_map(|task| Some(task.spawned_at?.file())).collect();
        let places = self.stacks.iter().flat_map(|stack| stack.iter());
        let paths = places.filter_map(|frame| {
            let place = frame.place.as_deref()?;
            place.find(".rs:").map(|end| &place[..end + 3])
        });
        source_root(files.iter().copied(), paths).map(str::to_owned)
    }

    /// The place of a frame, with a path of the same form as that of a task.
    pub(super) fn place_of<'a>(&self, frame: &'a Frame) -> Option<&'a str> {
        let place = frame.place.as_deref()?;
        let root = self.source_root.as_deref();
        Some(root.and_then(|root| place.strip_prefix(root)).unwrap_or(place))
    }

    /// The tasks, in no particular order.
    #[must_use]
    pub fn tasks(&self) -> &[TaskDump] {
        &self.tasks
    }

    /// The stacks of the awaits of `task`, one for each waker that it has left, innermost function
    /// first. They contain every function between the task and the waker, including those of
    /// libraries.
    pub fn stacks<'a>(&'a self, task: &'a TaskDump) -> impl Iterator<Item = &'a [Frame]> {
        task.stacks
            .iter()
            .filter_map(|&number| self.stacks.get(number as usize))
            .map(|stack| &**stack)
    }

    /// The task of this dump that `wait` is about.
    #[must_use]
    pub fn awaited(&self, wait: &WaitFor) -> Option<&TaskDump> {
        let WaitFor::Task(addr) = wait else { return None };
        self.tasks.iter().find(|task| task.addr == *addr)
    }

    /// The tasks of the scopes that `task` is in. Tasks that run or are queued are missing: a task
    /// reports its scope when the dump polls it.
    pub fn scope_tasks<'a>(&'a self, task: &'a TaskDump) -> impl Iterator<Item = &'a TaskDump> {
        self.tasks.iter().filter(|other| task.scope_tasks.contains(&other.addr))
    }

    /// The stack of the thread that polls `task` or runs the future of a `block_on`, innermost
    /// function first, if it was asked for with [`DumpOptions::thread_stacks`] and is known.
    ///
    /// [`DumpOptions::thread_stacks`]: super::DumpOptions::thread_stacks
    #[must_use]
    pub fn thread_stack<'a>(&'a self, task: &TaskDump) -> Option<&'a [Frame]> {
        self.stacks.get(task.thread_stack? as usize).map(|stack| &**stack)
    }

    /// The stacks of the awaits in which an earlier dump saw `task`, which runs now, and how long
    /// before. Its present poll, or an earlier one, continued from there. Empty if there is no such
    /// dump.
    ///
    /// A task is recognized by its memory, type and place. So this may be about an earlier task of
    /// the same kind that has ended since.
    pub fn last_seen<'a>(
        &'a self,
        task: &'a TaskDump,
    ) -> impl Iterator<Item = (&'a [Frame], Duration)> {
        let stacks =
            task.last_await.iter().flat_map(|last| last.stacks.iter().map(move |n| (n, last)));
        stacks.filter_map(|(&n, last)| Some((&**self.stacks.get(n as usize)?, last.age)))
    }

    /// The runtimes that were up.
    #[must_use]
    pub fn runtimes(&self) -> &[RuntimeDump] {
        &self.runtimes
    }

    /// Whether nothing could make progress when the dump began: no worker and no `block_on` was
    /// awake, and no task waited for a timer, a socket, a child process or a blocking closure. Then
    /// only a thread that the runtimes do not know can wake a task. If there is none, the program
    /// is deadlocked.
    #[must_use]
    pub fn is_quiescent(&self) -> bool {
        self.is_quiescent
    }

    /// How long the dump took.
    #[must_use]
    pub fn took(&self) -> Duration {
        self.took
    }

    /// What this dump cannot show and why, one sentence each.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Whether async functions and blocks have no paths, as with `debug = "line-tables-only"`.
    fn has_line_tables_only(&self) -> bool {
        let mut frames = self.stacks.iter().flat_map(|stack| stack.iter());
        frames.any(|frame| frame.function.starts_with("{async_"))
    }

    /// The debug information that the program was built without.
    fn missing(&self) -> Option<String> {
        let captured = self.tasks.iter().any(|task| !task.stacks.is_empty());
        let is_named = self.stacks.iter().any(|stack| !stack.is_empty());
        let mut frames = self.stacks.iter().flat_map(|stack| stack.iter());
        if self.has_line_tables_only() {
            return Some(String::from(
                "The program has line tables and no other debug information, so its functions have \
                 no paths, and an `async fn` has no name. Build with `debug = \"limited\"` in the \
                 profile to see the names.",
            ));
        }
        let has_places = frames.any(|frame| frame.place.is_some());
        if !captured || has_places {
            return None;
        }
        Some(String::from(if is_named {
            "There are no line tables, so inlined functions and lines are missing. Build with \
             `debug = \"limited\"` in the profile to see every await."
        } else {
            "There are no symbols or no unwind tables, so there are no stacks. Build without \
             `strip`, without `-C force-unwind-tables=no`, and with `debug = \"limited\"` in the \
             profile to see every await."
        }))
    }
}
