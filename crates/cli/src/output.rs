//! Writes results to the standard output or to a file. A file is written completely or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

/// Writes text to the standard output. A reader that closes the pipe early, such as `head`, is not
/// an error.
pub(crate) fn print(bytes: &[u8]) -> Result<(), String> {
    let mut output = io::stdout().lock();
    match output.write_all(bytes).and_then(|()| output.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => result.map_err(|error| format!("cannot write to the standard output: {error}")),
    }
}

/// Writes a file, or to the standard output if its name is `-`.
///
/// A regular file is written under a temporary name beside it and then renamed, so that a full disk
/// leaves no partial file. Pipes and devices are written to directly.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), String> {
    if path == Path::new("-") {
        return print(bytes);
    }
    let error = |error: io::Error| format!("cannot write {}: {error}", path.display());
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => {
            Err(format!("cannot write {}: it is a folder", path.display()))
        }
        Ok(found) if !found.is_file() => {
            let written = File::options().write(true).open(path);
            match written.and_then(|mut file| file.write_all(bytes)) {
                Err(broken) if broken.kind() == ErrorKind::BrokenPipe => Ok(()),
                result => result.map_err(error),
            }
        }
        Ok(found) if found.permissions().readonly() => {
            Err(format!("cannot write {}: it is read-only", path.display()))
        }
        _ => replace(path, bytes).map_err(error),
    }
}

/// Writes `bytes` to a file beside `path` and renames it to `path`.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // A symbolic link stays one: its target is replaced.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let mut name = path.file_name().ok_or(ErrorKind::InvalidFilename)?.to_owned();
    name.push(format!(".{}.part", std::process::id()));
    let part = path.with_file_name(name);
    let mut file = OpenOptions::new().write(true).create_new(true).open(&part)?;
    let result = file.write_all(bytes).and_then(|()| fs::rename(&part, &path));
    if result.is_err() {
        // The first error is the one to report.
        let _ = fs::remove_file(&part);
    }
    result
}

/// Refuses to overwrite the input file.
pub(crate) fn check_apart(input: &Path, output: &Path) -> Result<(), String> {
    let same = |one: PathBuf| fs::canonicalize(output).is_ok_and(|other| one == other);
    match fs::canonicalize(input).is_ok_and(same) {
        true => Err(format!("{} is the trace itself: name another file", output.display())),
        false => Ok(()),
    }
}
