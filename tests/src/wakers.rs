//! Wakers and polls for tests that check single wakes.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// A waker that counts.
#[derive(Debug, Default)]
pub struct Count(AtomicUsize);

impl Count {
    /// Makes one, and its waker.
    #[must_use]
    pub fn new() -> (Arc<Count>, Waker) {
        let count = Arc::new(Count::default());
        (Arc::clone(&count), Waker::from(count))
    }

    /// Returns how often it was woken.
    #[must_use]
    pub fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Polls a future once.
pub fn poll<F: Future>(future: Pin<&mut F>, waker: &Waker) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(waker))
}

/// Polls a future once, with a waker that does nothing.
pub fn is_pending<F: Future>(future: Pin<&mut F>) -> bool {
    poll(future, Waker::noop()).is_pending()
}

/// A waker that uses the object that wakes or drops it.
#[derive(Debug)]
pub struct Meddler<F: Fn() + Send + Sync>(F, Arc<AtomicUsize>);

impl<F: Fn() + Send + Sync + 'static> Meddler<F> {
    /// Makes a waker that calls `meddle`, and the count of its calls.
    pub fn waker(meddle: F) -> (Arc<AtomicUsize>, Waker) {
        let calls = Arc::default();
        (Arc::clone(&calls), Waker::from(Arc::new(Meddler(meddle, calls))))
    }
}

impl<F: Fn() + Send + Sync + 'static> Wake for Meddler<F> {
    fn wake(self: Arc<Self>) {
        self.1.fetch_add(1, Ordering::SeqCst);
        (self.0)();
    }
}

impl<F: Fn() + Send + Sync> Drop for Meddler<F> {
    fn drop(&mut self) {
        self.1.fetch_add(1, Ordering::SeqCst);
        (self.0)();
    }
}

struct Panics;

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        // Without a message: the hook would print it.
        std::panic::resume_unwind(Box::new("a waker panics"));
    }
}

/// A waker that panics when it wakes.
#[must_use]
pub fn panics() -> Waker {
    Waker::from(Arc::new(Panics))
}
