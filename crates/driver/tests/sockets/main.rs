//! The driver, with sockets and pipes of the system.

#![cfg(not(reveille_loom))]

use reveille_watchdog as _;

mod arming;
// Only on Linux with x86-64 or 64-bit ARM: the driver uses io_uring on no other processor here.
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
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
