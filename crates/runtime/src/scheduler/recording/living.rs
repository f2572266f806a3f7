//! Describes the live tasks for a trace.

use std::collections::HashMap;
use std::time::Instant;

use reveille_trace::{Flavour, Frame, LiveRecord, LiveState, TaskKey, WaitFor as TraceWait};

use crate::polls;
use crate::record::flight::Living;
use crate::record::session::Session;
use crate::scheduler::inspect::{self, Dump, TaskDump, TaskKind, TaskState, WaitFor};
use crate::scheduler::multi::PoolWalk;
use crate::timer::clock::system_clock;

/// The current tick and the tasks of all runtimes: what they are and whether they wait. Polls
/// no task.
pub(super) fn briefly(session: &Session) -> (u64, Vec<LiveRecord>) {
    let (mut walk, mut found) = (PoolWalk::new(), Vec::new());
    while walk.advance(&mut found) {}
    let polls = polls::current();
    let names = &session.names;
    let records = found.iter().map(|found| found.task()).filter(|task| !task.is_finished());
    let records = records.map(|task| {
        let state = match (polls.contains_key(&task.addr()), task.is_active()) {
            (true, _) => LiveState::Running,
            (false, true) => LiveState::Queued,
            (false, false) => LiveState::Waiting,
        };
        LiveRecord {
            task: TaskKey::from_address(task.addr()),
            parent: TaskKey::NONE,
            place: task.location().map_or(0, |place| names.place(place)),
            type_id: names.future_type(
                task.type_addr(),
                task.future_type_name(),
                task.future_size(),
            ),
            name: task.name().map_or(0, |name| names.string(name)),
            stack: 0,
            flavour: Flavour::Pool,
            state,
            since_tick: 0,
            on: TraceWait::Unknown,
        }
    });
    let records = records.collect();
    (session.clock.now(), records)
}

/// As [`briefly`], for a snapshot.
pub(super) fn without_stacks(session: &Session) -> Living {
    Living { tasks: briefly(session).1, stacks: Vec::new() }
}

/// The tasks of the process with their await stacks and what they wait for. Takes a dump.
pub(super) fn with_stacks(session: &Session) -> Living {
    let dump = inspect::dump();
    let now = system_clock().now();
    let now_tick = session.clock.now();
    let ns_per_tick = session.ns_per_tick(&session.clock.moment());
    let mut stacks = Stacks { session, dump: &dump, numbers: HashMap::new(), found: Vec::new() };
    let names = &session.names;
    // A future of `block_on` has no address in a dump.
    let tasks = dump.tasks().iter().filter(|task| task.addr != 0).map(|task| {
        let since = task.since.map(|since| (since.as_nanos() as f64 / ns_per_tick) as u64);
        LiveRecord {
            task: TaskKey::from_address(task.addr),
            parent: TaskKey::NONE,
            place: task.spawned_at.map_or(0, |place| names.place(place)),
            type_id: names.future_type(task.type_name.as_ptr().addr(), task.type_name, 0),
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
    numbers: HashMap<*const inspect::Frame, u32>,
    found: Vec<Vec<Frame>>,
}

impl Stacks<'_> {
    /// The number of the first stack of a task, from 1; 0 if it has none.
    fn number(&mut self, task: &TaskDump) -> u32 {
        let Some(frames) = self.dump.stacks(task).find(|frames| !frames.is_empty()) else {
            return 0;
        };
        *self.numbers.entry(frames.as_ptr()).or_insert_with(|| {
            let names = &self.session.names;
            let frame = |frame: &inspect::Frame| {
                let (file, line, column) = frame.place.as_deref().map_or(("", 0, 0), place);
                let file = if file.is_empty() { 0 } else { names.string(file) };
                Frame { address: 0, function: names.string(&frame.function), file, line, column }
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
