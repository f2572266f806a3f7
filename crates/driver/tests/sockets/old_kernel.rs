//! A kernel before Linux 5.11, simulated by a filter of system calls: waits are still exact.

use std::io::Write;
use std::sync::Arc;
use std::task::Context;
use std::time::Duration;

use reveille_driver::{Direction, Driver, Events, Kind, Turn};

use crate::support::{LONG, counting, filter, tcp};

fn turn_exactly(shard: &Driver, timeout: Duration) -> (Turn, Duration) {
    #[allow(clippy::disallowed_methods, reason = "the claim is about the real clock")]
    let now = std::time::Instant::now;
    let start = now();
    let turn = shard.turn(Some(timeout), &mut Events::new()).expect("a turn");
    (turn, now() - start)
}

/// Checks that a wait of a fraction of a millisecond ends on time, for an event and for a
/// notification.
fn exact_waits_work() {
    let shard = Arc::new(Driver::new(Kind::Native).expect("a shard"));
    let nothing = Turn::Done { events: 0, woken: 0, is_notified: false };
    for timeout in [Duration::from_nanos(1), Duration::from_micros(1_300)] {
        let (turn, waited) = turn_exactly(&shard, timeout);
        assert_eq!(turn, nothing);
        assert!(waited >= timeout);
    }

    let (ours, mut theirs) = tcp();
    let (count, waker) = counting();
    assert!(ours.poll_read(&shard, &waker, &mut [0]).is_pending());
    theirs.write_all(b"x").expect("room");
    let long = LONG + Duration::from_nanos(1);
    while count.get() == 0 {
        let (turn, _) = turn_exactly(&shard, long);
        assert_ne!(turn, nothing, "the event is missing");
    }
    let mut byte = [0];
    let read =
        ours.at(&shard).poll_stream(Direction::Read, &Context::from_waker(&waker), 1, || {
            std::io::Read::read(&mut &ours.inner, &mut byte)
        });
    assert!(read.is_ready());

    // The second has more milliseconds than 31 bits.
    for timeout in [long, Duration::from_secs(25 * 86_400)] {
        shard.notify();
        let (turn, _) = turn_exactly(&shard, timeout);
        assert!(matches!(turn, Turn::Done { is_notified: true, .. }));
    }
}

#[test]
fn waits_are_exact_with_and_without_epoll_pwait2() {
    exact_waits_work();
    // A filter applies to one thread. EPERM is the error of older filters for unknown calls.
    std::thread::scope(|scope| {
        for errno in [libc::ENOSYS, libc::EPERM] {
            scope.spawn(move || {
                filter::refuse(libc::SYS_epoll_pwait2, errno);
                exact_waits_work();
            });
        }
    });
}
