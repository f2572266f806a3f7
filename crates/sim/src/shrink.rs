//! Makes the tape of a run that fails as simple as possible.
//!
//! A choice of 0 is the simplest: no fault, no delay, the first of those that may go on. So the
//! shrinker sets choices to 0 and keeps what still fails in the same way: whole streams first, then
//! ever smaller parts of them (ddmin; Zeller and Hildebrandt, "Simplifying and isolating
//! failure-inducing input", 2002), and then it lowers those that are left. It begins with faults,
//! goes on with the scheduler's choices, and ends with those that the program draws.
//!
//! Whatever follows a fault is different without it, so the schedule that failed may not come
//! about. Before all else, faults are therefore left out under several schedules: up to the fault
//! the run stays as it was, and from there on other seeds draw.

use std::ops::RangeInclusive;

use crate::faults::{HAPPENS, TIME};
use crate::tape::{Rest, Tape};

/// What a stream decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    Fault,
    Schedule,
    User,
}

/// The order in which classes are shrunk.
const ORDER: [Class; 3] = [Class::Fault, Class::Schedule, Class::User];

/// How the name of a stream begins that has one fault of a plan.
pub(crate) const FAULT_STREAM: &str = "fault ";

/// How the names of streams with faults begin. A choice that is not 0 is a message or a write that
/// is lost, or an error.
const FAULTS: [&str; 5] = [FAULT_STREAM, "crash ", "loss", "duplication", "reordering"];

/// Under how many other schedules a fault is left out each time.
const SCHEDULES: u64 = 6;

/// How often faults are left out, each time under schedules that were not tried before.
const PASSES: u64 = 4;

/// The stream of the kinds of faults that a seed has.
pub(crate) const SWARM: &str = "swarm";

/// The prefix of the names of streams that the program draws from.
pub(crate) const USER: &str = "user ";

/// How many passes the shrinker makes over the tape. Each pass has less to do.
const ROUNDS_MAX: usize = 4;

/// The class of the stream with this name.
pub(crate) fn class_of(name: &str) -> Class {
    if name.starts_with(USER) {
        Class::User
    } else if FAULTS.iter().any(|prefix| name.starts_with(prefix)) {
        Class::Fault
    } else {
        Class::Schedule
    }
}

/// How many choices of a class are not 0, without those that say what the faults of the plan are.
pub(crate) fn count(tape: &Tape, class: Class) -> usize {
    let is_counted = |name: &str| class_of(name) == class && !is_one_fault(name);
    let streams = tape.streams.iter().filter(|(name, _)| is_counted(name));
    streams.flat_map(|(_, choices)| choices).filter(|&&choice| choice != 0).count()
}

/// How many faults of the plan happen.
pub(crate) fn count_faults(tape: &Tape) -> usize {
    faults_of(tape).len()
}

/// Whether the choices of the stream behind its tape are 0, even if those of others are drawn.
pub(crate) fn is_of_plan(name: &str) -> bool {
    name == SWARM || name.starts_with(FAULT_STREAM)
}

/// Whether the stream has one fault of a plan.
fn is_one_fault(name: &str) -> bool {
    name.strip_prefix(FAULT_STREAM).is_some_and(|number| number.parse::<u64>().is_ok())
}

/// Whether a run with a tape fails as the first one did. `None` if there is no time left for it.
pub(crate) type Fails<'a> = dyn FnMut(&Tape) -> Option<bool> + 'a;

/// The tape of all choices of the run with a tape, if it fails as the first one did.
pub(crate) type Record<'a> = dyn FnMut(&Tape) -> Option<Tape> + 'a;

/// Returns the simplest tape that was found. `None` if the run does not fail with its own tape.
pub(crate) fn shrink(tape: &Tape, fails: &mut Fails<'_>, record: &mut Record<'_>) -> Option<Tape> {
    let mut best = Tape { rest: Rest::Zero, ..tape.clone() };
    best.trim();
    if fails(&best) != Some(true) {
        return None;
    }
    // An error means that the time is up.
    let _ = (0..PASSES)
        .try_for_each(|pass| leave_faults_out(&mut best, pass, fails, record))
        .and_then(|()| rounds(&mut best, fails));
    best.trim();
    Some(best)
}

/// Leaves out the faults of the plan without which the run fails under some schedule: halves of
/// them, then quarters, down to single ones. Begins with the last, because the run before a fault
/// stays as it was.
fn leave_faults_out(
    best: &mut Tape,
    pass: u64,
    fails: &mut Fails<'_>,
    record: &mut Record<'_>,
) -> Result<(), TimeIsUp> {
    let schedules = pass * SCHEDULES + 1..=(pass + 1) * SCHEDULES;
    let mut part_len = faults_of(best).len().div_ceil(2);
    while part_len > 0 {
        let mut end = faults_of(best).len();
        while end > 0 {
            let begin = end.saturating_sub(part_len);
            let faults = faults_of(best);
            let part = faults.get(begin..end.min(faults.len())).unwrap_or_default();
            leave_out(best, part, schedules.clone(), fails, record)?;
            end = begin;
        }
        part_len = if part_len == 1 { 0 } else { part_len.div_ceil(2) };
    }
    Ok(())
}

/// Whether the stream is that of a fault that does not happen. What else it has does not matter.
fn is_left_out((name, choices): &(String, Vec<u64>)) -> bool {
    is_one_fault(name) && choices.get(HAPPENS).is_none_or(|&choice| choice == 0)
}

/// The streams of the faults that the plan has, in the order of their times.
fn faults_of(tape: &Tape) -> Vec<usize> {
    let streams = tape.streams.iter().enumerate();
    let faults = streams.filter(|(_, stream)| is_one_fault(&stream.0) && !is_left_out(stream));
    let mut faults: Vec<usize> = faults.map(|(stream, _)| stream).collect();
    faults.sort_by_key(|&stream| time_ns(tape, stream));
    faults
}

/// The time of the fault that has this stream.
fn time_ns(tape: &Tape, stream: usize) -> u64 {
    tape.streams[stream].1.get(TIME).copied().unwrap_or(0)
}

/// Leaves out the faults of these streams, if the run fails without them under its own schedule or
/// another one.
fn leave_out(
    best: &mut Tape,
    part: &[usize],
    schedules: RangeInclusive<u64>,
    fails: &mut Fails<'_>,
    record: &mut Record<'_>,
) -> Result<(), TimeIsUp> {
    let clear = |tape: &mut Tape| part.iter().for_each(|&it| tape.streams[it].1[HAPPENS] = 0);
    let Some(first_ns) = part.iter().map(|&stream| time_ns(best, stream)).min() else {
        return Ok(());
    };
    if attempt(best, fails, clear)? {
        return Ok(());
    }
    for schedule in schedules {
        let mut other = Tape { reseed: Some((first_ns, schedule)), ..best.clone() };
        clear(&mut other);
        if fails(&other).ok_or(TimeIsUp)?
            && let Some(recorded) = record(&other)
        {
            replace(best, recorded);
            break;
        }
    }
    Ok(())
}

/// Takes over the choices of another tape. Streams keep their places.
fn replace(best: &mut Tape, other: Tape) {
    best.streams.iter_mut().for_each(|(_, choices)| choices.clear());
    for (name, choices) in other.streams {
        match best.streams.iter_mut().find(|(own, _)| *own == name) {
            Some((_, own)) => *own = choices,
            None => best.streams.push((name, choices)),
        }
    }
}

/// There is no time left.
struct TimeIsUp;

fn rounds(best: &mut Tape, fails: &mut Fails<'_>) -> Result<(), TimeIsUp> {
    for _ in 0..ROUNDS_MAX {
        let before = best.clone();
        for class in ORDER {
            clear_streams(best, class, fails)?;
        }
        for class in ORDER {
            clear_parts(best, class, fails)?;
            lower(best, class, fails)?;
        }
        if *best == before {
            break;
        }
    }
    Ok(())
}

/// Replaces `best` if the changed tape still fails.
fn attempt(
    best: &mut Tape,
    fails: &mut Fails<'_>,
    change: impl FnOnce(&mut Tape),
) -> Result<bool, TimeIsUp> {
    let mut changed = best.clone();
    change(&mut changed);
    if changed == *best {
        return Ok(false);
    }
    let still_fails = fails(&changed).ok_or(TimeIsUp)?;
    if still_fails {
        *best = changed;
    }
    Ok(still_fails)
}

/// Sets all choices of a stream to 0.
fn clear_streams(best: &mut Tape, class: Class, fails: &mut Fails<'_>) -> Result<(), TimeIsUp> {
    for index in 0..best.streams.len() {
        let stream = &best.streams[index];
        if class_of(&stream.0) == class && !is_left_out(stream) {
            attempt(best, fails, |tape| tape.streams[index].1.fill(0))?;
        }
    }
    Ok(())
}

/// The places of the choices of a class that are not 0: stream and number.
fn places(tape: &Tape, class: Class) -> Vec<(usize, usize)> {
    let mut places = Vec::new();
    for (number, stream) in tape.streams.iter().enumerate() {
        if class_of(&stream.0) == class && !is_left_out(stream) {
            let found = stream.1.iter().enumerate().filter(|&(_, &choice)| choice != 0);
            places.extend(found.map(|(place, _)| (number, place)));
        }
    }
    places
}

/// Sets parts of the choices to 0: halves, then quarters, down to single ones.
fn clear_parts(best: &mut Tape, class: Class, fails: &mut Fails<'_>) -> Result<(), TimeIsUp> {
    let mut part_len = places(best, class).len().div_ceil(2);
    while part_len > 0 {
        // From the end: the failure rarely needs the last choices.
        let mut end = places(best, class).len();
        while end > 0 {
            let begin = end.saturating_sub(part_len);
            let places = places(best, class);
            let part = places.get(begin..end.min(places.len())).unwrap_or_default();
            attempt(best, fails, |tape| {
                part.iter().for_each(|&(stream, number)| tape.streams[stream].1[number] = 0);
            })?;
            end = begin;
        }
        part_len = if part_len == 1 { 0 } else { part_len.div_ceil(2) };
    }
    Ok(())
}

/// Lowers the remaining choices.
fn lower(best: &mut Tape, class: Class, fails: &mut Fails<'_>) -> Result<(), TimeIsUp> {
    for (stream, number) in places(best, class) {
        let is_lower = attempt(best, fails, |tape| tape.streams[stream].1[number] = 1)?;
        // Halves it until it passes. Each round makes the number smaller.
        while !is_lower && best.streams[stream].1[number] > 3 {
            if !attempt(best, fails, |tape| tape.streams[stream].1[number] /= 2)? {
                break;
            }
        }
    }
    Ok(())
}

/// Finds when a failure becomes inevitable. `is_inevitable_at` returns whether the run always fails
/// if it continues with other seeds from a time on; `None` if there is no time left. Returns the
/// last time found at which the failure was not inevitable, and the first at which it was.
pub(crate) fn bisect(
    end_ns: u64,
    precision_ns: u64,
    is_inevitable_at: &mut dyn FnMut(u64) -> Option<bool>,
) -> Option<(u64, u64)> {
    let (mut before, mut after) = (0, end_ns);
    if is_inevitable_at(0)? {
        return Some((0, 0));
    }
    while after - before > precision_ns.max(1) {
        let middle = before + (after - before) / 2;
        match is_inevitable_at(middle) {
            Some(true) => after = middle,
            Some(false) => before = middle,
            None => break,
        }
    }
    Some((before, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tape(streams: &[(&str, &[u64])]) -> Tape {
        let streams = streams.iter().map(|&(name, it)| (name.to_owned(), it.to_vec())).collect();
        Tape { seed: 1, streams, ..Tape::default() }
    }

    fn choice(tape: &Tape, name: &str, number: usize) -> u64 {
        let stream = tape.streams.iter().find(|(other, _)| other == name);
        stream.and_then(|(_, choices)| choices.get(number)).copied().unwrap_or(0)
    }

    #[test]
    fn only_the_choices_that_matter_are_left() {
        let noise: Vec<u64> = (1..100).collect();
        let begin = tape(&[("crash 0", &noise), ("schedule", &noise), ("user x", &noise)]);
        let mut runs = 0;
        let shrunk = shrink(
            &begin,
            &mut |tape| {
                runs += 1;
                let is_late =
                    choice(tape, "schedule", 70) >= 20 && choice(tape, "schedule", 3) != 0;
                Some(is_late && choice(tape, "crash 0", 50) != 0)
            },
            &mut |_| None,
        );
        let shrunk = shrunk.expect("it fails");
        assert_eq!(count(&shrunk, Class::Fault), 1);
        assert_eq!(count(&shrunk, Class::Schedule), 2);
        assert_eq!(count(&shrunk, Class::User), 0);
        assert_eq!(choice(&shrunk, "crash 0", 50), 1);
        assert!((20..40).contains(&choice(&shrunk, "schedule", 70)));
        assert!(runs < 300, "{runs}");
    }

    #[test]
    fn a_fault_is_left_out_if_the_run_fails_under_another_schedule() {
        let faults = [("fault 1", &[1, 2, 300][..]), ("fault 2", &[1, 5, 400])];
        let begin = tape(&[faults[0], faults[1], ("schedule", &[9])]);
        // Without fault 2, the schedule of the first run does not fail, and the ninth other one
        // from the time of the fault does.
        let is_there = |tape: &Tape, name| choice(tape, name, 0) != 0;
        let mut fails = |tape: &Tape| {
            let has_all = is_there(tape, "fault 2") && choice(tape, "schedule", 0) == 9;
            let is_other = tape.reseed == Some((400, 9)) || choice(tape, "schedule", 0) == 7;
            Some(is_there(tape, "fault 1") && (has_all || is_other))
        };
        let mut record = |tape: &Tape| {
            let mut recorded = tape.clone();
            recorded.streams[2].1 = vec![7];
            Some(recorded)
        };
        let shrunk = shrink(&begin, &mut fails, &mut record).expect("it fails");
        let streams = [("fault 1", &[1][..]), ("fault 2", &[0, 5, 400]), ("schedule", &[7])];
        assert_eq!(shrunk, Tape { rest: Rest::Zero, ..tape(&streams) });
        assert_eq!((count_faults(&shrunk), count_faults(&begin)), (1, 2));
        assert_eq!(count(&begin, Class::Fault), 0);
    }

    #[test]
    fn what_was_found_is_kept_when_the_time_is_up() {
        let begin = tape(&[("a", &[1, 2, 3]), ("b", &[4, 5])]);
        let mut left = 2;
        let shrunk = shrink(
            &begin,
            &mut |_| {
                left -= 1;
                (left >= 0).then_some(true)
            },
            &mut |_| None,
        );
        assert_eq!(shrunk.expect("it fails").streams, [("b".to_owned(), vec![4, 5])]);
        assert_eq!(shrink(&begin, &mut |_| Some(false), &mut |_| None), None);
    }

    #[test]
    fn the_time_at_which_a_failure_becomes_inevitable_is_found() {
        let found = bisect(1_000_000, 10, &mut |time_ns| Some(time_ns > 4711));
        let (before, after) = found.expect("there was time");
        assert!(before <= 4711 && after > 4711 && after - before <= 10, "{before} {after}");
        assert_eq!(bisect(1_000, 10, &mut |_| Some(true)), Some((0, 0)));
        assert_eq!(bisect(1_000, 10, &mut |_| None), None);
    }
}
