//! `reveille::future`, `reveille::stream` and `select!`.

use reveille_watchdog as _;

mod future;
mod select;
mod stream;
mod stream_buffered;
