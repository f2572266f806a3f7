//! Describes the live tasks for a trace.

use reveille_trace::{Flavour, LiveRecord, LiveState, TaskKey, WaitFor};

use crate::polls;
use crate::record::flight::Living;
use crate::record::session::Session;
use crate::scheduler::inspect;
use crate::scheduler::multi::PoolWalk;

/// The current tick and the tasks of all runtimes: what they are and whether they wait. Polls
/// no task.
pub(super) fn briefly(session: &Session) -> (u64, Vec<LiveRecord>) {
    let (mut walk, mut found) = (PoolWalk::new(), Vec::new());
    while walk.advance(&mut found) {}
    let polls = polls::current(0);
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
            on: WaitFor::Unknown,
        }
    });
    let records = records.collect();
    (session.clock.now(), records)
}

/// Like [`briefly`], for a snapshot.
pub(super) fn without_stacks(session: &Session) -> Living {
    Living { tasks: briefly(session).1, stacks: Vec::new() }
}

/// The tasks of the process with their await stacks and what they wait for. Takes a dump.
pub(super) fn with_stacks(session: &Session) -> Living {
    inspect::living_of(&inspect::dump(), session)
}
