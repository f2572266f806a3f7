//! Fetches URLs with any number of processes, on any number of machines.
//!
//! ```text
//! nats-server --jetstream &                       the queue (Debian: nats-server)
//! fleet serve &                                   prints the address of a server to fetch from
//! fleet fill --requests 10000 http://ADDRESS/bytes/200 http://ADDRESS/delay/20/bytes/5000
//! fleet work & fleet work & fleet work &          here, or elsewhere with --nats nats://HOST
//! fleet count --requests 10000
//! ```
//!
//! The requests are those of the example many_requests, and so is the code that makes one
//! (`many_requests/fetch.rs`). A runtime schedules the tasks of one process. To distribute work
//! over several processes, this program uses an existing work queue, NATS JetStream:
//!
//! 1. `fill` puts each request into the queue, with a number.
//! 2. A worker takes as many requests as it has free slots, and fetches them as tasks of reveille.
//! 3. It records the result under the number, and then acknowledges the request, which removes it.
//! 4. If a worker dies before that, the server delivers its requests to another after five seconds.
//!    So a URL may be fetched twice, but the server takes only one result for each number.
//! 5. On SIGTERM or Ctrl-C, a worker takes nothing more, finishes what it has begun, and ends.
//!
//! The client of NATS is made for tokio. It runs over reveille's feature `tokio1`: its connection
//! is on tokio's driver, and the fetches are on reveille's own sockets.
//!
//! Continue with `queue.rs` (the streams) and `work.rs` (the worker).

#[cfg(test)]
use reveille_watchdog as _;

#[allow(dead_code, reason = "many_requests has a use for each item")]
#[path = "../../many_requests/fetch.rs"]
mod fetch;
#[path = "../../many_requests/response.rs"]
mod response;
#[path = "../../many_requests/seconds.rs"]
mod seconds;
#[allow(dead_code, reason = "the chart of many_requests needs more of it")]
#[path = "../../many_requests/step.rs"]
mod step;
#[path = "../../many_requests/url.rs"]
mod url;

mod count;
mod fill;
mod queue;
mod work;

use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use reveille::task::CancellationToken;
use reveille::{select, signal, task};

use crate::queue::{Failure, Queue};

/// Fetches URLs with any number of processes.
#[derive(Debug, Parser)]
#[command(name = "fleet", version)]
struct Options {
    /// The server of NATS, with JetStream.
    #[arg(long, value_name = "URL", default_value = "nats://127.0.0.1:4222", global = true)]
    nats: String,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Puts requests into the queue.
    Fill(FillOptions),
    /// Makes requests until SIGTERM or Ctrl-C.
    Work(WorkOptions),
    /// Waits until the queue is empty, and counts the results.
    Count {
        /// The number of requests. Ends with status 1 unless each has one result.
        #[arg(long, value_name = "N")]
        requests: u64,
    },
    /// Runs the server of the other examples, and prints its address.
    Serve,
}

#[derive(Debug, Args)]
struct FillOptions {
    /// Number of requests; the list of URLs repeats.
    #[arg(long, value_name = "N")]
    requests: u64,

    /// URLs to fetch: http://host[:port][/path].
    #[arg(required = true)]
    urls: Vec<String>,
}

#[derive(Debug, Args)]
struct WorkOptions {
    /// Maximum number of requests at the same time.
    #[arg(long, value_name = "N", default_value_t = 10,
          value_parser = clap::value_parser!(u32).range(1..=1000))]
    concurrency: u32,

    /// Time limit of one request, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 10,
          value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: u64,

    /// Records results and does not acknowledge the requests, as a worker that is killed between
    /// the two. For a test.
    #[arg(long, hide = true)]
    never_acknowledge: bool,
}

#[reveille::main]
async fn main() -> ExitCode {
    match run(Options::parse()).await {
        Ok(status) => status,
        Err(error) => {
            eprintln!("fleet: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: Options) -> Result<ExitCode, Failure> {
    if let Command::Serve = options.command {
        let address = reveille_examples::loopback().await?;
        println!("http://{address}");
        asked_to_stop()?.await;
        return Ok(ExitCode::SUCCESS);
    }
    let stop = CancellationToken::new();
    if let Command::Work(_) = options.command {
        let asked = asked_to_stop()?;
        let stop = stop.clone();
        drop(task::spawn(async move {
            asked.await;
            stop.cancel();
        }));
    }
    let queue = Queue::open(&options.nats).await?;
    let status = match options.command {
        Command::Serve => ExitCode::SUCCESS,
        Command::Fill(fill) => {
            fill::fill(&queue, fill.requests, &fill.urls).await?;
            println!("{} requests are in the queue", fill.requests);
            ExitCode::SUCCESS
        }
        Command::Work(work) => {
            let how = work::How {
                limit: Duration::from_secs(work.timeout),
                acknowledges: !work.never_acknowledge,
            };
            println!("process {} takes requests", std::process::id());
            println!("{}", work::work(&queue, work.concurrency, how, &stop).await?);
            ExitCode::SUCCESS
        }
        Command::Count { requests } => {
            let count = count::count(&queue).await?;
            println!("{count}");
            if count.is_each_once(requests) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
    };
    // The last acknowledgements are on their way.
    queue.flush().await?;
    Ok(status)
}

/// Listens from now on. The future ends with the first SIGTERM or Ctrl-C.
fn asked_to_stop() -> Result<impl Future<Output = ()> + Send + 'static, Failure> {
    let interrupt = signal::ctrl_c();
    #[cfg(unix)]
    let mut terminate = signal::unix::signal(signal::unix::SignalKind::terminate())?;
    Ok(async move {
        #[cfg(unix)]
        select! {
            _ = interrupt => (),
            _ = terminate.recv() => (),
        }
        #[cfg(not(unix))]
        let _ = interrupt.await;
    })
}
