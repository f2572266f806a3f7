//! Named streams of random choices, all from one seed, and the tape that records them.
//!
//! Each stream is a generator of its own. So a program that draws more from one stream does not
//! change what the others give, and a fault that is removed does not shift the schedule.
//!
//! A tape has the choices of each stream. A run that reads a tape makes the same choices; after the
//! end of the tape it goes on with the seed.

use std::fmt::Write as _;

/// The step of the Weyl sequence and the mask of wyrand, as in the runtime's own generator.
const STEP: u64 = 0xa076_1d64_78bd_642f;
const MASK: u64 = 0xe703_7ed1_a0b4_28db;

/// The first line of a tape. The number is the version of its format.
const TAPE_HEADER: &str = "reveille-sim tape 1";

/// Returns the next number of the generator with this state.
pub(crate) fn next_u64(state: &mut u64) -> u64 {
    *state = state.wrapping_add(STEP);
    mix(*state, *state ^ MASK)
}

/// Folds the product of two numbers.
pub(crate) fn mix(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product >> 64) as u64 ^ product as u64
}

/// Returns the state with which the stream `name` begins.
pub(crate) fn seed_of(seed: u64, name: &str) -> u64 {
    name.bytes().fold(mix(seed ^ STEP, MASK), |state, byte| mix(state ^ u64::from(byte), STEP))
}

/// Whether the choices are kept, for a tape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Recording {
    On,
    Off,
}

#[derive(Debug)]
struct Stream {
    name: String,
    state: u64,
    /// What a tape says, in reverse order.
    replayed: Vec<u64>,
    recorded: Vec<u64>,
}

/// All streams of a run.
#[derive(Debug)]
pub(crate) struct Streams {
    seed: u64,
    recording: Recording,
    streams: Vec<Stream>,
}

impl Streams {
    pub(crate) fn new(seed: u64, recording: Recording) -> Streams {
        Streams { seed, recording, streams: Vec::new() }
    }

    /// The streams of a run that follows `tape`.
    ///
    /// # Errors
    ///
    /// Returns an error if the text is not a tape, or one of another seed.
    pub(crate) fn from_tape(
        seed: u64,
        recording: Recording,
        tape: &str,
    ) -> Result<Streams, String> {
        let mut lines = tape.lines();
        if lines.next() != Some(TAPE_HEADER) {
            return Err(format!("it does not begin with `{TAPE_HEADER}`"));
        }
        let of_seed = lines.next().and_then(|line| line.strip_prefix("seed ")).unwrap_or("");
        if of_seed != seed.to_string() {
            return Err(format!("it is the tape of seed `{of_seed}`"));
        }
        let mut streams = Streams::new(seed, recording);
        for line in lines {
            let (name, choices) = line.split_once('\t').ok_or("a line has no name of a stream")?;
            let choices: Result<Vec<u64>, _> = choices.split(' ').map(str::parse).collect();
            let mut choices = choices.map_err(|error| format!("stream `{name}`: {error}"))?;
            choices.reverse();
            streams.stream(name).replayed = choices;
        }
        Ok(streams)
    }

    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }

    fn stream(&mut self, name: &str) -> &mut Stream {
        let found = self.streams.iter().position(|stream| stream.name == name);
        let index = found.unwrap_or_else(|| {
            let state = seed_of(self.seed, name);
            let (replayed, recorded) = (Vec::new(), Vec::new());
            self.streams.push(Stream { name: name.to_owned(), state, replayed, recorded });
            self.streams.len() - 1
        });
        &mut self.streams[index]
    }

    /// Draws a number below `count` from the stream `name`. 0 if `count` is 0.
    pub(crate) fn draw(&mut self, name: &str, count: u64) -> u64 {
        let recording = self.recording;
        let stream = self.stream(name);
        // Drawn even if the tape has a choice, so that the stream goes on where the seed is.
        let drawn = next_u64(&mut stream.state);
        let drawn = ((u128::from(drawn) * u128::from(count)) >> 64) as u64;
        // A program that was changed since may have fewer choices here.
        let choice = stream.replayed.pop().map_or(drawn, |choice| choice % count.max(1));
        if recording == Recording::On {
            stream.recorded.push(choice);
        }
        choice
    }

    /// The tape of what was drawn, as text.
    pub(crate) fn tape(&self) -> String {
        let mut tape = format!("{TAPE_HEADER}\nseed {}\n", self.seed);
        for stream in self.streams.iter().filter(|stream| !stream.recorded.is_empty()) {
            let choices: Vec<String> = stream.recorded.iter().map(u64::to_string).collect();
            let _ = writeln!(tape, "{}\t{}", stream.name, choices.join(" "));
        }
        tape
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draws(streams: &mut Streams, name: &str, times: usize) -> Vec<u64> {
        (0..times).map(|_| streams.draw(name, 1000)).collect()
    }

    #[test]
    fn a_stream_does_not_depend_on_what_others_draw() {
        let mut alone = Streams::new(7, Recording::Off);
        let mut beside = Streams::new(7, Recording::Off);
        let _ = draws(&mut beside, "time", 5);
        assert_eq!(draws(&mut alone, "schedule", 9), draws(&mut beside, "schedule", 9));
        assert_ne!(draws(&mut alone, "schedule", 9), draws(&mut alone, "time", 9));
        let mut other = Streams::new(8, Recording::Off);
        assert_ne!(draws(&mut other, "schedule", 9), draws(&mut beside, "schedule", 9));
    }

    #[test]
    fn a_tape_repeats_the_choices_and_then_the_seed_goes_on() {
        let mut first = Streams::new(7, Recording::On);
        let begin = draws(&mut first, "schedule", 4);
        let tape = first.tape();
        let after = draws(&mut first, "schedule", 4);
        let changed = tape.replace(&begin[1].to_string(), "77");
        let mut second = Streams::from_tape(7, Recording::On, &changed).expect("a tape");
        let again = draws(&mut second, "schedule", 8);
        assert_eq!((again[0], again[1], again[2]), (begin[0], 77, begin[2]));
        assert_eq!(again[4..], after);
    }

    #[test]
    fn a_text_that_is_no_tape_of_the_seed_is_an_error() {
        let of = |tape| Streams::from_tape(7, Recording::Off, tape).map(drop).unwrap_err();
        assert!(of("a file").contains("does not begin"));
        assert!(of("reveille-sim tape 1\nseed 8\n").contains("seed `8`"));
        assert!(of("reveille-sim tape 1\nseed 7\nschedule\t1 x\n").contains("`schedule`"));
        assert!(of("reveille-sim tape 1\nseed 7\nschedule\n").contains("no name"));
    }

    #[test]
    fn all_choices_below_a_count_are_drawn() {
        let mut streams = Streams::new(1, Recording::Off);
        let mut counts = [0; 5];
        for _ in 0..1_000 {
            counts[streams.draw("x", 5) as usize] += 1;
        }
        assert!(counts.iter().all(|&count| count > 100), "{counts:?}");
        assert_eq!((streams.draw("x", 1), streams.draw("x", 0)), (0, 0));
    }
}
