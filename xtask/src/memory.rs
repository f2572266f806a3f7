//! Runs the crates with unsafe code under the memory checkers of this machine.
//!
//! Each checker that is installed runs. The others are printed, so that a success shows what was
//! not checked. miri comes first, because only miri checks the rules of references. valgrind runs
//! the tests as they are. AddressSanitizer needs a nightly compiler. `cargo xtask race` finds data
//! races.

use std::path::PathBuf;

use crate::shell::{self, Outcome};

/// The crates with unsafe code.
const PACKAGES: [&str; 4] =
    ["reveille-primitive", "reveille-task", "reveille-driver", "reveille-runtime"];

/// The packages that miri can run. Its epoll is incomplete, and its threads are slow.
const MIRI_PACKAGES: [&str; 2] = ["reveille-primitive", "reveille-task"];

/// Runs every checker that is installed.
pub(crate) fn run() -> Outcome {
    let mut missing = Vec::new();
    if shell::succeeds(shell::cargo_nightly().args(["miri", "--version"])) {
        miri()?;
    } else {
        missing.push("miri");
    }
    if shell::succeeds(shell::program("valgrind").arg("--version")) {
        valgrind()?;
    } else {
        missing.push("valgrind");
    }
    let has_nightly = shell::succeeds(shell::cargo_nightly().arg("--version"));
    match (has_nightly, host()) {
        (true, Some(host)) => {
            sanitize(&host)?;
        }
        _ => missing.push("AddressSanitizer, which needs a nightly compiler"),
    }
    match missing[..] {
        [] => println!("memory: everything ran"),
        _ => println!(
            "memory: the installed checkers found nothing; not installed: {}",
            missing.join("; ")
        ),
    }
    Ok(())
}

fn miri() -> Outcome {
    let mut cargo = shell::cargo_nightly();
    cargo.args(["miri", "test", "--lib"]);
    cargo.args(MIRI_PACKAGES.iter().flat_map(|package| ["-p", package]));
    // A pool's threads outlive the test that started them, and the tests read the real clock.
    cargo.env("MIRIFLAGS", "-Zmiri-ignore-leaks -Zmiri-disable-isolation");
    shell::run(&mut cargo)
}

fn valgrind() -> Outcome {
    for binary in test_binaries()? {
        let mut valgrind = shell::program("valgrind");
        valgrind.args(shell::words("--quiet --error-exitcode=99 --leak-check=full"));
        // Memory of a thread that still runs at the end is reachable, so it is not a leak.
        valgrind.args(shell::words("--errors-for-leak-kinds=definite --fair-sched=yes"));
        valgrind.arg("--show-leak-kinds=definite").env("REVEILLE_TEST_LIMIT", "1800");
        shell::run(valgrind.arg(binary).args(shell::words("--test-threads=1 --quiet")))?;
    }
    Ok(())
}

/// Builds the unit tests and the task cell's integration tests, and returns their paths.
fn test_binaries() -> Result<Vec<PathBuf>, String> {
    let mut units = shell::cargo();
    units.args(shell::words("test --lib --no-run --message-format=json"));
    units.args(PACKAGES.iter().flat_map(|package| ["-p", package]));
    let mut cell = shell::cargo();
    cell.args(shell::words("test -p reveille-task --test * --no-run --message-format=json"));
    let messages = shell::output(&mut units)? + &shell::output(&mut cell)?;
    // Each message is a line of JSON. A single field can be found without a parser.
    let binaries = messages.lines().filter_map(|line| {
        let (_, rest) = line.split_once("\"executable\":\"")?;
        rest.split('"').next().map(PathBuf::from)
    });
    Ok(binaries.collect())
}

fn sanitize(host: &str) -> Outcome {
    let mut cargo = shell::cargo_nightly();
    cargo.args(["test", "--lib", "--quiet", "--target", host]);
    cargo.args(PACKAGES.iter().flat_map(|package| ["-p", package]));
    // The standard library is not instrumented. Without this flag the compiler refuses to mix the
    // two.
    cargo.env("RUSTFLAGS", "-Zsanitizer=address -Cunsafe-allow-abi-mismatch=sanitizer");
    cargo.env("CARGO_TARGET_DIR", shell::target_dir().join("address"));
    shell::run(&mut cargo)
}

/// Returns the triple of this machine.
pub(crate) fn host() -> Option<String> {
    let version = shell::output(shell::program("rustc").arg("-vV")).ok()?;
    version.lines().find_map(|line| line.strip_prefix("host: ")).map(str::to_owned)
}
