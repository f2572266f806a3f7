//! Follows the links of a web site, some requests at a time and at a steady rate.
//!
//! For example: `cargo run --example crawler -- 127.0.0.1:8000/docs/ --jobs 4 --rate 20` It lists
//! the pages, and its exit status is 1 if one could not be fetched. It speaks HTTP/1.0 without TLS.
//! Links to other servers, and those that contain `..`, are not followed.

use std::collections::{HashSet, VecDeque};
use std::num::NonZeroU16;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use reveille::io::{self, BufReader};
use reveille::net::TcpStream;
use reveille::prelude::*;
use reveille::task::JoinSet;
use reveille::time::{self, MissedTickBehavior};
use reveille::{select, signal};

/// Follows the links of a web site, some requests at a time and at a steady rate.
#[derive(Parser)]
struct Options {
    /// Where to begin, as HOST:PORT/PATH
    start: String,
    /// How many requests run at the same time
    #[arg(long, value_name = "N", default_value = "4")]
    jobs: NonZeroU16,
    /// How many requests are sent a second, at most
    #[arg(long, value_name = "N", default_value_t = 20,
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    rate: u32,
    /// How many pages are fetched, at most
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    pages: usize,
    /// Time limit of a request, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    timeout: u64,
}

/// A longer head or body is cut off, so a page cannot fill the memory.
const ANSWER_MAX_BYTES: u64 = 1 << 20;

/// Returns the status and the body.
async fn fetch(host: &str, path: &str) -> io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(host).await?;
    let request = format!("GET {path} HTTP/1.0\r\nHost: {host}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = BufReader::new(stream).take(ANSWER_MAX_BYTES);
    let mut line = String::new();
    answer.read_line(&mut line).await?;
    let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| io::Error::other("the answer is not HTTP"))?;
    // The head ends with an empty line.
    while !line.trim().is_empty() {
        line.clear();
        answer.read_line(&mut line).await?;
    }
    let mut body = Vec::new();
    answer.read_to_end(&mut body).await?;
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}

/// The pages of the same server to which the page at `path` has links.
fn links(path: &str, body: &str) -> Vec<String> {
    let path = path.split('?').next().unwrap_or_default();
    let folder = path.rfind('/').map_or("/", |last| &path[..=last]);
    let targets = body.split("href=\"").skip(1).filter_map(|rest| rest.split(['"', '#']).next());
    targets
        .filter(|target| !target.is_empty() && !target.starts_with("//"))
        .filter(|target| !target.contains([':', ' ']) && !target.contains(".."))
        .map(|target| match target.starts_with('/') {
            true => target.to_owned(),
            false => format!("{folder}{target}"),
        })
        .collect()
}

/// What is known of the site.
struct Site {
    host: String,
    /// The pages that were found, and those of them that were not requested yet.
    found: HashSet<String>,
    queue: VecDeque<String>,
    fetched: usize,
    failed: usize,
}

impl Site {
    fn new(start: &str) -> Site {
        let (host, path) = start.split_once('/').unwrap_or((start, ""));
        let path = format!("/{path}");
        let queue = VecDeque::from([path.clone()]);
        Site { host: host.to_owned(), found: HashSet::from([path]), queue, fetched: 0, failed: 0 }
    }

    async fn crawl(&mut self, options: &Options) {
        let mut pace = time::interval(Duration::from_secs(1) / options.rate);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // Dropping the set cancels the requests that run.
        let mut requests = JoinSet::new();
        loop {
            while requests.len() < usize::from(options.jobs.get())
                && let Some(path) = self.queue.pop_front()
            {
                pace.tick().await;
                let (host, limit) = (self.host.clone(), Duration::from_secs(options.timeout));
                requests.spawn(async move {
                    let page = io::timeout(limit, fetch(&host, &path)).await;
                    (path, page)
                });
            }
            let Some(ended) = requests.join_next().await else { return };
            let (path, page) = ended.expect("a request does not panic");
            self.visit(&path, page, options.pages);
        }
    }

    fn visit(&mut self, path: &str, page: io::Result<(u16, String)>, pages_max: usize) {
        self.fetched += 1;
        match page {
            Ok((status, body)) => {
                println!("{status} {:9} B  {path}", body.len());
                self.failed += usize::from(status >= 400);
                for link in links(path, &body) {
                    if self.found.len() < pages_max && self.found.insert(link.clone()) {
                        self.queue.push_back(link);
                    }
                }
            }
            Err(error) => {
                println!("failed           {path}: {error:#}");
                self.failed += 1;
            }
        }
    }
}

#[reveille::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    let mut site = Site::new(options.start.strip_prefix("http://").unwrap_or(&options.start));
    let is_complete = select! {
        () = site.crawl(&options) => true,
        _ = signal::ctrl_c() => false,
    };
    println!("{} pages, {} failed, {} left", site.fetched, site.failed, site.queue.len());
    if is_complete && site.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
