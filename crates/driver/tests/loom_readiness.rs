//! Models: the tick of the readiness word, a waiter and an event, a notification and a park.
//!
//! `RUSTFLAGS="--cfg reveille_loom" cargo test -p reveille-driver --test loom_readiness --release`

#![cfg(reveille_loom)]

use reveille_watchdog as _;

use std::sync::Arc as StdArc;
use std::task::{Context, Wake, Waker};

use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;
use reveille_driver::model::{Arming, NotifyFlag, SourceCore, WaitSlot, Waited};
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

/// A source that is not ready for reads.
fn blocked() -> SourceCore {
    let core = SourceCore::new(Flags::STREAM);
    core.clear(core.snapshot(), Direction::Read);
    core
}

fn event(core: &SourceCore) {
    let mut wakers = Vec::new();
    core.deliver(Flags::READABLE, &mut wakers);
    wakers.into_iter().for_each(Waker::wake);
}

#[test]
fn a_clear_keeps_an_event_after_its_snapshot() {
    loom::model(|| {
        let core = Arc::new(SourceCore::new(Flags::STREAM));
        let data = Arc::new(AtomicBool::new(false));
        let kernel = thread::spawn({
            let (core, data) = (Arc::clone(&core), Arc::clone(&data));
            move || {
                data.store(true, Ordering::Release);
                event(&core);
            }
        });
        let writer = thread::spawn({
            let core = Arc::clone(&core);
            move || core.clear(core.snapshot(), Direction::Write)
        });
        let seen = core.snapshot();
        let has_read = data.load(Ordering::Acquire);
        if !has_read {
            core.clear(seen, Direction::Read);
        }
        kernel.join().unwrap();
        writer.join().unwrap();
        assert!(core.ready(Direction::Read).is_some(), "the event is lost");
    });
}

#[test]
fn a_short_read_keeps_an_event_after_it() {
    loom::model(|| {
        let shared = Arc::new((SourceCore::new(Flags::STREAM), AtomicBool::new(false)));
        let kernel = thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                shared.1.store(true, Ordering::Release);
                event(&shared.0);
            }
        });
        // Another reader, whose note may be late or overwrite a newer one.
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
fn a_wait_after_would_block_sees_the_event_or_is_woken_by_it() {
    for is_in_place in [true, false] {
        loom::model(move || {
            let core = Arc::new(SourceCore::new(Flags::STREAM));
            core.set_arming(Arming::Armed);
            let data = Arc::new(AtomicBool::new(false));
            let kernel = thread::spawn({
                let (core, data) = (Arc::clone(&core), Arc::clone(&data));
                move || {
                    data.store(true, Ordering::Release);
                    event(&core);
                }
            });
            let (count, waker) = counting();
            let cx = Context::from_waker(&waker);
            let seen = core.snapshot();
            let would_block = !data.load(Ordering::Acquire);
            let has_entered = would_block
                && if is_in_place {
                    core.wait_in_place(Some(seen), Direction::Read, 0, &cx)
                } else {
                    let mut slot = WaitSlot::shared();
                    let waited = core.wait(Some(seen), Direction::Read, &mut slot, &cx);
                    matches!(waited, Waited::Entered(_))
                };
            kernel.join().unwrap();
            assert!(core.ready(Direction::Read).is_some(), "the event is lost");
            assert_eq!(count.0.load(Ordering::SeqCst), usize::from(has_entered));
            assert_eq!(core.waiting(), 0);
        });
    }
}

#[test]
fn a_waiter_in_place_sees_the_event_or_is_woken_by_it() {
    loom::model(|| {
        let core = Arc::new(SourceCore::new(Flags::STREAM));
        core.set_arming(Arming::Armed);
        core.exhaust(core.snapshot());
        let driver = thread::spawn({
            let core = Arc::clone(&core);
            move || event(&core)
        });
        let (count, waker) = counting();
        let cx = Context::from_waker(&waker);
        let has_entered = core.wait_in_place(None, Direction::Read, 0, &cx);
        driver.join().unwrap();
        let is_ready = core.ready(Direction::Read).is_some();
        assert!(is_ready && has_entered == (count.0.load(Ordering::SeqCst) == 1));
        assert_eq!(core.waiting(), 0);
    });
}

#[test]
fn a_waiter_sees_the_event_or_is_woken_by_it() {
    for is_shared in [true, false] {
        loom::model(move || {
            let core = Arc::new(blocked());
            let driver = thread::spawn({
                let core = Arc::clone(&core);
                move || event(&core)
            });
            let (count, waker) = counting();
            let mut slot = if is_shared { WaitSlot::shared() } else { WaitSlot::Owned(None) };
            let cx = Context::from_waker(&waker);
            let waited = core.wait(None, Direction::Read, &mut slot, &cx);
            driver.join().unwrap();
            let is_ready = matches!(waited, Waited::Ready(_));
            assert!(is_ready || count.0.load(Ordering::SeqCst) == 1, "the wake is lost");
            core.leave(Direction::Read, &mut slot);
            assert_eq!(core.waiting(), 0);
        });
    }
}

#[test]
fn of_two_waiters_at_least_one_sees_an_event_that_the_other_consumes() {
    loom::model(|| {
        let core = Arc::new(blocked());
        let driver = thread::spawn({
            let core = Arc::clone(&core);
            move || event(&core)
        });
        let wait = |core: &SourceCore| {
            let (count, waker) = counting();
            let cx = Context::from_waker(&waker);
            let waited = core.wait(None, Direction::Read, &mut WaitSlot::shared(), &cx);
            if let Waited::Ready(seen) = waited {
                core.clear(seen, Direction::Read);
                return (true, count);
            }
            (false, count)
        };
        let other = thread::spawn({
            let core = Arc::clone(&core);
            move || wait(&core)
        });
        let mine = wait(&core);
        let theirs = other.join().unwrap();
        driver.join().unwrap();
        let knows = |(is_ready, count): &(bool, StdArc<Count>)| {
            *is_ready || count.0.load(Ordering::SeqCst) == 1
        };
        assert!(knows(&mine) || knows(&theirs), "no waiter sees the event");
    });
}

/// Clears the mark that the shard is driven, then takes the waiters, as `Driver::wake_all` does.
fn disarm(is_driven: &AtomicBool, core: &SourceCore) {
    is_driven.store(false, Ordering::Release);
    let mut wakers = Vec::new();
    core.disarm(&mut wakers);
    wakers.into_iter().for_each(Waker::wake);
}

#[test]
fn a_waiter_is_woken_or_sees_that_its_shard_is_not_driven() {
    for is_shared in [true, false] {
        loom::model(move || {
            let shared = Arc::new((blocked(), AtomicBool::new(true)));
            let (core, _) = &*shared;
            core.set_arming(Arming::Armed);
            let leaver = thread::spawn({
                let shared = Arc::clone(&shared);
                move || disarm(&shared.1, &shared.0)
            });
            let (count, waker) = counting();
            let cx = Context::from_waker(&waker);
            let mut slot = if is_shared { WaitSlot::shared() } else { WaitSlot::Owned(None) };
            let waited = core.wait(None, Direction::Read, &mut slot, &cx);
            leaver.join().unwrap();
            let knows = waited == Waited::Entered(Arming::Unarmed);
            assert!(knows || count.0.load(Ordering::SeqCst) == 1, "no event can wake it");
        });
    }
}

#[test]
fn a_source_armed_while_its_shard_is_disarmed_does_not_stay_armed() {
    loom::model(|| {
        let shared = Arc::new((blocked(), AtomicBool::new(true)));
        let (core, is_driven) = &*shared;
        let leaver = thread::spawn({
            let shared = Arc::clone(&shared);
            move || disarm(&shared.1, &shared.0)
        });
        // As `Source::register` does after it has a slot.
        core.set_arming(Arming::Armed);
        if !is_driven.load(Ordering::Acquire) {
            core.set_arming(Arming::Unarmed);
        }
        let (count, waker) = counting();
        let cx = Context::from_waker(&waker);
        let waited = core.wait(None, Direction::Read, &mut WaitSlot::shared(), &cx);
        leaver.join().unwrap();
        assert_eq!(core.arming(), Arming::Unarmed);
        let knows = waited == Waited::Entered(Arming::Unarmed);
        assert!(knows || count.0.load(Ordering::SeqCst) == 1, "no event can wake it");
    });
}

/// An eventfd in an edge-triggered epoll set: each write ends one wait.
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
        let shared = Arc::new((NotifyFlag::new(), bell, AtomicUsize::new(0)));
        let posters: Vec<_> = (0..2)
            .map(|_| {
                let shared = Arc::clone(&shared);
                thread::spawn(move || {
                    // Relaxed: the notification publishes the work.
                    shared.2.fetch_add(1, Ordering::Relaxed);
                    shared.0.post(|| shared.1.ring());
                })
            })
            .collect();
        // After a lost notification the park never ends, which loom reports as a deadlock.
        while shared.2.load(Ordering::Relaxed) < 2 {
            shared.1.wait();
            shared.0.take();
        }
        posters.into_iter().for_each(|poster| poster.join().unwrap());
    });
}

#[test]
fn a_watcher_of_events_sees_the_event_or_is_woken_and_takes_nothing_from_a_reader() {
    loom::model(|| {
        let core = Arc::new(SourceCore::new(Flags::STREAM));
        core.set_arming(Arming::Armed);
        let is_closed = Arc::new(AtomicBool::new(false));
        let kernel = thread::spawn({
            let (core, is_closed) = (Arc::clone(&core), Arc::clone(&is_closed));
            move || {
                is_closed.store(true, Ordering::Release);
                event(&core);
            }
        });
        let (count, waker) = counting();
        let cx = Context::from_waker(&waker);
        let mut slot = WaitSlot::Owned(None);
        // The rounds of `IoOp::poll_watch`.
        let has_seen = loop {
            let seen = core.snapshot();
            if is_closed.load(Ordering::Acquire) {
                break true;
            }
            match core.wait_event(seen, Direction::Read, &mut slot, &cx) {
                Waited::Ready(_) => {}
                Waited::Entered(_) => break false,
            }
        };
        kernel.join().unwrap();
        assert_eq!(count.0.load(Ordering::SeqCst), usize::from(!has_seen));
        assert!(core.ready(Direction::Read).is_some(), "the readers' readiness is lost");
        core.leave(Direction::Read, &mut slot);
        assert_eq!(core.waiting(), 0);
    });
}
