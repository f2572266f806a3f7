//! A test program with a test that hangs ends by itself, and prints the test's name and stack.
//!
//! Each test starts itself as a process that hangs, and reads the report of its watchdog.

use std::future::pending;
use std::process::Command;
use std::sync::mpsc;

use reveille::task::{self, Builder};
use reveille_tests::programs::{Finished, finish};
use reveille_tests::{child, test_name};

/// Seconds that a test may take in the process that hangs.
const LIMIT: &str = "2";

/// Runs the test `name` in a process that hangs, and returns how it was ended.
fn run(name: &str, prepare: impl FnOnce(&mut Command)) -> Finished {
    let mut command = child::command(name);
    command.env("REVEILLE_TEST_LIMIT", LIMIT);
    prepare(&mut command);
    let finished = finish(&mut command);
    assert!(!finished.status.success(), "it passed: {}", finished.stdout);
    finished
}

fn assert_says(finished: &Finished, texts: &[&str]) {
    for text in texts {
        assert!(finished.stderr.contains(text), "{text} is missing in:\n{}", finished.stderr);
    }
}

#[test]
fn a_hanging_test_is_named_with_its_stack_and_its_tasks() {
    let name = test_name!();
    if child::is_inside(name) {
        let task = Builder::new().name("nobody wakes it".to_owned()).spawn(pending::<()>());
        return task::block_on(task.expect("room for a task"));
    }
    let finished = run(name, |_| ());
    assert_says(
        &finished,
        &[
            &format!("the test {name} hangs"),
            // The stack of the thread contains this function.
            "hangs::a_hanging_test_is_named",
            "'nobody wakes it', spawned at tests/programs/hangs.rs",
        ],
    );
}

#[test]
fn a_hanging_test_is_named_while_the_harness_runs_several() {
    let name = test_name!();
    if child::is_inside(name) {
        let (_sender, receiver) = mpsc::channel::<()>();
        return receiver.recv().expect("the sender lives, and sends nothing");
    }
    let (module, _) = name.rsplit_once("::").expect("a module of its program");
    let quick = format!("{module}::quick");
    let finished = run(name, |command| {
        let mut several = reveille_watchdog::itself();
        // In the child, the second test does not start another child.
        several.args(["--test-threads", "2", "--exact", name, &quick]);
        several.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        *command = several;
    });
    assert_says(&finished, &[&format!("the test {name} hangs")]);
    assert!(!finished.stderr.contains(&format!("the test {quick} hangs")), "{}", finished.stderr);
}

#[test]
fn quick() {
    assert!(!reveille_watchdog::limit().is_zero());
}

/// A test may leave something behind that keeps the process from ending after all tests have
/// passed.
#[test]
fn an_end_of_the_program_that_hangs_is_ended() {
    let name = test_name!();
    extern "C" fn never_returns() {
        loop {
            std::thread::park();
        }
    }
    if child::is_inside(name) {
        // SAFETY: a function that may be called at the end of the process, which it prevents.
        assert_eq!(unsafe { libc::atexit(never_returns) }, 0);
        return;
    }
    let finished = run(name, |_| ());
    assert_says(&finished, &["no test runs: the end of the program hangs"]);
}
