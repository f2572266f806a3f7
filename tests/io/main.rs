//! `reveille::io`: the traits, the standard streams, and the texts of errors.

use reveille_watchdog as _;

mod errors;
mod stdio;
mod traits;
mod transfers;
