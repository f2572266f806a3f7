//! The output while requests finish: a line for each, in the order of the URLs, and the totals.

use std::fmt;
use std::io::{self, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use reveille::task;

use crate::run::{Request, Run};
use crate::seconds::Seconds;

/// A shorter run has no progress bar.
const BAR_AFTER: Duration = Duration::from_secs(1);

/// The time between two updates of the bar.
const BAR_EVERY: Duration = Duration::from_millis(100);

/// Displays a number with commas between thousands.
pub(crate) struct Grouped(pub(crate) u64);

impl fmt::Display for Grouped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        let mut text = String::new();
        for (index, digit) in digits.chars().enumerate() {
            if index > 0 && (digits.len() - index).is_multiple_of(3) {
                text.push(',');
            }
            text.push(digit);
        }
        f.pad(&text)
    }
}

/// Returns the line of one request.
pub(crate) fn line(request: &Request) -> String {
    let time = Seconds(request.time);
    match &request.outcome {
        Ok(answer) => {
            let bytes = Grouped(answer.body_bytes);
            format!("{:>6} {bytes:>11} B {time:>9}  {}\n", answer.status, request.url)
        }
        Err(error) => {
            // Escape the URL, so that the output is one line.
            let url = request.url.escape_debug();
            format!("{:>6} {:>11}   {time:>9}  {url}: {error}\n", "failed", "")
        }
    }
}

/// Returns the last line.
pub(crate) fn totals(run: &Run) -> String {
    let answers = run.requests.iter().filter_map(|request| request.outcome.as_ref().ok());
    let (mut fetched, mut bytes) = (0, 0);
    for answer in answers {
        fetched += 1;
        bytes += answer.body_bytes;
    }
    let count = run.requests.len();
    let failed = match count - fetched {
        0 => String::new(),
        failed => format!(", {} failed", Grouped(failed as u64)),
    };
    let rate = count as f64 / run.time.as_secs_f64().max(f64::EPSILON);
    format!(
        "\n{} of {} fetched{failed}; {} bytes in {} ({} a second)\n{} at a time on {}\n",
        Grouped(fetched as u64),
        Grouped(count as u64),
        Grouped(bytes),
        Seconds(run.time),
        Grouped(rate as u64),
        Grouped(run.concurrency as u64),
        run.executor,
    )
}

/// Standard output, with a progress bar on the terminal during a longer run.
#[derive(Clone, Debug)]
pub(crate) struct Screen {
    bar: ProgressBar,
}

impl Screen {
    /// Creates a screen for `count` requests, without a bar.
    pub(crate) fn new(count: usize) -> Screen {
        let bar = ProgressBar::with_draw_target(Some(count as u64), ProgressDrawTarget::hidden());
        let style = ProgressStyle::with_template("{bar:40} {pos}/{len}  {elapsed}, {eta} to go");
        Screen { bar: bar.with_style(style.expect("the template is a constant")) }
    }

    /// Shows the bar after a delay and updates it. Never returns. If standard error is not a
    /// terminal, the bar stays hidden.
    pub(crate) async fn animate(self) {
        task::sleep(BAR_AFTER).await;
        self.bar.set_draw_target(ProgressDrawTarget::stderr());
        loop {
            self.bar.tick();
            task::sleep(BAR_EVERY).await;
        }
    }

    /// Counts a finished request.
    pub(crate) fn advance(&self) {
        self.bar.inc(1);
    }

    /// Prints `text` above the bar.
    pub(crate) fn print(&self, text: &str) -> io::Result<()> {
        match text {
            "" => Ok(()),
            _ => self.bar.suspend(|| io::stdout().lock().write_all(text.as_bytes())),
        }
    }

    /// Removes the bar.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_three() {
        let text = |number| Grouped(number).to_string();
        assert_eq!((text(0), text(999)), ("0".into(), "999".into()));
        assert_eq!((text(1000), text(1234567)), ("1,000".into(), "1,234,567".into()));
    }
}
