//! A trace for Perfetto: a row for each thread and task, and a flow for each wake.
//!
//! A wake is an instant on the thread that made it. Its flow begins there and ends at the poll that
//! it led to, so Perfetto draws an arrow from the waker to the woken task.

mod messages;

use std::collections::HashMap;

use prost::Message;
use reveille_trace::{Cause, NO_INDEX, Stack, TaskIndex, Trace, Wake, WakeKind};

use self::messages::{
    DebugAnnotation, EventName, EventType, InternedData, NEEDS_STATE, ProcessDescriptor,
    STATE_CLEARED, ThreadDescriptor, TracePacket, TrackDescriptor, TrackEvent,
};
use super::awaits::{Await, Awaits};
use super::reason::Reason;

/// All our packets belong to one sequence.
const SEQUENCE: u32 = 1;

/// The key of a packet in the file: field 1, with a length.
const PACKET: u8 = 1 << 3 | 2;

const PROCESS: u64 = 1;

/// Kinds of rows, in the upper half of their identifiers.
const THREADS: u64 = 1 << 32;
const GROUPS: u64 = 2 << 32;
const TASKS: u64 = 3 << 32;
const SPANS: u64 = 4 << 32;

/// Returns the file.
pub(crate) fn encode(trace: &Trace) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.packet(TracePacket { sequence_flags: Some(STATE_CLEARED), ..TracePacket::default() });
    rows(trace, &mut writer);
    let mut events = Events::default();
    polls(trace, &mut events);
    waits(trace, &mut events);
    wakes(trace, &mut events);
    spans(trace, &mut events, &mut writer);
    marks(trace, &mut events);
    events.write(&mut writer);
    writer.bytes
}

/// Writes packets, and each name before its first use.
#[derive(Default)]
struct Writer {
    bytes: Vec<u8>,
    names: HashMap<String, u64>,
}

impl Writer {
    fn packet(&mut self, packet: TracePacket) {
        let packet = TracePacket { trusted_packet_sequence_id: Some(SEQUENCE), ..packet };
        self.bytes.push(PACKET);
        prost::encode_length_delimiter(packet.encoded_len(), &mut self.bytes)
            .and_then(|()| packet.encode(&mut self.bytes))
            .expect("a vector has room for every message");
    }

    fn row(&mut self, uuid: u64, parent: Option<u64>, name: String) {
        let row = TrackDescriptor { uuid: Some(uuid), name: Some(name), ..Default::default() };
        self.descriptor(TrackDescriptor { parent_uuid: parent, ..row });
    }

    fn descriptor(&mut self, row: TrackDescriptor) {
        self.packet(TracePacket { track_descriptor: Some(row), ..TracePacket::default() });
    }

    /// Returns the number of a name, and the packet's data if the name is new.
    fn name(&mut self, name: String) -> (u64, Option<InternedData>) {
        let next = self.names.len() as u64 + 1;
        match self.names.get(&name) {
            Some(iid) => (*iid, None),
            None => {
                let named = EventName { iid: Some(next), name: Some(name.clone()) };
                self.names.insert(name, next);
                (next, Some(InternedData { event_names: vec![named] }))
            }
        }
    }
}

/// Writes a row for the process, for each thread, each group and each task.
fn rows(trace: &Trace, writer: &mut Writer) {
    // Perfetto joins threads of process 0 with the idle process of the system.
    let pid = i32::try_from(trace.meta.process.max(1)).unwrap_or(i32::MAX);
    let process =
        ProcessDescriptor { pid: Some(pid), process_name: Some(trace.meta.program.clone()) };
    let descriptor = TrackDescriptor { uuid: Some(PROCESS), ..TrackDescriptor::default() };
    writer.descriptor(TrackDescriptor { process: Some(process), ..descriptor });
    for (index, thread) in trace.threads.iter().enumerate() {
        let number = i32::try_from(index).unwrap_or(i32::MAX);
        let thread = ThreadDescriptor {
            pid: Some(pid),
            // The system's identifiers are not in the trace; a number above `pid` is free.
            tid: Some(pid.saturating_add(1).saturating_add(number)),
            thread_name: Some(trace.text(thread.name).to_owned()),
        };
        let uuid = Some(THREADS + index as u64);
        writer.descriptor(TrackDescriptor { uuid, thread: Some(thread), ..Default::default() });
    }
    for group in 0..trace.groups.len() as u32 {
        let uuid = GROUPS + u64::from(group);
        writer.row(uuid, Some(PROCESS), trace.group_label(group));
    }
    for (index, task) in trace.tasks.iter().enumerate() {
        let group = GROUPS + u64::from(task.group);
        let label = trace.task_label(index as TaskIndex);
        writer.row(TASKS + index as u64, Some(group), label);
    }
}

/// An event that has not been written yet.
struct Event {
    at: u64,
    /// Orders events of the same time on one row. Ends come before starts, and of two slices that
    /// start together the outer one comes first.
    order: u64,
    row: u64,
    kind: EventType,
    name: Option<String>,
    starts: Vec<u64>,
    ends: Vec<u64>,
    notes: Vec<DebugAnnotation>,
}

#[derive(Default)]
struct Events {
    all: Vec<Event>,
}

impl Events {
    fn add(&mut self, at: u64, order: u64, row: u64, kind: EventType) -> &mut Event {
        let (starts, ends, notes) = (Vec::new(), Vec::new(), Vec::new());
        self.all.push(Event { at, order, row, kind, name: None, starts, ends, notes });
        self.all.last_mut().expect("an event was just added")
    }

    /// Adds a slice and returns its start. An empty slice gets a length of one nanosecond, because
    /// a start and an end at the same time have no order.
    fn slice(&mut self, row: u64, from: u64, until: u64, depth: u64, name: String) -> &mut Event {
        self.add(until.max(from + 1), 100 - depth.min(99), row, EventType::SliceEnd);
        let begin = self.add(from, 200 + depth, row, EventType::SliceBegin);
        begin.name = Some(name);
        begin
    }

    fn write(mut self, writer: &mut Writer) {
        self.all.sort_by_key(|event| (event.at, event.order));
        for event in self.all {
            let (iid, interned) = match event.name {
                Some(name) => {
                    let (iid, interned) = writer.name(name);
                    (Some(iid), interned)
                }
                None => (None, None),
            };
            let track_event = TrackEvent {
                debug_annotations: event.notes,
                r#type: Some(event.kind.into()),
                name_iid: iid,
                track_uuid: Some(event.row),
                flow_ids: event.starts,
                terminating_flow_ids: event.ends,
            };
            writer.packet(TracePacket {
                timestamp: Some(event.at),
                track_event: Some(track_event),
                interned_data: interned,
                sequence_flags: Some(NEEDS_STATE),
                ..TracePacket::default()
            });
        }
    }
}

fn note(name: &str, value: String) -> DebugAnnotation {
    let (name, string_value) = (Some(name.to_owned()), Some(value));
    DebugAnnotation { name, string_value, uint_value: None }
}

fn polls(trace: &Trace, events: &mut Events) {
    let mut flows: HashMap<u32, Vec<u64>> = HashMap::new();
    for (index, wake) in trace.wakes.iter().enumerate() {
        if let Some(poll) = poll_after(trace, wake) {
            flows.entry(poll).or_default().push(flow(index));
        }
    }
    for (index, poll) in trace.polls.iter().enumerate() {
        let label = trace.task_label(poll.task);
        let (row, depth) = (THREADS + u64::from(poll.thread), u64::from(poll.depth));
        let begin = events.slice(row, poll.start, poll.end, depth, label);
        begin.ends = flows.remove(&(index as u32)).unwrap_or_default();
        begin.notes.push(note("task", format!("{:#x}", task_address(trace, poll.task))));
        let row = TASKS + u64::from(poll.task);
        events.slice(row, poll.start, poll.end, 0, "polled".to_owned());
    }
}

fn task_address(trace: &Trace, task: TaskIndex) -> u64 {
    trace.tasks[task as usize].key.address()
}

/// Returns the number of a wake's flow. It is never 0, which means "no flow" to Perfetto.
fn flow(wake: usize) -> u64 {
    wake as u64 + 1
}

/// Returns the poll that a wake led to: the first of its task that begins after it.
fn poll_after(trace: &Trace, wake: &Wake) -> Option<u32> {
    let polls = trace.poll_indices_of(wake.task);
    let after = polls.partition_point(|poll| trace.polls[*poll as usize].start < wake.at);
    polls.get(after).copied()
}

fn waits(trace: &Trace, events: &mut Events) {
    let awaits = Awaits::new(trace);
    let stacks: Vec<String> =
        trace.stacks.iter().map(|stack| in_one_line(&awaits, stack)).collect();
    for wait in &trace.waits {
        let row = TASKS + u64::from(wait.task);
        if wait.woken > wait.from {
            let name = match Reason::of(trace, wait) {
                Reason::Unknown => "waits".to_owned(),
                reason => format!("waits for {}", reason.label(trace)),
            };
            let stack = match wait.stack {
                NO_INDEX => None,
                stack => Some(note("await stack", stacks[stack as usize].clone())),
            };
            let begin = events.slice(row, wait.from, wait.woken, 0, name);
            begin.notes.extend(stack);
        }
        if wait.until > wait.woken {
            events.slice(row, wait.woken, wait.until, 0, "queued".to_owned());
        }
    }
}

/// Returns the functions of a stack, innermost first.
fn in_one_line(awaits: &Awaits<'_>, stack: &Stack) -> String {
    let functions = awaits.of(stack);
    functions.iter().map(Await::label).collect::<Vec<_>>().join(" < ")
}

fn wakes(trace: &Trace, events: &mut Events) {
    for (index, wake) in trace.wakes.iter().enumerate() {
        let name = match wake.kind {
            WakeKind::Cancel => "cancel",
            WakeKind::Queued | WakeKind::Again => "wake",
        };
        let by = match wake.cause {
            Cause::Task(NO_INDEX) | Cause::Thread => "the thread".to_owned(),
            Cause::Task(task) => trace.task_label(task),
            Cause::Io { fd, socket, .. } => format!("descriptor {fd} {}", trace.text(socket)),
            Cause::Timer { .. } => "a timer".to_owned(),
        };
        let row = THREADS + u64::from(wake.thread);
        let event = events.add(wake.at, 300, row, EventType::Instant);
        event.name = Some(name.to_owned());
        event.starts.push(flow(index));
        event.notes.push(note("woken", trace.task_label(wake.task)));
        event.notes.push(note("by", by.trim_end().to_owned()));
    }
}

fn number(number: u64) -> DebugAnnotation {
    let (name, uint_value) = (Some("number".to_owned()), Some(number));
    DebugAnnotation { name, string_value: None, uint_value }
}

/// Adds the spans of the user, below the row of their task or thread.
///
/// The slices of a row must nest. Spans of futures that are polled in turn may overlap, so a task
/// gets as many rows as it needs.
fn spans(trace: &Trace, events: &mut Events, writer: &mut Writer) {
    // For each task or thread: for each of its rows, the ends of the open spans.
    let mut rows: HashMap<u64, Vec<(u64, Vec<u64>)>> = HashMap::new();
    let mut next = SPANS;
    for span in &trace.spans {
        let owner = match span.task {
            NO_INDEX => THREADS + u64::from(span.thread),
            task => TASKS + u64::from(task),
        };
        let end = span.end.unwrap_or(trace.end);
        let rows = rows.entry(owner).or_default();
        let fits = rows.iter_mut().find_map(|(row, open)| {
            while open.pop_if(|open| *open <= span.start).is_some() {}
            open.last().is_none_or(|outer| end <= *outer).then_some((*row, open))
        });
        let row = match fits {
            Some((row, open)) => {
                open.push(end);
                row
            }
            None => {
                next += 1;
                rows.push((next, vec![end]));
                writer.row(next, Some(owner), "spans".to_owned());
                next
            }
        };
        let depth = rows.iter().find(|(each, _)| *each == row).map_or(1, |(_, open)| open.len());
        let name = trace.text(span.name).to_owned();
        let begin = events.slice(row, span.start, end, depth as u64, name);
        begin.notes.push(number(span.number));
    }
}

fn marks(trace: &Trace, events: &mut Events) {
    for mark in &trace.marks {
        let row = THREADS + u64::from(mark.thread);
        let event = events.add(mark.at, 300, row, EventType::Instant);
        event.name = Some(trace.text(mark.name).to_owned());
        event.notes.push(number(mark.number));
    }
}
