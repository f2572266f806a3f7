//! Children: lost exit statuses, inherited pipes, and pipes with two busy ends.

use reveille::io::prelude::*;
use reveille::process::{Command, Stdio};
use reveille::task;
use reveille_tests::child::passes_in_own_process;
use reveille_tests::conformance;
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

use super::soon;

// libuv#5080: a child that receives our end of a pipe receives a blocking one.
#[cfg(target_os = "linux")]
async fn a_pipe_that_is_passed_on_to_a_child_blocks() {
    let reader = || {
        let mut command = Command::new("sed");
        command.args(["-n", "s/^flags:[ \t]*//p", "/proc/self/fdinfo/0"]);
        command
    };
    for is_owned in [false, true] {
        let mut first = Command::new("cat");
        let mut first = first.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let stdout = first.stdout.take().unwrap();
        let stdin = match is_owned {
            true => std::os::fd::OwnedFd::try_from(stdout).unwrap().into(),
            false => stdout.into_stdio().await.unwrap(),
        };
        let output = soon(reader().stdin(stdin).output()).await.unwrap();
        let flags = String::from_utf8(output.stdout).unwrap();
        let flags = u32::from_str_radix(flags.trim(), 8).unwrap();
        assert_eq!(flags & rustix::fs::OFlags::NONBLOCK.bits(), 0);
        soon(first.status()).await.unwrap();
    }
}

// golang/go#23019 and #13155: `status` waits for the child, not for a grandchild with its pipe.
async fn a_status_does_not_wait_for_a_grandchild_that_holds_the_pipe() {
    let mut command = Command::new("sh");
    command.args(["-c", "sleep 600 & echo $!"]).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    assert!(soon(child.status()).await.unwrap().success());
    let mut stdout = child.stdout.take().unwrap();
    let mut text = Vec::new();
    while text.last() != Some(&b'\n') {
        let mut byte = [0];
        soon(stdout.read_exact(&mut byte)).await.unwrap();
        text.extend(byte);
    }
    let grandchild = String::from_utf8(text).unwrap().trim().parse().unwrap();
    kill_process(Pid::from_raw(grandchild).unwrap(), Signal::KILL).unwrap();
    // The grandchild has ended, so the pipe ends too.
    assert_eq!(soon(stdout.read_to_end(&mut Vec::new())).await.unwrap(), 0);
}

// tokio#3480: the child stops at 64 KiB if only one of its pipes is served.
async fn megabytes_go_through_a_child() {
    let mut command = Command::new("cat");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let sent = vec![7; 3 << 20];
    let writer = task::spawn({
        let sent = sent.clone();
        async move { stdin.write_all(&sent).await }
    });
    let output = soon(child.output()).await.unwrap();
    soon(writer).await.unwrap();
    assert!(output.stdout == sent, "{} bytes of {}", output.stdout.len(), sent.len());
}

// tokio-process#57: a wait after a kill.
async fn a_killed_child_is_waited_for() {
    let mut child = Command::new("sleep").arg("600").spawn().unwrap();
    child.kill().unwrap();
    let status = soon(child.status()).await.unwrap();
    assert!(!status.success());
    child.kill().unwrap();
    assert_eq!(soon(child.status()).await.unwrap(), status);
}

conformance!(
    // Only on Linux: the flags of a descriptor are in /proc.
    #[cfg(target_os = "linux")]
    a_pipe_that_is_passed_on_to_a_child_blocks,
    a_status_does_not_wait_for_a_grandchild_that_holds_the_pipe,
    megabytes_go_through_a_child,
    a_killed_child_is_waited_for,
);

// python/cpython#76296, oven-sh/bun#43203: with SIGCHLD ignored the system discards the status.
#[test]
#[expect(unsafe_code, reason = "only libc changes what a signal does")]
fn a_status_that_the_system_discards_is_an_error() {
    passes_in_own_process(&[], || {
        // SAFETY: no handler is installed, and no other thread of this process has started.
        unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
        task::block_on(async {
            let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
            let error = soon(child.status()).await.unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::ECHILD));
            let output = Command::new("echo").arg("x").output();
            assert_eq!(soon(output).await.unwrap_err().raw_os_error(), Some(libc::ECHILD));
        });
    });
}

// Of the same kind: a library that waits for any child has taken the status.
#[test]
fn a_status_that_other_code_has_taken_is_an_error() {
    passes_in_own_process(&[], || {
        let mut child = Command::new("true").spawn().unwrap();
        let taken = waitpid(None, WaitOptions::empty()).unwrap().expect("it is waited for");
        assert_eq!(taken.0.as_raw_nonzero().get().unsigned_abs(), child.id());
        let error = task::block_on(soon(child.status())).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ECHILD));
    });
}
