//! Runs a test under many seeds, each in a process of its own, and reports the first that fails.

use std::collections::BTreeMap;
use std::env;
use std::fmt::Write as _;
use std::fs;
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::child::{
    self, CHILD, DEFAULT_LIMIT_S, LIMIT, RUNNER, RunConfig, RunReport, SEED, TRACE, Verdict,
};
use crate::explain::Failing;
use crate::sometimes;
use crate::trace::first_difference;

/// The variable with the number of seeds for tests that do not set one.
const ALL: &str = "REVEILLE_SIM_ALL";
/// The variable that makes each seed run twice.
const CHECK: &str = "REVEILLE_SIM_CHECK";
/// A variable without meaning, which changes the size of the environment in a check.
const PADDING: &str = "REVEILLE_SIM_PADDING";

/// The first and the longest pause between two checks whether a process has ended.
const PAUSES: (Duration, Duration) = (Duration::from_micros(200), Duration::from_millis(5));

/// A failure shows at most this many bytes of the output, from its end.
const SHOWN_LEN: usize = 64 * 1024;

/// A test that can run in simulations.
#[derive(Clone, Debug)]
pub struct SimulatedTest {
    name: String,
    seeds: Option<Range<u64>>,
    is_checked: bool,
    /// Instead of seeds: how many choices may deviate from the first order.
    bound: Option<usize>,
    shrink_time: Option<Duration>,
}

/// What this process does with a test.
#[derive(Debug)]
#[must_use]
pub enum Role {
    /// This process is the simulation: call [`Simulation::run`].
    Simulation(Simulation),
    /// This process has run the simulations, and none failed.
    Passed,
    /// No simulation was asked for.
    Nothing,
}

/// The simulation that this process is.
#[derive(Debug)]
pub struct Simulation(RunConfig);

impl Simulation {
    /// Runs `body` in the simulation and ends the process.
    pub fn run(self, body: impl FnOnce() -> ExitCode + Send) -> ! {
        crate::run(self.0, body)
    }
}

impl SimulatedTest {
    /// Describes the test that the test harness knows as `name`: its path without the name of the
    /// crate.
    #[must_use]
    pub fn new(name: &str) -> SimulatedTest {
        SimulatedTest {
            name: name.to_owned(),
            seeds: None,
            is_checked: false,
            bound: None,
            shrink_time: None,
        }
    }

    /// Runs the test under these seeds, unless the environment says otherwise.
    #[must_use]
    pub fn seeds(self, seeds: Range<u64>) -> SimulatedTest {
        SimulatedTest { seeds: Some(seeds), ..self }
    }

    /// Runs each seed twice and compares the steps. The environment can ask for this too.
    #[must_use]
    pub fn checked(self) -> SimulatedTest {
        SimulatedTest { is_checked: true, ..self }
    }

    /// Runs the test with all orders that deviate at most `bound` times from the first one, instead
    /// of seeds.
    #[must_use]
    pub fn exhaustive(self, bound: usize) -> SimulatedTest {
        SimulatedTest { bound: Some(bound), ..self }
    }

    /// Sets the time for shrinking a seed that fails, unless the environment says otherwise.
    #[must_use]
    pub fn shrink_time(self, time: Duration) -> SimulatedTest {
        SimulatedTest { shrink_time: Some(time), ..self }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Runs the test under its seeds, if this is not the process of a simulation.
    ///
    /// # Panics
    ///
    /// Panics if a seed fails, if a process cannot be started, or if this platform is not supported
    /// and a number of seeds was asked for.
    pub fn start(&self) -> Role {
        if let Some(config) = RunConfig::from_env(&self.name) {
            return Role::Simulation(Simulation(config));
        }
        let own = self.seeds.clone();
        let seeds = match (child::number_of(SEED), child::number_of(ALL), own) {
            // This process simulates a different test.
            _ if child::is_child() => return Role::Nothing,
            (Some(seed), _, _) => seed..seed.saturating_add(1),
            (None, _, Some(seeds)) => seeds,
            (None, Some(count), None) => 0..count,
            (None, None, None) => return Role::Nothing,
        };
        assert!(
            crate::is_supported(),
            "simulations need Linux with glibc on x86-64 or AArch64, and this is another platform"
        );
        match (self.bound, child::number_of(SEED)) {
            (Some(bound), None) => drop(self.run_all(bound)),
            _ => self.run_seeds(seeds),
        }
        Role::Passed
    }

    /// Runs the seeds, several at a time. What is reported is the same as if they ran one after the
    /// other.
    #[expect(clippy::disallowed_methods, reason = "this process is not simulated")]
    fn run_seeds(&self, seeds: Range<u64>) {
        let start = Instant::now();
        let count = usize::try_from(seeds.end.saturating_sub(seeds.start)).unwrap_or(usize::MAX);
        let next = AtomicU64::new(seeds.start);
        let mut reached = BTreeMap::new();
        thread::scope(|scope| {
            let (sender, receiver) = mpsc::channel();
            for _ in 0..processors().min(count) {
                let (sender, next, end) = (sender.clone(), &next, seeds.end);
                scope.spawn(move || self.run_next(next, end, &sender));
            }
            drop(sender);
            for (passed, outcome) in in_order(receiver, seeds.start).enumerate() {
                sometimes::collect(&outcome.first.stderr, &mut reached);
                if outcome.has_failed() {
                    // The others end with the seeds that they run now.
                    next.store(seeds.end, Ordering::Relaxed);
                    self.report(&outcome, (passed, start.elapsed()));
                }
            }
        });
        let never = reached.iter().find(|(_, is_true)| !**is_true);
        if let Some((place, _)) = never.filter(|_| seeds.end - seeds.start > 1) {
            fail(format!(
                "the test `{}`: no seed of {seeds:?} has reached `sometimes!` at {place}",
                self.name
            ));
        }
    }

    /// Runs the seeds below `end` that no other thread has taken.
    fn run_next(&self, next: &AtomicU64, end: u64, sender: &Sender<Outcome>) {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            // An error means that a seed has failed, and is reported.
            if seed >= end || sender.send(self.check(seed)).is_err() {
                return;
            }
        }
    }

    /// Runs one seed.
    #[expect(clippy::disallowed_methods, reason = "this process is not simulated")]
    fn check(&self, seed: u64) -> Outcome {
        let start = Instant::now();
        let first = self.finish(seed, &[], None);
        let took = start.elapsed();
        let is_asked = || child::variable_of(CHECK).is_some_and(|text| text.trim() == "1");
        let is_checked = first.failure().is_none() && (self.is_checked || is_asked());
        let differs = is_checked && self.differs(seed, &first);
        Outcome { seed, first, took, differs }
    }

    /// Runs a seed a second time, with another environment. Whether the steps differ.
    fn differs(&self, seed: u64, first: &Finished) -> bool {
        let padding = "x".repeat(1 + seed as usize % 4096);
        let second = self.finish(seed, &[(PADDING, padding.as_ref())], None);
        let hash = |of: &Finished| of.report.as_ref().map(|report| report.hash);
        hash(first) != hash(&second)
    }

    /// Fails the test. `before` has the number of seeds that have passed, and the time they took.
    fn report(&self, outcome: &Outcome, before: (usize, Duration)) -> ! {
        let Outcome { seed, first, took, .. } = outcome;
        if let Some(failure) = first.failure() {
            let failing =
                Failing { test: self, seed: *seed, first, took: *took, time: self.shrink_time };
            let passed = match before {
                (0, _) => String::new(),
                (count, time) => {
                    format!("{count} seeds passed before, in {:.1} s\n", time.as_secs_f64())
                }
            };
            fail(format!("{}{passed}{}", self.describe(*seed, first, &failure), failing.explain()));
        }
        let difference = self.difference(*seed);
        let difference = difference.unwrap_or_else(|error| format!("  (not found: {error})\n"));
        fail(format!(
            "the test `{}` is not deterministic: two runs of seed {seed} differ. The first steps \
             that do:\n{difference}",
            self.name
        ));
    }

    /// Runs a seed twice and keeps the steps, to find the first that differs.
    fn difference(&self, seed: u64) -> Result<String, String> {
        let run = |number: u32, padding: &str| {
            let path = scratch_file(&format!("{seed}-{number}.trace"));
            let variables = [(TRACE, path.as_os_str()), (PADDING, padding.as_ref())];
            let run = self.finish(seed, &variables, None);
            let text = fs::read_to_string(&path).map_err(|error| error.to_string());
            // The file may not exist.
            let _ = fs::remove_file(&path);
            drop(run);
            text
        };
        let (first, second) = (run(1, "x")?, run(2, &"x".repeat(999))?);
        first_difference(&first, &second).ok_or_else(|| "it does not differ any more".to_owned())
    }

    /// Runs a seed in a process and waits for it, for `limit` of real time if there is one.
    pub(crate) fn finish(
        &self,
        seed: u64,
        environment: &[(&str, &std::ffi::OsStr)],
        limit: Option<Duration>,
    ) -> Finished {
        let _permit = Permit::take();
        let mut command = this_program();
        command
            .args(["--exact", &self.name, "--nocapture", "--test-threads", "1"])
            // An ignored test gets here only if it was asked for.
            .arg("--include-ignored")
            .env(CHILD, &self.name)
            .env(SEED, seed.to_string())
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("the process of a simulation can be started");
        let (end, has_ended) = mpsc::channel::<()>();
        let stdout = child.stdout.take().map(|pipe| read_on_a_thread(pipe, end.clone()));
        let stderr = child.stderr.take().map(|pipe| read_on_a_thread(pipe, end));
        let limit = limit.unwrap_or_else(self::limit);
        let (status, is_late) = wait_for(&mut child, limit, &has_ended);
        let text = |thread: Option<JoinHandle<String>>| {
            thread.and_then(|thread| thread.join().ok()).unwrap_or_default()
        };
        let (stdout, stderr) = (text(stdout), text(stderr));
        // Most simulations have no files.
        let _ = fs::remove_dir_all(child::disk_folder(child.id()));
        let report = RunReport::find(&stderr);
        Finished { status, is_late, stdout, stderr, report }
    }

    /// The text with which the test fails.
    pub(crate) fn describe(&self, seed: u64, finished: &Finished, failure: &str) -> String {
        let mut text = format!("the test `{}` {failure} under seed {seed}", self.name);
        if let Some(report) = &finished.report {
            let (time, RunReport { steps, hash, strategy, .. }) = (report.time(), report);
            let _ = write!(
                text,
                " at t = {time:?}, after {steps} steps (trace {hash:016x}, strategy {strategy})"
            );
        }
        let _ = writeln!(
            text,
            "\nreplay: {SEED}={seed} cargo test {} -- --exact\n--- its output:\n{}{}",
            self.name,
            tail(&finished.stdout),
            tail(&without_reports(&finished.stderr))
        );
        text
    }
}

/// Fails the test with a text. It names the place where the test fails, so the hook for panics,
/// which shows a place in this file and a backtrace of it, is not called.
pub(crate) fn fail(text: String) -> ! {
    eprintln!("{text}");
    std::panic::resume_unwind(Box::new(text))
}

/// The output of a run, without the lines that are for this process.
fn without_reports(stderr: &str) -> String {
    let is_report =
        |line: &&str| [child::PREFIX, sometimes::PREFIX].iter().any(|it| line.starts_with(it));
    stderr.split_inclusive('\n').filter(|line| !is_report(line)).collect()
}

/// How many simulations run side by side: one on each processor.
fn processors() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// The results of seeds, in the order of the seeds.
fn in_order(receiver: Receiver<Outcome>, first: u64) -> impl Iterator<Item = Outcome> {
    let mut early: BTreeMap<u64, Outcome> = BTreeMap::new();
    let mut next = first;
    std::iter::from_fn(move || {
        let outcome = loop {
            if let Some(outcome) = early.remove(&next) {
                break outcome;
            }
            let outcome = receiver.recv().ok()?;
            early.insert(outcome.seed, outcome);
        };
        next += 1;
        Some(outcome)
    })
}

/// What came of one seed.
#[derive(Debug)]
struct Outcome {
    seed: u64,
    first: Finished,
    /// The real time of the first run.
    took: Duration,
    /// A second run had other steps.
    differs: bool,
}

impl Outcome {
    fn has_failed(&self) -> bool {
        self.differs || self.first.failure().is_some()
    }
}

/// Permits to run a simulation, which has one processor. Tests of a program run side by side.
static PERMITS: Mutex<usize> = Mutex::new(0);
static RETURNED: Condvar = Condvar::new();

/// A permit, which is returned when it is dropped.
struct Permit;

impl Permit {
    fn take() -> Permit {
        let used = PERMITS.lock().unwrap_or_else(PoisonError::into_inner);
        let all = processors();
        let waited = RETURNED.wait_while(used, |used| *used >= all);
        *waited.unwrap_or_else(PoisonError::into_inner) += 1;
        Permit
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        *PERMITS.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        RETURNED.notify_one();
    }
}

/// How a process ended.
#[derive(Debug)]
pub(crate) struct Finished {
    status: ExitStatus,
    /// It took too long and was killed.
    pub(crate) is_late: bool,
    stdout: String,
    pub(crate) stderr: String,
    pub(crate) report: Option<RunReport>,
}

impl Finished {
    /// What went wrong. `None` if the test passed.
    pub(crate) fn failure(&self) -> Option<String> {
        let status = self.status;
        match self.report.as_ref().map(|report| report.verdict) {
            _ if self.is_late => Some(format!(
                "did not end within {:?} of real time ({LIMIT} sets another number of seconds); it \
                 may block in a way that is not simulated, or repeat itself,",
                limit()
            )),
            Some(Verdict::Passed) if status.success() => None,
            Some(Verdict::Passed) => Some(format!("passes, but its process ends with {status},")),
            Some(Verdict::Panicked) => Some("panics".to_owned()),
            Some(Verdict::ReturnedError) => Some("returns an error".to_owned()),
            Some(Verdict::Deadlocked) => Some("deadlocks".to_owned()),
            Some(Verdict::Livelocked) => Some("repeats itself for ever".to_owned()),
            Some(Verdict::Late) => Some(format!(
                "did not end within {:?} of real time ({LIMIT} sets another number of seconds)",
                limit()
            )),
            Some(Verdict::Bypassed) => Some("goes past the simulation".to_owned()),
            None if status.success() => Some(
                "did not run: the test harness has no test of this name, or it ended the process,"
                    .to_owned(),
            ),
            None => Some(format!("ends its process with {status}")),
        }
    }
}

/// The command that starts this program again, without arguments.
fn this_program() -> Command {
    let program = env::current_exe().expect("a test program can tell where it is");
    let runner = child::variable_of(RUNNER).unwrap_or_default();
    let mut words = runner.split_whitespace();
    let Some(first) = words.next() else { return Command::new(program) };
    let mut command = Command::new(first);
    command.args(words).arg(program);
    command
}

/// The real time that a seed may take.
fn limit() -> Duration {
    Duration::from_secs(child::number_of(LIMIT).unwrap_or(DEFAULT_LIMIT_S))
}

/// Waits until a process has ended, and kills it if it takes too long. Returns whether it did. All
/// senders of `has_ended` are gone when its pipes are closed, which is when it ends or just before.
#[expect(clippy::disallowed_methods, reason = "this process is not simulated and has no runtime")]
fn wait_for(child: &mut Child, limit: Duration, has_ended: &Receiver<()>) -> (ExitStatus, bool) {
    let start = Instant::now();
    // Nothing is sent. An error says that the pipes are closed, or that the time is up.
    let _ = has_ended.recv_timeout(limit);
    let mut pause = PAUSES.0;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return (status, false),
            Ok(None) if start.elapsed() < limit => {
                thread::sleep(pause);
                pause = (pause * 2).min(PAUSES.1);
            }
            Ok(None) => {
                // It may have ended just now.
                let _ = child.kill();
                let status = child.wait().expect("a process that was killed can be waited for");
                return (status, true);
            }
            Err(error) => panic!("wait for the process of a simulation: {error}"),
        }
    }
}

/// Reads a pipe to its end, so that the process that writes to it does not block.
#[expect(clippy::disallowed_methods, reason = "this process is not simulated and has no runtime")]
fn read_on_a_thread(mut pipe: impl Read + Send + 'static, end: Sender<()>) -> JoinHandle<String> {
    thread::spawn(move || {
        // It is dropped when the pipe is closed.
        let _end = end;
        let mut bytes = Vec::new();
        // What was read before an error is shown.
        let _ = pipe.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// A file for this process alone.
pub(crate) fn scratch_file(name: &str) -> PathBuf {
    // Tests of a program run side by side.
    let (process, thread) = (std::process::id(), thread::current().id());
    let thread = format!("{thread:?}").replace(|it: char| !it.is_ascii_digit(), "");
    env::temp_dir().join(Path::new(&format!("reveille-sim-{process}-{thread}-{name}")))
}

/// The end of a long text.
fn tail(text: &str) -> &str {
    let start = text.len().saturating_sub(SHOWN_LEN);
    let start = (start..text.len()).find(|&at| text.is_char_boundary(at)).unwrap_or(text.len());
    &text[start..]
}

#[cfg(test)]
mod tests {
    use super::{tail, without_reports};

    #[test]
    fn lines_for_the_parent_are_not_shown() {
        let report = "reveille-sim: report verdict=passed\n";
        let shown = "reveille-sim: fault 3 at 2s: crash n1\nthread panicked";
        let all = format!("reveille-sim: sometimes 1 a.rs:1: full\n{report}{shown}");
        assert_eq!(without_reports(&all), shown);
    }

    #[test]
    fn a_long_output_is_cut_at_a_character() {
        assert_eq!(tail("short"), "short");
        let long = "é".repeat(super::SHOWN_LEN);
        assert!(tail(&long).len() <= super::SHOWN_LEN && tail(&long).ends_with('é'));
        assert_eq!(tail(&format!("x{long}")).len(), super::SHOWN_LEN);
    }
}
