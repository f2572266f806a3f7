//! Describes the tasks of a dump for a trace.

use std::collections::HashMap;
use std::time::Instant;

use reveille_trace::{
    Flavour, Frame as TraceFrame, LiveRecord, LiveState, TaskKey, WaitFor as TraceWait,
};

use super::dump::{Dump, Frame, TaskDump, TaskKind};
use crate::record::file;
use crate::record::flight::Living;
use crate::record::session::Session;
use crate::timer::clock::system_clock;
use crate::waits::{TaskState, WaitFor};

/// Adds a dump to the file that the process records to, if it does.
pub(super) fn add_to_file(dump: &Dump) {
    if reveille_task::is_recording()
        && let Some(recording) = file::current()
    {
        let session = recording.session();
        recording.add_dump(session.clock.now(), living_of(dump, session));
    }
}

/// The tasks of a dump with their await stacks and what they wait for.
pub(crate) fn living_of(dump: &Dump, session: &Session) -> Living {
    let now = system_clock().now();
    let now_tick = session.clock.now();
    let ns_per_tick = session.ns_per_tick(&session.clock.moment());
    let mut stacks = Stacks { session, dump, numbers: HashMap::new(), found: Vec::new() };
    let names = &session.names;
    // Closures that wait for a thread have no address.
    let tasks = dump.tasks().iter().filter(|task| task.addr != 0).map(|task| {
        let since = task.since.map(|since| (since.as_nanos() as f64 / ns_per_tick) as u64);
        LiveRecord {
            task: TaskKey::from_address(task.addr),
            parent: TaskKey::NONE,
            place: task.spawned_at.map_or(0, |place| names.place(place)),
            type_id: match task.type_name {
                "" => 0,
                name => names.future_type(name.as_ptr().addr(), name, 0),
            },
            name: task.name.as_deref().map_or(0, |name| names.string(name)),
            stack: stacks.number(task),
            flavour: match task.kind {
                TaskKind::Spawned => Flavour::Pool,
                TaskKind::Local => Flavour::Local,
                TaskKind::BlockOn => Flavour::BlockOn,
                TaskKind::Blocking => Flavour::Blocking,
            },
            state: match task.state {
                TaskState::Waiting | TaskState::Ended => LiveState::Waiting,
                TaskState::Queued => LiveState::Queued,
                TaskState::Running => LiveState::Running,
            },
            since_tick: since.map_or(0, |since| now_tick.saturating_sub(since)),
            on: task.waits.first().map_or(TraceWait::Unknown, |wait| recorded(wait, now)),
        }
    });
    let tasks = tasks.collect();
    Living { tasks, stacks: stacks.found }
}

/// Converts what a task waits for.
fn recorded(wait: &WaitFor, now: Instant) -> TraceWait {
    match wait {
        WaitFor::Timer(Some(deadline)) => {
            let left = deadline.saturating_duration_since(now).as_nanos();
            TraceWait::Timer(u64::try_from(left).unwrap_or(u64::MAX))
        }
        WaitFor::Timer(None) => TraceWait::Timer(u64::MAX),
        WaitFor::Descriptor { interest, fd, .. } if interest.contains("writ") => {
            TraceWait::Writable(*fd as u32)
        }
        WaitFor::Descriptor { fd, .. } => TraceWait::Readable(*fd as u32),
        WaitFor::Task(addr) => TraceWait::Task(TaskKey::from_address(*addr)),
        WaitFor::Child(pid) => TraceWait::Process(*pid),
        WaitFor::Named(_) => TraceWait::Unknown,
    }
}

/// The stacks of a snapshot. Tasks share them.
struct Stacks<'a> {
    session: &'a Session,
    dump: &'a Dump,
    /// By the address of the frames in the dump.
    numbers: HashMap<*const Frame, u32>,
    found: Vec<Vec<TraceFrame>>,
}

impl Stacks<'_> {
    /// The number of the first stack of a task, from 1; 0 if it has none.
    fn number(&mut self, task: &TaskDump) -> u32 {
        let Some(frames) = self.dump.stacks(task).find(|frames| !frames.is_empty()) else {
            return 0;
        };
        *self.numbers.entry(frames.as_ptr()).or_insert_with(|| {
            let names = &self.session.names;
            let frame = |frame: &Frame| {
                let (file, line, column) = frame.place.as_deref().map_or(("", 0, 0), place);
                let file = if file.is_empty() { 0 } else { names.string(file) };
                TraceFrame {
                    address: 0,
                    function: names.string(&frame.function),
                    file,
                    line,
                    column,
                }
            };
            self.found.push(frames.iter().map(frame).collect());
            self.found.len() as u32
        })
    }
}

/// The parts of `file:line:column`.
fn place(text: &str) -> (&str, u32, u32) {
    let mut parts = text.rsplitn(3, ':');
    let column = parts.next().and_then(|column| column.parse().ok());
    let line = parts.next().and_then(|line| line.parse().ok());
    match (parts.next(), line, column) {
        (Some(file), Some(line), Some(column)) => (file, line, column),
        _ => (text, 0, 0),
    }
}
