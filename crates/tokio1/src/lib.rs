//! A tokio context on the threads of the reveille runtime (internal).
//!
//! Libraries made for tokio ask for its context: a thread-local that a thread *enters*, and through
//! which sockets, timers and tasks find their runtime. So that such a library works inside
//! reveille's tasks, each thread that runs a program's own code enters the context of one tokio
//! runtime: a worker at the first task that it polls, a `block_on` and a blocking closure for their
//! length. The first of them starts that runtime. tokio's own threads then serve what the library
//! asks for, and wake our tasks. They are as many as `TOKIO_WORKER_THREADS` or the parallelism
//! granted says, and sleep while nothing is asked of them.
//!
//! # Why not later
//!
//! Best were to start tokio's threads when a library first asks. tokio 1.x does not tell:
//!
//! | what one could watch | what it sees | and does not |
//! |---|---|---|
//! | `Handle::current` and all that calls it | a clone of a reference-counted pointer | has no hook, and the count is private |
//! | `RuntimeMetrics`: `num_alive_tasks`, `global_queue_depth` | a task spawned | a timer, a socket, a blocking closure |
//! | `RuntimeMetrics`: `worker_park_count` and the two like it | what a thread does that drives the runtime | anything before there is one |
//! | `Builder::on_thread_park`, `on_thread_unpark` | the same | the same |
//! | `Builder::on_thread_start`, `on_thread_stop` | a thread made for a blocking closure | a timer, a socket, a task |
//! | `Builder::on_task_spawn`, the other metrics | tasks, sockets, closures | a timer; and needs `--cfg tokio_unstable` |
//! | `EnterGuard`, `task::coop`, `task::try_id` | whether the thread is in a runtime | whether anybody looked |
//! | the epoll set of a `current_thread` runtime that is built and not driven | every timer, task and event that wants a driver makes it readable | is in no public API; only a thread that waits for it learns of it |
//!
//! The last would do, but for who waits. A thread of ours cannot be relied on: between the moment
//! it begins a poll and the moment the poll ends, the library may block it until tokio acts
//! (`Handle::block_on`, or any other `block_on`, inside of a task). In a program that is one
//! `block_on` there is no other thread, so it would hang. So one thread has to wait before the
//! first poll begins, which is tokio's.
//!
//! Rejected: one thread for tokio until then, and a second runtime with all of them at the first
//! sign. A library would find itself in two runtimes by turns.
//!
//! Rejected: keeping a context that the thread has entered already. A program that calls our
//! `block_on` inside a single-threaded tokio runtime stops that one, and what waits for it would
//! wait for ever.
//!
//! Rejected: tokio's runtime of one thread, driven by a thread of ours, or of several threads with
//! one worker. Either is cheaper where nothing uses it (of a first `block_on` of 0.15 ms with two
//! workers, and 2.2 ms with 64, it leaves 0.05 ms), but one processor is all that the library's
//! own tasks then get, a server's connections above all, and one of them that blocks stops the
//! others. In the first `block_in_place` panics, too.

#![forbid(unsafe_code)]

use std::io;
use std::sync::{Mutex, Once, OnceLock, PoisonError};

use tokio::runtime::{Builder, EnterGuard, Handle, Runtime};

/// As debuggers show tokio's threads.
const THREAD_NAME: &str = "reveille-tokio1";

/// The one runtime of the process. Never dropped: its threads end with the process.
static RUNTIME: OnceLock<Runtime> = OnceLock::new();

/// The context that a thread was in before comes back when this is dropped.
#[must_use]
#[derive(Debug)]
pub struct Entered {
    _guard: Option<EnterGuard<'static>>,
}

/// Enters the context until the guard is dropped. The first call of the process starts the runtime.
///
/// Where the system refuses the runtime its threads, standard error says so once, the thread goes
/// on without a context, and the next call tries again.
#[inline]
pub fn enter() -> Entered {
    Entered { _guard: runtime().filter(|_| has_thread_locals()).map(Runtime::enter) }
}

/// Of a thread that polls tasks and nothing else: enters the context at the first, for good.
#[derive(Debug, Default)]
pub struct AtFirstTask {
    is_past: bool,
}

impl AtFirstTask {
    /// Enters the context, unless this or another has done so on this thread.
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
            // Nobody asks for what was before: the thread is the runtime's own.
            std::mem::forget(enter());
        }
    }
}

/// Whether the context can be entered: not while the thread's locals are being destroyed.
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
    match Builder::new_multi_thread().thread_name(THREAD_NAME).enable_all().build() {
        Ok(runtime) => Some(RUNTIME.get_or_init(|| runtime)),
        Err(error) => {
            report(&error);
            None
        }
    }
}

fn report(error: &io::Error) {
    use std::io::Write;
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let line = format!("reveille: could not start a tokio runtime: {error}\n");
        // Standard error may be closed; there is no better place to say so.
        let _ = io::stderr().write_all(line.as_bytes());
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_context_is_there_until_the_guard_is_dropped() {
        assert!(Handle::try_current().is_err());
        let outer = enter();
        {
            let _inner = enter();
            assert!(Handle::try_current().is_ok());
        }
        assert!(Handle::try_current().is_ok(), "the outer one is still there");
        drop(outer);
        assert!(Handle::try_current().is_err());
    }

    #[test]
    fn what_was_entered_for_good_stays_and_is_one_runtime_for_all() {
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

    /// A thread-local whose drop runs after tokio's own is gone must not be the end of the process.
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
                // The one that is used last is destroyed first, so both orders are tried.
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
