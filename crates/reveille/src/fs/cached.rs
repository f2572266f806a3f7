//! Reads of small files that are in the page cache, without a trip to the pool.
//!
//! If nothing has to be fetched from a disk, a trip costs more than the four system calls that it
//! makes. So the poll makes the calls itself, each with a flag not to wait. If one would have to
//! wait, the pool does the whole read instead. Measured on Linux 6.18, 2 cores, 10,000 reads of 4
//! KiB one after the other: 10 µs each, against 27 µs and more through the pool.
//!
//! Rejected: longer files. Copying 1 MiB takes 100 µs or more, during which no other task of this
//! worker runs.

use std::fs::File;
use std::path::Path;

use crate::os::file::{Attempt, open_cached, read_inline};

/// The longest file that a poll reads itself, in bytes.
const LEN_MAX: usize = 64 << 10;

/// Returns the contents of the file at `path` if that needs no waiting.
pub(super) fn read(path: &Path) -> Option<Vec<u8>> {
    let Attempt::Done((file, len)) = open_cached(path) else { return None };
    let len = usize::try_from(len).ok().filter(|len| (1..=LEN_MAX).contains(len))?;
    read_to_end(&file, len)
}

/// Reads the `len` bytes of the file if all are in memory. A file without a length (as in `/proc`),
/// or one that is shorter than its length, is left to the pool, which reads to the end.
fn read_to_end(file: &File, len: usize) -> Option<Vec<u8>> {
    let mut contents = vec![0; len];
    let mut filled = 0;
    // Every round reads at least one byte.
    while filled < len {
        match read_inline(file, &mut contents[filled..], false) {
            Attempt::Done(count) if count > 0 => filled += count,
            _ => return None,
        }
    }
    Some(contents)
}
