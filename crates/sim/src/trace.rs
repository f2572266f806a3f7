//! A hash of all steps of a run, and on request the steps themselves.
//!
//! Two runs of a seed must have the same hash. If they do not, the lines of the two runs show the
//! first step that differs.

use std::fmt::Write as _;
use std::panic::Location;

use crate::streams::mix;

/// Odd, with half of its bits set.
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
const OTHER_FACTOR: u64 = 0xd6e8_feb8_6659_fd93;

/// The kind of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Another thread of the simulation runs.
    Switch = 1,
    /// A thread was started.
    Start = 2,
    /// A thread has ended.
    End = 3,
    /// A thread waits on a word of memory: a lock, a condition, a park.
    Wait = 4,
    /// A thread wakes those that wait on a word of memory.
    Wake = 5,
    /// A poll has ended.
    Poll = 6,
    /// A thread waits for events.
    WaitReadable = 7,
    /// The program has drawn or noted a number.
    Note = 8,
    /// Something happens to a host or to the network.
    Fault = 9,
}

/// One step, kept to compare two runs.
#[derive(Debug)]
struct Record {
    step: Step,
    thread: usize,
    time_ns: u64,
    value: u64,
    /// Where the task of a poll was spawned.
    place: Option<&'static Location<'static>>,
}

/// The steps of a run.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    hash: u64,
    steps: u64,
    /// `Some` if the steps are kept.
    records: Option<Vec<Record>>,
}

impl Trace {
    pub(crate) fn new(keeps_steps: bool) -> Trace {
        Trace { records: keeps_steps.then(Vec::new), ..Trace::default() }
    }

    /// Adds a step of the thread with this number. `value` is the object of the step.
    pub(crate) fn add(&mut self, step: Step, thread: usize, time_ns: u64, value: u64) {
        self.add_record(Record { step, thread, time_ns, value, place: None });
    }

    /// Adds the end of a poll of a task that was spawned at `place`.
    pub(crate) fn add_poll(
        &mut self,
        thread: usize,
        time_ns: u64,
        place: Option<&'static Location<'static>>,
    ) {
        // The line is part of the hash, so a run in which another task is polled differs.
        let value = place.map_or(0, |place| u64::from(place.line()));
        self.add_record(Record { step: Step::Poll, thread, time_ns, value, place });
    }

    fn add_record(&mut self, record: Record) {
        let Record { step, thread, time_ns, value, .. } = record;
        self.steps += 1;
        let place = (step as u64) << 32 | thread as u64;
        self.hash = mix(self.hash ^ place ^ FACTOR, time_ns.wrapping_add(FACTOR));
        // The second factor is never 0: a product of 0 would forget all steps before this one.
        self.hash = mix(self.hash ^ value.wrapping_mul(FACTOR), OTHER_FACTOR);
        if let Some(records) = &mut self.records {
            records.push(record);
        }
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    pub(crate) fn steps(&self) -> u64 {
        self.steps
    }

    /// The steps as text, one per line; empty if they were not kept.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for (number, record) in self.records.iter().flatten().enumerate() {
            let Record { step, thread, time_ns, value, place } = record;
            let _ = write!(text, "{number} {time_ns} ns thread {thread} {step:?} {value}");
            if let Some(place) = place {
                let _ = write!(text, " of the task spawned at {place}");
            }
            text.push('\n');
        }
        text
    }
}

/// The poll that a step is part of: the next one of its thread, because a poll is recorded at its
/// end.
fn poll_around<'a>(
    line: Option<&'a str>,
    mut rest: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    let (_, thread) = line?.split_once(" thread ")?;
    let poll = format!(" thread {} Poll ", thread.split(' ').next()?);
    line.filter(|line| line.contains(&poll)).or_else(|| rest.find(|line| line.contains(&poll)))
}

/// The first line in which two texts differ, with the lines before it.
pub(crate) fn first_difference(first: &str, second: &str) -> Option<String> {
    /// Lines that both runs have in common and that are shown.
    const SHOWN: usize = 20;
    let (mut a, mut b) = (first.lines(), second.lines());
    let mut common: Vec<&str> = Vec::new();
    loop {
        match (a.next(), b.next()) {
            (None, None) => return None,
            (Some(left), Some(right)) if left == right => common.push(left),
            (left, right) => {
                let before = common.iter().rev().take(SHOWN).rev();
                let mut text: String = before.map(|line| format!("  {line}\n")).collect();
                let line = |line: Option<&str>| line.unwrap_or("(the end)").to_owned();
                let _ = write!(text, "- {}\n+ {}\n", line(left), line(right));
                if let Some(poll) = poll_around(left, a).or_else(|| poll_around(right, b)) {
                    let _ = writeln!(text, "in the poll that ends with\n  {poll}");
                }
                return Some(text);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_depends_on_each_part_of_each_step_and_on_their_order() {
        let of = |steps: &[(Step, usize, u64, u64)]| {
            let mut trace = Trace::new(false);
            steps.iter().for_each(|&(step, thread, time, value)| {
                trace.add(step, thread, time, value);
            });
            trace.hash()
        };
        let a = (Step::Poll, 1, 5, 0);
        let others = [(Step::Wake, 1, 5, 0), (Step::Poll, 2, 5, 0), (Step::Poll, 1, 6, 0)];
        assert!(others.iter().all(|&other| of(&[a]) != of(&[other])));
        assert_ne!(of(&[a]), of(&[(Step::Poll, 1, 5, 1)]));
        assert_ne!(of(&[a, others[0]]), of(&[others[0], a]));
        assert_ne!(of(&[]), of(&[a]));
        // No value of a later step hides the steps before it.
        assert!((0..1_000).all(|value| {
            let last = (Step::Wake, 1, 9, value);
            of(&[a, last]) != of(&[others[0], last])
        }));
        assert_eq!(of(&[a, others[2]]), of(&[a, others[2]]));
    }

    #[test]
    fn the_first_difference_is_shown_after_what_is_the_same() {
        assert_eq!(first_difference("a\nb\n", "a\nb\n"), None);
        let shown = first_difference("a\nb\nc\n", "a\nb\nd\n").expect("a difference");
        assert_eq!(shown, "  a\n  b\n- c\n+ d\n");
        let shown = first_difference("a\n", "a\nb\n").expect("a difference");
        assert_eq!(shown, "  a\n- (the end)\n+ b\n");
        let shown = first_difference("1 thread 2 Wake 1\n2 thread 2 Poll 9 of x\n", "1\n");
        assert!(shown.expect("a difference").ends_with("ends with\n  2 thread 2 Poll 9 of x\n"));
        let mut trace = Trace::new(true);
        trace.add(Step::Start, 3, 9, 1);
        assert_eq!((trace.text().as_str(), trace.steps()), ("0 9 ns thread 3 Start 1\n", 1));
    }
}
