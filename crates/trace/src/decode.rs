//! Decodes the words of a chunk into events with ticks.

use crate::chunk::{ChunkHead, HEAD_WORDS};
use crate::operand::Outcome;
use crate::word::{EventWord, Kind, UNIT_TICKS};

/// An event of a chunk. Its kind is no short one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Decoded {
    pub(crate) kind: Kind,
    /// The tick of its own stamp, or of the last stamp before it.
    pub(crate) tick: u64,
    /// Whether the event has a stamp of its own.
    pub(crate) is_stamped: bool,
    pub(crate) value: u64,
    pub(crate) operand: u64,
}

/// What was wrong in the words of a chunk.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    /// Events of kinds that this version does not know.
    pub(crate) unknown: u64,
    /// Whether the words became invalid before the end.
    pub(crate) is_bad: bool,
}

/// Calls `each` with the events of a chunk.
pub(crate) fn events(
    head: &ChunkHead,
    words: &[u64],
    kinds: &[u8; 32],
    mut each: impl FnMut(Decoded),
) -> Reading {
    let mut reading = Reading::default();
    let mut words = words.iter().skip(HEAD_WORDS).copied();
    let mut units = head.moment.tick / UNIT_TICKS;
    let mut last_tick = units.saturating_mul(UNIT_TICKS);
    let mut is_after_gap = false;
    while let Some(word) = words.next().map(EventWord::from_bits) {
        let len = kinds[usize::from(word.code())];
        if len == 0 {
            reading.is_bad = true;
            break;
        }
        units = units.saturating_add(word.delta());
        let mut operand = 0;
        let mut has_operand = true;
        for _ in 1..len {
            match words.next() {
                Some(word) => operand = word,
                None => has_operand = false,
            }
        }
        match Kind::from_code(word.code()) {
            Some(Kind::Gap) => is_after_gap = true,
            Some(Kind::EndPollStart) => {
                each(finished(last_tick));
                let (kind, value) = (Kind::PollStart, word.value());
                let is_stamped = is_after_gap || word.delta() > 0;
                last_tick = units.saturating_mul(UNIT_TICKS);
                each(Decoded { kind, tick: last_tick, is_stamped, value, operand });
                is_after_gap = false;
            }
            // The last event is incomplete, because the file was cut off.
            _ if !has_operand => reading.is_bad = true,
            Some(kind) => {
                let is_stamped = is_after_gap || word.delta() > 0;
                last_tick = units.saturating_mul(UNIT_TICKS);
                let (kind, value, operand) = kind.expanded(word.value(), operand);
                each(Decoded { kind, tick: last_tick, is_stamped, value, operand });
                is_after_gap = false;
            }
            None => {
                reading.unknown += 1;
                is_after_gap = false;
            }
        }
    }
    if head.has_ended {
        each(finished(last_tick));
    }
    reading
}

/// The end of the polled task, without a stamp.
fn finished(tick: u64) -> Decoded {
    let value = Outcome::Finished as u64;
    Decoded { kind: Kind::ShortLife, tick, is_stamped: false, value, operand: 0 }
}
