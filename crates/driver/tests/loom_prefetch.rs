//! Models: a turn that receives for a waiting read, an event of another shard, and the reader.
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
use reveille_driver::model::{Arming, Prefetched, SourceCore};
use reveille_driver::{Direction, Flags};

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: StdArc<Flag>) {
        // An exchange, because loom may reorder a plain store after the exchange that follows it.
        self.0.swap(true, Ordering::SeqCst);
    }
}

/// A source and its socket: the number of bytes that were sent, and that were taken from the
/// socket.
struct Source {
    core: SourceCore,
    socket: Mutex<(u8, u8)>,
}

impl Source {
    /// A source whose reader found nothing.
    fn new() -> Source {
        let source = Source { core: SourceCore::new(Flags::STREAM), socket: Mutex::new((0, 0)) };
        source.core.set_arming(Arming::Armed);
        source.core.set_traits(Flags::HINTED.with(Flags::BATCHED));
        source.core.exhaust(source.core.snapshot());
        source
    }

    fn send(&self) {
        self.socket.lock().unwrap().0 += 1;
    }

    /// The system call: returns all bytes in the socket, which are numbered.
    fn recv(&self) -> io::Result<Vec<u8>> {
        let mut socket = self.socket.lock().unwrap();
        let bytes: Vec<u8> = (socket.1..socket.0).collect();
        socket.1 = socket.0;
        if bytes.is_empty() { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(bytes) }
    }

    fn deliver(&self) {
        let mut wakers = Vec::new();
        self.core.deliver(Flags::READABLE, &mut wakers);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// A turn of a shard that batches reads.
    fn turn(&self) {
        let Some(request) = self.core.begin_prefetch() else {
            return self.deliver();
        };
        let mut wakers = Vec::new();
        let (request, outcome) = match self.recv() {
            Ok(bytes) => {
                let count = bytes.len();
                (request.filled(bytes), Ok(count))
            }
            Err(error) => (request, Err(error)),
        };
        self.core.complete_prefetch(Flags::READABLE, request, outcome, &mut wakers);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Reads until the read waits, like `Io::poll_recv_with`.
    fn read(&self, waker: &Waker, got: &mut Vec<u8>) {
        let cx = Context::from_waker(waker);
        loop {
            let Some(seen) = self.core.ready(Direction::Read) else {
                if self.core.wait_in_place(None, Direction::Read, 8, &cx) {
                    return;
                }
                if self.core.ready(Direction::Read).is_none() {
                    // The waker is entered already.
                    return;
                }
                continue;
            };
            let fetched = self.core.take_prefetched(|bytes| {
                got.extend_from_slice(bytes);
                bytes.len()
            });
            let would_block = match fetched {
                Prefetched::Got(outcome) => outcome.map(drop),
                Prefetched::Busy => Err(io::ErrorKind::WouldBlock.into()),
                Prefetched::Nothing => self.recv().map(|bytes| {
                    got.extend(bytes);
                    self.core.exhaust(seen);
                }),
            };
            if would_block.is_err() && self.core.wait_in_place(Some(seen), Direction::Read, 8, &cx)
            {
                return;
            }
        }
    }
}

/// The reader waits first. It reads again each time it is woken, while `actors` deliver events.
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
        assert_eq!(source.core.prefetched(), 0);
    });
}

#[test]
fn a_turn_receives_during_an_event_of_another_shard() {
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
fn two_shards_receive_while_a_source_moves() {
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
fn one_shard_delivers_two_events() {
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
