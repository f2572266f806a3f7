//! Everything at once for a while: the program `stress` of the tests, in each of the ways that are
//! at hand.
//!
//! | way | finds | needs |
//! |---|---|---|
//! | as it is, with debug assertions | lost tasks, hangs, leaks, user code under a lock | nothing |
//! | under valgrind | use after free, reads of what was never written, leaks | valgrind |
//!
//! Not under helgrind or drd: they know locks and not atomics, and take every lock-free protocol
//! for a race. Data races are found by the same program under ThreadSanitizer: `cargo xtask race`.

use std::process::Command;

use crate::shell::{self, Outcome};

/// How long it takes in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Length {
    /// Shared between the ways.
    Minutes(u64),
    /// As for every change: some seconds.
    Short,
}

/// Seconds that the short form takes as it is, and under each tool.
const SHORT: (u64, u64) = (7, 5);

/// Runs the ways there are.
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
        // Pools are kept for the next runtime, so what is reachable at the end is no leak.
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
