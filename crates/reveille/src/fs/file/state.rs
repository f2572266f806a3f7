//! The rules of an open file: what a read, write, flush or seek may do now, and what it has to wait
//! for.
//!
//! Nothing here waits or calls a waker. `shared.rs` calls these functions under its lock and
//! carries out what they return.
//!
//! # Directions
//!
//! Each *direction*, reads and writes, has at most one job at a time. A job is in one of three
//! phases.
//!
//! | phase | meaning | left by |
//! |---|---|---|
//! | `Idle` | no job | the holder of the lock that has work |
//! | `Queued(work)` | a job for `work` waits in the pool | the job; a dropped handle, by doing it |
//! | `Running(work)` | one thread is in the system call, without the lock | that thread |
//!
//! The two directions of a *stream* (pipe, terminal, socket, device) are independent, and a read
//! may wait forever, so both directions may be busy. Any other file has one cursor, and only one of
//! its directions is busy at a time. The kind of a file may be unknown until its first job has
//! determined it; until then the file is treated as one with a cursor.
//!
//! ```text
//! poll_write ─► filling ──swap──► batch ──write(2)──► file      two buffers: one fills, one drains
//! poll_read  ◄─ window of `bytes` ◄──read(2)── file             further ahead in sequence
//! ```
//!
//! # Invariants
//!
//! 1. For a file with a cursor, only the thread that set `Running` touches the cursor until it sets
//!    `Idle`. While both directions are `Idle` or `Queued`, only the holder of the lock does.
//! 2. `accepted - written` bytes are in `filling` or in the batch that a `Running(Drain)` holds.
//! 3. For a file with a cursor, `filling` or the window is empty: a write first discards the window
//!    (`lseek`), and a read first drains. So the logical cursor is always known.
//! 4. The state describes the work, not the job. A job that finds no `Queued` has nothing to do, so
//!    another thread may do the work of a job that the pool has not started.
//! 5. Wakers are cloned, called and dropped without the lock.
//! 6. A call that waits has its waker in the list of its direction. Every change of a direction
//!    from `Running` to `Idle`, and every batch that was written, wakes the list of that direction;
//!    for a file with a cursor, also the other list. The first wake after the kind is known
//!    concerns both lists. A job that finds out that the file is a stream makes this wake before it
//!    blocks.
//! 7. A batch begins and ends between two writes of the program. Unless the file is ordinary, a
//!    batch is one write. So no write is split, and no two are merged where the difference is
//!    visible.

use std::fs;
use std::io::{self, IoSlice, SeekFrom};
use std::task::Waker;

use super::buffers::{BATCH_MAX, Backlog, Window};
use super::waiters::Waiters;
use crate::os::file::{self as system, Attempt, Flags, Kind};

/// The most that is read at once from a file whose cached pages the poll cannot read itself. It
/// bounds the window.
const FILL_MAX: usize = 2 << 20;

/// The work of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Work {
    /// Reads up to `len` bytes into the window.
    Fill { len: usize },
    /// Brings `len` bytes into the page cache, from which the poll copies them to the program.
    Prefetch { len: usize },
    /// Writes everything that was accepted.
    Drain,
}

/// One of the two directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Read,
    Write,
}

impl Work {
    pub(super) fn direction(self) -> Direction {
        match self {
            Work::Fill { .. } | Work::Prefetch { .. } => Direction::Read,
            Work::Drain => Direction::Write,
        }
    }
}

/// The phase of a direction's job; see the table above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Idle,
    Queued(Work),
    Running(Work),
}

/// The outcome of a step under the lock.
pub(super) enum Step<T> {
    /// The call is complete.
    Done(T),
    /// The call is complete, and there is something to drain.
    DoneAndDrain(T),
    /// A job is running. Try again after it.
    Wait,
    /// This work has to be done first.
    Submit(Work),
}

/// What a step needs to know about the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct FileInfo<'a> {
    pub(super) file: &'a fs::File,
    pub(super) flags: Flags,
    /// Unknown until a job has determined it, or the file was opened here.
    pub(super) kind: Option<Kind>,
}

impl FileInfo<'_> {
    pub(super) fn is_stream(&self) -> bool {
        self.kind.is_some_and(|kind| kind.is_stream)
    }

    pub(super) fn is_ordinary(&self) -> bool {
        self.kind.is_some_and(|kind| kind.is_ordinary)
    }

    fn is_in_memory(&self) -> bool {
        self.kind.is_some_and(|kind| kind.is_in_memory)
    }
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) reading: Phase,
    pub(super) writing: Phase,
    pub(super) window: Window,
    pub(super) backlog: Backlog,
    readers: Waiters,
    writers: Waiters,
    /// All waiters know the kind of the file.
    pub(super) is_kind_told: bool,
}

impl State {
    pub(super) fn new(has_inline: bool, is_kind_told: bool) -> State {
        State {
            reading: Phase::Idle,
            writing: Phase::Idle,
            window: Window::new(has_inline),
            backlog: Backlog::new(),
            readers: Waiters::new(),
            writers: Waiters::new(),
            is_kind_told,
        }
    }

    pub(super) fn phase(&mut self, direction: Direction) -> &mut Phase {
        match direction {
            Direction::Read => &mut self.reading,
            Direction::Write => &mut self.writing,
        }
    }

    pub(super) fn waiters(&mut self, direction: Direction) -> &mut Waiters {
        match direction {
            Direction::Read => &mut self.readers,
            Direction::Write => &mut self.writers,
        }
    }

    /// The waiters that a change of `direction` concerns (invariant 6).
    pub(super) fn take_waiters(&mut self, direction: Direction, kind: Option<Kind>) -> Vec<Waker> {
        if self.is_kind_told && kind.is_some_and(|kind| kind.is_stream) {
            return self.waiters(direction).take();
        }
        self.is_kind_told |= kind.is_some();
        let mut wakers = self.readers.take();
        wakers.append(&mut self.writers.take());
        wakers
    }

    pub(super) fn read(&mut self, info: &FileInfo<'_>, buf: &mut [u8]) -> Step<io::Result<usize>> {
        if let Some(error) = self.window.error.take() {
            return Step::Done(Err(error));
        }
        if !info.is_stream()
            && let Some(error) = self.backlog.error.take()
        {
            return Step::Done(Err(error));
        }
        if let Some(count) = self.window.take(buf) {
            return Step::Done(Ok(count));
        }
        if self.reading != Phase::Idle {
            return Step::Wait;
        }
        if !info.is_stream() {
            if self.writing != Phase::Idle {
                return Step::Wait;
            }
            if self.backlog.is_dirty() {
                self.backlog.leave_behind();
                return Step::Submit(Work::Drain);
            }
        }
        self.read_idle(info, buf)
    }

    /// Reads at the cursor while nothing is buffered and no job is running.
    fn read_idle(&mut self, info: &FileInfo<'_>, buf: &mut [u8]) -> Step<io::Result<usize>> {
        // It stays set until a read has succeeded, so that no read is prefetched twice.
        let is_prefetched = self.window.is_prefetched;
        if info.is_in_memory() && !info.flags.is_direct {
            // If a read is refused, the pool repeats it and reports the error.
            if let Ok(count) = io::Read::read(&mut &*info.file, buf) {
                return Step::Done(Ok(count));
            }
        } else if self.window.has_inline {
            match system::read_inline(info.file, buf, is_prefetched) {
                Attempt::Done(count) => {
                    self.window.is_prefetched = false;
                    return Step::Done(Ok(count));
                }
                Attempt::WouldWait => {}
                Attempt::Unsupported => self.window.has_inline = false,
            }
        } else if self.window.is_short && info.is_ordinary() && system::is_at_end(info.file) {
            self.window.forget();
            return Step::Done(Ok(0));
        }
        // As long as the buffer, because programs rely on a file read to fill it. The buffer is
        // lent for this poll only, so the data must be kept elsewhere: in the page cache if it is
        // long.
        let len = buf.len();
        let may_prefetch = self.window.has_inline || info.kind.is_none();
        if len > BATCH_MAX && may_prefetch && !is_prefetched && !info.is_stream() {
            return Step::Submit(Work::Prefetch { len });
        }
        Step::Submit(Work::Fill { len: len.min(FILL_MAX) })
    }

    pub(super) fn write(
        &mut self,
        info: &FileInfo<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Step<io::Result<usize>> {
        if info.flags.is_read_only {
            return Step::Done(Err(system::refused_write()));
        }
        if let Some(error) = self.backlog.error.take() {
            return Step::Done(Err(error));
        }
        if bufs.iter().all(|buf| buf.is_empty()) {
            return Step::Done(Ok(0));
        }
        if self.reading != Phase::Idle {
            if !info.is_stream() {
                return Step::Wait;
            }
        } else if self.writing == Phase::Idle {
            self.window.give_back(info.file);
        }
        if self.writing != Phase::Idle && self.backlog.is_flushing {
            return Step::Wait;
        }
        let is_one_at_a_time = !info.is_ordinary() || info.flags.is_direct;
        let count = self.backlog.accept(bufs, is_one_at_a_time, info.flags.appends);
        match (count, self.writing) {
            (0, Phase::Idle) => Step::Submit(Work::Drain),
            (0, _) => Step::Wait,
            (_, Phase::Idle) => Step::DoneAndDrain(Ok(count)),
            (..) => Step::Done(Ok(count)),
        }
    }

    pub(super) fn flush(&mut self) -> Step<io::Result<()>> {
        if let Some(error) = self.backlog.error.take() {
            return Step::Done(Err(error));
        }
        if !self.backlog.is_dirty() {
            self.backlog.forget();
            return Step::Done(Ok(()));
        }
        self.backlog.is_flushing = true;
        match self.writing {
            Phase::Idle => Step::Submit(Work::Drain),
            _ => Step::Wait,
        }
    }

    /// Moves the cursor of the open file to the logical position: everything is written and nothing
    /// is read ahead.
    pub(super) fn settle(&mut self, info: &FileInfo<'_>) -> Step<io::Result<()>> {
        let step = self.flush_before_moving(info);
        if matches!(step, Step::Done(Ok(()))) && self.reading == Phase::Idle {
            self.window.give_back(info.file);
        }
        step
    }

    pub(super) fn seek(&mut self, info: &FileInfo<'_>, to: SeekFrom) -> Step<io::Result<u64>> {
        match self.flush_before_moving(info) {
            Step::Done(Ok(())) if self.reading == Phase::Idle => {
                Step::Done(self.window.seek(info.file, to))
            }
            // A stream with a read in progress. Streams rarely have a cursor, so this is an error.
            Step::Done(Ok(())) => Step::Done(io::Seek::seek(&mut &*info.file, to)),
            Step::Done(Err(error)) => Step::Done(Err(error)),
            Step::Submit(work) => Step::Submit(work),
            Step::DoneAndDrain(_) | Step::Wait => Step::Wait,
        }
    }

    /// Flushes, without the bytes that were refused before. Then waits for the directions that
    /// share the cursor.
    fn flush_before_moving(&mut self, info: &FileInfo<'_>) -> Step<io::Result<()>> {
        if self.backlog.error.is_none() && self.writing == Phase::Idle {
            self.backlog.leave_behind();
        }
        let step = self.flush();
        let is_busy = self.writing != Phase::Idle || self.reading != Phase::Idle;
        match step {
            Step::Done(Ok(())) if is_busy && !info.is_stream() => Step::Wait,
            step => step,
        }
    }
}
