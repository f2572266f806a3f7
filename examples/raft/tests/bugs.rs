//! Each planted bug is found, and the program without one passes.

use std::process::{Command, Output};

use reveille_watchdog as _;

/// What the checks of the example say. Another failure is not the bug's.
const SAID: [&str; 4] = [
    "both lead in term",
    "was applied",
    "was acknowledged, and is lost",
    "the cluster does not work, although all faults are over",
];

/// The search ends with the first that fails.
const SEEDS: &str = "0..2000";

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_reveille-raft"))
        .args(arguments)
        // What the run of a failure is made simpler to is not of interest here.
        .env("REVEILLE_SIM_SHRINK", "0")
        .output()
        .expect("the program can be started")
}

fn is_found(bug: &str) {
    let output = run(&["--seeds", SEEDS, "--bug", bug]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "no seed of {SEEDS} finds {bug}");
    assert!(SAID.iter().any(|said| text.contains(said)), "{text}");
}

#[test]
fn no_seed_fails_without_a_bug() {
    let output = run(&["--seeds", "0..20"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn two_votes_in_a_term_are_found() {
    is_found("double-vote");
}

#[test]
fn a_commit_of_an_entry_of_an_earlier_term_is_found() {
    is_found("stale-commit");
}

#[test]
fn a_log_that_loses_its_end_is_found() {
    is_found("lost-log-suffix");
}

#[test]
fn a_message_of_an_earlier_term_that_is_believed_is_found() {
    is_found("no-term-check");
}

#[test]
fn a_log_that_is_not_synced_is_found() {
    is_found("no-fsync");
}

#[test]
fn an_answer_before_a_majority_has_the_entry_is_found() {
    is_found("ack-before-quorum");
}
