//! Platforms without simulations: no thread is ever simulated.

use std::process::ExitCode;

use crate::child::RunConfig;
use crate::disk::Disk;

pub(crate) fn keep_symbols() -> usize {
    0
}

pub(crate) fn run(_: RunConfig, _: impl FnOnce() -> ExitCode + Send) -> ! {
    unreachable!("`SimulatedTest::start` refuses simulations on this platform")
}

pub(crate) fn is_simulated() -> bool {
    false
}

pub(crate) fn seed() -> Option<u64> {
    None
}

pub(crate) fn draw(_: &str, _: u64) -> Option<u64> {
    None
}

pub(crate) fn note(_: u64) {}

pub(crate) fn wait_for_deadlock() {}

pub(crate) fn fail_deadlocked() {}

pub(crate) fn set_disk(_: Disk) {}

pub(crate) fn crash_disk() {}

pub(crate) fn elapsed_ns() -> Option<u64> {
    None
}
