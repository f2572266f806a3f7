//! Programs that are deadlocked, and some that only seem to be, for the tests of lints. Each lint
//! is printed, and a deadlocked program ends with it. They are in a separate program, because the
//! test harness has threads that may wake a task.

#![allow(clippy::disallowed_methods, reason = "threads that block, and the arguments of a program")]

use std::future::pending;
use std::time::Duration;

use reveille::observe::{Lint, LintKind};
use reveille::runtime::Builder;
use reveille::{channel, task};

/// Longer than the limit after which a deadlocked program is reported.
const LONG: Duration = Duration::from_millis(2500);

fn print(lint: &Lint) {
    println!("lint: {lint}");
    if lint.kind == LintKind::Quiescent {
        std::process::exit(0);
    }
}

fn main() {
    let case = std::env::args().nth(1).unwrap_or_default();
    // With one worker, another thread has to take it over from a poll that blocks.
    let workers = if case == "thread-in-poll" { 1 } else { 2 };
    let runtime = Builder::new().workers(workers).on_lint(print).build().expect("a runtime");
    let (sender, receiver) = channel::bounded::<()>(1);
    match &*case {
        "stuck" => {
            drop(runtime.spawn(async move { receiver.recv().await }));
            runtime.block_on(pending::<()>());
        }
        "stuck-in-block-on" => runtime.block_on(async move { _ = receiver.recv().await }),
        "thread" => {
            let thread = std::thread::spawn(move || {
                std::thread::sleep(LONG);
                sender.send_blocking(()).expect("it waits");
            });
            runtime.block_on(receiver.recv()).expect("the thread sends");
            thread.join().expect("no panic");
        }
        "thread-in-poll" => {
            // The poll blocks its thread, and another thread has its worker.
            let blocks = runtime.spawn(async { std::thread::sleep(LONG) });
            runtime.block_on(runtime.spawn(task::sleep(Duration::from_millis(100))));
            runtime.block_on(blocks);
        }
        "closure" => {
            runtime.block_on(async { task::spawn_blocking(|| std::thread::sleep(LONG)).await });
        }
        "timer" => runtime.block_on(runtime.spawn(task::sleep(LONG))),
        case => panic!("no case {case:?}"),
    }
    println!("it went on");
}
