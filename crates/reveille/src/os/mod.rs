//! Extensions for particular operating systems.
//!
//! As in std, the traits and functions here extend the portable modules. Only the module of the
//! target system exists. The module for Windows was run under wine only, and not completely: expect
//! bugs, and report them.
//!
//! # Examples
//!
//! ```
//! # #[cfg(unix)] {
//! use reveille::os::unix::net::UnixStream;
//! use reveille::prelude::*;
//!
//! # fn main() -> std::io::Result<()> {
//! reveille::task::block_on(async {
//!     let (mut here, mut there) = UnixStream::pair()?;
//!     here.write_all(b"hi").await?;
//!     let mut buf = [0; 2];
//!     there.read_exact(&mut buf).await?;
//!     assert_eq!(&buf, b"hi");
//!     Ok(())
//! })
//! # }
//! # main().unwrap();
//! # }
//! ```

#[cfg(unix)]
pub mod unix;
#[cfg(windows)]
pub mod windows;

pub(crate) mod child;
pub(crate) mod datagrams;
#[cfg(windows)]
mod exit_event;
pub(crate) mod file;
#[cfg(unix)]
pub(crate) mod group;
pub(crate) mod known;
#[cfg(unix)]
mod reaper;
pub(crate) mod signal;
pub(crate) mod socket;
pub(crate) mod splice;
pub(crate) mod terminal;
pub(crate) mod transfer;
pub(crate) mod uninit;

#[doc(hidden)]
pub use known::id_of;
