//! All orders of a small test, up to a number of deviations from the first one.
//!
//! The first run takes choice 0 everywhere. Each run reports how many alternatives each of its
//! choices had. The runs that follow it deviate in one more choice, after its last deviation, so
//! each run is made once. The varied choices are which thread and which task run next, and what the
//! program draws. Times are always the shortest ones: varying them would take too many runs.

use std::fs;

use crate::child::{CHOICES, REPLAY, SEED};
use crate::explain::tape_file;
use crate::harness::{SimulatedTest, fail, scratch_file};
use crate::shrink::USER;
use crate::tape::{Rest, Tape};

/// The seed of all runs. It decides the choices that are not varied.
const ONLY_SEED: u64 = 0;

/// The most runs. A test that needs more is too large for this search.
const RUNS_MAX: usize = 100_000;

/// Streams whose choices are varied, besides those of the program.
const VARIED: [&str; 4] = ["schedule", "task", "sibling", "steal"];

/// A choice that is not 0: its stream, its number in the stream, and its value.
type Deviation = (String, usize, u64);

/// A choice of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Choice {
    stream: String,
    /// The number of the choice in its stream.
    number: usize,
    alternatives: u64,
}

impl SimulatedTest {
    /// Runs the test with all choices that deviate at most `bound` times from the first ones.
    /// Returns how many runs that were.
    ///
    /// # Panics
    ///
    /// Panics if a run fails, or if there are too many.
    pub(crate) fn run_all(&self, bound: usize) -> usize {
        let mut open: Vec<Vec<Deviation>> = vec![Vec::new()];
        let mut runs = 0;
        while let Some(deviations) = open.pop() {
            runs += 1;
            assert!(
                runs <= RUNS_MAX,
                "the test `{}` has more than {RUNS_MAX} orders with at most {bound} deviations: \
                 lower the bound, or make the test smaller",
                self.name()
            );
            let choices = self.run_one(&deviations);
            if deviations.len() < bound {
                open.extend(following(&choices, &deviations));
            }
        }
        runs
    }

    /// Runs the test with these deviations. Returns its choices.
    fn run_one(&self, deviations: &[Deviation]) -> Vec<Choice> {
        let (tape, choices) = (scratch_file("all.tape"), scratch_file("all.choices"));
        let text = tape_of(deviations).text();
        fs::write(&tape, &text).unwrap_or_else(|error| panic!("{}: {error}", tape.display()));
        let variables = [(REPLAY, tape.as_os_str()), (CHOICES, choices.as_os_str())];
        let finished = self.finish(ONLY_SEED, &variables, None);
        let made = fs::read_to_string(&choices);
        let _ = (fs::remove_file(&tape), fs::remove_file(&choices));
        if let Some(failure) = finished.failure() {
            let kept = tape_file(self.name(), ONLY_SEED, "-exhaustive").and_then(|path| {
                fs::write(&path, &text).map_err(|error| error.to_string())?;
                Ok(path.display().to_string())
            });
            fail(format!(
                "{}with {} deviations from the first order. replay of that: {SEED}={ONLY_SEED} \
                 {REPLAY}={} cargo test {} -- --exact",
                self.describe(ONLY_SEED, &finished, &failure),
                deviations.len(),
                kept.unwrap_or_else(|error| format!("({error})")),
                self.name(),
            ));
        }
        parse(&made.unwrap_or_default())
    }
}

/// The runs that deviate in one more choice.
fn following(choices: &[Choice], deviations: &[Deviation]) -> Vec<Vec<Deviation>> {
    let is_last = |choice: &Choice| {
        deviations
            .last()
            .is_some_and(|(stream, number, _)| choice.stream == *stream && choice.number == *number)
    };
    let behind = choices.iter().position(is_last).map_or(0, |last| last + 1);
    let mut found = Vec::new();
    for choice in &choices[behind..] {
        let is_varied = VARIED.contains(&choice.stream.as_str()) || choice.stream.starts_with(USER);
        for alternative in 1..if is_varied { choice.alternatives } else { 0 } {
            let more = (choice.stream.clone(), choice.number, alternative);
            found.push(deviations.iter().cloned().chain([more]).collect());
        }
    }
    found
}

fn tape_of(deviations: &[Deviation]) -> Tape {
    let mut tape = Tape { seed: ONLY_SEED, rest: Rest::Zero, ..Tape::default() };
    for (stream, number, choice) in deviations {
        let index = tape.streams.iter().position(|(name, _)| name == stream);
        let index = index.unwrap_or_else(|| {
            tape.streams.push((stream.clone(), Vec::new()));
            tape.streams.len() - 1
        });
        let choices = &mut tape.streams[index].1;
        choices.resize(choices.len().max(number + 1), 0);
        choices[*number] = *choice;
    }
    tape
}

/// Reads what a run has written: a line for each choice, with its stream and its alternatives.
fn parse(text: &str) -> Vec<Choice> {
    let mut numbers = std::collections::BTreeMap::new();
    let lines = text.lines().filter_map(|line| line.split_once('\t'));
    lines
        .filter_map(|(stream, alternatives)| {
            let next = numbers.entry(stream.to_owned()).or_insert(0);
            let number = std::mem::replace(next, *next + 1);
            let alternatives = alternatives.parse().ok()?;
            Some(Choice { stream: stream.to_owned(), number, alternatives })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_run_with_few_deviations_is_made_once() {
        // Three choices of two alternatives, one of three.
        let choices = parse("schedule\t2\ntime\t1000\nschedule\t2\nuser x\t3\nschedule\t2\n");
        let mut open = vec![Vec::new()];
        let mut made = Vec::new();
        while let Some(deviations) = open.pop() {
            if deviations.len() < 2 {
                open.extend(following(&choices, &deviations));
            }
            made.push(deviations);
        }
        // 1, then 3 + 2, then 3 pairs of schedule and 3 * 2 with the program's.
        assert_eq!(made.len(), 1 + 5 + 3 + 6);
        let mut tapes: Vec<String> = made.iter().map(|it| tape_of(it).text()).collect();
        tapes.sort();
        tapes.dedup();
        assert_eq!(tapes.len(), made.len());
    }
}
