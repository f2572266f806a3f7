//! A shard in a process that has no descriptors left. The only test of its process, because the
//! limit applies to the process.

// Only on Linux: it sets a limit on descriptors.
#![cfg(all(target_os = "linux", not(reveille_loom)))]

use reveille_watchdog as _;

use reveille_driver::{Driver, Kind};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

#[test]
fn making_a_shard_without_descriptors_is_an_error() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(0), ..limit }).expect("lowered");
    let error = Driver::new(Kind::Native).expect_err("no descriptors are left");
    setrlimit(Resource::Nofile, limit).expect("restored");
    assert!(error.to_string().starts_with("could not make an event queue: "), "{error}");
    Driver::new(Kind::Native).expect("descriptors are available again");
}
