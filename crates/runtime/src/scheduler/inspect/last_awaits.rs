//! Where the last dump saw tasks waiting, for a dump that finds one of them in a poll.

use std::collections::HashMap;
use std::time::Instant;

use reveille_primitive::lock::Mutex;

use super::dump::{Dump, LastAwait, Stack, TaskDump, TaskKind};
use crate::waits::TaskState;

/// The most tasks that are remembered.
const TASKS_MAX: usize = 16 * 1024;

/// A task: its address, which another one may have later, its type and its place.
type Identity = (usize, &'static str, Option<usize>);

/// The awaits of the last dump that found any.
struct Seen {
    at: Instant,
    tasks: HashMap<Identity, Vec<Stack>>,
}

static SEEN: Mutex<Option<Seen>> = Mutex::new(None);

/// Adds the awaits of the previous dump to the running tasks of `dump`, and remembers the waiting
/// ones.
pub(super) fn exchange(dump: &mut Dump) {
    let waiting = dump.tasks.iter().filter(|task| {
        task.kind == TaskKind::Spawned
            && task.state == TaskState::Waiting
            && !task.stacks.is_empty()
    });
    let stacks_of = |task: &TaskDump| {
        let numbers = task.stacks.iter();
        numbers.filter_map(|&number| dump.stacks.get(number as usize).cloned()).collect()
    };
    let tasks = waiting.take(TASKS_MAX).map(|task| (identity(task), stacks_of(task))).collect();
    let before = SEEN.lock().replace(Seen { at: dump.taken_at, tasks });
    let Some(before) = before else { return };
    let age = dump.taken_at.saturating_duration_since(before.at);
    for task in dump.tasks.iter_mut().filter(|task| task.state == TaskState::Running) {
        let Some(stacks) = before.tasks.get(&identity(task)) else { continue };
        let first = dump.stacks.len() as u32;
        dump.stacks.extend(stacks.iter().cloned());
        let stacks = (first..dump.stacks.len() as u32).collect();
        task.last_await = Some(LastAwait { stacks, age });
    }
}

fn identity(task: &TaskDump) -> Identity {
    (task.addr, task.type_name, task.spawned_at.map(|place| std::ptr::from_ref(place).addr()))
}
