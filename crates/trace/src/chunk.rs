//! A chunk: 32 KiB that one thread fills. Its head holds the thread, the chunk's sequence numbers
//! and its start time.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::event::Event;
use crate::operand::TaskKey;
use crate::word::{EVENT_WORDS_MAX, Encoder, EventWord, Words};

/// The size of a chunk in words.
pub const CHUNK_WORDS: usize = 32 * 1024 / 8;

/// The length of a chunk's head in words. Events follow.
pub const HEAD_WORDS: usize = 16;

/// The most bytes of a thread's name that the head holds.
pub const THREAD_NAME_LEN: usize = 32;

/// How many words before its turn a writer tells the memory that a word will be written:
/// [`Slot::will_write_ahead`]. 512 bytes, which an idle core records in some 100 ns at most.
pub const AHEAD: usize = 64;

/// The index of the word that holds the number of event words, which a reader must load first.
pub const LEN_SLOT: usize = 5;

/// The index of the word that says after how many event words the polled task ended, without an
/// event of its own: their number plus 1. With another number the word means nothing.
pub const END_SLOT: usize = 13;

/// A point in time, on three clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// Ticks of the clock that stamps events.
    pub tick: u64,
    /// Nanoseconds of the system's monotonic clock.
    pub monotonic_ns: u64,
    /// Nanoseconds since 1970.
    pub wall_ns: u64,
}

/// The head of a chunk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChunkHead {
    /// Counts the chunks of the process, from 1, in the order in which threads took them.
    pub sequence: u64,
    /// The number of the thread. Threads are numbered in the order of their first events.
    pub thread: u32,
    /// Counts the chunks of the thread, from 1. A missing number means that a chunk was
    /// overwritten.
    pub thread_sequence: u32,
    /// When the thread took the chunk. The time of its first event counts from here.
    pub moment: Moment,
    /// The task that the thread polled at this time, or [`TaskKey::NONE`].
    pub polled: TaskKey,
    /// The value of the thread's [`WorkerId`](crate::operand::WorkerId) at this time.
    pub worker: u64,
    /// How many events the thread had dropped by this time.
    pub dropped: u64,
    /// The task that the thread polled after the last event has finished. It has no event for that,
    /// and its origin is that of the latest end.
    pub has_ended: bool,
    /// The thread's name in UTF-8, cut off or padded with zeros.
    pub thread_name: [u8; THREAD_NAME_LEN],
}

impl ChunkHead {
    /// Returns a thread's name as the head holds it: cut off at the end of a character.
    #[must_use]
    pub fn short_name(name: &str) -> [u8; THREAD_NAME_LEN] {
        let mut len = name.len().min(THREAD_NAME_LEN);
        while !name.is_char_boundary(len) {
            len -= 1;
        }
        let mut bytes = [0; THREAD_NAME_LEN];
        bytes[..len].copy_from_slice(&name.as_bytes()[..len]);
        bytes
    }

    /// Returns the words of the head. `len` is the number of event words.
    #[must_use]
    pub fn words(&self, len: u64) -> [u64; HEAD_WORDS] {
        let mut words = [0; HEAD_WORDS];
        words[0] = self.sequence;
        words[1] = u64::from(self.thread) | u64::from(self.thread_sequence) << 32;
        words[2] = self.moment.tick;
        words[3] = self.moment.monotonic_ns;
        words[4] = self.moment.wall_ns;
        words[LEN_SLOT] = len;
        words[6] = self.polled.value();
        words[7] = self.worker;
        words[8] = self.dropped;
        let name = self.thread_name.chunks_exact(8);
        for (word, bytes) in words[9..13].iter_mut().zip(name) {
            *word = u64::from_le_bytes(bytes.try_into().expect("a chunk of 8 has 8 bytes"));
        }
        words[END_SLOT] = if self.has_ended { len + 1 } else { 0 };
        words
    }

    /// Reads a head and the number of event words after it. `None` if there are too few words.
    #[must_use]
    pub fn parse(words: &[u64]) -> Option<(ChunkHead, u64)> {
        let words = words.first_chunk::<HEAD_WORDS>()?;
        Some((ChunkHead::from_words(words), words[LEN_SLOT]))
    }

    /// Reads a head.
    #[must_use]
    pub fn from_words(words: &[u64; HEAD_WORDS]) -> ChunkHead {
        let mut thread_name = [0; THREAD_NAME_LEN];
        for (bytes, word) in thread_name.chunks_exact_mut(8).zip(&words[9..13]) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        ChunkHead {
            sequence: words[0],
            thread: words[1] as u32,
            thread_sequence: (words[1] >> 32) as u32,
            moment: Moment { tick: words[2], monotonic_ns: words[3], wall_ns: words[4] },
            polled: TaskKey::from_value(words[6]),
            worker: words[7],
            dropped: words[8],
            has_ended: words[END_SLOT].checked_sub(1) == Some(words[LEN_SLOT]),
            thread_name,
        }
    }

    /// Returns the thread's name. Bytes that are not UTF-8 become `�`.
    #[must_use]
    pub fn thread_name(&self) -> String {
        let end = self.thread_name.iter().position(|byte| *byte == 0);
        let name = &self.thread_name[..end.unwrap_or(THREAD_NAME_LEN)];
        String::from_utf8_lossy(name).into_owned()
    }
}

/// A word of memory that one thread writes and others may read. Under a model checker this is the
/// checker's atomic type.
pub trait Slot {
    /// Writes the word, unordered with other words (relaxed).
    fn store(&self, word: u64);

    /// Writes the word after all words that were stored before it (release).
    fn publish(&self, word: u64);

    /// The word [`AHEAD`] places after this one will be written soon. There may be no such word. A
    /// memory that can be prepared for a write may do so now. Does nothing unless implemented.
    #[inline]
    fn will_write_ahead(&self) {}
}

impl Slot for AtomicU64 {
    #[inline]
    fn store(&self, word: u64) {
        AtomicU64::store(self, word, Ordering::Relaxed);
    }

    #[inline]
    fn publish(&self, word: u64) {
        AtomicU64::store(self, word, Ordering::Release);
    }
}

/// A chunk has no room for another event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// Writes the events of one thread into one chunk. It is the only writer of that chunk.
///
/// The memory is an argument of each call, so the writer borrows nothing and can be stored beside a
/// pointer of any kind to the chunk.
#[derive(Debug)]
pub struct ChunkWriter {
    encoder: Encoder,
    len: usize,
}

impl ChunkWriter {
    /// Writes the head of an empty chunk. The caller must ensure that no reader mistakes old words
    /// of the chunk for new ones.
    ///
    /// # Panics
    ///
    /// Panics if there are fewer slots than words in a head.
    #[must_use]
    pub fn start<S: Slot>(slots: &[S], head: &ChunkHead) -> ChunkWriter {
        assert!(slots.len() >= HEAD_WORDS, "a chunk has room for its head");
        slots[LEN_SLOT].publish(0);
        for (index, word) in head.words(0).into_iter().enumerate() {
            if index != LEN_SLOT {
                slots[index].store(word);
            }
        }
        slots[LEN_SLOT].publish(0);
        ChunkWriter { encoder: Encoder::new(head.moment.tick), len: HEAD_WORDS }
    }

    /// Appends an event at `tick`.
    ///
    /// # Errors
    ///
    /// Fails if the chunk is full. The event is not written: push it to another chunk.
    #[inline]
    pub fn push<S: Slot>(&mut self, slots: &[S], tick: u64, event: Event) -> Result<(), Full> {
        match self.try_push(slots, tick, event) {
            true => Ok(()),
            false => self.push_slow(slots, tick, event),
        }
    }

    /// Appends an event at `tick`, if the time since the event before fits into its word and the
    /// chunk has room for two words. Mostly both hold, and then this takes a few instructions and
    /// calls nothing. Otherwise it returns `false` and has done nothing.
    #[inline]
    pub fn try_push<S: Slot>(&mut self, slots: &[S], tick: u64, event: Event) -> bool {
        let Some((encoder, word)) = self.encoder.short(tick, event) else { return false };
        let is_pushed = self.append_short(slots, word, event);
        if is_pushed {
            self.encoder = encoder;
        }
        is_pushed
    }

    /// Appends the words of an event, the first of which is `word`, if there is room for any event.
    #[inline]
    fn append_short<S: Slot>(&mut self, slots: &[S], word: EventWord, event: Event) -> bool {
        let Some([first, second, ..]) = slots.get(self.len..) else { return false };
        first.will_write_ahead();
        first.store(word.bits());
        if event.words() > 1 {
            second.store(event.operand);
        }
        self.publish(slots, event.words());
        true
    }

    #[cold]
    #[inline(never)]
    fn push_slow<S: Slot>(&mut self, slots: &[S], tick: u64, event: Event) -> Result<(), Full> {
        let encoder = self.encoder;
        let words = self.encoder.stamped(tick, event);
        self.append(slots, &words).inspect_err(|_| self.encoder = encoder)
    }

    /// Appends an event that happened between the stamps before and after it.
    ///
    /// # Errors
    ///
    /// Fails if the chunk is full. The event is not written: push it to another chunk.
    #[inline]
    pub fn push_unstamped<S: Slot>(&mut self, slots: &[S], event: Event) -> Result<(), Full> {
        match self.try_push_unstamped(slots, event) {
            true => Ok(()),
            false => self.push_unstamped_slow(slots, event),
        }
    }

    /// Appends an event that happened between the stamps before and after it, under the conditions
    /// of [`try_push`](ChunkWriter::try_push).
    #[inline]
    pub fn try_push_unstamped<S: Slot>(&mut self, slots: &[S], event: Event) -> bool {
        self.append_short(slots, event.word, event)
    }

    /// For the last word of a chunk.
    #[cold]
    #[inline(never)]
    fn push_unstamped_slow<S: Slot>(&mut self, slots: &[S], event: Event) -> Result<(), Full> {
        let words = self.encoder.unstamped(event);
        self.append(slots, &words)
    }

    /// Notes that the polled task has finished, after all events so far and without a word. Readers
    /// see it as long as no other event follows. The next event has to be
    /// [`poll_start_after_end`](Event::poll_start_after_end), or
    /// [`complete_alike`](Event::complete_alike) if there is something else to write first. Returns
    /// `false`, and has done nothing, if the chunk has no room for the latter.
    #[inline]
    pub fn note_end<S: Slot>(&mut self, slots: &[S]) -> bool {
        let has_room = self.len < slots.len();
        if has_room {
            slots[END_SLOT].publish((self.len - HEAD_WORDS) as u64 + 1);
        }
        has_room
    }

    /// Whether an event with a stamp fits into the chunk, however long the time before it is.
    #[must_use]
    pub fn has_room<S: Slot>(&self, slots: &[S]) -> bool {
        slots.len() - self.len >= EVENT_WORDS_MAX
    }

    fn append<S: Slot>(&mut self, slots: &[S], words: &Words) -> Result<(), Full> {
        let words = words.as_slice();
        let Some(slots_free) = slots.get(self.len..self.len + words.len()) else {
            return Err(Full);
        };
        for (slot, word) in slots_free.iter().zip(words) {
            slot.store(*word);
        }
        self.publish(slots, words.len());
        Ok(())
    }

    /// Lets readers see the words that were stored.
    #[inline]
    fn publish<S: Slot>(&mut self, slots: &[S], words: usize) {
        self.len += words;
        slots[LEN_SLOT].publish((self.len - HEAD_WORDS) as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_round_trips() {
        let head = ChunkHead {
            sequence: 77,
            thread: 3,
            thread_sequence: 9,
            moment: Moment { tick: 1, monotonic_ns: 2, wall_ns: 3 },
            polled: TaskKey::from_address(0x1230),
            worker: 5,
            dropped: 4,
            has_ended: true,
            thread_name: ChunkHead::short_name("a name that is a little too löng for it"),
        };
        assert_eq!(ChunkHead::parse(&head.words(12)), Some((head, 12)));
        assert_eq!(head.thread_name(), "a name that is a little too lön");
        assert_eq!(ChunkHead::parse(&head.words(12)[1..]), None);
        let mut later = head.words(12);
        later[LEN_SLOT] = 13;
        assert!(!ChunkHead::from_words(&later).has_ended, "an event followed");
        assert!(!ChunkHead::from_words(&[0; HEAD_WORDS]).has_ended);
    }

    #[test]
    fn an_event_without_a_stamp_has_the_time_of_the_event_before_it() {
        let slots: Vec<AtomicU64> = (0..HEAD_WORDS + 4).map(|_| AtomicU64::new(0)).collect();
        let mut writer = ChunkWriter::start(&slots, &ChunkHead::default());
        assert_eq!(writer.push(&slots, 64, Event::park()), Ok(()));
        for event in [Event::mark(1, u64::MAX), Event::unpark()] {
            assert_eq!(writer.push_unstamped(&slots, event), Ok(()));
        }
        let words: Vec<_> =
            slots[HEAD_WORDS..].iter().map(|slot| slot.load(Ordering::Relaxed)).collect();
        let word = |event: Event| event.word.bits();
        let park = Event::park().word.at(1).bits();
        assert_eq!(words, [park, word(Event::mark(1, u64::MAX)), u64::MAX, word(Event::unpark())]);
        assert_eq!(slots[LEN_SLOT].load(Ordering::Relaxed), 4);
    }

    #[test]
    fn an_end_is_noted_without_a_word_while_the_chunk_has_room_for_one() {
        let slots: Vec<AtomicU64> = (0..HEAD_WORDS + 2).map(|_| AtomicU64::new(0)).collect();
        let head = || {
            let words = std::array::from_fn(|index| slots[index].load(Ordering::Relaxed));
            ChunkHead::from_words(&words)
        };
        let mut writer = ChunkWriter::start(&slots, &ChunkHead::default());
        assert!(!head().has_ended);
        assert!(writer.note_end(&slots));
        assert!(head().has_ended);
        assert_eq!(writer.push_unstamped(&slots, Event::park()), Ok(()));
        assert!(!head().has_ended, "it is not the last thing that happened");
        assert!(writer.note_end(&slots));
        assert!(head().has_ended);
        assert_eq!(writer.push_unstamped(&slots, Event::park()), Ok(()));
        assert!(!writer.note_end(&slots), "there is no room for the event that stands for it");
        assert!(!head().has_ended);
        assert_eq!(slots[LEN_SLOT].load(Ordering::Relaxed), 2);
    }

    #[test]
    fn a_full_chunk_refuses_an_event_whole() {
        let slots: Vec<AtomicU64> = (0..HEAD_WORDS + 3).map(|_| AtomicU64::new(0)).collect();
        let mut writer = ChunkWriter::start(&slots, &ChunkHead::default());
        assert_eq!(writer.push(&slots, 64, Event::mark(1, u64::MAX)), Ok(()));
        assert_eq!(writer.push(&slots, 128, Event::mark(1, u64::MAX)), Err(Full));
        assert_eq!(slots[LEN_SLOT].load(Ordering::Relaxed), 2);
        // The refused event has not changed the time of the last event.
        assert_eq!(writer.push(&slots, 192, Event::park()), Ok(()));
        let word = crate::word::EventWord::from_bits(slots[HEAD_WORDS + 2].load(Ordering::Relaxed));
        assert_eq!((word.delta(), word.code()), (2, crate::word::Kind::Park as u8));
        assert_eq!(writer.push_unstamped(&slots, Event::park()), Err(Full));
        assert_eq!(slots[LEN_SLOT].load(Ordering::Relaxed), 3);
    }
}
