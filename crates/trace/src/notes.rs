//! Fills in marks, spans, names, waits, stacks, lints, panics and snapshots.

use std::collections::HashMap;

use crate::assemble::Builder;
use crate::operand::{Lint, Origin, TaskKey, WaitFor};
use crate::trace::{
    LintFound, LiveTask, Mark, NO_INDEX, Panic, Sample, Snapshot, Span, Stack, StackFrame,
    TaskIndex, TextIndex,
};
use crate::walk::RawNote;
use crate::word::Kind;
use crate::writer::Frame;

/// The spans that are open, and some that have ended.
#[derive(Default)]
struct OpenSpans {
    /// By task (or by thread outside of tasks), name and number.
    here: HashMap<(TaskIndex, u32, TextIndex, u64), Vec<usize>>,
    /// The spans with a number, by name and number. A span of the crate tracing may end in a
    /// different task than the one in which it began.
    anywhere: HashMap<(TextIndex, u64), Vec<usize>>,
}

impl Builder {
    /// Adds the information that events have about tasks. The events come thread by thread. They
    /// are sorted by time here, because a span may end on another thread than the one on which it
    /// began.
    pub(crate) fn notes(&mut self, mut notes: Vec<RawNote>) {
        notes.sort_by_key(|note| note.at);
        let mut open = OpenSpans::default();
        for note in notes {
            let key = TaskKey::from_value(note.value);
            match note.kind {
                Kind::Mark | Kind::SpanStart | Kind::SpanEnd => self.user(&note, &mut open),
                Kind::Name => {
                    let name = self.text(note.operand as u32);
                    if let Some(task) = self.lives.find(key, note.at) {
                        self.trace.tasks[task as usize].name = name;
                    }
                }
                Kind::Wait => {
                    if let Some(poll) = self.poll(note.poll) {
                        self.hints[poll as usize].on = WaitFor::from_operand(note.operand);
                    }
                }
                Kind::Stack => self.sample(&note, key),
                Kind::Lint => {
                    let Lint { rule, measure } = Lint::from_operand(note.operand);
                    let (task, thread, at) = (self.task(key, note.at), note.thread, note.at);
                    self.trace.lints.push(LintFound { task, thread, at, rule, measure });
                }
                Kind::Panic => {
                    let message = self.text(note.operand as u32);
                    let (task, thread, at) = (self.task(key, note.at), note.thread, note.at);
                    self.trace.panics.push(Panic { task, thread, at, message });
                }
                other => unreachable!("{other:?} is not a note: `Walker::event` lists them"),
            }
        }
        // A task that panics or is cancelled does not record the end of its spans.
        for span in self.trace.spans.iter_mut().filter(|span| span.task != NO_INDEX) {
            let ended = self.trace.tasks[span.task as usize].ended.map(|(at, _)| at);
            span.end = span.end.or(ended.map(|at| at.max(span.start)));
        }
    }

    /// Returns the task of a key, or [`NO_INDEX`].
    fn task(&self, key: TaskKey, at: u64) -> TaskIndex {
        self.lives.find(key, at).unwrap_or(NO_INDEX)
    }

    /// Adds a mark, or the start or end of a span.
    fn user(&mut self, note: &RawNote, open: &mut OpenSpans) {
        let task = self.polled(note.poll);
        let name = self.text(note.value as u32);
        let (thread, at, number) = (note.thread, note.at, note.operand);
        let here = (task, if task == NO_INDEX { thread } else { 0 }, name, number);
        let spans = &mut self.trace.spans;
        match note.kind {
            Kind::Mark => self.trace.marks.push(Mark { task, thread, at, name, number }),
            Kind::SpanStart => {
                open.here.entry(here).or_default().push(spans.len());
                if number != 0 {
                    open.anywhere.entry((name, number)).or_default().push(spans.len());
                }
                spans.push(Span { task, thread, start: at, end: None, name, number });
            }
            _ => {
                let in_here = open.here.get_mut(&here).into_iter();
                let lists = in_here.chain(open.anywhere.get_mut(&(name, number)));
                // A span is in two lists. A span that was ended through the other list is skipped.
                let mut open = lists.flat_map(|list| std::iter::from_fn(|| list.pop()));
                // A span that began before the trace has no start, so it is left out.
                if let Some(span) = open.find(|span| spans[*span].end.is_none()) {
                    spans[span].end = Some(at);
                }
            }
        }
    }

    fn sample(&mut self, note: &RawNote, key: TaskKey) {
        let stack = self.stack(note.operand as u32);
        let task = self.task(key, note.at);
        if stack == NO_INDEX || task == NO_INDEX {
            return;
        }
        if let Some(poll) = self.poll(note.poll) {
            self.hints[poll as usize].stack = stack;
        }
        self.trace.samples.push(Sample { task, at: note.at, stack });
    }

    /// Returns the index of a stack of the file, or [`NO_INDEX`] if the file does not have it.
    fn stack(&mut self, id: u32) -> u32 {
        if let Some(index) = self.stacks.get(&id) {
            return *index;
        }
        let Some(frames) = self.sections.stacks.remove(&id) else { return NO_INDEX };
        let frames = frames.iter().map(|frame| self.frame(frame)).collect();
        let index = self.trace.stacks.len() as u32;
        self.trace.stacks.push(Stack { frames });
        self.stacks.insert(id, index);
        index
    }

    fn frame(&mut self, frame: &Frame) -> StackFrame {
        let mut function = self.text(frame.function);
        if function == 0 {
            let name = self.address(frame.address);
            function = self.texts.index(&name);
        }
        let file = self.text(frame.file);
        StackFrame { function, file, line: frame.line, column: frame.column }
    }

    /// Returns the module of an address and the offset in it, for a debugger.
    fn address(&self, address: u64) -> String {
        let modules = &self.trace.modules;
        let after = modules.partition_point(|module| module.base <= address);
        let found = modules[..after].last().filter(|module| address - module.base < module.size);
        match found {
            Some(module) => {
                let name = module.path.rsplit(['/', '\\']).next().unwrap_or_default();
                format!("{name}+{:#x}", address - module.base)
            }
            None => format!("{address:#x}"),
        }
    }

    /// Adds the snapshots. They also contain tasks whose events were overwritten.
    pub(crate) fn snapshots(&mut self) {
        for raw in std::mem::take(&mut self.sections.snapshots) {
            let at = self.clock.ns(raw.tick);
            let mut tasks = Vec::with_capacity(raw.tasks.len());
            for live in raw.tasks {
                let index = self.lives.find(live.task, at);
                let index = index.expect("each key of a snapshot has a use");
                let mut task = self.trace.tasks[index as usize].clone();
                self.set_origin(&mut task, Origin { place: live.place, type_id: live.type_id });
                if task.name == 0 {
                    task.name = self.text(live.name);
                }
                if task.spawned.is_none() {
                    task.flavour = live.flavour;
                }
                let parent = self.task(live.parent, at);
                if task.parent == NO_INDEX && parent != index {
                    task.parent = parent;
                }
                self.trace.tasks[index as usize] = task;
                tasks.push(LiveTask {
                    task: index,
                    state: live.state,
                    since: (live.since_tick > 0).then(|| self.clock.ns(live.since_tick)),
                    on: live.on,
                    stack: self.stack(live.stack),
                });
            }
            self.trace.snapshots.push(Snapshot { at, tasks });
        }
        self.trace.snapshots.sort_by_key(|snapshot| snapshot.at);
    }

    /// Fills in the stacks and reasons of waits from the snapshots that were taken during them.
    pub(crate) fn complete_waits(&mut self) {
        let snapshots = std::mem::take(&mut self.trace.snapshots);
        for snapshot in &snapshots {
            for live in &snapshot.tasks {
                let range = self.trace.tasks[live.task as usize].waits.clone();
                let waits = &mut self.trace.waits[range.start as usize..range.end as usize];
                let after = waits.partition_point(|wait| wait.from <= snapshot.at);
                let Some(wait) = waits[..after].last_mut() else { continue };
                if wait.woken < snapshot.at {
                    continue;
                }
                if wait.stack == NO_INDEX {
                    wait.stack = live.stack;
                }
                if wait.on == WaitFor::Unknown {
                    wait.on = live.on;
                }
            }
        }
        self.trace.snapshots = snapshots;
    }
}
