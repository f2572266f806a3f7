//! `reveille::process`.

use reveille_watchdog as _;

// Only on Unix: its children are scripts of a shell; `windows` has those of Windows.
#[cfg(unix)]
mod children;
// Only on Unix: signals and process groups.
#[cfg(unix)]
mod end;
// Only on Windows: what the others claim, without a shell and without signals.
#[cfg(windows)]
mod windows;
