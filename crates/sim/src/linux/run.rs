//! The start and the end of a simulation. A process has at most one.

use std::any::Any;
use std::ffi::CStr;
use std::fs;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use super::seam::LinuxSimulation;
use super::strict;
use super::thread::{self, Thread, set_me};
use super::world::{self, World};
use crate::child::{
    self, DEFAULT_LIMIT_S, HANDOFF, LIMIT, RECORDING, RunConfig, RunReport, Verdict,
};
use crate::streams::{Recording, Streams, seed_of};
use crate::trace::Trace;

/// The stack of the thread that runs the test, in bytes: as large as that of a main thread.
const STACK_LEN: usize = 8 << 20;

/// How long before its limit a run ends with a report, and how long that may take.
const REPORT_TIME: Duration = Duration::from_secs(1);

/// How long the recorder may take to write the last events.
const RECORDER_TIME: Duration = Duration::from_secs(1);

/// The exit code of a process whose simulation failed.
const FAILED: i32 = 101;

/// Where the deadlock report and the end of the run find the configuration.
static CONFIG: std::sync::OnceLock<RunConfig> = std::sync::OnceLock::new();

/// Runs `body` in a simulation, reports how it ended, and ends the process.
pub(crate) fn run(config: RunConfig, body: impl FnOnce() -> ExitCode + Send) -> ! {
    let name = config.test.clone();
    let config = CONFIG.get_or_init(|| config);
    let streams = match streams(config) {
        Ok(streams) => streams,
        Err(error) => {
            super::say(&format!("reveille-sim: {error}\n"));
            exit(FAILED);
        }
    };
    use_one_processor();
    watch(config);
    std::thread::scope(|scope| {
        let builder = std::thread::Builder::new().name(name).stack_size(STACK_LEN);
        let started = builder.spawn_scoped(scope, || simulate(config, streams, body));
        if let Err(error) = started {
            super::say(&format!("reveille-sim: the thread of the test: {error}\n"));
            exit(FAILED);
        }
    });
    unreachable!("the thread of the test ends the process")
}

/// Keeps all threads of this process on the processor that it is on. One of them runs at a time,
/// and a thread is woken much faster on the processor of the one that wakes it. If it fails, the
/// run is slower.
fn use_one_processor() {
    // SAFETY: the call takes nothing.
    let processor = unsafe { libc::sched_getcpu() };
    let Ok(processor) = usize::try_from(processor) else { return };
    // SAFETY: a set is an array of numbers, for which 0 is valid.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    if processor >= libc::CPU_SETSIZE as usize {
        return;
    }
    // SAFETY: the set has room for the processor.
    unsafe { libc::CPU_SET(processor, &mut set) };
    // SAFETY: the set is alive during the call.
    let _ = unsafe { libc::sched_setaffinity(0, size_of_val(&set), &set) };
}

/// Whether a thread of the system may run the contexts of others. In strict mode it may not: the
/// kernel stops system calls that do not come from the C library. The sanitizers know which stack
/// belongs to which thread of the system. So does valgrind, whose processor has no `wrfsbase`.
fn is_switched_by_registers(config: &RunConfig) -> bool {
    let is_defined = |name: &CStr| {
        // SAFETY: the name is a string that ends with a zero byte.
        !unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) }.is_null()
    };
    let is_watched = [c"__asan_init", c"__tsan_init", c"__msan_init"].into_iter().any(is_defined);
    !config.is_strict && !is_watched && child::variable_of(HANDOFF).is_none_or(|it| it != "futex")
}

fn streams(config: &RunConfig) -> Result<Streams, String> {
    let mut streams = read_streams(config)?;
    if config.choices.is_some() {
        streams.keep_choices();
    }
    Ok(streams)
}

fn read_streams(config: &RunConfig) -> Result<Streams, String> {
    let recording = if config.tape.is_some() { Recording::On } else { Recording::Off };
    let Some(path) = &config.replayed else {
        return Ok(Streams::new(config.seed, recording));
    };
    let named = |error: String| format!("the tape {}: {error}", path.display());
    let tape = fs::read_to_string(path).map_err(|error| named(error.to_string()))?;
    Streams::from_tape(config.seed, recording, &tape).map_err(named)
}

/// The thread of the test.
#[expect(clippy::disallowed_methods, reason = "the sleep is a simulated one")]
fn simulate(config: &RunConfig, streams: Streams, body: impl FnOnce() -> ExitCode) {
    reveille_primitive::simulation::install(&LinuxSimulation);
    let entropy = seed_of(config.seed, "entropy 0");
    if is_switched_by_registers(config) {
        thread::use_contexts();
    }
    thread::begin(Thread::new(0, 0, entropy, u64::MAX / 2));
    world::begin(streams, Trace::new(config.trace.is_some()));
    if config.is_strict
        && let Err(error) = strict::begin()
    {
        super::say(&format!("reveille-sim: strict mode is not available: {error}\n"));
        exit(FAILED);
    }
    let result = catch_unwind(AssertUnwindSafe(body));
    let verdict = match &result {
        Ok(code) if *code == ExitCode::SUCCESS => Verdict::Passed,
        Ok(_) => Verdict::ReturnedError,
        Err(_) => Verdict::Panicked,
    };
    if child::variable_of(RECORDING).is_some() {
        // In virtual time: the recorder writes what it has.
        std::thread::sleep(RECORDER_TIME);
    }
    world::with(|world| finish(world, verdict));
    set_me(None);
    // A panic that a test expects is not a failure of the simulation. The process that started this
    // one decides.
    drop_quietly(result.err());
    let _ = std::io::stdout().flush();
    exit(if verdict == Verdict::Passed { 0 } else { FAILED });
}

/// Drops the payload of a panic, whose destructor may panic too.
fn drop_quietly(payload: Option<Box<dyn Any + Send>>) {
    let _ = catch_unwind(AssertUnwindSafe(|| drop(payload)));
}

/// Reports a failure of the simulation and ends the process.
pub(super) fn fail(world: &World, verdict: Verdict, text: &str) -> ! {
    super::say(&format!("reveille-sim: seed {}: {text}", world.seed()));
    finish(world, verdict);
    exit(FAILED);
}

/// Makes a run that takes too long end with a report, before it is killed.
fn watch(config: &RunConfig) {
    let limit = Duration::from_secs(child::number_of(LIMIT).unwrap_or(DEFAULT_LIMIT_S));
    let Some(time) = limit.checked_sub(2 * REPORT_TIME) else { return };
    let test = config.test.clone();
    let watch = std::thread::Builder::new().name("reveille-sim-watch".to_owned());
    // Without the thread, the run is killed without a report.
    let _ = watch.spawn(move || {
        super::futex::pause(time);
        world::end_late();
        super::futex::pause(REPORT_TIME);
        // The thread with the baton has not ended the run.
        super::say(&format!(
            "reveille-sim: the test `{test}`: a thread has made no call that is simulated for a \
             second: it repeats itself, or it blocks in a way that is not simulated\n"
        ));
        fail_from_outside(Verdict::Late);
    });
}

/// Ends the process after a call that bypasses the simulation.
pub(super) fn fail_bypassed() -> ! {
    fail_from_outside(Verdict::Bypassed);
}

/// Reports a failure where the state of the simulation may be in use, and ends the process.
fn fail_from_outside(verdict: Verdict) -> ! {
    let strategy = "unknown".to_owned();
    let time_ns = world::elapsed_ns();
    let report = RunReport { verdict, time_ns, steps: 0, hash: 0, strategy };
    super::say(&format!("{report}\n"));
    exit(FAILED);
}

/// Reports how the simulation ended and ends the process.
pub(super) fn end(world: &World, verdict: Verdict) -> ! {
    finish(world, verdict);
    let _ = std::io::stdout().flush();
    exit(if verdict == Verdict::Passed { 0 } else { FAILED });
}

/// Writes the report, and the files that were asked for.
fn finish(world: &World, verdict: Verdict) {
    let Some(config) = CONFIG.get() else { return };
    let write = |path: Option<&Path>, text: &dyn Fn() -> String| {
        if let Some(path) = path
            && let Err(error) = fs::write(path, text())
        {
            super::say(&format!("reveille-sim: write {}: {error}\n", path.display()));
        }
    };
    write(config.tape.as_deref(), &|| world.tape());
    super::say(&crate::sometimes::report());
    write(config.trace.as_deref(), &|| world.trace().text());
    write(config.choices.as_deref(), &|| world.choices());
    let report = RunReport {
        verdict,
        time_ns: world::elapsed_ns(),
        steps: world.trace().steps(),
        hash: world.trace().hash(),
        strategy: format!("{:?}", world.strategy()),
    };
    super::say(&format!("{report}\n"));
}

/// Ends the process at once. Other threads of the simulation wait for the baton, which they never
/// get, so nothing may wait for them.
fn exit(code: i32) -> ! {
    // In strict mode the thread may not remove files, so the process that started this one does.
    if !CONFIG.get().is_some_and(|config| config.is_strict) {
        super::disk::remove_all();
    }
    // SAFETY: the call takes a number.
    unsafe { libc::_exit(code) }
}
