//! A kernel before Linux 5.11, played by a filter of system calls: waits are exact all the same.
#![cfg(all(target_os = "linux", not(reveille_loom)))]

mod support;

use std::io::Write;
use std::sync::Arc;
use std::task::Context;
use std::time::Duration;

use reveille_driver::{Direction, Driver, Events, Kind, Turn};
use support::{counting, tcp};

/// Makes the kernel answer `epoll_pwait2` on this thread with `errno` from now on.
fn refuse_exact_waits(errno: i32) {
    let op = |code: u32, k: u32, jt: u8, jf: u8| libc::sock_filter {
        code: u16::try_from(code).expect("an instruction has 16 bits"),
        jt,
        jf,
        k,
    };
    let number = u32::try_from(libc::SYS_epoll_pwait2).expect("a small number");
    let answer = libc::SECCOMP_RET_ERRNO | errno.unsigned_abs();
    let mut filter = [
        // The number of the call is the first word of what a filter sees.
        op(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        op(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, number, 0, 1),
        op(libc::BPF_RET | libc::BPF_K, answer, 0, 0),
        op(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW, 0, 0),
    ];
    let program = libc::sock_fprog {
        len: u16::try_from(filter.len()).expect("a short program"),
        filter: filter.as_mut_ptr(),
    };
    // SAFETY: takes numbers only.
    let is_bound = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    assert_eq!(is_bound, 0, "a thread may give up privileges");
    // SAFETY: the kernel copies the program, which outlives the call.
    let is_set =
        unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) };
    assert_eq!(is_set, 0, "{}", std::io::Error::last_os_error());
}

fn turn_exactly(shard: &Driver, timeout: Duration) -> (Turn, Duration) {
    #[allow(clippy::disallowed_methods, reason = "the claim is about the real clock")]
    let now = std::time::Instant::now;
    let start = now();
    let turn = shard.turn(Some(timeout), &mut Events::new()).expect("a turn");
    (turn, now() - start)
}

/// Waits of a fraction of a millisecond end with the time, with an event, with a notification.
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
    let long = support::LONG + Duration::from_nanos(1);
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

    shard.notify();
    let (turn, _) = turn_exactly(&shard, long);
    assert!(matches!(turn, Turn::Done { is_notified: true, .. }));
}

#[test]
fn waits_are_exact_with_the_call_and_without_it() {
    exact_waits_work();
    // The filter is that of a thread. The second is what older filters say of unknown calls.
    std::thread::scope(|scope| {
        for errno in [libc::ENOSYS, libc::EPERM] {
            scope.spawn(move || {
                refuse_exact_waits(errno);
                exact_waits_work();
            });
        }
    });
}
