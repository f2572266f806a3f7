//! The behaviour that programs written for async-std rely on, point by point.
//!
//! The points are numbered as in the project's list of async-std's semantics, and each test's name
//! begins with its point. The tests run against the shim, whose items are reveille's own, so one
//! run covers both. Two points have tests elsewhere too. Point 17 needs its own feature, so its
//! tests are in the package `tests/tokio1`. The other signature of point 2 needs the shim without
//! `unstable`, so its tests are in `crates/async-std/tests/default.rs`.
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
