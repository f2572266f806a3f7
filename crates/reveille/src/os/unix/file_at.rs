//! Reading and writing files at given offsets.
//!
//! The methods are those of a trait, as in std. As methods of the type they would hide those of the
//! same names that system-interface adds to async-std's `File`.

use std::future::Future;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt as _;

use crate::fs::File;
use crate::os::file::{Attempt, aligned, read_inline_at};

/// The most bytes that one trip to the pool reads or writes.
const LEN_MAX: usize = 2 << 20;

mod sealed {
    /// Implemented by [`File`](crate::fs::File) only, so that methods can be added to the trait
    /// here.
    pub trait Sealed {}
}

/// Reading and writing at an offset (`pread`, `pwrite`). The cursor is neither used nor moved, so
/// any number of tasks can use one file at the same time.
///
/// Other crates cannot implement it.
///
/// # Examples
///
/// ```
/// # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
/// use reveille::fs::File;
/// use reveille::os::unix::fs::FileExt;
/// use reveille::prelude::*;
///
/// let file = File::open("src/lib.rs").await?; // begins with "//! std, with"
/// let (mut one, mut other) = ([0; 3], [0; 4]);
/// let both = file.read_exact_at(&mut one, 4).try_join(file.read_exact_at(&mut other, 9));
/// both.await?;
/// assert_eq!((&one, &other), (b"std", b"with"));
/// # Ok(()) }) }
/// ```
pub trait FileExt: sealed::Sealed {
    /// Reads bytes at `offset`, counted from the start of the file, and returns their number. Zero
    /// means that the file ends there, or that `buf` is empty. At most 2 MiB are read at once.
    ///
    /// Bytes that were written through this file before are included. On Linux, data in the page
    /// cache is read without a trip to the pool.
    ///
    /// # Errors
    ///
    /// The error of an earlier write, and the system's error: a pipe or a terminal has no offsets
    /// (`ESPIPE`).
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost, because nothing is removed.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
    /// use reveille::fs::File;
    /// use reveille::os::unix::fs::FileExt;
    ///
    /// let file = File::open("src/lib.rs").await?;
    /// let mut buf = [0; 3];
    /// assert_eq!(file.read_at(&mut buf, 0).await?, 3);
    /// assert_eq!(&buf, b"//!");
    /// # Ok(()) }) }
    /// ```
    #[doc(alias = "pread")]
    fn read_at(
        &self,
        buf: &mut [u8],
        offset: u64,
    ) -> impl Future<Output = io::Result<usize>> + Send;

    /// Fills `buf` with the bytes at `offset`.
    ///
    /// # Errors
    ///
    /// As for [`read_at`](FileExt::read_at), and `UnexpectedEof` if the file ends early; the
    /// contents of `buf` are then unspecified.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost, because nothing is removed.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
    /// use reveille::fs::File;
    /// use reveille::os::unix::fs::FileExt;
    ///
    /// let file = File::open("src/lib.rs").await?; // begins with "//! std"
    /// let mut name = [0; 3];
    /// file.read_exact_at(&mut name, 4).await?;
    /// assert_eq!(&name, b"std");
    /// # Ok(()) }) }
    /// ```
    fn read_exact_at(
        &self,
        buf: &mut [u8],
        offset: u64,
    ) -> impl Future<Output = io::Result<()>> + Send;

    /// Writes bytes at `offset`, counted from the start of the file, and returns their number. At
    /// most 2 MiB are written at once. A gap between the end of the file and `offset` reads as
    /// zeros.
    ///
    /// Unlike `write`, this waits until the system has the bytes: there is nothing to flush. The
    /// bytes reach the file after those that were written through this `File` before. On Linux, a
    /// file that was opened for appending appends the bytes and ignores the offset.
    ///
    /// # Errors
    ///
    /// The error of an earlier write, and the system's error.
    ///
    /// # Cancel safety
    ///
    /// Once it has been polled, the write may complete even if the future is dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
    /// use reveille::fs::{self, File};
    /// use reveille::os::unix::fs::FileExt;
    ///
    /// # let path = std::env::temp_dir().join(format!("reveille-doc-at-{}", std::process::id()));
    /// # let path = reveille::path::PathBuf::from(path);
    /// let file = File::create(&path).await?;
    /// file.write_at(b"world", 6).await?;
    /// file.write_at(b"hello ", 0).await?;
    /// assert_eq!(fs::read(&path).await?, b"hello world");
    /// # fs::remove_file(&path).await?;
    /// # Ok(()) }) }
    /// ```
    #[doc(alias = "pwrite")]
    fn write_at(&self, buf: &[u8], offset: u64) -> impl Future<Output = io::Result<usize>> + Send;

    /// Writes all of `buf` at `offset`, in pieces of at most 2 MiB.
    ///
    /// # Errors
    ///
    /// As for [`write_at`](FileExt::write_at), and `WriteZero`. Some bytes may have been written.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the number of bytes that are written is unknown.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> { reveille::task::block_on(async {
    /// use reveille::fs::{self, File};
    /// use reveille::os::unix::fs::FileExt;
    ///
    /// # let path = std::env::temp_dir().join(format!("rv-doc-all-at-{}", std::process::id()));
    /// # let path = reveille::path::PathBuf::from(path);
    /// let file = File::create(&path).await?;
    /// file.write_all_at(b"hello", 0).await?;
    /// assert_eq!(fs::read(&path).await?, b"hello");
    /// # fs::remove_file(&path).await?;
    /// # Ok(()) }) }
    /// ```
    fn write_all_at(&self, buf: &[u8], offset: u64) -> impl Future<Output = io::Result<()>> + Send;
}

impl sealed::Sealed for File {}

impl FileExt for File {
    async fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.flushed().await?;
        let len = buf.len().min(LEN_MAX);
        if let Attempt::Done(count) = read_inline_at(self.as_std(), &mut buf[..len], offset) {
            return Ok(count);
        }
        let read = move |file: &std::fs::File| {
            // A file that was opened with O_DIRECT needs aligned memory; it does no harm to others.
            let (mut bytes, start) = aligned(len);
            let count = retry(|| file.read_at(&mut bytes[start..start + len], offset))?;
            io::Result::Ok((bytes, start..start + count))
        };
        let (bytes, filled) = self.on_file(read).await?;
        buf[..filled.len()].copy_from_slice(&bytes[filled.clone()]);
        Ok(filled.len())
    }

    async fn read_exact_at(&self, mut buf: &mut [u8], mut offset: u64) -> io::Result<()> {
        while !buf.is_empty() {
            let count = self.read_at(buf, offset).await?;
            if count == 0 {
                let message = format!("the file ends at byte {offset}");
                return Err(io::Error::new(ErrorKind::UnexpectedEof, message));
            }
            buf = &mut buf[count..];
            offset += count as u64;
        }
        Ok(())
    }

    async fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        // Also discards what was read ahead, which may be what is written now.
        self.settled().await?;
        let len = buf.len().min(LEN_MAX);
        let (mut bytes, start) = aligned(len);
        bytes[start..start + len].copy_from_slice(&buf[..len]);
        self.on_file(move |file| retry(|| file.write_at(&bytes[start..start + len], offset))).await
    }

    async fn write_all_at(&self, mut buf: &[u8], mut offset: u64) -> io::Result<()> {
        while !buf.is_empty() {
            let count = self.write_at(buf, offset).await?;
            if count == 0 {
                return Err(ErrorKind::WriteZero.into());
            }
            buf = &buf[count..];
            offset += count as u64;
        }
        Ok(())
    }
}

/// Calls `op` again while a signal interrupts it.
fn retry(mut op: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match op() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
