//! A small Raft over TCP with its log on disk, tested with a simulation.
//!
//! ```text
//! cargo run -- --seeds 0..100
//! cargo run -- --seeds 0..2000 --bug double-vote
//! ```
//!
//! Each seed runs three or five nodes and a client, while hosts crash, links are cut, messages are
//! late and clocks are wrong. Then all faults end, and the client checks that the cluster works and
//! has lost nothing. With a bug, some seed fails.

mod check;
mod message;
mod node;
mod storage;

use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use message::{Answer, Connection, Request};
use reveille::net::TcpStream;
use reveille::sim::{self, Faults};
use reveille::{future, task};

const PORT: u16 = 7000;
const FAULTS: Duration = Duration::from_secs(20);
const CLIENTS: u64 = 2;
/// The longest pauses between two proposals of a client, one of which each seed draws. Without
/// proposals, a leader has entries of earlier terms only.
const PAUSES_MS: [u64; 4] = [200, 1_000, 3_000, 8_000];

const USAGE: &str = "usage: reveille-raft [--seeds A..B] [--bug NAME] [--quiet-hours N]\n\
    bugs: double-vote, stale-commit, lost-log-suffix, no-term-check, no-fsync, ack-before-quorum\n\
    --quiet-hours runs five nodes without faults for N virtual hours";

/// A planted fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bug {
    DoubleVote,
    StaleCommit,
    LostLogSuffix,
    NoTermCheck,
    NoFsync,
    AckBeforeQuorum,
}

const BUGS: [(&str, Bug); 6] = [
    ("double-vote", Bug::DoubleVote),
    ("stale-commit", Bug::StaleCommit),
    ("lost-log-suffix", Bug::LostLogSuffix),
    ("no-term-check", Bug::NoTermCheck),
    ("no-fsync", Bug::NoFsync),
    ("ack-before-quorum", Bug::AckBeforeQuorum),
];

fn host_name(node: usize) -> String {
    format!("n{node}")
}

/// Where a node of this run has its files.
fn folder(node: usize) -> PathBuf {
    let seed = sim::seed().unwrap_or(0);
    let process = std::process::id();
    std::env::temp_dir().join(format!("reveille-raft-{process}-{seed}")).join(host_name(node))
}

/// Proposes a value until a leader says that it is committed.
async fn propose(count: usize, value: u64, patience: Duration) -> bool {
    let mut node = 1 + fastrand::usize(..count);
    let attempts = async {
        loop {
            let ask = async {
                let stream = TcpStream::connect((host_name(node), PORT)).await?;
                Connection::new(stream).call(&Request::Propose { value }).await
            };
            match future::timeout(Duration::from_secs(3), ask).await {
                Ok(Ok(Answer::Done)) => return,
                Ok(Ok(Answer::NotLeader { leader: Some(leader) })) if leader != node => {
                    node = leader;
                }
                _ => node = 1 + fastrand::usize(..count),
            }
            task::sleep(Duration::from_millis(20)).await;
        }
    };
    future::timeout(patience, attempts).await.is_ok()
}

/// Proposes values during the faults, and checks afterwards what has become of them.
async fn client(number: u64, count: usize, pause_ms: u64) -> io::Result<()> {
    let mut acknowledged = Vec::new();
    let mut value = number * 1_000_000;
    while sim::elapsed().is_some_and(|elapsed| elapsed < FAULTS) {
        value += 1;
        if propose(count, value, Duration::from_secs(4)).await {
            acknowledged.push(value);
        }
        task::sleep(Duration::from_millis(fastrand::u64(..pause_ms))).await;
    }
    let last = value + 1;
    assert!(
        propose(count, last, Duration::from_secs(60)).await,
        "the cluster does not work, although all faults are over"
    );
    // Followers hear of the last commit with the next heartbeat.
    task::sleep(Duration::from_secs(2)).await;
    for value in acknowledged {
        assert!(check::is_applied(value), "the value {value} was acknowledged, and is lost");
    }
    Ok(())
}

fn run(seeds: Range<u64>, bug: Option<Bug>) {
    let faults = Faults::swarm().until(FAULTS);
    let limit = Duration::from_secs(300);
    let builder = sim::Builder::new().seeds(seeds).test_name("raft").time_limit(limit);
    builder.faults(faults).check(|sim| {
        let count = if sim::draw("nodes", 2) == Some(0) { 3 } else { 5 };
        for node in 1..=count {
            let drift = node as i64 * 50;
            sim.host(host_name(node), move || node::run(node, count, folder(node), bug))
                .clock_drift_ppm(drift);
        }
        let pause_ms = PAUSES_MS[sim::draw("pause", 4).unwrap_or(0) as usize];
        for number in 1..=CLIENTS {
            sim.client(format!("c{number}"), move || client(number, count, pause_ms));
        }
        sim.always(check::holds);
    });
}

/// Five nodes without faults and without requests.
fn run_quietly(hours: u64) {
    let time = Duration::from_secs(hours * 3600);
    let builder = sim::Builder::new().seeds(0..1).test_name("raft").time_limit(time * 2);
    builder.check(|sim| {
        for node in 1..=5 {
            sim.host(host_name(node), move || node::run(node, 5, folder(node), None));
        }
        sim.client("client", move || task::sleep(time));
        sim.always(check::holds);
    });
}

struct Options {
    seeds: Range<u64>,
    bug: Option<Bug>,
    quiet_hours: Option<u64>,
}

/// Reads the options. The processes of seeds get the same ones through the environment, because
/// their arguments are those of a test program.
#[allow(clippy::disallowed_methods, reason = "a program may read the environment")]
fn options() -> Result<Options, String> {
    const HANDED_ON: &str = "REVEILLE_RAFT_OPTIONS";
    let text = match std::env::var(HANDED_ON) {
        Ok(text) => text,
        Err(_) => {
            let text = std::env::args().skip(1).collect::<Vec<_>>().join(" ");
            // SAFETY: the program has one thread so far.
            unsafe { std::env::set_var(HANDED_ON, &text) };
            text
        }
    };
    let mut options = Options { seeds: 0..100, bug: None, quiet_hours: None };
    let mut words = text.split_whitespace();
    while let Some(word) = words.next() {
        let value = words.next().ok_or_else(|| USAGE.to_owned())?;
        match word {
            "--seeds" => {
                let range = value.split_once("..");
                let range = range.and_then(|(a, b)| Some(a.parse().ok()?..b.parse().ok()?));
                options.seeds = range.ok_or_else(|| format!("not a range: {value}\n{USAGE}"))?;
            }
            "--bug" => {
                let found = BUGS.iter().find(|(name, _)| *name == value);
                let bug = found.ok_or_else(|| format!("no such bug: {value}\n{USAGE}"))?.1;
                options.bug = Some(bug);
            }
            "--quiet-hours" => {
                let hours = value.parse().map_err(|_| format!("not a number: {value}\n{USAGE}"))?;
                options.quiet_hours = Some(hours);
            }
            _ => return Err(USAGE.to_owned()),
        }
    }
    Ok(options)
}

fn main() -> ExitCode {
    let options = match options() {
        Ok(options) => options,
        Err(text) => {
            eprintln!("{text}");
            return ExitCode::from(2);
        }
    };
    match options.quiet_hours {
        Some(hours) => {
            run_quietly(hours);
            println!("nothing fails in {hours} virtual hours without faults");
        }
        None => {
            run(options.seeds.clone(), options.bug);
            println!("no seed of {:?} fails", options.seeds);
        }
    }
    ExitCode::SUCCESS
}
