//! `reveille::net` and `os::unix::net`: sockets, their addresses, and tasks that share one.

use reveille_watchdog as _;

mod addresses;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod batched_reads;
#[cfg(unix)]
mod connections;
#[cfg(unix)]
mod crowds;
#[cfg(unix)]
mod readiness;
mod sockets;
#[cfg(unix)]
mod tcp;
#[cfg(unix)]
mod tcp_accept;
mod udp;
#[cfg(unix)]
mod uds;
#[cfg(unix)]
mod uds_queues;
