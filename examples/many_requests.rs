//! Fetches many URLs at once, prints a line for each, and draws when each task ran.
//!
//! ```text
//! cargo run --release --example many_requests
//! cargo run --release --example many_requests -- --requests 300 --timeline requests.svg
//! cargo run --release --example many_requests -- http://127.0.0.1:8080/ http://localhost/
//! ```
//!
//! Without a URL the program starts a server on 127.0.0.1 and fetches from that. Each request is
//! one task, on the thread pool or, with `--local`, on one thread. The runtime records the polls of
//! each task, and the chart at the end shows that recording (`trace.rs`): a row per request, a
//! block where it was polled, a letter for the await where it waited. With `--trace FILE` the
//! recording becomes a file for `reveille view`.
//!
//! The exit status is 1 if a URL could not be fetched. An answer such as 404 counts as fetched.
//!
//! Continue with `run.rs` (the tasks), `fetch.rs` (a request) and `trace.rs`.

#[path = "many_requests/chart.rs"]
mod chart;
#[path = "many_requests/descriptors.rs"]
mod descriptors;
#[path = "many_requests/executor.rs"]
mod executor;
#[path = "many_requests/fetch.rs"]
mod fetch;
#[path = "many_requests/figure.rs"]
mod figure;
#[path = "many_requests/options.rs"]
mod options;
#[path = "many_requests/report.rs"]
mod report;
#[path = "many_requests/response.rs"]
mod response;
#[path = "many_requests/run.rs"]
mod run;
#[path = "many_requests/seconds.rs"]
mod seconds;
#[path = "many_requests/step.rs"]
mod step;
#[path = "many_requests/svg.rs"]
mod svg;
#[path = "many_requests/trace.rs"]
mod trace;
#[path = "many_requests/url.rs"]
mod url;

#[cfg(unix)]
use std::io::IsTerminal;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;

use crate::figure::Figure;
use crate::options::Options;

fn main() -> ExitCode {
    match try_main(&Options::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        // The reader of our output has closed it, as `| head` does. That is not an error.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("many_requests: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the program. Returns `false` if a URL could not be fetched.
fn try_main(options: &Options) -> io::Result<bool> {
    let concurrency = descriptors::admit(options);
    let (run, recorded) = executor::run(options, concurrency)?;
    let figure = Figure::new(&run);
    let mut out = io::stdout().lock();
    write!(out, "\n{}", chart::draw(&figure, columns()))?;
    match run.unrecorded() {
        0 => {}
        count => writeln!(
            out,
            "no room in the recording for {} requests",
            report::Grouped(count as u64)
        )?,
    }
    if let Some(path) = &options.timeline {
        save("timeline", path, svg::draw(&figure).as_bytes(), &mut out)?;
    }
    if let Some(path) = &options.trace {
        save("trace", path, &recorded, &mut out)?;
    }
    out.flush()?;
    Ok(run.is_complete())
}

/// Writes a file and says where it is.
fn save(what: &str, path: &Path, contents: &[u8], out: &mut impl Write) -> io::Result<()> {
    std::fs::write(path, contents).map_err(|error| {
        let message = format!("cannot write the {what} to {}: {error:#}", path.display());
        io::Error::new(error.kind(), message)
    })?;
    writeln!(out, "{what}: {}", path.display())
}

/// Returns the width of the chart: that of the terminal, or 80 columns without a terminal.
fn columns() -> usize {
    #[cfg(unix)]
    if io::stdout().is_terminal()
        && let Ok(size) = rustix::termios::tcgetwinsize(io::stdout())
        && size.ws_col > 0
    {
        return usize::from(size.ws_col).clamp(60, 200);
    }
    80
}
