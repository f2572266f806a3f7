//! Deadlocked tests fail with a dump, and others do not.
// Only on Unix: only there reveille can check whether a process makes progress.
#![cfg(unix)]

use std::future::pending;
use std::process::Output;
use std::time::Duration;

use reveille::observe::run_test;
use reveille::sync::Mutex;
use reveille::{channel, task};

use crate::again::{child, is_child};
use crate::names::assert_shown;

/// Runs the test again in a process of its own, where it may make no progress for a second.
fn outcome(name: &str) -> Output {
    child(&format!("deadlock::{name}"), ("REVEILLE_TEST_DEADLOCK", "1")).output().unwrap()
}

fn text(output: &Output) -> String {
    let both = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8(both).unwrap()
}

const SECOND_LOCK: u32 = line!() + 4;

async fn locks_twice(mutex: &Mutex<u32>) {
    let _first = mutex.lock().await;
    let _second = mutex.lock().await;
}

#[test]
fn a_test_that_locks_twice_fails_with_a_dump() {
    if is_child() {
        return run_test(async { locks_twice(&Mutex::new(1)).await });
    }
    let output = outcome("a_test_that_locks_twice_fails_with_a_dump");
    let text = text(&output);
    assert!(!output.status.success(), "{text}");
    assert!(text.contains("the test stands still: for 1 s"), "{text}");
    assert_shown(&text, "deadlock::locks_twice", "deadlock.rs", SECOND_LOCK);
    assert!(text.contains("deadlock: Every worker is parked"), "{text}");
}

#[test]
fn a_test_that_waits_for_tasks_that_wait_for_each_other_fails() {
    if is_child() {
        return run_test(async {
            let (sender, receiver) = channel::bounded::<u32>(1);
            let task = task::spawn(async move {
                let _keeps_it_open = sender;
                receiver.recv().await
            });
            task.await.unwrap();
        });
    }
    let output = outcome("a_test_that_waits_for_tasks_that_wait_for_each_other_fails");
    let text = text(&output);
    assert!(!output.status.success(), "{text}");
    assert!(text.contains("in async_channel::Recv"), "{text}");
}

#[test]
fn a_test_that_waits_for_a_timer_or_a_closure_passes() {
    if is_child() {
        run_test(task::sleep(Duration::from_millis(2500)));
        let closure = || std::thread::sleep(Duration::from_millis(2500));
        return run_test(async move { task::spawn_blocking(closure).await });
    }
    let output = outcome("a_test_that_waits_for_a_timer_or_a_closure_passes");
    assert!(output.status.success(), "{}", text(&output));
}

#[test]
fn a_test_that_waits_for_a_socket_or_a_child_passes() {
    if is_child() {
        return run_test(async {
            let listener = reveille::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let thread = std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(2500));
                std::net::TcpStream::connect(address).unwrap()
            });
            drop(listener.accept().await.unwrap());
            drop(thread.join().unwrap());
            let mut sleep = reveille::process::Command::new("sleep");
            assert!(sleep.arg("2.5").status().await.unwrap().success());
        });
    }
    let output = outcome("a_test_that_waits_for_a_socket_or_a_child_passes");
    assert!(output.status.success(), "{}", text(&output));
}

#[test]
fn a_test_that_waits_for_a_thread_that_computes_passes() {
    if is_child() {
        return run_test(async {
            let (sender, receiver) = channel::bounded(1);
            let thread = std::thread::spawn(move || {
                let begin = std::time::Instant::now();
                while begin.elapsed() < Duration::from_millis(2500) {
                    std::hint::spin_loop();
                }
                sender.send_blocking(()).unwrap();
            });
            receiver.recv().await.unwrap();
            thread.join().unwrap();
        });
    }
    let output = outcome("a_test_that_waits_for_a_thread_that_computes_passes");
    assert!(output.status.success(), "{}", text(&output));
}

#[reveille::test]
async fn a_test_with_the_attribute_is_watched() {
    if is_child() {
        locks_twice(&Mutex::new(1)).await;
    }
    let name = "a_test_with_the_attribute_is_watched";
    let output = task::spawn_blocking(|| outcome(name)).await;
    assert!(text(&output).contains("the test stands still: for 1 s"), "{}", text(&output));
}

#[reveille::test(deadlock = false)]
async fn a_test_that_opts_out_is_not_watched() {
    if is_child() {
        let (sender, receiver) = channel::bounded(1);
        let thread = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(2500));
            sender.send_blocking(()).unwrap();
        });
        receiver.recv().await.unwrap();
        return thread.join().unwrap();
    }
    let output = task::spawn_blocking(|| outcome("a_test_that_opts_out_is_not_watched")).await;
    assert!(output.status.success(), "{}", text(&output));
}

#[test]
fn a_program_is_not_watched() {
    if is_child() {
        let watched = std::thread::spawn(|| {
            let awaken = task::sleep(Duration::from_millis(2500));
            task::block_on(awaken);
        });
        drop(task::spawn(pending::<()>()));
        return watched.join().unwrap();
    }
    let output = outcome("a_program_is_not_watched");
    assert!(output.status.success(), "{}", text(&output));
}
