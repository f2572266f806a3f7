//! The tasks of quinn, and how they end with their runtime. One task serves the endpoint, and one
//! task serves each of its connections. When a runtime ends, it drops its tasks in any order. If
//! that were all, an operation on a connection that is awaited on another runtime would never end,
//! because the task that would report the loss is gone. So a task that is dropped is polled once
//! more, on the thread that drops it:
//!
//! * The task of an endpoint fails at once, because its socket says that the runtime has ended
//!   ([`End::is_over`]). It then tells its connections.
//! * The task of a connection ends if the endpoint has told it. It reports the loss to all that
//!   wait. If the endpoint's task was not dropped yet, this one is kept until it is. No task can
//!   report the loss to a connection that is accepted later. So quinn's clock jumps when the
//!   endpoint is lost ([`End::now`]). quinn refuses to accept a connection whose first packet is
//!   older than its idle timeout, so `Incoming::accept` fails.
//!
//! A task that was kept is polled only after another one has ended. A task that `Endpoint::connect`
//! starts on a runtime that has just ended is dropped while quinn holds the lock of the endpoint.
//! It does not end then, so nothing else is polled under that lock. Rejected: moving the tasks to
//! another runtime. They would keep running although their own runtime has ended.

use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// More than any idle timeout in use, and little enough for the clocks of all systems: 100 years.
const LATE: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// A future of quinn.
type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Whether a runtime has ended, and the tasks of connections that wait for their endpoint's.
#[derive(Default)]
pub(crate) struct End {
    is_over: AtomicBool,
    /// Whether an endpoint has failed because of that.
    is_endpoint_lost: AtomicBool,
    /// Whether the endpoints have sockets of this crate, which know of the end.
    has_sockets: AtomicBool,
    kept: Mutex<Vec<Work>>,
}

impl End {
    /// Whether the runtime has ended. A socket then fails.
    pub(crate) fn is_over(&self) -> bool {
        // Relaxed: the endpoint's task is polled by the thread that has set it.
        self.is_over.load(Ordering::Relaxed)
    }

    /// Notes that the task of an endpoint ends, as the runtime has ended.
    pub(crate) fn lose_endpoint(&self) {
        // Relaxed: the lock of the endpoint, which quinn holds here and when it accepts a
        // connection, orders the two.
        self.is_endpoint_lost.store(true, Ordering::Relaxed);
    }

    /// The time for quinn: now, or after the loss of the endpoint a time at which everything that
    /// waits has timed out.
    pub(crate) fn now(&self) -> Instant {
        #[expect(clippy::disallowed_methods, reason = "quinn compares it with times of its own")]
        let now = Instant::now();
        match self.is_endpoint_lost.load(Ordering::Relaxed) {
            true => now + LATE,
            false => now,
        }
    }

    /// Notes that there is a socket that asks [`is_over`](End::is_over).
    pub(crate) fn expect_sockets(&self) {
        self.has_sockets.store(true, Ordering::Relaxed);
    }

    /// Ends a task that its runtime has dropped.
    fn finish(&self, mut work: Work) {
        self.is_over.store(true, Ordering::Relaxed);
        let mut cx = Context::from_waker(Waker::noop());
        if work.as_mut().poll(&mut cx).is_pending() {
            self.lock_kept().push(work);
            return;
        }
        drop(work);
        // Not under the lock: the tasks wake others, and their destructors are quinn's.
        let mut kept = mem::take(&mut *self.lock_kept());
        kept.retain_mut(|work| work.as_mut().poll(&mut cx).is_pending());
        self.lock_kept().append(&mut kept);
    }

    fn lock_kept(&self) -> std::sync::MutexGuard<'_, Vec<Work>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A task of quinn.
pub(crate) struct Driver {
    /// `None` when it has ended, and while it is polled, so that nothing polls it after a panic.
    work: Option<Work>,
    end: Arc<End>,
}

impl Driver {
    pub(crate) fn new(work: Work, end: Arc<End>) -> Driver {
        Driver { work: Some(work), end }
    }
}

impl Future for Driver {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(mut work) = self.work.take() else { return Poll::Ready(()) };
        let poll = work.as_mut().poll(cx);
        if poll.is_pending() {
            self.work = Some(work);
        }
        poll
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let Some(work) = self.work.take() else { return };
        // An endpoint on a socket of its user's does not fail, so its connections would be kept
        // forever.
        if self.end.has_sockets.load(Ordering::Relaxed) {
            self.end.finish(work);
        }
    }
}
