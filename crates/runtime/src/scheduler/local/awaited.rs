//! Local tasks that are awaited inside another executor.
//!
//! Local tasks run between the polls of their thread's executor: `block_on`, or a worker. Code that
//! awaits a local task inside another executor (`pollster`, `futures`, a GUI's loop) blocks that
//! thread, or runs on a thread that has no executor of ours. Then the await itself runs the local
//! tasks:
//!
//! * at once, if no executor of ours is polling on the thread;
//! * inside one of our polls, once the watcher has found the thread stuck in it (`rescue.rs`) and
//!   has woken the awaiting waker. Until then the other waker may belong to a combinator, whose
//!   poll returns.
//!
//! A local task that becomes runnable later wakes the awaiting waker, so that the other executor
//! polls the handle again.

use std::sync::Arc;
use std::task::Waker;

use reveille_primitive::atomic::Ordering;
use reveille_primitive::lock::assert_none_held;
use reveille_primitive::stack;

use super::{LocalExecutor, LocalHandle};
use crate::context;
use crate::event_loop::EventLoop;
use crate::observe;
use crate::poll_counter::PollCounter;
use crate::scheduler::wake;

/// Rounds of local tasks in one poll of a handle.
const ROUNDS: usize = 64;

/// The most wakers that are kept for one of our polls. Each belongs to one handle that a combinator
/// polls.
const WAKERS_MAX: usize = 32;

impl LocalHandle {
    /// Wakes the futures that await a local task inside another executor.
    #[cold]
    pub(super) fn wake_awaiting(&self) {
        self.has_awaiting.store(false, Ordering::Relaxed);
        let mut wakers = std::mem::take(&mut *self.awaiting.lock());
        wake::wake_all(&mut wakers);
    }

    /// Keeps a clone of `waker`.
    fn keep_awaiting(&self, waker: &Waker) {
        assert_none_held("the clone of a waker");
        let waker = waker.clone();
        let surplus = {
            let mut awaiting = self.awaiting.lock();
            let is_known = awaiting.len() >= WAKERS_MAX
                || awaiting.iter().any(|known| known.will_wake(&waker));
            if is_known {
                Some(waker)
            } else {
                awaiting.push(waker);
                None
            }
        };
        observe::drop_wakers(surplus);
    }

    /// Drops the wakers of a poll that has ended.
    pub(super) fn forget_awaiting(&self) {
        let wakers = std::mem::take(&mut *self.awaiting.lock());
        observe::drop_wakers(wakers);
    }
}

impl LocalExecutor {
    /// Called when `waker`, which is not one of ours, awaits a local task of this thread that is
    /// not complete.
    #[cold]
    pub(super) fn awaited(&self, waker: &Waker) {
        let polls_of_worker = context::with_event_loop(|event_loop| {
            event_loop.and_then(EventLoop::poll_counter).map(PollCounter::read)
        });
        if polls_of_worker.is_none() && self.depth() == 0 {
            return self.run_for(waker);
        }
        let poll = polls_of_worker.unwrap_or_else(|| self.passes.get());
        if self.awaited_at.replace(poll) != poll {
            self.handle.forget_awaiting();
            let handle = Arc::downgrade(&self.handle);
            let watched = self.watched();
            watched.set_awaiting(move || {
                handle.upgrade().inspect(|handle| handle.wake_awaiting());
            });
            if polls_of_worker.is_some() {
                // Without this the watcher would not count these polls.
                watched.take_back(&self.event_loop.token().borrow().id());
                watched.wake();
            }
        }
        if self.is_evacuated() {
            self.run_for(waker);
        } else {
            self.handle.keep_awaiting(waker);
        }
    }

    /// Runs local tasks on behalf of another executor.
    fn run_for(&self, waker: &Waker) {
        if self.runs_for_another.get() || stack::is_half_used() {
            return;
        }
        let _restore = ForeignRun(self);
        self.runs_for_another.set(true);
        self.handle.flags.unpark();
        self.handle.keep_awaiting(waker);
        self.handle.has_awaiting.store(true, Ordering::Relaxed);
        for _ in 0..ROUNDS {
            if self.has_local() {
                self.run_local(None);
            } else if self.handle.flags.park_despite_main() {
                // From now on a thread that queues a task wakes the waker.
                return;
            }
        }
        waker.wake_by_ref();
    }
}

/// Ends [`LocalExecutor::run_for`], also when a task panics.
struct ForeignRun<'a>(&'a LocalExecutor);

impl Drop for ForeignRun<'_> {
    fn drop(&mut self) {
        self.0.runs_for_another.set(false);
    }
}
