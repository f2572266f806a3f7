//! The driver, with sockets and pipes of the system.

#![cfg(not(reveille_loom))]

use reveille_watchdog as _;

mod arming;
// Only on Linux: the driver uses io_uring.
#[cfg(target_os = "linux")]
mod batched;
// Only on Linux: packets of Unix sockets and pipes.
#[cfg(target_os = "linux")]
mod boundaries;
// Only on Linux: it refuses one of its system calls.
#[cfg(target_os = "linux")]
mod old_kernel;
mod shards;
mod streams;
mod support;
