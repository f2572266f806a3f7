//! `block_on` with a separate waker for each call.
//!
//! reveille has one waker for each thread, so a wake of a nested call wakes the call around it too.
//! async-io promises that such calls do not wake each other.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// The waker of one call.
#[derive(Debug)]
struct Call {
    is_woken: AtomicBool,
    thread: Waker,
}

impl Wake for Call {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Pairs with the swap in `block_on`: the poll that takes the flag sees what was written
        // before the wake.
        self.is_woken.store(true, Ordering::Release);
        self.thread.wake_by_ref();
    }
}

/// Runs a future on this thread until it completes. Meanwhile the thread drives its sockets and
/// timers.
///
/// This is [`reveille::task::block_on`]. The future need not be `Send`. A call inside another call,
/// or inside a task, works; a task's worker thread then hands its other tasks to another thread.
///
/// # Examples
///
/// ```
/// assert_eq!(async_io::block_on(async { 1 + 2 }), 3);
/// ```
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut call: Option<(Arc<Call>, Waker)> = None;
    reveille::task::block_on(poll_fn(move |cx| {
        if !call.as_ref().is_some_and(|(call, _)| call.thread.will_wake(cx.waker())) {
            let thread = cx.waker().clone();
            let new = Arc::new(Call { is_woken: AtomicBool::new(true), thread });
            call = Some((new.clone(), new.into()));
        }
        let (call, waker) = call.as_ref().expect("it was just set");
        // Taken before the poll, so that a wake during the poll leads to another.
        if !call.is_woken.swap(false, Ordering::AcqRel) {
            return Poll::Pending;
        }
        future.as_mut().poll(&mut Context::from_waker(waker))
    }))
}
