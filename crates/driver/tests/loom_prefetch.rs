//! Model: a turn that receives for a waiting read, another shard's event, and the reader.
//!
//! `RUSTFLAGS="--cfg reveille_loom" cargo test -p reveille-driver --test loom_prefetch --release`

#![cfg(reveille_loom)]

use reveille_watchdog as _;

use std::io;
use std::sync::Arc as StdArc;
use std::task::{Context, Wake, Waker};

use loom::sync::atomic::{AtomicBool, Ordering};
use loom::sync::{Arc, Mutex};
use loom::thread;
use reveille_driver::model::{Arming, Prefetched, Readiness, Waiters};
use reveille_driver::{Direction, Flags};

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: StdArc<Flag>) {
        // An exchange: the model may put a plain store before the exchange that follows it.
        self.0.swap(true, Ordering::SeqCst);
    }
}

/// A source and its socket: how many bytes were sent, and how many have left it.
struct Source {
    readiness: Readiness,
    waiters: Waiters,
    socket: Mutex<(u8, u8)>,
}

impl Source {
    /// One whose reader has found nothing.
    fn new() -> Source {
        let source = Source {
            readiness: Readiness::assumed(),
            waiters: Waiters::default(),
            socket: Mutex::new((0, 0)),
        };
        source.waiters.set_arming(Arming::Armed);
        source.waiters.set_traits(&source.readiness, Flags::HINTED.with(Flags::BATCHED));
        source.readiness.exhaust(source.readiness.snapshot());
        source
    }

    fn send(&self) {
        self.socket.lock().unwrap().0 += 1;
    }

    /// The system call: all there is, as a range of numbers.
    fn recv(&self) -> io::Result<Vec<u8>> {
        let mut socket = self.socket.lock().unwrap();
        let bytes: Vec<u8> = (socket.1..socket.0).collect();
        socket.1 = socket.0;
        if bytes.is_empty() { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(bytes) }
    }

    fn deliver(&self) {
        let mut wakers = Vec::new();
        self.waiters.deliver(&self.readiness, Flags::READABLE, &mut wakers);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// A turn of a shard with batches.
    fn turn(&self) {
        let Some(claim) = self.waiters.begin_prefetch(&self.readiness) else {
            return self.deliver();
        };
        let mut wakers = Vec::new();
        let (claim, outcome) = match self.recv() {
            Ok(bytes) => {
                let count = bytes.len();
                (claim.filled(bytes), Ok(count))
            }
            Err(error) => (claim, Err(error)),
        };
        self.waiters.complete_prefetch(
            &self.readiness,
            Flags::READABLE,
            claim,
            outcome,
            &mut wakers,
        );
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Reads until it waits, as `Io::poll_recv_with`.
    fn read(&self, waker: &Waker, got: &mut Vec<u8>) {
        let cx = Context::from_waker(waker);
        loop {
            let Some(seen) = self.readiness.ready(Direction::Read) else {
                if self.waiters.wait_in_place(&self.readiness, Direction::Read, 8, &cx) {
                    return;
                }
                if self.readiness.ready(Direction::Read).is_none() {
                    // The waker is there already.
                    return;
                }
                continue;
            };
            let fetched = self.waiters.take_prefetched(&self.readiness, |bytes| {
                got.extend_from_slice(bytes);
                bytes.len()
            });
            match fetched {
                Prefetched::Got(outcome) => drop(outcome.unwrap()),
                Prefetched::Busy => self.waiters.clear(&self.readiness, seen, Direction::Read),
                Prefetched::Nothing => match self.recv() {
                    Ok(bytes) => {
                        got.extend(bytes);
                        self.readiness.exhaust(seen);
                    }
                    Err(_) => self.waiters.clear(&self.readiness, seen, Direction::Read),
                },
            }
        }
    }
}

/// The reader waits first, and reads on as often as it is woken while events come from `actors`.
fn model(actors: [fn(&Source); 2]) {
    loom::model(move || {
        let source = Arc::new(Source::new());
        let flag = StdArc::new(Flag(AtomicBool::new(false)));
        let waker = Waker::from(StdArc::clone(&flag));
        let mut got = Vec::new();
        source.read(&waker, &mut got);
        let actors = actors.map(|act| {
            let source = Arc::clone(&source);
            thread::spawn(move || act(&source))
        });
        if flag.0.swap(false, Ordering::SeqCst) {
            source.read(&waker, &mut got);
        }
        for actor in actors {
            actor.join().unwrap();
        }
        while flag.0.swap(false, Ordering::SeqCst) {
            source.read(&waker, &mut got);
        }
        let sent = source.socket.lock().unwrap().0;
        assert_eq!(got, (0..sent).collect::<Vec<_>>(), "lost, late or out of order");
        assert_eq!(source.waiters.prefetched(), 0);
    });
}

#[test]
fn a_turn_that_receives_beside_another_shards_event() {
    model([
        |source| {
            source.send();
            source.turn();
        },
        |source| {
            source.send();
            source.deliver();
        },
    ]);
}

#[test]
fn two_shards_that_receive_while_a_source_moves() {
    model([
        |source| {
            source.send();
            source.turn();
        },
        |source| {
            for _ in 0..2 {
                source.send();
                source.turn();
            }
        },
    ]);
}

#[test]
fn two_events_of_one_shard() {
    model([
        |source| {
            source.send();
            source.turn();
            source.send();
            source.turn();
        },
        |_| {},
    ]);
}
