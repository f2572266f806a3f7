//! Tests that need a process of their own, because they end it or change what it reads only once.

use std::any::type_name_of_val;
use std::env;
use std::process::{Command, Stdio};

use crate::programs::{Finished, finish_reading};

/// In the process that a test started, the name of the test.
const NAME: &str = "REVEILLE_TEST_AGAIN";

/// Runs `child` in a process of its own: this test program again, for the one test that calls this.
///
/// In that process this runs `child` and returns `None`. In the test itself it returns how the
/// process ended. `prepare` may set the environment or the input of the process. `child` must be
/// written in the test function, because its type contains the test's name.
///
/// # Panics
///
/// Panics if the process cannot be started or does not end within two minutes.
pub fn in_own_process<P, C>(prepare: P, child: C) -> Option<Finished>
where
    P: FnOnce(&mut Command) -> Stdio,
    C: FnOnce(),
{
    // `program::module::test::{{closure}}`
    let name = type_name_of_val(&child).trim_end_matches("::{{closure}}");
    let (_, name) = name.split_once("::").expect("a test is a function of its program");
    if env::var_os(NAME).is_some_and(|value| *value == *name) {
        child();
        return None;
    }
    let program = env::current_exe().expect("the system knows what it runs");
    let mut command = Command::new(program);
    command.args(["--exact", name, "--nocapture", "--test-threads", "1"]).env(NAME, name);
    let stdin = prepare(&mut command);
    Some(finish_reading(&mut command, stdin))
}

/// As [`in_own_process`], where `child` must pass.
///
/// # Panics
///
/// Panics as [`in_own_process`], and if `child` does.
pub fn passes_in_own_process(environment: &[(&str, &str)], child: impl FnOnce()) {
    let prepare = |command: &mut Command| {
        command.envs(environment.iter().copied());
        Stdio::null()
    };
    if let Some(finished) = in_own_process(prepare, child) {
        assert!(finished.status.success(), "{}\n{}", finished.stdout, finished.stderr);
        assert!(finished.stdout.contains("1 passed"), "no test has this name: {}", finished.stdout);
    }
}
