//! Children on Windows: their pipes, their exits, and the threads that wait for them.
//!
//! The children are this test program itself, for the test `the_program_of_the_other_tests`: no
//! shell exists both on every Windows and in wine.

use std::future::poll_fn;
use std::io::{Read as _, Write as _};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use futures_lite::{AsyncReadExt as _, AsyncWriteExt as _, future};
use reveille::os::windows::process::CommandExt as _;
use reveille::process::{Command, Stdio};
use reveille::runtime::Builder;
use reveille::task::{self, block_on};
use reveille_tests::programs;

/// The variable that tells the program what to do.
const MODE: &str = "REVEILLE_TEST_WINDOWS_CHILD";

/// The bytes that the program writes to each pipe: more than a pipe holds.
const LEN: usize = 300_000;

/// A child that does what `mode` says.
fn child(mode: &str) -> Command {
    let mut command = programs::itself();
    command.args(["--exact", "windows::the_program_of_the_other_tests", "--nocapture"]);
    command.env(MODE, mode);
    Command::from(command)
}

/// Ends the process with the code, past the harness.
#[test]
#[expect(clippy::disallowed_methods, reason = "the test that starts the process sets it")]
fn the_program_of_the_other_tests() {
    let Ok(mode) = std::env::var(MODE) else { return };
    let mut input = Vec::new();
    match &*mode {
        "reads" => drop(std::io::stdin().read_to_end(&mut input).unwrap()),
        "copies" => {
            std::io::stdin().read_to_end(&mut input).unwrap();
            std::io::stdout().write_all(&input).unwrap();
        }
        "writes" => {
            std::io::stdout().write_all(&[b'o'; LEN]).unwrap();
            std::io::stderr().write_all(&[b'e'; LEN]).unwrap();
        }
        "sleeps" => std::thread::park(),
        _ => {}
    }
    std::process::exit(mode.strip_prefix("exit ").map_or(0, |code| code.parse().unwrap()));
}

async fn status_is_that_of_the_child() {
    assert_eq!(child("exit 7").status().await.unwrap().code(), Some(7));
    let mut child = child("exit 3").spawn().unwrap();
    for _ in 0..2 {
        assert_eq!(child.status().await.unwrap().code(), Some(3), "as often as asked");
    }
    assert_eq!(child.try_status().unwrap().unwrap().code(), Some(3));
}

async fn output_reads_both_pipes_beyond_what_they_hold() {
    let output = child("writes").output().await.unwrap();
    let count = |bytes: &[u8], letter| bytes.iter().filter(|byte| **byte == letter).count();
    assert!(count(&output.stdout, b'o') >= LEN && count(&output.stderr, b'e') >= LEN);
    assert!(output.status.success());
}

async fn pipes_carry_more_than_they_hold_in_both_directions() {
    let mut copies = child("copies");
    let mut copies = copies.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut stdin, mut stdout) = (copies.stdin.take().unwrap(), copies.stdout.take().unwrap());
    let bytes = vec![42; 1_000_000];
    let write = async {
        stdin.write_all(&bytes).await.unwrap();
        stdin.close().await.unwrap();
    };
    let mut echo = Vec::new();
    future::zip(write, async { stdout.read_to_end(&mut echo).await.unwrap() }).await;
    assert!(echo.ends_with(&bytes), "{} bytes", echo.len());
    assert!(copies.status().await.unwrap().success());
}

async fn status_closes_the_standard_input() {
    let mut reads = child("reads").stdin(Stdio::piped()).spawn().unwrap();
    assert!(reads.try_status().unwrap().is_none());
    assert!(reads.status().await.unwrap().success());
}

async fn a_childs_end_may_be_asked_for_too_early_and_too_often() {
    let mut reads = child("reads").stdin(Stdio::piped()).spawn().unwrap();
    let stdin = reads.stdin.take();
    // A wait that is given up, and one whose polls no wake has caused.
    assert!(future::poll_once(reads.status()).await.is_none());
    let mut status = pin!(reads.status());
    for _ in 0..1_000 {
        assert!(poll_fn(|cx| Poll::Ready(status.as_mut().poll(cx).is_pending())).await);
    }
    let second = reads.status();
    drop(stdin);
    let (first, second) = future::zip(status, second).await;
    assert_eq!(first.unwrap(), second.unwrap());
    assert!(reads.status().await.unwrap().success());
}

async fn kill_ends_a_child_that_is_waited_for_and_no_other() {
    let mut sleeps = child("sleeps").spawn().unwrap();
    let status = sleeps.status();
    sleeps.kill().unwrap();
    assert!(!status.await.unwrap().success());
    // As in std, killing it again does nothing.
    sleeps.kill().unwrap();
    let mut sleeps = child("sleeps").spawn().unwrap();
    assert!(!sleeps.terminate(Duration::from_secs(60)).await.unwrap().success());
}

async fn kill_on_drop_waits_for_the_last_future() {
    let mut quick = child("exit 5").kill_on_drop(true).spawn().unwrap();
    let status = quick.status();
    drop(quick);
    assert_eq!(status.await.unwrap().code(), Some(5));
}

async fn missing_program_is_an_error() {
    let error = Command::new("no-such-program").output().await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::NotFound, "{error}");
}

async fn creation_flags_reach_the_system() {
    const CREATE_NO_WINDOW: u32 = 0x0800_0000;
    let status = child("exit 4").creation_flags(CREATE_NO_WINDOW).status().await;
    assert_eq!(status.unwrap().code(), Some(4));
}

/// The system waits for the processes: no thread of the pool does, and no timer makes the tasks ask
/// again.
#[test]
fn no_thread_of_the_runtime_waits_for_a_child() {
    const CHILDREN: usize = 20;
    let runtime = Builder::new().workers(1).build().unwrap();
    runtime.block_on(async {
        let mut inputs = Vec::new();
        let waiting: Vec<_> = (0..CHILDREN)
            .map(|_| {
                let mut reads = child("reads").stdin(Stdio::piped()).spawn().unwrap();
                inputs.push(reads.stdin.take());
                runtime.spawn(async move { reads.status().await.unwrap().success() })
            })
            .collect();
        task::sleep(Duration::from_millis(100)).await;
        let metrics = runtime.metrics();
        assert_eq!((metrics.blocking_threads, metrics.pending_timers), (0, 0), "it asks again");
        drop(inputs);
        for status in waiting {
            assert!(status.await);
        }
    });
}

#[test]
fn a_child_is_waited_for_while_its_runtime_ends() {
    let runtime = Builder::new().workers(1).build().unwrap();
    let mut reads = child("reads").stdin(Stdio::piped()).spawn().unwrap();
    let stdin = reads.stdin.take();
    let (sender, receiver) = std::sync::mpsc::channel();
    drop(runtime.spawn(async move {
        let waits = future::poll_once(reads.status()).await.is_none();
        sender.send((reads, waits)).unwrap();
    }));
    let (mut reads, waits) = receiver.recv().unwrap();
    runtime.shutdown(Duration::from_secs(10));
    assert!(waits);
    drop(stdin);
    assert!(block_on(reads.status()).unwrap().success());
}

reveille_tests::conformance!(
    status_is_that_of_the_child,
    output_reads_both_pipes_beyond_what_they_hold,
    pipes_carry_more_than_they_hold_in_both_directions,
    status_closes_the_standard_input,
    a_childs_end_may_be_asked_for_too_early_and_too_often,
    kill_ends_a_child_that_is_waited_for_and_no_other,
    kill_on_drop_waits_for_the_last_future,
    missing_program_is_an_error,
    creation_flags_reach_the_system,
);
