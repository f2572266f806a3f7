//! async-std's faults, each with a test that it does not occur here. The numbers are those of
//! async-std's issues.
//!
//! | fault | test |
//! |---|---|
//! | #730, `into_raw_fd` returns a closed descriptor | here, and in `net/tcp.rs`, `net/uds.rs` |
//! | #900, a task is stuck in `File`'s drop | `files/file.rs` |
//! | #1055, a read that timed out consumes the next key press | `io/stdio.rs` |
//! | #658, the accept loop ends when descriptors run out | here, and in `net/tcp_accept.rs` |
//! | `connect_timeout` to an address that does not answer | `net/tcp.rs` |
//! | #477, `for_each_concurrent` | here, and in `combinators/stream.rs` |
//! | all others | here |
//!
//! Where the shim has the API, the tests run against the shim.

mod api;
mod panics;
// Only on Unix: it sets limits of the process.
#[cfg(unix)]
mod resources;
mod threads;
