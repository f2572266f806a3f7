//! The same workloads on reveille, tokio, smol and async-std, side by side.
//!
//! ```text
//! cargo run --release --manifest-path benches/Cargo.toml -- [options]
//!   --only NAME[,NAME]   only workloads whose name contains one of these
//!   --runtimes NAME[,..] only these runtimes
//!   --rounds N           rounds, interleaved A B C A B C (default 5)
//!   --quick              one round with a tenth of the work
//!   --json FILE          writes every figure of every round
//!   --markdown FILE      writes the tables, as in BENCHMARKS.md
//!   --targets            prints a line for each target at the end
//!   --syscalls           counts system calls per request of the echo workloads under strace
//!   --list               prints the workloads and their targets, measures nothing
//! ```
//!
//! `cargo run … -- recorder ROW...` compares a row without a recording, with a flight recorder, and
//! with a file. Its rows `bare_2` and `bare_3` are loops that do what no recorder can leave out.
//!
//! The rows `hyper_…` need `--features hyper`. `scripts/figures-17.sh` runs the rows of a service.
//!
//! Every figure is the median over the rounds. Each workload runs on each runtime in each round in
//! a process of its own. A row in which reveille loses is printed like any other.

#[cfg(feature = "reveille")]
mod bare_recorder;
mod child;
mod http;
mod load;
mod machine;
mod measure;
mod open_loop;
mod options;
mod plan;
#[cfg(feature = "reveille")]
mod recorder;
mod report;
mod rt;
mod runtime;
mod series;
mod signal;
mod source;
mod turns;
mod workloads;

use std::io;
use std::process::ExitCode;

use crate::load::Load;
use crate::measure::{Heap, cpu_time};
use crate::open_loop::OpenLoop;
use crate::options::Options;
use crate::runtime::Runtime;

#[global_allocator]
static HEAP: Heap = Heap;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match words.first().map(String::as_str) {
        Some("child") => Ok(child::run(&words[1..])),
        Some("startup") => Ok(start_and_exit(&words[1..])),
        Some("serve") => turns::serve(&words[1..]).transpose(),
        #[cfg(feature = "reveille")]
        Some("recorder") => recorder::run(&words[1..]).transpose(),
        Some("turns") => turns::run(&words[1..]).transpose(),
        Some("load") => {
            Load::parse(&words[1..]).map(|load| load.run().map(|()| String::new())).transpose()
        }
        Some("open-loop") => {
            OpenLoop::parse(&words[1..]).map(|load| load.run().map(|()| String::new())).transpose()
        }
        _ => Options::parse(&words).map(|options| side_by_side(&options)).transpose(),
    };
    match outcome {
        Ok(Some(text)) => {
            if !text.is_empty() {
                println!("{text}");
            }
            // Do not wait for threads that a workload left behind.
            std::process::exit(0)
        }
        Ok(None) => {
            eprintln!("{}", options::USAGE);
            ExitCode::from(2)
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Starts a runtime, runs a task, and returns the CPU time of the whole process in nanoseconds.
fn start_and_exit(words: &[String]) -> Option<String> {
    let [runtime, workers] = words else { return None };
    Runtime::named(runtime)?.start_up(workers.parse().ok()?);
    Some(cpu_time().as_nanos().to_string())
}

/// Runs the rows and returns the text to print at the end.
fn side_by_side(options: &Options) -> io::Result<String> {
    if options.is_list {
        return Ok(report::list(options));
    }
    let usage = machine::Usage::now();
    let mut results = Vec::new();
    for row in options.rows() {
        let result = series::run(row, options);
        println!("{}", report::plain(&result, &results));
        results.push(result);
    }
    let heading = report::Heading::new(options, usage);
    if let Some(path) = &options.json {
        std::fs::write(path, report::json(&heading, &results))?;
    }
    if let Some(path) = &options.markdown {
        std::fs::write(path, report::markdown(&heading, &results))?;
    }
    if options.has_target_list {
        println!("{}", report::target_list(&results));
    }
    Ok(format!("{heading}\n{}", report::verdict(&results)))
}
