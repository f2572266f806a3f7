//! A new file that no other process writes.
//!
//! A process may pass on to its children the variable that names a file. Two writers of a file
//! destroy it without an error: each writes at an offset of its own.

use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;

/// Opens the file at `path` for writing, empties it, and locks it until it is closed.
///
/// The lock is advisory: it holds against other callers of this function only. If the file system
/// has no locks, and on Windows, where a lock keeps readers out too, the file is not locked.
///
/// # Errors
///
/// Fails with [`ResourceBusy`](io::ErrorKind::ResourceBusy), and leaves the file as it is, if it is
/// locked. Fails if the file cannot be opened.
pub fn create_own(path: &Path) -> io::Result<File> {
    // Emptied later: at this point it may be another process's file.
    let file = File::options().write(true).create(true).truncate(false).open(path)?;
    // A device or a pipe has neither a length nor one writer.
    if !file.metadata()?.is_file() {
        return Ok(file);
    }
    if !cfg!(windows) && matches!(file.try_lock(), Err(TryLockError::WouldBlock)) {
        return Err(io::Error::new(io::ErrorKind::ResourceBusy, "another process writes it"));
    }
    file.set_len(0)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    // Not on Windows: files are not locked there.
    #[cfg(not(windows))]
    #[test]
    fn a_file_has_one_writer_at_a_time() {
        let path = std::env::temp_dir().join(format!("reveille-own-file-{}", std::process::id()));
        std::fs::write(&path, "of an earlier run").unwrap();
        let mut first = create_own(&path).unwrap();
        first.write_all(b"first").unwrap();
        let error = create_own(&path).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ResourceBusy);
        assert_eq!(std::fs::read(&path).unwrap(), b"first");
        drop(first);
        create_own(&path).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"");
        std::fs::remove_file(path).unwrap();
    }
}
