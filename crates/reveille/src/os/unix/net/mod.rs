//! Unix domain sockets: addressed by paths, within one machine.
//!
//! | item | kind |
//! |---|---|
//! | [`SocketAddr`] | re-export of std |
//! | [`UnixStream`] and its halves, [`PeerCredentials`], [`UnixListener`], [`Incoming`], [`UnixDatagram`] | own |
//!
//! Binding creates a file at the path. Only [`remove_file`](crate::fs::remove_file) removes it.
//! Linux and Android also have *abstract* names, which have no file and disappear with the last
//! socket that uses them. A path that begins with a zero byte, such as `"\0name"`, is an abstract
//! name. The methods that end in `_addr` take an address of std.
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

pub use credentials::PeerCredentials;
pub use datagram::UnixDatagram;
pub use listener::{Incoming, UnixListener};
pub use stream::{OwnedReadHalf, OwnedWriteHalf, ReuniteError, UnixStream};

pub(crate) mod address;

mod credentials;
mod datagram;
mod listener;
mod stream;

use std::fmt;
use std::io;
use std::os::fd::RawFd;

/// Formats a socket as std does: its descriptor, and its addresses if it has them.
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
