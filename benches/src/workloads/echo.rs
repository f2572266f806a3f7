//! TCP echo. The server runs on the measured runtime, pinned to one core. The load generator is
//! another process on another core. A multi-threaded runtime gets one worker, because it has one
//! core. In the rows called `free` nothing is pinned, and a runtime has its usual workers. Each
//! connection is a task with a buffer of 4 KiB that writes back what it reads.

use std::fmt;
use std::fs;
use std::future::Future;
use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::http;
use crate::load::Load;
use crate::machine;
use crate::measure::{RunConfig, Sample, Stopwatch};
use crate::rt::Rt;
use crate::signal::WaitGroup;

/// The most bytes that a connection reads at a time.
pub const BUFFER_BYTES: usize = 4 * 1024;

/// The connections of a load, and what each sends at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    connections: usize,
    size: usize,
    depth: usize,
    is_free: bool,
    is_http: bool,
}

impl Shape {
    /// Parses a name such as `echo_50x64`, `echo_50x4k` or `echo_50x64x16`: connections, bytes of a
    /// request, and the number of requests sent together if it is not one. In `echo_free_50x64`
    /// nothing is pinned to a core. `hyper_50` is 50 connections to a server by hyper.
    pub fn parse(name: &str) -> Option<Self> {
        if let Some(connections) = name.strip_prefix("hyper_") {
            let (connections, size) = (connections.parse().ok()?, http::REQUEST.len());
            return Some(Self { connections, size, depth: 1, is_free: false, is_http: true });
        }
        let shape = name.strip_prefix("echo_")?;
        let (is_free, shape) = shape.strip_prefix("free_").map_or((false, shape), |it| (true, it));
        let mut parts = shape.split('x');
        let connections = parts.next()?.parse().ok()?;
        let size = parts.next()?;
        let size = match size.strip_suffix('k') {
            Some(kib) => 1_024 * kib.parse::<usize>().ok()?,
            None => size.parse().ok()?,
        };
        let depth = parts.next().map_or(Some(1), |depth| depth.parse().ok())?;
        let is_http = false;
        parts.next().is_none().then_some(Self { connections, size, depth, is_free, is_http })
    }

    /// The cores of the server and of the load generator.
    pub fn cores(self) -> (Option<usize>, Option<usize>) {
        if self.is_free { (None, None) } else { machine::two_cores() }
    }

    /// The load, not pinned to a core.
    pub fn load_on(self, addr: SocketAddr) -> Load {
        let Self { connections, size, depth, is_http, .. } = self;
        let time = Duration::ZERO;
        Load { addr, connections, size, depth, is_http, time, pace: None, core: None }
    }

    /// Whether the server is hyper.
    pub fn is_http(self) -> bool {
        self.is_http
    }
}

/// Serves one load. `cpu`: the server's CPU time per request. `wall`: time per request, over all
/// connections together. `p50`, `p99`, `p999`: microseconds per batch, as the client measures
/// them. Under strace there is only `syscalls`, per request.
pub fn run<R: Rt>(config: &RunConfig, shape: Shape) -> Sample {
    let load_on = prepared(config, shape);
    let served = config.has_strace.then(|| Arc::new(AtomicU64::new(0)));
    let rt = R::start(config.workers);
    if let Some(served) = served {
        let per_request = move |bytes: u64| bytes as f64 / shape.size as f64;
        let counter = served.clone();
        return while_serving::<R, _>(&rt, Some(served), move |addr| {
            let load = Load { time: Duration::from_secs(3), ..load_on(addr) };
            let calls = count_calls(&load, &counter).expect("strace counts");
            Sample::default().with("syscalls", calls.0 / per_request(calls.1))
        });
    }
    while_serving::<R, _>(&rt, None, move |addr| {
        time_load(&load_on(addr)).expect("the load generator runs")
    })
}

/// Pins this process to the core of the server, and returns the load on an address.
pub fn prepared(config: &RunConfig, shape: Shape) -> impl Fn(SocketAddr) -> Load + Send + use<> {
    let (server_core, client_core) = shape.cores();
    machine::pin(server_core).expect("a process may pin itself to one of its cores");
    machine::raise_fd_limit();
    let time = config.time.max(Duration::from_millis(300)) * 2;
    move |addr| Load { time, core: client_core, ..shape.load_on(addr) }
}

/// Runs `measure` on a plain thread while an echo server runs on `rt`. With `served`, the server
/// adds up the bytes that it has sent back.
pub fn while_serving<R: Rt, F>(rt: &R, served: Option<Arc<AtomicU64>>, measure: F) -> Sample
where
    F: FnOnce(SocketAddr) -> Sample + Send + 'static,
{
    beside(rt, serve::<R>(served), measure)
}

/// Runs `measure` on a plain thread while the server that `start` starts runs on `rt`.
pub fn beside<R: Rt, F>(
    rt: &R,
    start: impl Future<Output = SocketAddr> + Send + 'static,
    measure: F,
) -> Sample
where
    F: FnOnce(SocketAddr) -> Sample + Send + 'static,
{
    let over = Arc::new(WaitGroup::new(1));
    let (addr_sender, addr_receiver) = mpsc::channel();
    let measure = thread::spawn({
        let over = over.clone();
        move || {
            let sample = measure(addr_receiver.recv().expect("the server sends its address"));
            over.done();
            sample
        }
    });
    rt.block_on_task(async move {
        let addr = start.await;
        addr_sender.send(addr).expect("the measuring thread waits for the address");
        over.wait().await;
    });
    measure.join().expect("the measuring thread does not panic")
}

/// Starts an echo server in its own task.
pub async fn serve<R: Rt>(served: Option<Arc<AtomicU64>>) -> SocketAddr {
    let (listener, addr) = R::listen().await.expect("a loopback port is free");
    R::detach(R::spawn(async move {
        loop {
            let stream = R::accept(&listener).await.expect("accept succeeds on loopback");
            R::detach(R::spawn(echo::<R>(stream, served.clone())));
        }
    }));
    addr
}

async fn echo<R: Rt>(mut stream: R::Stream, served: Option<Arc<AtomicU64>>) {
    let mut buf = vec![0; BUFFER_BYTES];
    loop {
        let len = match R::read(&mut stream, &mut buf).await {
            // The client closes the connection, or resets it while an answer is in flight.
            Ok(0) | Err(_) => return,
            Ok(len) => len,
        };
        if R::write_all(&mut stream, &buf[..len]).await.is_err() {
            return;
        }
        if let Some(served) = &served {
            served.fetch_add(len as u64, Ordering::Relaxed);
        }
    }
}

/// A running load generator, and the lines it prints.
pub struct Generator {
    child: Child,
    lines: io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Generator {
    /// Starts the load generator and waits until its measured time begins.
    pub fn start(load: &Load) -> io::Result<Self> {
        Self::start_as("load", load)
    }

    /// Starts a load generator of this program by its name, and waits as [`start`](Self::start)
    /// does.
    pub fn start_as(name: &str, load: &impl fmt::Display) -> io::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(name).args(load.to_string().split_whitespace()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let stdout = child.stdout.take().expect("the output is piped");
        let mut generator = Self { child, lines: BufReader::new(stdout).lines() };
        generator.line()?;
        Ok(generator)
    }

    /// Waits for its figures and its exit.
    pub fn finish(mut self) -> io::Result<Sample> {
        let line = self.line()?;
        self.child.wait()?;
        Sample::parse(&line).ok_or_else(|| io::Error::other(format!("no figures in {line:?}")))
    }

    fn line(&mut self) -> io::Result<String> {
        self.lines.next().unwrap_or_else(|| Err(io::Error::other("the load generator died")))
    }
}

/// Runs the load, and measures the server in this process.
pub fn time_load(load: &Load) -> io::Result<Sample> {
    let generator = Generator::start(load)?;
    let stopwatch = Stopwatch::start();
    let report = generator.finish()?;
    let figure = |name| report.get(name).expect("the load generator reports it");
    let server = stopwatch.per_op(figure("requests") as u64);
    Ok(Sample::default()
        .with("cpu", server.get("cpu").expect("a stopwatch reports CPU time"))
        .with("wall", figure("elapsed") * 1e9 / figure("requests").max(1.0))
        .with("p50", figure("p50"))
        .with("p99", figure("p99"))
        .with("p999", figure("p999")))
}

/// System calls of this process during one second of the load, and the bytes that it served then.
fn count_calls(load: &Load, served: &AtomicU64) -> io::Result<(f64, u64)> {
    let own = std::process::id().to_string();
    let report = std::env::temp_dir().join(format!("reveille-benches-{own}.strace"));
    let generator = Generator::start(load)?;
    let mut command = Command::new("strace");
    command.args(["-c", "-f", "-p", &own, "-o"]).arg(&report).stderr(Stdio::piped());
    let mut strace = command.spawn()?;
    let stderr = strace.stderr.take().expect("the errors are piped");
    // The first line reports that strace is attached.
    let attached = BufReader::new(stderr).lines().next().transpose()?.unwrap_or_default();
    if !attached.contains("attached") {
        return Err(io::Error::other(attached));
    }
    let before = served.load(Ordering::Relaxed);
    thread::sleep(Duration::from_secs(1));
    let bytes = served.load(Ordering::Relaxed) - before;
    kill_process(Pid::from_child(&strace), Signal::INT)?;
    strace.wait()?;
    let table = fs::read_to_string(&report)?;
    fs::remove_file(&report)?;
    generator.finish()?;
    let total = table.lines().find(|line| line.trim_end().ends_with("total"));
    let calls = total.and_then(|line| line.split_whitespace().nth(3)?.parse().ok());
    Ok((calls.ok_or_else(|| io::Error::other("strace gave no total"))?, bytes))
}

#[cfg(test)]
mod tests {
    use super::Shape;
    use crate::http;

    #[test]
    fn a_name_parses_into_a_shape() {
        let plain =
            Shape { connections: 50, size: 4_096, depth: 1, is_free: false, is_http: false };
        assert_eq!(Shape::parse("echo_50x4k"), Some(plain));
        assert_eq!(Shape::parse("echo_free_50x4k"), Some(Shape { is_free: true, ..plain }));
        let deep = Shape { size: 64, depth: 16, ..plain };
        assert_eq!(Shape::parse("echo_50x64x16"), Some(deep));
        let http = Shape { size: http::REQUEST.len(), is_http: true, ..plain };
        assert_eq!(Shape::parse("hyper_50"), Some(http));
        assert_eq!(Shape::parse("echo_50"), None);
        assert_eq!(Shape::parse("echo_1x64x16x2"), None);
    }
}
