//! Waits that one thread arms while another begins to turn the shard.

use std::io::Write as _;
use std::net::TcpStream;
use std::sync::Arc;
use std::task::Waker;

use reveille_driver::{Driver, Events};

use crate::support::{Count, Io, LONG, counting, each_kind, tcp};

/// On Windows the crate `polling` may keep a change from a thread that begins to wait.
#[test]
fn a_wait_that_another_thread_arms_is_seen_by_the_thread_that_turns() {
    each_kind(|shard| {
        let done = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut events = Events::new();
                while !done.load(std::sync::atomic::Ordering::Acquire) {
                    let _ = shard.turn(Some(LONG), &mut events).expect("a turn");
                }
            });
            let (ours, mut theirs) = tcp();
            for round in 0..50 {
                // Its end makes the other thread begin a turn while this one arms the source.
                shard.notify();
                let (count, waker) = counting();
                assert!(ours.poll_read(&shard, &waker, &mut [0; 4]).is_pending());
                theirs.write_all(b"x").expect("sent");
                await_byte(&shard, &ours, &waker, &count, round);
            }
            done.store(true, std::sync::atomic::Ordering::Release);
            shard.notify();
        });
    });
}

/// Waits until another thread has delivered the event, and reads the byte.
fn await_byte(shard: &Arc<Driver>, ours: &Io<TcpStream>, waker: &Waker, count: &Count, round: u32) {
    #[allow(clippy::disallowed_methods, reason = "a lost event is one that is seconds late")]
    let now = std::time::Instant::now;
    let (start, mut seen) = (now(), 0);
    loop {
        while count.get() == seen {
            assert!(now() - start < LONG, "no event in round {round}");
            std::thread::yield_now();
        }
        seen = count.get();
        // Without edge-triggered events the wake may be for the other direction.
        if ours.poll_read(shard, waker, &mut [0; 4]).is_ready() {
            return;
        }
    }
}
