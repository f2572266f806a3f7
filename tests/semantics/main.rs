//! What programs written for async-std rely on, point by point.
//!
//! The points are numbered as in the list that the project keeps of the predecessor's semantics,
//! and each test's name begins with its point. They run against the shim, whose items are
//! reveille's own, so one run is for both. Two points are shown
//! elsewhere, too, under names of the same kind: point 17 needs a feature of its own and has a
//! package of its own, `tests/tokio1`; the other signature of point 2 needs the shim without
//! `unstable`, and is in `crates/async-std/tests/default.rs`.
//!
//! All of these also pass on async-std 1.13.2: put this folder and the library of this package into
//! a package that depends on it, and run them there.

use reveille_watchdog as _;

mod attributes;
mod block_on;
mod copy;
mod errors;
mod executors;
mod file;
mod identity;
mod join;
mod local;
mod locals;
mod log_lines;
mod net;
mod panics;
mod scratch;
mod stdin;
mod threads;
mod time;
