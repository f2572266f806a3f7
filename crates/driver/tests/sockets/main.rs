//! The driver, with sockets and pipes of the system.

#![cfg(all(target_os = "linux", not(reveille_loom)))]

use reveille_watchdog as _;

#[cfg(target_arch = "x86_64")]
mod batched;
mod boundaries;
mod old_kernel;
mod shards;
mod streams;
mod support;
