//! The crates with unsafe code, run under whatever checks memory on this machine.
//!
//! What is installed runs; what is not is named, so that a green end is not mistaken for more than
//! it is. miri comes first where it is at hand, since it alone knows the rules of references;
//! valgrind needs nothing but the tests as they are; AddressSanitizer needs a nightly compiler.
//! Data races are found by `cargo xtask race`.

use std::path::PathBuf;

use crate::shell::{self, Outcome};

/// The crates with unsafe code.
const PACKAGES: [&str; 4] =
    ["reveille-primitive", "reveille-task", "reveille-driver", "reveille-runtime"];

/// What miri can run: it has no epoll worth the name and no real threads' pace.
const MIRI_PACKAGES: [&str; 2] = ["reveille-primitive", "reveille-task"];

/// Runs what there is.
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
        _ => println!("memory: what ran found nothing; not here: {}", missing.join("; ")),
    }
    Ok(())
}

fn miri() -> Outcome {
    let mut cargo = shell::cargo_nightly();
    cargo.args(["miri", "test", "--lib"]);
    cargo.args(MIRI_PACKAGES.iter().flat_map(|package| ["-p", package]));
    // A pool's threads outlive the test that started them; clocks are asked for real.
    cargo.env("MIRIFLAGS", "-Zmiri-ignore-leaks -Zmiri-disable-isolation");
    shell::run(&mut cargo)
}

fn valgrind() -> Outcome {
    for binary in test_binaries()? {
        let mut valgrind = shell::program("valgrind");
        valgrind.args(shell::words("--quiet --error-exitcode=99 --leak-check=full"));
        // What a thread that still runs at the end holds is reachable, and no leak.
        valgrind.args(shell::words("--errors-for-leak-kinds=definite --fair-sched=yes"));
        valgrind.arg("--show-leak-kinds=definite").env("REVEILLE_TEST_LIMIT", "1800");
        shell::run(valgrind.arg(binary).args(shell::words("--test-threads=1 --quiet")))?;
    }
    Ok(())
}

/// Builds the unit tests, and the task cell's tests from outside, and returns where they are.
fn test_binaries() -> Result<Vec<PathBuf>, String> {
    let mut units = shell::cargo();
    units.args(shell::words("test --lib --no-run --message-format=json"));
    units.args(PACKAGES.iter().flat_map(|package| ["-p", package]));
    let mut cell = shell::cargo();
    cell.args(shell::words("test -p reveille-task --test * --no-run --message-format=json"));
    let messages = shell::output(&mut units)? + &shell::output(&mut cell)?;
    // Each message is a line of JSON; the one field is easily found without a parser.
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
    // The standard library is as it came, and the compiler must be told that this is meant.
    cargo.env("RUSTFLAGS", "-Zsanitizer=address -Cunsafe-allow-abi-mismatch=sanitizer");
    cargo.env("CARGO_TARGET_DIR", shell::target_dir().join("address"));
    shell::run(&mut cargo)
}

/// Returns the triple of this machine.
pub(crate) fn host() -> Option<String> {
    let version = shell::output(shell::program("rustc").arg("-vV")).ok()?;
    version.lines().find_map(|line| line.strip_prefix("host: ")).map(str::to_owned)
}
