//! The hosts: addresses, ports, clocks, and what happens to a whole host. Host 0 is the one that
//! the test itself runs on. It never crashes, and has only loopback addresses, unless the test adds
//! hosts.

use std::ffi::c_int;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use super::Id;
use super::address::plain;
use super::descriptors::{Kind, Object};
use super::tcp::Role;
use crate::platform::world::World;

/// The most hosts of a simulation.
pub(crate) const HOSTS_MAX: usize = 256;

/// The default limit of a host's descriptors.
const DESCRIPTORS_MAX: usize = 32_768;

/// The ephemeral ports of Linux: the first one and their number.
const EPHEMERAL: (u16, u64) = (32_768, 28_232);

/// How often another ephemeral port is drawn.
const PORT_TRIES: usize = 1_000;

/// How a host's clocks differ from the simulation's. Read without the world, by the thread that has
/// the baton.
#[derive(Debug)]
struct Skew {
    /// How far the wall clock is ahead.
    offset_ns: AtomicI64,
    /// How much faster all clocks are, in millionths, since they were set.
    drift_ppm: AtomicI64,
    /// When the drift was set, and what the host's clock showed then.
    since_ns: AtomicU64,
    shown_ns: AtomicU64,
}

impl Skew {
    const fn new() -> Skew {
        Skew {
            offset_ns: AtomicI64::new(0),
            drift_ppm: AtomicI64::new(0),
            since_ns: AtomicU64::new(0),
            shown_ns: AtomicU64::new(0),
        }
    }

    /// The drift, when it was set, and what the clock showed then.
    fn read(&self) -> (i64, u64, u64) {
        let drift_ppm = self.drift_ppm.load(Ordering::Relaxed);
        let (since, shown) = (&self.since_ns, &self.shown_ns);
        (drift_ppm, since.load(Ordering::Relaxed), shown.load(Ordering::Relaxed))
    }
}

static SKEWS: [Skew; HOSTS_MAX] = [const { Skew::new() }; HOSTS_MAX];

/// What the monotonic clock of a host shows at `ns` of the simulation's time.
pub(in crate::platform) fn local_ns(host: usize, ns: u64) -> u64 {
    let Some(skew) = SKEWS.get(host) else { return ns };
    let (drift_ppm, since_ns, shown_ns) = skew.read();
    let passed_ns = ns.saturating_sub(since_ns);
    let shown_since_ns = match drift_ppm {
        // A division of this width takes as long as the rest of a read.
        0 => passed_ns,
        ppm => {
            let passed_ns = i128::from(passed_ns);
            (passed_ns + passed_ns * i128::from(ppm) / 1_000_000) as u64
        }
    };
    shown_ns + shown_since_ns
}

/// How much of the simulation's time passes while a host's clock advances by `ns`.
pub(in crate::platform) fn global_ns(host: usize, ns: u64) -> u64 {
    match SKEWS.get(host).map_or(0, |skew| skew.drift_ppm.load(Ordering::Relaxed)) {
        0 => ns,
        ppm => {
            let exact = i128::from(ns) * 1_000_000 / (1_000_000 + i128::from(ppm));
            u64::try_from(exact + 2).unwrap_or(u64::MAX)
        }
    }
}

/// The simulation's time at which the monotonic clock of a host shows `ns`.
pub(in crate::platform) fn when_ns(host: usize, ns: u64) -> u64 {
    let Some(skew) = SKEWS.get(host) else { return ns };
    let (_, since_ns, shown_ns) = skew.read();
    match ns.checked_sub(shown_ns) {
        Some(passed_ns) => since_ns.saturating_add(global_ns(host, passed_ns)),
        None => 0,
    }
}

/// How far the host's wall clock is ahead.
pub(in crate::platform) fn offset_ns(host: usize) -> i64 {
    SKEWS.get(host).map_or(0, |skew| skew.offset_ns.load(Ordering::Relaxed))
}

/// Sets the clocks of a host at `now_ns` of the simulation's time. The monotonic clock does not
/// jump.
pub(in crate::platform) fn set_clocks(host: usize, now_ns: u64, offset_ns: i64, drift_ppm: i64) {
    let Some(skew) = SKEWS.get(host) else { return };
    let shown_ns = local_ns(host, now_ns);
    skew.offset_ns.store(offset_ns, Ordering::Relaxed);
    skew.drift_ppm.store(drift_ppm.clamp(-500_000, 500_000), Ordering::Relaxed);
    skew.since_ns.store(now_ns, Ordering::Relaxed);
    skew.shown_ns.store(shown_ns, Ordering::Relaxed);
}

/// A host.
#[derive(Debug)]
pub(in crate::platform) struct Host {
    pub(in crate::platform) name: String,
    pub(super) ips: Vec<IpAddr>,
    /// Whether it has power.
    pub(super) is_up: bool,
    /// Whether its threads are stopped.
    pub(in crate::platform) is_paused: bool,
    pub(super) descriptor_count: usize,
    pub(in crate::platform) descriptors_max: usize,
}

impl super::Kernel {
    /// Adds a host. Returns its number.
    pub(in crate::platform) fn add_host(&mut self, name: &str, ips: Vec<IpAddr>) -> usize {
        self.hosts.push(Host {
            name: name.to_owned(),
            ips,
            is_up: true,
            is_paused: false,
            descriptor_count: 0,
            descriptors_max: DESCRIPTORS_MAX,
        });
        self.is_network = self.hosts.len() > 1;
        self.hosts.len() - 1
    }

    pub(in crate::platform) fn host_mut(&mut self, host: usize) -> Option<&mut Host> {
        self.hosts.get_mut(host)
    }

    pub(in crate::platform) fn is_paused(&self, host: usize) -> bool {
        self.hosts.get(host).is_some_and(|host| host.is_paused)
    }

    pub(in crate::platform) fn name_of(&self, host: usize) -> &str {
        self.hosts.get(host).map_or("", |host| &host.name)
    }

    /// The first address of the host with this name.
    pub(in crate::platform) fn look_up(&self, name: &str) -> Option<IpAddr> {
        let found = self.hosts.iter().find(|host| host.name.eq_ignore_ascii_case(name))?;
        found.ips.first().copied()
    }

    /// Whether there are several hosts.
    pub(in crate::platform) fn is_network(&self) -> bool {
        self.is_network
    }

    fn is_own(&self, host: usize, ip: IpAddr) -> bool {
        let has = |host: &Host| host.ips.contains(&ip);
        ip.is_loopback() || ip.is_unspecified() || self.hosts.get(host).is_some_and(has)
    }

    /// The family and the address of a socket.
    pub(super) fn local(&mut self, id: Id) -> Option<(c_int, Option<SocketAddr>)> {
        match &self.objects.get(id)?.kind {
            Kind::Tcp(tcp) => Some((tcp.family, tcp.local)),
            Kind::Udp(udp) => Some((udp.family, udp.local)),
            _ => None,
        }
    }

    fn set_local(&mut self, id: Id, address: SocketAddr) {
        match self.objects.get_mut(id).map(|object| &mut object.kind) {
            Some(Kind::Tcp(tcp)) => tcp.local = Some(address),
            Some(Kind::Udp(udp)) => udp.local = Some(address),
            _ => (),
        }
    }
}

impl World {
    /// The host that has an address, seen from the host `from`.
    pub(super) fn host_at(&self, from: usize, ip: IpAddr) -> Option<usize> {
        if ip.is_loopback() {
            return Some(from);
        }
        self.kernel.hosts.iter().position(|host| host.ips.contains(&ip))
    }

    /// The host that gets a message to this address. An error if no host has it.
    pub(super) fn destination(&self, host: usize, to: SocketAddr) -> Result<SocketAddr, c_int> {
        let to = plain(to);
        let ip = match to.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        self.host_at(host, ip).ok_or(libc::ENETUNREACH)?;
        Ok(SocketAddr::new(ip, to.port()))
    }

    /// The address that a message from `local` to `to` comes from.
    pub(super) fn source(
        &self,
        host: usize,
        target: usize,
        local: SocketAddr,
        to: IpAddr,
    ) -> SocketAddr {
        if !local.ip().is_unspecified() {
            return local;
        }
        let own = self
            .kernel
            .hosts
            .get(host)
            .and_then(|host| host.ips.iter().find(|ip| ip.is_ipv4() == to.is_ipv4()).copied());
        let loopback = match to {
            IpAddr::V4(_) => IpAddr::from(Ipv4Addr::LOCALHOST),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        };
        let is_here = host == target && to.is_loopback();
        SocketAddr::new(own.filter(|_| !is_here).unwrap_or(loopback), local.port())
    }

    /// Binds a socket to a free address from which `towards` can be reached.
    pub(super) fn bind_any(&mut self, id: Id, towards: Option<SocketAddr>) -> Result<(), c_int> {
        let host = self.kernel.host_of(id).ok_or(libc::EBADF)?;
        let (family, local) = self.kernel.local(id).ok_or(libc::EOPNOTSUPP)?;
        let unspecified = match family {
            libc::AF_INET => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
            _ => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
        };
        let from = local.unwrap_or(unspecified);
        let address = match towards {
            Some(to) => {
                let target = self.host_at(host, to.ip()).ok_or(libc::ENETUNREACH)?;
                self.source(host, target, from, to.ip())
            }
            None => from,
        };
        if local.is_some() {
            self.kernel.set_local(id, address);
            return Ok(());
        }
        self.bind(id, address)
    }

    /// Binds a socket to an address. The errors are those of Linux.
    pub(super) fn bind(&mut self, id: Id, address: SocketAddr) -> Result<(), c_int> {
        let host = self.kernel.host_of(id).ok_or(libc::EBADF)?;
        let (family, local) = self.kernel.local(id).ok_or(libc::EINVAL)?;
        if local.is_some() {
            return Err(libc::EINVAL);
        }
        if address.is_ipv6() && family == libc::AF_INET {
            return Err(libc::EAFNOSUPPORT);
        }
        let address = plain(address);
        if !self.kernel.is_own(host, address.ip()) && !address.ip().is_multicast() {
            return Err(libc::EADDRNOTAVAIL);
        }
        if address.port() != 0 {
            if self.is_taken(host, id, address) {
                return Err(libc::EADDRINUSE);
            }
            self.kernel.set_local(id, address);
            return Ok(());
        }
        for _ in 0..PORT_TRIES {
            let port = EPHEMERAL.0 + self.draw("port", EPHEMERAL.1) as u16;
            let address = SocketAddr::new(address.ip(), port);
            if !self.is_taken(host, id, address) {
                self.kernel.set_local(id, address);
                return Ok(());
            }
        }
        Err(libc::EADDRINUSE)
    }

    /// Whether another socket of the host prevents this one from having an address.
    fn is_taken(&self, host: usize, id: Id, address: SocketAddr) -> bool {
        let Some(object) = self.kernel.objects.get(id) else { return false };
        let is_tcp = matches!(object.kind, Kind::Tcp(_));
        let shares = object.is_set(libc::SOL_SOCKET, libc::SO_REUSEPORT);
        let reuses = object.is_set(libc::SOL_SOCKET, libc::SO_REUSEADDR);
        self.kernel.objects.iter().any(|(other_id, other)| {
            let (local, is_listener) = match &other.kind {
                Kind::Tcp(tcp) if is_tcp => (tcp.local, matches!(tcp.role, Role::Listener { .. })),
                Kind::Udp(udp) if !is_tcp => (udp.local, false),
                _ => return false,
            };
            let Some(local) = local.filter(|_| other_id != id && other.host == host) else {
                return false;
            };
            let both = |option| other.is_set(libc::SOL_SOCKET, option);
            let is_shared = shares && both(libc::SO_REUSEPORT)
                || reuses && both(libc::SO_REUSEADDR) && !is_listener;
            local.port() == address.port() && overlap(local.ip(), address.ip()) && !is_shared
        })
    }

    /// The listener of a host for an address.
    pub(super) fn find_listener(&mut self, host: usize, address: SocketAddr) -> Option<Id> {
        let listeners = |world: &World, is_exact: bool| -> Vec<Id> {
            let fits = |object: &Object| match &object.kind {
                Kind::Tcp(tcp) if matches!(tcp.role, Role::Listener { .. }) => {
                    tcp.local.is_some_and(|local| {
                        let is_all = local.ip().is_unspecified()
                            && (local.is_ipv4() == address.is_ipv4()
                                || local.is_ipv6()
                                    && !object.is_set(libc::IPPROTO_IPV6, libc::IPV6_V6ONLY));
                        local.port() == address.port()
                            && if is_exact { local.ip() == address.ip() } else { is_all }
                    })
                }
                _ => false,
            };
            let all = world.kernel.objects.iter();
            all.filter(|(_, object)| object.host == host && fits(object)).map(|it| it.0).collect()
        };
        let mut found = listeners(self, true);
        if found.is_empty() {
            found = listeners(self, false);
        }
        match found.len() {
            0 | 1 => found.first().copied(),
            count => Some(found[self.draw("port sharing", count as u64) as usize]),
        }
    }

    /// Ends the threads of a host and closes its descriptors. With `is_silent` the machine has lost
    /// power: it sends nothing to its peers, and answers nothing. Otherwise its process was killed,
    /// and the kernel ends its connections.
    pub(in crate::platform) fn stop_host(&mut self, host: usize, is_silent: bool) {
        self.forget_threads_of(host);
        self.close_all_of(host, is_silent);
        if let Some(host) = self.kernel.host_mut(host) {
            host.is_up = !is_silent;
            host.is_paused = false;
            host.descriptor_count = 0;
        }
    }

    /// Gives a host power.
    pub(in crate::platform) fn power_on(&mut self, host: usize) {
        if let Some(host) = self.kernel.host_mut(host) {
            host.is_up = true;
        }
    }
}

/// Whether two addresses cannot be bound at the same port.
fn overlap(one: IpAddr, other: IpAddr) -> bool {
    one == other
        || one.is_unspecified() && (one.is_ipv6() || other.is_ipv4())
        || other.is_unspecified() && (other.is_ipv6() || one.is_ipv4())
}

#[cfg(test)]
mod tests {
    use super::{global_ns, local_ns, overlap, set_clocks, when_ns};

    #[test]
    fn a_fast_clock_shows_more_waits_less_and_never_goes_back() {
        let host = 200;
        assert_eq!((local_ns(host, 1_000_000), global_ns(host, 1_000_000)), (1_000_000, 1_000_000));
        set_clocks(host, 0, 0, 1_000);
        assert_eq!(local_ns(host, 1_000_000), 1_001_000);
        let waited = global_ns(host, 1_001_000);
        assert!(local_ns(host, waited) >= 1_001_000 && waited <= 1_000_002, "{waited}");
        set_clocks(host, 1_000_000, 0, -1_000);
        assert_eq!(local_ns(host, 2_000_000), 2_000_000);
        // From a moment after the clocks were set: before it, they showed other times.
        for shown in [1_001_010, 1_500_000, 7_654_321] {
            let when = when_ns(host, shown);
            assert!(local_ns(host, when) >= shown && local_ns(host, when - 4) < shown, "{when}");
        }
    }

    #[test]
    fn all_addresses_overlap_each() {
        let ip = |text: &str| text.parse().expect("an address");
        assert!(overlap(ip("0.0.0.0"), ip("127.0.0.1")) && overlap(ip("::"), ip("127.0.0.1")));
        assert!(!overlap(ip("0.0.0.0"), ip("::1")) && !overlap(ip("127.0.0.1"), ip("127.0.0.2")));
    }
}
