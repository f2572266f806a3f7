//! Whole programs: the examples, a program that hangs, and programs that the compiler must refuse.

use reveille_watchdog as _;

mod compile_fail;
mod examples;
// Only on Linux: the watchdog names threads there.
#[cfg(target_os = "linux")]
mod hangs;
mod many_requests;
mod servers;
mod tutorial;
