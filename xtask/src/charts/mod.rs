//! Draws the charts of the README from the figures of the harness.
//!
//! `benches/figures.json` is what a run of the harness has written (`--json`). `docs/charts/` has a
//! chart for each row of [`CHARTS`], and a page that shows them all. Each image of a chart in the
//! README has the chart in words as its text, and this command keeps that too. A test draws again
//! and compares.

use std::fs;
use std::path::Path;

use serde_json::Value;

use self::svg::{Chart, Panel};
use crate::shell::{self, Outcome};

mod svg;

/// What a run of the harness has written, from the root.
const FIGURES: &str = "benches/figures.json";
/// Where the charts are, from the root.
const FOLDER: &str = "docs/charts";
/// Pages that show charts. The README is also read from its package and on crates.io, so their
/// links are absolute.
const PAGES: [&str; 1] = ["README.md"];
/// The bars of each panel: columns of the harness.
const RUNTIMES: [&str; 4] = ["reveille", "tokio", "smol", "async-std"];
/// The most bytes of a chart.
const MOST_BYTES: usize = 30_000;

/// A chart to draw.
struct Plan {
    /// The name of its file.
    name: &'static str,
    title: &'static str,
    subtitle: &'static str,
    /// A title, a workload and a figure of each panel.
    panels: [(&'static str, &'static str, &'static str); 3],
}

const CHARTS: [Plan; 5] = [
    Plan {
        name: "task-costs",
        title: "What a task costs",
        subtitle: "CPU time of the whole process per operation in nanoseconds; less is better",
        panels: [
            ("Spawn a task and await it", "spawn_join_100", "cpu"),
            ("A round trip of two tasks", "ping_pong_steady", "cpu"),
            ("yield_now", "yield_1", "cpu"),
        ],
    },
    Plan {
        name: "partial-load",
        title: "A server at partial load",
        subtitle: "CPU time of the server per request in µs, with 50 connections; less is better",
        panels: [
            ("200 requests a second", "partial_load_200", "cpu"),
            ("2,000 requests a second", "partial_load_2000", "cpu"),
            ("8,000 requests a second", "partial_load_8000", "cpu"),
        ],
    },
    Plan {
        name: "blocked-worker",
        title: "Two tasks block both worker threads for 2 s, again and again",
        subtitle: "Milliseconds that others wait: 50 connections, 1,000 timers; less is better",
        panels: [
            ("Median answer", "rescue", "echo_p50"),
            ("Slowest answer", "rescue", "echo_max"),
            ("Latest timer", "rescue", "tick_max"),
        ],
    },
    Plan {
        name: "tail-latency",
        title: "Answer times with 1,000 busy connections",
        subtitle: "Milliseconds until the answer of a saturated server on one core; less is better",
        panels: [
            ("Median", "echo_1000x64", "p50"),
            ("99 of 100", "echo_1000x64", "p99"),
            ("999 of 1,000", "echo_1000x64", "p999"),
        ],
    },
    Plan {
        name: "memory",
        title: "Memory of a waiting task with 64 bytes of state",
        subtitle: "Bytes; less is better",
        panels: [
            ("Allocated", "mem_pending", "heap"),
            ("Allocated, in a sleep", "mem_timer", "heap"),
            ("Resident, in a sleep", "mem_timer", "rss"),
        ],
    },
];

/// Draws the charts, and writes their texts into the pages that show them.
pub(crate) fn draw() -> Outcome {
    let root = shell::root();
    for (path, text) in files(&root)? {
        let path = root.join(path);
        fs::write(&path, text).map_err(|error| cannot("write", &path, &error))?;
    }
    println!("charts: drew {} from {FIGURES}", CHARTS.len());
    Ok(())
}

/// Each file that depends on the figures, with the text that it must have.
fn files(root: &Path) -> Result<Vec<(String, String)>, String> {
    let read = |path: &str| {
        let path = root.join(path);
        fs::read_to_string(&path).map_err(|error| cannot("read", &path, &error))
    };
    let run = serde_json::from_str(&read(FIGURES)?);
    let run: Value = run.map_err(|error| format!("{FIGURES}: {error}"))?;
    let mut charts = Vec::new();
    for plan in &CHARTS {
        charts.push((plan.name, chart(&run, plan)?));
    }
    let mut files = vec![(format!("{FOLDER}/README.md"), page(&charts))];
    for page in PAGES {
        files.push((page.to_owned(), with_texts(&read(page)?, &charts)));
    }
    for (name, chart) in &charts {
        let svg = chart.svg();
        if svg.len() > MOST_BYTES {
            return Err(format!("the chart {name} has {} bytes, at most {MOST_BYTES}", svg.len()));
        }
        files.push((format!("{FOLDER}/{name}.svg"), svg));
    }
    Ok(files)
}

fn chart(run: &Value, plan: &Plan) -> Result<Chart, String> {
    let mut panels = Vec::new();
    for (title, workload, name) in plan.panels {
        let mut bars = Vec::new();
        for runtime in RUNTIMES {
            let value = figure(run, workload, name, runtime);
            let value = value
                .ok_or_else(|| format!("{FIGURES} has no {name} of {workload} on {runtime}"))?;
            bars.push((runtime.to_owned(), value));
        }
        panels.push(Panel { title: title.to_owned(), bars });
    }
    let source = source(run);
    Ok(Chart { title: plan.title.to_owned(), subtitle: plan.subtitle.to_owned(), source, panels })
}

/// Where and when the figures were measured, and whether the machine was busy with something else.
fn source(run: &Value) -> String {
    let word = |key: &str| run[key].as_str().unwrap_or("?");
    // Behind the processor and its cores are the kernel and the compiler.
    let machine: Vec<&str> = word("machine").split(", ").take(2).collect();
    let (rounds, date, machine) = (&run["rounds"], word("date"), machine.join(", "));
    let others = 100.0 * run["others"].as_f64().unwrap_or_default();
    let others = match others {
        few if few < 5.0 => String::new(),
        many => format!("; other programs used {many:.0} % of the machine"),
    };
    format!("Medians of {rounds} rounds, {date}, {machine}{others}")
}

/// The median of a figure, in the unit of the chart: latencies of the echo rows are microseconds.
fn figure(run: &Value, workload: &str, name: &str, runtime: &str) -> Option<f64> {
    let row = run["rows"].as_array()?.iter().find(|row| row["workload"] == workload)?;
    let figure = row["figures"].as_array()?.iter().find(|figure| figure["figure"] == name)?;
    let median = figure[runtime]["median"].as_f64()?;
    let is_latency = workload.starts_with("echo_") && figure["unit"] == "µs";
    Some(if is_latency { median / 1e3 } else { median })
}

/// A page with all charts.
fn page(charts: &[(&str, Chart)]) -> String {
    let mut page = "# Charts\n\n`cargo xtask charts` draws them from [the figures of the \
                    harness](../../benches/figures.json). [BENCHMARKS.md](../../BENCHMARKS.md) \
                    explains the workloads and has the figures of all of them.\n"
        .to_owned();
    for (name, chart) in charts {
        page += &format!("\n## {}\n\n![{}]({name}.svg)\n", chart.title, chart.description());
    }
    page
}

/// The page with the description of each chart as the text of its image.
fn with_texts(page: &str, charts: &[(&str, Chart)]) -> String {
    let line = |line: &str| {
        let shown = charts.iter().find(|(name, _)| {
            line.starts_with("![") && line.ends_with(&format!("{FOLDER}/{name}.svg)"))
        });
        let link = line.rfind("](").map(|at| &line[at..]);
        match (shown, link) {
            (Some((_, chart)), Some(link)) => format!("![{}{link}\n", chart.description()),
            _ => format!("{line}\n"),
        }
    };
    page.lines().map(line).collect()
}

fn cannot(what: &str, path: &Path, error: &std::io::Error) -> String {
    format!("cannot {what} {}: {error}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_charts_are_what_the_committed_figures_draw() {
        for (path, drawn) in files(&shell::root()).unwrap() {
            let committed = fs::read_to_string(shell::root().join(&path)).unwrap();
            assert!(committed == drawn, "{path} is out of date: run `cargo xtask charts`");
        }
    }

    #[test]
    fn the_readme_shows_three_charts_by_absolute_links() {
        let readme = fs::read_to_string(shell::root().join("README.md")).unwrap();
        let shown = readme.lines().filter(|line| line.starts_with("![") && line.contains(FOLDER));
        let shown: Vec<&str> = shown.collect();
        assert_eq!(shown.len(), 3);
        assert!(shown.iter().all(|line| line.contains("](https://")), "{shown:?}");
    }

    #[test]
    fn the_titles_of_the_panels_do_not_touch_each_other() {
        // A panel is 229 units wide, and a letter of its title about 8.
        for (title, ..) in CHARTS.iter().flat_map(|plan| plan.panels) {
            assert!(title.len() <= 26, "{title}");
        }
    }

    #[test]
    fn a_busy_machine_is_mentioned() {
        let mut run = serde_json::json!({ "rounds": 3, "date": "2026-12-01", "others": 0.31 });
        run["machine"] = "A Processor, 2 cores, Linux 6, rustc 1".into();
        let quiet = "Medians of 3 rounds, 2026-12-01, A Processor, 2 cores";
        assert_eq!(source(&run), format!("{quiet}; other programs used 31 % of the machine"));
        run["others"] = 0.01.into();
        assert_eq!(source(&run), quiet);
    }

    #[test]
    fn a_missing_figure_is_named() {
        let error = chart(&serde_json::json!({ "rows": [] }), &CHARTS[0]).unwrap_err();
        assert_eq!(error, "benches/figures.json has no cpu of spawn_join_100 on reveille");
    }
}
