//! `reveille::sync`: the condition variable, and that the locks are async-lock's.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use reveille::prelude::*;
use reveille::sync::{Arc, Barrier, Condvar, Mutex, RwLock};
use reveille::task::{self, block_on};

/// A waker that counts.
#[derive(Default)]
struct Counter(AtomicUsize);

impl Wake for Counter {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn counter() -> (Arc<Counter>, Waker) {
    let counter = Arc::new(Counter::default());
    (Arc::clone(&counter), Waker::from(counter))
}

fn count(counter: &Counter) -> usize {
    counter.0.load(Ordering::SeqCst)
}

#[test]
fn a_waiter_gives_the_mutex_back() {
    let (mutex, condvar) = (Mutex::new(()), Condvar::new());
    let mut wait = pin!(condvar.wait(mutex.try_lock().unwrap()));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(wait.as_mut().poll(&mut cx).is_pending());
    assert!(mutex.try_lock().is_some());
}

#[test]
fn notify_one_wakes_the_one_that_came_first() {
    let (mutex, condvar) = (Mutex::new(()), Condvar::new());
    let (counters, wakers): (Vec<_>, Vec<_>) = (0..3).map(|_| counter()).unzip();
    let mut waits: Vec<_> =
        (0..3).map(|_| Box::pin(async { condvar.wait(mutex.lock().await).await })).collect();
    for (wait, waker) in waits.iter_mut().zip(&wakers) {
        assert!(wait.as_mut().poll(&mut Context::from_waker(waker)).is_pending());
    }
    condvar.notify_one();
    assert_eq!(counters.iter().map(|c| count(c)).collect::<Vec<_>>(), [1, 0, 0]);
    condvar.notify_all();
    assert_eq!(counters.iter().map(|c| count(c)).collect::<Vec<_>>(), [1, 1, 1]);
}

#[test]
fn a_cancelled_waiter_passes_its_notification_on() {
    let (mutex, condvar) = (Mutex::new(()), Condvar::new());
    let (first_counter, first_waker) = counter();
    let (second_counter, second_waker) = counter();
    let mut first = Box::pin(async { condvar.wait(mutex.lock().await).await });
    let mut second = pin!(async { condvar.wait(mutex.lock().await).await });
    assert!(first.as_mut().poll(&mut Context::from_waker(&first_waker)).is_pending());
    assert!(second.as_mut().poll(&mut Context::from_waker(&second_waker)).is_pending());

    condvar.notify_one();
    assert_eq!((count(&first_counter), count(&second_counter)), (1, 0));
    drop(first);
    assert_eq!(count(&second_counter), 1);
    assert!(second.as_mut().poll(&mut Context::from_waker(&second_waker)).is_ready());
}

#[test]
fn a_waiter_that_was_never_notified_passes_nothing_on() {
    let (mutex, condvar) = (Mutex::new(()), Condvar::new());
    let (second_counter, second_waker) = counter();
    let mut cx = Context::from_waker(Waker::noop());
    let mut first = Box::pin(async { condvar.wait(mutex.lock().await).await });
    let mut second = pin!(async { condvar.wait(mutex.lock().await).await });
    assert!(first.as_mut().poll(&mut cx).is_pending());
    assert!(second.as_mut().poll(&mut Context::from_waker(&second_waker)).is_pending());
    drop(first);
    assert_eq!(count(&second_counter), 0);
}

#[test]
fn a_waiter_that_moved_is_woken_where_it_is() {
    let (mutex, condvar) = (Mutex::new(()), Condvar::new());
    let (old_counter, old_waker) = counter();
    let (new_counter, new_waker) = counter();
    let mut wait = pin!(async { condvar.wait(mutex.lock().await).await });
    assert!(wait.as_mut().poll(&mut Context::from_waker(&old_waker)).is_pending());
    assert!(wait.as_mut().poll(&mut Context::from_waker(&new_waker)).is_pending());
    condvar.notify_one();
    assert_eq!((count(&old_counter), count(&new_counter)), (0, 1));
}

#[test]
fn a_wait_times_out_only_without_a_notification() {
    let (mutex, condvar) = (Mutex::new(()), Condvar::new());
    let mut cx = Context::from_waker(Waker::noop());
    let wait = async |dur| condvar.wait_timeout(mutex.lock().await, dur).await.1.timed_out();

    let mut notified = pin!(wait(Duration::ZERO));
    // Its time limit has passed at the first poll, which ends it.
    assert_eq!(notified.as_mut().poll(&mut cx), Poll::Ready(true));

    let mut notified = pin!(wait(Duration::MAX));
    assert!(notified.as_mut().poll(&mut cx).is_pending());
    condvar.notify_one();
    assert_eq!(notified.as_mut().poll(&mut cx), Poll::Ready(false));
}

async fn a_timed_out_waiter_leaves_no_trace() {
    let (mutex, condvar) = (Mutex::new(()), Condvar::new());
    let (_, result) = condvar.wait_timeout(mutex.lock().await, Duration::from_millis(2)).await;
    assert!(result.timed_out());

    // A notification goes to the current waiter, not to the one that was dropped.
    let (counter, waker) = counter();
    let mut wait = pin!(async { condvar.wait(mutex.lock().await).await });
    assert!(wait.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    condvar.notify_one();
    assert_eq!(count(&counter), 1);
}

async fn wait_timeout_until_reports_the_condition() {
    let (mutex, condvar) = (Mutex::new(3), Condvar::new());
    let brief = Duration::from_millis(2);
    let (guard, result) = condvar.wait_timeout_until(mutex.lock().await, brief, |n| *n == 3).await;
    assert!(!result.timed_out());
    let (guard, result) = condvar.wait_timeout_until(guard, brief, |n| *n == 4).await;
    assert!(result.timed_out());
    assert_eq!(*guard, 3);
}

async fn no_task_sleeps_through_a_change_of_the_condition() {
    const TASKS: usize = 8;
    const ROUNDS: usize = 200;
    let shared = Arc::new((Mutex::new(0), Condvar::new()));
    let tasks: Vec<_> = (0..TASKS)
        .map(|me| {
            let shared = Arc::clone(&shared);
            task::spawn(async move {
                for _ in 0..ROUNDS {
                    let turn = shared.0.lock().await;
                    let is_mine = |turn: &mut usize| *turn % TASKS == me;
                    let mut turn = shared.1.wait_until(turn, is_mine).await;
                    *turn += 1;
                    drop(turn);
                    shared.1.notify_all();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await;
    }
    assert_eq!(*shared.0.lock().await, TASKS * ROUNDS);
}

#[test]
fn the_locks_are_those_of_async_lock() {
    fn mutex(mutex: async_lock::Mutex<i32>) -> Mutex<i32> {
        mutex
    }
    fn rwlock(rwlock: async_lock::RwLock<i32>) -> RwLock<i32> {
        rwlock
    }
    fn barrier(barrier: async_lock::Barrier) -> Barrier {
        barrier
    }
    assert_eq!(mutex(async_lock::Mutex::new(1)).into_inner(), 1);
    assert_eq!(rwlock(async_lock::RwLock::new(1)).into_inner(), 1);
    assert!(block_on(async { barrier(async_lock::Barrier::new(1)).wait().await.is_leader() }));
}

#[test]
fn the_condvar_is_send_sync_and_const() {
    fn is_send_sync<T: Send + Sync>(_: &T) {}
    static CONDVAR: Condvar = Condvar::new();
    is_send_sync(&CONDVAR);
    let mutex = Mutex::new(());
    is_send_sync(&CONDVAR.wait(mutex.try_lock().unwrap()));
    block_on(async {}.join(async {}));
}

// Each of these runs on every executor.
reveille_tests::conformance!(
    a_timed_out_waiter_leaves_no_trace,
    wait_timeout_until_reports_the_condition,
    no_task_sleeps_through_a_change_of_the_condition,
);
