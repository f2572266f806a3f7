//! UDP: datagrams that may be lost, arrive twice, or overtake each other.

use std::collections::VecDeque;
use std::ffi::c_int;
use std::net::{IpAddr, SocketAddr};

use super::address::{in_family, plain};
use super::descriptors::Kind;
use super::{Event, Id};
use crate::platform::world::{World, now_ns};

/// The most bytes that wait in a socket: the default of Linux (`rmem_default`).
const RECEIVED_MAX: usize = 212_992;

/// What a datagram costs besides its bytes.
const OVERHEAD: usize = 512;

/// The longest datagram over IPv4 and IPv6.
const LEN_MAX: usize = 65_507;

const IN: u32 = libc::EPOLLIN as u32;
const OUT: u32 = libc::EPOLLOUT as u32;
const ERR: u32 = libc::EPOLLERR as u32;

/// A datagram in flight.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Datagram {
    pub(super) sender: Id,
    pub(super) hosts: (usize, usize),
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
    pub(super) bytes: Vec<u8>,
}

/// A UDP socket.
#[derive(Debug)]
pub(super) struct Udp {
    pub(super) family: c_int,
    pub(super) local: Option<SocketAddr>,
    pub(super) peer: Option<SocketAddr>,
    pub(super) error: Option<c_int>,
    received: VecDeque<(SocketAddr, Vec<u8>)>,
    received_len: usize,
    pub(super) groups: Vec<IpAddr>,
}

impl Udp {
    pub(super) fn new(family: c_int) -> Udp {
        Udp {
            family,
            local: None,
            peer: None,
            error: None,
            received: VecDeque::new(),
            received_len: 0,
            groups: Vec::new(),
        }
    }

    pub(super) fn events(&self) -> u32 {
        let readable = if self.received.is_empty() { 0 } else { IN };
        let error = if self.error.is_some() { ERR } else { 0 };
        readable | error | OUT
    }

    /// The length of the first datagram.
    pub(super) fn unread(&self) -> usize {
        self.received.front().map_or(0, |(_, bytes)| bytes.len())
    }

    fn takes(&self, from: SocketAddr, to: SocketAddr) -> bool {
        let Some(local) = self.local else { return false };
        let is_own = local.port() == to.port()
            && (local.ip().is_unspecified() && (self.family == libc::AF_INET6 || to.is_ipv4())
                || local.ip() == to.ip()
                || to.ip().is_multicast() && self.groups.contains(&to.ip()));
        let is_in_group = !to.ip().is_multicast() || self.groups.contains(&to.ip());
        let is_from_peer = self.peer.is_none_or(|peer| peer == from);
        is_own && is_in_group && is_from_peer
    }
}

impl World {
    /// Sets the peer of a UDP socket.
    pub(super) fn connect_udp(&mut self, id: Id, address: SocketAddr) -> Result<(), c_int> {
        let host = self.kernel.host_of(id).ok_or(libc::EBADF)?;
        if address.is_ipv6() && self.kernel.udp(id).is_some_and(|udp| udp.family == libc::AF_INET) {
            return Err(libc::EAFNOSUPPORT);
        }
        let address = self.destination(host, address)?;
        let udp = self.kernel.udp(id).ok_or(libc::EBADF)?;
        if udp.local.is_none_or(|local| local.ip().is_unspecified()) {
            self.bind_any(id, Some(address))?;
        }
        let udp = self.kernel.udp(id).ok_or(libc::EBADF)?;
        udp.peer = Some(address);
        udp.received.retain(|(from, _)| *from == address);
        Ok(())
    }

    /// Sends one datagram.
    pub(super) fn send_udp(
        &mut self,
        id: Id,
        bytes: &[u8],
        to: Option<SocketAddr>,
    ) -> Result<usize, c_int> {
        let host = self.kernel.host_of(id).ok_or(libc::EBADF)?;
        let udp = self.kernel.udp(id).ok_or(libc::EBADF)?;
        if let Some(errno) = udp.error.take() {
            return Err(errno);
        }
        if udp.family == libc::AF_INET && to.is_some_and(|to| to.is_ipv6()) {
            return Err(libc::EAFNOSUPPORT);
        }
        let to = plain(to.or(udp.peer).ok_or(libc::EDESTADDRREQ)?);
        if bytes.len() > LEN_MAX {
            return Err(libc::EMSGSIZE);
        }
        if to.port() == 0 {
            return Err(libc::EINVAL);
        }
        let is_broadcast = to.ip() == IpAddr::from([255, 255, 255, 255]);
        if is_broadcast && !self.is_set(id, libc::SOL_SOCKET, libc::SO_BROADCAST) {
            return Err(libc::EACCES);
        }
        let is_to_all = is_broadcast || to.ip().is_multicast();
        let to = if is_to_all { to } else { self.destination(host, to)? };
        if self.kernel.udp(id).is_some_and(|udp| udp.local.is_none()) {
            self.bind_any(id, None)?;
        }
        let local = self.kernel.udp(id).and_then(|udp| udp.local).ok_or(libc::EBADF)?;
        let targets: Vec<usize> = if is_to_all {
            (0..self.kernel.hosts.len()).collect()
        } else {
            self.host_at(host, to.ip()).into_iter().collect()
        };
        if targets.is_empty() {
            return Err(libc::ENETUNREACH);
        }
        for target in targets {
            let from = self.source(host, target, local, to.ip());
            let (hosts, bytes) = ((host, target), bytes.to_vec());
            self.send_datagram(Datagram { sender: id, hosts, from, to, bytes });
        }
        Ok(bytes.len())
    }

    fn send_datagram(&mut self, datagram: Datagram) {
        let (from, to) = datagram.hosts;
        if self.happens(from, to, |link| link.loss, "loss") {
            return;
        }
        let copies = 1 + u32::from(self.happens(from, to, |link| link.duplication, "duplication"));
        for _ in 0..copies {
            let mut at_ns = self.arrival_ns(from, to, datagram.bytes.len());
            if self.happens(from, to, |link| link.reordering, "reordering") {
                let usual = at_ns - now_ns();
                at_ns += self.draw("reordering", usual.saturating_mul(10) + 1);
            }
            if at_ns <= now_ns() {
                self.datagram_arrives(datagram.clone());
            } else {
                self.kernel.schedule(at_ns, Event::Datagram(Box::new(datagram.clone())));
            }
        }
    }

    pub(super) fn datagram_arrives(&mut self, datagram: Datagram) {
        let (from_host, to_host) = datagram.hosts;
        if !self.is_reachable(from_host, to_host) {
            return;
        }
        let Datagram { from, to, .. } = datagram;
        let mut takers: Vec<Id> = self
            .kernel
            .objects
            .iter()
            .filter(|(_, object)| object.host == to_host)
            .filter(|(_, object)| matches!(&object.kind, Kind::Udp(udp) if udp.takes(from, to)))
            .map(|(id, _)| id)
            .collect();
        let is_to_all = to.ip().is_multicast() || to.ip() == IpAddr::from([255, 255, 255, 255]);
        if !is_to_all && takers.len() > 1 {
            // A connected socket comes first. If several sockets share the port, one of them gets
            // it.
            let is_connected = |kernel: &mut super::Kernel, id: Id| {
                kernel.udp(id).is_some_and(|udp| udp.peer.is_some())
            };
            let connected = takers.iter().copied().find(|&id| is_connected(&mut self.kernel, id));
            let drawn = takers[self.draw("port sharing", takers.len() as u64) as usize];
            takers = vec![connected.unwrap_or(drawn)];
        }
        if takers.is_empty() && !is_to_all {
            let at_ns = self.arrival_ns(to_host, from_host, 0);
            let socket = datagram.sender;
            if at_ns <= now_ns() {
                return self.port_is_unreachable(socket);
            }
            return self.kernel.schedule(at_ns, Event::PortUnreachable { socket });
        }
        for id in takers {
            let Some(udp) = self.kernel.udp(id) else { continue };
            // As in Linux, a datagram that has no room is dropped.
            if udp.received_len + OVERHEAD <= RECEIVED_MAX {
                udp.received_len += datagram.bytes.len() + OVERHEAD;
                udp.received.push_back((from, datagram.bytes.clone()));
                self.signal(id, IN);
            }
        }
    }

    pub(super) fn port_is_unreachable(&mut self, socket: Id) {
        if let Some(udp) = self.kernel.udp(socket)
            && udp.peer.is_some()
        {
            udp.error = Some(libc::ECONNREFUSED);
            self.signal(socket, ERR | IN | OUT);
        }
    }

    /// Takes or copies the first datagram.
    pub(super) fn recv_udp(&mut self, id: Id, peeks: bool) -> Result<(SocketAddr, Vec<u8>), c_int> {
        let udp = self.kernel.udp(id).ok_or(libc::EBADF)?;
        if let Some(errno) = udp.error.take() {
            return Err(errno);
        }
        let family = udp.family;
        let (from, bytes) = if peeks {
            udp.received.front().cloned().ok_or(libc::EAGAIN)?
        } else {
            let (from, bytes) = udp.received.pop_front().ok_or(libc::EAGAIN)?;
            udp.received_len = udp.received_len.saturating_sub(bytes.len() + OVERHEAD);
            (from, bytes)
        };
        Ok((in_family(family, from), bytes))
    }
}
