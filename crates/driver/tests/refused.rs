//! What happens when the process has no descriptors left. Alone in its process, since the limit is
//! the process's.

#![cfg(all(target_os = "linux", not(reveille_loom)))]

use reveille_watchdog as _;

use reveille_driver::{Driver, Kind};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

#[test]
fn a_shard_without_descriptors_is_an_error() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(0), ..limit }).expect("lowered");
    let error = Driver::new(Kind::Native).expect_err("no descriptors are left");
    setrlimit(Resource::Nofile, limit).expect("restored");
    assert!(error.to_string().starts_with("make an event queue: "), "{error}");
    Driver::new(Kind::Native).expect("nothing was lost");
}
