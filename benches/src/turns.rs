//! Echo servers that take turns: everybody's server stands ready on the same core, and one load
//! generator serves one after the other for a moment, many times around.
//!
//! The machine's speed moves by a quarter from one second to another, so figures that were taken
//! seconds apart differ by more than the contestants do. Here a round of everybody takes a third
//! of a second, and every second one goes backwards.

use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use crate::contestant::Contestant;
use crate::load::{Generator, Load};
use crate::machine;
use crate::measure::{Sample, cpu_time};
use crate::workloads::{EchoShape, bare};

/// How long a turn is; then what is still on its way comes back.
const TURN: Duration = Duration::from_millis(50);

/// How often everybody has a turn, and in a trial.
const TURNS: usize = 40;
const TURNS_IN_A_TRIAL: usize = 4;

/// The name of the server without a runtime.
const BARE: &str = "bare";

/// Drives the servers. Gives the nanoseconds of CPU per request of each by name, or `None` when
/// the words are not an echo workload, workers, whether it is a trial, and contestants.
pub fn run(words: &[String]) -> Option<io::Result<String>> {
    let [workload, workers, is_quick, contestants @ ..] = words else { return None };
    let shape = EchoShape::parse(workload)?;
    let turns = if is_quick.parse().ok()? { TURNS_IN_A_TRIAL } else { TURNS };
    let names: Vec<_> = contestants.iter().map(String::as_str).chain([BARE]).collect();
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

/// A server in a process of its own, and the connections to it.
struct Server {
    name: String,
    process: Child,
    ask: ChildStdin,
    hear: BufReader<ChildStdout>,
    generator: Generator,
    requests: u64,
    cpu_ns: f64,
}

impl Server {
    /// Starts it; `None` for a contestant that has no server.
    fn start(
        name: &str,
        workers: &str,
        core: Option<usize>,
        shape: EchoShape,
    ) -> io::Result<Option<Self>> {
        let core = core.map_or("any".to_owned(), |core| core.to_string());
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["serve", name, workers, &core]);
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let ask = process.stdin.take().expect("the input is piped");
        let mut hear = BufReader::new(process.stdout.take().expect("the output is piped"));
        let mut line = String::new();
        hear.read_line(&mut line)?;
        let addr = match line.trim() {
            "none" => return Ok(None),
            addr => addr.parse().map_err(|_| says(name, addr))?,
        };
        let load = Load { time: TURN, ..shape.load_on(addr) };
        let generator = Generator::connect(&load)?;
        let name = name.to_owned();
        Ok(Some(Self { name, process, ask, hear, generator, requests: 0, cpu_ns: 0.0 }))
    }

    fn turn(&mut self) -> io::Result<()> {
        self.requests += self.generator.take_turn(TURN)?;
        Ok(())
    }

    /// From here on it counts.
    fn begin(&mut self) -> io::Result<()> {
        self.requests = 0;
        self.cpu_ns = self.cpu_so_far()?;
        Ok(())
    }

    fn cpu_per_request(&mut self) -> io::Result<f64> {
        Ok((self.cpu_so_far()? - self.cpu_ns) / self.requests.max(1) as f64)
    }

    fn cpu_so_far(&mut self) -> io::Result<f64> {
        self.ask.write_all(b"?\n")?;
        let mut line = String::new();
        self.hear.read_line(&mut line)?;
        line.trim().parse().map_err(|_| says(&self.name, &line))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may be gone already, which is as good; it is reaped in any case.
        let _gone = self.process.kill();
        let _reaped = self.process.wait();
    }
}

fn says(name: &str, line: &str) -> io::Error {
    io::Error::other(format!("the echo server on {name} said {line:?}"))
}

/// The other side: serves, says where, and answers each line with the CPU time so far, in
/// nanoseconds. `None` when the words are not those of [`Server::start`].
pub fn serve(words: &[String]) -> Option<io::Result<String>> {
    let [name, workers, core] = words else { return None };
    let workers = workers.parse().ok()?;
    let contestant = Contestant::named(name);
    if contestant.is_none() && name != BARE {
        return None;
    }
    Some(answer(contestant, workers, core.parse().ok()))
}

fn answer(
    contestant: Option<Contestant>,
    workers: usize,
    core: Option<usize>,
) -> io::Result<String> {
    machine::pin(core)?;
    machine::raise_fd_limit();
    let addr = match contestant {
        Some(contestant) => match contestant.serve_echo(workers) {
            Some(addr) => addr,
            None => return Ok("none".to_owned()),
        },
        None => bare::serve()?,
    };
    println!("{addr}");
    for line in io::stdin().lines() {
        line?;
        println!("{}", cpu_time().as_nanos());
    }
    Ok(String::new())
}
