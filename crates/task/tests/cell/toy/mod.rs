//! A toy executor: a queue that the test drains by hand, and a log of the calls.

#![allow(dead_code, reason = "each test binary uses a part of this")]

use std::any::Any;
use std::cell::Cell;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use reveille_task::{Cause, JoinHandle, Kept, Options, Ran, Runnable, Schedule, TaskRef, spawn};

thread_local!(static UNREAD: Cell<usize> = const { Cell::new(0) });

#[derive(Clone, Default)]
pub(crate) struct Toy(Arc<Log>);

#[derive(Default)]
struct Log {
    queue: Mutex<VecDeque<(Runnable, Cause)>>,
    completed: AtomicUsize,
    unhandled: Mutex<Vec<String>>,
}

impl Schedule for Toy {
    fn schedule(&self, task: Runnable, cause: Cause) {
        self.0.queue.lock().unwrap().push_back((task, cause));
    }

    fn completed(&self, task: TaskRef<'_>) -> Option<Kept> {
        assert!(task.is_finished());
        self.0.completed.fetch_add(1, Ordering::SeqCst);
        None
    }

    fn unhandled_panic(&self, _: TaskRef<'_>, payload: Box<dyn Any + Send>) {
        self.0.unhandled.lock().unwrap().push(text(payload));
    }

    fn unread_panic(&self, _: TaskRef<'_>, payload: Box<dyn Any + Send>) {
        drop(payload);
        UNREAD.set(UNREAD.get() + 1);
    }
}

impl Toy {
    pub(crate) fn spawn<F>(&self, future: F) -> (Runnable, JoinHandle<F::Output>)
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        spawn(future, self.clone(), Options::default())
    }

    /// The one `Runnable` in the queue.
    pub(crate) fn pop(&self) -> (Runnable, Cause) {
        let mut queue = self.0.queue.lock().unwrap();
        assert_eq!(queue.len(), 1);
        queue.pop_front().unwrap()
    }

    pub(crate) fn try_pop(&self) -> Option<Runnable> {
        Some(self.0.queue.lock().unwrap().pop_front()?.0)
    }

    pub(crate) fn queued(&self) -> usize {
        self.0.queue.lock().unwrap().len()
    }

    /// Runs tasks until the queue is empty.
    pub(crate) fn drain(&self) {
        while let Some(task) = self.try_pop() {
            run(task);
        }
    }

    pub(crate) fn completed(&self) -> usize {
        self.0.completed.load(Ordering::SeqCst)
    }

    pub(crate) fn unhandled(&self) -> Vec<String> {
        self.0.unhandled.lock().unwrap().clone()
    }

    /// The number of handles to this executor: one per cell, and the test's own.
    pub(crate) fn handles(&self) -> usize {
        Arc::strong_count(&self.0)
    }
}

/// Runs a task until it waits or is complete.
pub(crate) fn run(mut task: Runnable) {
    while let Ran::Requeued(again) = task.run() {
        task = again;
    }
}

/// The number of panics that were reported as unread on this thread.
pub(crate) fn unread() -> usize {
    UNREAD.get()
}

pub(crate) fn text(payload: Box<dyn Any + Send>) -> String {
    match payload.downcast::<&'static str>() {
        Ok(text) => text.to_string(),
        Err(payload) => *payload.downcast::<String>().expect("the tests panic with text"),
    }
}

/// Polls once.
pub(crate) fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// Polls a future that must be ready.
pub(crate) fn ready<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the future is not ready"),
    }
}

/// A shared counter.
#[derive(Clone, Default)]
pub(crate) struct Count(Arc<AtomicUsize>);

impl Count {
    pub(crate) fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    pub(crate) fn add(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn on_drop(&self) -> OnDrop {
        OnDrop(self.clone())
    }
}

pub(crate) struct OnDrop(Count);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.add();
    }
}

/// Panics with its text when dropped.
pub(crate) struct PanicOnDrop(pub(crate) &'static str);

impl Drop for PanicOnDrop {
    fn drop(&mut self) {
        panic!("{}", self.0);
    }
}

/// A future that is polled by a closure and counts its polls and drops.
pub(crate) struct Probe<P> {
    poll: P,
    pub(crate) polls: Count,
    _drop: OnDrop,
}

impl<P> Unpin for Probe<P> {}

/// Makes a probe with the counters of its polls and drops.
pub(crate) fn probe<P, T>(poll: P) -> (Probe<P>, Count, Count)
where
    P: FnMut(&mut Context<'_>) -> Poll<T>,
{
    let (polls, drops) = (Count::default(), Count::default());
    (Probe { poll, polls: polls.clone(), _drop: drops.on_drop() }, polls, drops)
}

impl<P, T> Future for Probe<P>
where
    P: FnMut(&mut Context<'_>) -> Poll<T>,
{
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        self.polls.add();
        (self.poll)(cx)
    }
}
