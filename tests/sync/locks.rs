//! `reveille::sync`: `Notify` and `Semaphore`.

use std::pin::pin;
use std::sync::atomic::Ordering;
use std::task::{Poll, Waker};

use reveille::sync::{AcquireError, Arc, Notify, Semaphore, TryAcquireError};
use reveille::task;
use reveille_tests::wakers::{Count, Meddler, is_pending, panics, poll};

mod notify {
    use super::*;

    #[test]
    fn one_permit_is_kept_and_not_two() {
        let notify = Notify::new();
        notify.notify_one();
        notify.notify_one();
        assert!(!is_pending(pin!(notify.notified())));
        assert!(is_pending(pin!(notify.notified())));
    }

    #[test]
    fn notify_one_wakes_the_oldest_and_notify_last_the_newest() {
        let notify = Notify::new();
        let (counts, wakers): (Vec<_>, Vec<_>) = (0..3).map(|_| Count::new()).unzip();
        let mut waiters: Vec<_> = (0..3).map(|_| Box::pin(notify.notified())).collect();
        for (waiter, waker) in waiters.iter_mut().zip(&wakers) {
            assert!(poll(waiter.as_mut(), waker).is_pending());
        }
        let woken = || counts.iter().map(|count| count.get()).collect::<Vec<_>>();
        notify.notify_one();
        assert_eq!(woken(), [1, 0, 0]);
        notify.notify_last();
        assert_eq!(woken(), [1, 0, 1]);
        notify.notify_one();
        assert_eq!(woken(), [1, 1, 1]);
    }

    #[test]
    fn a_round_reaches_futures_that_were_made_before_and_no_later_ones() {
        let notify = Notify::new();
        let (made, mut waiting) = (notify.notified(), Box::pin(notify.notified()));
        assert!(is_pending(waiting.as_mut()));
        notify.notify_waiters();
        assert!(!is_pending(pin!(made)));
        assert!(!is_pending(waiting.as_mut()));
        assert!(is_pending(pin!(notify.notified())));
    }

    #[test]
    fn a_round_stores_no_permit_and_takes_none() {
        let notify = Notify::new();
        let made = notify.notified();
        notify.notify_one();
        notify.notify_waiters();
        assert!(!is_pending(pin!(made)), "the round");
        assert!(!is_pending(pin!(notify.notified())), "the permit");
        assert!(is_pending(pin!(notify.notified())));
    }

    #[test]
    fn an_enabled_future_is_woken_by_the_notification_that_came_before_its_poll() {
        let notify = Arc::new(Notify::new());
        let mut first = pin!(notify.notified());
        let mut second = pin!(Arc::clone(&notify).notified_owned());
        assert!(!first.as_mut().enable());
        assert!(!second.as_mut().enable());
        notify.notify_one();
        assert!(is_pending(second.as_mut()));
        assert!(!is_pending(first.as_mut()));
        notify.notify_one();
        assert!(second.as_mut().enable());
        assert!(!is_pending(second));
    }

    #[test]
    fn a_notification_of_a_dropped_future_goes_to_the_next_or_becomes_the_permit() {
        let notify = Notify::new();
        let (count, waker) = Count::new();
        let mut first = Box::pin(notify.notified());
        let mut second = Box::pin(notify.notified());
        assert!(is_pending(first.as_mut()));
        assert!(poll(second.as_mut(), &waker).is_pending());
        notify.notify_one();
        assert_eq!(count.get(), 0);
        drop(first);
        assert_eq!(count.get(), 1);
        drop(second);
        assert!(!is_pending(pin!(notify.notified())), "the permit");
    }

    #[test]
    fn a_dropped_future_passes_no_round_on() {
        let notify = Notify::new();
        let mut first = Box::pin(notify.notified());
        assert!(is_pending(first.as_mut()));
        notify.notify_waiters();
        drop(first);
        assert!(is_pending(pin!(notify.notified())));
    }

    #[test]
    fn a_new_waker_replaces_the_old_one() {
        let notify = Notify::new();
        let ((old, old_waker), (new, new_waker)) = (Count::new(), Count::new());
        let mut waiter = pin!(notify.notified());
        assert!(poll(waiter.as_mut(), &old_waker).is_pending());
        assert!(poll(waiter.as_mut(), &new_waker).is_pending());
        notify.notify_one();
        assert_eq!((old.get(), new.get()), (0, 1));
    }

    #[test]
    fn a_waker_may_use_what_wakes_or_drops_it() {
        let notify = Arc::new(Notify::new());
        let meddler = || {
            let theirs = Arc::clone(&notify);
            Meddler::waker(move || {
                theirs.notify_waiters();
                drop(Box::pin(theirs.notified()));
            })
        };
        let ((first_calls, first), (second_calls, second)) = (meddler(), meddler());
        let mut waiter = Box::pin(notify.notified());
        assert!(poll(waiter.as_mut(), &first).is_pending());
        drop(first);
        assert!(poll(waiter.as_mut(), &second).is_pending()); // drops the first
        assert_eq!(first_calls.load(Ordering::SeqCst), 1);
        drop(second);
        notify.notify_waiters();
        assert!(second_calls.load(Ordering::SeqCst) >= 1);
    }

    #[test]
    fn a_panicking_waker_does_not_lose_the_notifications_of_other_waiters() {
        let notify = Notify::new();
        let (count, waker) = Count::new();
        let mut first = Box::pin(notify.notified());
        let mut second = Box::pin(notify.notified());
        let mut third = Box::pin(notify.notified());
        assert!(poll(first.as_mut(), &waker).is_pending());
        assert!(poll(second.as_mut(), &panics()).is_pending());
        assert!(poll(third.as_mut(), &waker).is_pending());
        notify.notify_waiters();
        assert_eq!(count.get(), 2);
        assert!(!is_pending(second.as_mut()));
    }
}

mod semaphore {
    use super::*;

    #[test]
    fn waiters_get_permits_in_their_order_and_are_not_overtaken() {
        let permits = Semaphore::new(3);
        let two = permits.try_acquire_many(2).unwrap();
        let mut many = Box::pin(permits.acquire_many(3));
        let mut one = Box::pin(permits.acquire());
        assert!(is_pending(many.as_mut()));
        assert!(is_pending(one.as_mut()));
        assert_eq!(permits.available_permits(), 0, "the first keeps what there was");
        assert_eq!(permits.try_acquire().unwrap_err(), TryAcquireError::NoPermits);
        drop(two);
        let Poll::Ready(Ok(many)) = poll(many.as_mut(), Waker::noop()) else {
            panic!("it has them all");
        };
        assert!(is_pending(one.as_mut()));
        drop(many);
        assert!(!is_pending(one.as_mut()));
        drop(one);
        assert_eq!(permits.available_permits(), 3);
    }

    #[test]
    fn one_release_serves_several_waiters() {
        let permits = Semaphore::new(0);
        let (count, waker) = Count::new();
        let mut waiters: Vec<_> = (0..3).map(|_| Box::pin(permits.acquire())).collect();
        for waiter in &mut waiters {
            assert!(poll(waiter.as_mut(), &waker).is_pending());
        }
        permits.add_permits(5);
        assert_eq!((count.get(), permits.available_permits()), (3, 2));
        drop(waiters); // no waiter has seen its permit
        assert_eq!(permits.available_permits(), 5);
    }

    #[test]
    fn a_dropped_waiter_gives_back_what_it_had() {
        let permits = Semaphore::new(2);
        let mut many = Box::pin(permits.acquire_many(5));
        let mut one = Box::pin(permits.acquire());
        let (count, waker) = Count::new();
        assert!(is_pending(many.as_mut()));
        assert!(poll(one.as_mut(), &waker).is_pending());
        drop(many);
        assert_eq!(count.get(), 1);
        assert!(!is_pending(one.as_mut()));
        drop(one);
        assert_eq!(permits.available_permits(), 2);
    }

    #[test]
    fn closing_wakes_all_and_keeps_what_is_out_valid() {
        let permits = Arc::new(Semaphore::new(2));
        let out = Arc::clone(&permits).try_acquire_owned().unwrap();
        let (count, waker) = Count::new();
        let mut many = Box::pin(permits.acquire_many(4));
        let mut one = Box::pin(permits.acquire());
        assert!(poll(many.as_mut(), &waker).is_pending());
        assert!(poll(one.as_mut(), &waker).is_pending());
        permits.close();
        assert_eq!(count.get(), 2);
        let error = |result: Poll<Result<_, AcquireError>>| match result {
            Poll::Ready(result) => result.is_err(),
            Poll::Pending => false,
        };
        assert!(error(poll(many.as_mut(), Waker::noop())));
        drop(one);
        drop(out);
        assert_eq!(permits.available_permits(), 2);
        assert_eq!(permits.try_acquire().unwrap_err(), TryAcquireError::Closed);
        assert!(task::block_on(Arc::clone(&permits).acquire_owned()).is_err());
    }

    #[test]
    fn no_permits_are_acquired_at_once_also_behind_waiters() {
        let permits = Semaphore::new(0);
        let mut waiter = Box::pin(permits.acquire());
        assert!(is_pending(waiter.as_mut()));
        assert_eq!(task::block_on(permits.acquire_many(0)).unwrap().num_permits(), 0);
    }

    #[test]
    fn guards_are_merged_split_and_forgotten() {
        let permits = Arc::new(Semaphore::new(4));
        let mut all = Arc::clone(&permits).try_acquire_many_owned(3).unwrap();
        all.merge(Arc::clone(&permits).try_acquire_owned().unwrap());
        let two = all.split(2).unwrap();
        assert!(all.split(3).is_none());
        assert_eq!((all.num_permits(), two.num_permits()), (2, 2));
        two.forget();
        drop(all);
        assert_eq!(permits.available_permits(), 2);
        assert_eq!(permits.forget_permits(9), 2);
    }

    #[test]
    #[should_panic(expected = "of two semaphores")]
    fn guards_of_two_semaphores_are_not_merged() {
        let (ours, theirs) = (Semaphore::new(1), Semaphore::new(1));
        ours.try_acquire().unwrap().merge(theirs.try_acquire().unwrap());
    }

    #[test]
    fn the_largest_number_of_permits_is_checked() {
        let max = Semaphore::MAX_PERMITS;
        let full = Semaphore::new(max);
        for n in [1, max, usize::MAX] {
            let add = std::panic::AssertUnwindSafe(|| full.add_permits(n));
            assert!(std::panic::catch_unwind(add).is_err());
            assert_eq!(full.available_permits(), max);
        }
        assert!(std::panic::catch_unwind(|| Semaphore::new(max + 1)).is_err());
        // The same while a waiter exists.
        let waited = Semaphore::new(0);
        let mut waiter = Box::pin(waited.acquire());
        assert!(is_pending(waiter.as_mut()));
        let add = std::panic::AssertUnwindSafe(|| waited.add_permits(max + 1));
        assert!(std::panic::catch_unwind(add).is_err());
        waited.add_permits(max);
        assert_eq!(waited.available_permits(), max - 1);
    }

    #[test]
    fn a_waker_may_use_what_wakes_or_drops_it() {
        let permits = Arc::new(Semaphore::new(0));
        let theirs = Arc::clone(&permits);
        let (calls, waker) = Meddler::waker(move || {
            theirs.add_permits(1);
            drop(theirs.try_acquire());
        });
        let (mut first, mut second) = (Box::pin(permits.acquire()), Box::pin(permits.acquire()));
        assert!(poll(first.as_mut(), &waker).is_pending());
        drop(waker);
        // While another task waits, the call in the waker takes the lock.
        assert!(is_pending(second.as_mut()));
        permits.add_permits(1);
        assert!(calls.load(Ordering::SeqCst) >= 1);
        assert!(!is_pending(first.as_mut()));
        assert!(!is_pending(second.as_mut()), "the permit that the waker added");
    }

    #[test]
    fn a_panicking_waker_does_not_lose_the_permits_of_other_waiters() {
        let permits = Semaphore::new(0);
        let (count, waker) = Count::new();
        let mut first = Box::pin(permits.acquire());
        let mut second = Box::pin(permits.acquire());
        assert!(poll(first.as_mut(), &panics()).is_pending());
        assert!(poll(second.as_mut(), &waker).is_pending());
        permits.add_permits(2);
        assert_eq!(count.get(), 1);
        assert!(!is_pending(first.as_mut()));
    }
}
