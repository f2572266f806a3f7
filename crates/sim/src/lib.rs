//! Runs a program under a seed: one thread runs at a time, time is virtual, and randomness comes
//! from the seed.
//!
//! Internal to reveille: the public API is `reveille::sim`.
//!
//! # How it works
//!
//! The crate defines the functions of the C library through which std reads clocks, draws random
//! bytes, starts threads and blocks (`linux/interpose.rs`). A program that contains the crate calls
//! these instead. On a thread of a simulation they ask the simulated world (`linux/world.rs`); on
//! any other thread they call the original.
//!
//! The runtime is the real one. Its workers, its monitor, its blocking threads and the program's
//! own threads are threads of the system, but only one of them runs at a time: the one that holds
//! the baton. When it blocks or ends a poll, the world draws which thread runs next. When no thread
//! can run, the time jumps to the next deadline.
//!
//! Each seed runs in a process of its own (`harness.rs`), because statics outlive a run.
//!
//! Start reading at `linux/world.rs`.
//!
//! # Platforms
//!
//! Linux with glibc, on x86-64 and AArch64. On other platforms, a test that asks for simulations
//! panics.

#![deny(unsafe_code)]
#![cfg_attr(
    not(all(
        target_os = "linux",
        target_env = "gnu",
        any(target_arch = "x86_64", target_arch = "aarch64")
    )),
    expect(dead_code, reason = "the rules of a simulation, which `platform` does not run here")
)]

#[cfg(test)]
use reveille_watchdog as _;

mod child;
mod disk;
mod exhaustive;
mod explain;
mod faults;
mod harness;
mod hosts;
mod machine;
mod net;
mod shrink;
mod sometimes;
mod strategy;
mod streams;
mod tape;
mod trace;

#[cfg(all(
    target_os = "linux",
    target_env = "gnu",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
#[path = "linux/mod.rs"]
mod platform;
#[cfg(not(all(
    target_os = "linux",
    target_env = "gnu",
    any(target_arch = "x86_64", target_arch = "aarch64")
)))]
#[path = "elsewhere.rs"]
mod platform;

use std::process::ExitCode;
use std::time::Duration;

pub use disk::{Disk, crash_disk};
pub use faults::Faults;
pub use harness::{Role, SimulatedTest, Simulation};
pub use hosts::{HostSpec, Sim};
pub use net::{LinkFault, Net};
pub use sometimes::{buggify, sometimes};

use child::RunConfig;

/// Whether this platform has simulations.
#[must_use]
pub fn is_supported() -> bool {
    // The addresses have to be used, or the linker would leave the functions out.
    std::hint::black_box(platform::keep_symbols()) != 0
}

fn run(config: RunConfig, body: impl FnOnce() -> ExitCode + Send) -> ! {
    assert!(is_supported(), "the process of a simulation is started on supported platforms only");
    platform::run(config, body)
}

/// Whether the calling thread is simulated.
#[must_use]
pub fn is_simulated() -> bool {
    platform::is_simulated()
}

/// The seed of the simulation. `None` outside of simulations.
#[must_use]
pub fn seed() -> Option<u64> {
    platform::seed()
}

/// Draws a number below `count` from the stream `name`. `None` outside of simulations.
#[must_use]
pub fn draw(name: &str, count: u64) -> Option<u64> {
    platform::draw(name, count)
}

/// Adds a number to the trace, whose hash is compared between two runs of a seed. Does nothing
/// outside of simulations.
pub fn note(number: u64) {
    platform::note(number);
}

/// Blocks the calling thread until no other thread of the simulation can run.
pub fn wait_for_deadlock() {
    platform::wait_for_deadlock();
}

/// Ends the simulation as deadlocked. Does nothing outside of simulations.
pub fn fail_deadlocked() {
    platform::fail_deadlocked();
}

/// The virtual time since the simulation began. `None` outside of simulations.
#[must_use]
pub fn elapsed() -> Option<Duration> {
    platform::elapsed_ns().map(Duration::from_nanos)
}
