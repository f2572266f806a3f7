//! The current task, its locals, and functions that spawn with a name.

use std::any::Any;
use std::future::Future;
use std::panic::Location;
use std::sync::Arc;
use std::task::Waker;

use reveille_task::{JoinHandle, Options, Task, TaskRef};
pub use reveille_task::{TaskHandle, task_ref};

use crate::scheduler::block_on::block_on;
use crate::scheduler::multi::{self, RuntimeRef};
use crate::scheduler::{global, host, local, panic_hook, serving, wake};
use crate::task_options::{is_large, large, named};
use crate::{context, observe};

/// The task that is being polled on this thread: a spawned task, or the future of a `block_on`.
/// `None` outside a poll, for example in a blocking closure.
#[must_use]
pub fn try_current() -> Option<Task> {
    context::with_current(|task| task.task().clone(), |data| data.task().clone())
}

/// Calls `read` with the value of the task-local `key` of the current task. `init` makes the value
/// on first use.
///
/// Returns `None` outside a task, and while the task's locals are being dropped.
pub fn with_local<R>(
    key: usize,
    init: impl FnOnce() -> Box<dyn Any + Send>,
    read: impl FnOnce(&(dyn Any + Send)) -> R,
) -> Option<R> {
    context::with_locals(|locals| locals.with(key, init, read))?
}

/// Reports a panic that no code will receive, as a panic of the current task: to the hook of the
/// current runtime, or on standard error.
pub fn report_panic(payload: Box<dyn Any + Send>) {
    report_panic_at(None, payload);
}

/// Like [`report_panic`]. Outside a task it names `place` as the location where the code was
/// started.
pub fn report_panic_at(place: Option<&'static Location<'static>>, payload: Box<dyn Any + Send>) {
    let hook = panic_hook::current();
    let mut payload = Some(payload);
    context::with_current(
        |task| {
            if let Some(payload) = payload.take() {
                observe::unhandled(hook.as_ref(), task, payload);
            }
        },
        |_| (),
    );
    if let Some(payload) = payload {
        observe::unhandled_elsewhere(hook.as_ref(), try_current().as_ref(), place, payload);
    }
}

/// Like [`report_panic`], as a panic of `task`.
pub fn report_panic_of(task: TaskRef<'_>, payload: Box<dyn Any + Send>) {
    let hook = panic_hook::current();
    observe::unhandled(hook.as_ref(), task, payload);
}

/// Wakes `waker`. A panic of the waker is caught and reported.
pub fn wake(waker: Waker) {
    wake::wake(waker);
}

/// Wakes all wakers as one batch, so that the tasks they wake keep their order. A panic of a waker
/// is reported, and the other wakers are still called.
pub fn wake_all(wakers: &mut Vec<Waker>) {
    wake::wake_all(wakers);
}

/// Like [`spawn`](crate::spawn), with a name for the task.
#[track_caller]
pub fn spawn_named<F>(name: Option<Arc<str>>, future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    if is_large::<F>() {
        return serving::runtime().spawn(Box::pin(future), large::<F>(named(name)));
    }
    serving::runtime().spawn(future, named(name))
}

/// Like [`spawn_local`](crate::spawn_local), with a name for the task.
#[track_caller]
pub fn spawn_local_named<F>(name: Option<Arc<str>>, future: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    if is_large::<F>() {
        return local::spawn(Box::pin(future), large::<F>(named(name)));
    }
    local::spawn(future, named(name))
}

/// Like [`block_on`](crate::block_on), with a name for the future.
#[track_caller]
pub fn block_on_named<F: Future>(name: Option<Arc<str>>, future: F) -> F::Output {
    let options = named(name);
    if is_large::<F>() {
        return block_on(None, options, Box::pin(future));
    }
    block_on(None, options, future)
}

/// Runs a closure on the blocking pool of `runtime`.
pub(crate) fn blocking<F, T>(runtime: RuntimeRef, closure: F, options: Options) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    match runtime.blocking() {
        Some(pool) => pool.spawn(closure, options),
        None => runtime.spawn_cancelled(async move { closure() }, options),
    }
}

/// Like [`blocking`], for a call of reveille's own. Such a call is part of an operation that is
/// awaited, perhaps in a `block_on` inside the last poll of a runtime that ends. So on a thread
/// whose runtime has ended or is ending, the global runtime executes the call if it has started,
/// and otherwise the [`host`] does.
///
/// # Panics
///
/// Panics if the global runtime is needed and cannot be started.
pub(crate) fn blocking_anywhere<F, T>(closure: F, options: Options) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let serving = match multi::current_runtime() {
        None => Some(global::global()),
        Some(own) if own.is_up() => Some(own),
        Some(_) => global::started_global(),
    };
    match serving.and_then(RuntimeRef::blocking) {
        Some(pool) => pool.spawn(closure, options),
        None => host::blocking().spawn(closure, options),
    }
}
