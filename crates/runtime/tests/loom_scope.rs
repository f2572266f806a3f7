//! Models of both kinds of scope. A scope of tasks counts its children and wakes the waiter when
//! the last one ends. The children of a scope inside a future are woken one by one, and any thread
//! may add a child.
//!
//! The modelled files belong to the crate `reveille`. The models are here so that they build
//! without the rest of that crate. `block_on` is loom's: a lost wake is a deadlock, which loom
//! reports.

#![cfg(reveille_loom)]
#![expect(dead_code, reason = "the files are included whole, and a model uses a part of them")]

use reveille_watchdog as _;

#[path = "modelled/protocol.rs"]
mod protocol;
#[path = "modelled/token.rs"]
mod token;

mod task {
    pub(crate) use crate::token::{CancellationToken, CancelledFuture};
}

#[path = "../../reveille/src/task/scope"]
mod of_tasks {
    mod shared;

    use std::sync::Arc;
    use std::task::Waker;

    use loom::sync::atomic::{AtomicUsize, Ordering};
    use loom::thread;
    use shared::{Outcome, Shared};

    use crate::protocol::task::Counted;
    use crate::token::Counter;

    fn open() -> Arc<Shared<u8>> {
        Arc::new(Shared::new())
    }

    /// Like the poll of a scope whose body has ended. Returns the outcome if there is one;
    /// otherwise `counter` will be woken.
    fn end(shared: &Shared<u8>, counter: &Arc<Counter>) -> Option<Outcome<u8>> {
        shared.listen(&Waker::from(Arc::clone(counter)));
        shared.close();
        shared.outcome()
    }

    /// Asserts that a poll without an outcome is woken once the scope has ended. The end may also
    /// come in between.
    fn assert_woken_or_ended(counter: &Counter, outcome: &Option<Outcome<u8>>) {
        assert!(counter.wakes() <= 1);
        assert!(outcome.is_some() || counter.wakes() == 1);
    }

    #[test]
    fn the_last_child_to_end_wakes_the_task_that_awaits_the_scope() {
        loom::model(|| {
            let shared = open();
            let children = [(); 2].map(|()| {
                let ticket = shared.admit().expect("it is open");
                thread::spawn(move || drop(ticket))
            });
            let (counter, at_end) = (Counter::new(), Counter::new());
            let mut shutdown = shared.ended.cancelled();
            let is_told = shutdown.poll_with(&at_end);
            let outcome = end(&shared, &counter);
            for child in children {
                child.join().unwrap();
            }
            assert_woken_or_ended(&counter, &outcome);
            assert_eq!(at_end.wakes(), usize::from(!is_told));
            let outcome = outcome.or_else(|| shared.outcome());
            assert!(matches!(outcome, Some(Outcome::Fine)));
            assert!(shared.admit().is_none(), "an ended scope stays ended");
        });
    }

    #[test]
    fn a_child_that_starts_a_sibling_keeps_the_scope_open_for_it() {
        loom::model(|| {
            let shared = open();
            let ticket = shared.admit().expect("it is open");
            let gone = Arc::new(AtomicUsize::new(0));
            let child = thread::spawn({
                let gone = Arc::clone(&gone);
                move || {
                    let sibling = ticket.shared.admit().expect("the scope has a child");
                    gone.store(1, Ordering::Relaxed);
                    drop(ticket);
                    gone.store(2, Ordering::Relaxed);
                    drop(sibling);
                }
            });
            let counter = Counter::new();
            let outcome = end(&shared, &counter);
            if outcome.is_some() {
                assert_eq!(gone.load(Ordering::Relaxed), 2);
            }
            child.join().unwrap();
            assert_woken_or_ended(&counter, &outcome);
        });
    }

    #[test]
    fn a_child_started_by_another_thread_at_the_end_is_awaited_or_refused() {
        loom::model(|| {
            let shared = open();
            let inside = Arc::new(AtomicUsize::new(0));
            let other = thread::spawn({
                let (shared, inside) = (Arc::clone(&shared), Arc::clone(&inside));
                move || {
                    let Some(ticket) = shared.admit() else { return false };
                    inside.store(1, Ordering::Relaxed);
                    inside.store(0, Ordering::Relaxed);
                    drop(ticket);
                    true
                }
            });
            let counter = Counter::new();
            let outcome = end(&shared, &counter);
            if outcome.is_some() {
                assert_eq!(inside.load(Ordering::Relaxed), 0);
            }
            let is_admitted = other.join().unwrap();
            assert!(outcome.is_some() || is_admitted, "the scope waits without a child");
            assert_woken_or_ended(&counter, &outcome);
            assert!(shared.ended.is_cancelled());
        });
    }

    #[test]
    fn an_error_cancels_the_others_and_is_the_outcome() {
        loom::model(|| {
            let shared = open();
            let ticket = shared.admit().expect("it is open");
            let child = thread::spawn(move || {
                ticket.shared.failed(7);
                drop(ticket);
            });
            let counter = Counter::new();
            let mut sibling = shared.token.cancelled();
            let sibling_counter = Counter::new();
            let is_told = sibling.poll_with(&sibling_counter);
            let outcome = end(&shared, &counter);
            child.join().unwrap();
            // The failure wakes the scope. If it waits again before the end, the end wakes it.
            assert!(outcome.is_some() || counter.wakes() >= 1);
            let outcome = outcome.or_else(|| shared.outcome());
            assert!(matches!(outcome, Some(Outcome::Failed(7))));
            assert_eq!(sibling_counter.wakes(), usize::from(!is_told));
        });
    }

    #[test]
    fn a_panic_while_the_scope_is_dropped_is_reported_once() {
        loom::model(|| {
            let shared = open();
            let ticket = shared.admit().expect("it is open");
            let told = Arc::new(AtomicUsize::new(0));
            let child = thread::spawn({
                let payload = Counted(Arc::clone(&told));
                move || {
                    ticket.shared.panicked(Box::new(payload));
                    drop(ticket);
                }
            });
            shared.abandon();
            child.join().unwrap();
            assert_eq!(told.load(Ordering::SeqCst), 1);
            assert!(shared.ended.is_cancelled() && shared.token.is_cancelled());
        });
    }
}

#[path = "../../reveille/src/future"]
mod of_futures {
    mod group;

    mod scope {
        mod scope_future;

        use std::future::Future;
        use std::pin::Pin;
        use std::sync::Arc;

        use loom::future::block_on;
        use loom::thread;
        use scope_future::{ScopeFuture, Shared};

        use crate::task::CancellationToken;

        type Child = Pin<Box<dyn Future<Output = ()> + Send>>;

        #[test]
        fn a_child_added_by_another_thread_is_polled_while_the_body_waits_for_it() {
            loom::model(|| {
                let done = CancellationToken::new();
                let mut adder = None;
                let scope = ScopeFuture::new(|shared: &Arc<Shared<Child, ()>>| {
                    let (shared, its) = (Arc::clone(shared), done.clone());
                    adder = Some(thread::spawn(move || {
                        shared.add(Box::pin(async move { its.cancel() }));
                    }));
                    done.cancelled()
                });
                assert_eq!(block_on(scope), Ok(()));
                adder.expect("it was started").join().unwrap();
            });
        }

        #[test]
        fn a_child_added_at_the_end_is_run_or_dropped() {
            loom::model(|| {
                let kept = Arc::new(());
                let mut adder = None;
                let scope = ScopeFuture::new(|shared: &Arc<Shared<Child, ()>>| {
                    let (shared, its) = (Arc::clone(shared), Arc::clone(&kept));
                    adder = Some(thread::spawn(move || {
                        shared.add(Box::pin(async move { drop(its) }));
                    }));
                    async {}
                });
                assert_eq!(block_on(scope), Ok(()));
                adder.expect("it was started").join().unwrap();
                assert_eq!(Arc::strong_count(&kept), 1);
            });
        }

        #[test]
        fn a_token_cancelled_by_another_thread_ends_the_children() {
            loom::model(|| {
                let mut canceller = None;
                let scope = ScopeFuture::new(|shared: &Arc<Shared<Child, ()>>| {
                    shared.add(Box::pin(std::future::pending()));
                    let shared = Arc::clone(shared);
                    canceller = Some(thread::spawn(move || shared.token().cancel()));
                    async {}
                });
                assert_eq!(block_on(scope), Ok(()));
                canceller.expect("it was started").join().unwrap();
            });
        }
    }

    use std::future::poll_fn;
    use std::ops::ControlFlow;
    use std::pin::Pin;
    use std::sync::{Arc, Mutex};
    use std::task::{Poll, Waker};

    use group::Group;
    use loom::future::block_on;
    use loom::sync::atomic::{AtomicBool, Ordering};
    use loom::thread;

    #[test]
    fn a_wake_during_the_poll_is_kept_and_publishes_earlier_writes() {
        loom::model(|| {
            let is_open = Arc::new(AtomicBool::new(false));
            let known = Arc::new(Mutex::new(None::<Waker>));
            let mut group = Group::new();
            let member = {
                let (is_open, known) = (Arc::clone(&is_open), Arc::clone(&known));
                poll_fn(move |cx| {
                    *known.lock().unwrap() = Some(cx.waker().clone());
                    match is_open.load(Ordering::Relaxed) {
                        true => Poll::Ready(()),
                        false => Poll::Pending,
                    }
                })
            };
            let slot = group.insert(Box::pin(member) as Pin<Box<dyn Future<Output = ()>>>);
            assert_eq!(group.pop(), Some(slot));
            assert!(group.poll(slot, Waker::noop()).is_none());
            let waker = known.lock().unwrap().take().expect("it was polled");
            let opener = thread::spawn(move || {
                // The first wake queues the member. If the second wake finds it queued, it does
                // nothing, and the next poll must see what was written between the two.
                waker.wake_by_ref();
                is_open.store(true, Ordering::Relaxed);
                waker.wake();
            });
            block_on(poll_fn(|cx| group.poll_woken(cx, |_, ()| ControlFlow::Break(()))));
            opener.join().unwrap();
            assert!(group.is_empty());
        });
    }
}
