//! Named streams of random choices, all from one seed, and the tape that records them. Each stream
//! has its own generator. So a program that draws more from one stream does not change the others,
//! and removing a fault does not shift the schedule.
//!
//! A tape has the choices of each stream. A run that reads a tape makes the same choices; after the
//! end of the tape it continues with the seed.

use std::fmt::Write as _;

use crate::shrink::is_of_plan;
use crate::tape::{Rest, Tape};

/// The step of the Weyl sequence and the mask of wyrand, as in the runtime's own generator.
const STEP: u64 = 0xa076_1d64_78bd_642f;
const MASK: u64 = 0xe703_7ed1_a0b4_28db;

/// How many places of names are remembered. More than there are names in this crate.
const PLACES: usize = 128;

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

/// Makes a number below `count` of any number.
fn below(any: u64, count: u64) -> u64 {
    ((u128::from(any) * u128::from(count)) >> 64) as u64
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
    /// What is drawn behind the tape is 0.
    ends_with_zeros: bool,
    /// What a tape says, in reverse order.
    replayed: Vec<u64>,
    recorded: Vec<u64>,
}

impl Stream {
    /// Whether each choice is what is drawn.
    fn is_drawn(&self) -> bool {
        self.replayed.is_empty() && !self.ends_with_zeros
    }
}

/// The entry of a constant in [`Streams::places`] that is tried first.
fn first_place(address: usize, len: usize) -> usize {
    (address ^ len) % PLACES
}

/// All streams of a run.
#[derive(Debug)]
pub(crate) struct Streams {
    seed: u64,
    /// The seed of the choices. It changes only at the time that the tape's `reseed` has.
    drawn_seed: u64,
    recording: Recording,
    rest: Rest,
    reseed: Option<(u64, u64)>,
    streams: Vec<Stream>,
    /// The streams whose names are at these places of memory: address, length, number.
    places: [(usize, usize, usize); PLACES],
    /// The stream and the alternatives of each choice, if they are asked for.
    choices: Option<Vec<(usize, u64)>>,
}

impl Streams {
    pub(crate) fn new(seed: u64, recording: Recording) -> Streams {
        Streams {
            seed,
            drawn_seed: seed,
            recording,
            rest: Rest::Seed,
            reseed: None,
            streams: Vec::new(),
            places: [(0, 0, 0); PLACES],
            choices: None,
        }
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
        let tape = Tape::parse(tape)?;
        if tape.seed != seed {
            return Err(format!("it is the tape of seed {}", tape.seed));
        }
        let mut streams = Streams::new(seed, recording);
        (streams.rest, streams.reseed) = (tape.rest, tape.reseed);
        for (name, mut choices) in tape.streams {
            choices.reverse();
            streams.stream(&name).replayed = choices;
        }
        Ok(streams)
    }

    /// The time at which the choices become those of another seed, in nanoseconds since the run
    /// began.
    pub(crate) fn reseeds_at_ns(&self) -> Option<u64> {
        self.reseed.map(|(time_ns, _)| time_ns)
    }

    /// From now on, the choices are those of the other seed, but for the plan of faults.
    pub(crate) fn reseed(&mut self) {
        let Some((_, seed)) = self.reseed.take() else { return };
        self.drawn_seed = seed;
        self.rest = Rest::SeedWithoutFaults;
        for stream in self.streams.iter_mut().filter(|stream| !is_of_plan(&stream.name)) {
            stream.replayed.clear();
            stream.ends_with_zeros = false;
            stream.state = seed_of(seed, &stream.name);
        }
    }

    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }

    /// Keeps the alternatives of each choice.
    pub(crate) fn keep_choices(&mut self) {
        self.choices = Some(Vec::new());
    }

    /// The stream and the number of alternatives of each choice, in order, one per line.
    pub(crate) fn choices(&self) -> String {
        let mut text = String::new();
        for &(stream, alternatives) in self.choices.iter().flatten() {
            let _ = writeln!(text, "{}\t{alternatives}", self.streams[stream].name);
        }
        text
    }

    /// The number of a stream whose name is a constant. Its place in memory tells which it is.
    #[inline]
    fn index_of_constant(&mut self, name: &'static str) -> usize {
        let (address, len) = (name.as_ptr().addr(), name.len());
        match self.places[first_place(address, len)] {
            (known, known_len, index) if (known, known_len) == (address, len) => index,
            _ => self.search_constant(name, (address, len)),
        }
    }

    #[cold]
    fn search_constant(&mut self, name: &str, (address, len): (usize, usize)) -> usize {
        let mut place = first_place(address, len);
        loop {
            match self.places[place] {
                (known, known_len, index) if (known, known_len) == (address, len) => return index,
                (0, ..) => break,
                // There are fewer constants than places.
                _ => place = (place + 1) % PLACES,
            }
        }
        let index = self.index(name);
        self.places[place] = (address, len, index);
        index
    }

    /// The number of a stream.
    fn index(&mut self, name: &str) -> usize {
        let found = self.streams.iter().position(|stream| stream.name == name);
        found.unwrap_or_else(|| {
            let state = seed_of(self.drawn_seed, name);
            let ends_with_zeros = match self.rest {
                Rest::Seed => false,
                Rest::Zero => true,
                Rest::SeedWithoutFaults => is_of_plan(name),
            };
            let (name, replayed, recorded) = (name.to_owned(), Vec::new(), Vec::new());
            self.streams.push(Stream { name, state, ends_with_zeros, replayed, recorded });
            self.streams.len() - 1
        })
    }

    fn stream(&mut self, name: &str) -> &mut Stream {
        let index = self.index(name);
        &mut self.streams[index]
    }

    /// Draws from the stream `name` whether something happens, with the probability of `chance` in
    /// `unit`. The tape has a 1 if it does.
    pub(crate) fn happens(&mut self, name: &str, chance: u64, unit: u64) -> bool {
        let index = self.index(name);
        self.choose(index, 2, |drawn| u64::from(below(drawn, unit) < chance)) == 1
    }

    /// Draws a number below `count` from the stream `name`. 0 if `count` is 0.
    pub(crate) fn draw(&mut self, name: &'static str, count: u64) -> u64 {
        let index = self.index_of_constant(name);
        self.choose(index, count, |drawn| below(drawn, count))
    }

    /// As [`draw`](Streams::draw), for a name that is not a constant.
    pub(crate) fn draw_from(&mut self, name: &str, count: u64) -> u64 {
        let index = self.index(name);
        self.choose(index, count, |drawn| below(drawn, count))
    }

    /// The next choice of a stream: the tape's, or what `choose` makes of a drawn number.
    #[inline]
    fn choose(&mut self, index: usize, count: u64, choose: impl FnOnce(u64) -> u64) -> u64 {
        let is_kept = self.recording == Recording::On || self.choices.is_some();
        let stream = &mut self.streams[index];
        // Drawn even if the tape has a choice, so that the stream goes on where the seed is.
        let drawn = choose(next_u64(&mut stream.state));
        if !is_kept && stream.is_drawn() { drawn } else { self.settle(index, count, drawn) }
    }

    /// The choice of a stream of which `drawn` was drawn. Keeps it if it is asked for.
    #[cold]
    fn settle(&mut self, index: usize, count: u64, drawn: u64) -> u64 {
        let recording = self.recording;
        if let Some(choices) = &mut self.choices {
            choices.push((index, count));
        }
        let stream = &mut self.streams[index];
        // A program that was changed since may have fewer choices here.
        let choice = match stream.replayed.pop() {
            Some(choice) => choice % count.max(1),
            None if stream.ends_with_zeros => 0,
            None => drawn,
        };
        if recording == Recording::On {
            stream.recorded.push(choice);
        }
        choice
    }

    /// The tape of what was drawn, as text.
    pub(crate) fn tape(&self) -> String {
        let streams = self.streams.iter();
        let streams = streams.map(|it| (it.name.clone(), it.recorded.clone())).collect();
        Tape { seed: self.seed, rest: Rest::Seed, reseed: None, streams }.text()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draws(streams: &mut Streams, name: &str, times: usize) -> Vec<u64> {
        (0..times).map(|_| streams.draw_from(name, 1000)).collect()
    }

    #[test]
    fn a_constant_names_the_stream_of_its_text() {
        let mut streams = Streams::new(7, Recording::Off);
        let mut other = Streams::new(7, Recording::Off);
        for _ in 0..3 {
            let drawn = ["schedule", "sched", "time"].map(|name| streams.draw(name, 1000));
            let name = |len| "schedule".get(..len).expect("letters");
            let same = [name(8), name(5)].map(|name| other.draw(name, 1000));
            assert_eq!((drawn[0], drawn[1]), (same[0], same[1]));
            assert_eq!(drawn[2], other.draw_from("time", 1000));
        }
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
    fn a_tape_repeats_the_choices_and_then_the_seed_continues() {
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
    fn a_tape_of_another_seed_is_an_error() {
        let error = Streams::from_tape(7, Recording::Off, "reveille-sim tape 1\nseed 8\n");
        assert!(error.map(drop).unwrap_err().contains("seed 8"));
    }

    #[test]
    fn after_a_tape_come_zeros_or_another_seed_if_it_says_so() {
        let tape = "reveille-sim tape 1\nseed 7\nrest zero\nreseed 5 8\nx\t3 4\n";
        let mut streams = Streams::from_tape(7, Recording::Off, tape).expect("a tape");
        assert_eq!(draws(&mut streams, "x", 4), [3, 4, 0, 0]);
        assert_eq!(draws(&mut streams, "y", 2), [0, 0]);
        assert_eq!(streams.reseeds_at_ns(), Some(5));
        streams.reseed();
        let mut other = Streams::new(8, Recording::Off);
        assert_eq!(draws(&mut streams, "x", 9), draws(&mut other, "x", 9));
        assert_eq!(draws(&mut streams, "z", 9), draws(&mut other, "z", 9));
        assert_eq!((streams.reseeds_at_ns(), streams.seed()), (None, 7));
    }

    #[test]
    fn another_seed_draws_all_but_faults() {
        let tape = "reveille-sim tape 1\nseed 7\nrest zero\nreseed 5 8\nfault 1\t1 9\nx\t3\n";
        let mut streams = Streams::from_tape(7, Recording::Off, tape).expect("a tape");
        let mut other = Streams::new(8, Recording::Off);
        streams.reseed();
        assert_eq!(draws(&mut streams, "fault 1", 4), [1, 9, 0, 0]);
        assert_eq!(draws(&mut streams, "fault 2", 2), [0, 0]);
        assert_eq!(draws(&mut streams, "x", 4), draws(&mut other, "x", 4));
        assert_eq!(draws(&mut streams, "y", 4), draws(&mut other, "y", 4));
    }

    #[test]
    fn names_at_the_same_place_of_memory_are_told_apart() {
        let (mut one, mut other) =
            (Streams::new(7, Recording::Off), Streams::new(7, Recording::Off));
        let mut name = "a 1".to_owned();
        let first = draws(&mut one, &name, 3);
        name.replace_range(2.., "2");
        let second = draws(&mut one, &name, 3);
        assert_eq!(first, draws(&mut other, "a 1", 3));
        assert_eq!(second, draws(&mut other, "a 2", 3));
    }

    #[test]
    fn the_tape_of_what_happens_has_ones_and_zeros() {
        let mut streams = Streams::new(7, Recording::On);
        let happened = (0..1_000).filter(|_| streams.happens("loss", 100, 1_000)).count();
        assert!((50..200).contains(&happened), "{happened}");
        let tape = streams.tape();
        let choices = tape.lines().find_map(|line| line.strip_prefix("loss\t")).expect("a stream");
        assert_eq!(choices.split(' ').filter(|&choice| choice == "1").count(), happened);
        assert_eq!(choices.split(' ').filter(|&choice| choice == "0").count(), 1_000 - happened);
        let mut again = Streams::from_tape(7, Recording::Off, &tape).expect("a tape");
        // The tape decides, whatever the probability is.
        assert_eq!((0..1_000).filter(|_| again.happens("loss", 1, 1_000)).count(), happened);
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
