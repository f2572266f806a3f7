//! Systems whose threads cannot be listed: all but Linux.

use std::time::Duration;

/// The threads are not known, so the limit applies to the whole program.
pub(crate) fn youngest() -> Option<Duration> {
    None
}

/// Aborts the process. The harness prints the name of a test that has run for a minute, so it is
/// known.
pub(crate) fn end(limit: Duration) {
    eprintln!("watchdog: a test hangs; the limit is {limit:?} for one, five times that for all");
    std::process::abort();
}
