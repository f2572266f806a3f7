//! What a run says: lines while it goes on, tables and JSON at the end.

use std::fmt;

use crate::contestant::Contestant;
use crate::machine::{self, Usage};
use crate::options::Options;
use crate::plan::{Metric, Target};
use crate::series::{Series, Verdict};

mod json;

pub use self::json::json;

/// Under what circumstances a run was made.
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
    /// Describes the run that began at `usage` and is over now.
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
        let kind = if self.is_quick { "quick trial, " } else { "" };
        let (others, stolen) = (100.0 * self.others, 100.0 * self.stolen);
        writeln!(f, "{date}, {machine}")?;
        writeln!(f, "{versions}")?;
        write!(f, "{kind}{rounds} interleaved rounds; of the machine's time others used ")?;
        write!(f, "{others:.1} %, the hypervisor withheld {stolen:.1} %")
    }
}

/// The rows and what is wanted of them, without a measurement.
pub fn list(options: &Options) -> String {
    let line = |row: &'static crate::plan::Row| {
        let wishes: Vec<_> = row
            .wanted
            .iter()
            .map(|wish| format!("{} {}", wish.metric, wish_text(wish.target)))
            .collect();
        format!("{:<20} {:<50} {}", row.name, row.what, wishes.join("; "))
    };
    options.rows().map(line).collect::<Vec<_>>().join("\n")
}

/// One row as lines of a terminal: a line per figure.
pub fn plain(series: &Series, earlier: &[Series]) -> String {
    let mut lines = vec![format!("{} ({})", series.row.name, series.row.what)];
    for metric in series.metrics {
        let columns = series.samples.iter().filter_map(|&(who, _)| {
            let figure = number(series.median(who, metric)?);
            Some(format!("{} {figure}", who.name()))
        });
        let columns = columns.collect::<Vec<_>>().join("  ");
        let ratio =
            series.ratio(metric).map_or(String::new(), |ratio| format!("  ratio {ratio:.2}"));
        let wishes = wishes(series, metric, earlier);
        let name = format!("{}, {}", metric.name, metric.unit);
        lines.push(format!("  {name:<18} {columns}{ratio}  {wishes}").trim_end().to_owned());
    }
    lines.extend(series.failures.iter().map(|failure| format!("  FAILED {failure}")));
    lines.join("\n")
}

/// How many wishes came true, and which did not.
pub fn verdict(all: &[Series]) -> String {
    let mut counts = [0; 4];
    let mut missed = Vec::new();
    for series in all {
        for metric in series.metrics {
            for wish in series.wishes(metric) {
                let verdict = series.judge(metric, wish.target, all);
                counts[verdict as usize] += 1;
                if verdict == Verdict::Missed {
                    missed.push(format!("{} {}", series.row.name, metric.name));
                }
            }
        }
    }
    let [met, ties, misses, unknown] = counts;
    let missed = if missed.is_empty() { String::new() } else { format!(": {}", missed.join(", ")) };
    format!("wanted: {met} met, {ties} ties, {misses} missed{missed}; {unknown} not judged")
}

/// The whole run as Markdown.
pub fn markdown(heading: &Heading, all: &[Series]) -> String {
    let contestants: Vec<Contestant> = all
        .first()
        .map(|series| series.samples.iter().map(|&(who, _)| who).collect())
        .unwrap_or_default();
    let mut lines =
        vec![INTRODUCTION.to_owned(), String::new(), format!("```text\n{heading}\n```")];
    lines.push(String::new());
    let names = contestants.iter().map(|who| format!(" {} |", who.name())).collect::<String>();
    lines.push(format!("| workload | figure |{names} ratio | wanted |"));
    lines.push(format!("| --- | --- |{} ---: | --- |", " ---: |".repeat(contestants.len())));
    for series in all {
        let mut first = format!("`{}` {}", series.row.name, series.row.what);
        for metric in series.metrics {
            let cell = |&who: &Contestant| {
                let figure = series.median(who, metric).map_or_else(|| "–".to_owned(), number);
                format!(" {figure} |")
            };
            let cells = contestants.iter().map(cell).collect::<String>();
            let ratio =
                series.ratio(metric).map_or("–".to_owned(), |ratio| format!("{ratio:.2}"));
            let wishes = wishes(series, metric, all);
            let label = format!("{}, {}", metric.name, metric.unit);
            lines.push(format!("| {first} | {label} |{cells} {ratio} | {wishes} |"));
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

Medians over the rounds, smaller is better. `wall` and `cpu` are per operation, `cpu` is user plus \
system time of the whole process. `ratio` is reveille's figure over the best of tokio (multi), \
smol and async-std. The machine moves everybody by a quarter within minutes, so the wishes for \
echo are judged by `by_turns`: all servers stand ready on one core and are driven for 50 ms each, \
40 times around (`benches/src/turns.rs`). `bare` is what the same costs without a runtime. Two \
workers each, one where the server is pinned to a core (echo, but for `echo_free`). Default \
release profile, system allocator. How each \
workload is made stands in `benches/src/workloads/`.";

fn wishes(series: &Series, metric: &Metric, all: &[Series]) -> String {
    let wishes = series.wishes(metric).map(|wish| {
        let mark = match series.judge(metric, wish.target, all) {
            Verdict::Met => "✓",
            Verdict::Tie => "✓ (tie)",
            Verdict::Missed => "✗",
            Verdict::Unknown => "?",
        };
        format!("{} {mark}", wish_text(wish.target))
    });
    wishes.collect::<Vec<_>>().join("; ")
}

fn wish_text(target: Target) -> String {
    match target {
        Target::BestMulti(share) => format!("≤ {share:.2} of the best"),
        Target::Tokio(share) => format!("≤ {share:.2} of tokio"),
        Target::AsyncStd(share) => format!("≤ {share:.2} of async-std"),
        Target::Absolute(limit) => format!("≤ {limit}"),
        Target::OwnRow(name) => format!("< {name}"),
    }
}

/// A figure with three digits that mean something.
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
