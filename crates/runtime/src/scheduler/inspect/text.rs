//! The text of a dump, for a terminal of 80 columns.
//!
//! Tasks in the same state and place share an entry. If the tasks of an entry are awaited by those
//! of one other entry, it is listed below that one, so joins and scopes form a tree. Tasks that
//! await each other in a circle come first.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::{self, Write as _};

use reveille_trace::{ProgramFrames, plain_name};

use super::dump::{Dump, Frame, RuntimeDump, TaskDump, TaskKind};
use crate::waits::{TaskState, TimersAt, WaitAt, WaitFor};

/// Columns of a line.
const WIDTH: usize = 80;

/// The column at which places begin if the functions are short.
const PLACE_COLUMN: usize = 40;

/// How many tasks of an entry are named.
const NAMED_MAX: usize = 3;

/// The paragraph of a dump of a deadlocked program.
const DEADLOCK: &str = "Every worker is parked, and no timer, socket, child process or blocking \
    closure is awaited. Only a thread that the runtimes do not know could wake these tasks. If \
    there is none, they wait for each other.";

/// Tasks in the same state and place.
struct DumpEntry<'a> {
    tasks: Vec<&'a TaskDump>,
    awaits: Vec<Await<'a>>,
    /// What they wait for, without details that differ between them.
    waits: Vec<String>,
    /// Entries whose tasks these await, with how many.
    awaited: BTreeMap<usize, usize>,
    /// Entries of the tasks of their scopes, with how many.
    scoped: BTreeMap<usize, usize>,
    is_below: bool,
}

/// The part of a stack that concerns the program: what it awaits, and its functions, innermost
/// first.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Await<'a> {
    leaf: Option<Cow<'a, str>>,
    functions: Vec<(Cow<'a, str>, &'a str)>,
}

impl fmt::Display for Dump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(self, f)
    }
}

fn write(dump: &Dump, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    summary(dump, f)?;
    runtimes(dump, f)?;
    if dump.is_quiescent {
        writeln!(f)?;
        wrapped(f, "deadlock: ", DEADLOCK)?;
    }
    for note in &dump.notes {
        writeln!(f)?;
        wrapped(f, "note: ", note)?;
    }
    circles(dump, f)?;
    locks(dump, f)?;
    let entries = entries(dump);
    let mut written = HashSet::new();
    for index in 0..entries.len() {
        if !entries[index].is_below {
            writeln!(f)?;
            entry(dump, &entries, index, 0, &mut written, f)?;
        }
    }
    Ok(())
}

fn summary(dump: &Dump, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let count = |state| dump.tasks.iter().filter(|task| task.state == state).count();
    let all = dump.tasks.len();
    write!(f, "dump of {all} {}", if all == 1 { "task" } else { "tasks" })?;
    let states = [
        (TaskState::Running, "running"),
        (TaskState::Queued, "queued"),
        (TaskState::Waiting, "waiting"),
    ];
    let mut separator = ": ";
    for (state, word) in states {
        let count = count(state);
        if count > 0 {
            write!(f, "{separator}{count} {word}")?;
            separator = ", ";
        }
    }
    writeln!(f, " (taken in {:.0?})", dump.took)
}

fn runtimes(dump: &Dump, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for RuntimeDump { thread_name, metrics } in &dump.runtimes {
        let queued = metrics.queued_tasks + metrics.injected_tasks;
        let text = format!(
            "{} of {} workers parked, {} threads, {queued} tasks queued",
            metrics.parked_workers, metrics.workers, metrics.threads,
        );
        wrapped(f, &format!("runtime '{thread_name}': "), &text)?;
    }
    Ok(())
}

/// Names the tasks that await each other in a circle.
fn circles(dump: &Dump, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let of_addr: HashMap<usize, &TaskDump> =
        dump.tasks.iter().map(|task| (task.addr, task)).collect();
    let next = |task: &TaskDump| {
        task.waits.iter().find_map(|wait| match wait {
            WaitFor::Task(addr) => of_addr.get(addr).copied(),
            _ => None,
        })
    };
    let mut told = HashSet::new();
    for start in &dump.tasks {
        let mut path = vec![start];
        let mut seen = HashSet::from([start.addr]);
        while let Some(task) = path.last().and_then(|task| next(task)) {
            if told.contains(&task.addr) {
                break;
            }
            if task.addr == start.addr {
                let names: Vec<_> = path.iter().map(|task| label(task)).collect();
                told.extend(path.iter().map(|task| task.addr));
                let text = format!("{} wait for each other and never end.", names.join(" and "));
                writeln!(f)?;
                wrapped(f, "deadlock: ", &text)?;
                break;
            }
            if !seen.insert(task.addr) {
                break;
            }
            path.push(task);
        }
    }
    Ok(())
}

/// How libraries call the future that waits for a lock.
const LOCKS: [&str; 3] = ["async_lock::", "futures_util::lock::", "tokio::sync::"];

/// The most tasks that [`locks`] names.
const LOCKS_MAX: usize = 8;

/// In a process that is quiet: names the tasks that wait for locks. Only these tasks, or a guard
/// that no task owns, can hold the locks. A lock does not record which task holds it.
fn locks(dump: &Dump, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if !dump.is_quiescent {
        return Ok(());
    }
    let waits_for_lock = |task: &&TaskDump| {
        let stacks = task.stacks.iter().filter_map(|&number| dump.stacks.get(number as usize));
        let mut leaves = stacks.filter_map(|stack| await_of(dump, stack).leaf);
        leaves.any(|leaf| LOCKS.iter().any(|lock| leaf.starts_with(lock)))
    };
    let waiting: Vec<_> = dump.tasks.iter().filter(waits_for_lock).collect();
    if waiting.len() < 2 {
        return Ok(());
    }
    let mut names: Vec<_> = waiting.iter().take(LOCKS_MAX).map(|task| label(task)).collect();
    if waiting.len() > LOCKS_MAX {
        names.push(format!("{} others", waiting.len() - LOCKS_MAX));
    }
    let text = format!(
        "{} wait for locks or permits. As nothing runs, each of these is held by a task that waits \
         itself, probably one of them, or by a guard outside of tasks. Locks do not know their \
         holders: look for a guard that is alive across the awaits below.",
        names.join(" and ")
    );
    writeln!(f)?;
    wrapped(f, "deadlock: ", &text)
}

fn entries(dump: &Dump) -> Vec<DumpEntry<'_>> {
    let mut visible: HashMap<&[u32], Vec<Await<'_>>> = HashMap::new();
    let mut entries: Vec<DumpEntry<'_>> = Vec::new();
    let mut numbers = HashMap::new();
    let mut entry_of: HashMap<usize, usize> = HashMap::new();
    for task in &dump.tasks {
        let awaits = visible.entry(&task.stacks).or_insert_with(|| awaits_of(dump, &task.stacks));
        // The reader looks for the thread that runs a task, and for how long. Threads may have the
        // same name.
        let running = (task.state == TaskState::Running).then_some(task.addr);
        let key = (
            (task.kind, task.state, task.spawned_at, task.type_name, running),
            (task.thread.as_deref().filter(|_| task.kind != TaskKind::Spawned), awaits.clone()),
            task.thread_stack,
        );
        let index = *numbers.entry(key).or_insert_with(|| {
            let (awaits, waits) = (awaits.clone(), Vec::new());
            let (awaited, scoped) = (BTreeMap::new(), BTreeMap::new());
            let (tasks, is_below) = (Vec::new(), false);
            entries.push(DumpEntry { tasks, awaits, waits, awaited, scoped, is_below });
            entries.len() - 1
        });
        entries[index].tasks.push(task);
        entry_of.insert(task.addr, index);
    }
    for entry in &mut entries {
        let (mut awaited, mut scoped) = (BTreeMap::new(), BTreeMap::new());
        let mut waits = timers(dump, &entry.tasks);
        for task in &entry.tasks {
            for wait in &task.waits {
                let other = match wait {
                    WaitFor::Task(addr) => entry_of.get(addr),
                    // `timers` has them.
                    WaitFor::Timer(Some(_)) => continue,
                    _ => None,
                };
                match other {
                    Some(&other) => *awaited.entry(other).or_insert(0) += 1,
                    None => {
                        push_new(&mut waits, WaitAt(wait, task.seen_at(dump.taken_at)).to_string())
                    }
                }
            }
            for other in task.scope_tasks.iter().filter_map(|addr| entry_of.get(addr)) {
                *scoped.entry(*other).or_insert(0) += 1;
            }
        }
        (entry.awaited, entry.scoped, entry.waits) = (awaited, scoped, waits);
    }
    nest(&mut entries);
    entries
}

/// The timers of the tasks of an entry: a line, or none.
fn timers(dump: &Dump, tasks: &[&TaskDump]) -> Vec<String> {
    let now = dump.taken_at;
    let deadlines = tasks.iter().flat_map(|task| {
        // Each task was seen at a time of its own, and a line has one `now`.
        let later = task.seen_at(now).saturating_duration_since(now);
        task.waits.iter().filter_map(move |wait| match wait {
            WaitFor::Timer(deadline) => deadline.and_then(|deadline| deadline.checked_sub(later)),
            _ => None,
        })
    });
    let range = deadlines.fold(None, |range, deadline| match range {
        None => Some(TimersAt { first: deadline, last: deadline, now }),
        Some(TimersAt { first, last, .. }) => {
            Some(TimersAt { first: first.min(deadline), last: last.max(deadline), now })
        }
    });
    range.iter().map(TimersAt::to_string).collect()
}

/// Puts an entry below the one that awaits it, or in whose scope its tasks are, if there is one
/// such entry. The first of a circle stays above the others.
fn nest(entries: &mut [DumpEntry<'_>]) {
    let mut awaited_by = vec![Vec::new(); entries.len()];
    for (index, entry) in entries.iter().enumerate() {
        entry.others().for_each(|other| awaited_by[other].push(index));
    }
    for (index, entry) in entries.iter_mut().enumerate() {
        entry.is_below = matches!(awaited_by[index][..], [other] if other != index);
    }
    for index in 0..entries.len() {
        let mut above = index;
        for _ in 0..entries.len() {
            if !entries[above].is_below {
                break;
            }
            above = awaited_by[above][0];
            if above == index {
                entries[index].is_below = false;
            }
        }
    }
}

fn push_new(list: &mut Vec<String>, text: String) {
    if list.len() <= NAMED_MAX && !list.contains(&text) {
        list.push(text);
    }
}

/// Where the thread of a task that runs is, and where the task was seen before.
fn running(dump: &Dump, task: &TaskDump, margin: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let inner = format!("{margin}    ");
    if let Some(number) = task.thread_stack {
        writeln!(f, "{inner}its thread is")?;
        numbered(dump, &[number], &inner, f)?;
    }
    if let Some(last) = &task.last_await {
        writeln!(f, "{inner}it was seen {:.1?} before, waiting", last.age)?;
        numbered(dump, &last.stacks, &inner, f)?;
    }
    Ok(())
}

/// The stacks with these numbers.
fn numbered(dump: &Dump, numbers: &[u32], margin: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    awaits_of(dump, numbers).iter().try_for_each(|awaits| stack(f, margin, awaits))
}

fn entry(
    dump: &Dump,
    entries: &[DumpEntry<'_>],
    index: usize,
    depth: usize,
    written: &mut HashSet<usize>,
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    if !written.insert(index) {
        return Ok(());
    }
    let entry = &entries[index];
    let margin = " ".repeat(depth * 4);
    wrapped(f, &margin, &head(entry))?;
    for (at, wait) in entry.waits.iter().enumerate() {
        if at == NAMED_MAX {
            writeln!(f, "{margin}    for …")?;
        } else {
            writeln!(f, "{margin}    for {wait}")?;
        }
    }
    for (&other, &times) in &entry.awaited {
        let awaited = awaited(entries, index, other, times, written);
        wrapped(f, &format!("{margin}    for "), &awaited)?;
    }
    for (&other, &times) in &entry.scoped {
        let scoped = awaited(entries, index, other, times, written);
        wrapped(f, &format!("{margin}    in its scope: "), &scoped)?;
    }
    if entry.has_no_waker() {
        wrapped(f, &format!("{margin}    "), NO_WAKER)?;
    }
    for awaits in &entry.awaits {
        stack(f, &margin, awaits)?;
    }
    running(dump, entry.tasks[0], &margin, f)?;
    for other in entry.others().filter(|&other| entries[other].is_below) {
        self::entry(dump, entries, other, depth + 1, written, f)?;
    }
    Ok(())
}

/// The line that says what the tasks of an entry are and do.
fn head(entry: &DumpEntry<'_>) -> String {
    let (first, count) = (entry.tasks[0], entry.tasks.len());
    let mut head = String::new();
    if count == 1 {
        head.push_str(&label(first));
    } else {
        let _ = write!(head, "{count} {}s", kind(first.kind));
        let names: Vec<_> = entry.tasks.iter().filter_map(|task| task.name.as_deref()).collect();
        if !names.is_empty() {
            let shown: Vec<_> =
                names.iter().take(NAMED_MAX).map(|name| format!("'{name}'")).collect();
            let more = if names.len() > NAMED_MAX { ", …" } else { "" };
            let _ = write!(head, " {}{more}", shown.join(", "));
        }
        if let Some(at) = first.spawned_at {
            let _ = write!(head, " {} {at}", began(first.kind));
        }
    }
    if first.spawned_at.is_none() && !first.type_name.is_empty() {
        let _ = write!(head, " of type {}", first.type_name);
    }
    if let Some(thread) = first.thread.as_deref().filter(|name| !name.is_empty()) {
        let _ = write!(head, " on thread {thread}");
    }
    let does = match (first.state, count) {
        (TaskState::Waiting, 1) => "waits",
        (TaskState::Waiting, _) => "wait",
        (TaskState::Queued, 1) => "is queued",
        (TaskState::Queued, _) => "are queued",
        (TaskState::Running, 1) => "runs",
        (TaskState::Running, _) => "run",
        (TaskState::Ended, _) => "ended",
    };
    let _ = write!(head, ", {does}");
    let longest = entry.tasks.iter().filter_map(|task| task.since).max();
    if let Some(since) = longest {
        let up_to = if count == 1 { "" } else { "up to " };
        let _ = write!(head, " for {up_to}{since:.1?}");
    }
    head
}

/// What `times` tasks of the entry `index` await in the entry `other`.
fn awaited(
    entries: &[DumpEntry<'_>],
    index: usize,
    other: usize,
    times: usize,
    written: &HashSet<usize>,
) -> String {
    let others = &entries[other];
    if other == index {
        return format!("{times} of these tasks");
    }
    match (times, others.tasks.len()) {
        (1, 1) if !others.is_below => label(others.tasks[0]),
        _ => {
            let tasks = if times == 1 { "a task" } else { &format!("{times} tasks") };
            let whose = match others.is_below && !written.contains(&other) {
                true => "below",
                false => "elsewhere",
            };
            format!("{tasks} {whose}")
        }
    }
}

/// What to print for a task whose poll left no waker.
const NO_WAKER: &str = "and its poll left no waker: unless it keeps an older one, nothing wakes it";

impl DumpEntry<'_> {
    /// The entries whose tasks these await or have in their scopes.
    fn others(&self) -> impl Iterator<Item = usize> {
        let awaited = self.awaited.keys().copied();
        awaited.chain(self.scoped.keys().copied().filter(|other| !self.awaited.contains_key(other)))
    }

    fn has_no_waker(&self) -> bool {
        let first = self.tasks[0];
        first.is_probed && first.state == TaskState::Waiting && !first.has_waker
    }
}

fn stack(f: &mut fmt::Formatter<'_>, margin: &str, awaits: &Await<'_>) -> fmt::Result {
    if let Some(leaf) = &awaits.leaf {
        writeln!(f, "{margin}    in {leaf}")?;
    }
    for (function, place) in &awaits.functions {
        let function = shortened(function, WIDTH.saturating_sub(margin.len() + 7));
        let line = format!("{margin}    at {function}");
        let width = line.chars().count();
        let column = PLACE_COLUMN.max(width + 1);
        if place.is_empty() {
            writeln!(f, "{line}")?;
        } else if column + place.chars().count() <= WIDTH {
            writeln!(f, "{line}{}{place}", " ".repeat(column - width))?;
        } else {
            writeln!(f, "{line}\n{margin}           {place}")?;
        }
    }
    Ok(())
}

/// A path of at most `width` columns: the first modules are left out if it is longer.
fn shortened(path: &str, width: usize) -> Cow<'_, str> {
    let mut rest = path;
    while rest.chars().count() + 3 > width
        && let Some((_, shorter)) = rest.split_once("::")
    {
        rest = shorter;
    }
    if rest.len() == path.len() || path.chars().count() <= width {
        return Cow::Borrowed(path);
    }
    Cow::Owned(format!("…::{rest}"))
}

fn kind(kind: TaskKind) -> &'static str {
    match kind {
        TaskKind::Spawned => "task",
        TaskKind::Local => "local task",
        TaskKind::BlockOn => "block_on",
        TaskKind::Blocking => "blocking closure",
    }
}

/// What happened at the place that a record names.
fn began(kind: TaskKind) -> &'static str {
    if kind == TaskKind::BlockOn { "at" } else { "spawned at" }
}

/// The name of a task in a sentence.
fn label(task: &TaskDump) -> String {
    let mut label = String::from(kind(task.kind));
    if let Some(id) = task.id {
        let _ = write!(label, " {id}");
    }
    if let Some(name) = &task.name {
        let _ = write!(label, " '{name}'");
    }
    if let Some(at) = task.spawned_at {
        let _ = write!(label, " {} {at}", began(task.kind));
    }
    label
}

/// Writes `text` in lines of at most [`WIDTH`] columns, the first after `start`.
fn wrapped(f: &mut fmt::Formatter<'_>, start: &str, text: &str) -> fmt::Result {
    let margin = " ".repeat(start.chars().take_while(|c| *c == ' ').count() + 6);
    let mut line = String::from(start);
    let mut is_empty = true;
    for word in text.split(' ') {
        if !is_empty && line.chars().count() + 1 + word.chars().count() > WIDTH {
            writeln!(f, "{line}")?;
            line.clone_from(&margin);
            is_empty = true;
        }
        if !is_empty {
            line.push(' ');
        }
        line.push_str(word);
        is_empty = false;
    }
    writeln!(f, "{line}")
}

/// The parts of the stacks with these numbers that concern the program.
fn awaits_of<'a>(dump: &'a Dump, stacks: &[u32]) -> Vec<Await<'a>> {
    let mut awaits = Vec::new();
    for &number in stacks {
        let Some(stack) = dump.stacks.get(number as usize) else { continue };
        let seen = await_of(dump, stack);
        let is_empty = seen.leaf.is_none() && seen.functions.is_empty();
        if !is_empty && !awaits.contains(&seen) {
            awaits.push(seen);
        }
    }
    awaits
}

fn await_of<'a>(dump: &Dump, stack: &'a [Frame]) -> Await<'a> {
    let frames = stack.iter().map(|frame| {
        let place = frame.place.as_deref().unwrap_or_default();
        (frame.function.as_str(), place)
    });
    let found = ProgramFrames::of(frames);
    let name = |index: usize| plain_name(&stack[index].function);
    let place = |index: usize| dump.place_of(&stack[index]).unwrap_or_default();
    let functions = found.own.iter().map(|&index| (name(index), place(index))).collect();
    Await { leaf: found.leaf.map(name), functions }
}

pub(super) mod one_task;
#[cfg(test)]
mod tests;
