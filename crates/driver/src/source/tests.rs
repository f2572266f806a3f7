//! The core of a source: how waiters are entered, and every sequence of steps of a batched read.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Wake, Waker};

use super::*;

/// A source and a model of its socket. The bytes are numbered from 1.
struct World {
    core: SourceCore,
    /// The number of bytes that the peer has sent, that events have reported, that were taken from
    /// the socket, and that the reader has got.
    sent: u8,
    known: u8,
    received: u8,
    got: u8,
    /// The receives in progress, of one shard or two, and their outcomes.
    requests: Vec<(PrefetchRequest, Option<io::Result<usize>>)>,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// The peer sends one byte or two.
    Send(u8),
    /// A turn gets the event. It begins to receive if it may, and otherwise delivers the event.
    Deliver,
    Begin,
    /// The turn that began receives, and then completes.
    Receive,
    Complete,
    /// The reader reads at most one byte or two, and waits if there is nothing.
    Read(u8),
    /// The reader waits while its source is not armed, so the source may move.
    Disarm,
    Peek,
}

const STEPS: [Step; 10] = [
    Step::Send(1),
    Step::Send(2),
    Step::Deliver,
    Step::Begin,
    Step::Receive,
    Step::Complete,
    Step::Read(1),
    Step::Read(2),
    Step::Disarm,
    Step::Peek,
];

impl World {
    fn new() -> World {
        let core = SourceCore::new(Flags::STREAM);
        core.set_arming(Arming::Armed);
        core.set_traits(Flags::HINTED.with(Flags::BATCHED));
        World { core, sent: 0, known: 0, received: 0, got: 0, requests: Vec::new() }
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
        self.known = self.sent;
        let flags = Flags::READABLE.with(Flags::WRITABLE);
        self.core.deliver(flags, &mut Vec::new());
    }

    fn receive(&mut self) {
        let Some((mut request, None)) = self.requests.pop_if(|(_, outcome)| outcome.is_none())
        else {
            return;
        };
        request.bytes.resize(request.want, 0);
        let mut room = std::mem::take(&mut request.bytes);
        let outcome = self.recv(&mut room);
        self.requests.push((PrefetchRequest { bytes: room, ..request }, Some(outcome)));
    }

    fn complete(&mut self) {
        let Some((request, Some(outcome))) = self.requests.pop_if(|(_, outcome)| outcome.is_some())
        else {
            return;
        };
        let flags = Flags::READABLE.with(Flags::WRITABLE);
        self.core.complete_prefetch(flags, request, outcome, &mut Vec::new());
    }

    fn accept(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.got += 1;
            assert_eq!(byte, self.got, "out of order");
        }
    }

    /// Like `Io::poll_recv_with`. Returns whether the reader got bytes.
    fn read(&mut self, len: u8) -> bool {
        let cx = Context::from_waker(Waker::noop());
        let mut room = [0; 2];
        let room = &mut room[..usize::from(len)];
        let want = prefetch::want(usize::from(len));
        while let Some(seen) = self.core.ready(Direction::Read) {
            let fetched = self.core.take_prefetched(|bytes| {
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
                        self.core.exhaust(seen);
                    }
                    outcome
                }
            };
            if let Ok(count) = outcome {
                self.accept(&room[..count]);
                return true;
            }
            if self.core.wait_in_place(Some(seen), Direction::Read, want, &cx) {
                return false;
            }
        }
        self.core.wait_in_place(None, Direction::Read, want, &cx);
        false
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Send(count) => self.sent += count,
            Step::Deliver => self.deliver(),
            Step::Begin => {
                self.known = self.sent;
                let is_ready = self.core.ready(Direction::Read).is_some();
                match self.core.begin_prefetch() {
                    Some(_) if is_ready => panic!("the reader may be in its own system call"),
                    Some(request) => self.requests.push((request, None)),
                    None => self.deliver(),
                }
                assert!(self.requests.len() <= 1, "two turns receive");
            }
            Step::Receive => self.receive(),
            Step::Complete => self.complete(),
            Step::Read(len) => drop(self.read(len)),
            Step::Disarm => {
                self.core.set_arming(Arming::Unarmed);
                let cx = Context::from_waker(Waker::noop());
                let slot = &mut WaitSlot::shared();
                let _ = self.core.wait(None, Direction::Read, slot, &cx);
                assert!(
                    self.core.ready(Direction::Read).is_some()
                        || self.core.begin_prefetch().is_none(),
                    "the reader may make its own system call now"
                );
                self.core.set_arming(Arming::Armed);
            }
            Step::Peek => {
                let next = self.got + 1;
                let peek = |bytes: &[u8]| {
                    assert_eq!(bytes[0], next);
                    bytes.len()
                };
                if let Prefetched::Got(count) = self.core.peek_prefetched(peek) {
                    assert_eq!(count.expect("no failure"), self.core.prefetched());
                }
            }
        }
    }
}

/// Walks every sequence of five steps, followed by an event if bytes were sent since the last one.
/// No byte is lost, duplicated or out of order, and the reader does not wait forever.
#[test]
fn every_sequence_of_steps_delivers_all_bytes_in_order() {
    fn walk(path: &mut Vec<Step>, depth: usize) {
        let mut world = World::new();
        path.iter().for_each(|&step| world.step(step));
        world.receive();
        world.complete();
        if world.known < world.sent {
            world.deliver();
        }
        while world.read(2) {}
        assert_eq!(world.got, world.sent, "{path:?}");
        assert_eq!(world.core.prefetched(), 0, "{path:?}");
        assert!(world.core.ready(Direction::Read).is_none(), "{path:?}");
        if depth > 0 {
            for step in STEPS {
                path.push(step);
                walk(path, depth - 1);
                path.pop();
            }
        }
    }
    // A read that finds nothing must come before a request.
    walk(&mut vec![Step::Read(2)], 5);
}

fn completed(outcome: io::Result<usize>) -> World {
    let mut world = World::new();
    assert!(!world.read(2));
    let mut request = world.core.begin_prefetch().expect("a read of two bytes waits");
    assert_eq!(request.want, 2);
    request.bytes = vec![1, 2];
    let flags = Flags::READABLE;
    world.core.complete_prefetch(flags, request, outcome, &mut Vec::new());
    world
}

#[test]
fn the_reader_reads_the_end_itself_and_gets_an_error_once() {
    let world = completed(Ok(0));
    assert!(world.core.ready(Direction::Read).is_some());
    assert!(matches!(world.core.take_prefetched(<[u8]>::len), Prefetched::Nothing));

    let world = completed(Err(io::ErrorKind::ConnectionReset.into()));
    assert_eq!(world.core.prefetched(), 1);
    let Prefetched::Got(Err(error)) = world.core.peek_prefetched(<[u8]>::len) else {
        panic!("the error is missing");
    };
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    assert!(world.core.ready(Direction::Read).is_some(), "the end of the stream follows the error");
    assert!(matches!(world.core.take_prefetched(<[u8]>::len), Prefetched::Nothing));
}

/// Counts its wakes.
#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A source with neither direction ready.
fn blocked() -> SourceCore {
    let core = SourceCore::new(Flags::STREAM);
    for direction in [Direction::Read, Direction::Write] {
        core.clear(core.snapshot(), direction);
    }
    core
}

#[test]
fn a_waker_is_entered_in_place_if_the_source_is_settled() {
    let by_thread = |thread, is_per_wait| Arming::ArmedByThread { thread, is_per_wait };
    let here = this_thread();
    let cases = [
        (Arming::Armed, true),
        (by_thread(here, false), true),
        (Arming::Unarmed, false),
        (Arming::ArmedPerWait, false),
        (by_thread(here, true), false),
        (by_thread(here + 16, false), false),
    ];
    for (arming, is_settled) in cases {
        let core = blocked();
        core.set_arming(arming);
        let wait = |direction| {
            let cx = Context::from_waker(Waker::noop());
            core.wait_in_place(None, direction, 0, &cx)
        };
        assert_eq!(wait(Direction::Read), is_settled, "{arming:?}");
        assert_eq!(core.waiting(), usize::from(is_settled), "{arming:?}");
        assert_eq!(wait(Direction::Write), is_settled, "{arming:?}");
        assert!(!wait(Direction::Read), "{arming:?}: a waiter is there already");
        core.deliver(Flags::READABLE, &mut Vec::new());
        assert!(!wait(Direction::Read), "{arming:?}: the direction is ready");
    }
}

#[test]
fn a_wait_after_would_block_clears_unless_an_event_arrived() {
    for is_in_place in [true, false] {
        let cx = Context::from_waker(Waker::noop());
        let core = SourceCore::new(Flags::STREAM);
        core.set_arming(Arming::Armed);
        let wait = |seen| {
            let (slot, direction) = (&mut WaitSlot::shared(), Direction::Read);
            if is_in_place {
                return core.wait_in_place(Some(seen), direction, 0, &cx);
            }
            matches!(core.wait(Some(seen), direction, slot, &cx), Waited::Entered(_))
        };
        let seen = core.snapshot();
        core.deliver(Flags::READABLE, &mut Vec::new());
        assert!(!wait(seen), "the event may be about new data");
        assert_eq!(core.waiting(), 0);
        assert!(core.ready(Direction::Read).is_some());
        assert!(wait(core.snapshot()));
        assert_eq!(core.waiting(), 1);
        assert!(core.ready(Direction::Read).is_none());
    }
}

#[test]
fn one_task_per_direction_needs_no_list_and_all_waiters_are_woken() {
    let core = blocked();
    let counts: Vec<_> = (0..3).map(|_| Arc::new(Count::default())).collect();
    let wakers: Vec<_> = counts.iter().map(|count| Waker::from(Arc::clone(count))).collect();
    let enter = |direction, slot: &mut WaitSlot, waker: &Waker| {
        let waited = core.wait(None, direction, slot, &Context::from_waker(waker));
        assert_eq!(waited, Waited::Entered(Arming::Unarmed));
    };
    enter(Direction::Read, &mut WaitSlot::shared(), &wakers[0]);
    enter(Direction::Write, &mut WaitSlot::shared(), &wakers[0]);
    // The same task counts as one waiter.
    enter(Direction::Read, &mut WaitSlot::shared(), &wakers[0]);
    assert!(!core.has_extra());
    let mut owned = WaitSlot::Owned(None);
    enter(Direction::Read, &mut WaitSlot::shared(), &wakers[1]);
    enter(Direction::Read, &mut WaitSlot::shared(), &wakers[1]);
    enter(Direction::Read, &mut owned, &wakers[2]);
    assert_eq!(core.waiting(), 4);
    let mut woken = Vec::new();
    core.deliver(Flags::READABLE, &mut woken);
    woken.drain(..).for_each(Waker::wake);
    assert!(counts.iter().all(|count| count.0.load(Ordering::Relaxed) == 1));
    assert!(core.is_awaited(Direction::Write) && !core.is_awaited(Direction::Read));
    core.leave(Direction::Read, &mut owned);
    core.take_all(&mut woken);
    assert_eq!((woken.len(), core.waiting()), (1, 0));
}

#[test]
fn exposing_a_source_discards_the_note_of_a_short_read() {
    let core = SourceCore::new(Flags::STREAM);
    core.exhaust(core.snapshot());
    assert!(core.ready(Direction::Read).is_none());
    core.expose();
    assert!(core.ready(Direction::Read).is_some());
}
