//! `reveille::io`: the traits, the standard streams, and the texts of errors.

use reveille_watchdog as _;

mod errors;
mod large_files;
mod stdio;
mod traits;
mod transfers;
