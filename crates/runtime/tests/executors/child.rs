//! A test that runs itself again as a process of its own.

use std::any::type_name;
use std::process::Output;

/// In the process that a test started, the name of the test.
const CHILD: &str = "REVEILLE_RUNTIME_TEST_CHILD";

/// Runs the test in which `body` is written again, in a process of its own, and returns how that
/// ended. That process runs `body` and exits with success.
pub(crate) fn run<B: FnOnce()>(body: B) -> Output {
    // `program::module::test::{{closure}}`
    let path = type_name::<B>().trim_end_matches("::{{closure}}");
    let (_, name) = path.split_once("::").expect("a test is a function of its program");
    if std::env::var_os(CHILD).is_some_and(|child| child == name) {
        body();
        std::process::exit(0);
    }
    let mut child = reveille_watchdog::itself();
    child.args(["--exact", name, "--nocapture", "--test-threads", "1"]);
    let output = child.env(CHILD, name).output().expect("the test can run itself");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("running 1 test"), "there is no test {name}");
    output
}
