//! Type-checks the public crates for each target whose standard library is installed.
//!
//! Nothing is linked or run, so this shows only that a port compiles. It prints the targets that
//! are not installed; `rustup target add` installs them. `run` runs the tests of the systems that
//! this machine can run.

mod report;
mod run;
mod system;

pub(crate) use run::{Extent, list_absent, run, run_short_on_windows};

use crate::shell::{self, Outcome};

/// One target for each variant of the drivers and of the files in `os/`, and one with 32 bits.
const TARGETS: [&str; 5] = [
    "x86_64-apple-darwin",
    "x86_64-unknown-freebsd",
    "x86_64-pc-windows-gnu",
    "aarch64-unknown-linux-gnu",
    "i686-unknown-linux-gnu",
];

/// The tests that are skipped elsewhere: the system, and the words of the name.
pub(crate) fn skipped() -> impl Iterator<Item = (&'static str, &'static str)> {
    let of_system = |system: &'static system::System| {
        system.skipped.iter().map(|(test, _)| (system.name, *test))
    };
    system::SYSTEMS.iter().flat_map(of_system)
}

/// Checks each installed target.
pub(crate) fn check() -> Outcome {
    let installed = shell::output(shell::program("rustup").args(["target", "list", "--installed"]));
    // Without rustup only the compiler's own target is available.
    let installed = installed.unwrap_or_default();
    let is_here = |target: &&str| installed.lines().any(|line| line.trim() == *target);
    let (here, missing): (Vec<&str>, Vec<&str>) =
        TARGETS.iter().partition(|target| is_here(target));
    for target in here {
        let mut cargo = shell::cargo();
        cargo.args(["check", "--quiet", "-p", "reveille", "-p", "async-std", "-p", "async-io"]);
        cargo.args(["--target", target]);
        // A separate folder, so that the flag does not rebuild everything else.
        cargo.env("CARGO_TARGET_DIR", shell::target_dir().join("targets"));
        cargo.env("RUSTFLAGS", "-D warnings");
        shell::run(&mut cargo)?;
    }
    match missing[..] {
        [] => println!("targets: all of them type-check"),
        _ => println!(
            "targets: the installed ones type-check; not installed: {}",
            missing.join(", ")
        ),
    }
    Ok(())
}
