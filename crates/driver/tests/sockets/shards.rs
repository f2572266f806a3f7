//! Shards: turns, notifications, moves, deregistration, and refusals of the system.

#[cfg(unix)]
use std::cell::Cell;
#[cfg(target_os = "linux")]
use std::error::Error as _;
use std::future::Future;
use std::io::{self, ErrorKind, Read, Write};
#[cfg(target_os = "linux")]
use std::os::fd::AsRawFd;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

#[cfg(target_os = "linux")]
use reveille_driver::fault_number;
use reveille_driver::{Direction, Driver, Events, Flags, Kind, Source, Turn, WakerOps};
use reveille_primitive::sys::raise_fd_limit;

use crate::support::{
    AsFd as _, LONG, counting, drain, drive, each_kind, kinds, register, tcp, turn_until,
};

#[test]
fn a_notification_before_the_turn_ends_it_immediately() {
    each_kind(|shard| {
        shard.notify();
        shard.notify();
        let turn = shard.turn(None, &mut Events::new()).expect("a turn");
        assert_eq!(turn, Turn::Done { events: 0, woken: 0, is_notified: true });
        assert_eq!(shard.metrics().notifies, 1, "the second notification made a system call");
    });
}

#[test]
fn each_notification_ends_a_turn_of_another_thread() {
    each_kind(|shard| {
        std::thread::scope(|scope| {
            let parked = scope.spawn(|| {
                let mut events = Events::new();
                let mut taken = 0;
                while taken < 100 {
                    match shard.turn(None, &mut events).expect("a turn") {
                        Turn::Done { is_notified: true, .. } => taken += 1,
                        turn => assert_ne!(turn, Turn::Busy),
                    }
                    // The reply lets the other thread notify again.
                    shard.set_driven(taken % 2 == 0);
                }
            });
            for round in 0..100 {
                shard.notify();
                while shard.is_driven() == (round % 2 == 0) && !parked.is_finished() {
                    std::thread::yield_now();
                }
            }
        });
    });
}

#[test]
fn a_shard_is_turned_by_one_thread_at_a_time() {
    each_kind(|shard| {
        std::thread::scope(|scope| {
            let parked = scope.spawn(|| {
                let mut events = Events::new();
                // Busy while the other thread makes a turn of zero duration.
                while shard.turn(None, &mut events).expect("a turn") == Turn::Busy {
                    std::thread::yield_now();
                }
            });
            let mut events = Events::new();
            // Until the other thread turns.
            while shard.turn(Some(Duration::ZERO), &mut events).expect("a turn") != Turn::Busy {
                std::thread::yield_now();
            }
            // Busy turns take no notification from the thread that turns.
            for _ in 0..10 {
                let turn = shard.turn(Some(Duration::ZERO), &mut events).expect("a turn");
                assert_eq!(turn, Turn::Busy);
            }
            shard.notify();
            parked.join().expect("the notification ended its turn");
        });
    });
}

#[test]
fn a_turn_never_ends_early() {
    each_kind(|shard| {
        for timeout in
            [Duration::from_nanos(1), Duration::from_micros(1300), Duration::from_millis(2)]
        {
            #[allow(clippy::disallowed_methods, reason = "the claim is about the real clock")]
            let now = std::time::Instant::now;
            let (start, mut turns) = (now(), 0);
            while let Some(rest) = timeout.checked_sub(now() - start).filter(|rest| !rest.is_zero())
            {
                let turn = shard.turn(Some(rest), &mut Events::new()).expect("a turn");
                assert!(matches!(turn, Turn::Done { events: 0, woken: 0, .. }));
                turns += 1;
            }
            // On Windows the timer of an earlier turn may end this one.
            let turns_max = if cfg!(windows) { 3 } else { 1 };
            assert!(turns <= turns_max, "{turns} turns for {timeout:?}");
        }
    });
}

#[test]
fn a_waker_may_use_the_shard_that_woke_it() {
    struct TurnsOnWake(Arc<Driver>);
    impl Wake for TurnsOnWake {
        fn wake(self: Arc<TurnsOnWake>) {
            let mut events = Events::new();
            let turn = self.0.turn(Some(Duration::ZERO), &mut events).expect("a turn");
            assert_ne!(turn, Turn::Busy, "the right to turn was not released");
            self.0.notify();
            assert!(self.0.sources() > 0);
        }
    }
    each_kind(|shard| {
        let (ours, mut theirs) = tcp();
        let meddler = Arc::new(TurnsOnWake(Arc::clone(&shard)));
        assert!(ours.poll_read(&shard, &Waker::from(meddler), &mut [0; 4]).is_pending());
        theirs.write_all(b"x").expect("sent");
        turn_until(&shard, || shard.metrics().wakes > 0);
    });
}

#[test]
fn a_waker_that_panics_does_not_lose_the_others() {
    struct PanicsOnWake;
    impl Wake for PanicsOnWake {
        fn wake(self: Arc<PanicsOnWake>) {
            // `resume_unwind` does not call the panic hook.
            std::panic::resume_unwind(Box::new("boom"));
        }
    }
    each_kind(|shard| {
        let (ours, mut theirs) = tcp();
        let (count, waker) = counting();
        assert!(
            ours.poll_read(&shard, &Waker::from(Arc::new(PanicsOnWake)), &mut [0; 4]).is_pending()
        );
        assert!(ours.poll_read(&shard, &waker, &mut [0; 4]).is_pending());
        theirs.write_all(b"x").expect("sent");
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            turn_until(&shard, || count.get() > 0);
        }));
        assert_eq!(count.get(), 1);
        let panic = result.expect_err("the panic is resumed after all wakes");
        assert_eq!(panic.downcast_ref::<&str>(), Some(&"boom"));
        // The shard still works.
        assert_eq!(drive(&shard, ours.read(&shard, &mut [0; 4])).expect("read"), 1);
    });
}

#[test]
fn a_thousand_sources_are_all_woken() {
    raise_fd_limit(4096).expect("room for two thousand sockets");
    each_kind(|shard| {
        let mut pairs: Vec<_> = (0..1000).map(|_| tcp()).collect();
        let (count, waker) = counting();
        for (ours, _) in &pairs {
            assert!(ours.poll_read(&shard, &waker, &mut [0; 4]).is_pending());
        }
        assert_eq!(shard.sources(), 1000);
        for (_, theirs) in &mut pairs {
            theirs.write_all(b"x").expect("sent");
        }
        turn_until(&shard, || count.get() == 1000);
        for (ours, _) in &pairs {
            assert!(matches!(ours.poll_read(&shard, &waker, &mut [0; 4]), Poll::Ready(Ok(1))));
        }
        drop(pairs);
        assert_eq!(shard.sources(), 0);
    });
}

#[test]
fn a_million_futures_leave_nothing_behind() {
    let shard = Arc::new(Driver::new(Kind::Native).expect("a shard"));
    let (ours, _theirs) = tcp();
    assert!(ours.poll_read(&shard, Waker::noop(), &mut [0; 4]).is_pending());
    drain(&shard);
    let before = ours.source.waiting();
    let mut cx = Context::from_waker(Waker::noop());
    for _ in 0..1_000_000 {
        let mut buffer = [0; 4];
        let mut read = pin!(ours.read(&shard, &mut buffer));
        assert!(read.as_mut().poll(&mut cx).is_pending());
    }
    assert_eq!(ours.source.waiting(), before);
}

#[test]
fn wakers_of_ended_tasks_are_removed_without_an_event() {
    let shard = Arc::new(Driver::new(Kind::Native).expect("a shard"));
    let (ours, _theirs) = tcp();
    let is_live = |waker: &Waker| Some(!waker.data().is_null());
    let ops = WakerOps { is_live, ..WakerOps::default() };
    let attempt = ours.at(&shard).with_waker_ops(ops);
    let poll = |waker: &Waker| {
        let blocks = || Err::<(), _>(io::ErrorKind::WouldBlock.into());
        attempt.poll_io(Direction::Read, &Context::from_waker(waker), blocks).is_pending()
    };
    let (count, waits) = counting();
    assert!(poll(&waits));
    for _ in 0..10_000 {
        // Each of these wakers differs from all others.
        assert!(poll(&ended()));
    }
    assert!(ours.source.waiting() <= 34, "{} wakers are kept", ours.source.waiting());
    assert_eq!(count.get(), 0, "the task that waits is not woken");
    shard.wake_all();
    assert_eq!(count.get(), 1);
}

/// A waker without data, equal to no other.
fn ended() -> Waker {
    use std::task::{RawWaker, RawWakerVTable};

    fn clone(_: *const ()) -> RawWaker {
        let vtable = RawWakerVTable::new(clone, |_| {}, |_| {}, |_| {});
        RawWaker::new(std::ptr::null(), Box::leak(Box::new(vtable)))
    }
    // SAFETY: the functions of the vtable ignore the data pointer.
    unsafe { Waker::from_raw(clone(std::ptr::null())) }
}

#[test]
fn a_second_poll_with_the_same_waker_adds_no_waiter() {
    let shard = Arc::new(Driver::new(Kind::Native).expect("a shard"));
    let (ours, _theirs) = tcp();
    let (count, waker) = counting();
    assert!(ours.poll_read(&shard, &waker, &mut [0; 4]).is_pending());
    let held = Arc::strong_count(&count);
    (0..10).for_each(|_| assert!(ours.poll_read(&shard, &waker, &mut [0; 4]).is_pending()));
    assert_eq!(Arc::strong_count(&count), held);
    assert_eq!(ours.source.waiting(), 1);
}

#[test]
fn a_source_of_a_shard_that_is_not_driven_moves() {
    for kind in kinds() {
        let old = Arc::new(Driver::new(kind).expect("a shard"));
        let new = Arc::new(Driver::new(kind).expect("a shard"));
        let (ours, mut theirs) = tcp();
        let (count, waker) = counting();
        assert!(ours.poll_read(&old, &waker, &mut [0; 4]).is_pending());
        assert_eq!(old.wake_all(), 1);
        assert_eq!(count.get(), 1);
        assert!(!ours.source.is_armed());
        assert!(ours.poll_read(&new, &waker, &mut [0; 4]).is_pending());
        assert_eq!((old.sources(), new.sources()), (0, 1));
        theirs.write_all(b"x").expect("sent");
        turn_until(&new, || count.get() > 1);
        assert_eq!(drain(&old), 0, "the old shard got an event");
    }
}

#[test]
fn a_shard_that_is_not_driven_refuses_sources() {
    each_kind(|shard| {
        shard.wake_all();
        let (ours, _theirs) = tcp();
        let error = ours.register(&shard).expect_err("no thread turns it");
        assert!(error.to_string().contains("no thread waits for its events"), "{error}");
        assert_eq!(shard.sources(), 0);
        shard.set_driven(true);
        ours.register(&shard).expect("it is driven again");
    });
}

#[test]
fn a_second_registration_does_nothing() {
    each_kind(|shard| {
        let (ours, _theirs) = tcp();
        for _ in 0..2 {
            ours.register(&shard).expect("registered");
        }
        assert_eq!(shard.metrics().registrations, 1);
    });
}

// Only on Linux: its event queue refuses regular files, and Windows has handles for them.
#[cfg(target_os = "linux")]
#[test]
fn a_regular_file_is_refused_and_not_registered() {
    let shard = Arc::new(Driver::new(Kind::Native).expect("a shard"));
    let file = std::fs::File::open("/proc/self/exe").expect("a file");
    let source = Source::new();
    let error = register(&source, &file, &shard).expect_err("files have no readiness");
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    let text = error.to_string();
    assert!(text.contains("reports no readiness"), "{text}");
    assert!(
        text.contains(&format!("could not register descriptor {}: ", file.as_raw_fd())),
        "{text}"
    );
    // Only the text contains the system's error; `source` does not return it again.
    assert!(text.contains("Operation not permitted"), "{text}");
    assert!(error.source().is_none());
    let payload = error.get_ref().expect("the error names the descriptor");
    assert_eq!(fault_number(payload), Some(1), "EPERM");
    assert_eq!(shard.sources(), 0);
}

#[test]
fn one_descriptor_has_one_source() {
    each_kind(|shard| {
        let (ours, _theirs) = tcp();
        ours.register(&shard).expect("registered");
        let second = Source::new();
        let error = register(&second, &ours.inner, &shard).expect_err("it has a source");
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
        assert_eq!(shard.sources(), 1);
    });
}

#[test]
fn the_entry_of_a_dropped_source_delivers_no_event_and_is_replaced() {
    each_kind(|shard| {
        let (ours, mut theirs) = tcp();
        let first = Source::new();
        register(&first, &ours.inner, &shard).expect("registered");
        drop(first);
        assert_eq!(shard.sources(), 0);
        theirs.write_all(b"x").expect("sent");
        assert_eq!(drain(&shard), 0);
        // The system's entry still exists: the next source replaces it.
        let (count, waker) = counting();
        assert_eq!(drive(&shard, ours.read(&shard, &mut [0; 4])).expect("read"), 1);
        assert!(ours.poll_read(&shard, &waker, &mut [0; 4]).is_pending());
        theirs.write_all(b"y").expect("sent");
        turn_until(&shard, || count.get() > 0);
    });
}

// Only on Unix: the error is one of its numbers.
#[cfg(unix)]
#[test]
fn a_descriptor_closed_by_other_code_is_an_error_and_not_a_loop() {
    let shard = Arc::new(Driver::new(Kind::Native).expect("a shard"));
    let (ours, _theirs) = tcp();
    let cx = Context::from_waker(Waker::noop());
    let calls = Cell::new(0);
    let poll: Poll<io::Result<usize>> = ours.at(&shard).poll_io(Direction::Read, &cx, || {
        calls.set(calls.get() + 1);
        Err(rustix::io::Errno::BADF.into())
    });
    let Poll::Ready(Err(error)) = poll else { panic!("the error is returned") };
    assert_eq!(error.raw_os_error(), Some(rustix::io::Errno::BADF.raw_os_error()));
    assert_eq!(calls.get(), 1);
}

#[test]
fn a_reused_number_gets_no_stale_event() {
    each_kind(|shard| {
        let (ours, mut theirs) = tcp();
        // A duplicate keeps the file open after our close, and with it the system's entry.
        let duplicate = ours.inner.try_clone().expect("a duplicate");
        let stale = Source::new();
        register(&stale, &ours.inner, &shard).expect("registered");
        drop(stale);
        drop(ours);
        let (next, _kept) = tcp();
        let (count, waker) = counting();
        assert!(next.poll_read(&shard, &waker, &mut [0; 4]).is_pending());
        drain(&shard);
        let before = count.get();
        theirs.write_all(b"x").expect("sent");
        drain(&shard);
        assert_eq!(count.get(), before, "its number belongs to another source now");
        drop(duplicate);
    });
}

#[test]
fn sources_are_registered_and_dropped_while_another_thread_turns() {
    each_kind(|shard| {
        let done = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut events = Events::new();
                while !done.load(std::sync::atomic::Ordering::Acquire) {
                    let _ = shard.turn(Some(LONG), &mut events).expect("a turn");
                }
            });
            for _ in 0..300 {
                let (ours, mut theirs) = tcp();
                let (_, waker) = counting();
                assert!(ours.poll_read(&shard, &waker, &mut [0; 4]).is_pending());
                theirs.write_all(b"x").expect("sent");
            }
            done.store(true, std::sync::atomic::Ordering::Release);
            shard.notify();
        });
        assert_eq!(shard.sources(), 0);
    });
}

#[test]
fn an_operation_that_does_not_block_uses_no_driver() {
    let (ours, mut theirs) = tcp();
    theirs.write_all(b"x").expect("sent");
    while ours.inner.peek(&mut [0; 4]).is_err() {
        std::thread::yield_now();
    }
    // SAFETY: the drop of `ours` deregisters the source before it closes the descriptor.
    let attempt = unsafe { ours.source.op(ours.inner.as_fd(), || panic!("nothing would block")) };
    let mut buffer = [0; 4];
    let cx = Context::from_waker(Waker::noop());
    let poll = attempt.poll_stream(Direction::Read, &cx, 4, || (&ours.inner).read(&mut buffer));
    assert!(matches!(poll, Poll::Ready(Ok(1))));
    assert_eq!(ours.source.readiness().flags(), Flags::READABLE.with(Flags::WRITABLE));
}

#[test]
fn an_interrupted_operation_is_repeated() {
    let shard = Arc::new(Driver::new(Kind::Native).expect("a shard"));
    let (ours, _theirs) = tcp();
    let mut left = 3;
    let cx = Context::from_waker(Waker::noop());
    let poll = ours.at(&shard).poll_io(Direction::Write, &cx, || {
        left -= 1;
        if left > 0 { Err(ErrorKind::Interrupted.into()) } else { Ok("done") }
    });
    assert!(matches!(poll, Poll::Ready(Ok("done"))));
}

#[test]
fn the_limit_of_descriptors_is_raised_and_never_lowered() {
    let before = raise_fd_limit(0).expect("the limits");
    let after = raise_fd_limit(before.soft.saturating_add(1)).expect("raised");
    assert!(after.soft >= before.soft && after.soft <= after.hard);
    assert_eq!(raise_fd_limit(1).expect("the limits"), after);
}

#[test]
fn a_source_moves_from_the_shard_of_one_thread_to_one_that_any_thread_turns() {
    for kind in kinds() {
        let [theirs, own, pool] = [(); 3].map(|()| Arc::new(Driver::new(kind).expect("a shard")));
        let (count, waker) = counting();
        let (io, mut peer) = tcp();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                theirs.set_driven_here();
                assert!(io.poll_read(&theirs, &waker, &mut [0; 4]).is_pending());
                // For the thread that turns its shard, the source is in the right place.
                assert!(io.poll_read(&theirs, &waker, &mut [0; 4]).is_pending());
                assert_eq!(theirs.sources(), 1);
            });
        });
        // A second thread with a shard of its own has no better shard.
        own.set_driven_here();
        assert!(io.poll_read(&own, &waker, &mut [0; 4]).is_pending());
        assert_eq!((theirs.sources(), own.sources(), pool.sources()), (1, 0, 0));
        assert!(io.poll_read(&pool, &waker, &mut [0; 4]).is_pending());
        assert_eq!((theirs.sources(), own.sources(), pool.sources()), (0, 0, 1));
        // The source does not move back.
        assert!(io.poll_read(&own, &waker, &mut [0; 4]).is_pending());
        peer.write_all(b"x").expect("sent");
        turn_until(&pool, || count.get() > 0);
        assert_eq!(drain(&theirs), 0, "the old shard got an event");
    }
}

/// A regular file takes the place of the socket, as if the descriptor's number had been reused.
// Only on Linux: its event queue refuses regular files, and Windows has handles for them.
#[cfg(target_os = "linux")]
#[test]
fn a_move_that_fails_leaves_the_source_registered() {
    let [old, new] = [(); 2].map(|()| Arc::new(Driver::new(Kind::Native).expect("a shard")));
    let (ours, mut theirs) = tcp();
    let (count, waker) = counting();
    assert!(ours.poll_read(&old, &waker, &mut [0; 4]).is_pending());
    old.wake_all();
    let file = std::fs::File::open("/proc/self/exe").expect("a file");
    register(&ours.source, &file, &new).expect_err("files have no readiness");
    old.set_driven(true);
    assert_eq!((old.sources(), new.sources()), (1, 0), "the source has moved");
    let before = count.get();
    assert!(ours.source.is_armed());
    assert!(ours.poll_read(&old, &waker, &mut [0; 4]).is_pending());
    theirs.write_all(b"x").expect("sent");
    turn_until(&old, || count.get() > before);
}

// Only on Linux: its event queue refuses regular files, and Windows has handles for them.
#[cfg(target_os = "linux")]
#[test]
fn a_refused_move_is_no_error_of_the_wait() {
    let [theirs, pool] = [(); 2].map(|()| Arc::new(Driver::new(Kind::Native).expect("a shard")));
    let (ours, mut peer) = tcp();
    let (count, waker) = counting();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            theirs.set_driven_here();
            assert!(ours.poll_read(&theirs, &waker, &mut [0; 4]).is_pending());
        });
    });
    // A regular file replaces the socket, so the system refuses the registration.
    let file = std::fs::File::open("/proc/self/exe").expect("a file");
    // SAFETY: the registration is refused, so no turn uses the descriptor.
    let attempt = unsafe { ours.source.op(file.as_fd(), || Ok(Arc::clone(&pool))) };
    let blocks = || Err(ErrorKind::WouldBlock.into());
    assert!(
        attempt.poll_stream(Direction::Read, &Context::from_waker(&waker), 4, blocks).is_pending()
    );
    assert_eq!((theirs.sources(), pool.sources()), (1, 0), "the source has moved");
    let before = count.get();
    peer.write_all(b"x").expect("sent");
    turn_until(&theirs, || count.get() > before);
}

#[test]
fn a_timeout_of_years_is_no_error() {
    for kind in kinds() {
        let shard = Driver::new(kind).expect("a shard");
        for days in [24, 25, 400, 1_000_000] {
            // Whole milliseconds, which the kernel takes as 32 bits, and others.
            for rest in [Duration::ZERO, Duration::from_nanos(1)] {
                shard.notify();
                let timeout = Duration::from_secs(days * 86_400) + rest;
                let turned = shard.turn(Some(timeout), &mut Events::new());
                assert!(turned.is_ok(), "{days} days on {kind:?}: {turned:?}");
            }
        }
    }
}
