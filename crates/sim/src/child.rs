//! The communication between the process that runs tests and those that run simulations.
//!
//! Each simulation is a process of its own, because statics and thread-locals outlive a run. It is
//! the test program again, with the name of one test. The environment has the seed. Its last line
//! on standard error is a [`RunReport`].

use std::env;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The variable with the name of the test that this process simulates.
pub(crate) const CHILD: &str = "REVEILLE_SIM_CHILD";
/// The variable with the seed.
pub(crate) const SEED: &str = "REVEILLE_SIM_SEED";
/// The variable with the command that runs programs of this system, if the kernel cannot start them
/// by itself: its words, separated by spaces.
pub(crate) const RUNNER: &str = "REVEILLE_SIM_RUNNER";
/// The variable with the file for the choices of the run.
pub(crate) const TAPE: &str = "REVEILLE_SIM_TAPE";
/// The variable with the file whose choices the run repeats.
pub(crate) const REPLAY: &str = "REVEILLE_SIM_REPLAY";
/// The variable with the file for the number of alternatives of each choice.
pub(crate) const CHOICES: &str = "REVEILLE_SIM_CHOICES";
/// The variable with the real time that a seed may take, in seconds.
pub(crate) const LIMIT: &str = "REVEILLE_SIM_LIMIT";
/// The variable with the file of the recorder.
pub(crate) const RECORDING: &str = "REVEILLE_TRACE";
/// The real time that a seed may take, in seconds, if the environment does not say.
pub(crate) const DEFAULT_LIMIT_S: u64 = 60;
/// The variable that asks for strict mode.
pub(crate) const STRICT: &str = "REVEILLE_SIM_STRICT";
/// The variable that asks for a switch of threads by the kernel, if it is `futex`.
pub(crate) const HANDOFF: &str = "REVEILLE_SIM_HANDOFF";
/// The variable with the file for the steps of the run.
pub(crate) const TRACE: &str = "REVEILLE_SIM_TRACE";

/// What a simulation is asked to do.
#[derive(Clone, Debug)]
pub(crate) struct RunConfig {
    /// The name of the test.
    pub(crate) test: String,
    pub(crate) seed: u64,
    /// Where to write the choices.
    pub(crate) tape: Option<PathBuf>,
    /// Where to read the choices.
    pub(crate) replayed: Option<PathBuf>,
    /// Where to write the steps.
    pub(crate) trace: Option<PathBuf>,
    /// Where to write the number of alternatives of each choice.
    pub(crate) choices: Option<PathBuf>,
    /// Calls that bypass the simulation end it.
    pub(crate) is_strict: bool,
}

impl RunConfig {
    /// What this process is asked to do. `None` if it is not a simulation of the test `name`.
    ///
    /// # Panics
    ///
    /// Panics if the seed is not a number.
    pub(crate) fn from_env(name: &str) -> Option<RunConfig> {
        let path = |variable| variable_of(variable).map(PathBuf::from);
        let test = variable_of(CHILD).filter(|test| test == name)?;
        Some(RunConfig {
            test,
            seed: number_of(SEED).unwrap_or(0),
            tape: path(TAPE),
            replayed: path(REPLAY),
            trace: path(TRACE),
            choices: path(CHOICES),
            is_strict: variable_of(STRICT).is_some_and(|text| text.trim() == "1"),
        })
    }
}

/// The folder for the files of the simulation that runs in the process `process`. It is in memory
/// if the system has such a place. Its path is short, because the paths of Unix sockets have to be.
pub(crate) fn disk_folder(process: u32) -> PathBuf {
    let memory = Path::new("/dev/shm");
    let parent = if memory.is_dir() { memory.to_owned() } else { env::temp_dir() };
    parent.join(format!("rsim{process}"))
}

/// Whether this process is a simulation.
pub(crate) fn is_child() -> bool {
    variable_of(CHILD).is_some()
}

/// The value of an environment variable. `None` if it is not set or empty.
#[expect(clippy::disallowed_methods, reason = "no other function reads the environment")]
pub(crate) fn variable_of(name: &str) -> Option<String> {
    env::var(name).ok().filter(|text| !text.is_empty())
}

/// The number in an environment variable. `None` if it is not set.
///
/// # Panics
///
/// Panics if the variable is not a number.
pub(crate) fn number_of(name: &str) -> Option<u64> {
    let text = variable_of(name)?;
    match text.trim().parse() {
        Ok(number) => Some(number),
        Err(_) => panic!("the environment variable {name} must be a number, but is {text:?}"),
    }
}

/// How a simulation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Passed,
    Panicked,
    ReturnedError,
    Deadlocked,
    /// A task wakes itself forever and makes no progress.
    Livelocked,
    /// It took too much real time.
    Late,
    /// A call bypassed the simulation.
    Bypassed,
}

impl Verdict {
    const ALL: [(Verdict, &str); 7] = [
        (Verdict::Passed, "passed"),
        (Verdict::Panicked, "panicked"),
        (Verdict::ReturnedError, "returned-an-error"),
        (Verdict::Deadlocked, "deadlocked"),
        (Verdict::Livelocked, "livelocked"),
        (Verdict::Late, "late"),
        (Verdict::Bypassed, "bypassed"),
    ];

    fn word(self) -> &'static str {
        Verdict::ALL.iter().find(|(verdict, _)| *verdict == self).map_or("", |(_, word)| word)
    }
}

/// What a simulation reports at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RunReport {
    pub(crate) verdict: Verdict,
    /// The virtual time that passed.
    pub(crate) time_ns: u64,
    pub(crate) steps: u64,
    /// The hash of all steps.
    pub(crate) hash: u64,
    /// How threads were chosen.
    pub(crate) strategy: String,
}

/// The prefix of the line of a report.
pub(crate) const PREFIX: &str = "reveille-sim: report ";

impl RunReport {
    /// The virtual time that passed.
    pub(crate) fn time(&self) -> Duration {
        Duration::from_nanos(self.time_ns)
    }

    /// Finds the report in what a process wrote to standard error.
    pub(crate) fn find(output: &str) -> Option<RunReport> {
        let line = output.lines().rev().find_map(|line| line.strip_prefix(PREFIX))?;
        let value = |name: &str| {
            let mut parts = line.split('\t').filter_map(|part| part.split_once('='));
            parts.find(|(key, _)| *key == name).map(|(_, value)| value)
        };
        let word = value("verdict")?;
        let verdict = Verdict::ALL.iter().find(|(_, other)| *other == word)?.0;
        Some(RunReport {
            verdict,
            time_ns: value("time_ns")?.parse().ok()?,
            steps: value("steps")?.parse().ok()?,
            hash: u64::from_str_radix(value("trace")?, 16).ok()?,
            strategy: value("strategy")?.to_owned(),
        })
    }
}

impl fmt::Display for RunReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RunReport { verdict, time_ns, steps, hash, strategy } = self;
        let verdict = verdict.word();
        write!(
            f,
            "{PREFIX}verdict={verdict}\ttime_ns={time_ns}\tsteps={steps}\ttrace={hash:016x}\t\
             strategy={strategy}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_found_in_the_output() {
        for (verdict, _) in Verdict::ALL {
            let report = RunReport {
                verdict,
                time_ns: 41_208_311_000,
                steps: 81_204,
                hash: 0x5f0c,
                strategy: "Laggard { thread: 3 }".to_owned(),
            };
            let output = format!("thread 'x' panicked\n{report}\n");
            assert_eq!(RunReport::find(&output), Some(report));
        }
        assert_eq!(RunReport::find("nothing\nreveille-sim: report verdict=well\n"), None);
    }
}
