//! When each request was polled, when it waited, and at which await: read from what the runtime has
//! recorded.
//!
//! The recorder of the runtime records each poll of each task. A request adds a mark when it
//! reaches a [`Step`]. Between two polls it waits at the step that it reached last.

use std::collections::HashMap;
use std::time::Duration;

use reveille_trace::{TaskIndex, Trace};

use crate::step::Step;

/// One poll of a request's task. Times count from the spawn of the first request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PollRecord {
    pub(crate) start: Duration,
    pub(crate) end: Duration,
    /// The await at which the request waited after this poll. Meaningless for the last poll.
    pub(crate) waits_at: Step,
}

/// The polls of one request.
#[derive(Debug, Default)]
pub(crate) struct Row {
    /// When the task was spawned.
    pub(crate) spawned: Duration,
    pub(crate) polls: Vec<PollRecord>,
}

impl Row {
    /// Returns the end of the last poll.
    pub(crate) fn end(&self) -> Duration {
        self.polls.last().map_or(self.spawned, |poll| poll.end)
    }
}

/// The number of polls of one request that are drawn separately. A body of gigabytes has more.
/// Then the last record grows, and the row shows one long poll.
const POLLS_MAX: usize = 4096;

/// Returns the name of the task of a request.
pub(crate) fn task_name(index: usize) -> String {
    format!("request {}", index + 1)
}

/// Reads the rows of `count` requests from a recording. The row of a request that is not in it is
/// empty.
pub(crate) fn rows(trace: &Trace, count: usize) -> Vec<Row> {
    let mut marks: HashMap<TaskIndex, Vec<(u64, Step)>> = HashMap::new();
    for mark in &trace.marks {
        let step = Step::ALL.into_iter().find(|step| step.label() == trace.text(mark.name));
        if let Some(step) = step {
            marks.entry(mark.task).or_default().push((mark.at, step));
        }
    }
    let tasks = trace.tasks.iter().enumerate();
    let tasks =
        tasks.map(|(index, task)| (trace.text(task.name), (index as TaskIndex, task.spawned)));
    let tasks: HashMap<&str, (TaskIndex, Option<u64>)> = tasks.collect();
    let found = |index: usize| tasks.get(&*task_name(index)).copied();
    let origin = (0..count).filter_map(|index| found(index)?.1).min().unwrap_or(0);
    let since = |at: u64| Duration::from_nanos(at.saturating_sub(origin));
    let row = |index: usize| {
        let Some((task, spawned)) = found(index) else { return Row::default() };
        let marks = marks.get(&task).map_or(&[][..], Vec::as_slice);
        let mut row = Row { spawned: since(spawned.unwrap_or(origin)), polls: Vec::new() };
        for poll in trace.polls_of(task) {
            // A mark at the end of a poll belongs to the next one, which begins then.
            let reached = marks.iter().rev().find(|(at, _)| *at < poll.end || *at == poll.start);
            let waits_at = reached.map_or(Step::Spawned, |(_, step)| *step);
            let record = PollRecord { start: since(poll.start), end: since(poll.end), waits_at };
            let is_full = row.polls.len() == POLLS_MAX;
            match row.polls.last_mut() {
                Some(last) if is_full => {
                    (last.end, last.waits_at) = (record.end, record.waits_at);
                }
                _ => row.polls.push(record),
            }
        }
        row
    };
    (0..count).map(row).collect()
}

#[cfg(test)]
mod tests {
    use reveille::observe::FlightRecorder;
    use reveille::task;

    use super::*;
    use crate::step::Progress;

    #[test]
    fn each_poll_is_recorded_with_the_await_after_it() {
        let recorder = FlightRecorder::new().start().expect("nothing else records");
        let progress = Progress::default();
        let named = task::Builder::new().name(task_name(0));
        let request = named.local(async move {
            progress.at(Step::Connect);
            task::yield_now().await;
            progress.at(Step::Body);
            task::yield_now().await;
        });
        task::block_on(request.expect("this thread has an executor"));
        let trace = Trace::read(&recorder.snapshot().expect("it records")).expect("it is a trace");
        let rows = rows(&trace, 2);
        let steps: Vec<Step> = rows[0].polls.iter().map(|poll| poll.waits_at).collect();
        assert_eq!(steps, [Step::Connect, Step::Body, Step::Body]);
        assert!(rows[0].polls.is_sorted_by(|a, b| a.end <= b.start));
        assert_eq!(rows[1].polls.len(), 0);
    }
}
