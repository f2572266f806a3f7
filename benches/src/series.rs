//! The rounds of one row, and what they say together.

use std::io;

use crate::child;
use crate::contestant::Contestant;
use crate::measure::{Effort, Sample, median, percentile};
use crate::options::Options;
use crate::plan::{Metric, Row, SYSCALLS, Target, Wanted};

/// Everything measured for one row.
#[derive(Debug)]
pub struct Series {
    /// The row.
    pub row: &'static Row,
    /// The figures to print.
    pub metrics: &'static [Metric],
    /// One entry per contestant: the samples of its rounds.
    pub samples: Vec<(Contestant, Vec<Sample>)>,
    /// What went wrong, in words.
    pub failures: Vec<String>,
}

/// Whether a wish came true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It did.
    Met,
    /// Above a wish of 1.0, but by less than the run's own noise.
    Tie,
    /// It did not.
    Missed,
    /// A figure that it needs is missing.
    Unknown,
}

/// Measures a row: everybody once, then everybody again, as many times as there are rounds.
pub fn run(row: &'static Row, options: &Options) -> Series {
    let effort = options.effort(row);
    let mut samples: Vec<_> = options.contestants.iter().map(|&who| (who, Vec::new())).collect();
    let mut failures = Vec::new();
    for round in 1..=options.rounds {
        let turns = match turns_of(row, options, &effort) {
            Ok(turns) => turns,
            Err(error) => {
                failures.push(format!("{} by turns, round {round}: {error}", row.name));
                Sample::default()
            }
        };
        for (who, rounds) in &mut samples {
            match child::measure(row.name, *who, &effort) {
                Ok(sample) => rounds.extend(sample.map(|sample| with_turn(sample, *who, &turns))),
                Err(error) => {
                    let who = who.name();
                    failures.push(format!("{} on {who}, round {round}: {error}", row.name));
                }
            }
        }
    }
    let metrics = if options.has_strace { SYSCALLS } else { row.metrics };
    Series { row, metrics, samples, failures }
}

/// What everybody needed when they took turns; nothing in a row without.
fn turns_of(row: &Row, options: &Options, effort: &Effort) -> io::Result<Sample> {
    if !row.has_turns || options.has_strace {
        return Ok(Sample::default());
    }
    child::take_turns(row.name, &options.contestants, effort)
}

fn with_turn(sample: Sample, who: Contestant, turns: &Sample) -> Sample {
    let (Some(own), Some(bare)) = (turns.get(who.name()), turns.get("bare")) else { return sample };
    sample.with("by_turns", own).with("bare", bare)
}

impl Series {
    /// The median of a figure over the rounds, in the printed unit.
    pub fn median(&self, who: Contestant, metric: &Metric) -> Option<f64> {
        let values = self.values(who, metric);
        (!values.is_empty()).then(|| median(&values))
    }

    /// A figure of every round, in the printed unit.
    pub fn values(&self, who: Contestant, metric: &Metric) -> Vec<f64> {
        let rounds = self.samples.iter().find(|(contestant, _)| *contestant == who);
        let rounds = rounds.map_or(&[][..], |(_, rounds)| rounds);
        let figures = rounds.iter().filter_map(|sample| sample.get(metric.name));
        figures.map(|value| value / metric.divisor).collect()
    }

    /// The peer with the smallest figure.
    pub fn best_peer(&self, metric: &Metric) -> Option<(Contestant, f64)> {
        let peers = self.samples.iter().map(|&(who, _)| who).filter(|who| who.is_peer());
        let figures = peers.filter_map(|who| Some((who, self.median(who, metric)?)));
        figures.min_by(|(_, one), (_, other)| one.total_cmp(other))
    }

    /// reveille's figure over the best peer's.
    pub fn ratio(&self, metric: &Metric) -> Option<f64> {
        let (_, best) = self.best_peer(metric)?;
        ratio_of(self.own(metric)?, best)
    }

    /// The wishes for one figure.
    pub fn wishes(&self, metric: &Metric) -> impl Iterator<Item = &'static Wanted> {
        self.row.wanted.iter().filter(move |wish| wish.metric == metric.name)
    }

    /// Judges a wish; `earlier` and this row are where other rows are looked up.
    pub fn judge(&self, metric: &Metric, target: Target, all: &[Self]) -> Verdict {
        let Some(own) = self.own(metric) else { return Verdict::Unknown };
        let against = |who: Option<(Contestant, f64)>, share: f64| match who {
            Some((who, theirs)) => self.compare(metric, own, (who, theirs), share),
            None => Verdict::Unknown,
        };
        let named = |who: Contestant| Some((who, self.median(who, metric)?));
        match target {
            Target::BestMulti(share) => against(self.best_peer(metric), share),
            Target::Tokio(share) => against(named(Contestant::Tokio), share),
            Target::AsyncStd(share) => against(named(Contestant::AsyncStd), share),
            Target::Absolute(limit) => met(own <= limit),
            Target::OwnRow(name) => {
                let other = all.iter().find(|series| series.row.name == name);
                other
                    .and_then(|other| other.own(metric))
                    .map_or(Verdict::Unknown, |other| met(own < other))
            }
        }
    }

    fn compare(
        &self,
        metric: &Metric,
        own: f64,
        (who, theirs): (Contestant, f64),
        share: f64,
    ) -> Verdict {
        if own <= share * theirs {
            return Verdict::Met;
        }
        let noise = self.noise(reveille(), metric).max(self.noise(Some(who), metric));
        let is_tie = share == 1.0 && own <= theirs * (1.0 + noise);
        if is_tie { Verdict::Tie } else { Verdict::Missed }
    }

    /// Half the distance of the quartiles, as a share of the median.
    fn noise(&self, who: Option<Contestant>, metric: &Metric) -> f64 {
        let Some(who) = who else { return 0.0 };
        let mut values = self.values(who, metric);
        let (low, high) = (percentile(&mut values, 0.25), percentile(&mut values, 0.75));
        ratio_of((high - low) / 2.0, percentile(&mut values, 0.5)).unwrap_or(0.0)
    }

    fn own(&self, metric: &Metric) -> Option<f64> {
        self.median(reveille()?, metric)
    }
}

fn met(is_met: bool) -> Verdict {
    if is_met { Verdict::Met } else { Verdict::Missed }
}

fn ratio_of(own: f64, theirs: f64) -> Option<f64> {
    (theirs != 0.0).then(|| own / theirs)
}

/// The contestant whose ratios are printed, when it takes part.
fn reveille() -> Option<Contestant> {
    Contestant::named("reveille")
}
