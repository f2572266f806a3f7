//! Forwards TCP connections to another address, and counts what passes.
//!
//! For example: `cargo run --example forwarder -- 127.0.0.1:8080 example.org:80` Each direction
//! ends independently: when one side closes its half, the end is passed on to the other side, which
//! can still answer. Ctrl-C stops accepting and waits for the open connections.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::Parser;
use reveille::net::{TcpListener, TcpStream};
use reveille::prelude::*;
use reveille::task::{self, CancellationToken, JoinSet};
use reveille::{io, signal, time};

/// Forwards TCP connections to another address, and counts what passes
#[derive(Parser)]
struct Options {
    /// Where it listens, such as 127.0.0.1:8080
    listen: String,
    /// Where it connects to, such as example.org:80
    target: String,
    /// Time limit for connecting to the target, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    connect_timeout: u64,
    /// Time that open connections have after Ctrl-C, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    grace: u64,
    /// Print the metrics every so many seconds
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    report: Option<u64>,
}

#[derive(Default)]
struct Metrics {
    accepted: AtomicU64,
    open: AtomicU64,
    failed: AtomicU64,
    /// Bytes to the target, and from it.
    sent: AtomicU64,
    received: AtomicU64,
}

impl Metrics {
    fn line(&self) -> String {
        let load = |number: &AtomicU64| number.load(Ordering::Relaxed);
        let [accepted, open, failed] = [&self.accepted, &self.open, &self.failed].map(load);
        let [sent, received] = [&self.sent, &self.received].map(load);
        let bytes = format!("{sent} bytes sent, {received} bytes received");
        format!("{accepted} accepted, {open} open, {failed} failed, {bytes}")
    }
}

/// Counts a connection while it is open, also if its task is cancelled.
struct Open(Arc<Metrics>);

impl Open {
    fn new(metrics: &Arc<Metrics>) -> Open {
        metrics.accepted.fetch_add(1, Ordering::Relaxed);
        metrics.open.fetch_add(1, Ordering::Relaxed);
        Open(Arc::clone(metrics))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn forward(
    mut client: TcpStream,
    options: &Options,
    metrics: &Metrics,
) -> io::Result<String> {
    let start = Instant::now();
    let limit = Duration::from_secs(options.connect_timeout);
    let mut target = io::timeout(limit, TcpStream::connect(&options.target)).await?;
    client.set_nodelay(true)?; // small messages are passed on at once
    target.set_nodelay(true)?;
    let (sent, received) = io::copy_bidirectional(&mut client, &mut target).await?;
    metrics.sent.fetch_add(sent, Ordering::Relaxed);
    metrics.received.fetch_add(received, Ordering::Relaxed);
    Ok(format!("{sent} bytes sent, {received} bytes received, {:.1?}", start.elapsed()))
}

async fn serve(listener: TcpListener, options: Arc<Options>, stop: CancellationToken) {
    let metrics = Arc::new(Metrics::default());
    if let Some(seconds) = options.report {
        let (metrics, period) = (Arc::clone(&metrics), Duration::from_secs(seconds));
        task::spawn(stop.run(time::interval(period).for_each(move |_| {
            println!("{}", metrics.line());
        })));
    }
    let mut connections = JoinSet::new();
    while let Ok(accepted) = stop.run(listener.accept()).await {
        while connections.try_join_next().is_some() {}
        let (client, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                eprintln!("forwarder: {error:#}");
                time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let open = Open::new(&metrics);
        let options = Arc::clone(&options);
        connections.spawn(async move {
            match forward(client, &options, &open.0).await {
                Ok(summary) => println!("{peer}: {summary}"),
                Err(error) => {
                    open.0.failed.fetch_add(1, Ordering::Relaxed);
                    eprintln!("forwarder: {peer}: {error:#}");
                }
            }
        });
    }
    drop(listener);
    let drained = async { while connections.join_next().await.is_some() {} };
    let _ = time::timeout(Duration::from_secs(options.grace), drained).await;
    let left = connections.len();
    connections.shutdown().await;
    println!("{}, {left} cut off", metrics.line());
}

async fn run(options: Options) -> io::Result<()> {
    let listener = TcpListener::bind(&options.listen).await?;
    println!("{} forwards to {}", listener.local_addr()?, options.target);
    let interrupt = signal::ctrl_c();
    let stop = CancellationToken::new();
    let server = task::spawn(serve(listener, Arc::new(options), stop.clone()));
    interrupt.await?;
    stop.cancel();
    server.await;
    Ok(())
}

#[reveille::main]
async fn main() -> ExitCode {
    match run(Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("forwarder: {error:#}");
            ExitCode::FAILURE
        }
    }
}
