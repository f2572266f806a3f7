//! Tasks of async-task that reveille runs.
//!
//! The users of smol name the type [`Task`]: they keep it beside the tasks of their own executors,
//! and call `detach`, `cancel` and `fallible` on it. So a spawned future belongs to a task of
//! async-task. A task of reveille, the [`Poller`], polls it. async-task creates a [`Runnable`] for
//! each wake and calls a function with it, which puts it into the [`Slot`] and wakes the poller.
//! The poller takes it from there and runs it. So each task has one place in reveille's queues, one
//! budget, and the task-locals and the id of one task until it ends.
//!
//! # Invariants
//!
//! 1. There is at most one `Runnable` of a task, so the slot has room for it.
//! 2. The future is polled and dropped by the poller only: in its poll, or when it is dropped.
//!
//! Rejected: a task of reveille for each `Runnable`. Each wake would allocate, and the id and the
//! task-locals would change with each poll. Rejected: a task of async-task that awaits a handle of
//! reveille. `Task::cancel` would end before the future is dropped.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};

use async_task::{Builder, Runnable, Task};
use pin_project_lite::pin_project;
use reveille_runtime::waits::{self, WaitFor};

/// Where a `Runnable` waits for the poller.
#[derive(Debug, Default)]
struct Slot {
    state: Mutex<State>,
    has_runnable: Condvar,
    /// The waker of the poller, from its first poll on. Nothing wakes the task before that.
    poller: OnceLock<Waker>,
}

#[derive(Debug, Default)]
struct State {
    runnable: Option<Runnable>,
    /// The future has been dropped.
    is_over: bool,
}

impl Slot {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Called by async-task when the task was woken.
    fn put(&self, runnable: Runnable) {
        // By invariant 1 this replaces nothing, so nothing is dropped under the lock.
        self.lock().runnable = Some(runnable);
        self.has_runnable.notify_one();
        if let Some(poller) = self.poller.get() {
            poller.wake_by_ref();
        }
    }
}

pin_project! {
    /// The future of a task, which reports its own drop.
    struct Tracked<F> {
        // Dropped first.
        #[pin]
        future: F,
        end: End,
    }
}

impl<F: Future> Future for Tracked<F> {
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.project().future.poll(cx)
    }
}

/// Notes in the slot that the future has been dropped.
struct End(Arc<Slot>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.lock().is_over = true;
    }
}

/// The task of reveille that polls a task of async-task.
pub(crate) struct Poller {
    slot: Arc<Slot>,
    /// Wakes the task of async-task.
    waker: Waker,
}

/// Creates a task, and the future for [`reveille_runtime::spawn`] that runs it.
pub(crate) fn spawn<T: Send + 'static>(
    future: impl Future<Output = T> + Send + 'static,
) -> (Poller, Task<T>) {
    let slot = Arc::new(Slot::default());
    let (future, schedule) = parts(future, &slot);
    let (runnable, task) = builder().spawn(|()| future, schedule);
    (Poller::new(slot, runnable), task)
}

/// Creates a task of this thread, and the future for [`reveille_runtime::spawn_local`] that runs
/// it.
pub(crate) fn spawn_local<T: 'static>(
    future: impl Future<Output = T> + 'static,
) -> (Poller, Task<T>) {
    let slot = Arc::new(Slot::default());
    let (future, schedule) = parts(future, &slot);
    let (runnable, task) = builder().spawn_local(|()| future, schedule);
    (Poller::new(slot, runnable), task)
}

fn builder() -> Builder<()> {
    // As async-executor does: a panic belongs to the code that awaits the task.
    Builder::new().propagate_panic(true)
}

/// The future that async-task gets, and the function that it calls after a wake.
fn parts<F>(
    future: F,
    slot: &Arc<Slot>,
) -> (Tracked<F>, impl Fn(Runnable) + Send + Sync + 'static) {
    let woken = slot.clone();
    (Tracked { future, end: End(slot.clone()) }, move |runnable| woken.put(runnable))
}

impl Poller {
    fn new(slot: Arc<Slot>, runnable: Runnable) -> Poller {
        let waker = runnable.waker();
        slot.put(runnable);
        Poller { slot, waker }
    }
}

impl Future for Poller {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let slot = &*self.slot;
        waits::note(cx.waker(), || WaitFor::Named("a future in a task of async-task"));
        if waits::is_probe(cx.waker()) {
            // The waker is stored already, and a dump sees only clones.
            drop(cx.waker().clone());
        }
        slot.poller.get_or_init(|| cx.waker().clone());
        let runnable = slot.lock().runnable.take();
        if let Some(runnable) = runnable {
            // If this poll wakes the future, the slot is full again and this poller is woken.
            runnable.run();
        }
        if slot.lock().is_over { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// reveille drops the poller of a task that has not ended when a runtime or a thread ends. Then the
/// future is dropped too.
impl Drop for Poller {
    fn drop(&mut self) {
        if self.slot.lock().is_over {
            return;
        }
        // Either this creates the `Runnable`, or it exists. If it is not in the slot, another
        // thread is about to put it there: it is in `Slot::put`, or on the way there.
        self.waker.wake_by_ref();
        let state = self.slot.lock();
        let mut state = self
            .slot
            .has_runnable
            .wait_while(state, |state| state.runnable.is_none())
            .unwrap_or_else(PoisonError::into_inner);
        let runnable = state.runnable.take();
        drop(state);
        drop(runnable);
    }
}
