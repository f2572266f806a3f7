//! `reveille::task`, `reveille::time` and the attributes, on every kind of executor.

use reveille_watchdog as _;

mod attributes;
mod foreign_executors;
mod runtime_life;
mod time;
