//! Each runtime's own stream adapters, and the lines of its own buffered reader.

use crate::measure::{Effort, Meter, Sample};
use crate::rt::Rt;
use crate::source::{Numbers, Packets};

/// How many numbers one chain of adapters takes from its source.
const NUMBERS: u64 = 20_000;
/// How many lines one reader has, and the text of each.
const LINES: usize = 10_000;
const LINE: &str = "a line of text, as long as many are\n";

/// A chain of five adapters, read item by item. Per number of the source.
pub fn adapters<R: Rt>(effort: &Effort) -> Sample {
    let rt = R::start(effort.workers);
    let mut meter = Meter::new(effort);
    // What the chain of `Rt::adapters` comes to.
    let kept = (0..NUMBERS).filter(|number| number % 3 != 0).map(|number| number * 2).skip(10);
    let expected: u64 = kept.sum();
    rt.inside(async move {
        while meter.is_running() {
            let sum = R::adapters(Numbers::below(NUMBERS)).await;
            assert_eq!(sum, expected, "the adapters keep what they should");
            meter.add(NUMBERS as usize);
        }
        meter.finish()
    })
}

/// The lines of a reader that gives a packet at a time. Per line.
pub fn lines<R: Rt>(effort: &Effort) -> Sample {
    let rt = R::start(effort.workers);
    let mut meter = Meter::new(effort);
    let text: &'static [u8] = LINE.repeat(LINES).leak().as_bytes();
    rt.inside(async move {
        while meter.is_running() {
            let letters = R::letters_of_lines(Packets::of(text)).await;
            assert_eq!(letters, LINES * (LINE.len() - 1), "every line is whole");
            meter.add(LINES);
        }
        meter.finish()
    })
}
