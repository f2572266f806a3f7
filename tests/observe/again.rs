//! A test that runs again in a process of its own, with its outputs in pipes.

use std::process::{Command, Stdio};

const CHILD: &str = "REVEILLE_TEST_CHILD";

/// Runs the test of this name again in a process of its own, with a variable of the environment.
pub(crate) fn child(name: &str, variable: (&str, &str)) -> Command {
    let mut command = reveille_watchdog::itself();
    command
        .args(["--exact", name, "--nocapture", "--test-threads", "1"])
        .env(CHILD, name)
        .env(variable.0, variable.1)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

pub(crate) fn is_child() -> bool {
    std::env::var_os(CHILD).is_some()
}
