//! The state that all handles of one open file share: the buffers, and the jobs that fill and drain
//! them.
//!
//! # Purpose
//!
//! The kernel has no readiness for files, so the blocking pool reads and writes them. A trip to the
//! pool costs tens of microseconds and the `write` of a line one, so the buffers combine many calls
//! into one trip. One mutex guards everything. It is held for copies and for calls that the kernel
//! answers from memory (`lseek`, a read that must not wait), and never while a thread waits for a
//! disk or for another process. `state.rs` has the rules and the invariants.
//!
//! # Rejected
//!
//! * *Draining only when the buffer is full* (async-std): a log line stayed in memory until the
//!   next one came. Here the first byte starts the drain, and bytes that arrive while it runs are
//!   its next batch. Under load batches grow by themselves, and a single line is written at once.
//! * *Blocking on a future in drop* (async-std): the drop waited for the pool, and if all threads
//!   of the pool wait for the dropping thread, it never returns. Here a dropped handle writes by
//!   itself or waits for a thread that is inside `write(2)`, so only the kernel can delay it.
//! * *A queue of jobs per file*: order would be free, but errors would surface several calls later.
//! * *One `write(2)` for each write of any file*: this is what std does, and simpler, because the
//!   kind of a file would not matter. But 100,000 lines of 100 bytes then take 43 ms on ext4
//!   instead of 8.
//! * *Many concurrent writes to a pipe or device, each with its own `write(2)`*: the first may be
//!   refused after others have been accepted, and there is no good way to treat those.

use std::fs;
use std::io::{self, IoSlice, Read, SeekFrom, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};

use reveille_runtime::task::report_panic;
use reveille_runtime::waits::{self, WaitFor};
use reveille_runtime::{budget, spawn_plain};

use super::direct;
use super::state::{Direction, FileInfo, Phase, State, Step, Work};
use super::waiters::wake_all;
use crate::os::file::{self as system, Flags, Kind};

/// A write of up to this many bytes to a pipe with room does not block (POSIX `PIPE_BUF`, its least
/// value on the supported systems).
const PIPE_BUF: usize = 4096;
/// A poll that copies more takes another unit of budget for each of these blocks, in bytes: 128 KiB
/// are some 20 µs.
const BYTES_PER_UNIT: usize = 128 << 10;

/// An open file and its state, shared by all clones of a handle and by the jobs.
#[derive(Debug)]
pub(super) struct Shared {
    file: fs::File,
    flags: Flags,
    state: Mutex<State>,
    /// Notified whenever waiters are woken, for a handle that is being dropped.
    moved: Condvar,
    kind: OnceLock<Kind>,
}

impl Shared {
    pub(super) fn new(file: fs::File, flags: Flags, kind: Option<Kind>) -> Arc<Shared> {
        // With `O_DIRECT` every read waits for the disk, even one that must not wait.
        let has_inline = system::HAS_INLINE_READ && !flags.is_direct;
        Arc::new(Shared {
            file,
            flags,
            state: Mutex::new(State::new(has_inline, kind.is_some())),
            moved: Condvar::new(),
            kind: kind.map_or_else(OnceLock::new, OnceLock::from),
        })
    }

    /// The open file. Its cursor is where the buffers need it: see invariant 3 of `state.rs`.
    pub(super) fn file(&self) -> &fs::File {
        &self.file
    }

    /// Returns the open file, or a duplicate if another handle still holds this.
    pub(super) fn into_file(self: Arc<Self>) -> io::Result<fs::File> {
        match Arc::try_unwrap(self) {
            Ok(shared) => Ok(shared.file),
            Err(shared) => shared.file.try_clone(),
        }
    }

    /// Reads into `buf`.
    pub(super) fn poll_read(
        self: &Arc<Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let result = self.poll_with(cx, Direction::Read, |state, info| state.read(info, buf));
        if let Poll::Ready(Ok(count)) = result {
            budget::charge(count / BYTES_PER_UNIT);
        }
        result
    }

    /// Copies `bufs` into the write buffer as one write.
    pub(super) fn poll_write(
        self: &Arc<Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = self.poll_with(cx, Direction::Write, |state, info| state.write(info, bufs));
        if let Poll::Ready(Ok(count)) = result {
            budget::charge(count / BYTES_PER_UNIT);
        }
        result
    }

    /// Waits until every byte accepted so far is in the file.
    pub(super) fn poll_flush(self: &Arc<Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_with(cx, Direction::Write, |state, _| state.flush())
    }

    /// Moves the cursor.
    pub(super) fn poll_seek(
        self: &Arc<Self>,
        cx: &mut Context<'_>,
        to: SeekFrom,
    ) -> Poll<io::Result<u64>> {
        self.poll_with(cx, Direction::Write, |state, info| state.seek(info, to))
    }

    /// Moves the cursor of the open file to the logical position: everything is written and nothing
    /// is read ahead.
    pub(super) fn poll_settle(self: &Arc<Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_with(cx, Direction::Write, State::settle)
    }

    /// Runs `step` under the lock. If it has to wait, registers a waker and starts the job that it
    /// asks for.
    fn poll_with<T>(
        self: &Arc<Self>,
        cx: &mut Context<'_>,
        list: Direction,
        mut step: impl FnMut(&mut State, &FileInfo<'_>) -> Step<T>,
    ) -> Poll<T> {
        if budget::poll_proceed(cx).is_pending() {
            return Poll::Pending;
        }
        let (mut waker, mut clone) = (None, None);
        // At most two rounds: the second has a waker, cloned without the lock (invariant 5).
        loop {
            let mut state = self.lock();
            let work = match step(&mut state, &self.info()) {
                Step::Done(value) => return Poll::Ready(value),
                Step::DoneAndDrain(value) => {
                    state.writing = Phase::Queued(Work::Drain);
                    drop(state);
                    self.submit(Direction::Write);
                    return Poll::Ready(value);
                }
                Step::Wait => None,
                Step::Submit(work) => Some(work),
            };
            if waker.is_none() {
                let wants_sample = state.waiters(list).wants_sample();
                drop(state);
                waker = Some(cx.waker().clone());
                clone = wants_sample.then(|| cx.waker().clone());
                continue;
            }
            let asked = state.waiters(list).enter(&mut waker, &mut clone);
            if let Some(work) = work {
                *state.phase(work.direction()) = Phase::Queued(work);
            }
            drop(state);
            wake_all(asked);
            if let Some(work) = work {
                self.submit(work.direction());
            }
            waits::note(cx.waker(), || WaitFor::Named("an operation of a file"));
            return Poll::Pending;
        }
    }

    fn info(&self) -> FileInfo<'_> {
        FileInfo { file: &self.file, flags: self.flags, kind: self.kind.get().copied() }
    }

    /// Determines the kind of the file, once. It may take long, so only jobs and drops call this.
    fn kind(&self) -> Kind {
        *self.kind.get_or_init(|| Kind::of(&self.file))
    }

    /// Submits a job that does what is queued in `direction`. Call it without the lock: a pool that
    /// is shutting down drops the job at once, and that drop takes the lock.
    fn submit(self: &Arc<Self>, direction: Direction) {
        let job = Job { shared: self.clone(), direction, has_run: false };
        drop(spawn_plain(move || job.run()));
    }

    /// Does what is queued, if it is still queued (invariant 4).
    fn work(&self, direction: Direction) {
        let kind = self.kind();
        let mut state = self.lock();
        if kind.is_stream && !state.is_kind_told {
            // The other direction is now known to be independent and need not wait.
            let wakers = state.take_waiters(direction, Some(kind));
            drop(state);
            // A waker that panics must not end this job: its work is still to be done.
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| wake_all(wakers))) {
                report_panic(payload);
            }
            state = self.lock();
        }
        let Phase::Queued(work) = *state.phase(direction) else { return };
        *state.phase(direction) = Phase::Running(work);
        match work {
            Work::Fill { len } => self.fill(state, len),
            Work::Prefetch { len } => self.prefetch(state, len),
            Work::Drain => self.drain(state),
        }
    }

    /// Reads up to `asked` bytes into the window. Called in `Running(Fill)`; ends in `Idle`.
    fn fill(&self, mut state: MutexGuard<'_, State>, asked: usize) {
        let mut bytes = std::mem::take(&mut state.window.bytes);
        let ahead = state.window.ahead;
        drop(state);
        let running = Running { shared: self, direction: Direction::Read };
        // Reading ahead from a pipe or a terminal would take data that other readers expect.
        let is_direct = self.flags.is_direct && !self.kind().is_stream;
        let reads_ahead = self.kind().is_ordinary && !is_direct;
        let len = if reads_ahead { asked.max(ahead) } else { asked };
        let result = if is_direct {
            direct::read(&self.file, len).map(|(read, count)| {
                bytes = read;
                count
            })
        } else {
            if bytes.len() < len {
                // Not `resize`, which sets byte by byte in a build without optimization.
                bytes = vec![0; len];
            }
            retry(|| (&self.file).read(&mut bytes[..len]))
        };
        let mut state = self.lock();
        state.window.filled(bytes, (asked, len), result);
        running.finish(state);
    }

    /// Brings `len` bytes into the page cache. Called in `Running(Prefetch)`; ends in `Idle`.
    fn prefetch(&self, state: MutexGuard<'_, State>, len: usize) {
        let has_inline = state.window.has_inline;
        drop(state);
        let running = Running { shared: self, direction: Direction::Read };
        // Otherwise the job only had to determine the kind of the file.
        if has_inline && !self.kind().is_stream {
            system::prefetch(&self.file, len);
        }
        let mut state = self.lock();
        state.window.is_prefetched = true;
        running.finish(state);
    }

    /// Writes until nothing is left or an error occurs. Called in `Running(Drain)`; ends in `Idle`.
    fn drain<'a>(&'a self, mut state: MutexGuard<'a, State>) {
        let running = Running { shared: self, direction: Direction::Write };
        // Bounded by what programs write meanwhile: each round writes at least one byte or is the
        // last.
        loop {
            let batch = state.backlog.next_batch();
            drop(state);
            let (written, result) = self.write_batch(&batch);
            state = self.lock();
            state.backlog.wrote(batch, written, result);
            if state.backlog.is_over() {
                // Under the same lock: a write in between would see `Running`, start no job, and
                // its bytes would stay in the buffer.
                return running.finish(state);
            }
            let wakers = state.take_waiters(Direction::Write, Some(self.kind()));
            self.moved.notify_all();
            drop(state);
            wake_all(wakers);
            state = self.lock();
        }
    }

    fn write_batch(&self, batch: &[u8]) -> (usize, io::Result<()>) {
        if self.flags.is_direct && !self.kind().is_stream {
            direct::write(&self.file, batch)
        } else {
            write_fully(&self.file, batch)
        }
    }

    /// Writes the bytes of this handle to the file before the handle is dropped.
    ///
    /// The thread writes by itself. If another thread is writing, it waits for that one system
    /// call. It never waits for the pool. Pipes and terminals may block forever, so what they do
    /// not accept at once is left to the pool.
    pub(super) fn flush_blocking(self: &Arc<Self>) {
        if !self.lock().backlog.is_dirty() {
            return;
        }
        let is_stream = self.kind().is_stream;
        let mut state = self.lock();
        let target = state.backlog.accepted;
        let mut may_try = true;
        // Each round either waits for a batch of another thread or is the one attempt of this
        // thread.
        while state.backlog.written < target {
            match state.writing {
                Phase::Running(_) if is_stream => return,
                Phase::Running(_) => {
                    state = self.moved.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
                Phase::Idle | Phase::Queued(_) if !may_try => return,
                phase @ (Phase::Idle | Phase::Queued(_)) => {
                    may_try = false;
                    if self.may_wait(&state) {
                        state.writing = Phase::Queued(Work::Drain);
                        drop(state);
                        if phase == Phase::Idle {
                            self.submit(Direction::Write);
                        }
                        return;
                    }
                    state.writing = Phase::Running(Work::Drain);
                    self.drain(state);
                    state = self.lock();
                }
            }
        }
    }

    /// Moves the cursor of the open file back to what the program has read. Called by the last
    /// handle.
    pub(super) fn give_back(&self) {
        let mut state = self.lock();
        let is_running = |phase| matches!(phase, Phase::Running(_));
        if !is_running(state.reading) && !is_running(state.writing) {
            state.window.give_back(&self.file);
        }
    }

    /// Whether writing the backlog might wait for another process.
    fn may_wait(&self, state: &State) -> bool {
        self.kind().is_stream
            && !(state.backlog.filling.len() <= PIPE_BUF && system::takes_bytes_now(&self.file))
    }

    /// Releases the waiters of a job that was never run because its runtime has shut down.
    fn abandon(&self, direction: Direction) {
        let mut state = self.lock();
        if !matches!(state.phase(direction), Phase::Queued(_)) {
            return;
        }
        *state.phase(direction) = Phase::Idle;
        let error = io::Error::other("the runtime shut down before the file operation ran");
        match direction {
            Direction::Read => state.window.error = Some(error),
            Direction::Write => {
                state.backlog.error = Some(error);
                state.backlog.is_flushing = false;
            }
        }
        let wakers = state.take_waiters(direction, None);
        self.moved.notify_all();
        drop(state);
        wake_all(wakers);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic runs under the lock, and every step leaves the state consistent.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A job for the pool.
struct Job {
    shared: Arc<Shared>,
    direction: Direction,
    has_run: bool,
}

impl Job {
    fn run(mut self) {
        self.has_run = true;
        self.shared.work(self.direction);
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        if !self.has_run {
            self.shared.abandon(self.direction);
        }
    }
}

/// Ends `Running`, also when a waker panics.
struct Running<'a> {
    shared: &'a Shared,
    direction: Direction,
}

impl Running<'_> {
    fn finish(self, mut state: MutexGuard<'_, State>) {
        let wakers = self.leave(&mut state);
        drop(state);
        std::mem::forget(self);
        wake_all(wakers);
    }

    fn leave(&self, state: &mut State) -> Vec<Waker> {
        *state.phase(self.direction) = Phase::Idle;
        self.shared.moved.notify_all();
        state.take_waiters(self.direction, Some(self.shared.kind()))
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        let wakers = self.leave(&mut state);
        drop(state);
        wake_all(wakers);
    }
}

/// Calls `op` until it is not interrupted by a signal.
pub(super) fn retry<T>(mut op: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    // Only a storm of signals could make this loop long.
    loop {
        match op() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Writes all of `bytes`. On failure, also returns the number of bytes written.
pub(super) fn write_fully(mut file: &fs::File, bytes: &[u8]) -> (usize, io::Result<()>) {
    let mut written = 0;
    while written < bytes.len() {
        match retry(|| file.write(&bytes[written..])) {
            Ok(0) => return (written, Err(io::ErrorKind::WriteZero.into())),
            Ok(count) => written += count,
            Err(error) => return (written, Err(error)),
        }
    }
    (written, Ok(()))
}
