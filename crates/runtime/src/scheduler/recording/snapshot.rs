//! Writes the snapshot of a flight recorder to a file.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::living;
use crate::record::flight::FlightLog;

/// The trigger of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trigger {
    Call,
    Signal,
    Panic,
    Lint,
}

/// Writes a snapshot to a file. Returns its path.
pub(super) fn write(log: &FlightLog, path: &Path, trigger: Trigger) -> io::Result<PathBuf> {
    let path = crate::record::with_process(path);
    let living = match trigger {
        Trigger::Call | Trigger::Signal => living::with_stacks,
        // Inside a poll: a dump would wait for the thread that takes it.
        Trigger::Panic | Trigger::Lint => living::without_stacks,
    };
    let write = || {
        let file = BufWriter::new(File::create(&path)?);
        log.snapshot(file, living)?.flush()
    };
    write().map_err(|error: io::Error| {
        let text = format!("could not write the snapshot `{}`: {error}", path.display());
        io::Error::new(error.kind(), text)
    })?;
    Ok(path)
}
