//! Small files that are in memory, read without a trip to the pool.
//!
//! A trip costs more than the four system calls it carries when nothing has to be fetched from a
//! disk. So the calls are made at once, each told not to wait, and the first that would have to
//! gives up: the pool then starts over. Measured on Linux 6.18, 2 cores, 10,000 reads of 4 KiB one
//! after the other: 10 µs each, against 27 µs and more through the pool.
//!
//! Rejected: longer files. Copying 1 MiB takes 100 µs or more, during which no other task of this
//! worker runs.

use std::fs::File;
use std::path::Path;

use crate::os::file::{Attempt, open_cached, read_inline};

/// The longest file that is read on the spot, in bytes.
const LEN_MAX: usize = 64 << 10;

/// The whole contents of the file at `path`, if that needs no waiting.
pub(super) fn read(path: &Path) -> Option<Vec<u8>> {
    let Attempt::Done((file, len)) = open_cached(path) else { return None };
    let len = usize::try_from(len).ok().filter(|len| (1..=LEN_MAX).contains(len))?;
    read_to_end(&file, len)
}

/// Reads the `len` bytes that the file has, if all are in memory. A file without length (as in
/// `/proc`) or one that is shorter than it says is left to the pool, which asks for the end.
fn read_to_end(file: &File, len: usize) -> Option<Vec<u8>> {
    let mut contents = vec![0; len];
    let mut filled = 0;
    // Every round fills at least a byte.
    while filled < len {
        match read_inline(file, &mut contents[filled..], false) {
            Attempt::Done(count) if count > 0 => filled += count,
            _ => return None,
        }
    }
    Some(contents)
}
