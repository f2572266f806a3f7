//! A tokio context on the threads of the reveille runtime (internal).
//!
//! Libraries made for tokio ask for its context: a thread-local that a thread *enters*, and through
//! which sockets, timers and tasks find their runtime. So that such a library works inside
//! reveille's tasks, each thread that polls them enters the context of one tokio runtime, which is
//! started by the first of them. tokio's own threads then serve what the library asks for, and wake
//! our tasks.
//!
//! tokio tells nobody that its context was asked for, so the runtime cannot be started any later
//! than that. Its threads are as many as `TOKIO_WORKER_THREADS` or the parallelism granted says,
//! and sleep while nothing is asked of them.
//!
//! Rejected: keeping a context that the thread has entered already. A program that calls our
//! `block_on` inside a single-threaded tokio runtime stops that one, and what waits for it would
//! wait for ever.
//!
//! Rejected: tokio's runtime of one thread, driven by a thread of ours. It is one thread less where
//! nothing uses it, but one processor is all that the library's tasks then get, and
//! `block_in_place` panics in them.

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

/// Enters the context for as long as the thread lives.
pub fn enter_for_good() {
    // What the guard would restore is nothing: the thread is new.
    std::mem::forget(enter());
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
                enter_for_good();
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
                enter_for_good();
            });
            thread.join()
        });
        assert!(thread.is_ok());
        let other = std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                enter_for_good();
                LATE.with(|_| ());
            });
            thread.join()
        });
        assert!(other.is_ok());
    }
}
