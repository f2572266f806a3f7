//! Support for tests that need a process of their own. Such a test ends the process, or it changes
//! or counts something of the whole process: a limit, a signal handler, the environment, the number
//! of threads.
//!
//! The harness runs a test by its name, which begins with the modules that contain the test. A test
//! does not have to spell out that name. It comes from the compiler, as part of the type name of an
//! item inside the test.

use std::any;
use std::env;
use std::process::{Command, Stdio};

use crate::programs::{self, Finished};

/// The variable with the name of the test, set in the process that the test starts.
const CHILD: &str = "REVEILLE_TEST_CHILD";

/// Returns the harness's name of the test that contains this call.
///
/// ```
/// assert!(reveille_tests::test_name!().ends_with("main"));
/// ```
#[macro_export]
macro_rules! test_name {
    () => {{
        fn here() {}
        $crate::child::name_around(&here)
    }};
}

/// Returns the name of the test that contains `item`: a function, a closure, or a future.
///
/// # Panics
///
/// Panics if the type of `item` is not defined inside a test.
pub fn name_around<T>(item: &T) -> &'static str {
    // `program::module::test::{{closure}}::here`
    let name = any::type_name_of_val(item).trim_end_matches("::here");
    let name = name.trim_end_matches("::{{closure}}");
    let (_, name) = name.split_once("::").expect("a test is a function of its program");
    name
}

/// Runs the test `name` of this binary in a process of its own, prints its output, and returns
/// `true`. In that process it returns `false`. [`test_name!`](crate::test_name) has the name.
///
/// # Panics
///
/// Panics unless the test ran there and passed.
#[must_use = "the caller is the test in one of two processes"]
pub fn has_run(name: &str) -> bool {
    if is_inside(name) {
        return false;
    }
    check(name, &programs::finish(&mut command(name)));
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
/// Panics if the system does not return the path of this binary.
pub fn command(name: &str) -> Command {
    let mut command = programs::itself();
    command.args(["--exact", name, "--nocapture", "--test-threads", "1"]).env(CHILD, name);
    command
}

/// Runs `body` in a process of its own: this binary again, for the one test that calls this.
///
/// In that process this runs `body` and returns `None`. In the test itself it returns how the
/// process ended. `prepare` may set the environment or the input of the process. `body` must be
/// written in the test function, because its type contains the test's name.
///
/// # Panics
///
/// Panics if the process cannot be started or does not end within two minutes.
pub fn in_own_process<P, B>(prepare: P, body: B) -> Option<Finished>
where
    P: FnOnce(&mut Command) -> Stdio,
    B: FnOnce(),
{
    let name = name_around(&body);
    if is_inside(name) {
        body();
        return None;
    }
    let mut command = command(name);
    let stdin = prepare(&mut command);
    Some(programs::finish_reading(&mut command, stdin))
}

/// Like [`in_own_process`], where `body` must pass.
///
/// # Panics
///
/// Panics as [`in_own_process`], and if `body` does.
pub fn passes_in_own_process(environment: &[(&str, &str)], body: impl FnOnce()) {
    let name = name_around(&body);
    let prepare = |command: &mut Command| {
        command.envs(environment.iter().copied());
        Stdio::null()
    };
    if let Some(finished) = in_own_process(prepare, body) {
        check(name, &finished);
    }
}

/// Prints the test's output, and fails unless the test ran and passed.
fn check(name: &str, finished: &Finished) {
    // The measurements of the test.
    println!("{}", finished.stdout);
    assert!(finished.status.success(), "{}: {}", finished.status, finished.stderr);
    assert!(finished.stdout.contains("1 passed"), "there is no test {name}");
}
