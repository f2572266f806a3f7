//! `reveille::fs` and `reveille::path`.

use reveille_watchdog as _;

mod file;
mod fs;
#[cfg(target_os = "linux")]
mod kinds;
mod path;
#[cfg(target_os = "linux")]
mod reads;
mod shared;
