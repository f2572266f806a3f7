//! Folded stacks: one line for each stack, with its frames separated by `;`, and its microseconds.
//!
//! This is the input of `flamegraph.pl` and `inferno-flamegraph`.

use std::fmt::Write as _;

use reveille_trace::Trace;

use super::waited;

/// Returns the text. Stacks with less than a microsecond of waiting are left out.
pub(crate) fn text(trace: &Trace) -> String {
    let mut text = String::new();
    for stack in waited::stacks(trace) {
        let us = stack.ns / 1_000;
        if us > 0 {
            let frames: Vec<String> = stack.frames.iter().map(|frame| clean(frame)).collect();
            let _ = writeln!(text, "{} {us}", frames.join(";"));
        }
    }
    text
}

/// Replaces characters that have a meaning in the format.
fn clean(frame: &str) -> String {
    let replaced = |letter: char| match letter {
        ';' => ':',
        letter if letter.is_control() => ' ',
        letter => letter,
    };
    frame.chars().map(replaced).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_name_never_splits_a_frame() {
        assert_eq!(super::clean("[u8; 4]\nx"), "[u8: 4] x");
    }
}
