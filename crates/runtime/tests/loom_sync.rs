//! `Notify`, `Semaphore`, `oneshot`, `watch` and `broadcast` under loom.
//!
//! The modelled files belong to the crate `reveille`. The models are here so that they build
//! without the rest of that crate. `block_on` is loom's: a lost wake is a deadlock, which loom
//! reports.

#![cfg(reveille_loom)]
#![expect(dead_code, reason = "the files are included whole, and a model uses a part of them")]
#![expect(unreachable_pub, reason = "the items are public in the crate that the files are of")]

use reveille_watchdog as _;

#[path = "modelled/protocol.rs"]
mod protocol;

#[path = "../../reveille/src/sync"]
mod sync {
    pub(crate) mod broadcast;
    pub(crate) mod notify;
    pub(crate) mod oneshot;
    pub(crate) mod permit;
    pub(crate) mod semaphore;
    mod send_error;
    mod wait_queue;
    pub(crate) mod watch;
}

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use loom::future::block_on;
use loom::thread;

use sync::notify::Notify;
use sync::semaphore::Semaphore;
use sync::{broadcast, oneshot, watch};

fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Checks a model of three threads with two preemptions in the long form too: with three, two such
/// models of `Notify` had not ended after an hour. The same races between two threads stand beside
/// them, and are checked with three.
fn check_three_threads(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(model);
}

/// A thread that waits for a notification and passes it on.
fn pass_on(notify: &Arc<Notify>) -> thread::JoinHandle<()> {
    let notify = Arc::clone(notify);
    thread::spawn(move || {
        block_on(notify.notified());
        notify.notify_one();
    })
}

#[test]
fn a_notification_is_the_permit_or_reaches_one_of_two_waiting_threads() {
    check_three_threads(|| {
        let notify = Arc::new(Notify::new());
        let waiters = [(); 2].map(|()| pass_on(&notify));
        notify.notify_one();
        for waiter in waiters {
            waiter.join().unwrap();
        }
        assert!(poll(pin!(notify.notified())).is_ready(), "the last permit is left");
    });
}

#[test]
fn a_notification_is_the_permit_or_reaches_a_waiter() {
    loom::model(|| {
        let notify = Arc::new(Notify::new());
        let waiter = pass_on(&notify);
        let mut own = Box::pin(notify.notified());
        assert!(poll(own.as_mut()).is_pending(), "there is no permit yet");
        notify.notify_one();
        block_on(own);
        notify.notify_one();
        waiter.join().unwrap();
        assert!(poll(pin!(notify.notified())).is_ready(), "the last permit is left");
    });
}

#[test]
fn a_notification_of_a_waiting_thread_that_leaves_reaches_the_other_thread() {
    check_three_threads(|| {
        let notify = Arc::new(Notify::new());
        let leaving = thread::spawn({
            let notify = Arc::clone(&notify);
            move || poll_and_leave(&notify)
        });
        let notifier = thread::spawn({
            let notify = Arc::clone(&notify);
            move || notify.notify_one()
        });
        block_on(notify.notified());
        leaving.join().unwrap();
        notifier.join().unwrap();
    });
}

/// Polls a waiter once and drops it. A notification that it returned as ready is passed on.
fn poll_and_leave(notify: &Notify) {
    let mut notified = Box::pin(notify.notified());
    let is_taken = poll(notified.as_mut()).is_ready();
    drop(notified);
    if is_taken {
        notify.notify_one();
    }
}

#[test]
fn a_notification_of_a_waiter_that_leaves_reaches_the_other() {
    loom::model(|| {
        let notify = Arc::new(Notify::new());
        let notifier = thread::spawn({
            let notify = Arc::clone(&notify);
            move || notify.notify_one()
        });
        poll_and_leave(&notify);
        block_on(notify.notified());
        notifier.join().unwrap();
    });
}

#[test]
fn a_notification_of_the_oldest_waiter_that_leaves_reaches_the_next() {
    loom::model(|| {
        let notify = Arc::new(Notify::new());
        let (mut oldest, mut next) = (Box::pin(notify.notified()), Box::pin(notify.notified()));
        assert!(poll(oldest.as_mut()).is_pending() && poll(next.as_mut()).is_pending());
        let notifier = thread::spawn({
            let notify = Arc::clone(&notify);
            move || notify.notify_one()
        });
        drop(oldest);
        block_on(next);
        notifier.join().unwrap();
    });
}

#[test]
fn a_round_reaches_what_was_made_before_the_state_was_checked() {
    loom::model(|| {
        let notify = Arc::new(Notify::new());
        let is_done = Arc::new(loom::sync::atomic::AtomicBool::new(false));
        let waiter = thread::spawn({
            let (notify, is_done) = (Arc::clone(&notify), Arc::clone(&is_done));
            move || {
                let notified = notify.notified();
                if !is_done.load(loom::sync::atomic::Ordering::Acquire) {
                    block_on(notified);
                }
            }
        });
        is_done.store(true, loom::sync::atomic::Ordering::Release);
        notify.notify_waiters();
        waiter.join().unwrap();
    });
}

#[test]
fn a_permit_that_is_returned_reaches_a_waiter() {
    loom::model(|| {
        let permits = Arc::new(Semaphore::new(1));
        let tasks = [(); 2].map(|()| {
            let permits = Arc::clone(&permits);
            thread::spawn(move || drop(block_on(permits.acquire()).unwrap()))
        });
        for task in tasks {
            task.join().unwrap();
        }
        assert_eq!(permits.available_permits(), 1);
    });
}

#[test]
fn permits_of_a_waiter_that_leaves_reach_the_others() {
    loom::model(|| {
        let permits = Arc::new(Semaphore::new(1));
        let leaving = thread::spawn({
            let permits = Arc::clone(&permits);
            move || {
                let mut many = Box::pin(permits.acquire_many(2));
                drop(poll(many.as_mut()));
            }
        });
        drop(block_on(permits.acquire()).unwrap());
        leaving.join().unwrap();
        assert_eq!(permits.available_permits(), 1);
    });
}

#[test]
fn many_permits_are_collected_and_none_is_lost() {
    loom::model(|| {
        let permits = Arc::new(Semaphore::new(1));
        let giver = thread::spawn({
            let permits = Arc::clone(&permits);
            move || {
                drop(permits.try_acquire());
                permits.add_permits(1);
            }
        });
        let two = block_on(permits.acquire_many(2)).unwrap();
        assert_eq!(two.num_permits(), 2);
        drop(two);
        giver.join().unwrap();
        assert_eq!(permits.available_permits(), 2);
    });
}

#[test]
fn closing_ends_every_wait_and_loses_no_permit() {
    loom::model(|| {
        let permits = Arc::new(Semaphore::new(1));
        let closer = thread::spawn({
            let permits = Arc::clone(&permits);
            move || permits.close()
        });
        assert!(block_on(permits.acquire_many(2)).is_err());
        closer.join().unwrap();
        assert_eq!(permits.available_permits(), 1);
    });
}

#[test]
fn a_value_or_its_absence_reaches_the_receiver() {
    loom::model(|| {
        for is_sent in [true, false] {
            let (sender, receiver) = oneshot::channel();
            let thread = thread::spawn(move || match is_sent {
                true => sender.send(7).unwrap(),
                false => drop(sender),
            });
            assert_eq!(block_on(receiver).ok(), is_sent.then_some(7));
            thread.join().unwrap();
        }
    });
}

#[test]
fn the_end_of_a_receiver_reaches_the_sender_and_the_value_is_dropped_once() {
    loom::model(|| {
        let value = Arc::new(());
        let (mut sender, receiver) = oneshot::channel();
        let thread = thread::spawn(move || drop(receiver));
        block_on(sender.closed());
        assert!(sender.send(Arc::clone(&value)).is_err());
        thread.join().unwrap();

        let (sender, receiver) = oneshot::channel();
        let thread = thread::spawn(move || drop(receiver));
        drop(sender.send(Arc::clone(&value)));
        thread.join().unwrap();
        assert_eq!(Arc::strong_count(&value), 1);
    });
}

#[test]
fn the_last_value_of_a_watch_is_seen_and_then_its_end() {
    loom::model(|| {
        let (sender, mut receiver) = watch::channel(0);
        let thread = thread::spawn(move || {
            sender.send_replace(1);
        });
        let mut last = 0;
        while block_on(receiver.changed()).is_ok() {
            last = *receiver.borrow_and_update();
        }
        assert_eq!(last, 1);
        thread.join().unwrap();
    });
}

#[test]
fn a_value_that_was_marked_as_seen_was_seen() {
    loom::model(|| {
        let (sender, mut receiver) = watch::channel(0);
        let thread = thread::spawn(move || {
            sender.send_replace(1);
            sender
        });
        let seen = *receiver.borrow_and_update();
        let sender = thread.join().unwrap();
        assert_eq!(receiver.has_changed(), Ok(seen == 0));
        drop(sender);
    });
}

#[test]
fn every_receiver_of_a_broadcast_gets_the_message_and_the_end() {
    loom::model(|| {
        let (sender, mut receiver) = broadcast::channel(1);
        let mut other = receiver.resubscribe();
        let thread = thread::spawn(move || {
            assert_eq!(block_on(other.recv()), Ok(1));
            assert_eq!(block_on(other.recv()), Err(broadcast::RecvError::Closed));
        });
        assert_eq!(sender.send(1), Ok(2));
        drop(sender);
        assert_eq!(block_on(receiver.recv()), Ok(1));
        thread.join().unwrap();
    });
}

#[test]
fn the_last_receiver_of_a_broadcast_wakes_its_sender() {
    loom::model(|| {
        let message = Arc::new(());
        let (sender, receiver) = broadcast::channel(1);
        let thread = thread::spawn(move || drop(receiver));
        let _ = sender.send(Arc::clone(&message));
        block_on(sender.closed());
        thread.join().unwrap();
        assert_eq!((sender.len(), Arc::strong_count(&message)), (0, 1));
    });
}

#[test]
fn a_receiver_of_a_broadcast_that_leaves_takes_no_wake_with_it() {
    loom::model(|| {
        let (sender, mut receiver) = broadcast::channel(1);
        let mut leaving = receiver.resubscribe();
        let thread = thread::spawn(move || {
            let mut recv = pin!(leaving.recv());
            let _ = poll(recv.as_mut());
        });
        let sending = thread::spawn(move || sender.send(1).is_ok());
        assert_eq!(block_on(receiver.recv()), Ok(1));
        thread.join().unwrap();
        sending.join().unwrap();
    });
}
