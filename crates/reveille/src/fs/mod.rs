//! Files and directories, without blocking the thread that runs the task.
//!
//! This is `std::fs` with `.await`. The kernel has no readiness for files, so the blocking pool
//! does the work, in as few trips as the API allows:
//!
//! * a function such as [`read`] or [`create_dir_all`] is **one** trip for the whole operation; on
//!   Linux, [`read`] and [`read_to_string`] of a small file that is in memory need no trip;
//! * a [`File`] copies data in the page cache without the pool (Linux), reads ahead when it is read
//!   sequentially, and collects writes while the pool is writing; its page documents atomicity,
//!   order and durability;
//! * a [`ReadDir`] fetches entries in batches.
//!
//! # Origin of the items
//!
//! | item | kind |
//! |---|---|
//! | [`FileType`], [`Metadata`], [`Permissions`], [`TryLockError`] | re-export of std |
//! | everything else | own |
//!
//! # Errors
//!
//! Errors name the operation and the path where async-std's do (``could not read file `a.txt` ``).
//! The kind is that of the original error, which is the source;
//! [`io::raw_os_error`](crate::io::raw_os_error) returns its number. [`metadata`],
//! [`symlink_metadata`], [`set_permissions`], [`File::create`], [`OpenOptions::open`] and
//! [`DirBuilder::create`] return the system's error itself, because existing programs call
//! `raw_os_error()` on it.
//!
//! # Cancel safety
//!
//! An operation that was submitted to the pool completes: if you drop the future of [`write()`] or
//! [`rename`] after its first poll, only the result is lost.
//!
//! # Examples
//!
//! ```
//! # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
//! use reveille::fs::{self, File};
//! use reveille::prelude::*;
//!
//! # let dir = std::env::temp_dir().join(format!("reveille-doc-fs-{}", std::process::id()));
//! # let dir = reveille::path::PathBuf::from(dir);
//! fs::create_dir_all(&dir).await?;
//! let path = dir.join("greeting.txt");
//!
//! let mut file = File::create(&path).await?;
//! file.write_all(b"Hello, world!").await?;
//! file.flush().await?;
//!
//! assert_eq!(fs::read_to_string(&path).await?, "Hello, world!");
//! fs::remove_dir_all(&dir).await?;
//! # Ok(()) }) }
//! ```

#[doc(inline)]
pub use std::fs::{FileType, Metadata, Permissions, TryLockError};

pub use dir::{DirBuilder, DirEntry, ReadDir};
pub use file::File;
pub use functions::{
    canonicalize, copy, create_dir, create_dir_all, hard_link, metadata, read, read_dir, read_link,
    read_to_string, remove_dir, remove_dir_all, remove_file, rename, set_permissions,
    symlink_metadata, sync_dir, write,
};
pub use open_options::OpenOptions;

mod cached;
mod dir;
mod file;
mod functions;
mod open_options;

/// Runs `operation` on the blocking pool and returns its result or resumes its panic.
pub(crate) async fn on_pool<T: Send + 'static>(
    operation: impl FnOnce() -> T + Send + 'static,
) -> T {
    reveille_runtime::spawn_plain(operation).await
}
