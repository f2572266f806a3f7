//! Windows extensions of the file system: two kinds of symbolic links, share modes and other
//! options for opening files, handles.
//!
//! Paths of any length work: std adds the prefix `\\?\` where Windows requires it, and a path that
//! has it is used as it is.
//!
//! # Examples
//!
//! ```
//! use reveille::os::windows::fs::symlink_file;
//!
//! # reveille::task::block_on(async {
//! // Windows allows it to administrators, and in developer mode to everybody.
//! if let Err(error) = symlink_file("target.txt", "link.txt").await {
//!     eprintln!("no link: {error}");
//! }
//! # let _ = std::fs::remove_file("link.txt");
//! # });
//! ```

use std::io;
use std::os::windows::io::{
    AsHandle, AsRawHandle, BorrowedHandle, FromRawHandle, IntoRawHandle, OwnedHandle, RawHandle,
};

pub use std::os::windows::fs::OpenOptionsExt;

use crate::fs::{File, OpenOptions, on_pool};
use crate::path::Path;

/// Creates the symbolic link `dst`, which points to the directory `src`.
///
/// # Errors
///
/// Returns the system's error, for example if `dst` exists.
///
/// # Cancel safety
///
/// Once it has been polled, the operation completes even if the future is dropped.
///
/// # Examples
///
/// ```no_run
/// # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
/// use reveille::os::windows::fs::symlink_dir;
///
/// symlink_dir("a", "b").await?;
/// # Ok(()) }) }
/// ```
pub async fn symlink_dir<P: AsRef<Path>, Q: AsRef<Path>>(src: P, dst: Q) -> io::Result<()> {
    let src = src.as_ref().to_owned();
    let dst = dst.as_ref().to_owned();
    on_pool(move || std::os::windows::fs::symlink_dir(&src, &dst)).await
}

/// Creates the symbolic link `dst`, which points to the file `src`.
///
/// # Errors
///
/// Returns the system's error, for example if `dst` exists.
///
/// # Cancel safety
///
/// Once it has been polled, the operation completes even if the future is dropped.
///
/// # Examples
///
/// ```no_run
/// # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
/// use reveille::os::windows::fs::symlink_file;
///
/// symlink_file("a.txt", "b.txt").await?;
/// # Ok(()) }) }
/// ```
pub async fn symlink_file<P: AsRef<Path>, Q: AsRef<Path>>(src: P, dst: Q) -> io::Result<()> {
    let src = src.as_ref().to_owned();
    let dst = dst.as_ref().to_owned();
    on_pool(move || std::os::windows::fs::symlink_file(&src, &dst)).await
}

impl OpenOptionsExt for OpenOptions {
    fn access_mode(&mut self, access: u32) -> &mut Self {
        self.as_std_mut().access_mode(access);
        self
    }

    fn share_mode(&mut self, share: u32) -> &mut Self {
        self.as_std_mut().share_mode(share);
        self
    }

    fn custom_flags(&mut self, flags: u32) -> &mut Self {
        self.as_std_mut().custom_flags(flags);
        self
    }

    fn attributes(&mut self, attributes: u32) -> &mut Self {
        self.as_std_mut().attributes(attributes);
        self
    }

    fn security_qos_flags(&mut self, flags: u32) -> &mut Self {
        self.as_std_mut().security_qos_flags(flags);
        self
    }
}

impl AsRawHandle for File {
    fn as_raw_handle(&self) -> RawHandle {
        self.as_std().as_raw_handle()
    }
}

impl AsHandle for File {
    fn as_handle(&self) -> BorrowedHandle<'_> {
        self.as_std().as_handle()
    }
}

impl FromRawHandle for File {
    #[allow(unsafe_code, reason = "the trait's method is unsafe: its caller owns the handle")]
    unsafe fn from_raw_handle(handle: RawHandle) -> File {
        // SAFETY: the caller of this method guarantees that `handle` is open and owned by nothing
        // else, which is what `from_raw_handle` requires.
        File::from(unsafe { std::fs::File::from_raw_handle(handle) })
    }
}

/// Returns the handle, flushed, with its cursor where the last read ended.
///
/// # Panics
///
/// Panics if other handles of the file exist and the process cannot duplicate the handle.
impl IntoRawHandle for File {
    fn into_raw_handle(self) -> RawHandle {
        OwnedHandle::from(self).into_raw_handle()
    }
}

impl From<OwnedHandle> for File {
    fn from(handle: OwnedHandle) -> File {
        File::from(std::fs::File::from(handle))
    }
}

/// Returns the handle, flushed, with its cursor where the last read ended.
///
/// # Panics
///
/// Panics if other handles of the file exist and the process cannot duplicate the handle.
impl From<File> for OwnedHandle {
    fn from(file: File) -> OwnedHandle {
        file.into_std().expect("a handle is left to duplicate a shared file").into()
    }
}
