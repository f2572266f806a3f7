//! What the handles of one open file share: the caches, and the jobs that move them.
//!
//! # Purpose
//!
//! The kernel has no readiness for files, so the blocking pool reads and writes them. A trip to the
//! pool costs tens of microseconds, a `write` of a line one: the caches make one trip carry many
//! calls. Everything stands behind one mutex that is held for copies and for calls that the kernel
//! answers from memory (`lseek`, a read that is told not to wait), never while a thread waits for a
//! disk or for somebody else. `state.rs` has the rules and the invariants.
//!
//! # Rejected
//!
//! * *Draining only when the buffer is full* (async-std): a log line stayed in memory until the
//!   next one came. Here the first byte starts the drain, and what arrives while it runs is its
//!   next batch: under load batches grow by themselves, and a lone line lands at once.
//! * *Blocking in drop on a future* (async-std): it waited for the pool, and a pool full of
//!   threads that wait for the dropping one never answers. A dropped handle writes by itself or
//!   waits for a thread that is inside `write(2)`, so only the kernel can delay it.
//! * *A queue of jobs per file*: order would be free, but errors would surface calls later.
//! * *One `write(2)` for each write of any file*: what std does, and simpler, since no file would
//!   have to be asked for its kind. On ext4 100,000 lines of 100 bytes
//!   then take 43 ms instead of 8.
//! * *Many writes under way to a pipe or device, each with its own `write(2)`*: the first may be
//!   refused when others have been accepted already, and what becomes of these has no good answer.

use std::fs;
use std::io::{self, IoSlice, Read, SeekFrom, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};

use reveille_runtime::{budget, spawn_plain};

use super::direct;
use super::state::{Facts, Lane, Phase, State, Step, Work};
use super::waiters::wake_all;
use crate::os::file::{self as system, Flags, Kind};

/// A write to a pipe with room takes this many bytes without waiting (POSIX `PIPE_BUF`, its least
/// value on the systems that matter).
const PIPE_BUF: usize = 4096;
/// A poll that copies more than this, in bytes, takes another unit of the budget for each: 128 KiB
/// are some 20 µs.
const BYTES_PER_UNIT: usize = 128 << 10;

/// An open file and its state, shared by all clones of a handle and by the jobs.
#[derive(Debug)]
pub(super) struct Shared {
    file: fs::File,
    flags: Flags,
    state: Mutex<State>,
    /// Signalled with every wake of the waiters, for a handle that is being dropped.
    moved: Condvar,
    kind: OnceLock<Kind>,
}

impl Shared {
    pub(super) fn new(file: fs::File, kind: Option<Kind>) -> Arc<Shared> {
        let flags = system::flags(&file);
        // Past the page cache every read waits for the disk, whatever it is told.
        let has_inline = system::HAS_INLINE_READ && !flags.is_direct;
        Arc::new(Shared {
            file,
            flags,
            state: Mutex::new(State::new(has_inline, kind.is_some())),
            moved: Condvar::new(),
            kind: kind.map_or_else(OnceLock::new, OnceLock::from),
        })
    }

    /// The open file. Its cursor is where the caches want it: see invariant 3 of `state.rs`.
    pub(super) fn file(&self) -> &fs::File {
        &self.file
    }

    /// Takes the open file out, or a duplicate while another handle still holds this.
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
        let result = self.poll_with(cx, Lane::Read, |state, facts| state.read(facts, buf));
        if let Poll::Ready(Ok(count)) = result {
            budget::charge(count / BYTES_PER_UNIT);
        }
        result
    }

    /// Takes the bytes of `bufs` into the write buffer, as one write.
    pub(super) fn poll_write(
        self: &Arc<Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = self.poll_with(cx, Lane::Write, |state, facts| state.write(facts, bufs));
        if let Poll::Ready(Ok(count)) = result {
            budget::charge(count / BYTES_PER_UNIT);
        }
        result
    }

    /// Waits until every byte accepted so far is in the file.
    pub(super) fn poll_flush(self: &Arc<Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_with(cx, Lane::Write, |state, _| state.flush())
    }

    /// Moves the cursor.
    pub(super) fn poll_seek(
        self: &Arc<Self>,
        cx: &mut Context<'_>,
        to: SeekFrom,
    ) -> Poll<io::Result<u64>> {
        self.poll_with(cx, Lane::Write, |state, facts| state.seek(facts, to))
    }

    /// Makes the cursor of the open file the logical one: everything written, nothing read ahead.
    pub(super) fn poll_settle(self: &Arc<Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_with(cx, Lane::Write, State::settle)
    }

    /// Runs `step` under the lock; when it has to wait, leaves a waker and does what it asks for.
    fn poll_with<T>(
        self: &Arc<Self>,
        cx: &mut Context<'_>,
        list: Lane,
        mut step: impl FnMut(&mut State, &Facts<'_>) -> Step<T>,
    ) -> Poll<T> {
        if budget::poll_proceed(cx).is_pending() {
            return Poll::Pending;
        }
        let (mut waker, mut clone) = (None, None);
        // At most two rounds: the second has a waker, cloned without the lock (invariant 5).
        loop {
            let mut state = self.lock();
            let work = match step(&mut state, &self.facts()) {
                Step::Done(value) => return Poll::Ready(value),
                Step::DoneAndDrain(value) => {
                    state.writing = Phase::Queued(Work::Drain);
                    drop(state);
                    self.submit(Lane::Write);
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
                *state.phase(work.lane()) = Phase::Queued(work);
            }
            drop(state);
            wake_all(asked);
            if let Some(work) = work {
                self.submit(work.lane());
            }
            return Poll::Pending;
        }
    }

    fn facts(&self) -> Facts<'_> {
        Facts { file: &self.file, flags: self.flags, kind: self.kind.get().copied() }
    }

    /// Asks the system what the file is, once. It may take long, so this is for jobs and drops.
    fn kind(&self) -> Kind {
        *self.kind.get_or_init(|| Kind::of(&self.file))
    }

    /// Gives the pool a job that does whatever is queued in `lane`. Without the lock: a pool that
    /// is shutting down drops the job at once, and dropping it takes the lock.
    fn submit(self: &Arc<Self>, lane: Lane) {
        let job = Job { shared: self.clone(), lane, has_run: false };
        drop(spawn_plain(move || job.run()));
    }

    /// Does what is queued, if it still is (invariant 4).
    fn work(&self, lane: Lane) {
        let kind = self.kind();
        let mut state = self.lock();
        if kind.is_stream && !state.is_kind_told {
            // The other direction need not wait for this one, as it may do now.
            let wakers = state.take_waiters(lane, Some(kind));
            drop(state);
            wake_all(wakers);
            state = self.lock();
        }
        let Phase::Queued(work) = *state.phase(lane) else { return };
        *state.phase(lane) = Phase::Running(work);
        match work {
            Work::Fill { len } => self.fill(state, len),
            Work::Prefetch { len } => self.prefetch(state, len),
            Work::Drain => self.drain(state),
        }
    }

    /// Reads up to `asked` bytes into the window. Called in `Running(Fill)`, leaves in `Idle`.
    fn fill(&self, mut state: MutexGuard<'_, State>, asked: usize) {
        let mut bytes = std::mem::take(&mut state.window.bytes);
        let ahead = state.window.ahead;
        drop(state);
        let running = Running { shared: self, lane: Lane::Read };
        // Reading ahead from a pipe or a terminal would take what others may want to read.
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

    /// Brings `len` bytes into the page cache. Called in `Running(Prefetch)`, leaves in `Idle`.
    fn prefetch(&self, state: MutexGuard<'_, State>, len: usize) {
        let has_inline = state.window.has_inline;
        drop(state);
        let running = Running { shared: self, lane: Lane::Read };
        // Else the job was only to find out what kind of file this is.
        if has_inline && !self.kind().is_stream {
            system::prefetch(&self.file, len);
        }
        let mut state = self.lock();
        state.window.is_prefetched = true;
        running.finish(state);
    }

    /// Writes until nothing is left or an error stops it. Called in `Running(Drain)`, leaves in
    /// `Idle`.
    fn drain<'a>(&'a self, mut state: MutexGuard<'a, State>) {
        let running = Running { shared: self, lane: Lane::Write };
        // Bounded by what programs write meanwhile; each round lands at least one byte or ends it.
        loop {
            let batch = state.backlog.next_batch();
            drop(state);
            let (written, result) = self.write_batch(&batch);
            state = self.lock();
            state.backlog.wrote(batch, written, result);
            if state.backlog.is_over() {
                // Under the same lock: a write that came between would find `Running` and leave
                // its bytes to nobody.
                return running.finish(state);
            }
            let wakers = state.take_waiters(Lane::Write, Some(self.kind()));
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

    /// Brings what this handle wrote into the file, before it goes.
    ///
    /// The thread writes by itself; if another is writing, it waits for that one system call. It
    /// never waits for the pool. Pipes and terminals may take for ever, so beyond what
    /// they take at once their bytes are left to the pool.
    pub(super) fn flush_blocking(self: &Arc<Self>) {
        if !self.lock().backlog.is_dirty() {
            return;
        }
        let is_stream = self.kind().is_stream;
        let mut state = self.lock();
        let target = state.backlog.accepted;
        let mut may_try = true;
        // Each round either waits for a batch of another thread or is the one try of this one.
        while state.backlog.landed < target {
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
                            self.submit(Lane::Write);
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

    /// Puts the cursor of the open file back to what the program has read. For the last handle.
    pub(super) fn give_back(&self) {
        let mut state = self.lock();
        let is_running = |phase| matches!(phase, Phase::Running(_));
        if !is_running(state.reading) && !is_running(state.writing) {
            state.window.give_back(&self.file);
        }
    }

    /// Whether writing the backlog could wait for somebody else.
    fn may_wait(&self, state: &State) -> bool {
        self.kind().is_stream
            && !(state.backlog.filling.len() <= PIPE_BUF && system::takes_bytes_now(&self.file))
    }

    /// Frees the waiters of a job that never ran, because its runtime is gone.
    fn abandon(&self, lane: Lane) {
        let mut state = self.lock();
        if !matches!(state.phase(lane), Phase::Queued(_)) {
            return;
        }
        *state.phase(lane) = Phase::Idle;
        let error = io::Error::other("the runtime shut down before the file operation ran");
        match lane {
            Lane::Read => state.window.error = Some(error),
            Lane::Write => {
                state.backlog.error = Some(error);
                state.backlog.is_flushing = false;
            }
        }
        let wakers = state.take_waiters(lane, None);
        self.moved.notify_all();
        drop(state);
        wake_all(wakers);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic runs under the lock, and no step leaves the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the pool is given.
struct Job {
    shared: Arc<Shared>,
    lane: Lane,
    has_run: bool,
}

impl Job {
    fn run(mut self) {
        self.has_run = true;
        self.shared.work(self.lane);
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        if !self.has_run {
            self.shared.abandon(self.lane);
        }
    }
}

/// Leaves `Running`, also when a waker panics.
struct Running<'a> {
    shared: &'a Shared,
    lane: Lane,
}

impl Running<'_> {
    fn finish(self, mut state: MutexGuard<'_, State>) {
        let wakers = self.leave(&mut state);
        drop(state);
        std::mem::forget(self);
        wake_all(wakers);
    }

    fn leave(&self, state: &mut State) -> Vec<Waker> {
        *state.phase(self.lane) = Phase::Idle;
        self.shared.moved.notify_all();
        state.take_waiters(self.lane, Some(self.shared.kind()))
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

/// Calls `op` until no signal interrupts it.
pub(super) fn retry<T>(mut op: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    // A signal storm is the only thing that could make this long.
    loop {
        match op() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Writes all of `bytes`; also says how many were written when it fails.
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
