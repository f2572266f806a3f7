//! One measurement is one process of this program, so that one runtime's threads, caches and heap
//! cannot affect the next. The process prints its figures in one line.

use std::io;
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::measure::{RunConfig, Sample};
use crate::runtime::Runtime;

/// A measurement that takes longer has hung and is killed.
const LIMIT: Duration = Duration::from_secs(60);

/// Measures in a separate process. Returns `None` if the runtime does not have the workload.
///
/// # Errors
///
/// Fails if the process cannot be started, dies, hangs, or prints no figures.
pub fn measure(workload: &str, runtime: Runtime, config: &RunConfig) -> io::Result<Option<Sample>> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["child", workload, runtime.name(), &config.workers.to_string()]);
    command.arg(config.time.as_millis().to_string());
    command.args([config.is_quick.to_string(), config.has_strace.to_string()]);
    figures_of(with_threads(&mut command, config.workers))
}

/// Lets the runtimes take turns at an echo workload. Returns nanoseconds of CPU per request by
/// runtime, and `bare`.
///
/// # Errors
///
/// As for [`measure`].
pub fn take_turns(workload: &str, runtimes: &[Runtime], config: &RunConfig) -> io::Result<Sample> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["turns", workload, &config.workers.to_string(), &config.is_quick.to_string()]);
    command.args(runtimes.iter().map(|runtime| runtime.name()));
    let figures = figures_of(with_threads(&mut command, config.workers))?;
    figures.ok_or_else(|| io::Error::other("no runtime took a turn"))
}

/// smol and async-std read their number of threads from the environment.
fn with_threads(command: &mut Command, workers: usize) -> &mut Command {
    for name in ["ASYNC_STD_THREAD_COUNT", "REVEILLE_THREADS", "SMOL_THREADS"] {
        command.env(name, workers.to_string());
    }
    command
}

/// Runs a process that prints figures in one line, or the word `none`.
fn figures_of(command: &mut Command) -> io::Result<Option<Sample>> {
    let child = command.stdout(Stdio::piped()).spawn()?;
    let pid = Pid::from_child(&child);
    let (done_sender, done_receiver) = mpsc::channel::<()>();
    // The guard sleeps until the child ends, so it does not affect the child.
    let guard = thread::spawn(move || {
        if done_receiver.recv_timeout(LIMIT) == Err(RecvTimeoutError::Timeout) {
            // An error means that the child has just ended by itself.
            let _already_ended = kill_process(pid, Signal::KILL);
        }
    });
    let output = child.wait_with_output();
    drop(done_sender);
    guard.join().expect("the guard does not panic");
    let output = output?;
    let line = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        return Err(io::Error::other(format!("ended with {}", output.status)));
    }
    match line.trim() {
        "none" => Ok(None),
        line => Sample::parse(line)
            .map(Some)
            .ok_or_else(|| io::Error::other(format!("printed {line:?} and no figures"))),
    }
}

/// Runs in the child process. Returns the line to print, or `None` if the arguments are not those
/// of [`measure`].
pub fn run(words: &[String]) -> Option<String> {
    let [workload, runtime, workers, time, is_quick, has_strace] = words else { return None };
    let config = RunConfig {
        time: Duration::from_millis(time.parse().ok()?),
        is_quick: is_quick.parse().ok()?,
        workers: workers.parse().ok()?,
        has_strace: has_strace.parse().ok()?,
    };
    let sample = Runtime::named(runtime)?.measure(workload, &config);
    Some(sample.map_or_else(|| "none".to_owned(), |sample| sample.to_string()))
}
