//! A recording of this process: its clock, chunks and names. There is at most one at a time.
//!
//! A session ends in a child process made by `fork`: its file and its thread are the parent's.

use std::io;
use std::sync::{Arc, Condvar, OnceLock};

use reveille_primitive::atomic::{AtomicU32, AtomicU64, Ordering};
use reveille_primitive::fork::{self, ForkHook};
use reveille_primitive::lock::Mutex;
use reveille_task::RecordFunctions;
use reveille_trace::{Meta, Moment};

use super::chunks::{ChunkStore, Retention, StoreLimits};
use super::clock::RecordClock;
use super::histogram::{Histogram, Histograms};
use super::names::Names;

/// The number of the session, or 0. A thread whose recorder has another number makes a new
/// recorder.
static NUMBER: AtomicU32 = AtomicU32::new(0);

/// The number of the last session.
static LAST_NUMBER: AtomicU32 = AtomicU32::new(0);

static CURRENT: Mutex<Option<Arc<Session>>> = Mutex::new(None);

/// Events of threads whose thread-locals were already destroyed.
static LOST: AtomicU64 = AtomicU64::new(0);

/// Informs the executors that recording begins or ends.
static SWITCH: OnceLock<fn(bool)> = OnceLock::new();

static FORK_HOOK: ForkHook = ForkHook::new(forget_in_child);

/// How many full chunks wake the writer before its interval has passed.
const WAKE_WRITER_AT: usize = 64;

/// A recording of this process.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) number: u32,
    pub(crate) clock: RecordClock,
    pub(crate) start: Moment,
    pub(crate) chunks: ChunkStore,
    pub(crate) names: Names,
    pub(crate) histograms: Histograms,
    /// Its name in error messages.
    pub(crate) what: String,
    /// For threads that have ended: how many events each had dropped.
    drops: Mutex<Vec<(u32, u64)>>,
    /// Wakes the thread that writes the file. The flag makes that thread end.
    writer: (std::sync::Mutex<bool>, Condvar),
    process: u32,
}

/// The session's own number, if there is one.
#[inline]
pub(super) fn current_number() -> u32 {
    NUMBER.load(Ordering::Relaxed)
}

/// The session, if there is one.
pub(crate) fn current() -> Option<Arc<Session>> {
    CURRENT.lock().clone()
}

#[cold]
pub(super) fn count_lost() {
    if current_number() != 0 {
        LOST.fetch_add(1, Ordering::Relaxed);
    }
}

/// Sets the function that is called when recording begins or ends. Only the first call counts.
pub(crate) fn on_switch(switch: fn(bool)) {
    let _ = SWITCH.set(switch);
}

fn switch(is_on: bool) {
    if let Some(switch) = SWITCH.get() {
        switch(is_on);
    }
}

/// Begins a session. Events are recorded from now on.
///
/// # Errors
///
/// Fails if there is a session already, or if `prepare`, which gets the new session, fails.
pub(crate) fn begin(
    what: String,
    chunks_max: usize,
    retention: impl FnOnce(RecordClock) -> Retention,
    functions: RecordFunctions,
    prepare: impl FnOnce(&Arc<Session>) -> io::Result<()>,
) -> io::Result<Arc<Session>> {
    fork::watch(&FORK_HOOK);
    let clock = RecordClock::choose();
    let session = {
        // In a forked child a thread of the parent may hold the lock forever.
        let current =
            if fork::generation() == 0 { Some(CURRENT.lock()) } else { CURRENT.try_lock() };
        let Some(mut current) = current else {
            let text = "the process was forked while another thread began a recording";
            return Err(io::Error::new(io::ErrorKind::WouldBlock, text));
        };
        if let Some(other) = current.as_ref().filter(|other| other.is_of_this_process()) {
            let text = format!("the process is already recording {}", other.what);
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, text));
        }
        let limits = StoreLimits { chunks_max, retention: retention(clock) };
        let session = Arc::new(Session::new(what, clock, limits));
        *current = Some(Arc::clone(&session));
        session
    };
    if let Err(error) = prepare(&session) {
        session.leave();
        return Err(error);
    }
    LOST.store(0, Ordering::Relaxed);
    NUMBER.store(session.number, Ordering::SeqCst);
    reveille_task::start_recording(functions);
    switch(true);
    Ok(session)
}

/// Called in a child process made by `fork`.
fn forget_in_child() {
    NUMBER.store(0, Ordering::SeqCst);
    reveille_task::stop_recording();
}

impl Session {
    /// Whether the session was begun in this process, and not before a `fork`.
    pub(crate) fn is_of_this_process(&self) -> bool {
        self.process == fork::generation()
    }

    /// Stops recording, if this is the session that records. A thread that is in the middle of an
    /// event completes it.
    pub(crate) fn stop(&self) {
        let stopped = NUMBER.compare_exchange(self.number, 0, Ordering::SeqCst, Ordering::Relaxed);
        if stopped.is_ok() {
            reveille_task::stop_recording();
            switch(false);
        }
    }

    /// Makes room for another session.
    pub(crate) fn leave(&self) {
        let left = CURRENT.lock().take_if(|current| current.number == self.number);
        drop(left);
        // Threads refer to the session until they record in another one.
        self.chunks.clear();
    }

    /// The metadata for a file of this session.
    pub(crate) fn meta(&self, start: Moment) -> Meta {
        let program = std::env::current_exe().ok();
        let name = program.as_deref().and_then(std::path::Path::file_name);
        Meta {
            ticks_per_second: self.clock.ticks_per_second(),
            start,
            process: std::process::id(),
            producer: format!(
                "reveille {}, {}-{}",
                env!("CARGO_PKG_VERSION"),
                std::env::consts::ARCH,
                std::env::consts::OS
            ),
            program: name.map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
        }
    }

    /// The length of a tick in nanoseconds, as measured from the start until `now`.
    pub(crate) fn ns_per_tick(&self, now: &Moment) -> f64 {
        let ticks = now.tick.saturating_sub(self.start.tick).max(1);
        let ns = now.monotonic_ns.saturating_sub(self.start.monotonic_ns).max(1);
        ns as f64 / ticks as f64
    }

    /// How long the polls have taken.
    pub(crate) fn poll_times(&self) -> Histogram {
        self.histograms.poll_times(self.ns_per_tick(&self.clock.moment()))
    }

    /// How long tasks have waited from a wake to the poll after it.
    pub(crate) fn latencies(&self) -> Histogram {
        self.histograms.latencies(self.ns_per_tick(&self.clock.moment()))
    }

    /// The ticks in a duration.
    pub(crate) fn ticks_in(&self, now: &Moment, duration: std::time::Duration) -> u64 {
        (duration.as_nanos() as f64 / self.ns_per_tick(now)) as u64
    }

    fn new(what: String, clock: RecordClock, limits: StoreLimits) -> Session {
        Session {
            number: LAST_NUMBER.fetch_add(1, Ordering::Relaxed) + 1,
            clock,
            start: clock.moment(),
            chunks: ChunkStore::new(limits),
            names: Names::default(),
            histograms: Histograms::default(),
            what,
            drops: Mutex::new(Vec::new()),
            writer: Default::default(),
            process: fork::generation(),
        }
    }

    /// Called when a thread ends. Its number is 0 if it never had a chunk.
    pub(super) fn thread_ended(&self, thread: u32, dropped: u64) {
        if thread != 0 {
            self.chunks.retire(thread, self.clock.now());
        }
        if dropped > 0 {
            self.drops.lock().push((thread, dropped));
        }
    }

    /// How many events were dropped, by thread.
    pub(crate) fn drops(&self) -> Vec<(u32, u64)> {
        let mut drops = self.drops.lock().clone();
        let without_chunk = drops.extract_if(.., |(thread, _)| *thread == 0);
        let lost =
            LOST.load(Ordering::Relaxed) + without_chunk.map(|(_, dropped)| dropped).sum::<u64>();
        if lost > 0 {
            // No thread has this number.
            drops.push((u32::MAX, lost));
        }
        drops
    }

    /// Wakes the writer if there is much to write.
    #[inline]
    pub(super) fn wake_writer(&self, full: usize) {
        if full >= WAKE_WRITER_AT {
            self.writer.1.notify_one();
        }
    }

    /// Makes the writer end.
    pub(crate) fn end_writer(&self) {
        let (has_to_end, condvar) = &self.writer;
        *has_to_end.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = true;
        condvar.notify_all();
    }

    /// Waits until there is much to write, for `duration` at most. `false` if the writer has to
    /// end.
    pub(crate) fn wait_to_write(&self, duration: std::time::Duration) -> bool {
        let (has_to_end, condvar) = &self.writer;
        let guard = has_to_end.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if *guard {
            return false;
        }
        let waited = condvar.wait_timeout(guard, duration);
        !*waited.unwrap_or_else(std::sync::PoisonError::into_inner).0
    }
}

#[cfg(all(test, not(reveille_loom)))]
mod tests {
    use super::*;

    #[test]
    fn events_of_threads_that_never_had_a_chunk_are_counted() {
        let limits = StoreLimits { chunks_max: 1, retention: Retention::All };
        let session = Session::new("a test".to_owned(), RecordClock::choose(), limits);
        session.thread_ended(0, 3);
        session.thread_ended(7, 1);
        session.thread_ended(0, 2);
        let drops = session.drops();
        assert_eq!(drops.len(), 2, "{drops:?}");
        assert_eq!(drops[0], (7, 1));
        // Another test may lose events at the same time.
        assert!(drops[1].0 == u32::MAX && drops[1].1 >= 5, "{drops:?}");
    }
}
