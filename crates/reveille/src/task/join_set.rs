//! A set of tasks whose results come in the order of completion.
//!
//! Each task carries a [`FinishGuard`], which pushes the task's number onto a queue when the future
//! is dropped, whether it finished, panicked or was cancelled. So a completion costs the same in a
//! set of any size, and no allocation is needed beside the task.
//!
//! # Invariants
//!
//! 1. A number is in the queue once, from the drop of its finish guard on. No other task gets the
//!    number before it is popped. `closing` holds the number popped last while its task is not
//!    complete: the future is dropped a moment before the output is stored.
//! 2. No user code runs under the queue's lock.
//!
//! *Rejected:* a waker per task, as in a group of plain futures. It costs two allocations each, and
//! a poll of every new task to register the waker.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use pin_project_lite::pin_project;
use reveille_runtime::task::{self, TaskHandle};
use reveille_runtime::{budget, runtime};
use slab::Slab;

use super::{Builder, JoinError, JoinHandle, TaskId};
use crate::stream::Stream;

/// A set of tasks whose results are awaited in the order in which they complete.
///
/// Dropping the set cancels its tasks. As a [`Stream`] it yields what
/// [`join_next`](JoinSet::join_next) returns, and ends when the set is empty.
///
/// # Examples
///
/// ```
/// use reveille::task::{self, JoinSet};
/// use std::time::Duration;
///
/// task::block_on(async {
///     let mut set = JoinSet::new();
///     for ms in [20, 1, 10] {
///         set.spawn(async move {
///             task::sleep(Duration::from_millis(ms)).await;
///             ms
///         });
///     }
///     let mut sum = 0;
///     while let Some(result) = set.join_next().await {
///         sum += result.unwrap();
///     }
///     assert_eq!(sum, 31);
/// });
/// ```
/// All results, in the order in which the tasks complete. The first error ends the stream, and the
/// drop of the set cancels the remaining tasks:
///
/// ```
/// use reveille::prelude::*;
/// use reveille::task::{self, JoinError, JoinSet};
///
/// task::block_on(async {
///     let mut set = JoinSet::new();
///     for n in [1, 2, 3] {
///         set.spawn(async move { n });
///     }
///     let all: Result<Vec<i32>, JoinError> = set.collect().await;
///     assert_eq!(all.unwrap().len(), 3);
/// });
/// ```
#[must_use = "dropping a JoinSet cancels its tasks"]
#[doc(alias("FuturesUnordered", "TaskGroup", "TaskTracker", "join_all"))]
pub struct JoinSet<T> {
    /// `None` only during a poll.
    handles: Slab<Option<JoinHandle<T>>>,
    finished: Arc<Finished>,
    closing: Option<usize>,
}

/// A result, and the handle that it came from.
type Joined<T> = (Result<T, JoinError>, JoinHandle<T>);

/// The numbers of tasks whose futures have been dropped.
#[derive(Default)]
struct Finished {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    queue: VecDeque<usize>,
    /// The waker of the task that awaits the next result.
    waker: Option<Waker>,
    /// The set has detached the tasks that still refer to this.
    is_closed: bool,
}

impl Finished {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reports the end of a task to the set when it is dropped: with the task's future, right after it.
struct FinishGuard {
    finished: Arc<Finished>,
    number: usize,
}

impl Drop for FinishGuard {
    fn drop(&mut self) {
        let waker = {
            let mut state = self.finished.lock();
            if state.is_closed {
                return;
            }
            state.queue.push_back(self.number);
            state.waker.take()
        };
        waker.into_iter().for_each(task::wake);
    }
}

pin_project! {
    /// A task's future with its finish guard.
    struct Tracked<F> {
        #[pin]
        future: F,
        // Declared after the future, so it is dropped after it.
        finish_guard: FinishGuard,
    }
}

impl<F: Future> Future for Tracked<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.project().future.poll(cx)
    }
}

impl<T> JoinSet<T> {
    /// Creates an empty set.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::task::JoinSet;
    ///
    /// assert!(JoinSet::<()>::new().is_empty());
    /// ```
    pub fn new() -> JoinSet<T> {
        JoinSet { handles: Slab::new(), finished: Arc::default(), closing: None }
    }

    /// Returns the number of tasks in the set: those that run, and those whose results have not
    /// been taken.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::task::JoinSet;
    ///
    /// let mut set = JoinSet::new();
    /// set.spawn(async {});
    /// assert_eq!(set.len(), 1);
    /// ```
    #[must_use]
    pub fn len(&self) -> usize {
        self.handles.len()
    }

    /// Returns whether the set has no tasks.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::task::JoinSet;
    ///
    /// assert!(JoinSet::<u8>::new().is_empty());
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.handles.is_empty()
    }

    /// Awaits the next result. If several tasks have completed, takes the result of the one that
    /// completed first. Returns `None` when the set is empty.
    ///
    /// # Errors
    ///
    /// [`JoinError`] if the task panicked or was cancelled.
    ///
    /// # Cancel safety
    ///
    /// A result is removed from the set only when it is returned, so dropping the future loses
    /// nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::task::{self, JoinSet};
    ///
    /// task::block_on(async {
    ///     let mut set = JoinSet::new();
    ///     set.spawn(async { 1 });
    ///     assert_eq!(set.join_next().await.unwrap().unwrap(), 1);
    ///     assert!(set.join_next().await.is_none());
    /// });
    /// ```
    pub async fn join_next(&mut self) -> Option<Result<T, JoinError>> {
        std::future::poll_fn(|cx| self.poll_join_next(cx)).await
    }

    /// Returns the next result if a task has completed.
    ///
    /// # Errors
    ///
    /// [`JoinError`] if the task panicked or was cancelled.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::task::JoinSet;
    ///
    /// let mut set = JoinSet::new();
    /// set.spawn(std::future::pending::<()>());
    /// assert!(set.try_join_next().is_none());
    /// ```
    pub fn try_join_next(&mut self) -> Option<Result<T, JoinError>> {
        let number = self.next_finished()?;
        let is_complete = self.handles[number].as_ref().is_some_and(JoinHandle::is_finished);
        if !is_complete {
            return None;
        }
        match self.poll_closing(number, &mut Context::from_waker(Waker::noop())) {
            Poll::Ready((result, _)) => Some(result),
            Poll::Pending => None,
        }
    }

    /// Polls for the next result; [`join_next`](JoinSet::join_next) is the future of this.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::future;
    /// use reveille::task::{self, JoinSet};
    ///
    /// let mut set = JoinSet::new();
    /// set.spawn(async { 1 });
    /// let next = task::block_on(future::poll_fn(|cx| set.poll_join_next(cx)));
    /// assert_eq!(next.unwrap().unwrap(), 1);
    /// ```
    pub fn poll_join_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T, JoinError>>> {
        Poll::Ready(ready!(self.poll_next_handle(cx)).map(|(result, _)| result))
    }

    /// Requests cancellation of all tasks and returns at once. Their results, most of them
    /// cancellations, stay in the set until they are taken.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::task::{self, JoinSet};
    ///
    /// task::block_on(async {
    ///     let mut set = JoinSet::new();
    ///     set.spawn(std::future::pending::<()>());
    ///     set.abort_all();
    ///     assert!(set.join_next().await.unwrap().unwrap_err().is_cancelled());
    /// });
    /// ```
    pub fn abort_all(&mut self) {
        for (_, handle) in &self.handles {
            handle.iter().for_each(JoinHandle::abort);
        }
    }

    /// Detaches all tasks, which keep running. The set is then empty.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::task::{self, JoinSet};
    /// use reveille::channel;
    ///
    /// task::block_on(async {
    ///     let (sender, receiver) = channel::bounded(1);
    ///     let mut set = JoinSet::new();
    ///     set.spawn(async move { sender.send(1).await });
    ///     set.detach_all();
    ///     assert!(set.is_empty());
    ///     assert_eq!(receiver.recv().await, Ok(1));
    /// });
    /// ```
    pub fn detach_all(&mut self) {
        self.let_go(|_| ());
    }

    /// Cancels all tasks and waits until their futures are dropped. The set is then empty and can
    /// be used again. Results are dropped; panics among them are reported to the hook for unhandled
    /// panics.
    ///
    /// # Cancel safety
    ///
    /// Once it has been polled, all tasks will be cancelled. Tasks that were not awaited stay in
    /// the set.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::task::{self, JoinSet};
    ///
    /// task::block_on(async {
    ///     let mut set = JoinSet::new();
    ///     set.spawn(std::future::pending::<()>());
    ///     set.shutdown().await;
    ///     assert!(set.is_empty());
    /// });
    /// ```
    pub async fn shutdown(&mut self) {
        self.abort_all();
        while let Some((result, handle)) =
            std::future::poll_fn(|cx| self.poll_next_handle(cx)).await
        {
            report_if_panic(result, &handle);
        }
    }

    /// Calls `ask` with each task, and then removes the task from the set.
    fn let_go(&mut self, ask: impl Fn(&JoinHandle<T>)) {
        let finished = std::mem::take(&mut self.finished);
        let waker = {
            let mut state = finished.lock();
            state.is_closed = true;
            state.queue = VecDeque::new();
            state.waker.take()
        };
        drop(waker);
        self.closing = None;
        for handle in std::mem::take(&mut self.handles).into_iter().filter_map(|(_, h)| h) {
            ask(&handle);
            if handle.is_finished() {
                // The task is complete, so this is ready. A panic in the result must not be lost.
                let mut result = handle.result();
                let mut cx = Context::from_waker(Waker::noop());
                if let Poll::Ready(outcome) = Pin::new(&mut result).poll(&mut cx) {
                    report_if_panic(outcome, &result.into_handle());
                }
            }
        }
    }

    /// Returns the number of a task whose future has been dropped, if there is one.
    fn next_finished(&mut self) -> Option<usize> {
        if self.closing.is_none() {
            let mut state = self.finished.lock();
            // Bounded: each number is in the queue once.
            while let Some(number) = state.queue.pop_front() {
                if self.handles.contains(number) {
                    self.closing = Some(number);
                    break;
                }
            }
        }
        self.closing
    }

    fn poll_next_handle(&mut self, cx: &mut Context<'_>) -> Poll<Option<Joined<T>>> {
        if self.is_empty() {
            // A loop that polls an empty set again and again must also let other tasks run.
            ready!(budget::poll_proceed(cx));
            return Poll::Ready(None);
        }
        let number = match self.next_finished() {
            Some(number) => number,
            None => {
                // The waker is cloned before the lock is taken and the old one is dropped after it
                // is released: both run user code.
                let mut waker = Some(cx.waker().clone());
                let mut state = self.finished.lock();
                std::mem::swap(&mut state.waker, &mut waker);
                drop(state);
                drop(waker);
                let Some(number) = self.next_finished() else { return Poll::Pending };
                number
            }
        };
        // A loop over available results must let other tasks run.
        ready!(budget::poll_proceed(cx));
        self.poll_closing(number, cx).map(Some)
    }

    /// Takes the result of a task whose future has been dropped.
    fn poll_closing(&mut self, number: usize, cx: &mut Context<'_>) -> Poll<Joined<T>> {
        let handle = self.handles[number].take().expect("it is put back after each poll");
        let mut result = handle.result();
        match Pin::new(&mut result).poll(cx) {
            Poll::Pending => {
                self.handles[number] = Some(result.into_handle());
                Poll::Pending
            }
            Poll::Ready(outcome) => {
                self.handles.remove(number);
                self.closing = None;
                Poll::Ready((outcome, result.into_handle()))
            }
        }
    }

    /// Returns the finish guard of the next task to be added.
    fn finish_guard(&self) -> FinishGuard {
        FinishGuard { finished: Arc::clone(&self.finished), number: self.handles.vacant_key() }
    }

    fn adopt(&mut self, handle: JoinHandle<T>) -> AbortHandle {
        let abort = AbortHandle { task: task::task_ref(&handle).to_handle() };
        self.handles.insert(Some(handle));
        abort
    }
}

impl<T: 'static> JoinSet<T> {
    /// Spawns a task in the set, as [`task::spawn`](super::spawn) does.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::task::JoinSet;
    ///
    /// let mut set = JoinSet::new();
    /// let handle = set.spawn(async { 1 });
    /// handle.abort();
    /// ```
    #[track_caller]
    pub fn spawn<F>(&mut self, future: F) -> AbortHandle
    where
        F: Future<Output = T> + Send + 'static,
        T: Send,
    {
        let finish_guard = self.finish_guard();
        let handle = super::spawn(Tracked { future, finish_guard });
        self.adopt(handle)
    }

    /// Spawns a named task in the set, as [`Builder::spawn`] does.
    ///
    /// # Errors
    ///
    /// Fails as [`Builder::spawn`] does.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::task::{Builder, JoinSet};
    ///
    /// let mut set = JoinSet::new();
    /// let handle = set.spawn_with(Builder::new().name("one".to_string()), async { 1 })?;
    /// assert_eq!(handle.name(), Some("one"));
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn spawn_with<F>(&mut self, builder: Builder, future: F) -> io::Result<AbortHandle>
    where
        F: Future<Output = T> + Send + 'static,
        T: Send,
    {
        let finish_guard = self.finish_guard();
        let handle = builder.spawn(Tracked { future, finish_guard })?;
        Ok(self.adopt(handle))
    }

    /// Spawns a task in the set onto the given runtime. If that runtime has shut down, the task is
    /// cancelled at once.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::runtime::Runtime;
    /// use reveille::task::{self, JoinSet};
    ///
    /// let runtime = Runtime::start()?;
    /// let mut set = JoinSet::new();
    /// set.spawn_on(&runtime.handle(), async { 1 });
    /// assert_eq!(task::block_on(set.join_next()).unwrap().unwrap(), 1);
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn spawn_on<F>(&mut self, runtime: &runtime::Handle, future: F) -> AbortHandle
    where
        F: Future<Output = T> + Send + 'static,
        T: Send,
    {
        let finish_guard = self.finish_guard();
        let handle = runtime.spawn(Tracked { future, finish_guard });
        self.adopt(handle)
    }

    /// Spawns a task in the set onto this thread, as [`task::spawn_local`](super::spawn_local)
    /// does.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::task::{self, JoinSet};
    /// use std::rc::Rc;
    ///
    /// task::block_on(async {
    ///     let mut set = JoinSet::new();
    ///     set.spawn_local(async { Rc::new(1) });
    ///     assert_eq!(*set.join_next().await.unwrap().unwrap(), 1);
    /// });
    /// ```
    #[track_caller]
    pub fn spawn_local<F>(&mut self, future: F) -> AbortHandle
    where
        F: Future<Output = T> + 'static,
    {
        let finish_guard = self.finish_guard();
        let handle = super::spawn_local(Tracked { future, finish_guard });
        self.adopt(handle)
    }

    /// Runs a closure that may block as a task in the set; see
    /// [`task::spawn_blocking`](super::spawn_blocking). Cancelling it has an effect only before it
    /// has started.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::task::{self, JoinSet};
    ///
    /// let mut set = JoinSet::new();
    /// set.spawn_blocking(|| 6 * 7);
    /// assert_eq!(task::block_on(set.join_next()).unwrap().unwrap(), 42);
    /// ```
    #[track_caller]
    pub fn spawn_blocking<F>(&mut self, f: F) -> AbortHandle
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send,
    {
        let finish_guard = self.finish_guard();
        let handle = super::spawn_blocking(move || {
            let _notice = finish_guard;
            f()
        });
        self.adopt(handle)
    }
}

/// Reports the panic of a task whose result no caller receives.
fn report_if_panic<T>(result: Result<T, JoinError>, handle: &JoinHandle<T>) {
    if let Err(error) = result
        && let Ok(payload) = error.try_into_panic()
    {
        task::report_panic_of(task::task_ref(handle), payload);
    }
}

impl<T> Drop for JoinSet<T> {
    fn drop(&mut self) {
        self.let_go(JoinHandle::abort);
    }
}

impl<T> Stream for JoinSet<T> {
    type Item = Result<T, JoinError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_join_next(cx)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.len(), Some(self.len()))
    }
}

impl<T> Default for JoinSet<T> {
    fn default() -> JoinSet<T> {
        JoinSet::new()
    }
}

impl<T> fmt::Debug for JoinSet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinSet").field("len", &self.len()).finish_non_exhaustive()
    }
}

/// Spawns every future as a task of a new set.
impl<F> FromIterator<F> for JoinSet<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn from_iter<I: IntoIterator<Item = F>>(futures: I) -> JoinSet<F::Output> {
        let mut set = JoinSet::new();
        futures.into_iter().for_each(|future| drop(set.spawn(future)));
        set
    }
}

/// Cancels a task of a [`JoinSet`]. Dropping it changes nothing.
///
/// # Examples
///
/// ```
/// use reveille::task::{self, AbortHandle, JoinSet};
///
/// let mut set = JoinSet::new();
/// let handle: AbortHandle = set.spawn(std::future::pending::<()>());
/// handle.abort();
/// assert!(task::block_on(set.join_next()).unwrap().unwrap_err().is_cancelled());
/// ```
#[derive(Clone)]
pub struct AbortHandle {
    task: TaskHandle,
}

impl AbortHandle {
    /// Requests cancellation and returns at once. A task that completes first is not affected.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::task::{self, JoinSet};
    ///
    /// let mut set = JoinSet::new();
    /// set.spawn(std::future::pending::<()>()).abort();
    /// assert!(task::block_on(set.join_next()).unwrap().is_err());
    /// ```
    pub fn abort(&self) {
        self.task.as_task().cancel();
    }

    /// Returns whether the task is complete.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::task::JoinSet;
    ///
    /// let mut set = JoinSet::new();
    /// assert!(!set.spawn(std::future::pending::<()>()).is_finished());
    /// ```
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.task.as_task().is_finished()
    }

    /// Returns the id of the task.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::task::JoinSet;
    ///
    /// let mut set = JoinSet::new();
    /// assert_ne!(set.spawn(async {}).id(), set.spawn(async {}).id());
    /// ```
    #[must_use]
    pub fn id(&self) -> TaskId {
        self.task.as_task().id()
    }

    /// Returns the name of the task, if it has one.
    ///
    /// # Examples
    ///
    /// ```
    /// use reveille::task::JoinSet;
    ///
    /// let mut set = JoinSet::new();
    /// assert_eq!(set.spawn(async {}).name(), None);
    /// ```
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.task.as_task().name()
    }
}

impl fmt::Debug for AbortHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AbortHandle").field(&self.task.as_task()).finish()
    }
}
