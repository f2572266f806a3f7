//! `reveille::signal`. A signal reaches the whole process, so these tests have their own program.

use reveille_watchdog as _;

// Only on Windows: it has events of a console and no signals.
#[cfg(windows)]
mod console;
mod drained_server;
// Only on Unix: signals; `console` has the events of Windows.
#[cfg(unix)]
mod listeners;
