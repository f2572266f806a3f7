//! Runs a test again in a child process.

use std::process::{Command, Output};

/// The environment variable with the name of the test, set in the child process.
const CHILD: &str = "REVEILLE_RUNTIME_TEST_CHILD";

/// Runs the test `name` of this binary in a child process and returns its output. Returns `None`
/// inside the child.
pub(crate) fn run(name: &str) -> Option<Output> {
    if std::env::var_os(CHILD).is_some_and(|child| child == name) {
        return None;
    }
    let exe = std::env::current_exe().expect("the path of the test binary");
    let mut child = Command::new(exe);
    child.args(["--exact", name, "--nocapture", "--test-threads", "1"]);
    Some(child.env(CHILD, name).output().expect("the test starts itself"))
}
