//! TCP: listeners, connections, and the state of each end. A segment has the bytes that one call
//! has sent, or a part of them. The bytes that are in flight or unread are limited by the window of
//! the connection.

use std::collections::VecDeque;
use std::ffi::c_int;
use std::net::SocketAddr;

use super::bytes::Bytes;
use super::descriptors::{Kind, Object};
use super::wire::{Segment, Wire};
use super::{Event, Id};
use crate::platform::world::{World, now_ns};

/// The windows of connections, in bytes. Each connection draws one.
const WINDOWS: [usize; 3] = [64 << 10, 256 << 10, 1 << 20];

/// How many times the first segment of a connection is sent, with pauses of 1, 2, 4, … seconds:
/// Linux gives up after 127 seconds.
const SYN_ATTEMPTS: u32 = 7;

const IN: u32 = libc::EPOLLIN as u32;
const OUT: u32 = libc::EPOLLOUT as u32;
const HUP: u32 = libc::EPOLLHUP as u32;
const ERR: u32 = libc::EPOLLERR as u32;
const RDHUP: u32 = libc::EPOLLRDHUP as u32;

/// The state of a TCP socket.
#[derive(Debug)]
pub(super) enum Role {
    /// Neither connected nor listening.
    Unconnected,
    Listener {
        /// Connections that were not accepted yet.
        queue: VecDeque<Id>,
        backlog: usize,
    },
    /// The handshake is not complete.
    Connecting,
    Connected,
    /// The connection has ended with an error.
    Failed,
}

/// A TCP socket.
#[derive(Debug)]
pub(super) struct Tcp {
    pub(super) family: c_int,
    pub(super) role: Role,
    pub(super) local: Option<SocketAddr>,
    pub(super) peer: Option<SocketAddr>,
    /// The error for `SO_ERROR`, or for the next call.
    pub(super) error: Option<c_int>,
    /// Bytes that were received and not read.
    received: Bytes,
    /// Whether the peer sends nothing more.
    is_at_end: bool,
    is_read_shut: bool,
    is_write_shut: bool,
    /// Bytes that were sent, and that the peer has not reported as read.
    unread_by_peer: usize,
    /// Bytes that were read, and not yet reported to the peer.
    unreported: usize,
    window: usize,
    /// A call found the window full, so an event follows when there is room.
    waits_for_window: bool,
    /// The direction to the peer.
    wire: Option<Id>,
    /// Closing resets the connection (`SO_LINGER` with a time of 0).
    pub(super) resets_on_close: bool,
}

impl Tcp {
    pub(super) fn new(family: c_int) -> Tcp {
        Tcp {
            family,
            role: Role::Unconnected,
            local: None,
            peer: None,
            error: None,
            received: Bytes::default(),
            is_at_end: false,
            is_read_shut: false,
            is_write_shut: false,
            unread_by_peer: 0,
            unreported: 0,
            window: WINDOWS[0],
            waits_for_window: false,
            wire: None,
            resets_on_close: false,
        }
    }

    /// How many bytes can be read.
    pub(super) fn unread(&self) -> usize {
        self.received.len()
    }

    fn has_room(&self) -> bool {
        // Linux, too, reports room when a third of the buffer is free.
        self.unread_by_peer < self.window - self.window / 3
    }

    pub(super) fn events(&self) -> u32 {
        let error = if self.error.is_some() { ERR } else { 0 };
        error
            | match &self.role {
                Role::Unconnected => OUT | HUP,
                Role::Listener { queue, .. } if queue.is_empty() => 0,
                Role::Listener { .. } => IN,
                Role::Connecting => 0,
                Role::Failed => IN | OUT | HUP | RDHUP,
                Role::Connected => {
                    let reads_end = self.is_at_end || self.is_read_shut;
                    let hup = if reads_end && self.is_write_shut { HUP } else { 0 };
                    let end = if reads_end { IN | RDHUP } else { 0 };
                    let readable = if self.received.is_empty() { 0 } else { IN };
                    let writable = if self.is_write_shut || self.has_room() { OUT } else { 0 };
                    hup | end | readable | writable
                }
            }
    }
}

impl super::Kernel {
    /// Copies the next bytes of a wire to their receiver.
    fn copy_to_receiver(&mut self, id: Id, len: usize) {
        if let Some(wire) = self.wires.get(id)
            && let Some(Object { kind: Kind::Tcp(tcp), .. }) = self.objects.get_mut(wire.ends.1)
        {
            tcp.received.push(wire.bytes.first(len));
        }
    }
}

impl World {
    /// Makes a socket a listener, or changes the length of its queue.
    pub(super) fn listen(&mut self, id: Id, backlog: c_int) -> Result<(), c_int> {
        // Linux adds one, and a queue has no more than `somaxconn` entries.
        let backlog = usize::try_from(backlog).unwrap_or(usize::MAX).min(4096) + 1;
        if self.kernel.tcp(id).is_some_and(|tcp| tcp.local.is_none()) {
            self.bind_any(id, None)?;
        }
        let tcp = self.kernel.tcp(id).ok_or(libc::EOPNOTSUPP)?;
        match &mut tcp.role {
            Role::Listener { backlog: old, .. } => *old = backlog,
            Role::Unconnected => {
                tcp.role = Role::Listener { queue: VecDeque::new(), backlog };
            }
            _ => return Err(libc::EINVAL),
        }
        Ok(())
    }

    /// Begins a connection. `EINPROGRESS` until it is established.
    pub(super) fn connect_tcp(&mut self, id: Id, address: SocketAddr) -> Result<(), c_int> {
        let host = self.kernel.host_of(id).ok_or(libc::EBADF)?;
        let tcp = self.kernel.tcp(id).ok_or(libc::EBADF)?;
        match tcp.role {
            Role::Unconnected => (),
            Role::Connecting => return Err(libc::EALREADY),
            Role::Listener { .. } | Role::Connected => return Err(libc::EISCONN),
            Role::Failed => {
                tcp.role = Role::Unconnected;
                return Err(tcp.error.take().unwrap_or(libc::ECONNABORTED));
            }
        }
        if address.is_ipv6() != (self.kernel.local(id).ok_or(libc::EBADF)?.0 == libc::AF_INET6) {
            return Err(libc::EAFNOSUPPORT);
        }
        let address = self.destination(host, address)?;
        if self
            .kernel
            .tcp(id)
            .is_some_and(|tcp| tcp.local.is_none_or(|local| local.ip().is_unspecified()))
        {
            self.bind_any(id, Some(address))?;
        }
        let kind = self.draw("window", WINDOWS.len() as u64) as usize;
        let tcp = self.kernel.tcp(id).ok_or(libc::EBADF)?;
        (tcp.role, tcp.peer, tcp.window) = (Role::Connecting, Some(address), WINDOWS[kind]);
        self.send_syn(id, 0);
        Err(libc::EINPROGRESS)
    }

    pub(super) fn send_syn(&mut self, client: Id, attempt: u32) {
        let Some(host) = self.kernel.host_of(client) else { return };
        let Some(tcp) = self.kernel.tcp(client) else { return };
        let (Role::Connecting, Some(peer)) = (&tcp.role, tcp.peer) else { return };
        if attempt >= SYN_ATTEMPTS {
            return self.fail_tcp(client, libc::ETIMEDOUT);
        }
        let Some(to) = self.host_at(host, peer.ip()) else {
            return self.fail_tcp(client, libc::EHOSTUNREACH);
        };
        if self.happens(host, to, |link| link.loss, "loss") {
            return self.send_syn_later(client, attempt);
        }
        let at_ns = self.arrival_ns(host, to, 0);
        if at_ns <= now_ns() {
            self.syn_arrives(client, attempt);
        } else {
            self.kernel.schedule(at_ns, Event::Syn { client, attempt });
        }
    }

    fn send_syn_later(&mut self, client: Id, attempt: u32) {
        let at_ns = now_ns() + (1_000_000_000 << attempt);
        self.kernel.schedule(at_ns, Event::SendSyn { client, attempt: attempt + 1 });
    }

    pub(super) fn syn_arrives(&mut self, client: Id, attempt: u32) {
        let Some(from) = self.kernel.host_of(client) else { return };
        let Some(tcp) = self.kernel.tcp(client) else { return };
        let (Role::Connecting, Some(peer), Some(local)) = (&tcp.role, tcp.peer, tcp.local) else {
            return;
        };
        let (window, wire) = (tcp.window, tcp.wire);
        let Some(to) = self.host_at(from, peer.ip()) else { return };
        // The answer to an earlier attempt is on its way, unless the other host has crashed.
        let other = wire.and_then(|wire| self.kernel.wires.get(wire)).map(|wire| wire.ends.1);
        if other.is_some_and(|other| self.kernel.objects.get(other).is_some()) {
            return self.send_syn_later(client, attempt);
        }
        if !self.is_reachable(from, to) {
            return self.send_syn_later(client, attempt);
        }
        let Some(listener) = self.find_listener(to, peer) else {
            let at_ns = self.arrival_ns(to, from, 0);
            if at_ns <= now_ns() {
                return self.refusal_arrives(client, attempt);
            }
            return self.kernel.schedule(at_ns, Event::Refused { client, attempt });
        };
        let Some(tcp) = self.kernel.tcp(listener) else { return };
        let family = tcp.family;
        let Role::Listener { queue, backlog } = &tcp.role else { return };
        if queue.len() >= *backlog {
            return self.send_syn_later(client, attempt);
        }
        let mut server = Tcp::new(family);
        server.role = Role::Connected;
        (server.local, server.peer, server.window) = (Some(peer), Some(local), window);
        let server = self.kernel.objects.insert(Object::new(to, false, Kind::Tcp(server)));
        let forth = self.kernel.wires.insert(Wire::new((from, to), (client, server)));
        let back = self.kernel.wires.insert(Wire::new((to, from), (server, client)));
        if let Some(tcp) = self.kernel.tcp(server) {
            tcp.wire = Some(back);
        }
        if let Some(tcp) = self.kernel.tcp(client) {
            tcp.wire = Some(forth);
        }
        if let Some(Tcp { role: Role::Listener { queue, .. }, .. }) = self.kernel.tcp(listener) {
            queue.push_back(server);
        }
        self.transmit(back, Segment::Accepted);
        if from != to {
            self.send_syn_later(client, attempt);
        }
        self.signal(listener, IN);
    }

    pub(super) fn refusal_arrives(&mut self, client: Id, attempt: u32) {
        let Some(host) = self.kernel.host_of(client) else { return };
        let peer = self.kernel.tcp(client).and_then(|tcp| tcp.peer);
        let by = peer.and_then(|peer| self.host_at(host, peer.ip()));
        match by {
            Some(by) if !self.is_reachable(by, host) => self.send_syn_later(client, attempt),
            _ => self.fail_tcp(client, libc::ECONNREFUSED),
        }
    }

    /// Ends a connection with an error.
    pub(super) fn fail_tcp(&mut self, id: Id, errno: c_int) {
        let Some(tcp) = self.kernel.tcp(id) else { return };
        if !matches!(tcp.role, Role::Connecting | Role::Connected) {
            return;
        }
        tcp.role = Role::Failed;
        tcp.error = Some(errno);
        self.signal(id, IN | OUT | ERR | HUP | RDHUP);
    }

    pub(super) fn reset_arrives(&mut self, end: Id, by: usize) {
        let Some(host) = self.kernel.host_of(end) else { return };
        if !self.is_reachable(by, host) {
            return;
        }
        let errno = match self.kernel.tcp(end) {
            Some(Tcp { role: Role::Connecting, .. }) => libc::ECONNREFUSED,
            // As on Linux, if the peer had closed its side before.
            Some(tcp) if tcp.is_at_end => libc::EPIPE,
            _ => libc::ECONNRESET,
        };
        self.fail_tcp(end, errno);
    }

    /// Resets all connections between two hosts, as a middlebox does.
    pub(in crate::platform) fn reset_between(&mut self, one: usize, other: usize) {
        let between =
            |(from, to): (usize, usize)| (from, to) == (one, other) || (to, from) == (one, other);
        let ends: Vec<Id> = self
            .kernel
            .wires
            .iter()
            .filter(|(_, wire)| between(wire.hosts))
            .map(|(_, wire)| wire.ends.0)
            .collect();
        for end in ends {
            self.fail_tcp(end, libc::ECONNRESET);
        }
    }

    /// Handles a segment of the wire `id`, which has arrived at its end.
    pub(super) fn segment_arrives(&mut self, id: Id, segment: Segment) {
        let Some(wire) = self.kernel.wires.get(id) else { return };
        let ((_, to), (sender, receiver)) = (wire.hosts, wire.ends);
        let is_failed = |tcp: &Tcp| matches!(tcp.role, Role::Failed);
        let Some(tcp) = self.kernel.tcp(receiver).filter(|tcp| !is_failed(tcp)) else {
            // The receiver does not know the connection.
            if let (Segment::Data(_) | Segment::End | Segment::Accepted, Some(from)) =
                (&segment, self.kernel.host_of(sender))
            {
                let at_ns = self.arrival_ns(to, from, 0);
                // Linux forgets a connection that both sides have closed, and does not answer its
                // end.
                if !matches!(segment, Segment::End) {
                    self.kernel.schedule(at_ns, Event::Reset { end: sender, by: to });
                }
            }
            return;
        };
        match segment {
            Segment::Accepted => {
                tcp.role = Role::Connected;
                self.signal(receiver, OUT);
            }
            Segment::Data(len) => {
                self.kernel.copy_to_receiver(id, len);
                self.signal(receiver, IN);
            }
            Segment::Read(count) => {
                tcp.unread_by_peer = tcp.unread_by_peer.saturating_sub(count);
                if tcp.waits_for_window && tcp.has_room() {
                    tcp.waits_for_window = false;
                    self.signal(receiver, OUT);
                }
            }
            Segment::End => {
                tcp.is_at_end = true;
                let hup = if tcp.is_write_shut { HUP } else { 0 };
                self.signal(receiver, IN | RDHUP | hup);
            }
            Segment::Reset => {
                let errno = if tcp.is_at_end { libc::EPIPE } else { libc::ECONNRESET };
                self.fail_tcp(receiver, errno);
            }
        }
    }

    /// Stores up to `len` bytes, and removes them unless it peeks. Returns what `store` returns.
    pub(super) fn recv_tcp(
        &mut self,
        id: Id,
        len: usize,
        peeks: bool,
        store: impl FnOnce(&[u8]) -> usize,
    ) -> Result<usize, c_int> {
        let tcp = self.kernel.tcp(id).ok_or(libc::EBADF)?;
        if !matches!(tcp.role, Role::Connected | Role::Failed) {
            return Err(tcp.error.take().unwrap_or(libc::ENOTCONN));
        }
        let count = len.min(tcp.received.len());
        if count == 0 {
            if let Some(errno) = tcp.error.take() {
                return Err(errno);
            }
            let is_over = tcp.is_at_end || tcp.is_read_shut || matches!(tcp.role, Role::Failed);
            return if is_over || len == 0 { Ok(0) } else { Err(libc::EAGAIN) };
        }
        let stored = store(tcp.received.first(count));
        if peeks {
            return Ok(stored);
        }
        tcp.received.remove_first(count);
        tcp.unreported += count;
        if tcp.unreported >= tcp.window / 8
            && let Some(wire) = tcp.wire
        {
            let count = std::mem::take(&mut tcp.unreported);
            self.transmit(wire, Segment::Read(count));
        }
        Ok(stored)
    }

    /// Sends as many of the bytes as there is room for. Returns how many.
    pub(super) fn send_tcp(&mut self, id: Id, bytes: &[u8]) -> Result<usize, c_int> {
        let tcp = self.kernel.tcp(id).ok_or(libc::EBADF)?;
        if let Some(errno) = tcp.error.take() {
            return Err(errno);
        }
        match tcp.role {
            Role::Connected if tcp.is_write_shut => return Err(libc::EPIPE),
            Role::Connected => (),
            Role::Connecting => return Err(libc::EAGAIN),
            _ => return Err(libc::EPIPE),
        }
        if bytes.is_empty() {
            return Ok(0);
        }
        let count = bytes.len().min(tcp.window.saturating_sub(tcp.unread_by_peer));
        tcp.waits_for_window = count < bytes.len();
        if count == 0 {
            return Err(libc::EAGAIN);
        }
        tcp.unread_by_peer += count;
        if let Some(wire) = tcp.wire {
            self.transmit_bytes(wire, &bytes[..count]);
        }
        Ok(count)
    }

    pub(super) fn shutdown_tcp(&mut self, id: Id, how: c_int) -> Result<(), c_int> {
        let tcp = self.kernel.tcp(id).ok_or(libc::EBADF)?;
        match tcp.role {
            Role::Connected => (),
            Role::Listener { .. } if how != libc::SHUT_WR => {
                tcp.role = Role::Unconnected;
                self.signal(id, IN | HUP);
                return Ok(());
            }
            _ => return Err(libc::ENOTCONN),
        }
        tcp.is_read_shut |= how != libc::SHUT_WR;
        let ends = how != libc::SHUT_RD && !tcp.is_write_shut;
        tcp.is_write_shut |= ends;
        if let Some(wire) = tcp.wire.filter(|_| ends) {
            self.transmit(wire, Segment::End);
        }
        let events = self.kernel.objects.get(id).map_or(0, Object::events);
        self.signal(id, events);
        Ok(())
    }

    /// Closes a socket whose last descriptor was closed.
    pub(super) fn close_tcp(&mut self, tcp: Tcp, is_silent: bool) {
        if let Role::Listener { queue, .. } = tcp.role {
            for id in queue {
                if let Some(Object { kind: Kind::Tcp(mut waiting), .. }) =
                    self.kernel.objects.remove(id)
                {
                    waiting.resets_on_close = true;
                    self.close_tcp(waiting, is_silent);
                }
            }
            return;
        }
        let Some(wire) = tcp.wire else { return };
        if is_silent {
            self.kernel.wires.remove(wire);
            return;
        }
        if matches!(tcp.role, Role::Connected) {
            // The received bytes will never be read, so the connection is reset, as on Linux.
            if tcp.resets_on_close || !tcp.received.is_empty() {
                self.transmit(wire, Segment::Reset);
            } else if !tcp.is_write_shut {
                self.transmit(wire, Segment::End);
            }
        }
        self.free_wire(wire);
    }

    /// Takes a connection out of the queue of a listener.
    pub(super) fn take_connection(&mut self, listener: Id) -> Result<Id, c_int> {
        let tcp = self.kernel.tcp(listener).ok_or(libc::EOPNOTSUPP)?;
        let Role::Listener { queue, .. } = &mut tcp.role else { return Err(libc::EINVAL) };
        queue.pop_front().ok_or(libc::EAGAIN)
    }

    /// Puts it back, because there is no descriptor for it.
    pub(super) fn put_connection_back(&mut self, listener: Id, connection: Id) {
        if let Some(Tcp { role: Role::Listener { queue, .. }, .. }) = self.kernel.tcp(listener) {
            queue.push_front(connection);
        }
    }
}
