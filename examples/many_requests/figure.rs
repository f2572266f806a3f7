//! The parts that both charts share: rows, the stretches of a row, sampling, and the time axis.

use std::time::Duration;

use crate::run::{Request, Run};
use crate::step::Step;
use crate::trace::Row;

/// The chart of a run: a row per request, over time.
#[derive(Debug)]
pub(crate) struct Figure<'a> {
    pub(crate) requests: &'a [Request],
    /// The end of the time axis. Never zero.
    pub(crate) span: Duration,
    /// The length of the longest label, in characters.
    pub(crate) label_len: usize,
}

/// What a request did during a stretch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activity {
    /// A thread polled it.
    Polled,
    /// It waited at an await, without a thread.
    Waiting(Step),
}

/// A part of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stretch {
    pub(crate) start: Duration,
    pub(crate) end: Duration,
    pub(crate) activity: Activity,
}

/// A longer label loses its beginning, which the URLs of a run mostly share.
const LABEL_MAX_CHARS: usize = 28;

impl<'a> Figure<'a> {
    /// Creates the chart of `run`.
    pub(crate) fn new(run: &'a Run) -> Figure<'a> {
        let requests = &run.requests[..];
        let ends = requests.iter().map(|request| request.row.end());
        let span = ends.max().unwrap_or_default().max(Duration::from_micros(1));
        let lens = requests.iter().map(|request| label(&request.url).chars().count());
        Figure { requests, span, label_len: lens.max().unwrap_or(0) }
    }

    /// Returns the indices of the rows to draw if only `limit` rows fit, and the distance between
    /// two of them.
    pub(crate) fn sample(&self, limit: usize) -> (Vec<usize>, usize) {
        let mut stride = self.requests.len().div_ceil(limit).max(1);
        // Lists are short and repeat. If the stride and the list's length had a common factor, the
        // rows would show only a few of the URLs.
        while stride > 1 && (stride.is_multiple_of(2) || stride.is_multiple_of(5)) {
            stride += 1;
        }
        ((0..self.requests.len()).step_by(stride).collect(), stride)
    }
}

/// Returns a short name for `url`: its path, or its host if the path is empty or `/`.
pub(crate) fn label(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let path = rest.find('/').map_or("", |start| &rest[start..]);
    let name = if path.len() > 1 { path } else { rest };
    let len = name.chars().count();
    match len > LABEL_MAX_CHARS {
        true => {
            name.chars().skip(len + 1 - LABEL_MAX_CHARS).fold("…".to_owned(), |mut all, c| {
                all.push(c);
                all
            })
        }
        false => name.to_owned(),
    }
}

/// Returns the stretches of a row in order. Waits and polls alternate.
pub(crate) fn stretches(row: &Row) -> impl Iterator<Item = Stretch> + '_ {
    let before = row.polls.iter().map(|poll| (poll.end, poll.waits_at));
    let waits = std::iter::once((row.spawned, Step::Spawned)).chain(before);
    row.polls.iter().zip(waits).flat_map(|(poll, (start, step))| {
        let wait = Stretch { start, end: poll.start, activity: Activity::Waiting(step) };
        let run = Stretch { start: poll.start, end: poll.end, activity: Activity::Polled };
        [wait, run]
    })
}

/// Returns the times to mark on the axis: zero, and at most `count` round numbers.
pub(crate) fn ticks(span: Duration, count: u32) -> Vec<(Duration, String)> {
    let span_us = span.as_secs_f64() * 1e6;
    let mut step_us = 1.0;
    'search: loop {
        for factor in [1.0, 2.0, 5.0] {
            if span_us / (step_us * factor) <= f64::from(count) {
                step_us *= factor;
                break 'search;
            }
        }
        step_us *= 10.0;
    }
    let (unit_us, unit) = match step_us {
        ..1e3 if span_us < 1e3 => (1.0, "µs"),
        ..1e6 if span_us < 1e6 => (1e3, "ms"),
        _ => (1e6, "s"),
    };
    let marks = (span_us / step_us).floor() as u32;
    let mark = |index: u32| {
        let at_us = f64::from(index) * step_us;
        // Round to a millionth of the unit, so that 0.3 does not print as 0.30000000000000004.
        let number = (at_us / unit_us * 1e6).round() / 1e6;
        (Duration::from_secs_f64(at_us / 1e6), format!("{number} {unit}"))
    };
    (0..=marks).map(mark).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::PollRecord;

    const fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    #[test]
    fn waits_and_polls_alternate() {
        let poll = |start, end, waits_at| PollRecord { start: ms(start), end: ms(end), waits_at };
        let polls = vec![poll(1, 2, Step::Connect), poll(5, 6, Step::Body)];
        let row = Row { spawned: ms(0), polls };
        let expected = [
            (0, 1, Activity::Waiting(Step::Spawned)),
            (1, 2, Activity::Polled),
            (2, 5, Activity::Waiting(Step::Connect)),
            (5, 6, Activity::Polled),
        ];
        let expected = expected.map(|(start, end, activity)| Stretch {
            start: ms(start),
            end: ms(end),
            activity,
        });
        assert_eq!(stretches(&row).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn ticks_are_at_round_numbers() {
        let labels = |span, count| -> Vec<String> {
            ticks(span, count).into_iter().map(|(_, label)| label).collect()
        };
        assert_eq!(labels(ms(47), 5), ["0 ms", "10 ms", "20 ms", "30 ms", "40 ms"]);
        assert_eq!(labels(ms(1), 5), ["0 ms", "0.2 ms", "0.4 ms", "0.6 ms", "0.8 ms", "1 ms"]);
        assert_eq!(labels(ms(2500), 3), ["0 s", "1 s", "2 s"]);
        assert_eq!(labels(Duration::from_micros(3), 5), ["0 µs", "1 µs", "2 µs", "3 µs"]);
    }

    #[test]
    fn a_label_is_the_path_or_the_host() {
        assert_eq!(label("http://a:80/b/c"), "/b/c");
        assert_eq!(label("http://a:80/"), "a:80/");
        assert_eq!(label("nonsense"), "nonsense");
        assert_eq!(label(&"x".repeat(100)).chars().count(), LABEL_MAX_CHARS);
    }
}
