//! A tokio context on the threads of the reveille runtime (internal).
//!
//! Libraries made for tokio need its context: a thread-local that a thread *enters*, through which
//! sockets, timers and tasks find their runtime. Each thread that runs a program's own code
//! therefore enters the context of one tokio runtime. A worker enters it with the first task that
//! it polls. A `block_on` or a blocking closure enters it while it runs. The first of them starts
//! the runtime. tokio's own threads then serve the library and wake our tasks.
//! `TOKIO_WORKER_THREADS`, or the available parallelism, sets their number. They sleep while the
//! library needs nothing.
//!
//! # Why tokio does not start later
//!
//! The best time to start tokio's threads would be a library's first use of the context. tokio 1.x
//! does not report that:
//!
//! | possible sign | reports | misses |
//! |---|---|---|
//! | `Handle::current` and its callers | clone a counted pointer | no hook; the count is private |
//! | `RuntimeMetrics::num_alive_tasks`, `global_queue_depth` | spawned tasks | timers, sockets, blocking closures |
//! | `RuntimeMetrics::worker_park_count` and two others | a thread that drives the runtime | everything before that |
//! | `Builder::on_thread_park`, `on_thread_unpark` | the same | the same |
//! | `Builder::on_thread_start`, `on_thread_stop` | threads for blocking closures | timers, sockets, tasks |
//! | `Builder::on_task_spawn`, other metrics | tasks, sockets, closures | timers; needs `--cfg tokio_unstable` |
//! | `EnterGuard`, `task::coop`, `task::try_id` | whether the thread is in a runtime | any use of it |
//! | the epoll set of an undriven `current_thread` runtime | timers, tasks and events | it is not in the public API |
//!
//! The last option works, but needs a dedicated waiting thread. Our own threads cannot wait: during
//! a poll the library may block the thread until tokio acts (`Handle::block_on`, or another
//! `block_on`, inside a task). A program that consists of one `block_on` has no other thread, so it
//! would hang. So one thread must wait before the first poll begins, and tokio already has such a
//! thread.
//!
//! Rejected: one tokio thread until the first sign of use, then a second runtime with all threads.
//! A library would alternate between two runtimes.
//!
//! Rejected: keeping a context that the thread has already entered. If a program calls our
//! `block_on` inside a single-threaded tokio runtime, that runtime stops, and everything that waits
//! for it waits forever.
//!
//! Rejected: a single-threaded tokio runtime that a thread of ours drives, or a multi-threaded one
//! with one worker. Both are cheaper while unused: the first `block_on` takes 0.05 ms instead of
//! 0.15 ms with two workers or 2.2 ms with 64. But the library's own tasks, such as a server's
//! connections, would share one processor, and one that blocks would stop the others. In a
//! single-threaded runtime `block_in_place` also panics.

#![forbid(unsafe_code)]

#[cfg(test)]
use reveille_watchdog as _;

use std::cell::Cell;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use tokio::runtime::{Builder, EnterGuard, Handle, Runtime};

/// The name of tokio's threads in debuggers.
const THREAD_NAME: &str = "reveille-tokio1";

/// The only tokio runtime of the process. It is never dropped; its threads end with the process.
static RUNTIME: OnceLock<Runtime> = OnceLock::new();

thread_local! {
    /// Whether this thread belongs to the runtime.
    static IS_OWN_THREAD: Cell<bool> = const { Cell::new(false) };
}

/// Leaves the context when it is dropped, and restores the one that the thread was in before.
#[must_use]
#[derive(Debug)]
pub struct Entered {
    _guard: Option<EnterGuard<'static>>,
}

/// Enters the context until the guard is dropped. The first call in the process starts the runtime.
///
/// If the system refuses to start the runtime's threads, the first failure is reported on standard
/// error. The calling thread continues without a context, and the next call tries again.
#[inline]
pub fn enter() -> Entered {
    Entered { _guard: runtime().filter(|_| has_thread_locals()).map(Runtime::enter) }
}

/// Whether tokio's runtime has started. Its threads may wake tasks at any time then.
#[must_use]
pub fn is_started() -> bool {
    RUNTIME.get().is_some()
}

/// Whether this is a thread of tokio's runtime.
#[inline]
#[must_use]
pub fn is_tokio_thread() -> bool {
    IS_OWN_THREAD.try_with(Cell::get).unwrap_or(false)
}

/// Calls a closure that blocks the thread. Inside a task of tokio's runtime, another thread of
/// tokio takes over the thread's other tasks, as with tokio's `block_in_place`.
///
/// A program's own runtime is left alone: if that has a single thread, or a `LocalSet`, tokio's
/// function would panic there.
pub fn block_in_place<R>(block: impl FnOnce() -> R) -> R {
    if !is_tokio_thread() || tokio::task::try_id().is_none() {
        return block();
    }
    let mut block = Some(block);
    let result = catch_unwind(AssertUnwindSafe(|| {
        tokio::task::block_in_place(|| block.take().map(|block| block()))
    }));
    match (result, block) {
        (Ok(Some(output)), _) => output,
        // A `LocalSet` that runs in a blocking closure. It owns the thread, so tokio refuses.
        (_, Some(block)) => block(),
        (Err(payload), None) => resume_unwind(payload),
        (Ok(None), None) => unreachable!("the closure was taken by the call that returned"),
    }
}

/// For a thread that only polls tasks: enters the context with the first task and stays in it.
#[derive(Debug, Default)]
pub struct AtFirstTask {
    is_past: bool,
}

impl AtFirstTask {
    /// Enters the context, unless this thread has already entered it.
    #[inline]
    pub fn enter(&mut self) {
        if !self.is_past {
            self.enter_slow();
        }
    }

    #[cold]
    fn enter_slow(&mut self) {
        self.is_past = true;
        let current = Handle::try_current().ok().map(|handle| handle.id());
        let is_inside = current.is_some() && current == runtime().map(|own| own.handle().id());
        if !is_inside {
            // There is no earlier context to restore: the thread belongs to the runtime.
            std::mem::forget(enter());
        }
    }
}

/// Whether the context can be entered. It cannot while the thread destroys its thread-locals.
fn has_thread_locals() -> bool {
    Handle::try_current().map_or_else(|error| !error.is_thread_local_destroyed(), |_| true)
}

#[inline]
fn runtime() -> Option<&'static Runtime> {
    RUNTIME.get().or_else(start)
}

#[cold]
fn start() -> Option<&'static Runtime> {
    static STARTING: Mutex<()> = Mutex::new(());
    let _one_at_a_time = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(runtime) = RUNTIME.get() {
        return Some(runtime);
    }
    let mut builder = Builder::new_multi_thread();
    builder.thread_name(THREAD_NAME).on_thread_start(|| IS_OWN_THREAD.set(true));
    match builder.enable_all().build() {
        Ok(runtime) => Some(RUNTIME.get_or_init(|| runtime)),
        Err(error) => {
            report(&error);
            None
        }
    }
}

fn report(error: &io::Error) {
    use std::io::Write;
    static IS_REPORTED: AtomicBool = AtomicBool::new(false);
    // Not a `Once`: other threads would wait while standard error blocks.
    if !IS_REPORTED.swap(true, Ordering::Relaxed) {
        let line = format!("reveille: could not start a tokio runtime: {error}\n");
        // If standard error is closed, there is no other place to report the error.
        let _ = io::stderr().write_all(line.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_context_lasts_until_the_guard_is_dropped() {
        assert!(Handle::try_current().is_err());
        let outer = enter();
        {
            let _inner = enter();
            assert!(Handle::try_current().is_ok());
        }
        assert!(Handle::try_current().is_ok(), "the outer guard still exists");
        drop(outer);
        assert!(Handle::try_current().is_err());
    }

    #[test]
    fn a_thread_that_polls_tasks_stays_in_the_context_of_the_one_runtime() {
        let id = || Handle::try_current().map(|handle| handle.id()).ok();
        let thread = std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                AtFirstTask::default().enter();
                (id(), id())
            });
            thread.join().expect("the thread has entered")
        });
        let _entered = enter();
        assert!(id().is_some());
        assert_eq!(thread, (id(), id()));
    }

    #[test]
    fn a_task_of_tokio_that_blocks_leaves_its_other_tasks_to_another_thread() {
        let _entered = enter();
        let handle = Handle::current();
        let blocks = handle.spawn(async {
            assert!(is_tokio_thread());
            // Is in the queue of this thread, which it leaves only by that function.
            let other = tokio::spawn(async { 5 });
            let (sender, receiver) = std::sync::mpsc::channel();
            tokio::spawn(async move { sender.send(other.await) });
            block_in_place(|| receiver.recv())
        });
        let (sender, receiver) = std::sync::mpsc::channel();
        handle.spawn(async move { sender.send(blocks.await) });
        assert!(matches!(receiver.recv(), Ok(Ok(Ok(Ok(5))))));
        assert!(!is_tokio_thread());
    }

    #[test]
    fn a_closure_is_called_once_where_tokio_refuses_and_its_panic_is_passed_on() {
        let _entered = enter();
        let handle = Handle::current();
        let (sender, receiver) = std::sync::mpsc::channel();
        handle.spawn_blocking(move || {
            let set = tokio::task::LocalSet::new();
            let inside = async { tokio::task::spawn_local(async { block_in_place(|| 6) }).await };
            let output = Handle::current().block_on(set.run_until(inside));
            let panic = catch_unwind(|| block_in_place(|| resume_unwind(Box::new("planned"))));
            sender.send((output.ok(), panic.err().is_some_and(|payload| payload.is::<&str>())))
        });
        assert_eq!(receiver.recv(), Ok((Some(6), true)));
        assert_eq!(block_in_place(|| 7), 7);
    }

    /// A thread-local that is dropped after tokio's own must not abort the process.
    #[test]
    fn entering_while_the_thread_ends_does_nothing() {
        struct EntersLate;
        impl Drop for EntersLate {
            fn drop(&mut self) {
                let _entered = enter();
            }
        }
        thread_local!(static LATE: EntersLate = const { EntersLate });
        let thread = std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                // The thread-local that is used last is destroyed first. Try both orders.
                LATE.with(|_| ());
                AtFirstTask::default().enter();
            });
            thread.join()
        });
        assert!(thread.is_ok());
        let other = std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                AtFirstTask::default().enter();
                LATE.with(|_| ());
            });
            thread.join()
        });
        assert!(other.is_ok());
    }
}
