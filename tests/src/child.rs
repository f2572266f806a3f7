//! Tests that change something of the whole process, such as a limit or a signal handler. Each runs
//! itself again in a process of its own.

use std::env;
use std::process::Command;

use crate::programs;

/// In the process that a test started, the name of the test.
const CHILD: &str = "REVEILLE_TEST_CHILD";

/// Runs the test `name` of this binary in a process of its own, prints its output, and returns
/// `true`. In that process it returns `false`.
///
/// # Panics
///
/// Panics unless the test ran there and passed.
#[must_use = "the caller is the test in one of two processes"]
pub fn has_run(name: &str) -> bool {
    if is_inside(name) {
        return false;
    }
    let finished = programs::finish(&mut command(name));
    // The measurements of the test.
    println!("{}", finished.stdout);
    assert!(finished.status.success(), "{}: {}", finished.status, finished.stderr);
    assert!(finished.stdout.contains("1 passed"), "there is no test {name}");
    true
}

/// Whether this is the process in which the test `name` runs alone.
pub fn is_inside(name: &str) -> bool {
    env::var_os(CHILD).is_some_and(|child| child == name)
}

/// Returns the command that starts the test `name` of this binary in a process of its own.
///
/// # Panics
///
/// Panics when the system does not say where this binary is.
pub fn command(name: &str) -> Command {
    let mut command = Command::new(env::current_exe().expect("a test knows its binary"));
    command.args(["--exact", name, "--nocapture", "--test-threads", "1"]).env(CHILD, name);
    command
}
