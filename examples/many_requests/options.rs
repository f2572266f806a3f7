//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

/// Fetches many URLs at once, prints a line for each, and draws what happened.
#[derive(Debug, Parser)]
#[command(name = "many_requests", version)]
pub(crate) struct Options {
    /// What to fetch: http://host[:port][/path]. Without any, an embedded server is asked.
    pub(crate) urls: Vec<String>,

    /// How many requests to make; the URLs are gone through again and again. [default: one for
    /// each URL, or 10 from the embedded server]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) requests: Option<u32>,

    /// How many requests may be under way at the same time.
    #[arg(long, value_name = "N", default_value_t = 100,
          value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) concurrency: u32,

    /// How long one request may take, in seconds.
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub(crate) timeout: Duration,

    /// Run everything on this one thread, with `spawn_local`.
    #[arg(long, conflicts_with = "threads")]
    pub(crate) local: bool,

    /// How many threads the pool has, 1 to 512. [default: one for each processor]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=512))]
    pub(crate) threads: Option<u16>,

    /// Also draw the chart as a picture, into this SVG file.
    #[arg(long, value_name = "FILE.svg")]
    pub(crate) timeline: Option<PathBuf>,

    /// The request of this index panics: for the test that shows what becomes of the others.
    #[arg(long, value_name = "INDEX", hide = true)]
    pub(crate) panic_at: Option<u64>,
}

/// How many requests are made of the embedded server when nobody says.
const EMBEDDED_REQUESTS: usize = 10;

impl Options {
    /// Whether the embedded server is asked.
    pub(crate) fn is_embedded(&self) -> bool {
        self.urls.is_empty()
    }

    /// Returns how many requests are to be made.
    pub(crate) fn request_count(&self) -> usize {
        let unasked = if self.is_embedded() { EMBEDDED_REQUESTS } else { self.urls.len() };
        self.requests.map_or(unasked, |count| count as usize)
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number of seconds".to_owned())?;
    match Duration::try_from_secs_f64(seconds) {
        Ok(limit) if !limit.is_zero() => Ok(limit),
        _ => Err("must be more than zero seconds".to_owned()),
    }
}
