//! `reveille::sync`: `oneshot`, `watch` and `broadcast`.

#![expect(clippy::disallowed_methods, reason = "a thread of the program's own")]

use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Poll, Waker};

use reveille::sync::{Arc, broadcast, oneshot, watch};
use reveille::task;
use reveille_tests::wakers::{Count, Meddler, is_pending, panics, poll};

mod one {
    use super::*;

    #[test]
    fn a_value_is_received_by_each_way_of_waiting() {
        let (sender, receiver) = oneshot::channel();
        sender.send(1).unwrap();
        assert_eq!(pollster::block_on(receiver), Ok(1));

        let (sender, receiver) = oneshot::channel();
        let thread = std::thread::spawn(move || receiver.blocking_recv());
        sender.send(2).unwrap();
        assert_eq!(thread.join().unwrap(), Ok(2));

        let (sender, mut receiver) = oneshot::channel();
        assert!(is_pending(pin!(receiver.by_ref())));
        sender.send(3).unwrap();
        assert_eq!(receiver.try_recv(), Ok(3));
    }

    #[test]
    fn a_sender_that_is_dropped_is_an_error() {
        let (sender, mut receiver) = oneshot::channel::<u8>();
        let (count, waker) = Count::new();
        assert!(poll(Pin::new(&mut receiver), &waker).is_pending());
        drop(sender);
        assert_eq!(count.get(), 1);
        assert!(matches!(poll(Pin::new(&mut receiver), &waker), Poll::Ready(Err(_))));
        assert!(receiver.is_terminated());
        assert_eq!(receiver.try_recv(), Err(oneshot::TryRecvError::Closed));
    }

    #[test]
    fn a_value_sent_before_the_close_is_received_and_a_later_one_is_returned() {
        let (sender, mut receiver) = oneshot::channel();
        sender.send(1).unwrap();
        receiver.close();
        assert_eq!(receiver.try_recv(), Ok(1));

        let (sender, mut receiver) = oneshot::channel();
        receiver.close();
        assert_eq!(sender.send(2), Err(2));
        assert!(task::block_on(receiver).is_err());
    }

    #[test]
    fn the_sender_sees_the_end_of_the_receiver() {
        let (mut sender, receiver) = oneshot::channel::<u8>();
        let (count, waker) = Count::new();
        {
            let mut closed = pin!(sender.closed());
            assert!(poll(closed.as_mut(), &waker).is_pending());
            drop(receiver);
            assert_eq!(count.get(), 1);
            assert!(poll(closed, &waker).is_ready());
        }
        assert!(sender.is_closed());
    }

    #[test]
    fn a_value_that_is_not_received_is_dropped_once() {
        let value = Arc::new(());
        let (sender, receiver) = oneshot::channel();
        sender.send(Arc::clone(&value)).unwrap();
        drop(receiver);
        assert_eq!(Arc::strong_count(&value), 1);
        let (sender, receiver) = oneshot::channel();
        drop(receiver);
        drop(sender.send(Arc::clone(&value)));
        assert_eq!(Arc::strong_count(&value), 1);
    }

    #[test]
    fn a_waker_and_a_value_may_use_the_channel() {
        let (sender, mut receiver) = oneshot::channel::<Option<oneshot::Receiver<u8>>>();
        let (other_sender, other) = oneshot::channel::<u8>();
        let (calls, waker) = Meddler::waker(move || {
            let _ = other_sender.is_closed();
        });
        assert!(poll(Pin::new(&mut receiver), &waker).is_pending());
        assert!(is_pending(pin!(receiver.by_ref())));
        sender.send(Some(other)).unwrap();
        drop((receiver, waker));
        assert!(calls.load(Ordering::SeqCst) >= 1);
    }

    #[test]
    #[should_panic(expected = "polled after it had returned")]
    fn a_poll_after_the_result_panics() {
        let (sender, mut receiver) = oneshot::channel();
        sender.send(1).unwrap();
        receiver.try_recv().unwrap();
        let _ = poll(Pin::new(&mut receiver), Waker::noop());
    }
}

mod watched {
    use super::*;

    #[test]
    fn a_receiver_sees_the_latest_value_and_each_change_once() {
        let (sender, mut receiver) = watch::channel(0);
        assert_eq!(receiver.has_changed(), Ok(false));
        for n in 1..=3 {
            sender.send(n).unwrap();
        }
        assert!(!is_pending(pin!(receiver.changed())));
        assert!(is_pending(pin!(receiver.changed())));
        assert_eq!(*receiver.borrow(), 3);
    }

    #[test]
    fn borrow_marks_nothing_and_borrow_and_update_does() {
        let (sender, mut receiver) = watch::channel(0);
        sender.send(1).unwrap();
        assert!(receiver.borrow().has_changed());
        assert!(receiver.borrow_and_update().has_changed());
        assert!(!receiver.borrow_and_update().has_changed());
        receiver.mark_changed();
        assert_eq!(receiver.has_changed(), Ok(true));
        receiver.mark_unchanged();
        assert_eq!(receiver.has_changed(), Ok(false));
        let clone = receiver.clone();
        sender.send(2).unwrap();
        assert_eq!(clone.has_changed(), Ok(true));
        assert_eq!(sender.subscribe().has_changed(), Ok(false));
    }

    #[test]
    fn a_modification_that_returns_false_wakes_no_receiver() {
        let (sender, mut receiver) = watch::channel(0);
        let (count, waker) = Count::new();
        let mut changed = Box::pin(receiver.changed());
        assert!(poll(changed.as_mut(), &waker).is_pending());
        assert!(!sender.send_if_modified(|value| {
            *value = 1;
            false
        }));
        assert_eq!(count.get(), 0);
        sender.send_modify(|value| *value += 1);
        assert_eq!(count.get(), 1);
        assert!(!is_pending(changed.as_mut()));
        drop(changed);
        assert_eq!(*receiver.borrow(), 2);
    }

    #[test]
    fn the_last_value_arrives_before_the_end() {
        let (sender, mut receiver) = watch::channel(0);
        sender.send(1).unwrap();
        drop(sender);
        assert!(receiver.has_changed().is_err());
        assert!(task::block_on(receiver.changed()).is_ok());
        assert!(task::block_on(receiver.changed()).is_err());
        assert_eq!(*receiver.borrow(), 1);
    }

    #[test]
    fn the_last_sender_ends_the_waits_and_the_last_receiver_too() {
        let (sender, mut receiver) = watch::channel(0);
        let second = sender.clone();
        let (count, waker) = Count::new();
        let mut changed = Box::pin(receiver.changed());
        assert!(poll(changed.as_mut(), &waker).is_pending());
        drop(sender);
        assert_eq!(count.get(), 0);
        let mut closed = Box::pin(second.closed());
        assert!(poll(closed.as_mut(), &waker).is_pending());
        drop(changed);
        drop(receiver);
        assert_eq!(count.get(), 1);
        assert!(!is_pending(closed.as_mut()));
        assert_eq!(second.send(1).unwrap_err().0, 1);
        assert_eq!(*second.borrow(), 0);
        second.send_replace(2);
        assert_eq!(*second.subscribe().borrow(), 2);
    }

    #[test]
    fn wait_for_sees_the_present_value_and_the_last_one() {
        let (sender, mut receiver) = watch::channel(0);
        assert!(task::block_on(receiver.wait_for(|n| *n == 0)).is_ok());
        {
            let mut three = pin!(receiver.wait_for(|n| *n == 3));
            assert!(is_pending(three.as_mut()));
            sender.send(2).unwrap();
            assert!(is_pending(three.as_mut()));
            sender.send(3).unwrap();
            assert!(matches!(poll(three, Waker::noop()), Poll::Ready(Ok(three)) if *three == 3));
        }
        sender.send(4).unwrap();
        drop(sender);
        assert_eq!(task::block_on(receiver.wait_for(|n| *n == 4)).map(|n| *n), Ok(4));
        assert!(task::block_on(receiver.wait_for(|n| *n == 5)).is_err());
    }

    #[test]
    fn a_closure_that_panics_leaves_the_channel_usable() {
        let (sender, receiver) = watch::channel(0);
        let panics = std::panic::AssertUnwindSafe(|| {
            sender.send_modify(|value| {
                *value = 1;
                std::panic::resume_unwind(Box::new(()));
            });
        });
        assert!(std::panic::catch_unwind(panics).is_err());
        assert_eq!((*receiver.borrow(), receiver.has_changed()), (1, Ok(false)));
        sender.send(2).unwrap();
        assert_eq!(*receiver.borrow(), 2);
    }

    #[test]
    fn the_value_that_is_replaced_is_dropped_outside_the_lock() {
        struct Reads(watch::Sender<Option<Reads>>);
        impl Drop for Reads {
            fn drop(&mut self) {
                assert!(self.0.borrow().is_none());
            }
        }
        let (sender, _receiver) = watch::channel(None);
        sender.send(Some(Reads(sender.clone()))).unwrap_or_else(|_| panic!("a receiver is there"));
        drop(sender.send_replace(None));
        sender.send(Some(Reads(sender.clone()))).unwrap_or_else(|_| panic!("a receiver is there"));
        sender.send(None).unwrap_or_else(|_| panic!("a receiver is there"));
    }
}

mod broadcasts {
    use super::*;
    use broadcast::{RecvError, TryRecvError};

    #[test]
    fn every_receiver_gets_every_message_in_order() {
        let (sender, mut first) = broadcast::channel(8);
        let mut second = sender.subscribe();
        assert_eq!(sender.send(1), Ok(2));
        let mut third = first.resubscribe();
        assert_eq!(sender.send(2), Ok(3));
        for receiver in [&mut first, &mut second] {
            assert_eq!((receiver.try_recv(), receiver.try_recv()), (Ok(1), Ok(2)));
        }
        assert_eq!((third.try_recv(), third.try_recv()), (Ok(2), Err(TryRecvError::Empty)));
        assert!(sender.is_empty());
    }

    #[test]
    fn a_slow_receiver_receives_the_number_of_missed_messages() {
        let (sender, mut slow) = broadcast::channel(3);
        let mut fast = sender.subscribe();
        for n in 0..10 {
            sender.send(n).unwrap();
            assert_eq!(fast.try_recv(), Ok(n));
        }
        assert_eq!((slow.len(), sender.len()), (10, 3));
        assert_eq!(slow.try_recv(), Err(TryRecvError::Lagged(7)));
        assert_eq!(task::block_on(slow.recv()), Ok(7));
        for n in 10..13 {
            sender.send(n).unwrap();
        }
        assert_eq!(task::block_on(slow.recv()), Err(RecvError::Lagged(2)));
        assert_eq!(task::block_on(slow.recv()), Ok(10));
    }

    #[test]
    #[should_panic(expected = "a capacity of at least 1")]
    fn a_capacity_of_zero_is_refused() {
        let _ = broadcast::channel::<u8>(0);
    }

    #[test]
    fn the_largest_capacity_allocates_nothing_ahead() {
        let (sender, mut receiver) = broadcast::channel(usize::MAX);
        for n in 0..1_000 {
            sender.send(n).unwrap();
        }
        assert_eq!((receiver.len(), receiver.try_recv()), (1_000, Ok(0)));
    }

    #[test]
    fn messages_are_received_after_the_last_sender_and_then_it_is_closed() {
        let (sender, mut receiver) = broadcast::channel(4);
        let second = sender.clone();
        sender.send(1).unwrap();
        drop(sender);
        assert!(!receiver.is_closed());
        drop(second);
        assert_eq!(receiver.try_recv(), Ok(1));
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
        assert_eq!(task::block_on(receiver.recv()), Err(RecvError::Closed));
    }

    #[test]
    fn without_receivers_a_message_comes_back_until_there_is_one_again() {
        let (sender, receiver) = broadcast::channel(4);
        sender.send(1).unwrap();
        drop(receiver);
        assert!(sender.is_empty());
        assert_eq!(sender.send(2).unwrap_err().0, 2);
        let mut receiver = sender.subscribe();
        assert_eq!(sender.send(3), Ok(1));
        assert_eq!(receiver.try_recv(), Ok(3));
    }

    #[test]
    fn the_end_of_the_channel_wakes_its_receivers_and_that_of_the_receivers_the_sender() {
        let (sender, mut receiver) = broadcast::channel::<u8>(4);
        let weak = sender.downgrade();
        let (count, waker) = Count::new();
        {
            let mut recv = pin!(receiver.recv());
            assert!(poll(recv.as_mut(), &waker).is_pending());
            drop(sender);
            assert_eq!(count.get(), 1);
            assert_eq!(poll(recv, &waker), Poll::Ready(Err(RecvError::Closed)));
        }
        assert!(weak.upgrade().is_none());

        let (sender, receiver) = broadcast::channel::<u8>(4);
        let mut closed = pin!(sender.closed());
        assert!(poll(closed.as_mut(), &waker).is_pending());
        drop(receiver);
        assert_eq!(count.get(), 2);
        assert!(poll(closed, &waker).is_ready());
    }

    #[test]
    fn a_receiver_that_is_dropped_frees_the_messages_that_only_it_had_to_receive() {
        let message = Arc::new(());
        let (sender, mut first) = broadcast::channel(8);
        let second = sender.subscribe();
        for _ in 0..3 {
            sender.send(Arc::clone(&message)).unwrap();
        }
        for _ in 0..2 {
            first.try_recv().unwrap();
        }
        assert_eq!((sender.len(), Arc::strong_count(&message)), (3, 4));
        drop(second);
        assert_eq!((sender.len(), Arc::strong_count(&message)), (1, 2));
        drop(first);
        assert_eq!((sender.len(), Arc::strong_count(&message)), (0, 1));
    }

    #[test]
    fn the_last_receiver_of_a_message_gets_it_without_a_clone() {
        #[derive(Debug)]
        struct Cloned(Arc<AtomicUsize>);
        impl Clone for Cloned {
            fn clone(&self) -> Cloned {
                self.0.fetch_add(1, Ordering::SeqCst);
                Cloned(Arc::clone(&self.0))
            }
        }
        let clones = Arc::new(AtomicUsize::new(0));
        let (sender, mut first) = broadcast::channel(8);
        let mut second = sender.subscribe();
        sender.send(Cloned(Arc::clone(&clones))).unwrap();
        first.try_recv().unwrap();
        second.try_recv().unwrap();
        assert_eq!(clones.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn a_message_may_use_the_channel_when_it_is_cloned_or_dropped() {
        #[derive(Debug)]
        struct Uses(broadcast::Sender<Option<Uses>>);
        impl Clone for Uses {
            fn clone(&self) -> Uses {
                self.0.send(None).unwrap();
                Uses(self.0.clone())
            }
        }
        impl Drop for Uses {
            fn drop(&mut self) {
                let _ = self.0.send(None);
            }
        }
        let (sender, mut first) = broadcast::channel(1);
        let mut second = sender.subscribe();
        sender.send(Some(Uses(sender.clone()))).unwrap();
        assert!(matches!(first.try_recv(), Ok(Some(_)))); // and its clone evicted it
        assert!(matches!(second.try_recv(), Err(TryRecvError::Lagged(_))));
        drop((first, second));
    }

    #[test]
    fn a_waker_may_use_what_wakes_or_drops_it() {
        let (sender, mut receiver) = broadcast::channel(2);
        let theirs = sender.clone();
        let (calls, waker) = Meddler::waker(move || {
            let _ = theirs.send(0);
        });
        {
            let mut recv = pin!(receiver.recv());
            assert!(poll(recv.as_mut(), &waker).is_pending());
            drop(waker);
            sender.send(1).unwrap();
            assert!(calls.load(Ordering::SeqCst) >= 1);
            assert!(poll(recv, Waker::noop()).is_ready());
        }
    }

    #[test]
    fn a_panicking_waker_does_not_lose_the_wakes_of_other_receivers() {
        let (sender, mut first) = broadcast::channel(2);
        let (mut second, mut third) = (sender.subscribe(), sender.subscribe());
        let (count, waker) = Count::new();
        let mut receivers =
            [Box::pin(first.recv()), Box::pin(second.recv()), Box::pin(third.recv())];
        for (receiver, waker) in receivers.iter_mut().zip([&waker, &panics(), &waker]) {
            assert!(poll(receiver.as_mut(), waker).is_pending());
        }
        sender.send(1).unwrap();
        assert_eq!(count.get(), 2);
        for receiver in receivers.iter_mut() {
            assert_eq!(poll(receiver.as_mut(), Waker::noop()), Poll::Ready(Ok(1)));
        }
    }
}
