//! Each runtime's own stream adapters, and the lines of its own buffered reader.

use crate::measure::{Meter, RunConfig, Sample};
use crate::rt::Rt;
use crate::source::{Numbers, Packets};

/// The numbers that one chain of adapters takes from its source.
const NUMBERS: u64 = 20_000;
/// The number of lines of one reader, and the text of each.
const LINES: usize = 10_000;
const LINE: &str = "a line of text, as long as many are\n";

/// A chain of five adapters, read item by item. Per number of the source.
pub fn adapters<R: Rt>(config: &RunConfig) -> Sample {
    let rt = R::start(config.workers);
    let mut meter = Meter::new(config);
    // The result of the chain in `Rt::adapters`.
    let kept = (0..NUMBERS).filter(|number| number % 3 != 0).map(|number| number * 2).skip(10);
    let expected: u64 = kept.sum();
    rt.block_on_task(async move {
        while meter.is_running() {
            let sum = R::adapters(Numbers::below(NUMBERS)).await;
            assert_eq!(sum, expected, "the adapters keep what they should");
            meter.add(NUMBERS as usize);
        }
        meter.finish()
    })
}

/// The lines of a reader that returns one packet at a time. Per line.
pub fn lines<R: Rt>(config: &RunConfig) -> Sample {
    let rt = R::start(config.workers);
    let mut meter = Meter::new(config);
    let text: &'static [u8] = LINE.repeat(LINES).leak().as_bytes();
    rt.block_on_task(async move {
        while meter.is_running() {
            let letters = R::sum_line_lengths(Packets::of(text)).await;
            assert_eq!(letters, LINES * (LINE.len() - 1), "every line is whole");
            meter.add(LINES);
        }
        meter.finish()
    })
}
