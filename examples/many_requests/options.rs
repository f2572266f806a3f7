//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

/// Fetches many URLs at once, prints a line for each, and draws what happened.
#[derive(Debug, Parser)]
#[command(name = "many_requests", version)]
pub(crate) struct Options {
    /// URLs to fetch: http://host[:port][/path]. Without a URL, an embedded server is used.
    pub(crate) urls: Vec<String>,

    /// Number of requests; the list of URLs repeats. [default: one for each URL, or 10 from the
    /// embedded server]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) requests: Option<u32>,

    /// Maximum number of requests at the same time.
    #[arg(long, value_name = "N", default_value_t = 100,
          value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) concurrency: u32,

    /// Time limit of one request, in seconds.
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub(crate) timeout: Duration,

    /// Run everything on this one thread, with `spawn_local`.
    #[arg(long, conflicts_with = "threads")]
    pub(crate) local: bool,

    /// Number of threads of the pool, 1 to 512. [default: one for each processor]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=512))]
    pub(crate) threads: Option<u16>,

    /// Also write the chart to this SVG file.
    #[arg(long, value_name = "FILE.svg")]
    pub(crate) timeline: Option<PathBuf>,

    /// Also write what was recorded to this file, for `reveille view`.
    #[arg(long, value_name = "FILE.rvt")]
    pub(crate) trace: Option<PathBuf>,

    /// The request with this index panics. For the test of the other requests.
    #[arg(long, value_name = "INDEX", hide = true)]
    pub(crate) panic_at: Option<u64>,
}

/// The default number of requests to the embedded server.
const EMBEDDED_REQUESTS: usize = 10;

impl Options {
    /// Whether to use the embedded server.
    pub(crate) fn is_embedded(&self) -> bool {
        self.urls.is_empty()
    }

    /// Returns the number of requests to make.
    pub(crate) fn request_count(&self) -> usize {
        let default = if self.is_embedded() { EMBEDDED_REQUESTS } else { self.urls.len() };
        self.requests.map_or(default, |count| count as usize)
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number of seconds".to_owned())?;
    match Duration::try_from_secs_f64(seconds) {
        Ok(limit) if !limit.is_zero() => Ok(limit),
        _ => Err("must be more than zero seconds".to_owned()),
    }
}
