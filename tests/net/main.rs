//! `reveille::net` and `os::unix::net`: sockets, their addresses, and tasks that share one.

use reveille_watchdog as _;

mod addresses;
// Only on Linux with x86-64 or 64-bit ARM: the driver uses io_uring on no other processor here.
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod batched_reads;
mod connections;
mod crowds;
// Only on Unix: it waits for descriptors.
#[cfg(unix)]
mod readiness;
mod sockets;
mod stream_readiness;
mod tcp;
mod tcp_accept;
mod udp;
// Only on Unix: sockets with a path.
#[cfg(unix)]
mod uds;
// Only on Unix: sockets with a path.
#[cfg(unix)]
mod uds_queues;
