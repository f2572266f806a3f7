//! `reveille::sync`: what its own types have in common, on every executor.

use std::future::Future;
use std::pin::pin;
use std::task::Waker;

use reveille::sync::{Arc, Notify, Semaphore, broadcast, oneshot, watch};
use reveille::task;
use reveille_tests::wakers::{is_pending, poll};

/// Makes a future, polls it `polls` times and drops it.
fn dropped_after<F: Future>(polls: usize, future: F) {
    let mut future = Box::pin(future);
    for _ in 0..polls {
        if poll(future.as_mut(), Waker::noop()).is_ready() {
            return;
        }
    }
}

#[test]
fn a_future_that_is_dropped_after_any_poll_loses_nothing() {
    for polls in 0..3 {
        let notify = Notify::new();
        dropped_after(polls, notify.notified());
        notify.notify_one();
        assert!(!is_pending(pin!(notify.notified())));

        let permits = Arc::new(Semaphore::new(1));
        dropped_after(polls, permits.acquire_many(2));
        dropped_after(polls, Arc::clone(&permits).acquire_many_owned(2));
        dropped_after(polls, permits.acquire());
        assert_eq!(permits.available_permits(), 1);

        let (mut sender, mut receiver) = oneshot::channel();
        dropped_after(polls, receiver.by_ref());
        dropped_after(polls, sender.closed());
        sender.send(1).unwrap();
        assert_eq!(task::block_on(receiver), Ok(1));

        let (sender, mut receiver) = watch::channel(0);
        dropped_after(polls, receiver.changed());
        dropped_after(polls, receiver.wait_for(|n| *n == 1));
        dropped_after(polls, sender.closed());
        sender.send(1).unwrap();
        assert!(!is_pending(pin!(receiver.changed())));

        let (sender, mut receiver) = broadcast::channel(1);
        dropped_after(polls, receiver.recv());
        dropped_after(polls, sender.closed());
        sender.send(1).unwrap();
        assert_eq!(receiver.try_recv(), Ok(1));
    }
}

#[test]
fn each_type_shows_what_it_is_for_debugging() {
    let notify = Notify::new();
    notify.notify_one();
    assert_eq!(format!("{notify:?}"), "Notify { has_permit: true, has_waiters: false, .. }");
    let permits = Semaphore::new(2);
    let permit = permits.try_acquire().unwrap();
    assert_eq!(
        format!("{permits:?} {permit:?}"),
        "Semaphore { available_permits: 1, is_closed: false, .. } \
         SemaphorePermit { permits: 1, .. }"
    );
    let (sender, receiver) = oneshot::channel::<Waker>();
    assert_eq!(
        format!("{sender:?} {receiver:?}"),
        "Sender { is_closed: false, .. } Receiver { is_empty: true, is_terminated: false, .. }"
    );
    let (sender, receiver) = watch::channel(1);
    assert_eq!(
        format!("{sender:?} {receiver:?} {:?}", sender.borrow()),
        "Sender { version: 0, receivers: 1, .. } \
         Receiver { version: 0, has_changed: false, is_closed: false, .. } 1"
    );
    let (sender, receiver) = broadcast::channel::<u8>(1);
    assert_eq!(
        format!("{sender:?} {receiver:?}"),
        "Sender { len: 0, receivers: 1, .. } Receiver { len: 0, is_closed: false, .. }"
    );
}

/// Many tasks of two threads, which another crate's executors run.
#[test]
fn other_executors_lose_no_wake() {
    const ROUNDS: usize = 200;
    let permits = Arc::new(Semaphore::new(1));
    let (sender, receiver) = broadcast::channel(ROUNDS);
    let (watched, watcher) = watch::channel(0);
    let mut receivers = [receiver.resubscribe(), receiver];
    std::thread::scope(|scope| {
        for receiver in &mut receivers {
            let (permits, mut watcher) = (Arc::clone(&permits), watcher.clone());
            scope.spawn(move || {
                futures_executor::block_on(async {
                    for n in 1..=ROUNDS {
                        assert_eq!(receiver.recv().await, Ok(n));
                        let _permit = permits.acquire().await.unwrap();
                        assert!(*watcher.wait_for(|seen| *seen >= n).await.unwrap() >= n);
                    }
                });
            });
        }
        for n in 1..=ROUNDS {
            sender.send(n).unwrap();
            watched.send(n).unwrap();
        }
        pollster::block_on(async {
            let _permits = permits.acquire_many(1).await.unwrap();
        });
    });
    assert_eq!(permits.available_permits(), 1);
}

async fn tasks_hand_one_permit_round() {
    let (permits, notify) = (Arc::new(Semaphore::new(2)), Arc::new(Notify::new()));
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let (permits, notify) = (Arc::clone(&permits), Arc::clone(&notify));
            task::spawn(async move {
                for _ in 0..20 {
                    let _permit = permits.acquire().await.unwrap();
                    task::yield_now().await;
                }
                notify.notify_one();
            })
        })
        .collect();
    notify.notified().await;
    for task in tasks {
        task.await;
    }
    assert_eq!(permits.available_permits(), 2);
}

async fn a_request_is_answered() {
    let (request, inbox) = reveille::channel::bounded::<oneshot::Sender<u32>>(1);
    let server = task::spawn(async move {
        while let Ok(answer) = inbox.recv().await {
            answer.send(7).unwrap();
        }
    });
    for _ in 0..50 {
        let (sender, receiver) = oneshot::channel();
        request.send(sender).await.unwrap();
        assert_eq!(receiver.await, Ok(7));
    }
    drop(request);
    server.await;
}

async fn every_subscriber_receives_every_message() {
    let (sender, receiver) = broadcast::channel(128);
    let receivers = (0..4).map(|_| receiver.resubscribe()).collect::<Vec<_>>();
    drop(receiver);
    let tasks: Vec<_> = receivers
        .into_iter()
        .map(|mut receiver| {
            task::spawn(async move {
                let mut sum = 0;
                while let Ok(n) = receiver.recv().await {
                    sum += n;
                }
                sum
            })
        })
        .collect();
    for n in 1..=100 {
        sender.send(n).unwrap();
    }
    drop(sender);
    for task in tasks {
        assert_eq!(task.await, 5_050);
    }
}

async fn a_loop_over_a_free_permit_lets_others_run() {
    let permits = Semaphore::new(1);
    let endless = async {
        loop {
            drop(permits.acquire().await);
        }
    };
    let limit = reveille::future::timeout(std::time::Duration::from_millis(1), endless);
    assert!(limit.await.is_err());
}

reveille_tests::conformance!(
    tasks_hand_one_permit_round,
    a_request_is_answered,
    every_subscriber_receives_every_message,
    a_loop_over_a_free_permit_lets_others_run,
);
