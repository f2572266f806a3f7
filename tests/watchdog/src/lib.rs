//! Ends a test program in which a test hangs, and prints the name of the test and its stack.
//!
//! A test program needs one line, `use reveille_watchdog as _;`, and tidy checks that each has it.
//! The harness is the standard one, and all its modes work. The line links a function that runs
//! before `main` and starts a thread, which checks the other threads.
//!
//! A test counts as hanging if no thread of the program is younger than the limit. The harness
//! starts a thread for each test, even with `--test-threads=1`. So a program without young threads
//! has not started a test for that long, and has not ended either. The limit is 180 seconds, or the
//! value of the variable `REVEILLE_TEST_LIMIT`. If a program keeps starting threads of its own
//! although a test hangs, it ends after five times the limit. The same holds on systems whose
//! threads cannot be listed.
//!
//! Then the watchdog prints each thread with its state and stack, the tasks and counters of each
//! runtime, and the name of each running test. It then aborts the process.
//!
//! Until half of the limit has passed it only sleeps. So tests that count threads, descriptors or
//! allocations have to allow for one more thread and nothing else.
//!
//! | what may hang | ended by |
//! |---|---|
//! | a test, or the end of a test program | the watchdog |
//! | a process that a test starts | its watchdog, or the test that waits for it |
//! | a doc test | `.ci/run`, by a limit of the step; the harness names it after a minute |
//!
//! Rejected: a runner in `.cargo/config.toml`. It sees the threads from outside, without stacks and
//! with only 15 bytes of their names. Also rejected: cargo-nextest, because `cargo test` does not
//! run it.

#[cfg(all(not(miri), not(target_os = "linux")))]
mod elsewhere;
mod itself;
#[cfg(all(not(miri), target_os = "linux"))]
mod report;
#[cfg(all(not(miri), target_os = "linux"))]
mod threads;

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

#[cfg(all(not(miri), not(target_os = "linux")))]
use elsewhere::{end, youngest};
#[cfg(all(not(miri), target_os = "linux"))]
use report::end;
#[cfg(all(not(miri), target_os = "linux"))]
use threads::youngest;

pub use itself::{is_emulated, itself, through_runner};

/// The variable with the limit in seconds.
pub const LIMIT: &str = "REVEILLE_TEST_LIMIT";

/// The default limit in seconds.
const LIMIT_DEFAULT: u64 = 180;

/// The program ends after this many times the limit in any case.
const PROGRAM_FACTOR: u32 = 5;

/// How many times the watchdog checks within one limit, after half of it has passed.
const LOOKS: u32 = 12;

/// The limit that a test has requested, in seconds.
static AT_LEAST: AtomicU64 = AtomicU64::new(0);

/// Returns how long a test may run.
#[must_use]
pub fn limit() -> Duration {
    let asked = AT_LEAST.load(Ordering::Relaxed);
    Duration::from_secs(from_environment().max(asked))
}

/// Raises the limit of the tests of this program to at least this many seconds, for tests that run
/// the compiler.
pub fn allow(seconds: u64) {
    AT_LEAST.fetch_max(seconds, Ordering::Relaxed);
}

#[expect(clippy::disallowed_methods, reason = "there is no builder that it could be passed to")]
fn from_environment() -> u64 {
    let seconds = std::env::var(LIMIT).ok().and_then(|text| text.trim().parse().ok());
    seconds.filter(|seconds| *seconds > 0).unwrap_or(LIMIT_DEFAULT)
}

// Runs before `main`, where std is not guaranteed to work. This needs only threads, which do work
// on each system that the tests run on.
#[cfg(not(miri))]
#[ctor::ctor(unsafe)]
fn start() {
    let builder = thread::Builder::new().name("watchdog".to_owned());
    // Without a thread the tests run as they did before there was a watchdog.
    let _ = builder.spawn(watch);
}

#[cfg(not(miri))]
#[expect(clippy::disallowed_methods, reason = "a thread of its own, whatever the runtime does")]
fn watch() {
    let mut slept = limit() / 2;
    thread::sleep(slept);
    while !is_over(slept) {
        let pause = limit() / LOOKS;
        thread::sleep(pause);
        slept += pause;
    }
    end(limit());
}

/// Whether the program, which has run for `age`, has to end.
#[cfg(not(miri))]
fn is_over(age: Duration) -> bool {
    let limit = limit();
    age >= limit * PROGRAM_FACTOR || youngest().is_some_and(|age| age >= limit)
}
