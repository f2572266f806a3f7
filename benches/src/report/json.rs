//! The run as JSON: every figure of every round, in the units of the printed table.

use std::fmt::Write;

use super::Heading;
use crate::series::Series;

/// The whole run.
pub fn json(heading: &Heading, all: &[Series]) -> String {
    let rows: Vec<_> = all.iter().map(row).collect();
    format!(
        "{{\n\"machine\": {}, \"date\": {}, \"versions\": {},\n\"rounds\": {}, \"quick\": {}, \
         \"others\": {}, \"stolen\": {},\n\"rows\": [\n{}\n]\n}}\n",
        text(&heading.machine),
        text(&heading.date),
        text(&heading.versions),
        heading.rounds,
        heading.is_quick,
        heading.others,
        heading.stolen,
        rows.join(",\n")
    )
}

fn row(series: &Series) -> String {
    let mut figures = Vec::new();
    for metric in series.metrics {
        let column = |&(runtime, _): &_| {
            let values = series.values(runtime, metric);
            let median = series.median(runtime, metric)?;
            let name = text(runtime.name());
            Some(format!("{name}: {{\"median\": {median}, \"rounds\": {values:?}}}"))
        };
        let columns: Vec<_> = series.samples.iter().filter_map(column).collect();
        let ratio = series.ratio(metric).map_or("null".to_owned(), |ratio| ratio.to_string());
        figures.push(format!(
            "  {{\"figure\": {}, \"unit\": {}, \"ratio\": {ratio}, {}}}",
            text(metric.name),
            text(metric.unit),
            columns.join(", ")
        ));
    }
    let failures: Vec<_> = series.failures.iter().map(|failure| text(failure)).collect();
    format!(
        "{{\"workload\": {}, \"workers\": {}, \"failures\": [{}], \"figures\": [\n{}\n]}}",
        text(series.row.name),
        series.row.workers,
        failures.join(", "),
        figures.join(",\n")
    )
}

fn text(raw: &str) -> String {
    let mut quoted = String::from('"');
    for character in raw.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            control if control.is_control() => {
                write!(quoted, "\\u{:04x}", u32::from(control)).expect("a string takes all");
            }
            plain => quoted.push(plain),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn text_is_escaped() {
        assert_eq!(text("a \"b\"\n\\"), r#""a \"b\"\u000a\\""#);
    }
}
