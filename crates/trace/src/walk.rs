//! Walks the events of each thread and tracks their context: the open polls, and the descriptor or
//! timer that causes the next wakes.
//!
//! Tasks are still keys here. `lives.rs` resolves each key to one use of an address.

use crate::chunk::{ChunkHead, HEAD_WORDS};
use crate::clock::Clock;
use crate::decode::{self, Decoded};
use crate::missing::Missing;
use crate::operand::{LatestLives, Origin, Ready, TaskKey, WorkerId};
use crate::reader::Sections;
use crate::trace::{HandOff, Park, Steal, WakeKind};
use crate::word::Kind;

/// The most polls that can be open on a thread. Only a damaged file has more, because each
/// `block_on` inside a poll needs stack.
const DEPTH_MAX: usize = 64;

/// The index of a poll, or of no poll.
pub(crate) const NO_POLL: u32 = u32::MAX;

/// A poll whose task is a key.
#[derive(Debug)]
pub(crate) struct RawPoll {
    pub(crate) key: TaskKey,
    pub(crate) thread: u32,
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) depth: u8,
    pub(crate) is_whole: bool,
    pub(crate) is_last: bool,
}

/// A spawn or an end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RawLife {
    pub(crate) key: TaskKey,
    pub(crate) is_spawn: bool,
    pub(crate) at: u64,
    pub(crate) latest: u64,
    pub(crate) origin: Origin,
    /// The code of the flavour or of the outcome.
    pub(crate) code: u8,
    /// The poll around it.
    pub(crate) poll: u32,
}

/// What caused a wake, before tasks have an index.
#[derive(Clone, Copy, Debug)]
pub(crate) enum RawCause {
    Poll(u32),
    Io { fd: u32, ready: Ready, string: u32 },
    Timer { late_ns: u64 },
    Thread,
}

/// A wake whose task is a key.
#[derive(Debug)]
pub(crate) struct RawWake {
    pub(crate) key: TaskKey,
    pub(crate) thread: u32,
    pub(crate) at: u64,
    pub(crate) latest: u64,
    pub(crate) kind: WakeKind,
    pub(crate) cause: RawCause,
}

/// An event with information about a task or the poll around it.
#[derive(Debug)]
pub(crate) struct RawNote {
    pub(crate) kind: Kind,
    pub(crate) value: u64,
    pub(crate) operand: u64,
    pub(crate) thread: u32,
    pub(crate) at: u64,
    pub(crate) poll: u32,
}

/// A thread.
#[derive(Debug, Default)]
pub(crate) struct RawThread {
    pub(crate) number: u32,
    pub(crate) name: String,
    pub(crate) workers: Vec<(u64, Option<WorkerId>)>,
    pub(crate) recorded: Vec<std::ops::Range<u64>>,
    pub(crate) dropped: u64,
}

/// The events of all threads.
#[derive(Debug, Default)]
pub(crate) struct Walked {
    pub(crate) threads: Vec<RawThread>,
    pub(crate) polls: Vec<RawPoll>,
    pub(crate) lives: Vec<RawLife>,
    pub(crate) wakes: Vec<RawWake>,
    pub(crate) notes: Vec<RawNote>,
    pub(crate) parks: Vec<Park>,
    pub(crate) steals: Vec<Steal>,
    pub(crate) hand_offs: Vec<HandOff>,
    /// The polls that are in progress when the trace ends.
    pub(crate) open_polls: Vec<u32>,
    /// The threads that sleep when the trace ends, and since when.
    pub(crate) open_parks: Vec<(u32, u64)>,
    pub(crate) events: u64,
    pub(crate) end: u64,
    pub(crate) missing: Vec<Missing>,
}

/// A chunk with its head.
#[derive(Debug)]
pub(crate) struct Chunk {
    pub(crate) head: ChunkHead,
    pub(crate) words: Vec<u64>,
}

/// Walks all chunks.
pub(crate) fn walk(mut chunks: Vec<Chunk>, sections: &Sections, clock: &Clock) -> Walked {
    chunks.sort_by_key(|chunk| (chunk.head.thread, chunk.head.thread_sequence));
    let mut walked = Walked::default();
    let (mut unknown, mut bad) = (0, 0);
    for chunks in chunks.chunk_by(|one, other| one.head.thread == other.head.thread) {
        let mut walker = Walker::new(&mut walked, chunks, sections.has_implied_ends);
        let mut before = None;
        for chunk in chunks {
            let sequence = chunk.head.thread_sequence;
            // The chunk is in the file twice: it was written by a snapshot and at the end of the
            // recording.
            if before == Some(sequence) {
                continue;
            }
            let is_next = before.is_none_or(|before: u32| before.checked_add(1) == Some(sequence));
            let chunk_start = clock.ns(chunk.head.moment.tick);
            walker.begin(&chunk.head, chunk_start, is_next && before.is_some());
            let reading = decode::events(&chunk.head, &chunk.words, &sections.kinds, |event| {
                walker.event(&event, clock.ns(event.tick));
            });
            unknown += reading.unknown;
            bad += u64::from(reading.is_bad);
            before = Some(sequence);
        }
        walker.finish();
        let thread = walked.threads.last().expect("the walker has added its thread");
        missing_chunks(chunks, &thread.name, &mut walked.missing);
    }
    if unknown > 0 {
        walked.missing.push(Missing::UnknownKinds { events: unknown });
    }
    if bad > 0 {
        walked.missing.push(Missing::BadChunks { count: bad });
    }
    walked
}

impl Walked {
    /// Ends the polls and sleeps that are in progress at the end of the trace, which is `end` or
    /// later.
    pub(crate) fn end_at(&mut self, end: u64) {
        self.end = self.end.max(end);
        for poll in self.open_polls.drain(..) {
            let poll = &mut self.polls[poll as usize];
            (poll.end, poll.is_whole) = (self.end, false);
        }
        for (thread, start) in self.open_parks.drain(..) {
            self.parks.push(Park { thread, start, end: self.end });
        }
    }
}

/// Records how many chunks of a thread were overwritten.
fn missing_chunks(chunks: &[Chunk], thread: &str, missing: &mut Vec<Missing>) {
    let mut sequences: Vec<u32> = chunks.iter().map(|chunk| chunk.head.thread_sequence).collect();
    sequences.dedup();
    let last = sequences.last().copied().unwrap_or_default();
    let lost = u64::from(last).saturating_sub(sequences.len() as u64);
    if lost > 0 {
        missing.push(Missing::Overwritten { thread: thread.to_owned(), chunks: lost });
    }
}

/// An unstamped entry that needs the next stamp. The variant names its list.
#[derive(Clone, Copy)]
enum Pending {
    Life(usize),
    Wake(usize),
}

/// Walks the events of one thread.
struct Walker<'a> {
    walked: &'a mut Walked,
    thread: u32,
    now: u64,
    /// The open polls, as indices.
    open: Vec<u32>,
    cause: Option<RawCause>,
    /// Unstamped events since the last stamp.
    pending: Vec<Pending>,
    parked: Option<u64>,
    /// The start of a poll ends the one in progress.
    has_implied_ends: bool,
    /// The next poll is inside the one in progress.
    is_inside_next: bool,
    latest: LatestLives,
}

impl<'a> Walker<'a> {
    fn new(walked: &'a mut Walked, chunks: &[Chunk], has_implied_ends: bool) -> Walker<'a> {
        let last = chunks.last().expect("a thread has a chunk");
        let thread = walked.threads.len() as u32;
        let mut name = last.head.thread_name();
        if name.is_empty() {
            name = format!("thread {}", last.head.thread);
        }
        walked.threads.push(RawThread { number: last.head.thread, name, ..RawThread::default() });
        let (open, pending) = (Vec::new(), Vec::new());
        Walker {
            walked,
            thread,
            now: 0,
            open,
            cause: None,
            pending,
            parked: None,
            has_implied_ends,
            is_inside_next: false,
            latest: LatestLives::default(),
        }
    }

    fn this(&mut self) -> &mut RawThread {
        self.walked.threads.last_mut().expect("`new` has added the thread")
    }

    /// Begins a chunk. If the one before it is missing, all open polls and sleeps end first.
    fn begin(&mut self, head: &ChunkHead, at: u64, goes_on: bool) {
        let worker = WorkerId::from_value(head.worker);
        let this = self.this();
        // Between this chunk and the one before it, events were dropped.
        let has_dropped = head.dropped > this.dropped;
        this.dropped = this.dropped.max(head.dropped);
        if goes_on && !has_dropped {
            return;
        }
        self.close_all();
        self.now = self.now.max(at);
        let now = self.now;
        self.walked.end = self.walked.end.max(now);
        let this = self.this();
        this.recorded.push(now..now);
        if this.workers.last().map(|(_, worker)| *worker) != Some(worker) {
            this.workers.push((now, worker));
        }
        if head.polled != TaskKey::NONE {
            self.open_poll(head.polled, false);
        }
    }

    /// Ends the open polls and sleeps where the events stop.
    fn close_all(&mut self) {
        let now = self.now;
        self.settle();
        while let Some(poll) = self.open.pop() {
            let poll = &mut self.walked.polls[poll as usize];
            (poll.end, poll.is_whole) = (now, false);
        }
        if let Some(start) = self.parked.take() {
            self.walked.parks.push(Park { thread: self.thread, start, end: now });
        }
        self.cause = None;
        self.is_inside_next = false;
        self.latest = LatestLives::default();
    }

    /// Keeps the polls and sleeps that are in progress when the trace ends.
    fn finish(&mut self) {
        self.settle();
        self.walked.open_polls.append(&mut self.open);
        if let Some(start) = self.parked.take() {
            self.walked.open_parks.push((self.thread, start));
        }
    }

    /// Applies the stamp after unstamped events, which is the latest time at which they can have
    /// happened.
    fn settle(&mut self) {
        for pending in self.pending.drain(..) {
            match pending {
                Pending::Life(index) => self.walked.lives[index].latest = self.now,
                Pending::Wake(index) => self.walked.wakes[index].latest = self.now,
            }
        }
    }

    fn event(&mut self, event: &Decoded, at: u64) {
        self.now = self.now.max(at);
        let now = self.now;
        self.walked.events += 1;
        self.walked.end = self.walked.end.max(now);
        if let Some(recorded) = self.this().recorded.last_mut() {
            recorded.end = now;
        }
        if event.is_stamped {
            self.settle();
        }
        let key = TaskKey::from_value(event.value);
        match event.kind {
            // The decoder passes no gaps, and expands the short kinds.
            Kind::EndPollStart
            | Kind::Gap
            | Kind::ShortMark
            | Kind::ShortSpanStart
            | Kind::ShortSpanEnd
            | Kind::ShortIo => {}
            Kind::Spawn | Kind::Complete => {
                let is_spawn = event.kind == Kind::Spawn;
                self.latest.note(is_spawn, event.operand);
                self.life(event, is_spawn, key, event.operand);
            }
            Kind::ShortLife => self.short_life(event),
            Kind::PollStart => self.start_poll(key),
            Kind::PollEnd => self.close_poll(key),
            Kind::Wake => self.wake(event, key, WakeKind::Queued),
            Kind::WakeAgain => self.wake(event, key, WakeKind::Again),
            Kind::Cancel => self.wake(event, key, WakeKind::Cancel),
            Kind::Io => {
                let ready = Ready((event.value >> 32) as u16);
                let (fd, string) = (event.value as u32, event.operand as u32);
                self.cause = Some(RawCause::Io { fd, ready, string });
            }
            Kind::Timer => self.cause = Some(RawCause::Timer { late_ns: event.value }),
            Kind::TurnEnd => self.cause = None,
            Kind::Park => self.parked = Some(now),
            Kind::Unpark => {
                if let Some(start) = self.parked.take() {
                    self.walked.parks.push(Park { thread: self.thread, start, end: now });
                }
            }
            Kind::Steal | Kind::Inject => self.steal(event),
            Kind::Enter => {
                let worker = WorkerId::from_value(event.value);
                self.this().workers.push((now, worker));
            }
            Kind::HandOff => {
                let worker = WorkerId::from_value(event.value);
                self.walked.hand_offs.push(HandOff { thread: self.thread, at: now, worker });
            }
            Kind::Mark
            | Kind::SpanStart
            | Kind::SpanEnd
            | Kind::Name
            | Kind::Wait
            | Kind::Stack
            | Kind::Lint
            | Kind::Panic => self.note(event),
        }
    }

    fn steal(&mut self, event: &Decoded) {
        let is_steal = event.kind == Kind::Steal;
        let (count, victim) = match is_steal {
            true => (event.value as u16 as u32, Some((event.value >> 16) as u16)),
            false => (event.value as u32, None),
        };
        self.walked.steals.push(Steal { thread: self.thread, at: self.now, count, victim });
    }

    fn note(&mut self, event: &Decoded) {
        self.walked.notes.push(RawNote {
            kind: event.kind,
            value: event.value,
            operand: event.operand,
            thread: self.thread,
            at: self.now,
            poll: self.open.last().copied().unwrap_or(NO_POLL),
        });
    }

    fn short_life(&mut self, event: &Decoded) {
        let polled = self.open.last().map(|poll| self.walked.polls[*poll as usize].key);
        let polled = polled.unwrap_or(TaskKey::NONE);
        let (is_spawn, key, operand) = self.latest.expand(event.value, polled);
        // In a damaged file there may be no poll.
        if key != TaskKey::NONE {
            self.life(event, is_spawn, key, operand);
        }
    }

    fn life(&mut self, event: &Decoded, is_spawn: bool, key: TaskKey, operand: u64) {
        let (origin, code) = Origin::from_operand(operand);
        let mut polls = self.open.iter().rev().copied();
        let poll = match is_spawn {
            true => polls.next(),
            false => polls.find(|poll| self.walked.polls[*poll as usize].key == key),
        };
        let poll = poll.unwrap_or(NO_POLL);
        if !is_spawn && poll != NO_POLL {
            self.walked.polls[poll as usize].is_last = true;
        }
        let (at, latest) = (self.now, self.now);
        self.wait_for_stamp(event, Pending::Life(self.walked.lives.len()));
        self.walked.lives.push(RawLife { key, is_spawn, at, latest, origin, code, poll });
    }

    fn wake(&mut self, event: &Decoded, key: TaskKey, kind: WakeKind) {
        let cause = match (self.open.last(), self.cause) {
            (Some(poll), _) => RawCause::Poll(*poll),
            (None, Some(cause)) => cause,
            (None, None) => RawCause::Thread,
        };
        let (at, latest) = (self.now, self.now);
        self.wait_for_stamp(event, Pending::Wake(self.walked.wakes.len()));
        let thread = self.thread;
        self.walked.wakes.push(RawWake { key, thread, at, latest, kind, cause });
    }

    /// Outside of polls every event has a stamp, so two equal stamps are the same time.
    fn wait_for_stamp(&mut self, event: &Decoded, pending: Pending) {
        if !event.is_stamped && !self.open.is_empty() {
            self.pending.push(pending);
        }
    }

    fn start_poll(&mut self, key: TaskKey) {
        let is_inside = std::mem::replace(&mut self.is_inside_next, key == TaskKey::NONE);
        if self.is_inside_next {
            return;
        }
        if self.has_implied_ends
            && !is_inside
            && let Some(poll) = self.open.pop()
        {
            self.settle();
            self.walked.polls[poll as usize].end = self.now;
        }
        self.open_poll(key, true);
    }

    fn open_poll(&mut self, key: TaskKey, is_whole: bool) {
        if self.open.len() == DEPTH_MAX {
            let outermost = &mut self.walked.polls[self.open.remove(0) as usize];
            (outermost.end, outermost.is_whole) = (self.now, false);
        }
        let depth = self.open.len() as u8;
        let index = self.walked.polls.len() as u32;
        let (thread, now) = (self.thread, self.now);
        let (start, end) = (now, now);
        self.walked.polls.push(RawPoll {
            key,
            thread,
            start,
            end,
            depth,
            is_whole,
            is_last: false,
        });
        self.open.push(index);
        if let Some(start) = self.parked.take() {
            self.walked.parks.push(Park { thread, start, end: now });
        }
    }

    fn close_poll(&mut self, key: TaskKey) {
        let is_it = |poll: &u32| self.walked.polls[*poll as usize].key == key;
        let Some(position) = self.open.iter().rposition(is_it) else { return };
        self.settle();
        for poll in self.open.drain(position..) {
            self.walked.polls[poll as usize].end = self.now;
        }
    }
}

/// Returns the chunks of a file whose heads are valid, and the number of the other chunks.
pub(crate) fn chunks(all: Vec<Vec<u64>>) -> (Vec<Chunk>, u64) {
    let count = all.len();
    let parse = |mut words: Vec<u64>| {
        let (head, len) = ChunkHead::parse(&words)?;
        let len = usize::try_from(len).unwrap_or(usize::MAX).saturating_add(HEAD_WORDS);
        words.truncate(len);
        Some(Chunk { head, words })
    };
    let chunks: Vec<Chunk> = all.into_iter().filter_map(parse).collect();
    let bad = count - chunks.len();
    (chunks, bad as u64)
}
