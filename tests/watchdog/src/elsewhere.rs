//! Systems whose threads cannot be listed: all but Linux.

use std::time::Duration;

/// Nothing is known of the threads, so a program ends when all of it has taken too long.
pub(crate) fn youngest() -> Option<Duration> {
    None
}

/// Aborts the process. The harness has named the test when that had run for a minute.
pub(crate) fn end(limit: Duration) {
    eprintln!("watchdog: a test hangs; the limit is {limit:?} for one, five times that for all");
    std::process::abort();
}
