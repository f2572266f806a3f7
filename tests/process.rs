//! `process`: pipes, ends, and that no zombie stays.

#![cfg(unix)]

use reveille_watchdog as _;

use futures_lite::{AsyncReadExt as _, AsyncWriteExt as _, future};
use reveille::process::{Command, Stdio};
use reveille::task::block_on;

fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    command
}

async fn status_is_that_of_the_child() {
    assert_eq!(shell("exit 7").status().await.unwrap().code(), Some(7));
    let mut child = shell("exit 3").spawn().unwrap();
    assert_eq!(child.status().await.unwrap().code(), Some(3));
    assert_eq!(child.status().await.unwrap().code(), Some(3), "as often as asked");
    assert_eq!(child.try_status().unwrap().unwrap().code(), Some(3));
}

async fn output_reads_both_pipes_beyond_what_they_hold() {
    let script = "head -c 300000 /dev/zero; head -c 300000 /dev/zero >&2; exit 1";
    let output = shell(script).output().await.unwrap();
    assert_eq!((output.stdout.len(), output.stderr.len()), (300_000, 300_000));
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn child_is_started_by_the_call_and_not_by_the_poll() {
    let marker = std::env::temp_dir().join(format!("reveille-process-{}", std::process::id()));
    let waiting = Command::new("touch").arg(&marker).status();
    while !marker.exists() {
        std::thread::yield_now();
    }
    assert!(block_on(waiting).unwrap().success());
    std::fs::remove_file(marker).unwrap();
}

/// Workers have none, and would hand that on.
#[cfg(target_os = "linux")]
#[test]
fn children_and_blocking_threads_have_the_usual_timer_slack() {
    const FILE: &str = "/proc/self/timerslack_ns";
    fn of_this_thread() -> Vec<u8> {
        std::process::Command::new("cat").arg(FILE).output().unwrap().stdout
    }
    let usual = of_this_thread();
    assert!(!usual.is_empty());
    let task = reveille::task::spawn(async {
        let least = of_this_thread();
        let child = Command::new("cat").arg(FILE).output().await.unwrap().stdout;
        let closure = reveille::task::spawn_blocking(of_this_thread).await;
        [least, child, closure]
    });
    let [least, child, closure] = block_on(task);
    assert_eq!((child, closure), (usual, of_this_thread()));
    assert_eq!(least, b"1\n", "what std starts in a task is as punctual as the worker");
}

async fn pipes_carry_more_than_they_hold_in_both_directions() {
    let mut cat = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut stdin, mut stdout) = (cat.stdin.take().unwrap(), cat.stdout.take().unwrap());
    let bytes = vec![42; 1_000_000];
    let write = async {
        stdin.write_all(&bytes).await.unwrap();
        drop(stdin);
    };
    let mut echo = Vec::new();
    future::zip(write, async { stdout.read_to_end(&mut echo).await.unwrap() }).await;
    assert!(echo == bytes);
    assert!(cat.status().await.unwrap().success());
}

async fn status_closes_the_standard_input() {
    let mut cat = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
    assert!(cat.try_status().unwrap().is_none());
    assert!(cat.status().await.unwrap().success());
}

async fn kill_ends_a_child_that_is_waited_for() {
    let mut sleep = Command::new("sleep").arg("1000").spawn().unwrap();
    let status = sleep.status();
    sleep.kill().unwrap();
    assert!(!status.await.unwrap().success());
}

async fn two_futures_may_wait_for_one_child() {
    let mut cat = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
    let stdin = cat.stdin.take();
    let (first, second) = (cat.status(), cat.status());
    drop(stdin);
    let (first, second) = future::zip(first, second).await;
    assert_eq!(first.unwrap(), second.unwrap());
}

async fn missing_program_is_an_error() {
    let error = Command::new("/no/such/program").output().await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
}

/// What the system says of a process: `Z` is a zombie, `None` is gone.
#[cfg(target_os = "linux")]
fn state_of(id: u32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    stat.rsplit(") ").next()?.chars().next()
}

#[cfg(target_os = "linux")]
#[test]
fn dropped_child_leaves_no_zombie() {
    block_on(async {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let (id, stdin) = (child.id(), child.stdin.take());
        drop(child);
        assert!(matches!(state_of(id), Some(state) if state != 'Z'), "dropping does not end it");
        drop(stdin);
        while state_of(id).is_some() {
            reveille::task::spawn_blocking(std::thread::yield_now).await;
        }
    });
}

#[cfg(target_os = "linux")]
#[test]
fn kill_on_drop_ends_the_child_and_its_zombie() {
    block_on(async {
        let child = Command::new("sleep").arg("1000").kill_on_drop(true).spawn().unwrap();
        let id = child.id();
        drop(child);
        while state_of(id).is_some() {
            reveille::task::spawn_blocking(std::thread::yield_now).await;
        }
    });
}

async fn kill_on_drop_waits_for_the_last_future() {
    let mut child = shell("exit 5").kill_on_drop(true).spawn().unwrap();
    let status = child.status();
    drop(child);
    assert_eq!(status.await.unwrap().code(), Some(5));
}

async fn pipe_of_one_child_is_the_input_of_another() {
    let mut echo = Command::new("echo").arg("hi").stdout(Stdio::piped()).spawn().unwrap();
    let stdout = echo.stdout.take().unwrap().into_stdio().await.unwrap();
    let output = Command::new("cat").stdin(stdout).output().await.unwrap();
    assert_eq!(output.stdout, b"hi\n");
    assert!(echo.status().await.unwrap().success());
}

async fn many_children_at_once_are_all_waited_for() {
    let mut waits: Vec<_> = (0..40).map(|i| shell(&format!("exit {i}")).status()).collect();
    for (code, wait) in waits.drain(..).enumerate() {
        assert_eq!(wait.await.unwrap().code(), Some(code as i32));
    }
}

async fn std_command_keeps_what_only_std_can_set() {
    let mut command = std::process::Command::new("sh");
    command.args(["-c", "echo $ONLY"]).env("ONLY", "std");
    let output = Command::from(command).output().await.unwrap();
    assert_eq!(output.stdout, b"std\n");
}

// Each of these on every executor.
reveille_tests::conformance!(
    status_is_that_of_the_child,
    output_reads_both_pipes_beyond_what_they_hold,
    pipes_carry_more_than_they_hold_in_both_directions,
    status_closes_the_standard_input,
    kill_ends_a_child_that_is_waited_for,
    two_futures_may_wait_for_one_child,
    missing_program_is_an_error,
    kill_on_drop_waits_for_the_last_future,
    pipe_of_one_child_is_the_input_of_another,
    many_children_at_once_are_all_waited_for,
    std_command_keeps_what_only_std_can_set,
);
