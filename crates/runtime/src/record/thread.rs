//! The recorder of one thread: turns what happens into events, and stamps them.
//!
//! # Stamps
//!
//! Reading the clock takes ten times as long as the rest of an event. So a poll costs one reading:
//! the end of a poll is the start of the next one, unless the thread did something else between
//! them ([`ThreadRecorder::pause`]). Events inside a poll have no stamp if the polls of this thread
//! are short ([`LONG_POLL_US`]). Events of a turn (of the driver or the timers) share its stamp.

use std::cell::RefCell;
use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use reveille_trace::{ChunkHead, ChunkWriter, Event, Flavour, Lint, Origin, TaskKey, WorkerId};

use super::chunks::EventChunk;
use super::histogram::ThreadCounts;
use super::names::TypeNamer;
use super::session::{self, Session};

/// If the mean length of a poll is at least this, in microseconds, events inside a poll have
/// stamps.
const LONG_POLL_US: u64 = 5;

/// How many origins, and string constants of the program, a thread caches.
const ORIGINS: usize = 64;
const CONSTANTS: usize = 31;

thread_local! {
    static RECORDER: RefCell<Option<Box<ThreadRecorder>>> = const { RefCell::new(None) };
    /// The worker that this thread runs. Kept even while nothing is recorded.
    static WORKER: std::cell::Cell<u64> = const { std::cell::Cell::new(WorkerId::NONE) };
}

/// A poll in progress.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PollBegun {
    key: TaskKey,
    outer: TaskKey,
    start: u64,
}

/// The recorder of one thread.
pub(crate) struct ThreadRecorder {
    session: Arc<Session>,
    chunk: Option<(Arc<EventChunk>, ChunkWriter)>,
    thread: u32,
    chunks: u32,
    name: String,
    dropped: u64,
    polled: TaskKey,
    /// The last stamp, and whether the next poll may share it.
    last_tick: u64,
    is_fresh: bool,
    /// Events belong to a turn, whose stamp they share.
    is_in_turn: bool,
    /// The turn has found an event or a timer, which is the cause of the next wakes.
    has_cause: bool,
    mean_poll: u64,
    counts: Arc<ThreadCounts>,
    origins: [(usize, usize, Origin); ORIGINS],
    constants: [((usize, usize), u32); CONSTANTS],
}

/// Calls `access` with the recorder of this thread, if something is recorded.
#[inline]
fn with_recorder<R>(access: impl FnOnce(&mut ThreadRecorder) -> R) -> Option<R> {
    let number = session::current_number();
    if number == 0 {
        return None;
    }
    // The thread-local may be destroyed, and an allocator may record an event while this thread
    // records one.
    let recorded = RECORDER.try_with(|cell| {
        let mut slot = cell.try_borrow_mut().ok()?;
        match &mut *slot {
            Some(recorder) if recorder.session.number == number => Some(access(recorder)),
            slot => renew(slot).map(access),
        }
    });
    let recorded = recorded.ok().flatten();
    if recorded.is_none() {
        session::count_lost();
    }
    recorded
}

/// Makes a recorder for the session that has begun since the last event of this thread.
#[cold]
fn renew(slot: &mut Option<Box<ThreadRecorder>>) -> Option<&mut ThreadRecorder> {
    *slot = session::current().map(|session| Box::new(ThreadRecorder::new(session)));
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
    with_recorder(|recorder| recorder.inside(event));
}

/// Records that a task was queued.
#[inline(never)]
pub(crate) fn record_wake(key: TaskKey) {
    with_recorder(|recorder| {
        recorder.inside(Event::wake(key));
        recorder.session.histograms.woken(key.value(), recorder.last_tick);
    });
}

/// Records a lint of the task that is polled, or of no task.
pub(crate) fn record_lint_of_polled(lint: Lint) {
    with_recorder(|recorder| recorder.inside(Event::lint(recorder.polled, lint)));
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
        }
        recorder.has_cause |= is_cause;
    });
}

/// Records the end of a turn that has recorded an event.
pub(crate) fn record_turn_end() {
    with_recorder(|recorder| {
        recorder.is_fresh &= !std::mem::take(&mut recorder.is_in_turn);
        if std::mem::take(&mut recorder.has_cause) {
            recorder.stamped(Event::turn_end());
        }
    });
}

/// The thread does something other than polling, so the next poll needs a stamp of its own.
pub(crate) fn pause() {
    with_recorder(|recorder| recorder.is_fresh = false);
}

/// Records the start of a poll.
#[inline(never)]
pub(crate) fn begin_poll(key: TaskKey) -> Option<PollBegun> {
    with_recorder(|recorder| recorder.begin_poll(key))
}

/// Records the end of a poll. If nothing was recorded when it began, neither is its end.
#[inline(never)]
pub(crate) fn end_poll(begun: Option<PollBegun>) {
    if let Some(begun) = begun {
        with_recorder(|recorder| recorder.end_poll(begun));
    }
}

/// A task as an event describes it.
#[derive(Clone, Copy)]
pub(crate) struct TaskOrigin {
    pub(crate) key: TaskKey,
    pub(crate) place: Option<&'static Location<'static>>,
    /// What stands for the type, see `TaskRef::type_addr`.
    pub(crate) type_addr: usize,
    pub(crate) namer: TypeNamer,
    pub(crate) size: usize,
}

/// Records an event that has the origin of a task.
#[inline(never)]
pub(crate) fn record_life(task: &TaskOrigin, event: impl FnOnce(TaskKey, Origin) -> Event) {
    with_recorder(|recorder| {
        let origin = recorder.origin(task);
        recorder.inside(event(task.key, origin));
    });
}

/// Records the spawn of a task, and its name.
pub(crate) fn record_spawn(task: &TaskOrigin, flavour: Flavour, name: Option<&str>) {
    record_life(task, |key, origin| Event::spawn(key, origin, flavour));
    if let Some(name) = name {
        record_named(name, |string| Event::name(task.key, string));
    }
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
        let mean_poll = session.clock.about_us(LONG_POLL_US);
        let name = std::thread::current().name().unwrap_or_default().to_owned();
        ThreadRecorder {
            counts: session.histograms.thread_counts(),
            session,
            chunk: None,
            thread: 0,
            chunks: 0,
            name,
            dropped: 0,
            polled: TaskKey::NONE,
            last_tick: 0,
            is_fresh: false,
            is_in_turn: false,
            has_cause: false,
            mean_poll,
            origins: [(0, 0, Origin { place: 0, type_id: 0 }); ORIGINS],
            constants: [((0, 0), 0); CONSTANTS],
        }
    }

    fn stamped(&mut self, event: Event) {
        let now = self.session.clock.now();
        self.last_tick = now;
        self.is_fresh = true;
        self.push(now, event);
    }

    /// Records an event inside a poll or a turn. Elsewhere it gets a stamp.
    fn inside(&mut self, event: Event) {
        let is_short = self.mean_poll < self.session.clock.about_us(LONG_POLL_US);
        let is_inside_poll = self.polled != TaskKey::NONE;
        if self.is_in_turn || is_inside_poll && is_short {
            self.push(self.last_tick, event);
        } else {
            self.stamped(event);
        }
    }

    fn begin_poll(&mut self, key: TaskKey) -> PollBegun {
        let start = if self.is_fresh { self.last_tick } else { self.session.clock.now() };
        self.last_tick = start;
        self.push(start, Event::poll_start(key));
        self.session.histograms.polled(&self.counts, key.value(), start);
        PollBegun { key, outer: std::mem::replace(&mut self.polled, key), start }
    }

    fn end_poll(&mut self, begun: PollBegun) {
        let now = self.session.clock.now();
        self.push(now, Event::poll_end(begun.key));
        self.polled = begun.outer;
        self.last_tick = now;
        self.is_fresh = true;
        let len = now.saturating_sub(begun.start);
        self.mean_poll = (7 * self.mean_poll + len) / 8;
        self.counts.count_poll(len);
    }

    fn origin(&mut self, task: &TaskOrigin) -> Origin {
        let place = task.place.map_or(0, |place| (&raw const *place).addr());
        let slot = ((place >> 3) ^ (task.type_addr >> 4)) % ORIGINS;
        let (known_place, known_type, origin) = self.origins[slot];
        if (known_place, known_type) == (place, task.type_addr) {
            return origin;
        }
        let names = &self.session.names;
        let origin = Origin {
            place: task.place.map_or(0, |place| names.place(place)),
            type_id: names.future_type(task.type_addr, (task.namer)(), task.size),
        };
        self.origins[slot] = (place, task.type_addr, origin);
        origin
    }

    /// The number of a string constant of the program.
    fn constant(&mut self, text: &'static str) -> u32 {
        let place = (text.as_ptr().addr(), text.len());
        let slot = &mut self.constants[(place.0 ^ place.1) % CONSTANTS];
        if slot.0 != place {
            *slot = (place, self.session.names.string(text));
        }
        slot.1
    }

    #[inline]
    fn push(&mut self, tick: u64, event: Event) {
        if let Some((chunk, writer)) = &mut self.chunk
            && writer.push(chunk.words(), tick, event).is_ok()
        {
            return;
        }
        self.push_to_next(tick, event);
    }

    /// Begins another chunk. If it gets none, the event is dropped.
    #[cold]
    #[inline(never)]
    fn push_to_next(&mut self, tick: u64, event: Event) {
        let worker = WORKER.try_with(std::cell::Cell::get).unwrap_or(WorkerId::NONE);
        let mut head = ChunkHead {
            sequence: 0,
            thread: self.thread,
            thread_sequence: self.chunks + 1,
            moment: self.session.clock.moment(),
            polled: self.polled,
            worker,
            dropped: self.dropped,
            thread_name: ChunkHead::short_name(&self.name),
        };
        let Some(exchanged) = self.session.chunks.exchange(&mut head) else {
            self.dropped += 1;
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
        if self.thread != 0 {
            self.session.thread_ended(self.thread, self.dropped);
        }
    }
}
