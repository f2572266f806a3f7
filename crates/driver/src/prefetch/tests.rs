//! Every path of a read that a turn may receive for.

use std::task::Context;

use super::*;
use crate::waiters::Arming;

/// A source with a socket behind it, whose bytes are numbered from 1.
struct World {
    waiters: Waiters,
    readiness: Readiness,
    /// What the peer has sent, what of it was an event, what has left the socket, and what the
    /// reader has got.
    sent: u8,
    told: u8,
    received: u8,
    got: u8,
    /// The claims under way, of one shard or two, and what came of them.
    claims: Vec<(PrefetchRequest, Option<io::Result<usize>>)>,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// The peer sends a byte, or two.
    Send(u8),
    /// A turn hears of it and delivers, or claims if it may.
    Deliver,
    PrefetchRequest,
    /// The turn that claimed receives, and supplies.
    Receive,
    Supply,
    /// The reader reads one byte at most, or two, and waits if there is nothing.
    Read(u8),
    /// The same reader waits in a way behind which the source may move.
    Unsettle,
    Look,
}

const STEPS: [Step; 10] = [
    Step::Send(1),
    Step::Send(2),
    Step::Deliver,
    Step::PrefetchRequest,
    Step::Receive,
    Step::Supply,
    Step::Read(1),
    Step::Read(2),
    Step::Unsettle,
    Step::Look,
];

impl World {
    fn new() -> World {
        let (waiters, readiness) = (Waiters::default(), Readiness::assumed());
        waiters.set_arming(Arming::Armed);
        waiters.set_traits(&readiness, Flags::HINTED.with(Flags::BATCHED));
        World { waiters, readiness, sent: 0, told: 0, received: 0, got: 0, claims: Vec::new() }
    }

    /// The system call.
    fn recv(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let count = room.len().min(usize::from(self.sent - self.received));
        for byte in &mut room[..count] {
            self.received += 1;
            *byte = self.received;
        }
        if count == 0 { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(count) }
    }

    fn deliver(&mut self) {
        self.told = self.sent;
        let flags = Flags::READABLE.with(Flags::WRITABLE);
        self.waiters.deliver(&self.readiness, flags, &mut Vec::new());
    }

    fn receive(&mut self) {
        let Some((mut claim, None)) = self.claims.pop_if(|(_, outcome)| outcome.is_none()) else {
            return;
        };
        claim.bytes.resize(claim.want, 0);
        let mut room = std::mem::take(&mut claim.bytes);
        let outcome = self.recv(&mut room);
        self.claims.push((PrefetchRequest { bytes: room, ..claim }, Some(outcome)));
    }

    fn supply(&mut self) {
        let Some((claim, Some(outcome))) = self.claims.pop_if(|(_, outcome)| outcome.is_some())
        else {
            return;
        };
        let flags = Flags::READABLE.with(Flags::WRITABLE);
        self.waiters.complete_prefetch(&self.readiness, flags, claim, outcome, &mut Vec::new());
    }

    fn accept(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.got += 1;
            assert_eq!(byte, self.got, "out of order");
        }
    }

    /// As `Io::poll_recv_with`. Tells whether the reader got something.
    fn read(&mut self, len: u8) -> bool {
        let cx = Context::from_waker(Waker::noop());
        let mut room = [0; 2];
        let room = &mut room[..usize::from(len)];
        while let Some(seen) = self.readiness.ready(Direction::Read) {
            let fetched = self.waiters.take_prefetched(&self.readiness, |bytes| {
                let count = bytes.len().min(room.len());
                room[..count].copy_from_slice(&bytes[..count]);
                count
            });
            let outcome = match fetched {
                Prefetched::Got(outcome) => outcome,
                Prefetched::Busy => panic!("a source is not readable while a turn receives"),
                Prefetched::Nothing => {
                    let outcome = self.recv(room);
                    if let Ok(count) = outcome
                        && seen.is_emptied_by(Direction::Read, count, room.len())
                    {
                        self.readiness.exhaust(seen);
                    }
                    outcome
                }
            };
            if let Ok(count) = outcome {
                self.accept(&room[..count]);
                return true;
            }
            self.waiters.clear(&self.readiness, seen, Direction::Read);
        }
        let len = usize::from(len);
        self.waiters.wait_in_place(&self.readiness, Direction::Read, want(len), &cx);
        false
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Send(count) => self.sent += count,
            Step::Deliver => self.deliver(),
            Step::PrefetchRequest => {
                self.told = self.sent;
                let is_ready = self.readiness.ready(Direction::Read).is_some();
                match self.waiters.begin_prefetch(&self.readiness) {
                    Some(_) if is_ready => panic!("the reader may be in a read of his own"),
                    Some(claim) => self.claims.push((claim, None)),
                    None => self.deliver(),
                }
                assert!(self.claims.len() <= 1, "two turns receive");
            }
            Step::Receive => self.receive(),
            Step::Supply => self.supply(),
            Step::Read(len) => drop(self.read(len)),
            Step::Unsettle => {
                self.waiters.set_arming(Arming::Unarmed);
                let (seat, cx) = (&mut crate::waiters::WaitSlot::shared(), Waker::noop());
                let cx = Context::from_waker(cx);
                let _ = self.waiters.wait(&self.readiness, Direction::Read, seat, &cx);
                assert!(
                    self.readiness.ready(Direction::Read).is_some()
                        || self.waiters.begin_prefetch(&self.readiness).is_none(),
                    "the reader may try by himself now"
                );
                self.waiters.set_arming(Arming::Armed);
            }
            Step::Look => {
                let next = self.got + 1;
                let look = |bytes: &[u8]| {
                    assert_eq!(bytes[0], next);
                    bytes.len()
                };
                if let Prefetched::Got(count) = self.waiters.peek_prefetched(&self.readiness, look)
                {
                    assert_eq!(count.expect("no failure"), self.waiters.prefetched());
                }
            }
        }
    }
}

/// Every path of five steps, and behind each an event if bytes were sent since the last: nothing
/// is lost, twice there, or out of order, and the reader is not left waiting.
#[test]
fn every_path_keeps_the_bytes_in_order_and_none_back() {
    fn walk(path: &mut Vec<Step>, depth: usize) {
        let mut world = World::new();
        path.iter().for_each(|&step| world.step(step));
        world.receive();
        world.supply();
        if world.told < world.sent {
            world.deliver();
        }
        while world.read(2) {}
        assert_eq!(world.got, world.sent, "{path:?}");
        assert_eq!(world.waiters.prefetched(), 0, "{path:?}");
        assert!(world.readiness.ready(Direction::Read).is_none(), "{path:?}");
        if depth > 0 {
            for step in STEPS {
                path.push(step);
                walk(path, depth - 1);
                path.pop();
            }
        }
    }
    // What comes before a wish: a read that found nothing.
    walk(&mut vec![Step::Read(2)], 5);
}

fn supplied(outcome: io::Result<usize>) -> World {
    let mut world = World::new();
    assert!(!world.read(2));
    let mut claim =
        world.waiters.begin_prefetch(&world.readiness).expect("a read of two bytes waits");
    assert_eq!(claim.want, 2);
    claim.bytes = vec![1, 2];
    let flags = Flags::READABLE;
    world.waiters.complete_prefetch(&world.readiness, flags, claim, outcome, &mut Vec::new());
    world
}

#[test]
fn an_end_is_left_to_the_reader_and_an_error_is_told_once() {
    let world = supplied(Ok(0));
    assert!(world.readiness.ready(Direction::Read).is_some());
    assert!(matches!(
        world.waiters.take_prefetched(&world.readiness, <[u8]>::len),
        Prefetched::Nothing
    ));

    let world = supplied(Err(io::ErrorKind::ConnectionReset.into()));
    assert_eq!(world.waiters.prefetched(), 1);
    let Prefetched::Got(Err(error)) = world.waiters.peek_prefetched(&world.readiness, <[u8]>::len)
    else {
        panic!("the error is missing");
    };
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    assert!(world.readiness.ready(Direction::Read).is_some(), "the end comes behind it");
    assert!(matches!(
        world.waiters.take_prefetched(&world.readiness, <[u8]>::len),
        Prefetched::Nothing
    ));
}

#[test]
fn a_read_longer_than_a_turn_receives_has_no_wish() {
    assert_eq!([want(0), want(1), want(READ_MAX), want(READ_MAX + 1)], [0, 1, READ_MAX, 0]);
}
