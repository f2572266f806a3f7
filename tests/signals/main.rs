//! `reveille::signal`. A signal reaches the whole process, so these tests have their own program.

#![cfg(unix)]

use reveille_watchdog as _;

mod drained_server;
mod listeners;
