//! `reveille::process`.

use reveille_watchdog as _;

#[cfg(unix)]
mod children;
#[cfg(unix)]
mod end;
