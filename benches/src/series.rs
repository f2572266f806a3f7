//! The rounds of one row: their medians, ratios and verdicts.

use std::io;

use crate::child;
use crate::measure::{RunConfig, Sample, median, percentile};
use crate::options::Options;
use crate::plan::{Limit, Metric, Row, SYSCALLS, Target};
use crate::runtime::Runtime;

/// Everything measured for one row.
#[derive(Debug)]
pub struct Series {
    /// The row.
    pub row: &'static Row,
    /// The figures to print.
    pub metrics: &'static [Metric],
    /// One entry per runtime: the samples of its rounds.
    pub samples: Vec<(Runtime, Vec<Sample>)>,
    /// Descriptions of the failed measurements.
    pub failures: Vec<String>,
}

/// Whether a target was met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The figure is within the limit.
    Met,
    /// The figure is above a limit of 1.0, but by less than the run's own noise.
    Tie,
    /// The figure is above the limit.
    Missed,
    /// A figure that the target needs is missing.
    Unknown,
}

/// Measures a row: in each round, every runtime once.
pub fn run(row: &'static Row, options: &Options) -> Series {
    let config = options.config(row);
    let mut samples: Vec<_> =
        options.runtimes.iter().map(|&runtime| (runtime, Vec::new())).collect();
    let mut failures = Vec::new();
    for round in 1..=options.rounds {
        let turns = match turns_of(row, options, &config) {
            Ok(turns) => turns,
            Err(error) => {
                failures.push(format!("{} by turns, round {round}: {error}", row.name));
                Sample::default()
            }
        };
        for (runtime, rounds) in &mut samples {
            match child::measure(row.name, *runtime, &config) {
                Ok(sample) => {
                    rounds.extend(sample.map(|sample| with_turn(sample, *runtime, &turns)))
                }
                Err(error) => {
                    let runtime = runtime.name();
                    failures.push(format!("{} on {runtime}, round {round}: {error}", row.name));
                }
            }
        }
    }
    let metrics = if options.has_strace { SYSCALLS } else { row.metrics };
    Series { row, metrics, samples, failures }
}

/// The figures of the runtimes when they take turns. Empty for a row without turns.
fn turns_of(row: &Row, options: &Options, config: &RunConfig) -> io::Result<Sample> {
    if !row.has_turns || options.has_strace {
        return Ok(Sample::default());
    }
    child::take_turns(row.name, &options.runtimes, config)
}

fn with_turn(sample: Sample, runtime: Runtime, turns: &Sample) -> Sample {
    let figures = [("by_turns", runtime.name()), ("bare", "bare")];
    figures.into_iter().fold(sample, |sample, (name, from)| match turns.get(from) {
        Some(figure) => sample.with(name, figure),
        None => sample,
    })
}

impl Series {
    /// The median of a figure over the rounds, in the printed unit.
    pub fn median(&self, runtime: Runtime, metric: &Metric) -> Option<f64> {
        let values = self.values(runtime, metric);
        (!values.is_empty()).then(|| median(&values))
    }

    /// A figure of every round, in the printed unit.
    pub fn values(&self, runtime: Runtime, metric: &Metric) -> Vec<f64> {
        let rounds = self.samples.iter().find(|(measured, _)| *measured == runtime);
        let rounds = rounds.map_or(&[][..], |(_, rounds)| rounds);
        let figures = rounds.iter().filter_map(|sample| sample.get(metric.name));
        figures.map(|value| value / metric.divisor).collect()
    }

    /// The peer with the smallest figure.
    pub fn best_peer(&self, metric: &Metric) -> Option<(Runtime, f64)> {
        let peers =
            self.samples.iter().map(|&(runtime, _)| runtime).filter(|runtime| runtime.is_peer());
        let figures = peers.filter_map(|runtime| Some((runtime, self.median(runtime, metric)?)));
        figures.min_by(|(_, one), (_, other)| one.total_cmp(other))
    }

    /// reveille's figure over the best peer's.
    pub fn ratio(&self, metric: &Metric) -> Option<f64> {
        let (_, best) = self.best_peer(metric)?;
        ratio_of(self.own(metric)?, best)
    }

    /// The targets for one figure.
    pub fn targets(&self, metric: &Metric) -> impl Iterator<Item = &'static Target> {
        self.row.targets.iter().filter(move |target| target.metric == metric.name)
    }

    /// Judges a figure by a limit. `all` holds the other rows that the limit may refer to.
    pub fn judge(&self, metric: &Metric, limit: Limit, all: &[Self]) -> Verdict {
        let Some(own) = self.own(metric) else { return Verdict::Unknown };
        match limit {
            Limit::BestMulti(share) | Limit::Tokio(share) | Limit::AsyncStd(share) => {
                let theirs = self.peer(metric, limit);
                theirs.map_or(Verdict::Unknown, |theirs| self.compare(metric, own, theirs, share))
            }
            Limit::Absolute(most) => met(own <= most),
            Limit::OwnRow(name) => {
                let other = all.iter().find(|series| series.row.name == name);
                other
                    .and_then(|other| other.own(metric))
                    .map_or(Verdict::Unknown, |other| met(own < other))
            }
        }
    }

    /// The runtime that a limit compares with, and its figure.
    pub fn peer(&self, metric: &Metric, limit: Limit) -> Option<(Runtime, f64)> {
        let named = |runtime: Runtime| Some((runtime, self.median(runtime, metric)?));
        match limit {
            Limit::BestMulti(_) => self.best_peer(metric),
            Limit::Tokio(_) => named(Runtime::Tokio),
            Limit::AsyncStd(_) => named(Runtime::AsyncStd),
            Limit::Absolute(_) | Limit::OwnRow(_) => None,
        }
    }

    fn compare(
        &self,
        metric: &Metric,
        own: f64,
        (runtime, theirs): (Runtime, f64),
        share: f64,
    ) -> Verdict {
        if own <= share * theirs {
            return Verdict::Met;
        }
        let noise = self.noise(reveille(), metric).max(self.noise(Some(runtime), metric));
        let is_tie = share == 1.0 && own <= theirs * (1.0 + noise);
        if is_tie { Verdict::Tie } else { Verdict::Missed }
    }

    /// Half the interquartile range, as a share of the median.
    fn noise(&self, runtime: Option<Runtime>, metric: &Metric) -> f64 {
        let Some(runtime) = runtime else { return 0.0 };
        let mut values = self.values(runtime, metric);
        let (low, high) = (percentile(&mut values, 0.25), percentile(&mut values, 0.75));
        ratio_of((high - low) / 2.0, percentile(&mut values, 0.5)).unwrap_or(0.0)
    }

    /// reveille's figure.
    pub fn own(&self, metric: &Metric) -> Option<f64> {
        self.median(reveille()?, metric)
    }
}

fn met(is_met: bool) -> Verdict {
    if is_met { Verdict::Met } else { Verdict::Missed }
}

fn ratio_of(own: f64, theirs: f64) -> Option<f64> {
    (theirs != 0.0).then(|| own / theirs)
}

/// The runtime whose ratios are printed, if it is measured.
fn reveille() -> Option<Runtime> {
    Runtime::named("reveille")
}
