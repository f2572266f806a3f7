//! Unix extensions: descriptors, Unix domain sockets, and more.
//!
//! | module | contents |
//! |---|---|
//! | [`fs`] | symbolic links, permission bits, reading and writing at an offset |
//! | [`io`] | descriptors: borrowing, conversion, and waiting for any of them |
//! | [`net`] | Unix domain stream and datagram sockets |
//! | [`process`] | user, group and `argv[0]` of a child, `exec`, signals to a child and to its process group |
//!
//! # Examples
//!
//! ```
//! use reveille::fs::OpenOptions;
//! use reveille::os::unix::fs::OpenOptionsExt;
//!
//! # fn main() -> std::io::Result<()> {
//! # let path = std::env::temp_dir().join(format!("reveille-doc-unix-{}", std::process::id()));
//! # let path = path.to_str().unwrap();
//! reveille::task::block_on(async {
//!     // A file that only its owner may read.
//!     OpenOptions::new().write(true).create(true).mode(0o600).open(path).await?;
//! #   std::fs::remove_file(path)?;
//!     Ok(())
//! })
//! # }
//! ```

pub mod fs;
pub mod io;
pub mod net;
pub mod process;

mod async_fd;
mod descriptors;
mod file_at;
