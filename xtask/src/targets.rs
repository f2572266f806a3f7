//! The other systems: the public crates type-checked for each whose standard library is installed.
//!
//! Nothing is linked or run, so this says that a port is written in Rust that holds together and no
//! more. What is not installed is named; `rustup target add` brings it.

use crate::shell::{self, Outcome};

/// One for each way the drivers and the files of `os/` differ, and 32 bits.
const TARGETS: [&str; 5] = [
    "x86_64-apple-darwin",
    "x86_64-unknown-freebsd",
    "x86_64-pc-windows-gnu",
    "aarch64-unknown-linux-gnu",
    "i686-unknown-linux-gnu",
];

/// Checks what can be checked here.
pub(crate) fn run() -> Outcome {
    let installed = shell::output(shell::program("rustup").args(["target", "list", "--installed"]));
    // Without rustup there is the one target of the compiler.
    let installed = installed.unwrap_or_default();
    let is_here = |target: &&str| installed.lines().any(|line| line.trim() == *target);
    let (here, missing): (Vec<&str>, Vec<&str>) =
        TARGETS.iter().partition(|target| is_here(target));
    for target in here {
        let mut cargo = shell::cargo();
        cargo.args(["check", "--quiet", "-p", "reveille", "-p", "async-std", "--target", target]);
        // Of its own, so that the flag does not rebuild the rest.
        cargo.env("CARGO_TARGET_DIR", shell::target_dir().join("targets"));
        cargo.env("RUSTFLAGS", "-D warnings");
        shell::run(&mut cargo)?;
    }
    match missing[..] {
        [] => println!("targets: all of them type-check"),
        _ => println!("targets: what is here type-checks; not here: {}", missing.join(", ")),
    }
    Ok(())
}
