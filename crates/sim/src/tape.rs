//! The text form of a tape: the choices of a run, by stream.
//!
//! ```text
//! reveille-sim tape 1
//! seed 7
//! rest zero
//! reseed 9000012000 3
//! schedule<tab>1 0 2
//! ```
//!
//! `rest zero` says that all choices behind those of the tape are 0; without it they are the
//! seed's. `reseed` says that from this virtual time on, in nanoseconds, all choices are those of
//! another seed, but no further faults are planned.

use std::fmt::Write as _;

/// The first line of a tape. The number is the version of its format.
const HEADER: &str = "reveille-sim tape 1";

/// What a run draws after the end of its tape.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Rest {
    #[default]
    Seed,
    Zero,
    /// As `Seed`, but no further faults are planned. No tape begins with it.
    SeedWithoutFaults,
}

/// The choices of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tape {
    pub(crate) seed: u64,
    pub(crate) rest: Rest,
    /// From this time on, in nanoseconds, the choices are those of this seed.
    pub(crate) reseed: Option<(u64, u64)>,
    /// The streams in the order of their first draws.
    pub(crate) streams: Vec<(String, Vec<u64>)>,
}

impl Tape {
    /// Reads a tape.
    ///
    /// # Errors
    ///
    /// Returns an error if the text is not a tape.
    pub(crate) fn parse(text: &str) -> Result<Tape, String> {
        let mut lines = text.lines();
        if lines.next() != Some(HEADER) {
            return Err(format!("it does not begin with `{HEADER}`"));
        }
        let seed = lines.next().and_then(|line| line.strip_prefix("seed "));
        let seed = seed.and_then(|seed| seed.parse().ok()).ok_or("its second line has no seed")?;
        let mut tape = Tape { seed, ..Tape::default() };
        for line in lines {
            if line == "rest zero" {
                tape.rest = Rest::Zero;
                continue;
            }
            if let Some(reseed) = line.strip_prefix("reseed ") {
                let numbers = reseed
                    .split_once(' ')
                    .and_then(|(time, seed)| Some((time.parse().ok()?, seed.parse().ok()?)));
                tape.reseed = Some(numbers.ok_or("`reseed` needs a time and a seed")?);
                continue;
            }
            let (name, choices) = line.split_once('\t').ok_or("a line has no name of a stream")?;
            let choices: Result<Vec<u64>, _> = choices.split(' ').map(str::parse).collect();
            let choices = choices.map_err(|error| format!("stream `{name}`: {error}"))?;
            tape.streams.push((name.to_owned(), choices));
        }
        Ok(tape)
    }

    /// The text of the tape.
    pub(crate) fn text(&self) -> String {
        let mut text = format!("{HEADER}\nseed {}\n", self.seed);
        let _ = match self.rest {
            Rest::Seed | Rest::SeedWithoutFaults => Ok(()),
            Rest::Zero => writeln!(text, "rest zero"),
        };
        if let Some((time_ns, seed)) = self.reseed {
            let _ = writeln!(text, "reseed {time_ns} {seed}");
        }
        for (name, choices) in self.streams.iter().filter(|(_, choices)| !choices.is_empty()) {
            let choices: Vec<String> = choices.iter().map(u64::to_string).collect();
            let _ = writeln!(text, "{name}\t{}", choices.join(" "));
        }
        text
    }

    /// Removes the zeros at the end that `rest zero` implies.
    pub(crate) fn trim(&mut self) {
        for (_, choices) in &mut self.streams {
            let len = choices.iter().rposition(|&choice| choice != 0).map_or(0, |last| last + 1);
            choices.truncate(len);
        }
        self.streams.retain(|(_, choices)| !choices.is_empty());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tape_is_read_as_it_was_written() {
        let tape = Tape {
            seed: 7,
            rest: Rest::Zero,
            reseed: Some((9_000, 3)),
            streams: vec![("schedule".to_owned(), vec![1, 0, 2]), ("disk 0".to_owned(), vec![5])],
        };
        assert_eq!(Tape::parse(&tape.text()), Ok(tape.clone()));
        let tape = Tape { rest: Rest::Zero, reseed: None, ..tape };
        assert_eq!(Tape::parse(&tape.text()), Ok(tape));
    }

    #[test]
    fn a_text_that_is_not_a_tape_is_an_error() {
        let of = |text| Tape::parse(text).unwrap_err();
        assert!(of("a file").contains("does not begin"));
        assert!(of("reveille-sim tape 1\nseed x\n").contains("no seed"));
        assert!(of("reveille-sim tape 1\nseed 7\nschedule\t1 x\n").contains("`schedule`"));
        assert!(of("reveille-sim tape 1\nseed 7\nschedule\n").contains("no name"));
        assert!(of("reveille-sim tape 1\nseed 7\nreseed 1\n").contains("reseed"));
    }

    #[test]
    fn zeros_at_the_end_are_not_kept() {
        let streams = vec![("a".to_owned(), vec![0, 3, 0, 0]), ("b".to_owned(), vec![0, 0])];
        let mut tape = Tape { streams, ..Tape::default() };
        tape.trim();
        assert_eq!(tape.streams, [("a".to_owned(), vec![0, 3])]);
    }
}
