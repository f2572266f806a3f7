//! Programs that are stuck, in processes of their own, and what they print on a signal.
// Only on Unix: a signal prints a dump.
#![cfg(unix)]

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Stdio};

#[cfg(target_os = "linux")]
use reveille_tests::programs::through_runner;
#[cfg(target_os = "linux")]
use reveille_tests::scratch::Scratch;
use rustix::process::{Pid, Signal, kill_process};

use crate::again::{child, is_child};

/// Starts the example of this name.
fn stuck(arguments: &[&str]) -> Child {
    let mut command = reveille_tests::programs::command("stuck");
    command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Waits until the child says that it is stuck, and returns what it prints on SIGQUIT, up to the
/// line that contains `last`. Asks again while a part of `wanted` is missing: the child may still
/// be busy.
fn dump_of(mut child: Child, last: &str, wanted: &[&str]) -> String {
    let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(said.any(|line| line.unwrap().contains("stuck: ")), "it ended");
    let pid = Pid::from_child(&child);
    kill_process(pid, Signal::QUIT).unwrap();
    let mut text = String::new();
    for line in BufReader::new(child.stderr.take().unwrap()).lines() {
        let line = line.unwrap();
        text.push_str(&line);
        text.push('\n');
        if line.contains(last) {
            if wanted.iter().all(|part| text.contains(part)) {
                break;
            }
            text.clear();
            kill_process(pid, Signal::QUIT).unwrap();
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    text
}

/// The lines of the source that `code` is in.
fn lines_with(code: &str) -> Vec<String> {
    let source = include_str!("../../examples/stuck.rs");
    let lines = source.lines().enumerate().filter(|(_, line)| line.contains(code));
    let places: Vec<_> = lines.map(|(at, _)| format!("stuck.rs:{}:", at + 1)).collect();
    assert!(!places.is_empty(), "{code}");
    places
}

/// Checks the deadlocks of the example, in a dump with this number of entries of single tasks.
fn has_all_sides(text: &str, entries: usize) {
    let awaits = [
        "let mut to = to.lock().await",
        "orders.send(number).await",
        "receipts.send(number).await",
        "leader.await;",
    ];
    for code in awaits {
        for place in lines_with(code) {
            assert!(text.contains(&place), "{code} at {place}: {text}");
        }
    }
    // Both tasks of each pair, by the places where they were spawned.
    let spawned = text.lines().filter(|line| line.trim_start().starts_with("task spawned at "));
    assert_eq!(spawned.count(), entries, "{text}");
    for line in text.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
}

#[test]
fn a_stuck_program_names_both_sides_of_each_deadlock() {
    let text =
        dump_of(stuck(&[]), "and its poll left no waker", &["deadlock: Every worker is parked"]);
    has_all_sides(&text, 6);
    assert!(text.contains("deadlock: Every worker is parked"), "{text}");
    assert!(text.contains("wait for each other and never end"), "{text}");
}

#[test]
fn a_stuck_program_whose_workers_are_blocked_also_names_them() {
    let text = dump_of(
        stuck(&["--block-all"]),
        "and its poll left no waker",
        &["0 of 2 workers parked", "reveille-0, runs for ", "reveille-1, runs for "],
    );
    has_all_sides(&text, 8);
    assert!(text.contains("0 of 2 workers parked"), "{text}");
    assert!(!text.contains("Every worker is parked"), "{text}");
}

/// The program that reduces others. A program that needs a runner is of another processor, whose
/// tools have its name.
#[cfg(target_os = "linux")]
fn objcopy() -> String {
    let has_runner = through_runner("program".as_ref()).get_program() != "program";
    let prefix = has_runner.then(|| format!("{}-linux-gnu-", std::env::consts::ARCH));
    prefix.unwrap_or_default() + "objcopy"
}

/// Makes a copy of the example, reduced by `tool`. `None` if the machine lacks the tool.
#[cfg(target_os = "linux")]
fn reduced(name: &str, tool: &[&str]) -> Option<Scratch> {
    let copy = Scratch::new();
    let mut command = std::process::Command::new(tool[0]);
    command.args(&tool[1..]).arg(reveille_tests::programs::example(name)).arg(&copy.0);
    match command.status() {
        Ok(status) => assert!(status.success(), "{tool:?}"),
        Err(error) => {
            eprintln!("NOT TESTED: there is no {}: {error}", tool[0]);
            return None;
        }
    }
    Some(copy)
}

/// The places of the spawns are in the program itself, and the C library may have symbols.
// Only on Linux: it reduces a program with objcopy.
#[cfg(target_os = "linux")]
#[test]
fn without_symbols_or_unwind_tables_a_dump_has_all_tasks_and_says_what_is_missing() {
    let tables = [".eh_frame", ".eh_frame_hdr", ".gcc_except_table"];
    let tables: Vec<&str> = tables.iter().flat_map(|name| ["-R", *name]).collect();
    let objcopy = objcopy();
    for tool in [vec![&*objcopy, "--strip-all"], [&[&*objcopy][..], &tables].concat()] {
        let Some(program) = reduced("stuck", &tool) else { continue };
        let mut command = through_runner(&program.0);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let text =
            dump_of(child, "and its poll left no waker", &["deadlock: Every worker is parked"]);
        let spawned = text.lines().filter(|line| line.trim_start().starts_with("task spawned at "));
        assert_eq!(spawned.count(), 6, "{tool:?}: {text}");
        assert!(text.contains("There are no symbols or no unwind tables"), "{tool:?}: {text}");
        for foreign in ["start_thread", "clone", "Backtrace"] {
            assert!(!text.contains(foreign), "{tool:?}: {text}");
        }
    }
}

#[test]
fn the_environment_makes_the_global_runtime_print_a_dump() {
    let name = "programs::the_environment_makes_the_global_runtime_print_a_dump";
    if is_child() {
        drop(reveille::task::spawn(std::future::pending::<()>()));
        println!("stuck: with the global runtime");
        loop {
            std::thread::park();
        }
    }
    let child = child(name, ("REVEILLE_DUMP", "1")).spawn().unwrap();
    let text = dump_of(child, "left no waker", &["programs.rs:"]);
    assert!(text.contains("programs.rs:"), "{text}");
}

#[test]
fn without_it_the_signal_ends_the_program() {
    let name = "programs::without_it_the_signal_ends_the_program";
    if is_child() {
        drop(reveille::task::spawn(std::future::pending::<()>()));
        println!("stuck: for the moment");
        loop {
            std::thread::park();
        }
    }
    let mut child = child(name, ("A", "B")).spawn().unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(said.any(|line| line.unwrap().contains("stuck: ")), "it ended");
    kill_process(Pid::from_child(&child), Signal::QUIT).unwrap();
    let mut text = String::new();
    child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
    assert!(!child.wait().unwrap().success());
    assert!(!text.contains("dump of"), "{text}");
}
