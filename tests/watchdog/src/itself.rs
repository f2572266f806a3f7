//! Starts this test program again.

use std::env;
use std::process::Command;

/// The variable with the command that runs programs of this system, if the kernel cannot start them
/// by itself: its words, separated by spaces. `cargo xtask targets --run` sets it.
const RUNNER: &str = "REVEILLE_TEST_RUNNER";

/// Returns the command that starts this test program again, without arguments.
///
/// # Panics
///
/// Panics if the system does not return the path of the program.
#[must_use]
pub fn itself() -> Command {
    through_runner(&env::current_exe().expect("a test knows its program"))
}

/// Returns the command that starts a program which was built for the same system as this one.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "there is no builder that it could be passed to")]
pub fn through_runner(program: &std::path::Path) -> Command {
    let runner = env::var(RUNNER).unwrap_or_default();
    let mut words = runner.split_whitespace();
    let Some(first) = words.next() else { return Command::new(program) };
    let mut command = Command::new(first);
    command.args(words).arg(program);
    command
}

/// Whether an emulator runs this program, which takes several times the processor's time.
#[must_use]
pub fn is_emulated() -> bool {
    env::var_os(RUNNER).is_some_and(|runner| runner.to_string_lossy().contains("qemu"))
}
