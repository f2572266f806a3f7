//! `reveille::sync` and `reveille::channel`.

use reveille_watchdog as _;

mod channel;
mod channels;
mod condvar;
mod everywhere;
mod locks;
