//! The reports of simulations that fail.

#![cfg(target_os = "linux")]
#![allow(clippy::disallowed_methods, reason = "these calls are what is simulated")]

use std::future::pending;
use std::panic::UnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use reveille::{sim, task};
use reveille_watchdog as _;

/// The message with which `test` fails.
fn failure(test: impl FnOnce() + UnwindSafe) -> String {
    let payload = std::panic::catch_unwind(test).expect_err("a seed fails");
    payload.downcast_ref::<String>().expect("a text").clone()
}

/// Adds one, in two steps. An update is lost if another task reads in between.
async fn add_badly(count: Arc<AtomicUsize>) {
    let read = count.load(Ordering::Relaxed);
    task::yield_now().await;
    count.store(read + 1, Ordering::Relaxed);
}

/// Counts to two in two tasks, beside other tasks that do not matter. The first one begins after a
/// message, so that most orders do not lose an update.
async fn count_to_two() {
    let noise: Vec<_> = (0..5)
        .map(|number| task::spawn(async move { task::sleep(Duration::from_millis(number)).await }))
        .collect();
    let count = Arc::new(AtomicUsize::new(0));
    task::spawn(add_badly(Arc::clone(&count))).await;
    let second = task::spawn(add_badly(Arc::clone(&count)));
    let third = task::spawn(add_badly(Arc::clone(&count)));
    second.await;
    third.await;
    for task in noise {
        task.await;
    }
    let unlucky = sim::draw("luck", 10);
    assert!(count.load(Ordering::Relaxed) == 3 || unlucky == Some(0), "an update is lost");
}

#[test]
fn a_failure_is_repeated_shrunk_and_bisected() {
    let text = failure(|| {
        let test = sim::Builder::new().seeds(0..200).shrink_time(Duration::from_secs(40));
        test.test_name("a_failure_is_repeated_shrunk_and_bisected").run(count_to_two);
    });
    assert!(text.contains("again in a fresh process: yes, same trace"), "{text}");
    assert!(text.contains("shrunk to 0 faults,"), "{text}");
    // It matters only that the number is not 0.
    assert!(text.contains("and 1 choice of the program"), "{text}");
    assert!(text.contains("inevitable "), "{text}");
    let line = text.lines().find_map(|line| line.strip_prefix("replay of that: ")).expect("a line");
    let value = |name: &str| {
        let mut words = line.split(' ').filter_map(|word| word.split_once('='));
        words.find(|(key, _)| *key == name).expect("a variable").1
    };
    let seed = value("REVEILLE_SIM_SEED");
    let mut command = std::process::Command::new(std::env::current_exe().expect("this program"));
    command.args(["--exact", "a_failure_is_repeated_shrunk_and_bisected", "--nocapture"]);
    command.env("REVEILLE_SIM_SEED", seed).env("REVEILLE_SIM_REPLAY", value("REVEILLE_SIM_REPLAY"));
    let output = command.output().expect("this program can be started");
    // The outer test fails, because the inner one does, and this one expects a longer text.
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(text.contains("an update is lost"), "{text}");
}

/// On an idle machine the task has ended long before. On a busy one it has not.
#[test]
fn a_test_that_sleeps_until_another_task_has_ended_fails() {
    let text = failure(|| {
        let name = "a_test_that_sleeps_until_another_task_has_ended_fails";
        sim::Builder::new().seeds(0..500).test_name(name).run(|| async {
            let task = task::spawn(task::sleep(Duration::from_millis(100)));
            task::sleep(Duration::from_millis(102)).await;
            assert!(task.is_finished(), "2 ms were too short");
        });
    });
    assert!(text.contains("2 ms were too short"), "{text}");
}

#[test]
fn of_seeds_that_run_side_by_side_the_first_that_fails_is_reported() {
    let text = failure(|| {
        let test = sim::Builder::new().seeds(0..40).shrink_time(Duration::ZERO);
        let name = "of_seeds_that_run_side_by_side_the_first_that_fails_is_reported";
        test.test_name(name).run(|| async {
            let seed = sim::seed().unwrap_or(0);
            // Seed 3 takes longer than those after it.
            for _ in 0..if seed == 3 { 20_000 } else { 0 } {
                task::yield_now().await;
            }
            assert!(seed < 3, "seed {seed} fails");
        });
    });
    assert!(text.contains("panics under seed 3 ") && text.contains("3 seeds passed"), "{text}");
}

#[test]
fn a_thread_that_reads_the_clock_until_another_one_acts_lets_it_run() {
    sim::Builder::new().seeds(0..20).run(|| async {
        let has_acted = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&has_acted);
        let reader = task::spawn_blocking(move || {
            let start = std::time::Instant::now();
            while seen.load(Ordering::Relaxed) == 0 {
                assert!(start.elapsed() < Duration::from_secs(10), "it was never let run");
            }
        });
        task::spawn_blocking(move || has_acted.store(1, Ordering::Relaxed)).await;
        reader.await;
    });
}

#[test]
fn all_orders_of_a_small_test_are_tried() {
    sim::Builder::new().exhaustive(1).run(|| async {
        let tasks: Vec<_> = (0..2).map(|number| task::spawn(async move { number })).collect();
        let mut sum = 0;
        for task in tasks {
            sum += task.await;
        }
        assert_eq!(sum, 1);
    });
}

#[test]
fn an_order_that_fails_is_found_without_seeds() {
    let text = failure(|| {
        let test = sim::Builder::new().exhaustive(2);
        test.test_name("an_order_that_fails_is_found_without_seeds").run(|| async {
            let count = Arc::new(AtomicUsize::new(0));
            let tasks: Vec<_> =
                (0..2).map(|_| task::spawn(add_badly(Arc::clone(&count)))).collect();
            for task in tasks {
                task.await;
            }
            assert_eq!(count.load(Ordering::Relaxed), 2, "an update is lost");
        });
    });
    assert!(text.contains("an update is lost"), "{text}");
    assert!(text.contains("deviations from the first order"), "{text}");
}

#[test]
fn a_task_that_wakes_itself_forever_is_named() {
    let text = failure(|| {
        let test = sim::Builder::new().seeds(0..1).shrink_time(Duration::ZERO);
        test.test_name("a_task_that_wakes_itself_forever_is_named").run(|| async {
            let spinning = task::spawn(async {
                loop {
                    task::yield_now().await;
                }
            });
            spinning.await
        });
    });
    assert!(text.contains("repeats itself for ever under seed 0"), "{text}");
    assert!(text.contains("failures.rs") && text.contains("has woken itself"), "{text}");
}

#[reveille::test(simulate = 3)]
async fn a_task_that_waits_for_another_by_yielding_is_no_livelock() {
    let flag = Arc::new(AtomicUsize::new(0));
    let other = Arc::clone(&flag);
    let sleeping = task::spawn(async move {
        task::sleep(Duration::from_secs(30)).await;
        other.store(1, Ordering::Relaxed);
    });
    while flag.load(Ordering::Relaxed) == 0 {
        task::yield_now().await;
    }
    sleeping.await;
}

#[test]
fn a_deadlock_without_a_limit_shows_what_the_tasks_wait_for() {
    let output = std::process::Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "it_waits_for_a_task_that_never_ends", "--nocapture"])
        .env("REVEILLE_SIM_ALL", "1")
        .env("REVEILLE_SIM_SHRINK", "0")
        .output()
        .expect("this program can be started");
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(!output.status.success() && text.contains("deadlocks under seed 0"), "{text}");
    assert!(text.contains("failures.rs:"), "{text}");
}

#[reveille::test(deadlock = false)]
async fn it_waits_for_a_task_that_never_ends() {
    if sim::is_simulated() {
        task::spawn(pending::<()>()).await;
    }
}

#[test]
fn the_first_difference_is_shown_with_its_poll() {
    let text = failure(|| {
        let test = sim::Builder::new().seeds(0..1).checked();
        test.test_name("the_first_difference_is_shown_with_its_poll").run(|| async {
            let task = task::spawn(async {
                // The environments of the two processes differ.
                sim::note(std::env::vars().map(|(_, value)| value.len() as u64).sum());
            });
            task.await;
        });
    });
    assert!(text.contains("is not deterministic"), "{text}");
    let poll = text.split_once("in the poll that ends with").expect("a poll").1;
    assert!(poll.contains("of the task spawned at failures.rs:"), "{text}");
}

#[reveille::test]
async fn a_test_to_record() {
    let tasks: Vec<_> =
        (0..3).map(|hours| task::spawn(task::sleep(Duration::from_secs(3600 * hours)))).collect();
    if sim::is_simulated() {
        for task in tasks {
            task.await;
        }
    }
}

#[test]
fn a_simulation_can_be_recorded_for_the_viewer() {
    let file = std::env::temp_dir().join(format!("reveille-sim-{}.rvt", std::process::id()));
    let output = std::process::Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "a_test_to_record", "--nocapture"])
        .env("REVEILLE_SIM_SEED", "0")
        .env("REVEILLE_TRACE", &file)
        // The run outside of simulations, which follows, is not wanted.
        .env("REVEILLE_SIM_CHILD", "a_test_to_record")
        .output()
        .expect("this program can be started");
    assert!(output.status.success(), "{output:?}");
    let bytes = std::fs::read(&file).expect("the recording");
    std::fs::remove_file(&file).expect("the recording can be removed");
    let trace = reveille_trace::Trace::read(&bytes).expect("a trace");
    assert!(trace.tasks.len() >= 3 && trace.polls.len() >= 3);
    assert!(trace.end >= 2 * 3_600 * 1_000_000_000, "the times are virtual: {}", trace.end);
}
