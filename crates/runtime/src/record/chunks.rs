//! The chunks of a recording, and how they pass from thread to thread.
//!
//! Each thread fills a chunk of its own. When the chunk is full, the thread exchanges it at the
//! store for another one. A reader (the thread that writes the file, or a snapshot) takes
//! references to the chunks and reads them in place, even a chunk that a blocked thread has not
//! filled yet.
//!
//! # Invariants
//!
//! 1. A chunk is current for one thread at most, and only that thread writes to it.
//! 2. A chunk is reused, by any thread, only while the store holds the sole reference to it. So the
//!    events that a reader has found in a chunk do not change while it holds the chunk.
//! 3. A reader reads no more event words than the length says, which it loads first (acquire). The
//!    writer stores it after the words (release).
//! 4. The head of a chunk is written under the store's lock, before a reader can find the chunk. A
//!    thread that records waits some microseconds for the lock. If the holder gets no processor, it
//!    waits a millisecond, or 50 for its first chunk; other locks of the runtime have no limit. If
//!    the lock is taken for longer, or if there is no room, the thread gets no chunk. It drops the
//!    event, counts the drop, and tries again at the next event. Rejected: overwriting the thread's
//!    own chunk in that case. A reader would need a sequence lock to find out, and the events of a
//!    whole chunk would be lost instead of a few.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reveille_primitive::atomic::{AtomicU64, Ordering};
use reveille_primitive::lock::{Mutex, MutexGuard};
use reveille_primitive::prefetch_after;
use reveille_primitive::thread::{spin_loop, yield_now};
use reveille_trace::{AHEAD, CHUNK_WORDS, ChunkHead, ChunkWriter, HEAD_WORDS, LEN_SLOT, Slot};

/// The words of a chunk. A constant, so that a write compares its index with a number. A chunk of
/// the loom models has room for two events of one word.
const WORDS: usize = if cfg!(reveille_loom) { HEAD_WORDS + 2 } else { CHUNK_WORDS };

/// The most chunks that are kept for later, 2 MiB.
const FREE_MAX: usize = 64;

/// How many times a thread that records tries to take the lock, and for how long at most. Holders
/// copy a few pointers under it, so more than some microseconds pass only if the holder gets no
/// processor. The first attempts spin, and later ones yield. The loom model needs one attempt.
const LOCK_ATTEMPTS: usize = if cfg!(reveille_loom) { 1 } else { 100_000 };
const LOCK_SPINS: usize = 100;
const LOCK_TIME: Duration = Duration::from_millis(1);

/// The time limit for a thread's first chunk. Many threads that start at once on few cores ask for
/// one at once, and without it a thread that records little would record nothing.
const FIRST_LOCK_TIME: Duration = Duration::from_millis(50);

/// A word of a chunk.
#[derive(Debug)]
pub(crate) struct ChunkWord(AtomicU64);

impl ChunkWord {
    /// The word, for a reader that has got it from [`EventChunk::read`].
    #[inline]
    pub(crate) fn load(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Slot for ChunkWord {
    #[inline]
    fn store(&self, word: u64) {
        self.0.store(word, Ordering::Relaxed);
    }

    #[inline]
    fn publish(&self, word: u64) {
        self.0.store(word, Ordering::Release);
    }

    #[inline]
    fn will_write_ahead(&self) {
        prefetch_after(self, AHEAD * size_of::<ChunkWord>());
    }
}

/// A reference to the words of a chunk, which one thread writes and others read.
#[derive(Clone, Debug)]
pub(crate) struct EventChunk(Arc<[ChunkWord; WORDS]>);

impl EventChunk {
    fn allocate() -> EventChunk {
        // Collected, because an array would be copied from the stack.
        let words: Arc<[ChunkWord]> = (0..WORDS).map(|_| ChunkWord(AtomicU64::new(0))).collect();
        EventChunk(words.try_into().expect("it has as many words as the array"))
    }

    /// Whether this is the only reference.
    fn is_sole(&mut self) -> bool {
        Arc::get_mut(&mut self.0).is_some()
    }

    /// The words, for the thread that fills the chunk.
    #[inline]
    pub(crate) fn words(&self) -> &[ChunkWord] {
        &*self.0
    }

    /// The head, and the words of the events that are complete.
    pub(crate) fn read(&self) -> (ChunkHead, &[ChunkWord]) {
        let (head, events) = self.words().split_at(HEAD_WORDS);
        // Before the other words (invariant 3).
        let len = head[LEN_SLOT].0.load(Ordering::Acquire);
        let len = usize::try_from(len).map_or(events.len(), |len| len.min(events.len()));
        let mut head = std::array::from_fn(|index| head[index].load());
        // More events may have been added since.
        head[LEN_SLOT] = len as u64;
        (ChunkHead::from_words(&head), &events[..len])
    }
}

/// Which chunks a store keeps when there is no more room.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Retention {
    /// All chunks: a reader takes them with [`ChunkStore::take_full`], and until then there is no
    /// room.
    All,
    /// The newest ones. A chunk that was full this many ticks ago makes room for a new one.
    Newest { ticks: u64 },
}

/// How much a store keeps.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StoreLimits {
    /// The number of chunks, except those that are current.
    pub(crate) chunks_max: usize,
    pub(crate) retention: Retention,
}

/// The chunks of a recording.
#[derive(Debug)]
pub(crate) struct ChunkStore {
    state: Mutex<StoreState>,
    limits: StoreLimits,
}

#[derive(Debug, Default)]
struct StoreState {
    /// Chunks that no thread fills any more, and when they were handed in; oldest first.
    full: VecDeque<(EventChunk, u64)>,
    /// The chunks that threads fill, by the number of the thread.
    current: Vec<(u32, EventChunk)>,
    free: Vec<EventChunk>,
    /// The last number of a chunk, and of a thread.
    last_sequence: u64,
    last_thread: u32,
}

/// The chunks of a store at one moment.
#[derive(Debug, Default)]
pub(crate) struct ChunksTaken {
    /// Oldest first.
    pub(crate) full: Vec<EventChunk>,
    /// Those that threads fill.
    pub(crate) current: Vec<EventChunk>,
}

/// What a thread gets for a full chunk.
#[derive(Debug)]
pub(crate) struct Exchanged {
    pub(crate) chunk: EventChunk,
    pub(crate) writer: ChunkWriter,
    /// How many full chunks there are.
    pub(crate) full: usize,
}

/// Where a chunk comes from.
enum Unused {
    Found(EventChunk),
    Allocate,
    NoRoom,
}

impl ChunkStore {
    pub(crate) fn new(limits: StoreLimits) -> ChunkStore {
        ChunkStore { state: Mutex::new(StoreState::default()), limits }
    }

    /// Hands in the current chunk of the thread that `head` names, if there is one, and begins
    /// another one with `head`. Sets the sequence number in `head`, and the number of the thread if
    /// it is 0. Returns `None` if the lock is taken or there is no room.
    pub(crate) fn exchange(&self, head: &mut ChunkHead) -> Option<Exchanged> {
        let time_limit = if head.thread == 0 { FIRST_LOCK_TIME } else { LOCK_TIME };
        let mut unused = Unused::Allocate;
        if let Some(mut state) = self.try_lock(time_limit) {
            unused = state.unused(&self.limits, head.moment.tick);
        }
        let chunk = match unused {
            Unused::Found(chunk) => chunk,
            // Not under the lock: the allocation may call the system.
            Unused::Allocate => EventChunk::allocate(),
            Unused::NoRoom => return None,
        };
        let mut state = self.try_lock(time_limit)?;
        if head.thread == 0 {
            state.last_thread += 1;
            head.thread = state.last_thread;
        }
        state.last_sequence += 1;
        head.sequence = state.last_sequence;
        // Before a reader can find it (invariant 4).
        let writer = ChunkWriter::start(chunk.words(), head);
        state.hand_in(head.thread, head.moment.tick);
        state.current.push((head.thread, chunk.clone()));
        Some(Exchanged { chunk, writer, full: state.full.len() })
    }

    /// Takes the lock, unless other threads hold it for longer than the limit.
    #[expect(clippy::disallowed_methods, reason = "a wait for a real thread takes real time")]
    fn try_lock(&self, time_limit: Duration) -> Option<MutexGuard<'_, StoreState>> {
        let mut waits_since = None;
        for attempt in 0..LOCK_ATTEMPTS {
            if let Some(state) = self.state.try_lock() {
                return Some(state);
            }
            if attempt < LOCK_SPINS {
                spin_loop();
                continue;
            }
            // The thread that holds the lock may be waiting for this core.
            yield_now();
            let now = Instant::now();
            if now - *waits_since.get_or_insert(now) > time_limit {
                break;
            }
        }
        None
    }

    /// Hands in the chunk of a thread that ends.
    pub(crate) fn retire(&self, thread: u32, tick: u64) {
        self.state.lock().hand_in(thread, tick);
    }

    /// Takes the full chunks out, and returns references to the others. For a store that keeps all.
    pub(crate) fn take_full(&self) -> ChunksTaken {
        let mut state = self.state.lock();
        let full = state.full.drain(..).map(|(chunk, _)| chunk).collect();
        ChunksTaken { full, current: state.current() }
    }

    /// Returns references to all chunks that were full at `since_tick` or later, and to those that
    /// threads fill.
    pub(crate) fn view(&self, since_tick: u64) -> ChunksTaken {
        let state = self.state.lock();
        let full = state.full.iter().filter(|(_, ended)| *ended >= since_tick);
        let full = full.map(|(chunk, _)| chunk.clone()).collect();
        ChunksTaken { full, current: state.current() }
    }

    /// Frees the chunks at the end of the recording, except those that threads fill.
    pub(crate) fn clear(&self) {
        let cleared = {
            let mut state = self.state.lock();
            state.current.clear();
            (std::mem::take(&mut state.full), std::mem::take(&mut state.free))
        };
        drop(cleared);
    }

    /// Returns a chunk that [`take_full`](ChunkStore::take_full) has taken.
    pub(crate) fn give_back(&self, chunk: EventChunk) {
        let mut state = self.state.lock();
        if state.free.len() < FREE_MAX {
            state.free.push(chunk);
        }
    }
}

impl StoreState {
    fn current(&self) -> Vec<EventChunk> {
        self.current.iter().map(|(_, chunk)| chunk.clone()).collect()
    }

    fn hand_in(&mut self, thread: u32, tick: u64) {
        if let Some(at) = self.current.iter().position(|(other, _)| *other == thread) {
            let (_, chunk) = self.current.swap_remove(at);
            self.full.push_back((chunk, tick));
        }
    }

    /// A chunk to which nothing else refers (invariant 2).
    fn unused(&mut self, limits: &StoreLimits, now: u64) -> Unused {
        while let Some(mut chunk) = self.free.pop() {
            if chunk.is_sole() {
                return Unused::Found(chunk);
            }
        }
        let is_full = self.full.len() >= limits.chunks_max;
        match limits.retention {
            Retention::All if is_full => return Unused::NoRoom,
            Retention::All => {}
            Retention::Newest { ticks } => {
                let oldest = self.full.front().map(|(_, ended)| *ended);
                let is_over = oldest.is_some_and(|ended| ended.saturating_add(ticks) < now);
                if (is_over || is_full)
                    && let Some((mut chunk, _)) = self.full.pop_front()
                    && chunk.is_sole()
                {
                    return Unused::Found(chunk);
                }
                // A snapshot is reading the oldest chunk, and frees it afterwards.
            }
        }
        Unused::Allocate
    }
}
