//! The fleet against a real `nats-server` on loopback, with workers that are killed. There are
//! 10,000 requests, or as many as `FLEET_REQUESTS` says.

#![cfg(unix)]

use reveille_watchdog as _;

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, process, thread};

use rustix::process::{Pid, Signal, kill_process};

const WORKERS: usize = 5;

/// The requests take 100 ms each in the middle, so 50 at a time need 20 seconds for 10,000.
const PATHS: [&str; 5] = [
    "/delay/100/bytes/200",
    "/delay/150/chunked/30000",
    "/delay/50/bytes/5000",
    "/pause/80/bytes/40000",
    "/delay/120/until-close/4000",
];

/// A process that is killed at the end.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The server of NATS, with a folder of its own.
struct Nats {
    _server: Process,
    folder: PathBuf,
    url: String,
}

impl Drop for Nats {
    fn drop(&mut self) {
        let _ = self._server.0.kill();
        let _ = self._server.0.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Nats {
    fn start(name: &str) -> Nats {
        let folder = env::temp_dir().join(format!("fleet-{name}-{}", process::id()));
        fs::create_dir_all(&folder).unwrap();
        let mut command = Command::new("nats-server");
        command.args(["--addr", "127.0.0.1", "--port", "-1", "--jetstream"]);
        command.arg("--store_dir").arg(&folder).arg("--ports_file_dir").arg(&folder);
        let server = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("this test needs `nats-server`, a package of Debian");
        let mut server = Process(server);
        let ports = folder.join(format!("nats-server_{}.ports", server.0.id()));
        // The file has `"nats": ["nats://127.0.0.1:PORT"]`.
        let url = loop {
            assert!(server.0.try_wait().unwrap().is_none(), "nats-server has ended");
            let text = fs::read_to_string(&ports).unwrap_or_default();
            match text.split('"').find(|word| word.starts_with("nats://")) {
                Some(url) => break url.to_owned(),
                None => thread::sleep(Duration::from_millis(10)),
            }
        };
        Nats { _server: server, folder, url }
    }

    fn fleet(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fleet"));
        command.args(["--nats", &self.url]).args(arguments);
        command
    }

    fn run(&self, arguments: &[&str]) -> String {
        text_of(&self.fleet(arguments).output().unwrap())
    }

    fn worker(&self) -> Process {
        self.worker_with(&[])
    }

    fn worker_with(&self, options: &[&str]) -> Process {
        let mut command = self.fleet(&["work", "--concurrency", "10"]);
        command.args(options);
        Process(command.stdout(Stdio::piped()).spawn().unwrap())
    }
}

fn text_of(output: &Output) -> String {
    let error = String::from_utf8_lossy(&output.stderr);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}: {text}{error}", output.status);
    text.into_owned()
}

/// Sends SIGTERM to a worker that takes requests, and returns what it printed at its end. It must
/// end with status 0.
fn stop(mut worker: Process) -> String {
    let mut output = BufReader::new(worker.0.stdout.take().unwrap());
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    assert!(line.ends_with(" takes requests\n"), "{line}");
    kill_process(Pid::from_child(&worker.0), Signal::TERM).unwrap();
    line.clear();
    output.read_line(&mut line).unwrap();
    let status = worker.0.wait().unwrap();
    assert!(status.success(), "{status}");
    line
}

/// Starts the server to fetch from. Returns the paths with its address.
fn http_server(nats: &Nats) -> (Process, Vec<String>) {
    let mut server = Process(nats.fleet(&["serve"]).stdout(Stdio::piped()).spawn().unwrap());
    let mut address = String::new();
    BufReader::new(server.0.stdout.take().unwrap()).read_line(&mut address).unwrap();
    let urls = PATHS.iter().map(|path| format!("{}{path}", address.trim())).collect();
    (server, urls)
}

fn fill(nats: &Nats, requests: &str, urls: &[String]) {
    let mut arguments = vec!["fill", "--requests", requests];
    arguments.extend(urls.iter().map(String::as_str));
    nats.run(&arguments);
}

#[test]
fn nothing_is_lost_and_each_request_counts_once_while_workers_are_killed() {
    let requests = env::var("FLEET_REQUESTS").unwrap_or_else(|_| "10000".to_owned());
    reveille_watchdog::allow(600);
    let nats = Nats::start("killed");
    let (_http, urls) = http_server(&nats);
    fill(&nats, &requests, &urls);

    let start = Instant::now();
    let mut workers: Vec<Process> = (0..WORKERS).map(|_| nats.worker()).collect();
    let counting = nats.fleet(&["count", "--requests", &requests]).stdout(Stdio::piped()).spawn();
    let mut counting = counting.unwrap();
    let mut killed = 0;
    while counting.try_wait().unwrap().is_none() {
        thread::sleep(Duration::from_secs(1));
        let victim = RandomState::new().hash_one(killed) as usize % WORKERS;
        // `Process` kills with SIGKILL.
        workers[victim] = nats.worker();
        killed += 1;
    }
    let taken = start.elapsed();
    let count = text_of(&counting.wait_with_output().unwrap());
    for worker in workers {
        print!("{}", stop(worker));
    }
    println!("{killed} workers killed in {taken:.1?}\n{count}");
    assert!(count.starts_with(&format!("{requests} requests have a result, 0 more than one; ")));
    assert!(count.contains(&format!(" {requests} fetched, 0 failed, ")), "{count}");
}

#[test]
fn a_worker_that_is_asked_to_stop_finishes_what_it_has_begun() {
    let nats = Nats::start("stopped");
    let (_http, urls) = http_server(&nats);
    fill(&nats, "100", &urls);
    let first = nats.worker();
    // Long enough to begin, and too short for 100 requests, ten at a time. If the machine is slow,
    // the worker stops before it has begun any.
    thread::sleep(Duration::from_millis(300));
    let line = stop(first);
    println!("{line}");
    let words: Vec<&str> = line.split([' ', ',']).collect();
    let recorded: u64 = words[1].parse().unwrap();

    let second = nats.worker();
    let count = nats.run(&["count", "--requests", "100"]);
    // Each request that the first worker had taken was either acknowledged or given back, so none
    // was delivered after the time of a missing acknowledgement, and none made twice.
    let line = stop(second);
    assert!(line.contains(&format!("stopped: {} results, 0 again", 100 - recorded)), "{line}");
    assert!(count.starts_with("100 requests have a result, 0 more than one; "), "{count}");
}

#[test]
fn a_request_that_is_made_twice_counts_once() {
    let nats = Nats::start("twice");
    let (_http, urls) = http_server(&nats);
    // This one waits for requests before there are any, so it gets some.
    let forgetful = nats.worker_with(&["--never-acknowledge"]);
    fill(&nats, "100", &urls);
    let other = nats.worker();
    let count = nats.run(&["count", "--requests", "100"]);
    let [first, other] = [forgetful, other].map(|worker| {
        let line = stop(worker);
        println!("{line}");
        let numbers = line.split(' ').filter_map(|word| word.parse().ok());
        numbers.collect::<Vec<u64>>()
    });
    assert!(first[0] > 0, "the first worker has made no request");
    assert_eq!(first[0] + other[0], 100);
    assert!(first[1] + other[1] >= first[0], "what was not acknowledged is delivered again");
    assert!(count.starts_with("100 requests have a result, 0 more than one; "), "{count}");
}

#[test]
fn a_server_that_does_not_exist_is_named() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fleet"));
    let output = command.args(["--nats", "nats://127.0.0.1:1", "work"]).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(error.contains("cannot connect to nats://127.0.0.1:1: "), "{error}");
}
