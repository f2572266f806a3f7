//! Regressions: faults that async-std, tokio and others shipped, each with tests that reveille does
//! not have it. `tests/FAULTS.md` and `tests/STRANGERS.md` are the lists.
//!
//! A test that changes a limit, a signal handler or another property of the whole process runs in a
//! process of its own (`reveille_tests::child`), as does one that counts threads, descriptors or
//! bytes.

use reveille_watchdog as _;

mod api;
// Only on Linux: it counts descriptors in /proc and limits them.
#[cfg(target_os = "linux")]
mod descriptors;
// Only on Linux: it counts threads and descriptors in /proc.
#[cfg(target_os = "linux")]
mod load;
// Only on Linux: it measures memory in /proc.
#[cfg(target_os = "linux")]
mod memory;
mod shim;
// Only on Linux: signals, and the threads they interrupt.
#[cfg(target_os = "linux")]
mod signals;
mod strangers;
// Only on Linux: it counts threads in /proc and limits memory.
#[cfg(target_os = "linux")]
mod threads;
