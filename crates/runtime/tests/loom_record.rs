//! Models of the chunks of a recording: what a reader finds in a chunk was written for that chunk,
//! and is complete, while its thread continues to write and the memory is used again.
#![cfg(reveille_loom)]
#![expect(dead_code, reason = "the file is included whole, and a model uses a part of it")]

use reveille_watchdog as _;

#[path = "../src/record/chunks.rs"]
mod chunks;

use chunks::{ChunkStore, EventChunk, Retention, StoreLimits};
use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;
use reveille_trace::{ChunkHead, ChunkWriter, Event, EventWord};

/// Events of one word that a chunk of the models has room for (`chunks.rs`).
const EVENTS: usize = 2;

fn store(chunks_max: usize, retention: Retention) -> Arc<ChunkStore> {
    Arc::new(ChunkStore::new(StoreLimits { chunks_max, retention }))
}

/// A thread that records. Each event says in which chunk and at which position it is.
#[derive(Default)]
struct Recorder {
    thread: u32,
    chunk: Option<(EventChunk, ChunkWriter, u64)>,
    index: u64,
    dropped: u64,
}

impl Recorder {
    fn push(&mut self, store: &ChunkStore, tick: u64) {
        if self.try_push(tick) {
            return;
        }
        let mut head = ChunkHead { thread: self.thread, ..ChunkHead::default() };
        head.moment.tick = tick;
        let Some(exchanged) = store.exchange(&mut head) else {
            self.dropped += 1;
            return;
        };
        self.thread = head.thread;
        self.chunk = Some((exchanged.chunk, exchanged.writer, head.sequence));
        self.index = 0;
        assert!(self.try_push(tick), "an empty chunk has room");
    }

    fn try_push(&mut self, tick: u64) -> bool {
        let Some((chunk, writer, sequence)) = &mut self.chunk else { return false };
        let event = Event::timer(*sequence * 16 + self.index);
        let is_pushed = writer.push(chunk.words(), tick, event).is_ok();
        self.index += u64::from(is_pushed);
        is_pushed
    }
}

fn sequence(chunk: &EventChunk) -> u64 {
    chunk.read().0.sequence
}

/// Checks that the events of a chunk are its own. Returns how many there are.
fn check(chunk: &EventChunk) -> u64 {
    let (head, events) = chunk.read();
    for (index, word) in events.iter().enumerate() {
        let value = EventWord::from_bits(word.load()).value();
        assert_eq!(value, head.sequence * 16 + index as u64, "an event of another chunk");
    }
    events.len() as u64
}

/// A snapshot, while a thread fills its chunk, hands it in, and gets the oldest one again.
#[test]
fn a_snapshot_finds_complete_events_of_each_chunk() {
    loom::model(|| {
        let store = store(1, Retention::Newest { ticks: u64::MAX / 2 });
        let mut recorder = Recorder::default();
        (0..3).for_each(|tick| recorder.push(&store, tick));
        let own = Arc::clone(&store);
        let thread = thread::spawn(move || {
            (3..8).for_each(|tick| recorder.push(&own, tick));
        });
        let taken = store.view(0);
        assert_eq!(taken.current.len(), 1);
        let chunks = || taken.full.iter().chain(&taken.current);
        chunks().for_each(|chunk| _ = check(chunk));
        assert!(chunks().is_sorted_by_key(|chunk| sequence(chunk)), "each is there once");
        thread.join().expect("it does not panic");
    });
}

/// A snapshot reads the oldest chunk, while a thread that needs another one tries to take it. The
/// model above has too many steps to reach this case within the time of the short form.
#[test]
fn a_chunk_that_a_snapshot_reads_does_not_begin_again() {
    loom::model(|| {
        let store = store(1, Retention::Newest { ticks: u64::MAX / 2 });
        let mut recorder = Recorder::default();
        (0..4).for_each(|tick| recorder.push(&store, tick));
        let taken = store.view(0);
        let own = Arc::clone(&store);
        let thread = thread::spawn(move || recorder.push(&own, 4));
        taken.full.iter().for_each(|chunk| assert_eq!(check(chunk), EVENTS as u64));
        thread.join().expect("it does not panic");
    });
}

/// A thread notes the end of the polled task without an event, and goes on. A reader that knows of
/// the end finds it, either noted or in an event, and never both.
#[test]
fn an_end_is_noted_until_an_event_says_it() {
    loom::model(|| {
        let store = store(1, Retention::All);
        let mut recorder = Recorder::default();
        recorder.push(&store, 1);
        let (chunk, mut writer, sequence) = recorder.chunk.take().expect("it has a chunk");
        let has_ended = Arc::new(AtomicBool::new(false));
        let own = Arc::clone(&has_ended);
        let thread = thread::spawn(move || {
            assert!(writer.note_end(chunk.words()));
            own.store(true, Ordering::Release);
            let event = Event::timer(sequence * 16 + 1);
            writer.push(chunk.words(), 2, event).expect("it has room for two events");
        });
        let is_known = has_ended.load(Ordering::Acquire);
        let taken = store.take_full();
        let (head, events) = taken.current[0].read();
        match events.len() {
            1 => assert!(head.has_ended || !is_known, "the end is nowhere"),
            2 => assert!(!head.has_ended, "the end is in two places"),
            len => panic!("{len} events"),
        }
        thread.join().expect("it does not panic");
    });
}

/// The thread that writes the file takes full chunks and gives them back. No event is lost, except
/// those that the recording thread counts.
#[test]
fn the_file_gets_each_event_that_was_not_dropped() {
    loom::model(|| {
        let store = store(1, Retention::All);
        let own = Arc::clone(&store);
        let thread = thread::spawn(move || {
            let mut recorder = Recorder::default();
            (0..5).for_each(|tick| recorder.push(&own, tick));
            own.retire(recorder.thread, 5);
            recorder.dropped
        });
        let mut written = 0;
        let mut take = || {
            for chunk in store.take_full().full {
                written += check(&chunk);
                store.give_back(chunk);
            }
        };
        take();
        let dropped = thread.join().expect("it does not panic");
        take();
        assert_eq!(written + dropped, 5);
    });
}
