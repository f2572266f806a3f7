//! The example with many processes.

use std::process::Stdio;

use crate::shell::{self, Outcome};

/// Runs the tests of the fleet, with workers that are killed.
pub(crate) fn run() -> Outcome {
    if !is_installed("nats-server") {
        return Err("the fleet needs `nats-server`, a package of Debian".to_owned());
    }
    let test = "test --locked --manifest-path examples/fleet/Cargo.toml -- --nocapture";
    shell::run(shell::cargo().args(shell::words(test)))
}

fn is_installed(name: &str) -> bool {
    shell::succeeds(shell::program(name).arg("--version").stderr(Stdio::null()))
}
