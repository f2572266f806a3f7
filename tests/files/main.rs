//! `reveille::fs` and `reveille::path`.

use reveille_watchdog as _;

mod file;
mod fs;
// Only on Linux: pipes, terminals and files of /proc.
#[cfg(target_os = "linux")]
mod kinds;
mod path;
// Only on Linux: reads that do not wait, from its page cache.
#[cfg(target_os = "linux")]
mod reads;
mod shared;
// Only on Windows: share modes, flags, and its forms of paths.
#[cfg(windows)]
mod windows;
