//! Platforms without simulations: no thread is ever simulated.

use std::net::IpAddr;
use std::process::ExitCode;

use crate::LinkFault;
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

pub(crate) fn draw_system(_: &str, _: u64) -> Option<u64> {
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

pub(crate) fn add_host(_: &str, _: Vec<IpAddr>) -> Option<usize> {
    None
}

pub(crate) fn start_host(
    _: usize,
    _: u64,
    _: &str,
    _: Box<dyn FnOnce() + Send>,
) -> std::io::Result<()> {
    Err(std::io::ErrorKind::Unsupported.into())
}

pub(crate) fn stop_host(_: usize, _: bool) {}

pub(crate) fn pause_host(_: usize, _: bool) {}

pub(crate) fn limit_descriptors(_: usize, _: usize) {}

pub(crate) fn change_clocks(_: usize, _: i64, _: i64) {}

pub(crate) fn change_links(_: Option<&[(usize, usize)]>, _: &LinkFault) {}

pub(crate) fn reset(_: usize, _: usize) {}

pub(crate) fn fail(text: &str, _: bool) -> ! {
    panic!("{text}")
}

pub(crate) fn describe() -> String {
    String::new()
}

pub(crate) fn say(text: &str) {
    eprint!("{text}");
}
