//! What the handles of one open file share: the caches, and the one job at a time that moves them.
//!
//! # Purpose
//!
//! The kernel has no readiness for files, so the blocking pool reads and writes them. A trip to the
//! pool costs tens of microseconds, a `write` of a line one: the caches make one trip carry many
//! calls. Everything stands behind one mutex that is held for copies and for calls that the kernel
//! answers at once (`lseek`, a read that is told not to wait), never while a thread may block.
//!
//! # Phases
//!
//! | phase | meaning | who may leave it |
//! |---|---|---|
//! | `Idle` | nothing under way | whoever holds the lock and has work |
//! | `Queued(work)` | a job for `work` waits in the pool | the job; a dropped handle, by doing it |
//! | `Running(work)` | one thread is in the system call, without the lock | that thread |
//!
//! ```text
//! poll_write ─► filling ──swap──► batch ──write(2)──► file      two buffers: one fills, one drains
//! poll_read  ◄─ window of `bytes` ◄──read(2)── file             further ahead in sequence
//! ```
//!
//! # Invariants
//!
//! 1. Only the thread that set `Running` touches the cursor of the file until it sets `Idle`; in
//!    `Idle` and `Queued` only the holder of the lock does.
//! 2. `accepted - landed` bytes are in `filling` or in the batch that a `Running(Drain)` holds.
//! 3. Unless the file cannot seek, `filling` is empty or the window is: a write gives the window
//!    back (`lseek`) first, a read drains first. So the logical cursor is known at any time.
//! 4. The work is described by the state, not by the job. A job that finds no `Queued` has nothing
//!    to do, so a thread may take the work of a job that the pool has not started yet.
//! 5. Wakers are cloned, called and dropped without the lock.
//! 6. Whoever waits has its waker in `waiters`, and every change from `Running`, and every batch
//!    that landed, wakes all of them. A waiter that gave up costs one wake for nothing.
//!
//! # Rejected
//!
//! * *Draining only when the buffer is full* (the predecessor): a log line stayed in memory until
//!   the next one came. Here the first byte starts the drain, and what arrives while it runs is its
//!   next batch: under load batches grow by themselves, and a lone line lands at once.
//! * *Blocking in drop on a future* (the predecessor): it waited for the pool, and a pool full of
//!   threads that wait for the dropping one never answers. A dropped handle writes by itself or
//!   waits for a thread that is inside `write(2)`, so only the kernel can delay it.
//! * *A queue of jobs per file*: order would be free, but errors would surface calls later.

use std::io::{self, Read, SeekFrom, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};
use std::{fs, mem};

use reveille_runtime::{budget, spawn_plain};

use super::buffers::{Backlog, Window};
use crate::os::file::{self as system, Attempt};

/// The most that a poll copies from the page cache by itself. Longer reads go to the pool.
const INLINE_MAX: usize = 128 << 10;
/// A write to a pipe with room takes this many bytes without waiting (POSIX `PIPE_BUF`, its least
/// value on the systems that matter).
const PIPE_BUF: usize = 4096;

/// What a job does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    /// Read up to `len` bytes into the window.
    Fill { len: usize },
    /// Write everything that was accepted.
    Drain,
}

/// Where the one job of the file stands; see the table above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Idle,
    Queued(Work),
    Running(Work),
}

/// What a step under the lock found.
enum Step<T> {
    /// The call is over.
    Done(T),
    /// The call is over, and there is something to drain.
    DoneAndDrain(T),
    /// A job is under way; ask again after it.
    Wait,
    /// This has to be done first.
    Submit(Work),
}

#[derive(Debug)]
struct State {
    phase: Phase,
    window: Window,
    backlog: Backlog,
    waiters: Vec<Waker>,
}

/// An open file and its state, shared by all clones of a handle and by the job.
#[derive(Debug)]
pub(super) struct Shared {
    file: fs::File,
    state: Mutex<State>,
    /// Signalled with every wake of the waiters, for a handle that is being dropped.
    moved: Condvar,
    /// Whether a read or write may wait for somebody else: pipes, terminals.
    has_peer: OnceLock<bool>,
}

impl Shared {
    pub(super) fn new(file: fs::File) -> Arc<Shared> {
        let (window, backlog) = (Window::new(), Backlog::new());
        Arc::new(Shared {
            file,
            state: Mutex::new(State { phase: Phase::Idle, window, backlog, waiters: Vec::new() }),
            moved: Condvar::new(),
            has_peer: OnceLock::new(),
        })
    }

    /// The open file. Its cursor is where the caches want it: see invariant 3.
    pub(super) fn file(&self) -> &fs::File {
        &self.file
    }

    /// Takes the open file out, or a duplicate while somebody else still holds this.
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
        self.poll_with(cx, |state| state.read(&self.file, buf))
    }

    /// Takes bytes from `buf` into the write buffer.
    pub(super) fn poll_write(
        self: &Arc<Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_with(cx, |state| state.write(&self.file, buf))
    }

    /// Waits until every byte accepted so far is in the file.
    pub(super) fn poll_flush(self: &Arc<Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_with(cx, State::flush)
    }

    /// Moves the cursor.
    pub(super) fn poll_seek(
        self: &Arc<Self>,
        cx: &mut Context<'_>,
        to: SeekFrom,
    ) -> Poll<io::Result<u64>> {
        self.poll_with(cx, |state| state.seek(&self.file, to))
    }

    /// Makes the cursor of the open file the logical one: everything written, nothing read ahead.
    pub(super) fn poll_settle(self: &Arc<Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_with(cx, |state| {
            let step = state.flush();
            if matches!(step, Step::Done(Ok(()))) {
                if state.phase != Phase::Idle {
                    return Step::Wait;
                }
                state.window.give_back(&self.file);
            }
            step
        })
    }

    /// Runs `step` under the lock; when it has to wait, leaves a waker and does what it asks for.
    fn poll_with<T>(
        self: &Arc<Self>,
        cx: &mut Context<'_>,
        mut step: impl FnMut(&mut State) -> Step<T>,
    ) -> Poll<T> {
        if budget::poll_proceed(cx).is_pending() {
            return Poll::Pending;
        }
        let mut waker = None;
        // At most two rounds: the second has a waker, cloned without the lock (invariant 5).
        loop {
            let mut state = self.lock();
            let work = match step(&mut state) {
                Step::Done(value) => return Poll::Ready(value),
                Step::DoneAndDrain(value) => {
                    state.phase = Phase::Queued(Work::Drain);
                    drop(state);
                    self.submit();
                    return Poll::Ready(value);
                }
                Step::Wait => None,
                Step::Submit(work) => Some(work),
            };
            if waker.is_none() {
                drop(state);
                waker = Some(cx.waker().clone());
                continue;
            }
            if !state.waiters.iter().any(|other| other.will_wake(cx.waker())) {
                state.waiters.extend(waker.take());
            }
            if let Some(work) = work {
                state.phase = Phase::Queued(work);
                drop(state);
                self.submit();
            }
            return Poll::Pending;
        }
    }

    /// Gives the pool a job that does whatever is queued. Without the lock: a pool that is shutting
    /// down drops the job at once, and dropping it takes the lock.
    fn submit(self: &Arc<Self>) {
        let job = Job { shared: self.clone(), has_run: false };
        drop(spawn_plain(move || job.run()));
    }

    /// Does what is queued, if it still is (invariant 4).
    fn work(&self) {
        let mut state = self.lock();
        let Phase::Queued(work) = state.phase else { return };
        state.phase = Phase::Running(work);
        match work {
            Work::Fill { len } => self.fill(state, len),
            Work::Drain => self.drain(state),
        }
    }

    /// Reads up to `len` bytes into the window. Called in `Running(Fill)`, leaves in `Idle`.
    fn fill(&self, mut state: MutexGuard<'_, State>, asked: usize) {
        let mut bytes = mem::take(&mut state.window.bytes);
        let ahead = state.window.ahead;
        drop(state);
        let running = Running(self);
        // Reading ahead from a pipe or a terminal would take what others may want to read.
        let len = if self.has_peer() { asked } else { asked.max(ahead) };
        if bytes.len() < len {
            bytes.resize(len, 0);
        }
        let result = retry(|| (&self.file).read(&mut bytes[..len]));
        let mut state = self.lock();
        state.window.filled(bytes, asked, result);
        running.finish(state);
    }

    /// Writes until nothing is left or an error stops it. Called in `Running(Drain)`, leaves in
    /// `Idle`.
    fn drain<'a>(&'a self, mut state: MutexGuard<'a, State>) {
        let running = Running(self);
        // Bounded by what programs write meanwhile; each round lands at least one byte or ends it.
        loop {
            let backlog = &mut state.backlog;
            let batch = mem::replace(&mut backlog.filling, mem::take(&mut backlog.spare));
            drop(state);
            let (written, result) = write_fully(&self.file, &batch);
            state = self.lock();
            state.backlog.wrote(batch, written, result);
            if state.backlog.is_over() {
                // Under the same lock: a write that came between would find `Running` and leave
                // its bytes to nobody.
                return running.finish(state);
            }
            let wakers = mem::take(&mut state.waiters);
            self.moved.notify_all();
            drop(state);
            wake_all(wakers);
            state = self.lock();
        }
    }

    /// Brings what this handle wrote into the file, before it goes.
    ///
    /// The thread writes by itself; if another is writing, it waits for that one system call. It
    /// never waits for the pool. Pipes and terminals may take for ever, so beyond what
    /// they take at once their bytes are left to the pool.
    pub(super) fn flush_blocking(self: &Arc<Self>) {
        let mut state = self.lock();
        let target = state.backlog.accepted;
        let mut may_try = true;
        // Each round either waits for a batch of another thread or is the one try of this one.
        while state.backlog.landed < target {
            match state.phase {
                Phase::Running(_) if self.has_peer() => return,
                Phase::Running(_) => {
                    state = self.moved.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
                Phase::Idle | Phase::Queued(_) if !may_try => return,
                phase @ (Phase::Idle | Phase::Queued(_)) => {
                    may_try = false;
                    if self.may_wait(&state) {
                        state.phase = Phase::Queued(Work::Drain);
                        drop(state);
                        if phase == Phase::Idle {
                            self.submit();
                        }
                        return;
                    }
                    state.phase = Phase::Running(Work::Drain);
                    self.drain(state);
                    state = self.lock();
                }
            }
        }
    }

    /// Puts the cursor of the open file back to what the program has read. For the last handle.
    pub(super) fn give_back(&self) {
        let mut state = self.lock();
        if !matches!(state.phase, Phase::Running(_)) {
            state.window.give_back(&self.file);
        }
    }

    /// Whether writing the backlog could wait for somebody else.
    fn may_wait(&self, state: &State) -> bool {
        self.has_peer()
            && !(state.backlog.filling.len() <= PIPE_BUF && system::takes_bytes_now(&self.file))
    }

    fn has_peer(&self) -> bool {
        *self.has_peer.get_or_init(|| self.file.metadata().is_ok_and(|m| system::has_peer(&m)))
    }

    /// Frees the waiters of a job that never ran, because its runtime is gone.
    fn abandon(&self) {
        let mut state = self.lock();
        let Phase::Queued(work) = state.phase else { return };
        state.phase = Phase::Idle;
        let error = io::Error::other("the runtime shut down before the file operation ran");
        match work {
            Work::Fill { .. } => state.window.error = Some(error),
            Work::Drain => state.backlog.error = Some(error),
        }
        state.backlog.is_flushing = false;
        let wakers = mem::take(&mut state.waiters);
        self.moved.notify_all();
        drop(state);
        wake_all(wakers);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic runs under the lock, and no step leaves the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn read(&mut self, file: &fs::File, buf: &mut [u8]) -> Step<io::Result<usize>> {
        if let Some(error) = self.window.error.take() {
            return Step::Done(Err(error));
        }
        if let Some(count) = self.window.take(buf) {
            return Step::Done(Ok(count));
        }
        if self.phase != Phase::Idle {
            return Step::Wait;
        }
        if self.backlog.is_dirty() {
            return match self.backlog.error.take() {
                Some(error) => Step::Done(Err(error)),
                None => Step::Submit(Work::Drain),
            };
        }
        if self.window.has_inline && buf.len() <= INLINE_MAX {
            match system::read_inline(file, buf) {
                Attempt::Done(count) => return Step::Done(Ok(count)),
                Attempt::WouldWait => {}
                Attempt::Unsupported => self.window.has_inline = false,
            }
        }
        // As long as the buffer: programs count on a file to fill it.
        Step::Submit(Work::Fill { len: buf.len() })
    }

    fn write(&mut self, file: &fs::File, buf: &[u8]) -> Step<io::Result<usize>> {
        if let Some(error) = self.backlog.error.take() {
            return Step::Done(Err(error));
        }
        match self.phase {
            Phase::Queued(Work::Fill { .. }) | Phase::Running(Work::Fill { .. }) => {
                return Step::Wait;
            }
            Phase::Queued(Work::Drain) | Phase::Running(Work::Drain) => {
                if self.backlog.is_flushing {
                    return Step::Wait;
                }
            }
            Phase::Idle => self.window.give_back(file),
        }
        let count = self.backlog.accept(buf);
        match (count, self.phase) {
            (0, _) if buf.is_empty() => Step::Done(Ok(0)),
            (0, Phase::Idle) => Step::Submit(Work::Drain),
            (0, _) => Step::Wait,
            (_, Phase::Idle) => Step::DoneAndDrain(Ok(count)),
            (..) => Step::Done(Ok(count)),
        }
    }

    fn flush(&mut self) -> Step<io::Result<()>> {
        if let Some(error) = self.backlog.error.take() {
            return Step::Done(Err(error));
        }
        if !self.backlog.is_dirty() {
            self.backlog.forget();
            return Step::Done(Ok(()));
        }
        self.backlog.is_flushing = true;
        match self.phase {
            Phase::Idle => Step::Submit(Work::Drain),
            _ => Step::Wait,
        }
    }

    fn seek(&mut self, file: &fs::File, to: SeekFrom) -> Step<io::Result<u64>> {
        match self.flush() {
            Step::Done(Ok(())) if self.phase == Phase::Idle => {
                Step::Done(self.window.seek(file, to))
            }
            Step::Done(Err(error)) => Step::Done(Err(error)),
            Step::Submit(work) => Step::Submit(work),
            _ => Step::Wait,
        }
    }
}

/// What the pool is given.
struct Job {
    shared: Arc<Shared>,
    has_run: bool,
}

impl Job {
    fn run(mut self) {
        self.has_run = true;
        self.shared.work();
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        if !self.has_run {
            self.shared.abandon();
        }
    }
}

/// Leaves `Running`, also when a waker panics.
struct Running<'a>(&'a Shared);

impl Running<'_> {
    fn finish(self, mut state: MutexGuard<'_, State>) {
        let wakers = Running::leave(self.0, &mut state);
        drop(state);
        mem::forget(self);
        wake_all(wakers);
    }

    fn leave(shared: &Shared, state: &mut State) -> Vec<Waker> {
        state.phase = Phase::Idle;
        shared.moved.notify_all();
        mem::take(&mut state.waiters)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        let wakers = Running::leave(self.0, &mut state);
        drop(state);
        wake_all(wakers);
    }
}

fn wake_all(wakers: Vec<Waker>) {
    wakers.into_iter().for_each(Waker::wake);
}

/// Calls `op` until no signal interrupts it.
fn retry<T>(mut op: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    // A signal storm is the only thing that could make this long.
    loop {
        match op() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Writes all of `bytes`; also says how many were written when it fails.
fn write_fully(mut file: &fs::File, bytes: &[u8]) -> (usize, io::Result<()>) {
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
