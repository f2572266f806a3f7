//! Lookups of the names of hosts.

use std::net::{IpAddr, Ipv4Addr};

use super::thread::Thread;
use super::world;

/// The longest time of a lookup of a name, in nanoseconds.
const LOOKUP_MAX_NS: u64 = 2_000_000;

/// Looks up a name, which takes time.
pub(super) fn resolve(me: &'static Thread, name: &str) -> Option<IpAddr> {
    if name.eq_ignore_ascii_case("localhost") {
        return Some(Ipv4Addr::LOCALHOST.into());
    }
    if let Ok(ip) = name.parse() {
        return Some(ip);
    }
    let (ip, latency_ns) = world::with(|world| {
        let latency_ns = if world.is_network() { world.draw("names", LOOKUP_MAX_NS) } else { 0 };
        (world.kernel.look_up(name), latency_ns)
    });
    if latency_ns > 0 {
        world::sleep(me, latency_ns);
    }
    ip
}
