//! One measurement is one process of this same program, so that no runtime's threads, caches or
//! heap disturb the next one. It prints its figures as one line.

use std::io;
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::contestant::Contestant;
use crate::measure::{Effort, Sample};

/// A measurement that takes longer hangs and is ended.
const LIMIT: Duration = Duration::from_secs(60);

/// Measures in a process of its own. `None` where the contestant has no such workload.
///
/// # Errors
///
/// The process could not be started, died, hung, or printed no figures.
pub fn measure(
    workload: &str,
    contestant: Contestant,
    effort: &Effort,
) -> io::Result<Option<Sample>> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["child", workload, contestant.name(), &effort.workers.to_string()]);
    command.arg(effort.time.as_millis().to_string());
    command.args([effort.is_quick.to_string(), effort.has_strace.to_string()]);
    figures_of(with_threads(&mut command, effort.workers))
}

/// Lets everybody take turns at an echo workload: nanoseconds of CPU per request by name, and
/// `bare`.
///
/// # Errors
///
/// As [`measure`].
pub fn take_turns(
    workload: &str,
    contestants: &[Contestant],
    effort: &Effort,
) -> io::Result<Sample> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["turns", workload, &effort.workers.to_string(), &effort.is_quick.to_string()]);
    command.args(contestants.iter().map(|who| who.name()));
    let figures = figures_of(with_threads(&mut command, effort.workers))?;
    figures.ok_or_else(|| io::Error::other("nobody took a turn"))
}

/// smol and async-std read their number of threads from the environment.
fn with_threads(command: &mut Command, workers: usize) -> &mut Command {
    for name in ["ASYNC_STD_THREAD_COUNT", "REVEILLE_THREADS", "SMOL_THREADS"] {
        command.env(name, workers.to_string());
    }
    command
}

/// Runs a process that prints figures in one line, or `none`.
fn figures_of(command: &mut Command) -> io::Result<Option<Sample>> {
    let child = command.stdout(Stdio::piped()).spawn()?;
    let pid = Pid::from_child(&child);
    let (say_over, hear_over) = mpsc::channel::<()>();
    // Asleep until the child is over; it costs the child nothing.
    let guard = thread::spawn(move || {
        if hear_over.recv_timeout(LIMIT) == Err(RecvTimeoutError::Timeout) {
            // The child may have ended this very moment, which is as good.
            let _gone = kill_process(pid, Signal::KILL);
        }
    });
    let output = child.wait_with_output();
    drop(say_over);
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

/// The other side: what the process does. Returns what it prints, or `None` when the words are
/// not those of [`measure`].
pub fn run(words: &[String]) -> Option<String> {
    let [workload, contestant, workers, time, is_quick, has_strace] = words else { return None };
    let effort = Effort {
        time: Duration::from_millis(time.parse().ok()?),
        is_quick: is_quick.parse().ok()?,
        workers: workers.parse().ok()?,
        has_strace: has_strace.parse().ok()?,
    };
    let sample = Contestant::named(contestant)?.measure(workload, &effort);
    Some(sample.map_or_else(|| "none".to_owned(), |sample| sample.to_string()))
}
