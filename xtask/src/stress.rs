//! Runs the program `stress` of the tests, in each way that this machine supports.
//!
//! | way | finds | needs |
//! |---|---|---|
//! | directly, with debug assertions | lost tasks, hangs, leaks, user code under a lock | nothing |
//! | under valgrind | use after free, reads of uninitialised memory, leaks | valgrind |
//!
//! Rejected: helgrind and drd. They understand locks but not atomics, and report every lock-free
//! protocol as a race. `cargo xtask race` runs the same program under ThreadSanitizer to find data
//! races.

use std::process::Command;

use crate::shell::{self, Outcome};

/// How long the stress runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Length {
    /// Divided between the ways.
    Minutes(u64),
    /// Some seconds, for every change.
    Short,
}

/// Seconds of the short form: directly, and under each tool.
const SHORT: (u64, u64) = (7, 5);

/// Runs each way that this machine supports.
pub(crate) fn run(length: Length) -> Outcome {
    let has_valgrind = shell::succeeds(shell::program("valgrind").arg("--version"));
    let ways = 1 + u64::from(has_valgrind);
    let (plain, under_tools) = match length {
        Length::Minutes(minutes) => (minutes * 60 / ways, minutes * 60 / ways),
        Length::Short => SHORT,
    };
    let build = "build --quiet --package reveille-tests --bin stress";
    shell::run(shell::cargo().args(shell::words(build)))?;
    let program = shell::target_dir().join("debug/stress");
    shell::run(&mut with_seconds(shell::program(&program), plain))?;
    if has_valgrind {
        let mut valgrind = shell::program("valgrind");
        valgrind.args(shell::words("--quiet --error-exitcode=99 --leak-check=full"));
        // Pools are kept for the next runtime, so memory that is reachable at the end is not a
        // leak.
        valgrind.args(shell::words("--errors-for-leak-kinds=definite --fair-sched=yes"));
        valgrind.arg("--show-leak-kinds=definite").arg(&program).arg("--light");
        shell::run(&mut with_seconds(valgrind, under_tools))?;
    }
    if !has_valgrind {
        println!("stress: not under valgrind, which is not installed");
    }
    println!("stress: {ways} of 2 ways, none found a fault");
    Ok(())
}

fn with_seconds(mut command: Command, seconds: u64) -> Command {
    command.args(["--seconds", &seconds.to_string()]);
    command
}
