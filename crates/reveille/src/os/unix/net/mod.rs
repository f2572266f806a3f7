//! Sockets that have a path for an address, and stay within one machine.
//!
//! | item | kind |
//! |---|---|
//! | [`SocketAddr`] | re-export of std |
//! | [`UnixStream`], [`UnixListener`], [`Incoming`], [`UnixDatagram`] | own |
//!
//! Binding makes a file at the path; nothing removes it again but
//! [`remove_file`](crate::fs::remove_file). On Linux and Android there are *abstract* names too,
//! which have no file and vanish with the last socket that has them: a path that begins with a zero
//! byte, as in `"\0name"`, is one. The methods that end in `_addr` take an address as std has it.
//!
//! # Examples
//!
//! ```
//! use reveille::io::prelude::*;
//! use reveille::os::unix::net::{UnixListener, UnixStream};
//! use reveille::task;
//!
//! # fn main() -> std::io::Result<()> {
//! # let path = std::env::temp_dir().join(format!("reveille-uds-{}", std::process::id()));
//! # let _ = std::fs::remove_file(&path);
//! # let path = path.to_str().unwrap();
//! task::block_on(async {
//!     let listener = UnixListener::bind(path).await?;
//!     let mut client = UnixStream::connect(path).await?;
//!     let (mut server, _) = listener.accept().await?;
//!
//!     server.write_all(b"near").await?;
//!     drop(server);
//!     let mut text = String::new();
//!     client.read_to_string(&mut text).await?;
//!     assert_eq!(text, "near");
//! #   std::fs::remove_file(path)?;
//!     Ok(())
//! })
//! # }
//! ```

#[doc(inline)]
pub use std::os::unix::net::SocketAddr;

pub use datagram::UnixDatagram;
pub use listener::{Incoming, UnixListener};
pub use stream::UnixStream;

pub(crate) mod address;

mod datagram;
mod listener;
mod stream;

use std::fmt;
use std::io;
use std::os::fd::RawFd;

/// Shows a socket as std shows it: descriptor, and the addresses that it has.
fn debug(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    fd: RawFd,
    local: io::Result<SocketAddr>,
    peer: io::Result<SocketAddr>,
) -> fmt::Result {
    let mut debug = f.debug_struct(name);
    debug.field("fd", &fd);
    if let Ok(address) = local {
        debug.field("local", &address);
    }
    if let Ok(address) = peer {
        debug.field("peer", &address);
    }
    debug.finish()
}
