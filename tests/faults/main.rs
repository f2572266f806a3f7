//! Regressions: faults that async-std, tokio and others shipped, each with tests that reveille does
//! not have it. `tests/FAULTS.md` and `tests/STRANGERS.md` are the lists.
//!
//! A test that changes a limit, a signal handler or another property of the whole process runs in a
//! process of its own (`reveille_tests::child`), as does one that counts threads, descriptors or
//! bytes.

use reveille_watchdog as _;

#[cfg(unix)]
mod api;
#[cfg(target_os = "linux")]
mod descriptors;
#[cfg(target_os = "linux")]
mod load;
#[cfg(target_os = "linux")]
mod memory;
mod shim;
#[cfg(target_os = "linux")]
mod signals;
#[cfg(unix)]
mod strangers;
#[cfg(target_os = "linux")]
mod threads;
