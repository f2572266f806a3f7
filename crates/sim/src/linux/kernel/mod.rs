//! The kernel of the simulated hosts: descriptors, sockets, epoll sets, and the network.
//!
//! A descriptor of this kernel has a real one as its *token*: an unconnected socket, an eventfd or
//! an epoll set of the system. So the system does not give its number to anything else, and the
//! token keeps options that have no meaning here. Bytes, readiness and errors are simulated. Calls
//! on descriptors that this kernel does not know go to the system.
//!
//! * `calls.rs`, `transfers.rs`, `waits.rs` and `duplicates.rs` have the functions of the C
//!   library.
//! * `descriptors.rs` has the table of descriptors, and what is shared by their objects.
//! * `epoll.rs` has epoll sets and eventfds.
//! * `tcp.rs` and `wire.rs` have TCP, `udp.rs` has UDP, `options.rs` the options of both.
//! * `hosts.rs` has the hosts, `link.rs` the network between them.
//! * `bytes.rs` has the queue of bytes of a connection.
//! * `address.rs` and `unix.rs` convert addresses from and to the form of the C library.
//!
//! All of it is accessed inside `world::with` only (invariant 1 of `world.rs`), except for the
//! kinds of descriptors, which are atomic.

pub(super) mod address;
mod bytes;
pub(super) mod calls;
pub(super) mod descriptors;
mod duplicates;
mod epoll;
pub(super) mod hosts;
pub(super) mod link;
mod messages;
mod options;
mod tcp;
pub(super) mod transfers;
mod udp;
mod unix;
pub(super) mod waits;
mod wire;

use std::cmp::Reverse;
use std::collections::BinaryHeap;

pub(super) use descriptors::Id;
use descriptors::{Descriptor, Object, Slab};
pub(super) use epoll::has_system_events;
use hosts::Host;
use link::Link;
use udp::Datagram;
use wire::Wire;

use super::world::World;

/// The state of the kernel.
#[derive(Debug, Default)]
pub(super) struct Kernel {
    /// Indexed by their numbers.
    descriptors: Vec<Option<Descriptor>>,
    objects: Slab<Object>,
    wires: Slab<Wire>,
    /// Future events, the earliest first: time, order, event.
    events: BinaryHeap<Reverse<(u64, u64, Event)>>,
    event_count: u64,
    hosts: Vec<Host>,
    /// The links by the numbers of the sender and of the receiver. One that is missing is as the
    /// default.
    links: Vec<Vec<Option<Link>>>,
    default_link: Link,
    /// Descriptors of the system that an epoll set contains, and the set.
    real: Vec<(i32, Id)>,
    /// Whether there are several hosts, so that they have names and a network.
    is_network: bool,
}

/// An event of the network, which happens at a virtual time.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// The first segment of a wire arrives, or is retransmitted.
    Wire(Id),
    /// A connection's first segment arrives.
    Syn { client: Id, attempt: u32 },
    /// A connection's first segment is sent.
    SendSyn { client: Id, attempt: u32 },
    /// An end learns that the other does not know the connection.
    Reset { end: Id, by: usize },
    /// A connection is refused.
    Refused { client: Id, attempt: u32 },
    /// A datagram arrives.
    Datagram(Box<Datagram>),
    /// A connected UDP socket learns that nothing listens at the peer's port.
    PortUnreachable { socket: Id },
}

impl Kernel {
    /// When the next event is due. `None` if there is no event.
    pub(super) fn next_event_ns(&self) -> Option<u64> {
        self.events.peek().map(|Reverse((at_ns, ..))| *at_ns)
    }

    fn schedule(&mut self, at_ns: u64, event: Event) {
        self.event_count += 1;
        self.events.push(Reverse((at_ns, self.event_count, event)));
    }

    /// Whether an epoll set has a descriptor of the system, so that the system must be asked.
    pub(super) fn has_real(&self) -> bool {
        !self.real.is_empty()
    }
}

impl World {
    /// Runs the events that are due.
    pub(super) fn run_events(&mut self, now_ns: u64) {
        while self.kernel.next_event_ns().is_some_and(|at_ns| at_ns <= now_ns) {
            let Some(Reverse((_, _, event))) = self.kernel.events.pop() else { return };
            match event {
                Event::Wire(wire) => self.wire_is_due(wire),
                Event::SendSyn { client, attempt } => self.send_syn(client, attempt),
                Event::Syn { client, attempt } => self.syn_arrives(client, attempt),
                Event::Reset { end, by } => self.reset_arrives(end, by),
                Event::Refused { client, attempt } => self.refusal_arrives(client, attempt),
                Event::Datagram(datagram) => self.datagram_arrives(*datagram),
                Event::PortUnreachable { socket } => self.port_is_unreachable(socket),
            }
        }
    }
}
