//! Reads and writes that bypass the page cache (`O_DIRECT`).
//!
//! The kernel moves whole blocks between the disk and memory that is aligned to blocks. The memory
//! is allocated here, so it is always aligned. Offset and length are the program's: if they do not
//! fit, the error says so.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek};

use super::shared::{retry, write_fully};
use crate::io::context::Context as _;
use crate::os::file::aligned;

/// Reads up to `len` bytes at the cursor. Returns a vector that begins with them, and their number.
pub(super) fn read(mut file: &File, len: usize) -> io::Result<(Vec<u8>, usize)> {
    let (mut bytes, start) = aligned(len);
    let count = retry(|| file.read(&mut bytes[start..start + len]));
    let count = explain(file, "read", len, count)?;
    bytes.copy_within(start..start + count, 0);
    Ok((bytes, count))
}

/// Writes all of `batch` at the cursor. On failure, also returns the number of bytes written.
pub(super) fn write(file: &File, batch: &[u8]) -> (usize, io::Result<()>) {
    let (mut bytes, start) = aligned(batch.len());
    bytes[start..start + batch.len()].copy_from_slice(batch);
    let (written, result) = write_fully(file, &bytes[start..start + batch.len()]);
    (written, explain(file, "write", batch.len() - written, result))
}

/// Explains why the kernel refuses a transfer that is not aligned. The kernel's error is only
/// "invalid argument".
fn explain<T>(mut file: &File, name: &str, len: usize, result: io::Result<T>) -> io::Result<T> {
    match result {
        Err(error) if error.kind() == ErrorKind::InvalidInput => {
            let at = file.stream_position().map_or_else(|_| "?".to_owned(), |at| at.to_string());
            Err(error).context(|| {
                format!(
                    "could not {name} {len} bytes at offset {at} of a file opened with O_DIRECT, \
                     which takes only multiples of the block size (512 or 4096) for both"
                )
            })
        }
        result => result,
    }
}
