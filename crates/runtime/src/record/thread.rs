//! The recorder of one thread: turns what happens into events, and stamps them.
//!
//! # Stamps
//!
//! Reading the clock takes as long as the rest of an event. So a poll costs one reading and one
//! event: the end of a poll is the start of the next one, unless the thread did something else
//! between them ([`pause`]). Events inside a poll have no stamp if the polls of this thread
//! are short ([`LONG_POLL_US`]). Events of a turn (of the driver or the timers) share its stamp.

mod lives;

use std::cell::RefCell;
use std::fmt;
use std::mem::ManuallyDrop;
use std::sync::Arc;

use reveille_trace::{
    ChunkHead, ChunkWriter, Event, Flavour, Lint, Origin, Outcome, TaskKey, WorkerId,
};

use super::chunks::EventChunk;
use super::clock::RecordClock;
use super::described::{Described, Like, new_origin};
use super::histogram::{ThreadCounts, Wakes};
use super::session::{self, Session};

/// If the mean length of a poll is at least this, in microseconds, events inside a poll have
/// stamps.
const LONG_POLL_US: u64 = 5;

/// How many origins, and string constants of the program, a thread caches.
const ORIGINS: usize = 64;
const CONSTANTS: usize = 31;

const NONE_SPAWNED: (Like, Flavour) = (Like::NONE, Flavour::Pool);

/// The recorder of a thread, if it has one. [`RecorderGuard`] drops it.
type RecorderSlot = ManuallyDrop<Option<Box<ThreadRecorder>>>;

thread_local! {
    /// It needs no drop, so an access does not check whether it was dropped.
    static RECORDER: RefCell<RecorderSlot> = const { RefCell::new(ManuallyDrop::new(None)) };
    static GUARD: RecorderGuard = const { RecorderGuard };
    /// The worker that this thread runs. Kept even while nothing is recorded.
    static WORKER: std::cell::Cell<u64> = const { std::cell::Cell::new(WorkerId::NONE) };
}

/// A poll in progress.
#[derive(Clone, Copy, Debug)]
struct PollBegun {
    key: TaskKey,
    start: u64,
}

impl PollBegun {
    const NONE: PollBegun = PollBegun { key: TaskKey::NONE, start: 0 };
}

/// The recorder of one thread.
pub(crate) struct ThreadRecorder {
    /// The number of the session, never 0.
    number: u32,
    clock: RecordClock,
    /// Events without a stamp are at the same time as the event before them. `false` while an end
    /// is pending, so that no short path writes an event before it.
    is_stamp_shared: bool,
    /// The polled task has finished, and the chunk notes it without an event.
    has_pending_end: bool,
    /// The next poll may begin at the last stamp.
    is_fresh: bool,
    /// Events belong to a turn, whose stamp they share.
    is_in_turn: bool,
    /// The turn has found an event or a timer, which is the cause of the next wakes.
    has_cause: bool,
    last_tick: u64,
    chunk: Option<(EventChunk, ChunkWriter)>,
    polled: PollBegun,
    /// The polls around it, outermost first.
    outer: Vec<PollBegun>,
    mean_poll: u64,
    /// Ticks in [`LONG_POLL_US`], and whether the mean is below it.
    long_poll: u64,
    has_short_polls: bool,
    counts: Arc<ThreadCounts>,
    wakes: Arc<Wakes>,
    session: Arc<Session>,
    thread: u32,
    chunks: u32,
    name: String,
    dropped: u64,
    /// The latest spawn and the latest end in this chunk that are written in full.
    spawned: (Like, Flavour),
    /// None if polls are in progress around this one.
    ended: Like,
    caches: Box<Caches>,
}

/// Numbers of the recording that the thread has used.
struct Caches {
    origins: [(usize, usize, Origin); ORIGINS],
    constants: [((usize, usize), u32); CONSTANTS],
}

/// Drops the recorder when the thread ends.
struct RecorderGuard;

impl Drop for RecorderGuard {
    fn drop(&mut self) {
        RECORDER.with(|slot| {
            let ended = slot.try_borrow_mut().map(|mut slot| take(&mut slot));
            drop(ended);
        });
    }
}

fn take(slot: &mut RecorderSlot) -> Option<Box<ThreadRecorder>> {
    ManuallyDrop::into_inner(std::mem::replace(slot, ManuallyDrop::new(None)))
}

/// Calls `access` with the recorder of this thread, if something is recorded.
#[inline(always)]
fn with_recorder<R>(access: impl FnOnce(&mut ThreadRecorder) -> R) -> Option<R> {
    // An allocator may record an event while this thread records one.
    let recorded = RECORDER.try_with(|cell| {
        let mut slot = cell.try_borrow_mut().ok()?;
        let number = session::current_number();
        let recorder = match &mut **slot {
            Some(recorder) if recorder.number == number => &mut **recorder,
            _ => renew(&mut slot, number)?,
        };
        Some(access(recorder))
    });
    let recorded = recorded.ok().flatten();
    if recorded.is_none() {
        session::count_lost();
    }
    recorded
}

/// Calls `access` with the recorder of this thread, if it has one for the present session. `false`
/// if it has none, or if `access` has done nothing. An `access` that calls no function makes the
/// whole a few instructions that save no registers.
#[inline(always)]
fn try_recorder(access: impl FnOnce(&mut ThreadRecorder) -> bool) -> bool {
    let done = RECORDER.try_with(|cell| {
        let Ok(mut slot) = cell.try_borrow_mut() else { return false };
        match &mut **slot {
            Some(recorder) if recorder.number == session::current_number() => access(recorder),
            _ => false,
        }
    });
    done.unwrap_or(false)
}

/// Makes a recorder for the session that has begun since the last event of this thread. `number` is
/// that of the session, or 0 if nothing is recorded. A thread whose thread-locals are being
/// destroyed gets none.
#[cold]
#[inline(never)]
fn renew(slot: &mut RecorderSlot, number: u32) -> Option<&mut ThreadRecorder> {
    if number == 0 || GUARD.try_with(|_| ()).is_err() {
        return None;
    }
    drop(take(slot));
    **slot = session::current().map(|session| Box::new(ThreadRecorder::new(session)));
    slot.as_deref_mut()
}

/// The thread runs this worker from now on, or no worker.
pub(crate) fn entered(worker: Option<WorkerId>) {
    let value = worker.map_or(WorkerId::NONE, WorkerId::value);
    // A thread whose thread-locals are destroyed runs no worker.
    let _ = WORKER.try_with(|current| current.set(value));
    if reveille_task::is_recording() {
        record(Event::enter(worker));
    }
}

/// Records an event with a stamp of its own.
#[inline(never)]
pub(crate) fn record(event: Event) {
    with_recorder(|recorder| recorder.stamped(event));
}

/// Records an event of a turn, or of a poll.
#[inline(never)]
pub(crate) fn record_inside(event: Event) {
    if !try_recorder(|recorder| recorder.try_inside(event)) {
        record_inside_slow(event);
    }
}

#[cold]
#[inline(never)]
fn record_inside_slow(event: Event) {
    with_recorder(|recorder| recorder.inside(event));
}

/// Records that a task was queued.
#[inline(never)]
pub(crate) fn record_wake(key: TaskKey) {
    if !try_recorder(|recorder| recorder.try_wake(key)) {
        record_wake_slow(key);
    }
}

#[cold]
#[inline(never)]
fn record_wake_slow(key: TaskKey) {
    with_recorder(|recorder| {
        recorder.inside(Event::wake(key));
        recorder.wakes.woken(key.value(), recorder.last_tick);
    });
}

/// Records a lint of the task that is polled, or of no task.
pub(crate) fn record_lint_of_polled(lint: Lint) {
    with_recorder(|recorder| recorder.inside(Event::lint(recorder.polled.key, lint)));
}

/// Records an event of a turn. The events after the first share its stamp. `is_cause`: it is the
/// cause of the next wakes.
pub(crate) fn record_turn(event: Event, is_cause: bool) {
    with_recorder(|recorder| {
        if recorder.is_in_turn {
            recorder.inside(event);
        } else {
            recorder.stamped(event);
            recorder.is_in_turn = true;
            recorder.is_stamp_shared = true;
        }
        recorder.has_cause |= is_cause;
    });
}

/// Records the end of a turn that has recorded an event.
pub(crate) fn record_turn_end() {
    with_recorder(|recorder| {
        recorder.write_pending_end();
        recorder.is_fresh &= !std::mem::take(&mut recorder.is_in_turn);
        let is_in_poll = recorder.polled.key != TaskKey::NONE;
        recorder.is_stamp_shared = is_in_poll & recorder.has_short_polls;
        if std::mem::take(&mut recorder.has_cause) {
            recorder.stamped(Event::turn_end());
        }
    });
}

/// The thread does something other than polling, so the next poll needs a stamp of its own. The
/// poll of `ended` ends now, if it is in progress.
pub(crate) fn pause(ended: TaskKey) {
    with_recorder(|recorder| {
        recorder.end_poll(ended);
        recorder.is_fresh = false;
    });
}

/// Records the start of a poll.
#[inline(never)]
pub(crate) fn begin_poll(key: TaskKey) {
    with_recorder(|recorder| recorder.begin_poll(key));
}

/// Records the end of the poll of `ended` and the start of the next one in one word. `false` if one
/// is not enough; then nothing is recorded.
#[inline]
pub(crate) fn try_begin_next_poll(ended: TaskKey, key: TaskKey) -> bool {
    try_recorder(|recorder| recorder.try_begin_next_poll(ended, key))
}

/// Records the end of the poll of `ended`, if that is in progress, and the start of the next one at
/// the same time.
#[cold]
#[inline(never)]
pub(crate) fn begin_next_poll(ended: TaskKey, key: TaskKey) {
    with_recorder(|recorder| recorder.begin_next_poll(ended, key));
}

/// Records the end of a poll. If nothing was recorded when it began, neither is its end.
#[inline(never)]
pub(crate) fn end_poll(key: TaskKey) {
    with_recorder(|recorder| recorder.end_poll(key));
}

/// Records the spawn of a task in one word. `false` if one is not enough; then nothing is recorded.
#[inline]
pub(crate) fn try_record_spawn(task: impl Described, flavour: Flavour) -> bool {
    try_recorder(|recorder| recorder.try_spawn(task, flavour))
}

/// Records the spawn of a task.
pub(crate) fn record_spawn(task: impl Described, flavour: Flavour) {
    with_recorder(|recorder| recorder.spawn(task, flavour));
}

/// Records the end of a task.
#[inline]
pub(crate) fn record_end(task: impl Described, outcome: Outcome) {
    if !try_recorder(|recorder| recorder.try_end(task, outcome)) {
        record_end_slow(task, outcome);
    }
}

#[cold]
#[inline(never)]
fn record_end_slow(task: impl Described, outcome: Outcome) {
    with_recorder(|recorder| recorder.end(task, outcome));
}

/// Records an event that has a string.
pub(crate) fn record_named(name: &str, event: impl FnOnce(u32) -> Event) {
    with_recorder(|recorder| {
        let string = recorder.session.names.string(name);
        recorder.inside(event(string));
    });
}

/// Enters a string into the recording. Returns the number of the recording, and of the string.
pub(super) fn name(name: fmt::Arguments<'_>) -> Option<(u32, u32)> {
    // Formatting calls code of the program, so it comes first.
    let formatted = if name.as_str().is_none() { name.to_string() } else { String::new() };
    with_recorder(|recorder| {
        let string = match name.as_str() {
            Some(constant) => recorder.constant(constant),
            None => recorder.session.names.string(&formatted),
        };
        (recorder.session.number, string)
    })
}

impl ThreadRecorder {
    fn new(session: Arc<Session>) -> ThreadRecorder {
        let long_poll = session.clock.about_us(LONG_POLL_US);
        let name = std::thread::current().name().unwrap_or_default().to_owned();
        ThreadRecorder {
            number: session.number,
            clock: session.clock,
            is_stamp_shared: false,
            has_pending_end: false,
            is_fresh: false,
            is_in_turn: false,
            has_cause: false,
            last_tick: 0,
            chunk: None,
            polled: PollBegun::NONE,
            outer: Vec::new(),
            mean_poll: long_poll,
            long_poll,
            has_short_polls: false,
            counts: session.histograms.thread_counts(),
            wakes: session.histograms.wakes(),
            session,
            thread: 0,
            chunks: 0,
            name,
            dropped: 0,
            spawned: NONE_SPAWNED,
            ended: Like::NONE,
            caches: Box::new(Caches {
                origins: [(0, 0, Origin { place: 0, type_id: 0 }); ORIGINS],
                constants: [((0, 0), 0); CONSTANTS],
            }),
        }
    }

    #[inline(never)]
    fn stamped(&mut self, event: Event) {
        let now = self.clock.now();
        self.last_tick = now;
        self.is_fresh = true;
        self.push(now, event);
    }

    /// Records an event inside a poll or a turn. Elsewhere it gets a stamp.
    #[inline]
    fn inside(&mut self, event: Event) {
        self.write_pending_end();
        if !self.is_stamp_shared {
            self.stamped(event);
            return;
        }
        if let Some((chunk, writer)) = &mut self.chunk
            && writer.push_unstamped(chunk.words(), event).is_ok()
        {
            return;
        }
        self.push_to_next(self.last_tick, event);
    }

    /// As [`inside`](ThreadRecorder::inside), if the event needs no stamp.
    #[inline]
    fn try_inside(&mut self, event: Event) -> bool {
        match &mut self.chunk {
            Some((chunk, writer)) if self.is_stamp_shared => {
                writer.try_push_unstamped(chunk.words(), event)
            }
            _ => false,
        }
    }

    #[inline]
    fn try_wake(&mut self, key: TaskKey) -> bool {
        let is_recorded = self.try_inside(Event::wake(key));
        if is_recorded {
            self.wakes.woken(key.value(), self.last_tick);
        }
        is_recorded
    }

    #[inline]
    fn begin_poll(&mut self, key: TaskKey) {
        let start = if self.is_fresh { self.last_tick } else { self.clock.now() };
        if self.polled.key != TaskKey::NONE {
            self.begin_inner_poll(start);
        }
        self.begin_poll_at(start, key);
    }

    /// As [`begin_next_poll`](ThreadRecorder::begin_next_poll), if a poll is in progress and the
    /// event is short.
    #[inline]
    fn try_begin_next_poll(&mut self, ended: TaskKey, key: TaskKey) -> bool {
        let PollBegun { key: begun, start } = self.polled;
        if begun != ended || ended == TaskKey::NONE {
            return false;
        }
        let Some((chunk, writer)) = &mut self.chunk else { return false };
        let Some(now) = self.clock.ticks_now() else { return false };
        let event = match self.has_pending_end {
            true => Event::poll_start_after_end(key),
            false => Event::poll_start(key),
        };
        if !writer.try_push(chunk.words(), now, event) {
            return false;
        }
        self.has_pending_end = false;
        self.count_poll(now.saturating_sub(start));
        self.is_fresh = true;
        self.poll_began(now, key);
        true
    }

    fn begin_next_poll(&mut self, ended: TaskKey, key: TaskKey) {
        let PollBegun { key: begun, start } = self.polled;
        if begun != ended || ended == TaskKey::NONE {
            return self.begin_poll(key);
        }
        let now = self.clock.now();
        self.count_poll(now.saturating_sub(start));
        self.is_fresh = true;
        self.begin_poll_at(now, key);
    }

    #[inline]
    fn begin_poll_at(&mut self, start: u64, key: TaskKey) {
        // Before the poll changes: a chunk that begins with this event says what was polled.
        self.push(start, Event::poll_start(key));
        self.poll_began(start, key);
    }

    #[inline]
    fn poll_began(&mut self, start: u64, key: TaskKey) {
        self.last_tick = start;
        self.polled = PollBegun { key, start };
        self.is_stamp_shared = self.is_in_turn | self.has_short_polls;
        if let Some(ticks) = self.wakes.polled(key.value(), start) {
            self.counts.count_latency(ticks);
        }
    }

    #[cold]
    #[inline(never)]
    fn begin_inner_poll(&mut self, start: u64) {
        self.push(start, Event::poll_inside());
        self.outer.push(self.polled);
        self.ended = Like::NONE;
    }

    #[cold]
    #[inline(never)]
    fn end_inner_poll(&mut self) {
        self.polled = self.outer.pop().unwrap_or(PollBegun::NONE);
        self.is_stamp_shared = self.is_in_turn | self.has_short_polls;
    }

    #[inline]
    fn end_poll(&mut self, key: TaskKey) {
        let PollBegun { key: begun, start } = self.polled;
        if begun != key || key == TaskKey::NONE {
            // Nothing was recorded when it began.
            return;
        }
        let now = self.clock.now();
        self.push(now, Event::poll_end(key));
        self.polled = PollBegun::NONE;
        self.is_stamp_shared = self.is_in_turn;
        self.last_tick = now;
        self.is_fresh = true;
        self.count_poll(now.saturating_sub(start));
        if !self.outer.is_empty() {
            self.end_inner_poll();
        }
    }

    /// A poll took this many ticks.
    #[inline]
    fn count_poll(&mut self, ticks: u64) {
        self.mean_poll = (7 * self.mean_poll + ticks) / 8;
        self.has_short_polls = self.mean_poll < self.long_poll;
        self.counts.count_poll(ticks);
    }

    #[inline(never)]
    fn origin(&mut self, task: impl Described) -> Origin {
        let (place, type_addr) = (task.place_addr(), task.type_addr());
        let slot = ((place >> 3) ^ (type_addr >> 4)) % ORIGINS;
        let (known_place, known_type, origin) = self.caches.origins[slot];
        if (known_place, known_type) == (place, type_addr) {
            return origin;
        }
        let origin = new_origin(&self.session.names, task);
        self.caches.origins[slot] = (place, type_addr, origin);
        origin
    }

    /// The number of a string constant of the program.
    fn constant(&mut self, text: &'static str) -> u32 {
        let place = (text.as_ptr().addr(), text.len());
        let slot = &mut self.caches.constants[(place.0 ^ place.1) % CONSTANTS];
        if slot.0 != place {
            *slot = (place, self.session.names.string(text));
        }
        slot.1
    }

    #[inline]
    fn push(&mut self, tick: u64, event: Event) {
        self.write_pending_end();
        if let Some((chunk, writer)) = &mut self.chunk
            && writer.push(chunk.words(), tick, event).is_ok()
        {
            return;
        }
        self.push_to_next(tick, event);
    }

    /// Begins another chunk. If it gets none, the event is dropped, and no other event is added to
    /// the present chunk: the reader learns from the head of the next one that events are missing.
    #[cold]
    #[inline(never)]
    fn push_to_next(&mut self, tick: u64, event: Event) {
        let worker = WORKER.try_with(std::cell::Cell::get).unwrap_or(WorkerId::NONE);
        let mut head = ChunkHead {
            sequence: 0,
            thread: self.thread,
            thread_sequence: self.chunks + 1,
            moment: self.session.clock.moment(),
            polled: self.polled.key,
            worker,
            dropped: self.dropped,
            has_ended: false,
            thread_name: ChunkHead::short_name(&self.name),
        };
        (self.spawned, self.ended) = (NONE_SPAWNED, Like::NONE);
        let Some(exchanged) = self.session.chunks.exchange(&mut head) else {
            self.dropped += 1;
            self.chunk = None;
            return;
        };
        self.thread = head.thread;
        self.chunks = head.thread_sequence;
        self.session.wake_writer(exchanged.full);
        let (chunk, mut writer) = (exchanged.chunk, exchanged.writer);
        // An earlier tick than that of the head counts as that of the head.
        let pushed = writer.push(chunk.words(), tick, event);
        debug_assert!(pushed.is_ok(), "an empty chunk has room for an event");
        self.chunk = Some((chunk, writer));
    }
}

impl Drop for ThreadRecorder {
    fn drop(&mut self) {
        self.session.thread_ended(self.thread, self.dropped);
    }
}
