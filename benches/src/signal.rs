//! Two ways in which the tasks of a workload wait for each other, the same for every runtime: a
//! [`Notify`] from one task to another, and a [`WaitGroup`] that counts finished work.

use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Poll;

use atomic_waker::AtomicWaker;

/// A flag that one task sets and one other task waits for.
#[derive(Debug, Default)]
pub struct Notify {
    is_set: AtomicBool,
    waker: AtomicWaker,
}

impl Notify {
    /// Sets the flag and wakes the waiting task.
    pub fn notify(&self) {
        self.is_set.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// Waits for the flag and clears it.
    pub async fn notified(&self) {
        poll_fn(|cx| {
            // A plain load first: an exchange would take the cache line from the notifying task.
            if self.is_set.load(Ordering::Acquire) {
                self.is_set.store(false, Ordering::Relaxed);
                return Poll::Ready(());
            }
            self.waker.register(cx.waker());
            if self.is_set.load(Ordering::Acquire) {
                self.is_set.store(false, Ordering::Relaxed);
                return Poll::Ready(());
            }
            Poll::Pending
        })
        .await;
    }
}

/// Counts the parts of a piece of work that are not done; one task waits for all of them.
#[derive(Debug, Default)]
pub struct WaitGroup {
    left: AtomicUsize,
    waker: AtomicWaker,
}

impl WaitGroup {
    /// A group of `parts` parts.
    pub const fn new(parts: usize) -> Self {
        Self { left: AtomicUsize::new(parts), waker: AtomicWaker::new() }
    }

    /// Starts again with `parts` parts.
    pub fn reset(&self, parts: usize) {
        self.left.store(parts, Ordering::Release);
    }

    /// Marks one part as done. The last one wakes the waiting task.
    pub fn done(&self) {
        if self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.waker.wake();
        }
    }

    /// Whether every part is done.
    pub fn is_done(&self) -> bool {
        self.left.load(Ordering::Acquire) == 0
    }

    /// Waits until every part is done.
    pub async fn wait(&self) {
        poll_fn(|cx| {
            if self.is_done() {
                return Poll::Ready(());
            }
            self.waker.register(cx.waker());
            if self.is_done() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}
