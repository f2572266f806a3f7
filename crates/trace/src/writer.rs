//! Writes a trace file, section by section.

use std::io::{self, Write};

use crc32fast::hash as crc32;

use crate::chunk::{ChunkHead, HEAD_WORDS, Moment};
use crate::operand::{Flavour, TaskKey, WaitFor};
use crate::word::words_per_kind;

/// The first bytes of a file.
pub(crate) const MAGIC: [u8; 8] = *b"\x89RVTRC\r\n";

/// The major version. A reader refuses a newer one.
pub const MAJOR: u16 = 4;

/// The minor version. A reader that knows an older one skips what it does not know.
pub const MINOR: u16 = 0;

pub(crate) const FILE_HEAD_LEN: usize = 16;
pub(crate) const SECTION_HEAD_LEN: usize = 24;
/// Sections begin at multiples of this, so that a reader can find the next one after damage.
pub(crate) const ALIGNMENT: usize = 8;
pub(crate) const MARKER: [u8; 4] = *b"RVS\x1a";

/// The sections that this version knows.
pub(crate) mod tag {
    pub(crate) const META: [u8; 4] = *b"META";
    pub(crate) const KINDS: [u8; 4] = *b"KIND";
    pub(crate) const STRINGS: [u8; 4] = *b"STRP";
    /// Each string is whole. Written before version 3.0.
    pub(crate) const WHOLE_STRINGS: [u8; 4] = *b"STRS";
    pub(crate) const PLACES: [u8; 4] = *b"PLAC";
    pub(crate) const TYPES: [u8; 4] = *b"TYPE";
    pub(crate) const MODULES: [u8; 4] = *b"MODS";
    pub(crate) const STACKS: [u8; 4] = *b"STAK";
    pub(crate) const LIVE: [u8; 4] = *b"LIVE";
    pub(crate) const CHUNK: [u8; 4] = *b"CHNK";
    pub(crate) const DROPS: [u8; 4] = *b"DROP";
    pub(crate) const END: [u8; 4] = *b"DONE";
}

/// The metadata of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meta {
    /// Ticks of the clock in a second, or 0 if not known. The moments of the chunks are more exact.
    pub ticks_per_second: u64,
    /// When the recording or the snapshot began.
    pub start: Moment,
    /// The identifier of the process.
    pub process: u32,
    /// The program that wrote the file, such as `reveille 0.1.0, x86_64-linux`.
    pub producer: String,
    /// The name of the program.
    pub program: String,
}

/// A place in the source code, with the identifier that events use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourcePlace {
    /// At most [`ORIGIN_ID_MAX`](crate::operand::ORIGIN_ID_MAX).
    pub id: u32,
    /// The identifier of the file's name.
    pub file: u32,
    /// Counted from 1.
    pub line: u32,
    /// Counted from 1.
    pub column: u32,
}

/// The type of a future, with the identifier that events use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FutureType {
    /// At most [`ORIGIN_ID_MAX`](crate::operand::ORIGIN_ID_MAX).
    pub id: u32,
    /// The identifier of the type's name.
    pub name: u32,
    /// The size of the future in bytes, or 0 if not known.
    pub size: u32,
}

/// A program or library in memory. It is needed to translate addresses into names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Module {
    /// Its first address.
    pub base: u64,
    /// Its size in bytes.
    pub size: u64,
    /// Identifies the build, at most 64 bytes; empty if not known.
    pub build_id: Vec<u8>,
    /// Its file.
    pub path: String,
}

/// One frame of an await stack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Frame {
    /// The address of the instruction.
    pub address: u64,
    /// The identifier of the function's name, or 0.
    pub function: u32,
    /// The identifier of the source file's name, or 0.
    pub file: u32,
    /// The line, or 0.
    pub line: u32,
    /// The column, or 0.
    pub column: u32,
}

/// The state of a live task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum LiveState {
    /// It waits for a wake.
    #[default]
    Waiting = 0,
    /// It is queued.
    Queued = 1,
    /// It is being polled.
    Running = 2,
}

impl LiveState {
    /// Returns the state of a code; an unknown one is `Waiting`.
    #[must_use]
    pub const fn from_code(code: u8) -> LiveState {
        match code {
            1 => LiveState::Queued,
            2 => LiveState::Running,
            _ => LiveState::Waiting,
        }
    }
}

/// A task that is live at the time of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LiveRecord {
    /// The task.
    pub task: TaskKey,
    /// The task that spawned it, if that is known and still live.
    pub parent: TaskKey,
    /// Where it was spawned, or 0.
    pub place: u32,
    /// The type of its future, or 0.
    pub type_id: u32,
    /// The identifier of its name, or 0.
    pub name: u32,
    /// The identifier of its await stack, or 0.
    pub stack: u32,
    /// What it is.
    pub flavour: Flavour,
    /// What it is doing.
    pub state: LiveState,
    /// Since which tick, or 0 if not known.
    pub since_tick: u64,
    /// What it waits for.
    pub on: WaitFor,
}

/// The most bytes that a string shares with the one before it in the file. With a higher limit a
/// small damaged file could stand for much memory.
pub(crate) const SHARED_MAX: usize = 63;

pub(crate) const PLACE_LEN: u32 = 16;
pub(crate) const TYPE_LEN: u32 = 16;
pub(crate) const FRAME_LEN: u32 = 24;
pub(crate) const LIVE_LEN: u32 = 56;
pub(crate) const DROP_LEN: u32 = 16;

/// Writes a file. Sections may come in any order and several times, so a recorder can append names
/// as they occur. If an identifier is written twice, the last entry counts.
///
/// It has a buffer of its own, so the output needs none. What is in the buffer reaches the output
/// with [`flush`](FileWriter::flush) or [`finish`](FileWriter::finish), and is lost if the writer
/// is dropped before.
#[derive(Debug)]
pub struct FileWriter<W> {
    output: W,
    /// What the output has not got yet: whole sections, and a part of one from `section` on.
    buffer: Vec<u8>,
    /// Where the section that is being made begins in the buffer.
    section: usize,
    /// How many bytes the output has got.
    written: u64,
}

/// The output gets multiples of this. Whole pages cost a file system half as much as the same bytes
/// in pieces that begin within a page.
const BLOCK_LEN: usize = 64 << 10;

impl<W: Write> FileWriter<W> {
    /// Begins a file.
    ///
    /// # Errors
    ///
    /// Fails if the output fails.
    pub fn new(output: W, meta: &Meta) -> io::Result<FileWriter<W>> {
        let mut writer = FileWriter { output, buffer: MAGIC.to_vec(), section: 0, written: 0 };
        writer.buffer.extend(MAJOR.to_le_bytes());
        writer.buffer.extend(MINOR.to_le_bytes());
        writer.buffer.extend([0; 4]);
        writer.begin_section();
        writer.u64(meta.ticks_per_second);
        writer.moment(meta.start);
        writer.u32(meta.process);
        writer.text(&meta.producer);
        writer.text(&meta.program);
        writer.section(tag::META)?;
        writer.buffer.extend(words_per_kind());
        writer.section(tag::KINDS)?;
        Ok(writer)
    }

    /// Writes strings with their identifiers. A string leaves out the bytes with which the one
    /// before it begins as well, so names that end in a number take a few bytes each.
    ///
    /// # Errors
    ///
    /// Fails if the output fails.
    pub fn strings(&mut self, strings: &[(u32, &str)]) -> io::Result<()> {
        self.count(strings.len());
        let (mut id_before, mut before) = (0, "");
        for (id, text) in strings {
            let shared = shared_len(before, text);
            self.varint(id.wrapping_sub(id_before));
            self.buffer.push(shared as u8);
            let rest = &text.as_bytes()[shared..];
            self.varint(u32::try_from(rest.len()).expect("a string is shorter than 4 GiB"));
            self.buffer.extend(rest);
            (id_before, before) = (*id, text);
        }
        self.section(tag::STRINGS)
    }

    /// Writes places of the source code.
    ///
    /// # Errors
    ///
    /// Fails if the output fails.
    pub fn places(&mut self, places: &[SourcePlace]) -> io::Result<()> {
        self.table(PLACE_LEN, places.len());
        for place in places {
            self.u32s(&[place.id, place.file, place.line, place.column]);
        }
        self.section(tag::PLACES)
    }

    /// Writes types of futures.
    ///
    /// # Errors
    ///
    /// Fails if the output fails.
    pub fn types(&mut self, types: &[FutureType]) -> io::Result<()> {
        self.table(TYPE_LEN, types.len());
        for future in types {
            self.u32s(&[future.id, future.name, future.size, 0]);
        }
        self.section(tag::TYPES)
    }

    /// Writes the modules of the process.
    ///
    /// # Errors
    ///
    /// Fails if the output fails.
    pub fn modules(&mut self, modules: &[Module]) -> io::Result<()> {
        self.count(modules.len());
        for module in modules {
            self.u64(module.base);
            self.u64(module.size);
            self.bytes(&module.build_id);
            self.text(&module.path);
        }
        self.section(tag::MODULES)
    }

    /// Writes await stacks with their identifiers. The first frame is the innermost.
    ///
    /// # Errors
    ///
    /// Fails if the output fails.
    pub fn stacks(&mut self, stacks: &[(u32, &[Frame])]) -> io::Result<()> {
        self.table(FRAME_LEN, stacks.len());
        for (id, frames) in stacks {
            self.u32(*id);
            self.count(frames.len());
            for frame in *frames {
                self.u64(frame.address);
                self.u32s(&[frame.function, frame.file, frame.line, frame.column]);
            }
        }
        self.section(tag::STACKS)
    }

    /// Writes a snapshot: the tasks that are live at `tick`.
    ///
    /// # Errors
    ///
    /// Fails if the output fails.
    pub fn live(&mut self, tick: u64, tasks: &[LiveRecord]) -> io::Result<()> {
        self.u64(tick);
        self.table(LIVE_LEN, tasks.len());
        for task in tasks {
            self.u64(task.task.value());
            self.u32s(&[task.place, task.type_id, task.name, task.stack]);
            self.buffer.extend([task.flavour as u8, task.state as u8, 0, 0, 0, 0, 0, 0]);
            self.u64(task.since_tick);
            self.u64(task.on.operand());
            self.u64(task.parent.value());
        }
        self.section(tag::LIVE)
    }

    /// Writes a chunk: the words of its head and as many event words as the head says. Words after
    /// those are left out.
    ///
    /// # Errors
    ///
    /// Fails if the output fails, and with [`InvalidInput`](io::ErrorKind::InvalidInput) if there
    /// are fewer words than in a head.
    pub fn chunk(&mut self, words: &[u64]) -> io::Result<()> {
        let Some((head, len)) = ChunkHead::parse(words) else {
            let text = format!("a chunk has {HEAD_WORDS} words at least, and not {}", words.len());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        };
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        self.chunk_of(&head, words[HEAD_WORDS..].iter().copied().take(len))
    }

    /// Writes a chunk of this head, with the number of the event words, and of these event words.
    ///
    /// # Errors
    ///
    /// Fails if the output fails.
    pub fn chunk_of<I>(&mut self, head: &ChunkHead, events: I) -> io::Result<()>
    where
        I: IntoIterator<Item = u64, IntoIter: ExactSizeIterator>,
    {
        let events = events.into_iter();
        let len = events.len();
        for word in head.words(len as u64) {
            self.u64(word);
        }
        let start = self.buffer.len();
        self.buffer.resize(start + 8 * len, 0);
        let (room, _) = self.buffer[start..].as_chunks_mut::<8>();
        room.iter_mut().zip(events).for_each(|(bytes, word)| *bytes = word.to_le_bytes());
        self.section(tag::CHUNK)
    }

    /// Writes how many events each thread has dropped: its number and the count.
    ///
    /// # Errors
    ///
    /// Fails if the output fails.
    pub fn drops(&mut self, drops: &[(u32, u64)]) -> io::Result<()> {
        self.table(DROP_LEN, drops.len());
        for (thread, count) in drops {
            self.u32(*thread);
            self.u32(0);
            self.u64(*count);
        }
        self.section(tag::DROPS)
    }

    /// Passes on all sections, so that the file can be read up to here.
    ///
    /// # Errors
    ///
    /// Fails if the output does.
    pub fn flush(&mut self) -> io::Result<()> {
        self.pass_on(self.section)?;
        self.output.flush()
    }

    /// Ends the file and returns the output, flushed. A file without this end counts as cut off.
    ///
    /// # Errors
    ///
    /// Fails if the output fails.
    pub fn finish(mut self, end: Moment) -> io::Result<W> {
        self.moment(end);
        self.section(tag::END)?;
        self.flush()?;
        Ok(self.output)
    }

    /// Makes room for the head of a section, whose payload follows.
    fn begin_section(&mut self) {
        self.section = self.buffer.len();
        self.buffer.extend([0; SECTION_HEAD_LEN]);
    }

    /// Completes the section whose payload is at the end of the buffer, and begins the next one.
    fn section(&mut self, tag: [u8; 4]) -> io::Result<()> {
        let (head, payload) = self.buffer[self.section..].split_at_mut(SECTION_HEAD_LEN);
        head[..4].copy_from_slice(&MARKER);
        head[4..8].copy_from_slice(&tag);
        head[8..16].copy_from_slice(&(payload.len() as u64).to_le_bytes());
        head[16..20].copy_from_slice(&crc32(payload).to_le_bytes());
        let checksum = crc32(&head[..20]);
        head[20..].copy_from_slice(&checksum.to_le_bytes());
        self.buffer.resize(self.buffer.len().next_multiple_of(ALIGNMENT), 0);
        self.begin_section();
        // So that the output ends at a whole block, wherever the last flush ended.
        let behind = (self.written % BLOCK_LEN as u64) as usize;
        let blocks = (behind + self.section) / BLOCK_LEN;
        if blocks > 0 { self.pass_on(blocks * BLOCK_LEN - behind) } else { Ok(()) }
    }

    /// Writes the first `len` bytes of the buffer, which are lost if that fails.
    fn pass_on(&mut self, len: usize) -> io::Result<()> {
        let result = self.output.write_all(&self.buffer[..len]);
        self.buffer.drain(..len);
        self.section -= len;
        self.written += len as u64;
        result
    }

    fn u32(&mut self, word: u32) {
        self.buffer.extend(word.to_le_bytes());
    }

    /// Writes a number in as few bytes as it needs, 7 bits in each, the lowest first.
    fn varint(&mut self, mut number: u32) {
        while number >= 0x80 {
            self.buffer.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.buffer.push(number as u8);
    }

    fn u32s(&mut self, words: &[u32]) {
        words.iter().for_each(|word| self.u32(*word));
    }

    fn u64(&mut self, word: u64) {
        self.buffer.extend(word.to_le_bytes());
    }

    fn count(&mut self, count: usize) {
        self.u32(u32::try_from(count).expect("a table of a file has fewer than 2^32 entries"));
    }

    /// Begins a table of records. A newer version may have longer records; a reader skips the rest
    /// of each.
    fn table(&mut self, record_len: u32, count: usize) {
        self.u32(record_len);
        self.count(count);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.buffer.extend(bytes);
    }

    fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    fn moment(&mut self, moment: Moment) {
        for word in [moment.tick, moment.monotonic_ns, moment.wall_ns] {
            self.u64(word);
        }
    }
}

/// How many bytes two strings have in common at their beginning, at most [`SHARED_MAX`].
fn shared_len(before: &str, text: &str) -> usize {
    let pairs = before.bytes().zip(text.bytes()).take(SHARED_MAX);
    pairs.take_while(|(one, other)| one == other).count()
}

#[cfg(test)]
mod tests;
