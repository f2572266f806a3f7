//! Wakers: used before, during and after polls, cloned, dropped, and as the last reference.
#![allow(clippy::waker_clone_wake, reason = "waking by value is what is tested")]

use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};

use reveille_task::{Cause, Ran};

use crate::toy::{Toy, probe, ready, run};

#[test]
fn a_wake_schedules_an_idle_task_once() {
    let toy = Toy::default();
    let (future, polls, _) = probe(|_| Poll::<()>::Pending);
    let (runnable, handle) = toy.spawn(future);
    let waker = runnable.waker();
    run(runnable);
    waker.wake_by_ref();
    waker.wake_by_ref();
    waker.clone().wake();
    waker.wake();
    let (runnable, cause) = toy.pop();
    assert_eq!(cause, Cause::Wake);
    run(runnable);
    assert_eq!((polls.get(), toy.queued()), (2, 0));
    drop(handle);
    toy.drain();
    assert_eq!(toy.handles(), 1);
}

#[test]
fn a_wake_before_the_first_poll_does_nothing() {
    let toy = Toy::default();
    let (future, polls, _) = probe(|_| Poll::<()>::Pending);
    let (runnable, handle) = toy.spawn(future);
    runnable.waker().wake();
    assert_eq!(toy.queued(), 0);
    assert!(matches!(runnable.run(), Ran::Pending));
    assert_eq!((polls.get(), handle.is_finished()), (1, false));
    drop(handle);
    toy.drain();
}

#[test]
fn a_wake_by_value_during_the_poll_requeues() {
    let toy = Toy::default();
    let (future, polls, drops) = {
        let mut first = true;
        probe(move |cx| {
            cx.waker().clone().wake();
            if std::mem::replace(&mut first, false) { Poll::Pending } else { Poll::Ready(1) }
        })
    };
    let (runnable, handle) = toy.spawn(future);
    let Ran::Requeued(runnable) = runnable.run() else { panic!("it woke itself") };
    assert_eq!(toy.queued(), 0);
    assert!(matches!(runnable.run(), Ran::Complete));
    assert_eq!((polls.get(), drops.get(), ready(handle)), (2, 1, 1));
    assert_eq!(toy.handles(), 1);
}

#[test]
fn a_wake_while_requeued_does_nothing() {
    let toy = Toy::default();
    let (future, polls, _) = {
        let mut first = true;
        probe(move |cx| {
            if std::mem::replace(&mut first, false) {
                cx.waker().wake_by_ref();
            }
            Poll::<()>::Pending
        })
    };
    let (runnable, handle) = toy.spawn(future);
    let waker = runnable.waker();
    let Ran::Requeued(runnable) = runnable.run() else { panic!("it woke itself") };
    waker.wake();
    handle.abort();
    assert_eq!(toy.queued(), 0);
    assert!(matches!(runnable.run(), Ran::Complete));
    assert_eq!(polls.get(), 1);
}

#[test]
fn all_wakers_of_a_task_wake_the_same_task() {
    let toy = Toy::default();
    let lent: Arc<Mutex<Option<Waker>>> = Arc::default();
    let kept = lent.clone();
    let (future, ..) = probe(move |cx| {
        *kept.lock().unwrap() = Some(cx.waker().clone());
        Poll::<()>::Pending
    });
    let (runnable, handle) = toy.spawn(future);
    let waker = runnable.waker();
    let (other, other_handle) = toy.spawn(async {});
    run(runnable);
    let lent = lent.lock().unwrap().take().expect("the poll kept it");
    assert!(lent.will_wake(&waker) && waker.will_wake(&waker.clone()));
    assert!(!waker.will_wake(&other.waker()));
    drop((lent, waker, handle, other, other_handle));
    toy.drain();
    assert_eq!(toy.handles(), 1);
}

#[test]
fn a_wake_after_completion_does_nothing_and_frees_the_cell_if_last() {
    let toy = Toy::default();
    let (runnable, handle) = toy.spawn(async {});
    let (by_value, by_ref) = (runnable.waker(), runnable.waker());
    run(runnable);
    drop(handle);
    by_ref.wake_by_ref();
    drop(by_ref);
    assert_eq!(toy.handles(), 2);
    by_value.wake();
    assert_eq!((toy.handles(), toy.queued()), (1, 0));
}

#[test]
fn the_last_waker_of_a_detached_task_orphans_it() {
    let toy = Toy::default();
    let (future, polls, drops) = probe(|_| Poll::<()>::Pending);
    let (runnable, handle) = toy.spawn(future);
    let waker = runnable.waker();
    drop(handle);
    assert!(matches!(runnable.run(), Ran::Pending));
    drop(waker.clone());
    assert_eq!(toy.queued(), 0);
    drop(waker);
    assert_eq!(drops.get(), 0, "only its executor drops a future");
    let (runnable, cause) = toy.pop();
    assert_eq!(cause, Cause::Orphan);
    run(runnable);
    assert_eq!((polls.get(), drops.get(), toy.completed(), toy.handles()), (1, 1, 1, 1));
}

#[test]
fn a_wake_by_value_of_the_last_waker_polls_the_task() {
    let toy = Toy::default();
    let (future, polls, drops) = {
        let mut first = true;
        probe(move |_| if std::mem::take(&mut first) { Poll::Pending } else { Poll::Ready(()) })
    };
    let (runnable, handle) = toy.spawn(future);
    let waker = runnable.waker();
    drop(handle);
    run(runnable);
    waker.wake();
    toy.drain();
    assert_eq!((polls.get(), drops.get(), toy.handles()), (2, 1, 1));
}

#[test]
fn a_future_that_owns_its_waker_is_cancelled_through_its_handle() {
    let toy = Toy::default();
    let own = Mutex::new(None);
    let (future, _, drops) = probe(move |cx| {
        *own.lock().unwrap() = Some(cx.waker().clone());
        Poll::<()>::Pending
    });
    let (runnable, handle) = toy.spawn(future);
    run(runnable);
    handle.abort();
    toy.drain();
    assert_eq!(drops.get(), 1);
    drop(handle);
    assert_eq!(toy.handles(), 1);
}

#[test]
fn concurrent_wakes_joins_and_cancels_drop_the_future_once() {
    let toy = Toy::default();
    for round in 0..300 {
        let (future, _, drops) = {
            let mut left = 3;
            probe(move |cx| {
                left -= 1;
                if left == 0 {
                    return Poll::Ready(String::from("done"));
                }
                let waker = cx.waker().clone();
                if left == 1 {
                    waker.wake();
                }
                Poll::Pending
            })
        };
        let (runnable, handle) = toy.spawn(future);
        let wakers = [runnable.waker(), runnable.waker()];
        std::thread::scope(|scope| {
            for waker in wakers {
                scope.spawn(move || waker.wake());
            }
            scope.spawn(|| run(runnable));
            scope.spawn(|| toy.drain());
            scope.spawn(move || match round % 3 {
                0 => drop(handle),
                1 => handle.abort(),
                _ => assert_eq!(handle.id(), handle.id()),
            });
        });
        toy.drain();
        assert_eq!((drops.get(), toy.handles()), (1, 1));
    }
}
