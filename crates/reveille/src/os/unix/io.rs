//! Descriptors: the traits that convert them, re-exported from std's module of this name, and
//! [`AsyncFd`], which waits for the descriptor of any object.
//!
//! All sockets and standard streams of this crate implement them.
//!
//! # Examples
//!
//! ```
//! use reveille::net::{TcpListener, TcpStream};
//! use reveille::os::unix::io::{FromRawFd, IntoRawFd};
//! use reveille::prelude::*;
//! use reveille::task;
//!
//! # fn main() -> std::io::Result<()> {
//! task::block_on(async {
//!     let listener = TcpListener::bind("127.0.0.1:0").await?;
//!     let stream = TcpStream::connect(listener.local_addr()?).await?;
//!
//!     // The descriptor is open and ours; its owner closes it.
//!     let fd = stream.into_raw_fd();
//!     // SAFETY: `into_raw_fd` made us its only owner.
//!     let stream = unsafe { std::net::TcpStream::from_raw_fd(fd) };
//!     assert_eq!(stream.peer_addr()?, listener.local_addr()?);
//!     Ok(())
//! })
//! # }
//! ```

pub use super::async_fd::AsyncFd;

#[doc(inline)]
pub use std::os::unix::io::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
