//! Models: the tick of the readiness word, a waiter against an event, a notification against a
//! park.
//!
//! `RUSTFLAGS="--cfg reveille_loom" cargo test -p reveille-driver --test loom_readiness --release`

#![cfg(reveille_loom)]

use reveille_watchdog as _;

use std::sync::Arc as StdArc;
use std::task::{Context, Wake, Waker};

use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;
use reveille_driver::model::{Arming, Notify, Readiness, WaitSlot, Waited, Waiters};
use reveille_driver::{Direction, Flags};

/// Counts its wakes.
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: StdArc<Count>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn counting() -> (StdArc<Count>, Waker) {
    let count = StdArc::new(Count(AtomicUsize::new(0)));
    (StdArc::clone(&count), Waker::from(count))
}

fn event(readiness: &Readiness, waiters: &Waiters) {
    let mut wakers = Vec::new();
    waiters.deliver(readiness, Flags::READABLE, &mut wakers);
    wakers.into_iter().for_each(Waker::wake);
}

#[test]
fn a_clear_never_takes_back_data_it_has_not_seen() {
    loom::model(|| {
        let shared = Arc::new((Readiness::assumed(), Waiters::default()));
        let data = Arc::new(AtomicBool::new(false));
        let kernel = thread::spawn({
            let (shared, data) = (Arc::clone(&shared), Arc::clone(&data));
            move || {
                data.store(true, Ordering::Release);
                event(&shared.0, &shared.1);
            }
        });
        let writer = thread::spawn({
            let shared = Arc::clone(&shared);
            move || shared.1.clear(&shared.0, shared.0.snapshot(), Direction::Write)
        });
        let (readiness, waiters) = &*shared;
        let seen = readiness.snapshot();
        let has_read = data.load(Ordering::Acquire);
        if !has_read {
            waiters.clear(readiness, seen, Direction::Read);
        }
        kernel.join().unwrap();
        writer.join().unwrap();
        assert!(readiness.ready(Direction::Read).is_some(), "the event is lost");
    });
}

#[test]
fn a_short_read_never_takes_back_an_event_after_it() {
    loom::model(|| {
        let shared = Arc::new((Readiness::assumed(), AtomicBool::new(false), Waiters::default()));
        let kernel = thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                shared.1.store(true, Ordering::Release);
                event(&shared.0, &shared.2);
            }
        });
        // Another reader, whose note may be late or hide a newer one.
        let late = thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                let seen = shared.0.snapshot();
                if !shared.1.load(Ordering::Acquire) {
                    shared.0.exhaust(seen);
                }
            }
        });
        let seen = shared.0.snapshot();
        if !shared.1.load(Ordering::Acquire) {
            shared.0.exhaust(seen);
        }
        kernel.join().unwrap();
        late.join().unwrap();
        assert!(shared.0.ready(Direction::Read).is_some(), "the event is lost");
        let seen = shared.0.snapshot();
        shared.0.exhaust(seen);
        assert!(shared.0.ready(Direction::Read).is_none());
        assert!(shared.0.ready(Direction::Write).is_some());
    });
}

#[test]
fn a_waiter_in_place_sees_the_event_or_is_woken_by_it() {
    loom::model(|| {
        let shared = Arc::new((Readiness::assumed(), Waiters::default()));
        let (readiness, waiters) = &*shared;
        waiters.set_arming(Arming::Armed);
        readiness.exhaust(readiness.snapshot());
        let driver = thread::spawn({
            let shared = Arc::clone(&shared);
            move || event(&shared.0, &shared.1)
        });
        let (count, waker) = counting();
        let cx = Context::from_waker(&waker);
        let has_entered = waiters.wait_in_place(readiness, Direction::Read, 0, &cx);
        driver.join().unwrap();
        let is_ready = readiness.ready(Direction::Read).is_some();
        assert!(is_ready && has_entered == (count.0.load(Ordering::SeqCst) == 1));
        assert!(waiters.is_empty());
    });
}

#[test]
fn a_waiter_sees_the_event_or_is_woken_by_it() {
    for is_shared in [true, false] {
        loom::model(move || {
            let shared = Arc::new((Readiness::assumed(), Waiters::default()));
            let (readiness, waiters) = &*shared;
            waiters.clear(readiness, readiness.snapshot(), Direction::Read);
            let driver = thread::spawn({
                let shared = Arc::clone(&shared);
                move || event(&shared.0, &shared.1)
            });
            let (count, waker) = counting();
            let mut seat = if is_shared { WaitSlot::shared() } else { WaitSlot::Owned(None) };
            let cx = Context::from_waker(&waker);
            let waited = waiters.wait(readiness, Direction::Read, &mut seat, &cx);
            driver.join().unwrap();
            let is_ready = matches!(waited, Waited::Ready(_));
            assert!(is_ready || count.0.load(Ordering::SeqCst) == 1, "the wake is lost");
            waiters.leave(Direction::Read, &mut seat);
            assert!(waiters.is_empty());
        });
    }
}

#[test]
fn two_waiters_and_an_event_that_one_of_them_uses_up() {
    loom::model(|| {
        let shared = Arc::new((Readiness::assumed(), Waiters::default()));
        shared.1.clear(&shared.0, shared.0.snapshot(), Direction::Read);
        let driver = thread::spawn({
            let shared = Arc::clone(&shared);
            move || event(&shared.0, &shared.1)
        });
        let wait = |shared: &(Readiness, Waiters)| {
            let (count, waker) = counting();
            let cx = Context::from_waker(&waker);
            let waited = shared.1.wait(&shared.0, Direction::Read, &mut WaitSlot::shared(), &cx);
            if let Waited::Ready(seen) = waited {
                shared.1.clear(&shared.0, seen, Direction::Read);
                return (true, count);
            }
            (false, count)
        };
        let other = thread::spawn({
            let shared = Arc::clone(&shared);
            move || wait(&shared)
        });
        let mine = wait(&shared);
        let theirs = other.join().unwrap();
        driver.join().unwrap();
        let is_told = |(is_ready, count): &(bool, StdArc<Count>)| {
            *is_ready || count.0.load(Ordering::SeqCst) == 1
        };
        assert!(is_told(&mine) || is_told(&theirs), "nobody learns of the event");
    });
}

/// Leaves the shard: the mark first, the waiters second, as `Shard::wake_all` does.
fn disarm(is_driven: &AtomicBool, waiters: &Waiters) {
    is_driven.store(false, Ordering::Release);
    let mut wakers = Vec::new();
    waiters.disarm(&mut wakers);
    wakers.into_iter().for_each(Waker::wake);
}

#[test]
fn a_waiter_of_a_deserted_shard_is_woken_or_sees_it() {
    loom::model(|| {
        let shared = Arc::new((Readiness::assumed(), Waiters::default(), AtomicBool::new(true)));
        let (readiness, waiters, _) = &*shared;
        waiters.clear(readiness, readiness.snapshot(), Direction::Read);
        waiters.set_arming(Arming::Armed);
        let leaver = thread::spawn({
            let shared = Arc::clone(&shared);
            move || disarm(&shared.2, &shared.1)
        });
        let (count, waker) = counting();
        let cx = Context::from_waker(&waker);
        let waited = waiters.wait(readiness, Direction::Read, &mut WaitSlot::shared(), &cx);
        leaver.join().unwrap();
        let is_told = waited == Waited::Entered(Arming::Unarmed);
        assert!(is_told || count.0.load(Ordering::SeqCst) == 1, "it waits for nobody");
    });
}

#[test]
fn a_source_armed_while_its_shard_is_deserted_does_not_stay_armed() {
    loom::model(|| {
        let shared = Arc::new((Readiness::assumed(), Waiters::default(), AtomicBool::new(true)));
        let (readiness, waiters, is_driven) = &*shared;
        waiters.clear(readiness, readiness.snapshot(), Direction::Read);
        let leaver = thread::spawn({
            let shared = Arc::clone(&shared);
            move || disarm(&shared.2, &shared.1)
        });
        // As `Source::register` does, once the slot is taken.
        waiters.set_arming(Arming::Armed);
        if !is_driven.load(Ordering::Acquire) {
            waiters.set_arming(Arming::Unarmed);
        }
        let (count, waker) = counting();
        let cx = Context::from_waker(&waker);
        let waited = waiters.wait(readiness, Direction::Read, &mut WaitSlot::shared(), &cx);
        leaver.join().unwrap();
        assert_eq!(waiters.arming(), Arming::Unarmed);
        let is_told = waited == Waited::Entered(Arming::Unarmed);
        assert!(is_told || count.0.load(Ordering::SeqCst) == 1, "it waits for nobody");
    });
}

/// An eventfd in an epoll set, edge-triggered: a ring is heard once.
struct Bell {
    rung: Mutex<bool>,
    condvar: Condvar,
}

impl Bell {
    fn ring(&self) {
        *self.rung.lock().unwrap() = true;
        self.condvar.notify_one();
    }

    fn wait(&self) {
        let mut rung = self.rung.lock().unwrap();
        while !*rung {
            rung = self.condvar.wait(rung).unwrap();
        }
        *rung = false;
    }
}

#[test]
fn no_notification_is_lost() {
    loom::model(|| {
        let bell = Bell { rung: Mutex::new(false), condvar: Condvar::new() };
        let shared = Arc::new((Notify::new(), bell, AtomicUsize::new(0)));
        let posters: Vec<_> = (0..2)
            .map(|_| {
                let shared = Arc::clone(&shared);
                thread::spawn(move || {
                    // Relaxed: the notification itself publishes the work.
                    shared.2.fetch_add(1, Ordering::Relaxed);
                    shared.0.post(|| shared.1.ring());
                })
            })
            .collect();
        // A lost notification is a park without end, which loom reports as a deadlock.
        while shared.2.load(Ordering::Relaxed) < 2 {
            shared.1.wait();
            shared.0.take();
        }
        posters.into_iter().for_each(|poster| poster.join().unwrap());
    });
}
