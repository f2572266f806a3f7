//! A server at partial load: most of the time there is nothing to do, as in most servers.
//!
//! An echo server has its usual two workers, and nothing is pinned. The load generator sends
//! requests of 64 bytes at a rate, over 50 connections, in an open loop
//! (`benches/src/open_loop.rs`). What counts is the CPU time that the server's process needs for a
//! request, with all its threads: waiting, waking and going back to sleep are most of it.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use crate::measure::{RunConfig, Sample, Stopwatch};
use crate::open_loop::OpenLoop;
use crate::rt::Rt;
use crate::workloads::echo::{self, Generator};

const CONNECTIONS: usize = 50;

/// The least number of requests of a full run.
const REQUESTS: u32 = 800;

/// The rate of a name such as `partial_load_2000`.
pub fn rate(name: &str) -> Option<u32> {
    name.strip_prefix("partial_load_")?.parse().ok().filter(|rate| *rate > 0)
}

/// Serves `rate` requests a second. `cpu`: CPU time of the server's process per request. `p50`,
/// `p99`: microseconds from the time at which a request is due until its answer arrives.
pub fn run<R: Rt>(config: &RunConfig, rate: u32) -> Sample {
    let full = (Duration::from_secs(1) * REQUESTS / rate).max(config.time * 4);
    let time = if config.is_quick { full / 4 } else { full };
    let rt = R::start(config.workers);
    echo::while_serving::<R, _>(&rt, None, move |addr| {
        drive(addr, rate, time).expect("the server keeps up with the load generator")
    })
}

fn drive(addr: SocketAddr, rate: u32, time: Duration) -> io::Result<Sample> {
    let load = OpenLoop { addr, connections: CONNECTIONS, rate, time };
    let generator = Generator::start_as("open-loop", &load)?;
    let stopwatch = Stopwatch::start();
    let report = generator.finish()?;
    let figure = |name| report.get(name).expect("the load generator reports it");
    let server = stopwatch.per_op(figure("requests") as u64);
    // A server that falls behind is not at partial load, and its figures would not say what the row
    // says.
    if figure("requests") < 0.9 * figure("sent") {
        return Err(io::Error::other(format!("of these, too few were answered: {report}")));
    }
    Ok(Sample::default()
        .with("cpu", server.get("cpu").expect("a stopwatch reports CPU time"))
        .with("p50", figure("p50"))
        .with("p99", figure("p99")))
}

#[cfg(test)]
mod tests {
    use super::rate;

    #[test]
    fn a_name_has_a_rate() {
        assert_eq!(rate("partial_load_2000"), Some(2_000));
        assert_eq!(rate("partial_load_0"), None);
        assert_eq!(rate("echo_50x64"), None);
    }
}
