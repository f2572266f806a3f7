//! The lints about tasks that nothing can wake any more (`scheduler/lost.rs`).
//!
//! The report says where the task waits: it is polled once more with a probe, as by a dump. That
//! shows the await if the poll clones a waker. It does not if the future ignores the waker. The
//! poll may also register the task again. Then this task continues, and only the next one with the
//! same fault is lost.

use std::fmt::Write as _;
use std::time::Duration;

use reveille_primitive::lock::Mutex;

use super::dump::{Dump, TaskDump, TaskKind};
use super::probe::probe;
use super::stacks::{StackTable, frames};
use super::text::one_task;
use crate::lint::{self, About, Facts, LintKind};
use crate::scheduler::lost::{self, LostTask};
use crate::threads::{ThreadSpec, system_spawner};
use crate::timer::clock::system_clock;
use crate::waits::TaskState;

/// The name of the thread that reports. A poll or a hook may block it.
const THREAD_NAME: &str = "reveille-lint";

/// Reports the tasks that were lost since the last call.
pub(super) fn report_all() {
    let lost = lost::take();
    if lost.is_empty() {
        return;
    }
    let body = Box::new(move || lost.into_iter().for_each(report));
    // Without a thread the reports are lost, as those of a program that has ended.
    let _ = system_spawner()(ThreadSpec { name: THREAD_NAME.to_owned(), stack_size: None, body });
}

fn report(lost: LostTask) {
    let task = lost.task.task();
    let (kind, place) = (lost.kind, task.location());
    if task.is_finished() {
        // It was cancelled, which is how a program ends a task that waits forever. Another task of
        // this place may be lost later.
        return lint::forget(kind, place);
    }
    let mut record = TaskDump::of(task, TaskKind::Spawned);
    let table = Mutex::new(StackTable::default());
    probe(&mut record, &table, |observer| lost.task.probe(observer).unwrap_or(TaskState::Waiting));
    let mut stacks = table.into_inner().resolve();
    let mut message = String::from(match kind {
        LintKind::LastWakerDropped => "the last waker was dropped without a wake",
        _ => "a poll returned `Pending` and left no waker",
    });
    message.push_str(", so nothing can wake ");
    match task.name() {
        Some(name) => _ = write!(message, "the task '{name}'"),
        None => _ = write!(message, "a task of type {}", task.future_type_name()),
    }
    let dropped = lost.dropped_at.map(|trace| {
        stacks.push(frames(&trace.to_string()).into());
        TaskDump { stacks: vec![stacks.len() as u32 - 1], ..record.clone() }
    });
    let dump = dump_of(record, stacks);
    let awaits = one_task::stacks_of(&dump, &dump.tasks[0]);
    if !awaits.is_empty() {
        let _ = write!(message, "\nit waits\n{}", awaits.trim_end());
    }
    let dropped =
        dropped.map(|dropped| one_task::functions_of(&dump, &dropped)).unwrap_or_default();
    if !dropped.is_empty() {
        let _ = write!(message, "\nthe waker was dropped\n{}", dropped.trim_end());
    }
    lint::publish(kind, place, Facts::of(About::Task(task.addr())), message);
}

/// A dump of one task.
fn dump_of(task: TaskDump, stacks: Vec<super::dump::Stack>) -> Dump {
    Dump::new(Dump {
        tasks: vec![task],
        stacks,
        runtimes: Vec::new(),
        taken_at: system_clock().now(),
        took: Duration::ZERO,
        notes: Vec::new(),
        is_quiescent: false,
        source_root: None,
    })
}
