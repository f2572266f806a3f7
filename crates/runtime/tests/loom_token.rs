//! Models of the tree of cancellation tokens: every waiter is woken, a late waiter is cancelled
//! immediately, and nothing is leaked.
//!
//! The modelled file belongs to the crate `reveille`. The models are here so that they build
//! without the rest of that crate.

#![cfg(reveille_loom)]
#![expect(dead_code, reason = "the files are included whole, and a model uses a part of them")]

use reveille_watchdog as _;

#[path = "modelled/protocol.rs"]
mod protocol;
#[path = "modelled/token.rs"]
mod token;

use std::sync::Arc;

use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;
use token::{CancellationToken, Counter, Phase};

#[test]
fn a_waiter_that_enters_during_the_cancellation_sees_it_and_earlier_writes() {
    loom::model(|| {
        let token = CancellationToken::new();
        let written = Arc::new(AtomicUsize::new(0));
        let canceller = thread::spawn({
            let (token, written) = (token.clone(), Arc::clone(&written));
            move || {
                written.store(1, Ordering::Relaxed);
                token.cancel();
            }
        });
        let counter = Counter::new();
        let mut waiting = token.cancelled();
        let is_told = waiting.poll_with(&counter);
        if is_told {
            assert_eq!(written.load(Ordering::Relaxed), 1);
        }
        canceller.join().unwrap();
        assert_eq!(counter.wakes(), usize::from(!is_told), "notified once");
        assert!(waiting.poll_with(&counter));
    });
}

#[test]
fn a_waiter_that_replaces_its_waker_is_woken_once() {
    loom::model(|| {
        let token = CancellationToken::new();
        let (old, new) = (Counter::new(), Counter::new());
        let mut waiting = token.cancelled();
        assert!(!waiting.poll_with(&old));
        let canceller = thread::spawn({
            let token = token.clone();
            move || token.cancel()
        });
        let is_told = waiting.poll_with(&new);
        canceller.join().unwrap();
        assert_eq!(new.wakes(), usize::from(!is_told));
        assert_eq!(old.wakes() + new.wakes(), 1, "one waker was registered");
    });
}

#[test]
fn a_waiter_dropped_during_the_cancellation_leaves_nothing() {
    loom::model(|| {
        let token = CancellationToken::new();
        let child = token.child();
        let counter = Counter::new();
        let mut waiting = child.cancelled();
        assert!(!waiting.poll_with(&counter));
        let canceller = thread::spawn({
            let token = token.clone();
            move || token.cancel()
        });
        drop(waiting);
        drop(child);
        canceller.join().unwrap();
        assert!(counter.wakes() <= 1);
        assert_eq!(Arc::strong_count(&counter), 1, "the waker is leaked");
        assert_eq!(token.holders(), 1, "a child still refers to the token");
    });
}

#[test]
fn a_child_made_during_the_cancellation_is_cancelled_and_wakes_its_waiters() {
    loom::model(|| {
        let token = CancellationToken::new();
        let canceller = thread::spawn({
            let token = token.clone();
            move || token.cancel()
        });
        let child = token.child();
        let counter = Counter::new();
        let mut waiting = child.cancelled();
        let is_told = waiting.poll_with(&counter);
        canceller.join().unwrap();
        assert!(child.is_cancelled());
        assert_eq!(counter.wakes(), usize::from(!is_told));
    });
}

#[test]
fn concurrent_cancellations_in_a_tree_cancel_all_and_wake_once() {
    loom::model(|| {
        let token = CancellationToken::new();
        let child = token.child();
        let grandchild = child.child();
        let counter = Counter::new();
        let mut waiting = grandchild.cancelled();
        assert!(!waiting.poll_with(&counter));
        let canceller = thread::spawn({
            let child = child.clone();
            move || child.cancel()
        });
        token.cancel();
        assert!(token.is_cancelled() && child.is_cancelled());
        canceller.join().unwrap();
        assert!(grandchild.is_cancelled());
        assert_eq!(counter.wakes(), 1);
    });
}

/// The thread that returns or drops the result sees all writes of the closure.
#[test]
fn the_result_of_a_closure_is_returned_or_dropped_by_one_thread() {
    loom::model(|| {
        let shared = Arc::new((Phase::new(), AtomicUsize::new(0)));
        let closure = thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                shared.1.store(1, Ordering::Relaxed);
                shared.0.done()
            }
        });
        let stays = shared.0.leave();
        if stays {
            assert_eq!(shared.1.load(Ordering::Relaxed), 1);
        }
        let is_given = closure.join().unwrap();
        assert_eq!(stays, is_given);
        // The drop of the waiter calls `leave` once more.
        shared.0.leave();
    });
}
