//! Unix extensions of the file system: symbolic links, permission bits, descriptors, access at an
//! offset.
//!
//! # Examples
//!
//! ```
//! use reveille::fs::{self, DirBuilder};
//! use reveille::os::unix::fs::DirBuilderExt;
//!
//! # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
//! # let dir = std::env::temp_dir().join(format!("reveille-doc-mode-{}", std::process::id()));
//! # let dir = reveille::path::PathBuf::from(dir);
//! // A private folder.
//! DirBuilder::new().mode(0o700).create(&dir).await?;
//! # fs::remove_dir(&dir).await?;
//! # Ok(()) }) }
//! ```

use std::io;

pub use super::file_at::FileExt;
pub use std::os::unix::fs::{DirBuilderExt, DirEntryExt, OpenOptionsExt};

use std::os::unix::io::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};

use crate::fs::{DirBuilder, DirEntry, File, OpenOptions, on_pool};
use crate::path::Path;

/// Creates the symbolic link `dst`, which points to `src`.
///
/// # Errors
///
/// Returns the system's error, for example if `dst` exists. `src` need not exist.
///
/// # Cancel safety
///
/// Once it has been polled, the operation completes even if the future is dropped.
///
/// # Examples
///
/// ```
/// # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
/// use reveille::fs;
/// use reveille::os::unix::fs::symlink;
/// use reveille::path::Path;
///
/// # let link = std::env::temp_dir().join(format!("reveille-doc-symlink-{}", std::process::id()));
/// # let link = reveille::path::PathBuf::from(link);
/// symlink("a.txt", &link).await?;
/// assert_eq!(fs::read_link(&link).await?.as_path(), Path::new("a.txt"));
/// # fs::remove_file(&link).await?;
/// # Ok(()) }) }
/// ```
pub async fn symlink<P: AsRef<Path>, Q: AsRef<Path>>(src: P, dst: Q) -> io::Result<()> {
    let src = src.as_ref().to_owned();
    let dst = dst.as_ref().to_owned();
    on_pool(move || std::os::unix::fs::symlink(&src, &dst)).await
}

impl DirBuilderExt for DirBuilder {
    fn mode(&mut self, mode: u32) -> &mut Self {
        self.set_mode(mode);
        self
    }
}

impl DirEntryExt for DirEntry {
    fn ino(&self) -> u64 {
        self.as_std().ino()
    }
}

impl OpenOptionsExt for OpenOptions {
    fn mode(&mut self, mode: u32) -> &mut Self {
        self.as_std_mut().mode(mode);
        self
    }

    fn custom_flags(&mut self, flags: i32) -> &mut Self {
        self.as_std_mut().custom_flags(flags);
        self
    }
}

impl AsRawFd for File {
    fn as_raw_fd(&self) -> RawFd {
        self.as_std().as_raw_fd()
    }
}

impl AsFd for File {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.as_std().as_fd()
    }
}

impl FromRawFd for File {
    #[allow(unsafe_code, reason = "the trait's method is unsafe: its caller owns the descriptor")]
    unsafe fn from_raw_fd(fd: RawFd) -> File {
        // SAFETY: the caller of this method guarantees that `fd` is open and owned by nothing else,
        // which is what `from_raw_fd` requires.
        File::from(unsafe { std::fs::File::from_raw_fd(fd) })
    }
}

/// Returns the descriptor, flushed, with its cursor where the last read ended.
///
/// # Panics
///
/// Panics if other handles of the file exist and the process has no descriptor left for a
/// duplicate.
impl IntoRawFd for File {
    fn into_raw_fd(self) -> RawFd {
        OwnedFd::from(self).into_raw_fd()
    }
}

impl From<OwnedFd> for File {
    fn from(fd: OwnedFd) -> File {
        File::from(std::fs::File::from(fd))
    }
}

/// Returns the descriptor, flushed, with its cursor where the last read ended.
///
/// # Panics
///
/// Panics if other handles of the file exist and the process has no descriptor left for a
/// duplicate.
impl From<File> for OwnedFd {
    fn from(file: File) -> OwnedFd {
        file.into_std().expect("a descriptor is left to duplicate a shared file").into()
    }
}
