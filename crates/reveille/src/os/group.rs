//! Signals to a child and to its process group.
//!
//! The number of a process stays in use until its status is taken, and the number of a group as
//! long as its leader's. So a caller sends a signal only while the status of the child has not been
//! taken: [`crate::process::Child`] checks that under its lock. A pidfd names the process itself
//! and is used where there is one, because other code of the program may take the status of any
//! child (`waitpid(-1)`).

use std::io;
use std::time::Duration;

use rustix::process::{Pid, Signal, getpgid, kill_process, kill_process_group};

use super::child::Exit;

/// The first and the longest pause between two checks of a group.
const PAUSES: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(200));

/// Sends a signal to the child.
///
/// # Errors
///
/// The system's error: no permission, because the child runs as another user, or no such process,
/// because other code has taken its status.
pub(crate) fn send(exit: &Exit, signal: Signal) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    if let Some(pidfd) = exit.pidfd() {
        match rustix::process::pidfd_send_signal(pidfd, signal) {
            // The kernel is older than this call, or a sandbox that knows only the older call
            // forbids it.
            Err(rustix::io::Errno::NOSYS) => {}
            sent => return sent.map_err(Into::into),
        }
    }
    kill_process(pid(exit.id())?, signal).map_err(Into::into)
}

/// Sends a signal to the group that the child leads.
///
/// # Errors
///
/// `InvalidInput` if the child leads no group. Otherwise the system's error.
pub(crate) fn send_to_group(exit: &Exit, signal: Signal) -> io::Result<()> {
    let group = pid(exit.id())?;
    // Some systems do not report the group of a zombie. Then the call decides.
    if getpgid(Some(group)).is_ok_and(|of_child| of_child != group) {
        let message = "the child leads no process group; start it with `process_group(0)`";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    kill_process_group(group, signal).map_err(Into::into)
}

/// Waits until the child has exited and no other process of its group runs. The status of the child
/// stays, so that the number of the group does.
pub(crate) async fn ended(exit: &Exit) -> io::Result<()> {
    exit.exited().await?;
    let group = pid(exit.id())?;
    let mut pause = PAUSES.0;
    // Ends with the group. The caller limits the time.
    while crate::fs::on_pool(move || has_running_member(group)).await {
        reveille_runtime::time::Sleep::after(pause).await;
        pause = (pause * 2).min(PAUSES.1);
    }
    Ok(())
}

fn pid(id: u32) -> io::Result<Pid> {
    let pid = i32::try_from(id).ok().and_then(Pid::from_raw);
    pid.ok_or_else(|| io::ErrorKind::InvalidInput.into())
}

/// Whether a process of the group runs. On Linux `kill` counts zombies, and the leader is one, so
/// this reads the state of each process. Without `/proc` the answer is yes.
#[cfg(target_os = "linux")]
fn has_running_member(group: Pid) -> bool {
    let Ok(processes) = std::fs::read_dir("/proc") else { return true };
    processes.flatten().any(|process| {
        let is_process = process.file_name().as_encoded_bytes().iter().all(u8::is_ascii_digit);
        let stat = || std::fs::read(process.path().join("stat")).ok();
        is_process && stat().is_some_and(|stat| is_running_member(&stat, group))
    })
}

/// Reads the state and the group out of `/proc/PID/stat`. The name before them is in parentheses
/// and may contain any byte.
#[cfg(target_os = "linux")]
fn is_running_member(stat: &[u8], group: Pid) -> bool {
    let Some(name_end) = stat.iter().rposition(|&byte| byte == b')') else { return false };
    let fields = String::from_utf8_lossy(&stat[name_end + 1..]);
    let mut fields = fields.split_ascii_whitespace();
    let state = fields.next().unwrap_or_default();
    let of_process = fields.nth(1).and_then(|group| group.parse().ok()).and_then(Pid::from_raw);
    of_process == Some(group) && !matches!(state, "Z" | "X" | "x")
}

/// Whether a process of the group runs. The BSDs do not count zombies.
#[cfg(not(target_os = "linux"))]
fn has_running_member(group: Pid) -> bool {
    rustix::process::test_kill_process_group(group).is_ok()
}

// Only on Linux: it reads process groups in /proc.
#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::{Pid, is_running_member};

    #[test]
    fn state_and_group_are_read_behind_any_name() {
        let group = Pid::from_raw(40).expect("a number");
        for (stat, expected) in [
            ("41 (sh) S 1 40 40 0 -1", true),
            ("41 (a) S 1 7 (x) R 1 40 40", true),
            ("41 (sh) Z 1 40 40 0 -1", false),
            ("41 (sh) S 40 41 40 0 -1", false),
            ("41 (sh", false),
            ("", false),
        ] {
            assert_eq!(is_running_member(stat.as_bytes(), group), expected, "{stat}");
        }
    }
}
