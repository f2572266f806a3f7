//! The output of a run: lines while it runs, tables and JSON at the end.

use std::fmt;

use crate::machine::{self, Usage};
use crate::options::Options;
use crate::plan::{Limit, Metric};
use crate::runtime::Runtime;
use crate::series::{Series, Verdict};

mod json;

pub use self::json::json;

/// The circumstances of a run.
#[derive(Debug)]
pub struct Heading {
    machine: String,
    date: String,
    versions: String,
    rounds: usize,
    is_quick: bool,
    others: f64,
    stolen: f64,
}

impl Heading {
    /// Describes the run that started at `usage` and has just ended.
    pub fn new(options: &Options, usage: Usage) -> Self {
        let (others, stolen) = usage.disturbance();
        Self {
            machine: machine::describe(),
            date: machine::today(),
            versions: machine::versions(),
            rounds: options.rounds,
            is_quick: options.is_quick,
            others,
            stolen,
        }
    }
}

impl fmt::Display for Heading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { machine, date, versions, rounds, .. } = self;
        let kind = if self.is_quick { "quick run, " } else { "" };
        let (others, stolen) = (100.0 * self.others, 100.0 * self.stolen);
        writeln!(f, "{date}, {machine}")?;
        writeln!(f, "{versions}")?;
        write!(f, "{kind}{rounds} interleaved rounds; other processes used {others:.1} % of the ")?;
        write!(f, "machine's time, the hypervisor took {stolen:.1} %")
    }
}

/// The rows and their targets, without a measurement.
pub fn list(options: &Options) -> String {
    let line = |row: &'static crate::plan::Row| {
        let targets: Vec<_> = row
            .targets
            .iter()
            .map(|target| format!("{} {}", target.metric, limit_text(target.limit)))
            .collect();
        format!("{:<20} {:<50} {}", row.name, row.what, targets.join("; "))
    };
    options.rows().map(line).collect::<Vec<_>>().join("\n")
}

/// One row for the terminal: a line per figure.
pub fn plain(series: &Series, earlier: &[Series]) -> String {
    let mut lines = vec![format!("{} ({})", series.row.name, series.row.what)];
    for metric in series.metrics {
        let columns = series.samples.iter().filter_map(|&(runtime, _)| {
            let figure = number(series.median(runtime, metric)?);
            Some(format!("{} {figure}", runtime.name()))
        });
        let columns = columns.collect::<Vec<_>>().join("  ");
        let ratio =
            series.ratio(metric).map_or(String::new(), |ratio| format!("  ratio {ratio:.2}"));
        let targets = targets(series, metric, earlier);
        let name = format!("{}, {}", metric.name, metric.unit);
        lines.push(format!("  {name:<18} {columns}{ratio}  {targets}").trim_end().to_owned());
    }
    lines.extend(series.failures.iter().map(|failure| format!("  FAILED {failure}")));
    lines.join("\n")
}

/// The number of targets that were met, and the list of those that were missed.
pub fn verdict(all: &[Series]) -> String {
    let mut counts = [0; 4];
    let mut missed = Vec::new();
    for series in all {
        for metric in series.metrics {
            for target in series.targets(metric) {
                let verdict = series.judge(metric, target.limit, all);
                counts[verdict as usize] += 1;
                if verdict == Verdict::Missed {
                    missed.push(format!("{} {}", series.row.name, metric.name));
                }
            }
        }
    }
    let [met, ties, misses, unknown] = counts;
    let missed = if missed.is_empty() { String::new() } else { format!(": {}", missed.join(", ")) };
    format!("targets: {met} met, {ties} ties, {misses} missed{missed}; {unknown} not judged")
}

/// A line for each target: the row, reveille's figure, the figure of the limit's runtime, their
/// ratio, what is wanted, and whether it was met.
pub fn target_list(all: &[Series]) -> String {
    let head = ["row", "ours", "peer", "ratio", "wanted", "met?"].map(str::to_owned);
    let mut lines = vec![columns(&head)];
    for series in all {
        for metric in series.metrics {
            for target in series.targets(metric) {
                let own = series.own(metric);
                let peer = series.peer(metric, target.limit).map(|(_, figure)| figure);
                let figure = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), number);
                let ratio = own.zip(peer).map(|(own, peer)| own / peer);
                lines.push(columns(&[
                    format!("{} {}, {}", series.row.name, metric.name, metric.unit),
                    figure(own),
                    figure(peer),
                    ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.3}")),
                    limit_text(target.limit),
                    mark(series.judge(metric, target.limit, all)).to_owned(),
                ]));
            }
        }
    }
    lines.join("\n")
}

fn columns([row, ours, peer, ratio, wanted, met]: &[String; 6]) -> String {
    format!("{row:<36} {ours:>8} {peer:>8} {ratio:>7}  {wanted:<24} {met}")
}

fn mark(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Met => "✓",
        Verdict::Tie => "✓ (tie)",
        Verdict::Missed => "✗",
        Verdict::Unknown => "?",
    }
}

/// The whole run as Markdown.
pub fn markdown(heading: &Heading, all: &[Series]) -> String {
    let runtimes: Vec<Runtime> = all
        .first()
        .map(|series| series.samples.iter().map(|&(runtime, _)| runtime).collect())
        .unwrap_or_default();
    let mut lines =
        vec![INTRODUCTION.to_owned(), String::new(), format!("```text\n{heading}\n```")];
    lines.push(String::new());
    let names = runtimes.iter().map(|runtime| format!(" {} |", runtime.name())).collect::<String>();
    lines.push(format!("| workload | figure |{names} ratio | target |"));
    lines.push(format!("| --- | --- |{} ---: | --- |", " ---: |".repeat(runtimes.len())));
    for series in all {
        let mut first = format!("`{}` {}", series.row.name, series.row.what);
        for metric in series.metrics {
            let cell = |&runtime: &Runtime| {
                let figure = series.median(runtime, metric).map_or_else(|| "–".to_owned(), number);
                format!(" {figure} |")
            };
            let cells = runtimes.iter().map(cell).collect::<String>();
            let ratio =
                series.ratio(metric).map_or("–".to_owned(), |ratio| format!("{ratio:.2}"));
            let targets = targets(series, metric, all);
            let label = format!("{}, {}", metric.name, metric.unit);
            lines.push(format!("| {first} | {label} |{cells} {ratio} | {targets} |"));
            first.clear();
        }
    }
    lines.push(String::new());
    lines.push(verdict(all));
    for failure in all.iter().flat_map(|series| &series.failures) {
        lines.push(format!("\nFailed: {failure}"));
    }
    lines.push(String::new());
    lines.join("\n")
}

const INTRODUCTION: &str = "\
# Benchmarks

Written by `cargo run --release --manifest-path benches/Cargo.toml -- \
--markdown BENCHMARKS.md`.

Figures are medians over the rounds; smaller is better. `wall` and `cpu` are per operation. `cpu` \
is user plus system time of the whole process. `ratio` is reveille's figure over the best of tokio \
(multi-thread), smol and async-std. Each runtime has two workers, or one where the server is \
pinned to a core (all echo rows except `echo_free`). The client of the echo rows waits for each \
answer; that of `partial_load` is an open loop (`benches/src/open_loop.rs`). Default release \
profile, system allocator. The code of the workloads is in `benches/src/workloads/`.

The machine's speed changes by a quarter within minutes, for all runtimes alike. The targets of \
the echo rows are therefore judged by `by_turns`: all servers stay ready on one core, and one load \
generator drives each for 50 ms, 40 times (`benches/src/turns.rs`). `bare` is the cost without a \
runtime.";

fn targets(series: &Series, metric: &Metric, all: &[Series]) -> String {
    let targets = series.targets(metric).map(|target| {
        let mark = mark(series.judge(metric, target.limit, all));
        format!("{} {mark}", limit_text(target.limit))
    });
    targets.collect::<Vec<_>>().join("; ")
}

fn limit_text(limit: Limit) -> String {
    match limit {
        Limit::BestMulti(share) => format!("≤ {share:.2} of the best"),
        Limit::Tokio(share) => format!("≤ {share:.2} of tokio"),
        Limit::AsyncStd(share) => format!("≤ {share:.2} of async-std"),
        Limit::Absolute(limit) => format!("≤ {limit}"),
        Limit::OwnRow(name) => format!("< {name}"),
    }
}

/// A figure with three significant digits.
fn number(value: f64) -> String {
    let magnitude = value.abs();
    let digits = match magnitude {
        0.0 => 0,
        _ if magnitude < 1.0 => 3,
        _ if magnitude < 10.0 => 2,
        _ if magnitude < 100.0 => 1,
        _ => 0,
    };
    format!("{value:.digits$}")
}
