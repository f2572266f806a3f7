//! Visits the local tasks of other threads, and the futures of their `block_on`s, for a dump.
//!
//! Local tasks are polled by their thread only. So the dump asks each thread: it puts a task of its
//! own into the inbox of the thread's executor, which wakes the thread. When that task is polled,
//! it passes each local task to the visitor. The next poll of the `block_on`'s future then passes
//! that future. A thread that is stuck in a poll does not poll the task.
//!
//! Rejected: a flag of its own beside INBOX. It would be checked in each round, and the inbox does
//! the same.

use std::any::Any;
use std::marker::PhantomData;
use std::panic::Location;
use std::sync::{Arc, Weak};

use reveille_primitive::atomic::Ordering;
use reveille_primitive::sys::ThreadNumber;
use reveille_task::{Cause, Kept, Options, Ran, Runnable, Schedule, TaskHandle, TaskRef};

use super::visitor::LocalVisitor;
use super::{EXECUTORS, INBOX, LocalExecutor, LocalHandle, with_thread_executor};
use crate::context;
use crate::observe;
use crate::scheduler::panic_hook;
use crate::threads::is_this_thread;
use crate::waits::TaskState;

/// A thread with an executor, as other threads see it.
pub(crate) struct LocalThread(Arc<LocalHandle>);

/// Every thread that has an executor.
pub(crate) fn threads() -> Vec<LocalThread> {
    EXECUTORS.lock().iter().filter_map(Weak::upgrade).map(LocalThread).collect()
}

/// Whether every thread in `block_on` sleeps until another thread wakes it.
pub(crate) fn are_quiet() -> bool {
    threads().iter().all(|thread| thread.block_on_place().is_none() || thread.is_quiet())
}

/// How many times the threads in `block_on` have parked.
pub(crate) fn parks() -> usize {
    threads().iter().map(|thread| thread.0.parks.load(Ordering::Relaxed)).sum()
}

/// How many threads that reveille has not started are in `block_on`.
pub(crate) fn foreign_threads() -> usize {
    let is_foreign = |thread: &&LocalThread| !thread.0.is_own && thread.block_on_place().is_some();
    threads().iter().filter(is_foreign).count()
}

impl LocalThread {
    /// The name of the thread; empty if it has none.
    pub(crate) fn name(&self) -> &str {
        &self.0.thread
    }

    /// The system's number of the thread.
    pub(crate) fn system_number(&self) -> ThreadNumber {
        self.0.system_number
    }

    /// Where the innermost `block_on` was called, if the thread is in one.
    pub(crate) fn block_on_place(&self) -> Option<&'static Location<'static>> {
        // Acquire: pairs with the Release of the thread, which sets the place first.
        if self.0.depth.load(Ordering::Acquire) == 0 {
            return None;
        }
        self.0.place.get()
    }

    /// How many local tasks it has.
    pub(crate) fn tasks(&self) -> usize {
        self.0.tasks.load(Ordering::Relaxed)
    }

    /// The address that stands for the innermost `block_on` in the recording, or 0.
    pub(crate) fn recorded_addr(&self) -> usize {
        self.0.polled.load(Ordering::Relaxed)
    }

    pub(crate) fn is_this(&self) -> bool {
        is_this_thread(self.0.number)
    }

    /// Whether the thread is in `block_on`, and sleeps until another thread wakes it. Its timers
    /// are acquired ones.
    fn is_quiet(&self) -> bool {
        let driver = self.0.driver.lock().clone();
        self.0.flags.is_parked() && driver.is_none_or(|driver| !driver.has_waiting())
    }

    /// Asks the thread to pass its local tasks and the future of its `block_on` to `visitor`. The
    /// thread drops the visitor afterwards, or when it ends.
    pub(crate) fn ask(&self, visitor: Arc<dyn LocalVisitor>) {
        let visit = async move {
            with_thread_executor(|executor| {
                executor.inspect(|executor| executor.visit(&visitor));
            });
        };
        // A recording has this task too, and shows the name.
        let options = Options { name: Some("dump".into()), ..Options::default() };
        let (task, handle) = reveille_task::spawn(visit, Unscheduled, options);
        drop(handle);
        self.0.inbox.lock().push_back(task);
        self.0.signal(INBOX);
    }
}

/// The scheduler of the task that visits, which is complete after one poll.
#[derive(Clone)]
struct Unscheduled;

impl Schedule for Unscheduled {
    fn schedule(&self, task: Runnable, _: Cause) {
        drop(task);
    }

    fn completed(&self, _: TaskRef<'_>) -> Option<Kept> {
        None
    }

    fn unhandled_panic(&self, task: TaskRef<'_>, payload: Box<dyn Any + Send>) {
        observe::unhandled(panic_hook::current().as_ref(), task, payload);
    }
}

/// A live task of the executor of this thread. Not `Send`.
struct LocalTask {
    task: TaskHandle,
    _thread: PhantomData<*const ()>,
}

impl LocalTask {
    /// Makes the task's `Runnable` if it is idle.
    fn claim(&self) -> Option<Runnable> {
        // SAFETY: this is the thread of the executor that has the task in its registry: only
        // `LocalExecutor::live_tasks` makes this value, and it is not `Send`. The thread runs the
        // `Runnable` or queues it (invariant 1).
        unsafe { self.task.as_task().claim() }
    }
}

impl LocalExecutor {
    fn live_tasks(&self) -> Vec<LocalTask> {
        let tasks = self.registry.borrow().tasks();
        tasks.into_iter().map(|task| LocalTask { task, _thread: PhantomData }).collect()
    }

    /// Passes each local task to `visitor`, and keeps the visitor for the next poll of the future
    /// of the `block_on`.
    fn visit(&self, visitor: &Arc<dyn LocalVisitor>) {
        for task in self.live_tasks() {
            if visitor.is_given_up() {
                return;
            }
            self.visit_task(&task, &**visitor);
        }
        if self.depth() > 0 {
            self.visitor.set(Some(Arc::clone(visitor)));
            self.has_visitor.set(true);
            self.handle.flags.set_main_locally();
        }
    }

    fn visit_task(&self, local: &LocalTask, visitor: &dyn LocalVisitor) {
        let task = local.task.as_task();
        if task.is_finished() {
            return;
        }
        let Some(claimed) = local.claim() else { return visitor.queued(task) };
        let mut claimed = Some(claimed);
        visitor.waiting(task, &mut |observer| {
            let Some(claimed) = claimed.take() else { return TaskState::Queued };
            let poll = context::begin_poll(task);
            let ran = claimed.run_probed(observer);
            drop(poll);
            match ran {
                Ran::Pending => TaskState::Waiting,
                Ran::Complete => TaskState::Ended,
                Ran::Requeued(task) => {
                    self.queue.borrow_mut().push_back(task);
                    TaskState::Queued
                }
            }
        });
        // A visitor that did not poll it.
        self.queue.borrow_mut().extend(claimed);
    }

    /// Takes the visitor that waits for the next poll of the future of the `block_on`.
    pub(crate) fn take_visitor(&self) -> Option<Arc<dyn LocalVisitor>> {
        self.has_visitor.set(false);
        self.visitor.take().filter(|visitor| !visitor.is_given_up())
    }
}
