//! `reveille::io`: the traits, the standard streams, and the texts of errors.

use reveille_watchdog as _;

// Only on Windows: its console. `stdio` has a terminal of Linux.
#[cfg(windows)]
mod console;
mod errors;
mod large_files;
mod stdio;
mod traits;
mod transfers;
