//! `reveille::net` and `os::unix::net`: sockets, their addresses, and tasks that share one.

use reveille_watchdog as _;

mod addresses;
// Only on Linux: the driver uses io_uring.
#[cfg(target_os = "linux")]
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
