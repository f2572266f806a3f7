//! The explanation of a failure: whether it repeats, how far it can be shrunk, and when it became
//! inevitable.

use std::cell::Cell;
use std::env;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::child::{self, RECORDING, REPLAY, RunReport, SEED, TAPE, TRACE, Verdict};
use crate::faults;
use crate::harness::{Finished, SimulatedTest, scratch_file};
use crate::shrink::{Class, bisect, count, count_faults, shrink};
use crate::streams::mix;
use crate::tape::Tape;

/// The variable with the seconds that the search for a simpler run may take.
pub(crate) const SHRINK: &str = "REVEILLE_SIM_SHRINK";

/// The default time for that search.
const DEFAULT_TIME: Duration = Duration::from_secs(60);

/// The share of the time that the bisection may take: one part of this many.
const BISECTION_SHARE: u32 = 3;

/// A failure counts as inevitable if this many other seeds do not avoid it.
const OTHER_SEEDS: u64 = 16;

/// The time of a failure is found to one part in this many of the run. Each step takes up to
/// [`OTHER_SEEDS`] runs, and a user waits for them.
const PRECISION: u64 = 1_000;

/// How many times as long as the first run a simpler one may take, plus a pause of a busy machine.
const SLOWNESS: u32 = 10;
const PAUSE: Duration = Duration::from_secs(2);

/// A test with a seed that fails.
#[derive(Debug)]
pub(crate) struct Failing<'a> {
    pub(crate) test: &'a SimulatedTest,
    pub(crate) seed: u64,
    pub(crate) first: &'a Finished,
    /// The real time of the first run.
    pub(crate) took: Duration,
    /// The time for the search.
    pub(crate) time: Option<Duration>,
}

/// How a run fails: its verdict, and the place of the panic.
type Symptom = (Option<Verdict>, Option<String>);

fn symptom(finished: &Finished) -> Symptom {
    let place = finished.stderr.lines().find_map(|line| line.split_once(" panicked at "));
    let place = place.map(|(_, place)| place.trim_end_matches(':').to_owned());
    (finished.report.as_ref().map(|report| report.verdict), place)
}

impl Failing<'_> {
    /// The lines to add to the message of the failure. Empty if no search is wanted.
    #[expect(clippy::disallowed_methods, reason = "this process is not simulated")]
    pub(crate) fn explain(&self) -> String {
        let asked = child::number_of(SHRINK).map(Duration::from_secs);
        let is_replayed = child::variable_of(REPLAY).is_some() || child::number_of(SEED).is_some();
        let own = if is_replayed { Duration::ZERO } else { self.time.unwrap_or(DEFAULT_TIME) };
        let time = asked.unwrap_or(own);
        let Some(report) = self.first.report.as_ref().filter(|_| !time.is_zero()) else {
            return String::new();
        };
        let mut text = String::new();
        if let Err(error) = self.search(report, Instant::now(), time, &mut text) {
            let _ = writeln!(text, "no simpler run: {error}");
        }
        text
    }

    #[expect(clippy::disallowed_methods, reason = "this process is not simulated")]
    fn search(
        &self,
        report: &RunReport,
        start: Instant,
        time: Duration,
        text: &mut String,
    ) -> Result<(), String> {
        let path = tape_file(self.test.name(), self.seed, "")?;
        // No trace is written, even if this process was asked for one.
        let variables = [(TAPE, path.as_os_str()), (TRACE, OsStr::new(""))];
        let again = self.test.finish(self.seed, &variables, None);
        let hash = again.report.as_ref().map(|report| report.hash);
        if hash != Some(report.hash) {
            let _ = writeln!(
                text,
                "again in a fresh process: no. The two runs of the seed differ; \
                 REVEILLE_SIM_CHECK=1 shows where"
            );
            return Ok(());
        }
        let _ = writeln!(text, "again in a fresh process: yes, same trace {:016x}", report.hash);
        let tape = fs::read_to_string(&path).map_err(|error| error.to_string())?;
        let tape = Tape::parse(&tape)?;
        let bisection = time / BISECTION_SHARE;
        self.shrink(&tape, start + (time - bisection), text)?;
        self.bisect(&tape, report, Instant::now() + bisection, text);
        let _ = writeln!(text, "tape: {}", path.display());
        let _ = writeln!(text, "program: {}", hash_of_program()?);
        Ok(())
    }

    /// Whether the run of a tape fails as the first one did. `None` if the time is up.
    fn fails(&self, tape: &Tape, deadline: Instant) -> Option<bool> {
        self.replay(tape, deadline, OsStr::new(""))
    }

    /// The tape of all choices of the run with a tape. `None` if it does not fail as the first one
    /// did, or if the time is up.
    fn record(&self, tape: &Tape, deadline: Instant) -> Option<Tape> {
        let path = scratch_file(&format!("{}-recorded.tape", self.seed));
        let fails = self.replay(tape, deadline, path.as_os_str());
        let text = fs::read_to_string(&path).ok();
        let _ = fs::remove_file(&path);
        text.filter(|_| fails == Some(true)).and_then(|text| Tape::parse(&text).ok())
    }

    /// As [`Failing::fails`]. The choices are written to the file `recorded`, if it has a name.
    #[expect(clippy::disallowed_methods, reason = "this process is not simulated")]
    fn replay(&self, tape: &Tape, deadline: Instant, recorded: &OsStr) -> Option<bool> {
        let left = deadline.checked_duration_since(Instant::now())?;
        let limit = left.min(self.took * SLOWNESS + PAUSE);
        let path = scratch_file(&format!("{}.tape", self.seed));
        fs::write(&path, tape.text()).ok()?;
        let nothing = OsStr::new("");
        // The trace, the tape and the recording stay those of the first run.
        let variables =
            [(REPLAY, path.as_os_str()), (TRACE, nothing), (TAPE, recorded), (RECORDING, nothing)];
        let finished = self.test.finish(self.seed, &variables, Some(limit));
        // A later run writes it again, and the file of the last one is small.
        let _ = fs::remove_file(&path);
        Some(!finished.is_late && symptom(&finished) == symptom(self.first))
    }

    #[expect(clippy::disallowed_methods, reason = "this process is not simulated")]
    fn shrink(&self, tape: &Tape, deadline: Instant, text: &mut String) -> Result<(), String> {
        let (start, runs) = (Instant::now(), Cell::new(0_u32));
        let mut fails = |tape: &Tape| {
            runs.set(runs.get() + 1);
            self.fails(tape, deadline)
        };
        let shrunk = shrink(tape, &mut fails, &mut |tape| self.record(tape, deadline));
        let Some(shrunk) = shrunk else {
            let _ = writeln!(text, "not shrunk: the run of its tape does not fail in the same way");
            return Ok(());
        };
        let path = tape_file(self.test.name(), self.seed, "-shrunk")?;
        fs::write(&path, shrunk.text()).map_err(|error| format!("{}: {error}", path.display()))?;
        let number = |count, one: &str, more: &str| {
            format!("{count} {}", if count == 1 { one } else { more })
        };
        let of = |class, one: &str, more: &str| number(count(&shrunk, class), one, more);
        let effects = match count(&shrunk, Class::Fault) {
            0 => String::new(),
            count => format!(" with {}", number(count, "effect", "effects")),
        };
        let _ = writeln!(
            text,
            "shrunk to {}{effects}, {} and {} ({} runs, {:.1} s)\n\
             replay of that: {SEED}={} {REPLAY}={} \
             cargo test {} -- --exact",
            number(count_faults(&shrunk), "fault", "faults"),
            of(Class::Schedule, "scheduling choice", "scheduling choices"),
            of(Class::User, "choice of the program", "choices of the program"),
            runs.get(),
            start.elapsed().as_secs_f64(),
            self.seed,
            path.display(),
            self.test.name(),
        );
        text.push_str(&self.faults_of(&path));
        Ok(())
    }

    /// The faults of the plan in the run of a tape, one per line.
    fn faults_of(&self, tape: &Path) -> String {
        let nothing = OsStr::new("");
        let variables =
            [(REPLAY, tape.as_os_str()), (TRACE, nothing), (TAPE, nothing), (RECORDING, nothing)];
        let finished = self.test.finish(self.seed, &variables, None);
        let faults = finished.stderr.lines().filter_map(|line| line.strip_prefix(faults::SAID));
        faults.map(|fault| format!("  fault {fault}\n")).collect()
    }

    /// Searches for the time from which on other seeds do not avoid the failure.
    fn bisect(&self, tape: &Tape, report: &RunReport, deadline: Instant, text: &mut String) {
        let precision_ns = report.time_ns / PRECISION;
        let found = bisect(report.time_ns, precision_ns, &mut |time_ns| {
            for other in 1..=OTHER_SEEDS {
                let seed = mix(self.seed ^ other, time_ns | 1);
                let tape = Tape { reseed: Some((time_ns, seed)), ..tape.clone() };
                if !self.fails(&tape, deadline)? {
                    return Some(false);
                }
            }
            Some(true)
        });
        let _ = match found {
            Some((0, 0)) => writeln!(text, "inevitable from the beginning: other seeds fail too"),
            Some((before_ns, after_ns)) => {
                let (before, after) =
                    (Duration::from_nanos(before_ns), Duration::from_nanos(after_ns));
                writeln!(text, "inevitable between t = {before:?} and t = {after:?}")
            }
            None => Ok(()),
        };
    }
}

/// The file for a tape, in the folder of the build.
pub(crate) fn tape_file(test: &str, seed: u64, suffix: &str) -> Result<PathBuf, String> {
    let program = env::current_exe().map_err(|error| error.to_string())?;
    // `target/debug/deps/program`
    let build = program.ancestors().find(|folder| folder.ends_with("deps"));
    let target = build.and_then(Path::parent).and_then(Path::parent);
    let folder = target.map_or_else(env::temp_dir, Path::to_owned).join("sim");
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    Ok(folder.join(format!("{}-{seed}{suffix}.tape", test.replace("::", "-"))))
}

/// The hash of this program, because a seed belongs to a build.
fn hash_of_program() -> Result<String, String> {
    let program = env::current_exe().and_then(fs::read).map_err(|error| error.to_string())?;
    let hash = program.chunks(8).fold(program.len() as u64, |hash, chunk| {
        let mut bytes = [0; 8];
        bytes[..chunk.len()].copy_from_slice(chunk);
        mix(hash ^ u64::from_le_bytes(bytes), 0x9e37_79b9_7f4a_7c15)
    });
    Ok(format!("{hash:016x}"))
}
