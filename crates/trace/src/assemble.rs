//! Builds the model from the sections of a file.

use std::collections::{HashMap, HashSet};

use crate::chunk::Moment;
use crate::clock::Clock;
use crate::lives::Lives;
use crate::missing::Missing;
use crate::operand::{Flavour, Origin, TaskKey};
use crate::reader::Sections;
use crate::texts::Texts;
use crate::trace::{Cause, Group, NO_INDEX, Poll, Task, TaskIndex, TextIndex, Thread, Trace, Wake};
use crate::waits::{self, Hint};
use crate::walk::{self, Chunk, NO_POLL, RawCause, Walked};

/// Builds the model.
pub(crate) fn assemble(mut sections: Sections) -> Trace {
    let (chunks, bad) = walk::chunks(std::mem::take(&mut sections.chunks));
    let clock = clock(&sections, &chunks);
    let mut walked = walk::walk(chunks, &sections, &clock);
    let mut missing = std::mem::take(&mut sections.missing);
    if bad > 0 {
        missing.push(Missing::BadChunks { count: bad });
    }
    missing.append(&mut walked.missing);
    if clock.is_guess && !walked.threads.is_empty() {
        missing.push(Missing::ClockRate);
    }
    let snapshots = sections.snapshots.iter();
    let snapshots = snapshots.map(|snapshot| snapshot.tick);
    let ticks = snapshots.chain(sections.end.map(|moment| moment.tick));
    walked.end_at(ticks.map(|tick| clock.ns(tick)).max().unwrap_or(0));
    let seen: Vec<(TaskKey, u64)> = sections
        .snapshots
        .iter()
        .flat_map(|snapshot| {
            let at = clock.ns(snapshot.tick);
            snapshot.tasks.iter().map(move |task| (task.task, at))
        })
        .collect();
    let lives = Lives::new(&walked, &seen);
    sections.modules.sort_by_key(|module| module.base);
    let trace = Trace {
        meta: sections.meta.take().unwrap_or_default(),
        start_wall_ns: clock.start_wall_ns,
        end: walked.end,
        events: walked.events,
        missing,
        modules: std::mem::take(&mut sections.modules),
        ..Trace::default()
    };
    let mut builder = Builder {
        sections,
        clock,
        lives,
        texts: Texts::new(),
        stacks: HashMap::new(),
        trace,
        hints: Vec::new(),
        unnamed: HashSet::new(),
        polls: Vec::new(),
    };
    builder.tasks();
    builder.polls(&walked);
    builder.wakes(&walked);
    builder.threads(&mut walked);
    builder.notes(std::mem::take(&mut walked.notes));
    builder.snapshots();
    builder.groups();
    waits::find(&mut builder.trace, &builder.hints);
    builder.complete_waits();
    let Builder { mut trace, texts, unnamed, .. } = builder;
    if !unnamed.is_empty() {
        trace.missing.push(Missing::Names { count: unnamed.len() as u64 });
    }
    trace.texts = texts.into_texts();
    trace
}

fn clock(sections: &Sections, chunks: &[Chunk]) -> Clock {
    let heads = chunks.iter().map(|chunk| chunk.head.moment);
    let meta = sections.meta.as_ref();
    let mut moments: Vec<Moment> = heads.clone().collect();
    moments.extend(meta.map(|meta| meta.start));
    moments.extend(sections.end);
    let first = heads.map(|moment| moment.tick).min();
    let snapshot = sections.snapshots.iter().map(|snapshot| snapshot.tick).min();
    let origin = first.or(snapshot).unwrap_or(0);
    Clock::new(origin, &moments, meta.map_or(0, |meta| meta.ticks_per_second))
}

/// The model while it is built.
pub(crate) struct Builder {
    pub(crate) sections: Sections,
    pub(crate) clock: Clock,
    pub(crate) lives: Lives,
    pub(crate) texts: Texts,
    /// The index of each stack by its identifier in the file.
    pub(crate) stacks: HashMap<u32, u32>,
    pub(crate) trace: Trace,
    /// For each poll, what its events say about the wait that follows it.
    pub(crate) hints: Vec<Hint>,
    /// The texts for names that are missing in the file.
    unnamed: HashSet<TextIndex>,
    /// The index in [`Trace::polls`] of each poll of the walk.
    polls: Vec<u32>,
}

impl Builder {
    /// Returns the text of an identifier of the file.
    pub(crate) fn text(&mut self, id: u32) -> TextIndex {
        match self.sections.strings.get(&id) {
            Some(text) => self.texts.index(text),
            None => 0,
        }
    }

    fn tasks(&mut self) {
        for index in 0..self.lives.uses.len() {
            let one = self.lives.uses[index].clone();
            let mut task = Task {
                key: one.key,
                name: 0,
                type_name: 0,
                size: 0,
                file: 0,
                line: 0,
                column: 0,
                flavour: one.flavour,
                parent: NO_INDEX,
                spawned: one.spawned,
                ended: one.ended,
                busy: 0,
                queued: 0,
                waited: 0,
                group: 0,
                polls: 0..0,
                waits: 0..0,
            };
            self.set_origin(&mut task, one.origin);
            self.trace.tasks.push(task);
        }
    }

    /// Sets the origin and the flavour of a task, unless they are known already.
    pub(crate) fn set_origin(&mut self, task: &mut Task, origin: Origin) {
        if task.file == 0 && origin.place != 0 {
            let place = self.sections.places.get(&origin.place).copied();
            let (file, line, column) = place.unwrap_or_default();
            task.file = match self.text(file) {
                0 => self.unnamed("place", origin.place),
                file => file,
            };
            (task.line, task.column) = (line, column);
        }
        if task.type_name == 0 && origin.type_id != 0 {
            let future = self.sections.types.get(&origin.type_id).copied();
            let (name, size) = future.unwrap_or_default();
            task.type_name = match self.text(name) {
                0 => self.unnamed("type", origin.type_id),
                name => name,
            };
            task.size = size;
        }
    }

    /// Returns a text for an identifier without an entry in the file. Each identifier has a text of
    /// its own, so tasks can still be distinguished.
    fn unnamed(&mut self, what: &str, id: u32) -> TextIndex {
        let text = self.texts.index(&format!("{what} {id:#x}"));
        self.unnamed.insert(text);
        text
    }

    /// Sets the task of each poll, and sorts the polls.
    fn polls(&mut self, walked: &Walked) {
        let mut tasks: Vec<Option<TaskIndex>> = vec![None; walked.polls.len()];
        for (index, one) in self.lives.uses.iter().enumerate() {
            if let Some(task) = tasks.get_mut(one.last_poll as usize) {
                *task = Some(index as TaskIndex);
            }
        }
        let mut polls: Vec<(u32, Poll)> = Vec::with_capacity(walked.polls.len());
        for (index, raw) in walked.polls.iter().enumerate() {
            let found = || self.lives.find(raw.key, raw.start);
            let task = tasks[index].or_else(found).expect("each key of a poll has a use");
            let poll = Poll {
                task,
                thread: raw.thread,
                start: raw.start,
                end: raw.end,
                depth: raw.depth,
                is_whole: raw.is_whole,
                is_last: raw.is_last,
            };
            polls.push((index as u32, poll));
        }
        polls.sort_by_key(|(_, poll)| (poll.start, poll.thread, poll.depth));
        // Maps a poll's index in the walk to its sorted index.
        let mut sorted = vec![0_u32; polls.len()];
        for (new, (old, _)) in polls.iter().enumerate() {
            sorted[*old as usize] = new as u32;
        }
        self.trace.polls = polls.into_iter().map(|(_, poll)| poll).collect();
        self.hints = vec![Hint::NONE; self.trace.polls.len()];
        let of = self.trace.polls.iter().map(|poll| poll.task);
        let by_task = waits::by_task(self.trace.tasks.len(), of);
        for (task, range) in self.trace.tasks.iter_mut().zip(by_task.starts.windows(2)) {
            task.polls = range[0]..range[1];
        }
        self.trace.polls_by_task = by_task.indices;
        self.polls = sorted;
        for index in 0..self.trace.tasks.len() {
            self.trace.tasks[index].parent = self.polled(self.lives.uses[index].parent);
        }
    }

    /// Returns the task of a poll of the walk, or [`NO_INDEX`].
    pub(crate) fn polled(&self, poll: u32) -> TaskIndex {
        self.poll(poll).map_or(NO_INDEX, |poll| self.trace.polls[poll as usize].task)
    }

    /// Returns the index in the model of a poll of the walk.
    pub(crate) fn poll(&self, poll: u32) -> Option<u32> {
        if poll == NO_POLL {
            return None;
        }
        Some(self.polls[poll as usize])
    }

    fn wakes(&mut self, walked: &Walked) {
        for raw in &walked.wakes {
            let Some(task) = self.lives.find(raw.key, raw.at) else { continue };
            let cause = match raw.cause {
                RawCause::Poll(poll) => Cause::Task(self.polled(poll)),
                RawCause::Io { fd, ready, string } => {
                    Cause::Io { fd, ready, socket: self.text(string) }
                }
                RawCause::Timer { late_ns } => Cause::Timer { late_ns },
                RawCause::Thread => Cause::Thread,
            };
            let (thread, at, latest, kind) = (raw.thread, raw.at, raw.latest, raw.kind);
            self.trace.wakes.push(Wake { task, thread, at, latest, kind, cause });
        }
        self.trace.wakes.sort_by_key(|wake| wake.at);
    }

    fn threads(&mut self, walked: &mut Walked) {
        let known: HashSet<u32> = walked.threads.iter().map(|thread| thread.number).collect();
        let elsewhere = self.sections.drops.iter().filter(|(number, _)| !known.contains(number));
        let elsewhere = elsewhere.map(|(_, events)| *events).fold(0, u64::saturating_add);
        if elsewhere > 0 {
            let thread = String::from("without events");
            self.trace.missing.push(Missing::Dropped { thread, events: elsewhere });
        }
        for raw in std::mem::take(&mut walked.threads) {
            let dropped = self.sections.drops.get(&raw.number).copied().unwrap_or(0);
            let dropped = dropped.max(raw.dropped);
            if dropped > 0 {
                let thread = raw.name.clone();
                self.trace.missing.push(Missing::Dropped { thread, events: dropped });
            }
            self.trace.threads.push(Thread {
                number: raw.number,
                name: self.texts.index(&raw.name),
                first: raw.recorded.first().map_or(0, |range| range.start),
                last: raw.recorded.last().map_or(0, |range| range.end),
                workers: raw.workers,
                recorded: raw.recorded,
                dropped,
                ..Thread::default()
            });
        }
        for poll in &self.trace.polls {
            let thread = &mut self.trace.threads[poll.thread as usize];
            thread.polls += 1;
            if poll.depth == 0 {
                thread.busy = thread.busy.saturating_add(poll.len());
            }
        }
        self.trace.parks = std::mem::take(&mut walked.parks);
        self.trace.parks.sort_by_key(|park| park.start);
        for park in &self.trace.parks {
            let thread = &mut self.trace.threads[park.thread as usize];
            thread.parked = thread.parked.saturating_add(park.end - park.start);
        }
        self.trace.steals = std::mem::take(&mut walked.steals);
        self.trace.steals.sort_by_key(|steal| steal.at);
        self.trace.hand_offs = std::mem::take(&mut walked.hand_offs);
        self.trace.hand_offs.sort_by_key(|hand_off| hand_off.at);
    }

    /// Groups tasks by type and place.
    fn groups(&mut self) {
        let mut counts: HashMap<(TextIndex, TextIndex, u32, Flavour), u32> = HashMap::new();
        let key = |task: &Task| (task.type_name, task.file, task.line, task.flavour);
        for task in &self.trace.tasks {
            *counts.entry(key(task)).or_default() += 1;
        }
        let mut groups: Vec<_> = counts.into_iter().collect();
        groups.sort_by_key(|(key, count)| (std::cmp::Reverse(*count), *key));
        let indices: HashMap<_, _> =
            groups.iter().enumerate().map(|(index, (key, _))| (*key, index as u32)).collect();
        for task in &mut self.trace.tasks {
            task.group = indices[&key(task)];
        }
        let group = |((type_name, file, line, flavour), tasks)| Group {
            type_name,
            file,
            line,
            flavour,
            tasks,
        };
        self.trace.groups = groups.into_iter().map(group).collect();
    }
}
