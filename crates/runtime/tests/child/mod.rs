//! A test that runs itself again as a process of its own.

use std::process::{Command, Output};

/// Names, in the process that a test started, the test.
const CHILD: &str = "REVEILLE_RUNTIME_TEST_CHILD";

/// Runs the test `name` of this binary in a process of its own; `None` inside that.
pub(crate) fn run(name: &str) -> Option<Output> {
    if std::env::var_os(CHILD).is_some_and(|child| child == name) {
        return None;
    }
    let exe = std::env::current_exe().expect("a test knows its binary");
    let mut child = Command::new(exe);
    child.args(["--exact", name, "--nocapture", "--test-threads", "1"]);
    Some(child.env(CHILD, name).output().expect("the test can run itself"))
}
