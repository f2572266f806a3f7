//! `process`: how a child ends, by itself, by a signal, and together with its group.

use std::io::ErrorKind;
use std::os::unix::process::ExitStatusExt as _;
use std::time::Duration;

use futures_lite::future::poll_once;
use futures_lite::{AsyncBufReadExt as _, StreamExt as _};
use reveille::io::{self, BufReader};
use reveille::os::unix::process::{ChildExt as _, CommandExt as _};
use reveille::process::{Child, ChildStdout, Command, Stdio};
use reveille::signal::unix::SignalKind;
use reveille::task::block_on;
use reveille_tests::{child, test_name};

/// Longer than any test takes.
const FOREVER: Duration = Duration::from_secs(100_000);

fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]).stdout(Stdio::piped()).kill_on_drop(true);
    command
}

/// The lines that a child prints.
fn lines(child: &mut Child) -> futures_lite::io::Lines<BufReader<ChildStdout>> {
    BufReader::new(child.stdout.take().unwrap()).lines()
}

async fn ready(child: &mut Child) -> futures_lite::io::Lines<BufReader<ChildStdout>> {
    let mut lines = lines(child);
    assert_eq!(lines.next().await.unwrap().unwrap(), "ready");
    lines
}

async fn names_of_std_do_what_std_does() {
    let mut child = shell("read line; exit 3").stdin(Stdio::piped()).spawn().unwrap();
    assert!(child.try_wait().unwrap().is_none());
    assert_eq!(child.wait().await.unwrap().code(), Some(3), "waiting closes the standard input");
    assert_eq!(child.try_wait().unwrap().unwrap().code(), Some(3));
    let output = shell("echo out; echo err >&2; exit 4").stderr(Stdio::piped()).spawn().unwrap();
    let output = output.wait_with_output().await.unwrap();
    assert_eq!(
        (output.stdout.as_slice(), output.stderr.as_slice()),
        (&b"out\n"[..], &b"err\n"[..])
    );
    assert_eq!(output.status.code(), Some(4));
}

async fn a_child_that_ends_at_sigterm_is_not_killed() {
    let script = "trap 'echo bye; exit 7' TERM; echo ready; while :; do sleep 0.01; done";
    let mut child = shell(script).spawn().unwrap();
    let mut lines = ready(&mut child).await;
    let status = child.terminate(FOREVER).await.unwrap();
    assert_eq!(status.code(), Some(7));
    assert_eq!(lines.next().await.unwrap().unwrap(), "bye");
    assert_eq!(child.terminate(FOREVER).await.unwrap().code(), Some(7), "as often as asked");
}

async fn a_child_that_ignores_sigterm_is_killed() {
    let mut child = shell("trap '' TERM; echo ready; exec sleep 1000").spawn().unwrap();
    let _lines = ready(&mut child).await;
    let status = child.terminate(Duration::from_millis(20)).await.unwrap();
    assert_eq!(status.signal(), Some(libc::SIGKILL));
}

#[cfg(target_os = "linux")]
async fn a_stopped_child_is_killed() {
    let mut child = shell("echo ready; exec sleep 1000").spawn().unwrap();
    let _lines = ready(&mut child).await;
    child.send_signal(SignalKind::from_raw(libc::SIGSTOP)).unwrap();
    let stat = format!("/proc/{}/stat", child.id());
    while !std::fs::read_to_string(&stat).unwrap().contains(") T ") {
        reveille::task::yield_now().await;
    }
    let status = child.terminate(Duration::from_millis(20)).await.unwrap();
    assert_eq!(status.signal(), Some(libc::SIGKILL));
}

async fn terminating_a_child_that_has_ended_returns_its_status() {
    let mut child = shell("exit 5").spawn().unwrap();
    // The child's end of the pipe is closed, so it has exited or is about to.
    assert!(lines(&mut child).next().await.is_none());
    assert_eq!(child.terminate(FOREVER).await.unwrap().code(), Some(5));
}

async fn a_dropped_terminate_kills_nothing() {
    let script = "trap 'echo asked' TERM; echo ready; while :; do sleep 0.01; done";
    let mut child = shell(script).spawn().unwrap();
    let mut lines = ready(&mut child).await;
    assert!(poll_once(child.terminate(Duration::from_millis(1))).await.is_none());
    assert_eq!(lines.next().await.unwrap().unwrap(), "asked");
    assert!(child.try_wait().unwrap().is_none());
    child.kill().unwrap();
    assert_eq!(child.wait().await.unwrap().signal(), Some(libc::SIGKILL));
}

async fn no_signal_is_sent_after_the_status_was_taken() {
    let mut child = shell("exit 0").process_group(0).spawn().unwrap();
    let id = child.id();
    child.wait().await.unwrap();
    let errors = [
        child.send_signal(SignalKind::terminate()).unwrap_err(),
        child.send_signal_to_group(SignalKind::terminate()).unwrap_err(),
        child.kill_group().unwrap_err(),
        child.terminate_group(FOREVER).await.unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
        assert!(error.to_string().contains(&format!("child {id}")), "{error}");
    }
    // As in std, this does nothing.
    child.kill().unwrap();
}

async fn a_signal_without_a_name_is_an_error() {
    let child = shell("exec sleep 1000").spawn().unwrap();
    for number in [0, -1, 1000] {
        let error = child.send_signal(SignalKind::from_raw(number)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        assert!(error.to_string().contains(&format!("signal {number}")), "{error}");
    }
}

async fn a_child_without_a_group_has_none_to_signal() {
    let mut child = shell("exec sleep 1000").spawn().unwrap();
    for error in [
        child.send_signal_to_group(SignalKind::terminate()).unwrap_err(),
        child.kill_group().unwrap_err(),
        child.terminate_group(FOREVER).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        assert!(error.to_string().contains("process_group(0)"), "{error}");
    }
    assert!(child.try_wait().unwrap().is_none(), "nothing was sent to the group of this test");
}

async fn a_group_that_does_not_exist_is_an_error() {
    let error = shell("true").process_group(i32::MAX).spawn().unwrap_err();
    assert!(error.to_string().contains("could not start `sh`"), "{error}");
}

/// A shell with children that hold its output open, so that the end of the output is their end.
fn tree(children: &str) -> Command {
    let mut command = shell(&format!("{children} wait"));
    command.process_group(0);
    command
}

async fn killing_a_group_reaches_every_process_below() {
    let mut child = tree("sleep 1000 & (sleep 1000; :) & sh -c 'echo ready; sleep 1000; :' &");
    let mut child = child.spawn().unwrap();
    let mut lines = ready(&mut child).await;
    child.kill_group().unwrap();
    assert_eq!(child.wait().await.unwrap().signal(), Some(libc::SIGKILL));
    assert!(lines.next().await.is_none(), "no process holds the output");
}

async fn a_group_is_killed_after_its_leader_has_exited() {
    let mut child = shell("sleep 1000 & sh -c 'echo ready; exec sleep 1000' & exit 6");
    let mut child = child.process_group(0).spawn().unwrap();
    let mut lines = ready(&mut child).await;
    // The leader is a zombie by now, or soon.
    child.kill_group().unwrap();
    child.wait().await.unwrap();
    assert!(lines.next().await.is_none(), "no process holds the output");
}

async fn members_of_a_group_have_the_grace_time_of_their_leader() {
    // The leader dies of SIGTERM at once; its child needs a moment to end.
    let slow = "sh -c 'trap \"sleep 0.2; echo saved; exit\" TERM; echo ready; \
                while :; do sleep 0.01; done' &";
    let mut child = tree(slow).spawn().unwrap();
    let mut lines = ready(&mut child).await;
    let status = child.terminate_group(FOREVER).await.unwrap();
    assert_eq!(status.signal(), Some(libc::SIGTERM));
    assert_eq!(lines.next().await.unwrap().unwrap(), "saved");
    assert!(lines.next().await.is_none());
}

async fn members_of_a_group_that_ignore_sigterm_are_killed() {
    let stubborn = "sh -c 'trap \"\" TERM; echo ready; while :; do sleep 1; done' &";
    let mut child = tree(stubborn).spawn().unwrap();
    let mut lines = ready(&mut child).await;
    let status = child.terminate_group(Duration::from_millis(100)).await.unwrap();
    assert_eq!(status.signal(), Some(libc::SIGTERM));
    assert!(lines.next().await.is_none(), "no process holds the output");
}

reveille_tests::conformance!(
    names_of_std_do_what_std_does,
    a_child_that_ends_at_sigterm_is_not_killed,
    a_child_that_ignores_sigterm_is_killed,
    // Only on Linux: the state of a stopped process is in /proc.
    #[cfg(target_os = "linux")]
    a_stopped_child_is_killed,
    terminating_a_child_that_has_ended_returns_its_status,
    a_dropped_terminate_kills_nothing,
    no_signal_is_sent_after_the_status_was_taken,
    a_signal_without_a_name_is_an_error,
    a_child_without_a_group_has_none_to_signal,
    a_group_that_does_not_exist_is_an_error,
    killing_a_group_reaches_every_process_below,
    a_group_is_killed_after_its_leader_has_exited,
    members_of_a_group_have_the_grace_time_of_their_leader,
    members_of_a_group_that_ignore_sigterm_are_killed,
);

/// Other code of the process takes the status of any child.
#[test]
fn a_child_that_other_code_has_reaped_is_an_error_with_its_id() {
    if child::has_run(test_name!()) {
        return;
    }
    block_on(async {
        let mut child = shell("exit 0").process_group(0).spawn().unwrap();
        let id = child.id();
        // SAFETY: with a null pointer the call writes nothing.
        let reaped = unsafe { libc::waitpid(id as i32, std::ptr::null_mut(), 0) };
        assert_eq!(reaped, id as i32);
        for error in [
            child.send_signal(SignalKind::terminate()).unwrap_err(),
            child.send_signal_to_group(SignalKind::terminate()).unwrap_err(),
        ] {
            assert_eq!(io::raw_os_error(&error), Some(libc::ESRCH), "{error}");
            assert!(error.to_string().contains(&format!("child {id}")), "{error}");
        }
        let error = child.terminate(FOREVER).await.unwrap_err();
        assert_eq!(io::raw_os_error(&error), Some(libc::ECHILD), "{error}");
    });
}

/// Needs root, to start a child as another user and then give the right to signal it up.
// Only on Linux: it starts a child as another user.
#[cfg(target_os = "linux")]
#[test]
fn a_child_of_another_user_is_an_error_with_its_id() {
    // SAFETY: the call has no preconditions.
    let is_root = unsafe { libc::geteuid() } == 0;
    if !is_root || child::has_run(test_name!()) {
        return;
    }
    block_on(async {
        let mut child =
            Command::new("sleep").arg("1000").uid(65533).process_group(0).spawn().unwrap();
        let id = child.id();
        // SAFETY: the calls take numbers. The C library changes each thread.
        unsafe {
            assert_eq!(libc::setresgid(65534, 65534, 65534), 0);
        };
        // SAFETY: as above.
        unsafe {
            assert_eq!(libc::setresuid(65534, 65534, 0), 0);
        };
        for error in [
            child.send_signal(SignalKind::terminate()).unwrap_err(),
            child.send_signal_to_group(SignalKind::terminate()).unwrap_err(),
            child.terminate(FOREVER).await.unwrap_err(),
            child.terminate_group(FOREVER).await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
            assert!(error.to_string().contains(&format!("child {id}")), "{error}");
        }
        // SAFETY: as above; the saved id allows it.
        unsafe {
            assert_eq!(libc::setresuid(0, 0, 0), 0);
        };
        child.kill().unwrap();
        child.wait().await.unwrap();
    });
}
