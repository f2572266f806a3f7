//! Ends a test program in which a test hangs, and prints the name of the test and its stack.
//!
//! A test program needs one line, `use reveille_watchdog as _;`, and tidy checks that each has it.
//! Nothing else changes: the harness is the stock one, in all its modes. The line links a function
//! that runs before `main` and starts a thread, and that thread looks at the others.
//!
//! A test hangs if no thread of the program is younger than the limit: the harness starts a thread
//! for each test, `--test-threads=1` included, so a program without young threads has started no
//! test for that long, and has not come to its end either. The limit is 180 seconds, or so many as
//! the variable `REVEILLE_TEST_LIMIT` says. A program that goes on starting threads although a test
//! hangs, other than those of a runtime, ends after five times the limit, and so does one on a
//! system whose threads we cannot list.
//!
//! Then it prints every thread with its state, the stack of each, the tasks and the counters of
//! each runtime, and the name of each test that runs, and aborts the process.
//!
//! Until half of the limit has passed it does nothing but sleep, so that tests that count threads,
//! descriptors or allocations have to allow for one more thread and for nothing else.
//!
//! | what may hang | ended by |
//! |---|---|
//! | a test, or the end of a test program | the watchdog |
//! | a process that a test starts | its watchdog, or the test that waits for it |
//! | a doc test | `.ci/run`, by a limit of the step; the harness names it after a minute |
//!
//! Rejected: a runner in `.cargo/config.toml`, which sees the threads from outside, with 15 bytes
//! of their names and no stacks; cargo-nextest, which is not what `cargo test` runs.

#[cfg(all(not(miri), not(target_os = "linux")))]
mod elsewhere;
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

/// The variable with the limit in seconds.
pub const LIMIT: &str = "REVEILLE_TEST_LIMIT";

/// The default limit in seconds.
const LIMIT_DEFAULT: u64 = 180;

/// The program ends after this many times the limit in any case.
const PROGRAM_FACTOR: u32 = 5;

/// How often one looks within a limit, from its half on.
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

// Runs before `main`, where std does not guarantee to work. Threads do work, on each system that
// the tests run on, and this needs nothing else.
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
