//! One direction of a TCP connection: its segments arrive in the order in which they were sent. A
//! segment that is lost arrives later, because TCP retransmits it. While the network is cut, or the
//! other machine has no power, the first segment is retransmitted with pauses that double, until
//! the sender gives up, as in Linux.

use std::collections::VecDeque;

use super::bytes::Bytes;
use super::{Event, Id};
use crate::platform::world::{World, now_ns};

/// The first and the longest pause before a segment is retransmitted.
const RETRY_NS: (u64, u64) = (200_000_000, 120_000_000_000);

/// When the sender gives up: `tcp_retries2` of Linux.
const GIVE_UP_NS: u64 = 924_600_000_000;

/// One of this many segments is split, and its parts arrive one after the other.
const SEGMENTS_PER_SPLIT: u64 = 8;

/// A message from one end to the other.
#[derive(Clone, Copy, Debug)]
pub(super) enum Segment {
    /// The connection is accepted.
    Accepted,
    /// The next bytes of the wire, as many as this.
    Data(usize),
    /// The receiver has read this many bytes.
    Read(usize),
    /// No more data follows.
    End,
    Reset,
}

/// One direction of a TCP connection.
#[derive(Debug)]
pub(super) struct Wire {
    pub(super) hosts: (usize, usize),
    pub(super) ends: (Id, Id),
    queue: VecDeque<(u64, Segment)>,
    /// The bytes of all segments in the queue.
    pub(super) bytes: Bytes,
    last_ns: u64,
    is_scheduled: bool,
    attempts: u32,
    first_failure_ns: Option<u64>,
}

impl Wire {
    pub(super) fn new(hosts: (usize, usize), ends: (Id, Id)) -> Wire {
        Wire {
            hosts,
            ends,
            queue: VecDeque::new(),
            bytes: Bytes::default(),
            last_ns: 0,
            is_scheduled: false,
            attempts: 0,
            first_failure_ns: None,
        }
    }
}

impl World {
    /// Sends a segment without bytes.
    pub(super) fn transmit(&mut self, id: Id, segment: Segment) {
        let Some(wire) = self.kernel.wires.get(id) else { return };
        self.enqueue(id, wire.hosts, segment);
    }

    /// Sends bytes.
    pub(super) fn transmit_bytes(&mut self, id: Id, bytes: &[u8]) {
        let Some(wire) = self.kernel.wires.get_mut(id) else { return };
        wire.bytes.push(bytes);
        let (from, to) = wire.hosts;
        let mut len = bytes.len();
        if from != to
            && len > 1
            && self.draw("segments", SEGMENTS_PER_SPLIT) == SEGMENTS_PER_SPLIT - 1
        {
            let first_len = 1 + self.draw("segments", len as u64 - 1) as usize;
            self.enqueue(id, (from, to), Segment::Data(first_len));
            len -= first_len;
        }
        self.enqueue(id, (from, to), Segment::Data(len));
    }

    fn enqueue(&mut self, id: Id, (from, to): (usize, usize), segment: Segment) {
        let len = match segment {
            Segment::Data(len) => len,
            _ => 0,
        };
        let mut at_ns = self.arrival_ns(from, to, len);
        let mut pause_ns = RETRY_NS.0;
        while pause_ns < RETRY_NS.1 && self.happens(from, to, |link| link.loss, "loss") {
            at_ns += pause_ns;
            pause_ns *= 2;
        }
        let Some(wire) = self.kernel.wires.get_mut(id) else { return };
        let at_ns = at_ns.max(wire.last_ns);
        wire.last_ns = at_ns;
        wire.queue.push_back((at_ns, segment));
        if wire.is_scheduled {
            return;
        }
        if at_ns <= now_ns() {
            return self.wire_is_due(id);
        }
        wire.is_scheduled = true;
        self.kernel.schedule(at_ns, Event::Wire(id));
    }

    /// Handles the arrival of the first segment of a wire.
    pub(super) fn wire_is_due(&mut self, id: Id) {
        let Some(wire) = self.kernel.wires.get_mut(id) else { return };
        wire.is_scheduled = false;
        let ((from, to), (sender, _)) = (wire.hosts, wire.ends);
        if !self.is_reachable(from, to) {
            return self.try_again(id, sender);
        }
        while let Some(wire) = self.kernel.wires.get_mut(id) {
            (wire.attempts, wire.first_failure_ns) = (0, None);
            match wire.queue.front() {
                Some((at_ns, _)) if *at_ns <= now_ns() => (),
                Some((at_ns, _)) => {
                    let at_ns = *at_ns;
                    if !wire.is_scheduled {
                        wire.is_scheduled = true;
                        self.kernel.schedule(at_ns, Event::Wire(id));
                    }
                    return;
                }
                None => break,
            }
            let Some((_, segment)) = wire.queue.pop_front() else { break };
            self.segment_arrives(id, segment);
            if let (Segment::Data(len), Some(wire)) = (segment, self.kernel.wires.get_mut(id)) {
                wire.bytes.remove_first(len);
            }
        }
        self.free_wire(id);
    }

    /// Handles a segment that cannot arrive: it is retransmitted later, or the connection fails.
    fn try_again(&mut self, id: Id, sender: Id) {
        let Some(wire) = self.kernel.wires.get_mut(id) else { return };
        let now_ns = now_ns();
        let first_ns = *wire.first_failure_ns.get_or_insert(now_ns);
        if now_ns - first_ns >= GIVE_UP_NS {
            self.kernel.wires.remove(id);
            self.fail_tcp(sender, libc::ETIMEDOUT);
            return;
        }
        let pause_ns = (RETRY_NS.0 << wire.attempts.min(20)).min(RETRY_NS.1);
        wire.attempts += 1;
        wire.is_scheduled = true;
        self.kernel.schedule(now_ns + pause_ns, Event::Wire(id));
    }

    /// Frees a wire that is no longer needed.
    pub(super) fn free_wire(&mut self, id: Id) {
        let Some(wire) = self.kernel.wires.get(id) else { return };
        let ((sender, _), is_empty) = (wire.ends, wire.queue.is_empty());
        if is_empty && self.kernel.objects.get(sender).is_none() {
            self.kernel.wires.remove(id);
        }
    }
}
