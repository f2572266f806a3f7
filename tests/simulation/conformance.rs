//! The tests of the workspace that are written for each executor, in simulations.

use reveille_watchdog as _;

#[path = "../sync/channel.rs"]
mod channel;
#[path = "../sync/condvar.rs"]
mod condvar;
#[path = "../net/connections.rs"]
mod connections;
#[path = "../sync/everywhere.rs"]
mod everywhere;
#[path = "../combinators/future.rs"]
mod future;
#[path = "../combinators/stream.rs"]
mod stream;
#[path = "../combinators/stream_buffered.rs"]
mod stream_buffered;
#[path = "../structured/everywhere.rs"]
mod structured;
#[path = "../net/tcp.rs"]
mod tcp;
#[path = "../tasks/time.rs"]
mod time;
#[path = "../net/udp.rs"]
mod udp;
#[cfg(unix)]
#[path = "../net/uds.rs"]
mod uds;
