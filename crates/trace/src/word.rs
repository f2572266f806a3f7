//! Events as words of 8 bytes: their layout, and the stamps between them.
//!
//! Everything here is `const` or takes a few instructions; nothing allocates. The header of the
//! crate documents the bytes, and [`Kind`] the meaning of each kind.

use crate::event::Event;

/// How many bits of a word hold the value: the key of a task, or what [`Kind`] says.
pub const VALUE_BITS: u32 = 44;

/// How many bits of a word hold the time since the word before.
pub const DELTA_BITS: u32 = 15;

/// Ticks of the clock in one unit of time. 64 ticks of a 3 GHz processor are 21 ns.
pub const UNIT_TICKS: u64 = 1 << UNIT_SHIFT;

/// The longest time that fits into an event's word, in units. A longer time takes a separate word.
pub const DELTA_MAX: u64 = (1 << DELTA_BITS) - 1;

/// The largest value of an event.
pub const VALUE_MAX: u64 = (1 << VALUE_BITS) - 1;

/// The most words that one event takes: a gap, the event, its operand.
pub const EVENT_WORDS_MAX: usize = 3;

const UNIT_SHIFT: u32 = 6;
const KIND_SHIFT: u32 = VALUE_BITS + DELTA_BITS;
/// A gap uses the bits of the time and of the value.
const GAP_MAX: u64 = (1 << KIND_SHIFT) - 1;

/// Declares the kinds, with the number of words of each.
macro_rules! kinds {
    ($($(#[$docs:meta])* $name:ident = $code:literal, $words:literal;)*) => {
        /// What happened. The number is the kind's code in a file.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        #[non_exhaustive]
        pub enum Kind {
            $($(#[$docs])* $name = $code,)*
        }

        impl Kind {
            /// Every kind of this version.
            pub const ALL: &'static [Kind] = &[$(Kind::$name,)*];

            /// Returns the kind that a code stands for, or `None` if this version has no such kind.
            #[must_use]
            pub const fn from_code(code: u8) -> Option<Kind> {
                match code {
                    $($code => Some(Kind::$name),)*
                    _ => None,
                }
            }

            /// Returns the number of words that an event of this kind takes, without a gap.
            #[must_use]
            pub const fn words(self) -> usize {
                match self {
                    $(Kind::$name => $words,)*
                }
            }
        }
    };
}

kinds! {
    /// Time passed. The other 59 bits are the number of units.
    Gap = 1, 1;
    /// A task was spawned. The value is its key; the operand is its [`Origin`](crate::Origin).
    Spawn = 2, 2;
    /// A task ended. Value and operand are as for `Spawn`, with an [`Outcome`](crate::Outcome) in
    /// place of the [`Flavour`](crate::Flavour).
    Complete = 3, 2;
    /// A poll began, at the end of the one in progress. The value is the task. If it is 0, no poll
    /// begins: the next one is inside the one in progress. Before version 2.0, all were inside.
    PollStart = 4, 1;
    /// A poll ended. The value is the task.
    PollEnd = 5, 1;
    /// A task was woken and queued. The value is the task.
    Wake = 6, 1;
    /// A wake had no effect: the task is queued, runs, or has ended. The value is the task.
    WakeAgain = 7, 1;
    /// A task was cancelled. The value is the task.
    Cancel = 8, 1;
    /// Tasks were stolen. The value is the number of tasks (16 bits) and the victim's index.
    Steal = 9, 1;
    /// Tasks were taken from the injector. The value is their number.
    Inject = 10, 1;
    /// The thread begins to sleep. The value is 0.
    Park = 11, 1;
    /// The thread wakes up. The value is 0.
    Unpark = 12, 1;
    /// The thread runs another worker, or no worker. The value is the
    /// [`WorkerId`](crate::WorkerId).
    Enter = 13, 1;
    /// The worker is handed off to another thread, because a poll blocks. The value is the worker.
    HandOff = 14, 1;
    /// A descriptor is ready. It is the cause of the wakes up to `TurnEnd` or the next event of the
    /// turn. The value is the descriptor (32 bits) and its [`Ready`](crate::Ready) bits; the
    /// operand is 0 or the identifier of a string that describes the socket.
    Io = 15, 2;
    /// A timer is due. It is the cause of the wakes up to `TurnEnd`. The value is how late it is,
    /// in nanoseconds.
    Timer = 16, 1;
    /// The turn of the timers or of the driver is over. The value is 0.
    TurnEnd = 17, 1;
    /// A mark of the user. The value is the identifier of its name, the operand a number.
    Mark = 18, 2;
    /// A span of the user begins in the task that is polled. Value and operand are as for `Mark`.
    SpanStart = 19, 2;
    /// A span ends: the latest one of this name and number that is open in the task that is polled,
    /// or else, if the number is not 0, in any. Value and operand are as for `Mark`.
    SpanEnd = 20, 2;
    /// A task has a name. The value is the task, the operand the identifier of a string.
    Name = 21, 2;
    /// A task begins to wait. The value is the task, the operand what it waits for: a
    /// [`WaitFor`](crate::WaitFor).
    Wait = 22, 2;
    /// The await stack of a task was captured, in its latest poll. The value is the task, the
    /// operand the identifier of a stack.
    Stack = 23, 2;
    /// A rule found something. The value is the task or 0, the operand a [`Lint`](crate::Lint).
    Lint = 24, 2;
    /// A task panicked. The value is the task, the operand the identifier of the message.
    Panic = 25, 2;
    /// The polled task ended, and a poll began: a `ShortLife` of an end with the outcome
    /// [`Finished`](crate::Outcome), and then a `PollStart`. The value is the task that is polled
    /// now. Since version 4.0; the code had another meaning before, but no recorder wrote it.
    EndPollStart = 26, 1;
    /// A `Mark` whose name and number are small: the value is the number (22 bits) and the name.
    ShortMark = 27, 1;
    /// A `SpanStart` with a value as for `ShortMark`.
    ShortSpanStart = 28, 1;
    /// A `SpanEnd` with a value as for `ShortMark`.
    ShortSpanEnd = 29, 1;
    /// An `Io` without a string. The value is the same.
    ShortIo = 30, 1;
    /// A `Spawn` or a `Complete` that is like the latest one of the chunk. A value of 4 or more is
    /// the task that was spawned; its origin and flavour are those of the latest `Spawn`. A smaller
    /// value is an [`Outcome`](crate::Outcome): the polled task ended. Its origin is that of the
    /// latest `Complete`. Before version 3.0, no task had a short form of these events.
    ShortLife = 31, 1;
}

/// The lowest value of a `ShortLife` that is the key of a task. No task has a lower key.
pub(crate) const SHORT_SPAWN_MIN: u64 = 4;

/// How many bits of a value hold the number, and the name, of a short mark.
const SHORT_BITS: u32 = VALUE_BITS / 2;
const SHORT_MAX: u64 = (1 << SHORT_BITS) - 1;

/// The value of a short mark, if name and number are small enough.
pub(crate) const fn short_mark(name: u32, number: u64) -> Option<u64> {
    match name as u64 <= SHORT_MAX && number <= SHORT_MAX {
        true => Some((name as u64) << SHORT_BITS | number),
        false => None,
    }
}

impl Kind {
    /// The kind that a short one stands for, with value and operand. Other kinds stay as they are.
    pub(crate) const fn expanded(self, value: u64, operand: u64) -> (Kind, u64, u64) {
        let long = match self {
            Kind::ShortIo => return (Kind::Io, value, 0),
            Kind::ShortMark => Kind::Mark,
            Kind::ShortSpanStart => Kind::SpanStart,
            Kind::ShortSpanEnd => Kind::SpanEnd,
            kind => return (kind, value, operand),
        };
        (long, value >> SHORT_BITS, value & SHORT_MAX)
    }
}

/// The number of words of an event of each kind, by code, as a file states it. 0 means that the
/// kind does not exist.
#[must_use]
pub const fn words_per_kind() -> [u8; 32] {
    let mut table = [0; 32];
    let mut index = 0;
    while index < Kind::ALL.len() {
        table[Kind::ALL[index] as usize] = Kind::ALL[index].words() as u8;
        index += 1;
    }
    table
}

/// Returns how many units of time pass in these event words, from the word before the first to the
/// last. They begin with the first word of an event. For a writer that splits a chunk.
#[must_use]
pub fn event_units(words: impl IntoIterator<Item = u64>) -> u64 {
    let mut units = 0_u64;
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let word = EventWord::from_bits(word);
        units = units.saturating_add(word.delta());
        for _ in 1..Kind::from_code(word.code()).map_or(1, Kind::words) {
            words.next();
        }
    }
    units
}

/// A word of a chunk that is not an operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct EventWord(u64);

impl EventWord {
    /// Makes the first word of an event, with a time of 0.
    #[inline]
    pub(crate) const fn new(kind: Kind, value: u64) -> EventWord {
        EventWord((kind as u64) << KIND_SHIFT | value)
    }

    /// Returns the word with a time in units, at most [`DELTA_MAX`]. The time was 0.
    #[inline]
    #[must_use]
    pub const fn at(self, delta: u64) -> EventWord {
        debug_assert!(delta <= DELTA_MAX);
        EventWord(self.0 | (delta & DELTA_MAX) << VALUE_BITS)
    }

    /// Makes the word for a gap of `units`, at most 2⁵⁹ − 1.
    #[inline]
    #[must_use]
    pub const fn gap(units: u64) -> EventWord {
        let units = if units > GAP_MAX { GAP_MAX } else { units };
        EventWord((Kind::Gap as u64) << KIND_SHIFT | units)
    }

    /// Interprets a word of a chunk.
    #[inline]
    #[must_use]
    pub const fn from_bits(bits: u64) -> EventWord {
        EventWord(bits)
    }

    /// Returns the word.
    #[inline]
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// Returns the word with another kind.
    #[must_use]
    pub const fn with_kind(self, kind: Kind) -> EventWord {
        EventWord((kind as u64) << KIND_SHIFT | self.0 & GAP_MAX)
    }

    /// Returns the code of the kind, 0 to 31. No event has the code 0.
    #[must_use]
    pub const fn code(self) -> u8 {
        (self.0 >> KIND_SHIFT) as u8
    }

    /// Returns the units since the word before.
    #[must_use]
    pub const fn delta(self) -> u64 {
        match self.code() == Kind::Gap as u8 {
            true => self.0 & GAP_MAX,
            false => self.0 >> VALUE_BITS & DELTA_MAX,
        }
    }

    /// Returns the value.
    #[must_use]
    pub const fn value(self) -> u64 {
        self.0 & VALUE_MAX
    }
}

/// The words of one event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Words {
    words: [u64; EVENT_WORDS_MAX],
    len: usize,
}

impl Words {
    /// Returns the words in the order of the chunk.
    #[inline]
    #[must_use]
    pub fn as_slice(&self) -> &[u64] {
        &self.words[..self.len]
    }
}

/// Turns events and ticks into words. Its only state is the time of the word before.
#[derive(Clone, Copy, Debug)]
pub struct Encoder {
    units: u64,
}

impl Encoder {
    /// Makes an encoder for a chunk whose head has `tick`.
    #[inline]
    #[must_use]
    pub const fn new(tick: u64) -> Encoder {
        Encoder { units: tick >> UNIT_SHIFT }
    }

    /// Returns the words of an event at `tick`. A tick before the last one counts as the last one.
    #[inline]
    #[must_use]
    pub fn stamped(&mut self, tick: u64, event: Event) -> Words {
        let units = tick >> UNIT_SHIFT;
        let delta = units.saturating_sub(self.units);
        self.units = self.units.max(units);
        match delta <= DELTA_MAX {
            true => words(event, event.word.at(delta)),
            false => self.after_gap(delta, event),
        }
    }

    /// Returns the first word of an event at `tick`, and the encoder after it. `None` if a gap
    /// comes first, or if the tick is before the last one.
    #[inline]
    #[must_use]
    pub(crate) fn short(self, tick: u64, event: Event) -> Option<(Encoder, EventWord)> {
        let units = tick >> UNIT_SHIFT;
        let delta = units.wrapping_sub(self.units);
        (delta <= DELTA_MAX).then(|| (Encoder { units }, event.word.at(delta)))
    }

    /// Returns the words of an event between the stamps before and after it.
    #[inline]
    #[must_use]
    pub fn unstamped(&self, event: Event) -> Words {
        words(event, event.word)
    }

    #[cold]
    fn after_gap(&self, delta: u64, event: Event) -> Words {
        let word = event.word.bits();
        let words = [EventWord::gap(delta).bits(), word, event.operand];
        Words { words, len: 1 + event.words() }
    }
}

#[inline]
fn words(event: Event, word: EventWord) -> Words {
    Words { words: [word.bits(), event.operand, 0], len: event.words() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operand::TaskKey;

    const TASK: TaskKey = TaskKey::from_value(0x7ff_f123_4567);

    #[test]
    fn a_word_holds_a_kind_a_time_and_a_value() {
        let word = Event::poll_start(TASK).word.at(DELTA_MAX);
        assert_eq!(word.code(), Kind::PollStart as u8);
        assert_eq!((word.delta(), word.value()), (DELTA_MAX, TASK.value()));
        assert_eq!(TASK.address(), 0x7fff_1234_5670);
        assert_eq!(TaskKey::from_address(0x1234_5670).address(), 0x1234_5670);
        assert_eq!(EventWord::gap(1 << 50).delta(), 1 << 50);
    }

    #[test]
    fn a_long_gap_is_a_word_of_its_own_and_rounding_does_not_add_up() {
        let mut encoder = Encoder::new(1_000);
        let mut units = 1_000 >> UNIT_SHIFT;
        // 100 ticks count as one unit or as two, and the sum stays within one unit of the exact
        // time.
        for step in 1..=1_000 {
            let words = encoder.stamped(1_000 + step * 100, Event::park());
            units += EventWord::from_bits(words.as_slice()[0]).delta();
        }
        assert_eq!(units, (1_000 + 100_000) >> UNIT_SHIFT);
        let words = encoder.stamped(1 << 40, Event::timer(7));
        let words: Vec<_> =
            words.as_slice().iter().map(|word| EventWord::from_bits(*word)).collect();
        assert_eq!(words[0].code(), Kind::Gap as u8);
        assert_eq!(words[0].delta() + units, (1 << 40) >> UNIT_SHIFT);
        assert_eq!((words[1].delta(), words[1].value()), (0, 7));
        // If the clock goes back, the time stays the same.
        let words = encoder.stamped(5, Event::park());
        assert_eq!(EventWord::from_bits(words.as_slice()[0]).delta(), 0);
    }

    #[test]
    fn operands_are_not_counted_as_times() {
        let mut encoder = Encoder::new(0);
        let mut words = encoder.stamped(640, Event::mark(1, u64::MAX)).as_slice().to_vec();
        words.extend(encoder.stamped(1 << 40, Event::park()).as_slice());
        words.extend(encoder.unstamped(Event::unpark()).as_slice());
        assert_eq!(event_units(words), (1 << 40) >> UNIT_SHIFT);
        assert_eq!(event_units([]), 0);
    }

    #[test]
    fn a_mark_with_a_small_name_and_number_is_one_word() {
        for (name, number, words) in [
            (0, 0, 1),
            (7, SHORT_MAX, 1),
            (SHORT_MAX as u32, 9, 1),
            (7, SHORT_MAX + 1, 2),
            (SHORT_MAX as u32 + 1, 9, 2),
            (u32::MAX, u64::MAX, 2),
        ] {
            let events = [
                (Event::mark(name, number), Kind::Mark),
                (Event::span_start(name, number), Kind::SpanStart),
                (Event::span_end(name, number), Kind::SpanEnd),
            ];
            for (event, kind) in events {
                assert_eq!(event.words(), words, "{event:?}");
                let expanded = event.kind().expanded(event.value(), event.operand);
                assert_eq!(expanded, (kind, u64::from(name), number));
            }
        }
        for (string, words) in [(0, 1), (5, 2)] {
            let event = Event::io(8, crate::operand::Ready(3), string);
            assert_eq!(event.words(), words);
            let expanded = event.kind().expanded(event.value(), event.operand);
            assert_eq!(expanded, (Kind::Io, 8 | 3 << 32, u64::from(string)));
        }
    }

    #[test]
    fn the_table_has_every_kind() {
        let table = words_per_kind();
        assert_eq!(table.iter().filter(|words| **words > 0).count(), Kind::ALL.len());
        assert!(table.iter().all(|words| usize::from(*words) < EVENT_WORDS_MAX));
        for kind in Kind::ALL {
            assert_eq!(Kind::from_code(*kind as u8), Some(*kind));
        }
        assert_eq!(Kind::from_code(0), None);
    }
}
