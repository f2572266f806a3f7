//! Derives the waits of each task from its polls and wakes.

use crate::operand::WaitFor;
use crate::trace::{NO_INDEX, Poll, Trace, Wait, WakeKind};

/// What the events of a poll say about the wait that follows it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hint {
    pub(crate) on: WaitFor,
    pub(crate) stack: u32,
}

impl Hint {
    pub(crate) const NONE: Hint = Hint { on: WaitFor::Unknown, stack: NO_INDEX };
}

/// Fills in the waits of all tasks, and how long each was polled, was queued and waited.
///
/// `hints` has an entry for each poll.
pub(crate) fn find(trace: &mut Trace, hints: &[Hint]) {
    let wakes = by_task(trace.tasks.len(), trace.wakes.iter().map(|wake| wake.task));
    for task in 0..trace.tasks.len() {
        let polls = trace.tasks[task].polls.clone();
        let polls = &trace.polls_by_task[polls.start as usize..polls.end as usize];
        let first = trace.waits.len() as u32;
        let mut walk = Walk { trace, wakes: wakes.of(task), waits: Vec::new() };
        walk.task(task as u32, polls, hints);
        let waits = walk.waits;
        let busy = polls.iter().map(|poll| &trace.polls[*poll as usize]).map(Poll::len);
        let busy = busy.fold(0, u64::saturating_add);
        let task = &mut trace.tasks[task];
        task.waits = first..first + waits.len() as u32;
        task.busy = busy;
        for wait in &waits {
            task.waited = task.waited.saturating_add(wait.woken - wait.from);
            task.queued = task.queued.saturating_add(wait.until - wait.woken);
        }
        trace.waits.extend(waits);
    }
}

impl Poll {
    /// Returns its length.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.end - self.start
    }

    /// Returns whether it was too short for the clock.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.end == self.start
    }
}

struct Walk<'a> {
    trace: &'a Trace,
    /// The wakes of the task that no wait has used yet.
    wakes: &'a [u32],
    waits: Vec<Wait>,
}

impl Walk<'_> {
    fn task(&mut self, task: u32, polls: &[u32], hints: &[Hint]) {
        let this = &self.trace.tasks[task as usize];
        let wait = Wait {
            task,
            from: 0,
            woken: 0,
            until: 0,
            on: WaitFor::Unknown,
            wake: NO_INDEX,
            stack: NO_INDEX,
            is_open: false,
        };
        let polled = |index: &u32| self.trace.polls[*index as usize];
        let mut before: Option<(Poll, Hint)> = None;
        for index in polls {
            let poll = polled(index);
            match before {
                Some((last, hint)) if last.end <= poll.start => {
                    self.between(last, poll, hint, wait);
                }
                Some(_) => {}
                // A spawned task is queued at once.
                None => {
                    if let Some(from) = this.spawned.filter(|from| *from < poll.start) {
                        self.waits.push(Wait { from, woken: from, until: poll.start, ..wait });
                    }
                }
            }
            before = Some((poll, hints[*index as usize]));
        }
        self.after(before, this.spawned, wait);
    }

    /// The time between two polls.
    fn between(&mut self, last: Poll, next: Poll, hint: Hint, wait: Wait) {
        let (from, until) = (last.end, next.start);
        let wake = self.take_wake(last.start, until);
        let woken = match wake {
            Some((_, at)) => at.clamp(from, until),
            // The wake is not in the trace. Tasks are usually queued for a short time only, so all
            // of the time counts as waiting.
            None => until,
        };
        let wake = wake.map_or(NO_INDEX, |(index, _)| index);
        let Hint { on, stack } = hint;
        self.waits.push(Wait { from, woken, until, on, wake, stack, ..wait });
    }

    /// The time after the last poll of a task that has not ended.
    fn after(&mut self, before: Option<(Poll, Hint)>, spawned: Option<u64>, wait: Wait) {
        let this = &self.trace.tasks[wait.task as usize];
        let until = match this.ended {
            Some((at, _)) => at,
            None => self.trace.end,
        };
        let is_open = this.ended.is_none();
        match before {
            Some((last, _)) if last.is_last || !last.is_whole || last.end >= until => {}
            Some((last, Hint { on, stack })) => {
                let wake = self.take_wake(last.start, until);
                let woken = wake.map_or(until, |(_, at)| at.clamp(last.end, until));
                let wake = wake.map_or(NO_INDEX, |(index, _)| index);
                let from = last.end;
                self.waits.push(Wait { from, woken, until, on, wake, stack, is_open, ..wait });
            }
            None => {
                // A task that was just spawned is queued. A task from before the trace waits,
                // because otherwise it would have been polled.
                let from = spawned.unwrap_or(0).min(until);
                let woken = if spawned.is_some() { from } else { until };
                self.waits.push(Wait { from, woken, until, is_open, ..wait });
            }
        }
    }

    /// Takes the first wake from `from` to `until` that queued the task. A wake during the previous
    /// poll counts too, because the task is queued right after that poll.
    fn take_wake(&mut self, from: u64, until: u64) -> Option<(u32, u64)> {
        let mut found = None;
        while let Some((index, rest)) = self.wakes.split_first() {
            let wake = &self.trace.wakes[*index as usize];
            if wake.at > until {
                break;
            }
            self.wakes = rest;
            let is_effective = wake.kind != WakeKind::Again;
            // A wake without effect happened before the poll, unless its stamp is after the poll's
            // start.
            let earliest = if is_effective { wake.latest } else { wake.at };
            if earliest < from {
                continue;
            }
            match found {
                None => found = Some((*index, wake.at, is_effective)),
                // Only a wake with an effect queues a waiting task.
                Some((_, _, false)) if is_effective => found = Some((*index, wake.at, true)),
                Some(_) => {}
            }
        }
        found.map(|(index, at, _)| (index, at))
    }
}

/// Indices in order, by task.
pub(crate) struct ByTask {
    pub(crate) starts: Vec<u32>,
    pub(crate) indices: Vec<u32>,
}

impl ByTask {
    fn of(&self, task: usize) -> &[u32] {
        &self.indices[self.starts[task] as usize..self.starts[task + 1] as usize]
    }
}

/// Sorts the indices of a list by the task of each entry.
pub(crate) fn by_task(tasks: usize, of: impl Iterator<Item = u32> + Clone) -> ByTask {
    let mut starts = vec![0_u32; tasks + 1];
    for task in of.clone() {
        starts[task as usize + 1] += 1;
    }
    for task in 0..tasks {
        starts[task + 1] += starts[task];
    }
    let mut next = starts.clone();
    let mut indices = vec![0; starts[tasks] as usize];
    for (index, task) in of.enumerate() {
        let next = &mut next[task as usize];
        indices[*next as usize] = index as u32;
        *next += 1;
    }
    ByTask { starts, indices }
}
