//! The end of the process, of threads and of runtimes, in any order and during other work.

// Only on Linux: fork, seccomp filters, and threads listed in /proc.
#![cfg(target_os = "linux")]
#![expect(clippy::disallowed_methods, reason = "threads that end are what the tests are about")]
#![expect(
    clippy::multiple_unsafe_ops_per_block,
    reason = "system calls that take numbers, for one reason each"
)]

use reveille_watchdog as _;

mod children;
mod exit;
mod forked;
mod outlived;
mod sandbox;
