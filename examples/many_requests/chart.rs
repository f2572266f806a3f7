//! The chart as text: a row per request, a column per slice of time.
//!
//! A slice with any poll is a block, even if the poll took a thousandth of it. Polls are short, and
//! the chart shows when they happen.

use std::fmt::Write;
use std::time::Duration;

use crate::figure::{self, Activity, Figure};
use crate::run::Request;
use crate::seconds::Seconds;
use crate::step::Step;

/// The most rows that a reader will read.
const ROWS_MAX: usize = 40;

/// The width of the column after a row, which shows its time.
const TIME_COLUMNS: usize = 10;

const POLLED: char = '█';

/// Returns the letter of an await.
fn letter(step: Step) -> char {
    match step {
        Step::Spawned => '·',
        Step::Resolve => 'n',
        Step::Connect => 'c',
        Step::Write => 'w',
        Step::Head => 'h',
        Step::Body => 'b',
    }
}

/// Draws the chart, `columns` wide.
pub(crate) fn draw(figure: &Figure<'_>, columns: usize) -> String {
    let (rows, stride) = figure.sample(ROWS_MAX);
    let number_len = figure.requests.len().to_string().len();
    let left = number_len + figure.label_len + 2;
    let slices = columns.saturating_sub(left + 2 + TIME_COLUMNS).max(20);
    let mut text = legend(stride, figure.requests.len());
    for index in rows {
        let request = &figure.requests[index];
        let label = figure::label(&request.url);
        let bar = bar(figure.span, slices, request);
        let time = Seconds(request.time).to_string();
        let width = figure.label_len;
        let number = index + 1;
        let line = format!("{number:>number_len$} {label:<width$} ▏{bar}▕{time:>TIME_COLUMNS$}");
        let _ = writeln!(text, "{}", line.trim_end());
    }
    let _ = writeln!(text, "{:left$}▏{}", "", axis(figure.span, slices).trim_end());
    text
}

fn legend(stride: usize, count: usize) -> String {
    let steps = Step::ALL.map(|step| format!("{} {}", letter(step), step.label()));
    let mut text = format!("{POLLED} polled  x failed\nwaiting for:  {}\n", steps.join("  "));
    if stride > 1 {
        let _ = writeln!(text, "one row of each {stride}, {count} in all");
    }
    text
}

/// Draws one row.
fn bar(span: Duration, slices: usize, request: &Request) -> String {
    let slice = span.as_secs_f64() / slices as f64;
    let column = |at: Duration| ((at.as_secs_f64() / slice) as usize).min(slices - 1);
    let mut cells = vec![' '; slices];
    for stretch in figure::stretches(&request.row) {
        let (first, last) = (column(stretch.start), column(stretch.end));
        for cell in &mut cells[first..=last] {
            match stretch.activity {
                Activity::Polled => *cell = POLLED,
                Activity::Waiting(step) if *cell != POLLED => *cell = letter(step),
                Activity::Waiting(_) => {}
            }
        }
    }
    if request.outcome.is_err() {
        cells[column(request.row.end())] = 'x';
    }
    cells.into_iter().collect()
}

/// Draws the time axis. Each mark starts at the position of its time.
fn axis(span: Duration, slices: usize) -> String {
    let mut cells = vec![' '; slices + TIME_COLUMNS];
    for (at, label) in figure::ticks(span, (slices / 12).max(1) as u32) {
        let start = (at.as_secs_f64() / span.as_secs_f64() * slices as f64) as usize;
        let mark = std::iter::once('╵').chain(label.chars());
        for (cell, letter) in cells[start.min(slices)..].iter_mut().zip(mark) {
            *cell = letter;
        }
    }
    cells.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fetch::FetchError;
    use crate::response::Answer;
    use crate::run::{Executor, Run};
    use crate::trace::{PollRecord, Row};

    fn run(count: usize) -> Run {
        let ms = Duration::from_millis;
        let request = |index: usize| Request {
            url: format!("http://host/{index}").into(),
            outcome: match index {
                1 => Err(FetchError::TimedOut { limit: ms(1), step: Step::Head }),
                _ => Ok(Answer { status: 200, body_bytes: 1 }),
            },
            time: ms(90),
            row: Row {
                spawned: ms(0),
                polls: vec![
                    PollRecord { start: ms(10), end: ms(11), waits_at: Step::Connect },
                    PollRecord { start: ms(90), end: ms(100), waits_at: Step::Connect },
                ],
            },
        };
        let requests = (0..count).map(request).collect();
        Run { requests, time: ms(100), concurrency: 1, executor: Executor::Local }
    }

    #[test]
    fn a_row_shows_polls_and_the_awaits_between_them() {
        let run = run(2);
        let text = draw(&Figure::new(&run), 60);
        let rows: Vec<&str> = text.lines().collect();
        assert!(rows[2].starts_with("1 /0 ▏····█ccc"), "{text}");
        assert!(rows[2].contains("ccc█████▕"), "{text}");
        assert!(rows[3].contains("████x▕"), "{text}");
        assert!(rows[4].contains("╵0 ms") && rows[4].contains("╵50 ms"), "{text}");
    }

    #[test]
    fn three_hundred_rows_are_sampled_with_a_note() {
        let run = run(300);
        let text = draw(&Figure::new(&run), 100);
        assert!(text.contains("one row of each 9, 300 in all"), "{text}");
        assert!(text.lines().count() <= ROWS_MAX + 4);
        assert!(text.lines().all(|line| line.chars().count() <= 112), "{text}");
    }
}
