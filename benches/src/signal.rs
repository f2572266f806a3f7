//! The two smallest ways in which tasks of a workload wait for each other, the same for every
//! runtime: a [`Baton`] that one task hands to another, and a [`Countdown`] of work done.

use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Poll;

use atomic_waker::AtomicWaker;

/// A flag that one task sets and one other task waits for.
#[derive(Debug, Default)]
pub struct Baton {
    is_here: AtomicBool,
    waker: AtomicWaker,
}

impl Baton {
    /// Hands the baton over and wakes the task that waits for it.
    pub fn pass(&self) {
        self.is_here.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// Waits for the baton and takes it.
    pub async fn take(&self) {
        poll_fn(|cx| {
            // A plain load first: the exchange would take the cache line from the passer.
            if self.is_here.load(Ordering::Acquire) {
                self.is_here.store(false, Ordering::Relaxed);
                return Poll::Ready(());
            }
            self.waker.register(cx.waker());
            if self.is_here.load(Ordering::Acquire) {
                self.is_here.store(false, Ordering::Relaxed);
                return Poll::Ready(());
            }
            Poll::Pending
        })
        .await;
    }
}

/// Counts down the parts of a work that one task waits for.
#[derive(Debug, Default)]
pub struct Countdown {
    left: AtomicUsize,
    waker: AtomicWaker,
}

impl Countdown {
    /// A countdown from `parts`.
    pub const fn new(parts: usize) -> Self {
        Self { left: AtomicUsize::new(parts), waker: AtomicWaker::new() }
    }

    /// Starts over from `parts`.
    pub fn reset(&self, parts: usize) {
        self.left.store(parts, Ordering::Release);
    }

    /// One part is done; the last one wakes the task that waits.
    pub fn done(&self) {
        if self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.waker.wake();
        }
    }

    /// Whether every part is done.
    pub fn is_over(&self) -> bool {
        self.left.load(Ordering::Acquire) == 0
    }

    /// Waits until every part is done.
    pub async fn wait(&self) {
        poll_fn(|cx| {
            if self.is_over() {
                return Poll::Ready(());
            }
            self.waker.register(cx.waker());
            if self.is_over() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}
