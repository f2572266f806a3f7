//! Resolves a key and a time to a task.
//!
//! An address is used again as soon as its task has ended. `Spawn` and `Complete` delimit the uses,
//! but they are recorded by different threads, and inside a poll they may be unstamped. So their
//! times do not give their order. Their order follows from a rule: a use begins after the previous
//! one has ended.

use std::collections::HashMap;

use crate::operand::{Flavour, Origin, Outcome, TaskKey};
use crate::trace::TaskIndex;
use crate::walk::{NO_POLL, RawLife, Walked};

/// One use of an address.
#[derive(Clone, Debug)]
pub(crate) struct Use {
    pub(crate) key: TaskKey,
    /// The time from which events belong to it; 0 if its spawn is not known.
    pub(crate) from: u64,
    pub(crate) spawned: Option<u64>,
    pub(crate) ended: Option<(u64, Outcome)>,
    pub(crate) origin: Origin,
    pub(crate) flavour: Flavour,
    /// The poll that spawned it.
    pub(crate) parent: u32,
    /// The poll in which it ended.
    pub(crate) last_poll: u32,
}

impl Use {
    fn unknown(key: TaskKey, from: u64) -> Use {
        Use {
            key,
            from,
            spawned: None,
            ended: None,
            origin: Origin::default(),
            flavour: Flavour::Pool,
            parent: NO_POLL,
            last_poll: NO_POLL,
        }
    }
}

/// All uses of all addresses.
#[derive(Debug)]
pub(crate) struct Lives {
    /// In the order in which they began.
    pub(crate) uses: Vec<Use>,
    /// For each key, the start and the index of each of its uses.
    by_key: HashMap<TaskKey, Vec<(u64, TaskIndex)>>,
}

impl Lives {
    /// Finds the uses. `seen` are keys in snapshots, with the time.
    pub(crate) fn new(walked: &Walked, seen: &[(TaskKey, u64)]) -> Lives {
        let mut events: HashMap<TaskKey, Vec<RawLife>> = HashMap::new();
        for life in &walked.lives {
            events.entry(life.key).or_default().push(*life);
        }
        let mut first_seen: HashMap<TaskKey, u64> = HashMap::new();
        let polls = walked.polls.iter().map(|poll| (poll.key, poll.start));
        let wakes = walked.wakes.iter().map(|wake| (wake.key, u64::MAX));
        for (key, at) in polls.chain(wakes).chain(seen.iter().copied()) {
            let first = first_seen.entry(key).or_insert(u64::MAX);
            *first = at.min(*first);
        }
        let mut uses = Vec::new();
        for (key, first) in &first_seen {
            let mut events = events.remove(key).unwrap_or_default();
            uses_of_key(*key, *first, &mut events, &mut uses);
        }
        for (key, mut events) in events {
            uses_of_key(key, u64::MAX, &mut events, &mut uses);
        }
        // A map has no order of its own, so keys are sorted: the same file always gives the same
        // trace.
        uses.sort_by_key(|one| {
            (one.spawned.unwrap_or(0), one.spawned.is_some(), one.key, one.from)
        });
        let mut by_key: HashMap<TaskKey, Vec<(u64, TaskIndex)>> = HashMap::new();
        for (index, one) in uses.iter().enumerate() {
            by_key.entry(one.key).or_default().push((one.from, index as TaskIndex));
        }
        by_key.values_mut().for_each(|uses| uses.sort_unstable());
        Lives { uses, by_key }
    }

    /// Returns the task that `key` identifies at a time.
    pub(crate) fn find(&self, key: TaskKey, at: u64) -> Option<TaskIndex> {
        let uses = self.by_key.get(&key)?;
        let after = uses.partition_point(|(from, _)| *from <= at);
        uses.get(after.saturating_sub(1)).map(|(_, index)| *index)
    }
}

/// Appends the uses of one key. `first` is the first time that a poll or a snapshot has it.
fn uses_of_key(key: TaskKey, first: u64, events: &mut [RawLife], uses: &mut Vec<Use>) {
    events.sort_by_key(|event| (event.at, event.is_spawn));
    put_in_turn(events);
    let mut open: Option<Use> = None;
    let known_from = events.first().filter(|event| event.is_spawn).map(|event| event.at);
    if known_from.is_none_or(|known| first < known) {
        open = Some(Use::unknown(key, 0));
    }
    for event in events.iter() {
        if event.is_spawn {
            // Only the latest possible time of the previous end may be known.
            let ended = open.as_ref().and_then(|open| open.ended).map(|(at, _)| at);
            let mut from = event.at;
            if let Some(mut before) = open.take() {
                before.ended = before.ended.or(Some((event.at, Outcome::Unknown)));
                uses.push(before);
                from = ended.map_or(from, |ended| from.max(ended.saturating_add(1)));
            }
            open = Some(Use {
                from,
                spawned: Some(from),
                origin: event.origin,
                flavour: Flavour::from_code(event.code),
                parent: event.poll,
                ..Use::unknown(key, from)
            });
            continue;
        }
        let mut one = match open.take() {
            Some(one) if one.ended.is_none() => one,
            // Two ends in a row: the spawn between them is missing.
            Some(before) => {
                let from = before.ended.map_or(0, |(at, _)| at.saturating_add(1));
                uses.push(before);
                Use::unknown(key, from)
            }
            None => Use::unknown(key, 0),
        };
        one.ended = Some((event.at, Outcome::from_code(event.code)));
        one.last_poll = event.poll;
        if one.origin == Origin::default() {
            one.origin = event.origin;
        }
        open = Some(one);
    }
    uses.extend(open);
}

/// Moves an end before a spawn if their times allow both orders and only that one is possible.
fn put_in_turn(events: &mut [RawLife]) {
    let mut is_alive = events.first().is_some_and(|event| !event.is_spawn);
    for index in 0..events.len() {
        let event = events[index];
        if event.is_spawn == is_alive
            && let Some(next) = events.get(index + 1)
            && next.is_spawn != event.is_spawn
            && next.at <= event.latest
        {
            events.swap(index, index + 1);
        }
        is_alive = events[index].is_spawn;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: TaskKey = TaskKey::from_address(0x10);

    fn life(is_spawn: bool, at: u64, latest: u64) -> RawLife {
        let origin = Origin { place: at as u32, type_id: 0 };
        RawLife { key: KEY, is_spawn, at, latest, origin, code: 0, poll: NO_POLL }
    }

    fn lives(lives: Vec<RawLife>, seen: &[u64]) -> Lives {
        let seen: Vec<_> = seen.iter().map(|at| (KEY, *at)).collect();
        Lives::new(&Walked { lives, ..Walked::default() }, &seen)
    }

    fn times(lives: &Lives) -> Vec<(Option<u64>, Option<u64>)> {
        lives.uses.iter().map(|one| (one.spawned, one.ended.map(|(at, _)| at))).collect()
    }

    #[test]
    fn spawns_and_ends_delimit_the_uses() {
        let lives = lives(
            vec![life(true, 1, 1), life(false, 5, 5), life(true, 9, 9), life(false, 12, 12)],
            &[],
        );
        assert_eq!(times(&lives), [(Some(1), Some(5)), (Some(9), Some(12))]);
        assert_eq!([0, 3, 8, 9, 20].map(|at| lives.find(KEY, at)), [0, 0, 0, 1, 1].map(Some));
        assert_eq!(lives.find(TaskKey::NONE, 3), None);
    }

    /// The end was recorded in a poll from 10 to 20, and the spawn in one from 9 to 40 on another
    /// thread.
    #[test]
    fn a_spawn_that_may_be_later_comes_after_the_end_before_it() {
        let lives = lives(
            vec![life(true, 1, 1), life(true, 9, 40), life(false, 10, 20), life(false, 50, 50)],
            &[],
        );
        assert_eq!(times(&lives), [(Some(1), Some(10)), (Some(11), Some(50))]);
        assert_eq!(lives.find(KEY, 10), Some(0));
    }

    #[test]
    fn tasks_from_before_the_first_event_are_listed() {
        let only_end = lives(vec![life(false, 7, 7)], &[]);
        assert_eq!(times(&only_end), [(None, Some(7))]);
        let seen_before = lives(vec![life(true, 9, 9)], &[4]);
        assert_eq!(times(&seen_before), [(None, Some(9)), (Some(9), None)]);
        let only_seen = lives(vec![], &[4, 6]);
        assert_eq!(times(&only_seen), [(None, None)]);
    }

    #[test]
    fn a_missing_spawn_or_end_still_gives_two_tasks() {
        let two_spawns = lives(vec![life(true, 1, 1), life(true, 9, 9)], &[]);
        assert_eq!(times(&two_spawns), [(Some(1), Some(9)), (Some(9), None)]);
        let two_ends = lives(vec![life(false, 3, 3), life(false, 9, 9)], &[]);
        assert_eq!(times(&two_ends), [(None, Some(3)), (None, Some(9))]);
    }
}
