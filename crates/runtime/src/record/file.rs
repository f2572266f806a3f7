//! Writes a recording to a file while events are added to it. Every [`WRITE_INTERVAL`], or earlier
//! if there is much to write, a thread writes the full chunks and the new events of the others. If
//! the process is killed, the file is readable and lacks only the last events. The end of the
//! recording, or of the process, writes the rest.
//!
//! A chunk may reach the file in several pieces. A piece is a chunk of its own, so the pieces of
//! each thread are numbered here.

use std::collections::HashMap;
use std::fmt::Display;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use reveille_primitive::lock::Mutex;
use reveille_primitive::sys::create_own;
use reveille_primitive::thread::backoff;
use reveille_trace::{
    EventWord, FileWriter, Frame, Kind, LiveRecord, Moment, UNIT_TICKS, event_units,
};

use super::chunks::{ChunkWord, EventChunk, Retention};
use super::flight::Living;
use super::names::{Names, NamesWritten};
use super::session::{self, Session};
use crate::threads::{ThreadSpec, system_spawner};

/// How often the file is written.
const WRITE_INTERVAL: Duration = Duration::from_millis(100);

/// The most chunks that wait for the file: 64 MiB. Events that do not fit are dropped and counted.
const WAITING_MAX: usize = 2_048;

/// How many times the end of the process tries to lock the file of the thread that writes it.
const EXIT_ATTEMPTS: usize = 2_000;

/// How many times a dump tries to lock the file of the thread that writes it: for some
/// milliseconds.
const DUMP_ATTEMPTS: usize = 100;

/// The name of the thread that writes the file.
const THREAD_NAME: &str = "reveille-trace";

/// A recording that goes to a file.
#[derive(Debug)]
pub(crate) struct FileRecording {
    session: Arc<Session>,
    path: PathBuf,
    output: Mutex<FileOutput>,
}

#[derive(Debug)]
enum FileOutput {
    Open(Box<TraceFile<File>>),
    /// The file is complete, or an error has ended it.
    Closed(Option<(io::ErrorKind, String)>),
}

/// The file recording of this process, for the exit handler.
static CURRENT: Mutex<Option<Arc<FileRecording>>> = Mutex::new(None);

/// Records to a new file at `path` from now on.
///
/// # Errors
///
/// Fails if the file or the thread that writes it cannot be made, or if the process records
/// already.
pub(crate) fn begin(path: &Path) -> io::Result<Arc<FileRecording>> {
    let named = |error: io::Error| {
        let mut text = format!("could not record to `{}`: {error}", path.display());
        if error.kind() == io::ErrorKind::ResourceBusy {
            text.push_str(": `%p` in the name of the file stands for the number of the process");
        }
        io::Error::new(error.kind(), text)
    };
    let mut recording = None;
    session::begin(
        format!("to the file {}", path.display()),
        WAITING_MAX,
        |_| Retention::All,
        super::FUNCTIONS,
        |session| {
            let file = TraceFile::new(create_own(path)?, session, session.start)?;
            let made = Arc::new(FileRecording {
                session: Arc::clone(session),
                path: path.to_owned(),
                output: Mutex::new(FileOutput::Open(Box::new(file))),
            });
            let own = Arc::clone(&made);
            let body = Box::new(move || own.write_until_the_end());
            let spec = ThreadSpec { name: THREAD_NAME.to_owned(), stack_size: None, body };
            system_spawner()(spec)?;
            recording = Some(made);
            Ok(())
        },
    )
    .map_err(named)?;
    let recording = recording.expect("the session began, so it was prepared");
    *CURRENT.lock() = Some(Arc::clone(&recording));
    reveille_primitive::sys::at_exit(finish_at_exit);
    Ok(recording)
}

/// The file recording of this process, if there is one.
pub(crate) fn current() -> Option<Arc<FileRecording>> {
    CURRENT.try_lock()?.clone()
}

/// Completes the file at the end of the process, while other threads may still run.
pub(crate) fn finish_at_exit() {
    for attempt in 0..EXIT_ATTEMPTS {
        let Some(current) = CURRENT.try_lock().map(|current| current.clone()) else {
            backoff(attempt);
            continue;
        };
        if let Some(recording) = current
            && let Err(error) = recording.finish_before(EXIT_ATTEMPTS)
        {
            super::complain(&error.to_string());
        }
        return;
    }
}

impl FileRecording {
    pub(crate) fn session(&self) -> &Arc<Session> {
        &self.session
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    fn write_until_the_end(&self) {
        while self.session.wait_to_write(WRITE_INTERVAL) {
            if !self.session.is_of_this_process() || !self.write_new() {
                return;
            }
        }
    }

    /// Writes the new events. Returns `false` if the file is closed.
    fn write_new(&self) -> bool {
        let failed = {
            let mut output = self.output.lock();
            let FileOutput::Open(file) = &mut *output else { return false };
            let written = file.write_new(&self.session).and_then(|()| file.flush());
            written.err().map(|error| self.fail(&mut output, &error))
        };
        failed.inspect(|line| self.give_up(line)).is_none()
    }

    /// Adds the tasks that are live now.
    pub(crate) fn write_live(&self, tick: u64, tasks: &[LiveRecord]) {
        let failed = {
            let mut output = self.output.lock();
            let FileOutput::Open(file) = &mut *output else { return };
            let written = file.live(&self.session.names, tick, tasks);
            written.err().map(|error| self.fail(&mut output, &error))
        };
        failed.inspect(|line| self.give_up(line));
    }

    /// Adds the tasks and stacks of a dump, unless the file stays locked. The disk may be stuck,
    /// and the dump must not wait for it.
    pub(crate) fn add_dump(&self, tick: u64, living: Living) {
        let output = (0..DUMP_ATTEMPTS).find_map(|attempt| {
            let output = self.output.try_lock();
            if output.is_none() {
                backoff(attempt);
            }
            output
        });
        let Some(mut output) = output else { return };
        let FileOutput::Open(file) = &mut *output else { return };
        let written = file.dump(&self.session, tick, living);
        let failed = written.err().map(|error| self.fail(&mut output, &error));
        drop(output);
        failed.inspect(|line| self.give_up(line));
    }

    /// Ends the recording and completes the file.
    ///
    /// # Errors
    ///
    /// Fails if a part of the file could not be written.
    pub(crate) fn finish(&self) -> io::Result<()> {
        self.finish_before(usize::MAX)
    }

    /// Like [`finish`](FileRecording::finish), but makes at most `attempts` attempts to lock the
    /// file.
    fn finish_before(&self, attempts: usize) -> io::Result<()> {
        if !self.session.is_of_this_process() {
            return Ok(());
        }
        self.session.stop();
        self.session.end_writer();
        let mut attempt = 0;
        let mut output = loop {
            match self.output.try_lock() {
                Some(output) => break output,
                None if attempt == attempts => {
                    let text = self.cut_off("its writer is stuck");
                    return Err(io::Error::new(io::ErrorKind::TimedOut, text));
                }
                None => backoff(attempt),
            }
            attempt += 1;
        };
        let failed = match std::mem::replace(&mut *output, FileOutput::Closed(None)) {
            FileOutput::Open(file) => file.finish(&self.session).err(),
            FileOutput::Closed(error) => error.map(|(kind, text)| io::Error::new(kind, text)),
        };
        let failed = failed.map(|error| {
            *output = FileOutput::Closed(Some((error.kind(), error.to_string())));
            io::Error::new(error.kind(), self.cut_off(&error))
        });
        drop(output);
        self.session.leave();
        if let Some(mut current) = CURRENT.try_lock() {
            current.take_if(|current| std::ptr::eq(&raw const **current, self));
        }
        failed.map_or(Ok(()), Err)
    }

    /// Closes the file after an error. Returns what to report.
    fn fail(&self, output: &mut FileOutput, error: &io::Error) -> String {
        *output = FileOutput::Closed(Some((error.kind(), error.to_string())));
        self.cut_off(error)
    }

    fn cut_off(&self, reason: impl Display) -> String {
        format!("the trace `{}` is cut off: {reason}", self.path.display())
    }

    /// Stops recording because the file cannot be written.
    fn give_up(&self, line: &str) {
        self.session.stop();
        super::complain(line);
    }
}

/// A trace file that is being written.
#[derive(Debug)]
pub(crate) struct TraceFile<W> {
    file: FileWriter<W>,
    names: NamesWritten,
    threads: HashMap<u32, ThreadPieces>,
    /// The stacks in the file, with their numbers. Several dumps mostly have the same ones.
    stacks: HashMap<Vec<Frame>, u32>,
}

/// How much of a thread's chunks is in the file.
#[derive(Clone, Copy, Debug, Default)]
struct ThreadPieces {
    /// The number of the last piece.
    pieces: u32,
    /// The chunk that was written last, and how many of its event words.
    sequence: u64,
    words: usize,
    /// The last piece says that the polled task ended. So the next word, which says it too, must
    /// not.
    has_end: bool,
}

impl<W: Write> TraceFile<W> {
    pub(crate) fn new(output: W, session: &Session, start: Moment) -> io::Result<TraceFile<W>> {
        let file = FileWriter::new(output, &session.meta(start))?;
        let (names, threads) = (NamesWritten::default(), HashMap::new());
        Ok(TraceFile { file, names, threads, stacks: HashMap::new() })
    }

    /// Writes what the session has recorded since the last call.
    fn write_new(&mut self, session: &Session) -> io::Result<()> {
        let taken = session.chunks.take_full();
        let now = session.clock.moment();
        for chunk in taken.full {
            let written = self.piece(session, &now, &chunk);
            session.chunks.give_back(chunk);
            written?;
        }
        for chunk in taken.current {
            self.piece(session, &now, &chunk)?;
        }
        // After the events, because a name is entered before the events that refer to it.
        session.names.write_new(&mut self.file, &mut self.names)
    }

    /// Writes the part of a chunk that is not in the file yet.
    pub(crate) fn piece(
        &mut self,
        session: &Session,
        now: &Moment,
        chunk: &EventChunk,
    ) -> io::Result<()> {
        let (mut head, events) = chunk.read();
        let thread = self.threads.entry(head.thread).or_default();
        if thread.sequence != head.sequence {
            let (pieces, sequence) = (thread.pieces, head.sequence);
            *thread = ThreadPieces { pieces, sequence, ..ThreadPieces::default() };
        }
        let (written, new) = events.split_at(thread.words);
        let is_end_known = thread.has_end;
        if new.is_empty() && (is_end_known || !head.has_ended) {
            return Ok(());
        }
        thread.pieces += 1;
        thread.has_end = head.has_ended;
        head.thread_sequence = thread.pieces;
        if !written.is_empty() {
            let written = written.iter().map(ChunkWord::load);
            let units = head.moment.tick / UNIT_TICKS + event_units(written);
            head.moment = extrapolated(units * UNIT_TICKS, &session.start, now);
        }
        thread.words = events.len();
        if is_end_known {
            let mut words: Vec<u64> = new.iter().map(ChunkWord::load).collect();
            without_end(&mut words);
            return self.file.chunk_of(&head, words);
        }
        self.file.chunk_of(&head, new.iter().map(ChunkWord::load))
    }

    /// Writes the tasks that are live at `tick`, after the names that they refer to.
    pub(crate) fn live(
        &mut self,
        names: &Names,
        tick: u64,
        tasks: &[LiveRecord],
    ) -> io::Result<()> {
        names.write_new(&mut self.file, &mut self.names)?;
        self.file.live(tick, tasks)
    }

    /// Writes the tasks of a dump with their stacks, after all events before it.
    fn dump(&mut self, session: &Session, tick: u64, mut living: Living) -> io::Result<()> {
        self.write_new(session)?;
        let (mut numbers, mut new) = (vec![0], Vec::new());
        for frames in living.stacks {
            let next = self.stacks.len() as u32 + 1;
            let number = *self.stacks.entry(frames).or_insert_with_key(|frames| {
                new.push((next, frames.clone()));
                next
            });
            numbers.push(number);
        }
        let new: Vec<_> = new.iter().map(|(number, frames)| (*number, &frames[..])).collect();
        if !new.is_empty() {
            self.file.stacks(&new)?;
        }
        for task in &mut living.tasks {
            task.stack = numbers[task.stack as usize];
        }
        self.live(&session.names, tick, &living.tasks)?;
        self.flush()
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }

    fn finish(mut self, session: &Session) -> io::Result<()> {
        self.write_new(session)?;
        self.end(session)
    }

    /// Ends the file.
    pub(crate) fn end(self, session: &Session) -> io::Result<()> {
        let mut file = self.file;
        let drops = session.drops();
        if !drops.is_empty() {
            file.drops(&drops)?;
        }
        file.finish(session.clock.moment()).map(drop)
    }
}

/// Takes out the end of the polled task, with which the words begin.
fn without_end(words: &mut Vec<u64>) {
    let first = EventWord::from_bits(words[0]);
    match first.code() == Kind::EndPollStart as u8 {
        true => words[0] = first.with_kind(Kind::PollStart).bits(),
        false => drop(words.remove(0)),
    }
}

/// The moment of a tick between two known moments.
fn extrapolated(tick: u64, start: &Moment, now: &Moment) -> Moment {
    let ticks = now.tick.saturating_sub(start.tick).max(1);
    let share = tick.saturating_sub(start.tick) as f64 / ticks as f64;
    let at = |start: u64, now: u64| start + (now.saturating_sub(start) as f64 * share) as u64;
    Moment {
        tick,
        monotonic_ns: at(start.monotonic_ns, now.monotonic_ns),
        wall_ns: at(start.wall_ns, now.wall_ns),
    }
}
