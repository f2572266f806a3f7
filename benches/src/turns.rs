//! Echo servers that take turns: the servers of all runtimes are ready on the same core, and one
//! load generator drives one after the other for a short time, many times.
//!
//! The machine's speed changes by a quarter from one second to the next, so figures taken seconds
//! apart differ more than the runtimes do. Here one round of all runtimes takes a third of a
//! second. Every second round goes in reverse order.

use std::io::{self, BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use crate::load::{Generator, Load};
use crate::machine;
use crate::measure::{Sample, cpu_time};
use crate::runtime::Runtime;
use crate::workloads::{EchoShape, bare};

/// The length of a turn. After it the requests in flight come back.
const TURN: Duration = Duration::from_millis(50);

/// The number of turns of each server, and in a quick run.
const TURNS: usize = 40;
const QUICK_TURNS: usize = 4;

/// The name of the server without a runtime.
const BARE: &str = "bare";

/// Drives the servers and returns each one's nanoseconds of CPU per request, by name. Returns
/// `None` if the arguments are not an echo workload, workers, whether to run quickly, and runtimes.
pub fn run(words: &[String]) -> Option<io::Result<String>> {
    let [workload, workers, is_quick, runtimes @ ..] = words else { return None };
    let shape = EchoShape::parse(workload)?;
    let turns = if is_quick.parse().ok()? { QUICK_TURNS } else { TURNS };
    let names: Vec<_> = runtimes.iter().map(String::as_str).chain([BARE]).collect();
    Some(drive(shape, workers, turns, &names).map(|sample| sample.to_string()))
}

fn drive(shape: EchoShape, workers: &str, turns: usize, names: &[&str]) -> io::Result<Sample> {
    let (server_core, client_core) = shape.cores();
    machine::raise_fd_limit();
    let mut servers = Vec::new();
    for name in names {
        servers.extend(Server::start(name, workers, server_core, shape)?);
    }
    machine::pin(client_core)?;
    for server in &mut servers {
        server.turn()?;
        server.begin()?;
    }
    for turn in 0..turns {
        if turn % 2 == 0 {
            servers.iter_mut().try_for_each(Server::turn)?;
        } else {
            servers.iter_mut().rev().try_for_each(Server::turn)?;
        }
    }
    let mut sample = Sample::default();
    for server in &mut servers {
        let cpu = server.cpu_per_request()?;
        sample = sample.with(&server.name, cpu);
    }
    Ok(sample)
}

/// A server in a separate process, and the connections to it.
struct Server {
    name: String,
    process: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    generator: Generator,
    requests: u64,
    cpu_ns: f64,
}

impl Server {
    /// Starts the server. Returns `None` for a runtime without one.
    fn start(
        name: &str,
        workers: &str,
        core: Option<usize>,
        shape: EchoShape,
    ) -> io::Result<Option<Self>> {
        let core = core.map_or("any".to_owned(), |core| core.to_string());
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["serve", name, workers, &core, &shape.is_http().to_string()]);
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let stdin = process.stdin.take().expect("the input is piped");
        let mut stdout = BufReader::new(process.stdout.take().expect("the output is piped"));
        let mut line = String::new();
        stdout.read_line(&mut line)?;
        let addr = match line.trim() {
            "none" => return Ok(None),
            addr => addr.parse().map_err(|_| unexpected(name, addr))?,
        };
        let load = Load { time: TURN, ..shape.load_on(addr) };
        let generator = Generator::connect(&load)?;
        let name = name.to_owned();
        Ok(Some(Self { name, process, stdin, stdout, generator, requests: 0, cpu_ns: 0.0 }))
    }

    fn turn(&mut self) -> io::Result<()> {
        self.requests += self.generator.take_turn(TURN)?;
        Ok(())
    }

    /// Starts to count.
    fn begin(&mut self) -> io::Result<()> {
        self.requests = 0;
        self.cpu_ns = self.cpu_so_far()?;
        Ok(())
    }

    fn cpu_per_request(&mut self) -> io::Result<f64> {
        Ok((self.cpu_so_far()? - self.cpu_ns) / self.requests.max(1) as f64)
    }

    fn cpu_so_far(&mut self) -> io::Result<f64> {
        self.stdin.write_all(b"?\n")?;
        let mut line = String::new();
        self.stdout.read_line(&mut line)?;
        line.trim().parse().map_err(|_| unexpected(&self.name, &line))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Killing a process that has already ended is an error; it still must be reaped.
        let _already_ended = self.process.kill();
        let _reaped = self.process.wait();
    }
}

fn unexpected(name: &str, line: &str) -> io::Error {
    io::Error::other(format!("unexpected output of the echo server on {name}: {line:?}"))
}

/// Runs in the server process: serves, prints its address, and answers each line of input with
/// its CPU time so far in nanoseconds. Returns `None` if the arguments are not those of
/// [`Server::start`].
pub fn serve(words: &[String]) -> Option<io::Result<String>> {
    let [name, workers, core, is_http] = words else { return None };
    let (workers, is_http) = (workers.parse().ok()?, is_http.parse().ok()?);
    let runtime = Runtime::named(name);
    if runtime.is_none() && name != BARE {
        return None;
    }
    let start = || match runtime {
        Some(runtime) if is_http => Ok(runtime.serve_hyper(workers)),
        Some(runtime) => Ok(runtime.serve_echo(workers)),
        None if is_http => Ok(None),
        None => bare::serve().map(Some),
    };
    Some(answer(core.parse().ok(), start))
}

fn answer(
    core: Option<usize>,
    start: impl FnOnce() -> io::Result<Option<SocketAddr>>,
) -> io::Result<String> {
    machine::pin(core)?;
    machine::raise_fd_limit();
    let Some(addr) = start()? else { return Ok("none".to_owned()) };
    println!("{addr}");
    for line in io::stdin().lines() {
        line?;
        println!("{}", cpu_time().as_nanos());
    }
    Ok(String::new())
}
