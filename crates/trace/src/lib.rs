//! The format of reveille's trace files, and the model of a program's run that is read from one.
//!
//! A recorder makes [`Event`]s and writes them into chunks with a [`ChunkWriter`], which does not
//! allocate. A [`FileWriter`] puts the chunks into a file.
//!
//! # Examples
//!
//! Records a task that is polled once, and reads what happened:
//!
//! ```
//! use std::sync::atomic::{AtomicU64, Ordering};
//! use reveille_trace::{
//!     CHUNK_WORDS, ChunkHead, ChunkWriter, Event, FileWriter, Flavour, Meta, Moment, Origin,
//!     TaskKey, Trace,
//! };
//!
//! // The memory of a chunk, which other threads may read while this one writes.
//! let slots: Vec<AtomicU64> = (0..CHUNK_WORDS).map(|_| AtomicU64::new(0)).collect();
//! let head = ChunkHead { thread_name: ChunkHead::short_name("worker"), ..ChunkHead::default() };
//! let mut writer = ChunkWriter::start(&slots, &head);
//! let task = TaskKey::from_address(0x7f00_1230);
//! let origin = Origin { place: 1, type_id: 0 };
//! for (tick, event) in [
//!     (64, Event::spawn(task, origin, Flavour::Pool)),
//!     (640, Event::poll_start(task)),
//!     (6_400, Event::poll_end(task)),
//! ] {
//!     writer.push(&slots, tick, event).expect("the chunk has room");
//! }
//!
//! let meta = Meta { ticks_per_second: 1_000_000_000, ..Meta::default() };
//! let mut file = FileWriter::new(Vec::new(), &meta)?;
//! let words: Vec<u64> = slots.iter().map(|slot| slot.load(Ordering::Acquire)).collect();
//! file.chunk(&words)?;
//! let file = file.finish(Moment::default())?;
//!
//! let trace = Trace::read(&file).expect("this is a trace");
//! assert_eq!(trace.text(trace.threads[0].name), "worker");
//! assert_eq!(trace.polls[0].len(), 6_400 - 640);
//! # std::io::Result::Ok(())
//! ```
//!
//! # The file
//!
//! All numbers are little-endian. A file begins with 16 bytes:
//!
//! | bytes | what |
//! |---|---|
//! | 8 | `89 52 56 54 52 43 0d 0a`: "RVTRC" with guards against transfers that change text |
//! | 2, 2 | major and minor version |
//! | 4 | zeros |
//!
//! Sections follow, each at a multiple of 8 bytes, in any order and any number:
//!
//! | bytes | what |
//! |---|---|
//! | 4, 4 | `RVS\x1a`, then the section's tag |
//! | 8 | length of the payload |
//! | 4, 4 | CRC-32 of the payload, CRC-32 of the 20 bytes before |
//! | length | the payload, then zeros up to a multiple of 8 |
//!
//! A reader skips sections with an unknown tag or a wrong checksum. After damage it searches for
//! the next head with a correct checksum. A *text* is a length (4) and bytes of UTF-8. A *table* is
//! the length of a record (4), their number (4), and the records; a reader skips what a record has
//! beyond the fields that it knows. A *moment* is a tick, nanoseconds of the monotonic clock, and
//! nanoseconds since 1970 (8 each).
//!
//! | tag | payload |
//! |---|---|
//! | `META` | ticks per second or 0 (8), moment of the start, process (4), producer, program (texts) |
//! | `KIND` | for each of 32 codes, the words of an event (1 each); 0 if there is no such kind |
//! | `STRP` | number (4); for each string: see the next line |
//! | string | identifier minus the one before, modulo 2³² (varint), number of bytes that are shared with the beginning of the string before (1, at most 63), number of other bytes (varint), these bytes |
//! | `PLAC` | table: identifier, string of the file, line, column (4 each) |
//! | `TYPE` | table: identifier, string of the name, size of the future, 0 (4 each) |
//! | `MODS` | number (4); for each: base, size (8 each), build-id (as a text), path (text) |
//! | `STAK` | length of a frame (4), number (4); for each: identifier, number of frames (4 each), frames |
//! | frame | address (8), strings of function and file, line, column (4 each); innermost first |
//! | `LIVE` | tick (8), table: see the next line |
//! | task | key (8), place, type, name, stack (4 each), flavour, state (1 each), 0 (6), since, wait, parent (8 each) |
//! | `CHNK` | a chunk, see below |
//! | `DROP` | table: thread, 0 (4 each), number of dropped events (8) |
//! | `DONE` | moment of the end; a file without it was cut off |
//!
//! Identifiers are the writer's choice. 0 means "not known". A *varint* is a number of 32 bits, 7
//! in each byte, the lowest first; all bytes but the last have the highest bit set. Before version
//! 3.0, strings were in sections `STRS`: number (4); for each: identifier (4), text.
//!
//! # A chunk
//!
//! A chunk has at most 4,096 words of 8 bytes. One thread fills it. The first 16 are its head:
//!
//! | word | what |
//! |---|---|
//! | 0 | sequence number in the process, from 1 |
//! | 1 | thread (32 bits), number of the chunk in the thread, from 1 (32 bits) |
//! | 2–4 | the moment when the thread took the chunk |
//! | 5 | number of event words; published after them |
//! | 6 | the task that the thread polls at this time, or 0 |
//! | 7 | the worker that the thread runs: index (16 bits), runtime (16 bits); or 2³²−1 |
//! | 8 | events that the thread had dropped by this time |
//! | 9–12 | the thread's name in UTF-8, padded with zeros |
//! | 13 | number of event words plus 1, if the polled task finished after the last of them; else another number |
//! | 14, 15 | zeros |
//!
//! # An event
//!
//! | bits | what |
//! |---|---|
//! | 59–63 | code of the kind |
//! | 44–58 | time since the word before (or since the head), in units of 64 ticks |
//! | 0–43 | value: mostly the key of a task, bits 4 to 47 of its address |
//!
//! A time that does not fit into 15 bits takes a word of its own before the event: a gap, with the
//! code 1 and the whole time in 59 bits. Kinds with two words have an operand behind the first.
//! Some kinds also have a short form of one word: since version 1.1 for small values, and since
//! version 3.0 for a spawn or an end that is like the one before it. A reader uses the table
//! `KIND` to skip unknown kinds. The times of skipped events still advance the clock. [`Kind`]
//! documents value and operand of each kind.
//!
//! **Stamps.** Reading the clock costs more than the rest of an event, so events inside a poll may
//! be unstamped: their time is 0 units, without a gap before. They happened between the stamps
//! before and after them.
//!
//! **Lives.** The short form of a spawn or of an end leaves out what the latest long one of the
//! chunk says. A writer that cuts a chunk into pieces may cut between the two. So a reader
//! remembers the latest long ones of each thread, until events of the thread are missing.
//!
//! A task that finishes has no event of its own if the next one is the start of a poll:
//! the kind 26 says both. Until then, word 13 of the head says that it has finished.
//! Before version 4.0, each end had an event.
//!
//! **Polls.** The start of a poll also ends the poll in progress, so a thread that polls one task
//! after another writes one event for each. The start of a poll inside another one follows a start
//! of no task. Before version 2.0, each poll had an end of its own.
//!
//! **Causes are positional.** The cause of a wake follows from its place among the events of its
//! thread. Inside a poll, the cause is the task that the thread polls (a blocking closure is a
//! task, too). After an `Io` or `Timer` event, up to the next such event or the end of the turn, it
//! is that descriptor or timer. Otherwise it is the thread itself.
//!
//! **Identity.** An address identifies one task at a time. `Spawn` and `Complete` delimit its uses.

#![forbid(unsafe_code)]

#[cfg(test)]
use reveille_watchdog as _;

mod assemble;
mod awaits;
mod chunk;
mod clock;
mod decode;
mod event;
mod lives;
mod missing;
mod notes;
mod operand;
mod reader;
mod texts;
mod trace;
mod waits;
mod walk;
mod word;
mod writer;

pub use self::awaits::{ProgramFrames, plain_name, source_root};
pub use self::chunk::{
    AHEAD, CHUNK_WORDS, ChunkHead, ChunkWriter, END_SLOT, Full, HEAD_WORDS, LEN_SLOT, Moment, Slot,
    THREAD_NAME_LEN,
};
pub use self::event::Event;
pub use self::missing::Missing;
pub use self::operand::{
    Flavour, Lint, LintRule, ORIGIN_ID_MAX, Origin, Outcome, Ready, TaskKey, WaitFor, WorkerId,
};
pub use self::reader::OpenError;
pub use self::trace::{
    Cause, Group, HandOff, LintFound, LiveTask, Mark, NO_INDEX, Panic, Park, Poll, Sample,
    Snapshot, Span, Stack, StackFrame, Steal, Task, TaskIndex, TextIndex, Thread, Trace, Wait,
    Wake, WakeKind, readable_type, short_type,
};
pub use self::word::{
    DELTA_BITS, DELTA_MAX, EVENT_WORDS_MAX, Encoder, EventWord, Kind, UNIT_TICKS, VALUE_BITS,
    VALUE_MAX, Words, event_units, words_per_kind,
};
pub use self::writer::{
    FileWriter, Frame, FutureType, LiveRecord, LiveState, MAJOR, MINOR, Meta, Module, SourcePlace,
};
