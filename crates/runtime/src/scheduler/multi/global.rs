//! The global runtime, started by its first use.
//!
//! It is never shut down. A child process made by `fork` has none of its threads, and starts a
//! global runtime of its own when it needs one.

use std::io;
use std::sync::OnceLock;

use reveille_primitive::atomic::{AtomicBool, Ordering};
use reveille_primitive::fork::{self, ForkHook};
use reveille_primitive::thread::backoff;

use super::runtime_ref::RuntimeRef;
use super::start::start;
use crate::config::Config;

/// The default pool, and behind it that of the child process that was made by `fork`, and so on.
static GLOBAL: OnceLock<Box<Global>> = OnceLock::new();

struct Global {
    runtime: RuntimeRef,
    of_child: OnceLock<Box<Global>>,
}

/// Whether a thread is starting it.
static IS_STARTING: AtomicBool = AtomicBool::new(false);

/// The right to start the global pool. A flag and not a mutex: a child process clears it if it was
/// set by a thread that only its parent has.
struct GlobalStart;

impl GlobalStart {
    fn begin() -> GlobalStart {
        fork::watch(&FORK_HOOK);
        let mut times = 0;
        while IS_STARTING.swap(true, Ordering::Acquire) {
            backoff(times);
            times += 1;
        }
        GlobalStart
    }
}

impl Drop for GlobalStart {
    fn drop(&mut self) {
        IS_STARTING.store(false, Ordering::Release);
    }
}

static FORK_HOOK: ForkHook = ForkHook::new(forget_start);

/// In a child process made by `fork`: the thread that starts the global pool is the parent's.
fn forget_start() {
    IS_STARTING.store(false, Ordering::Release);
}

/// The global pool, if it has started.
#[inline]
pub(crate) fn started_global() -> Option<RuntimeRef> {
    let mut slot = &GLOBAL;
    while let Some(global) = slot.get() {
        if !global.runtime.is_inherited() {
            return Some(global.runtime);
        }
        slot = &global.of_child;
    }
    None
}

/// The global pool, started by the first use.
///
/// # Panics
///
/// Panics when not even one worker thread can be created.
#[inline]
pub(crate) fn global() -> RuntimeRef {
    started_global().unwrap_or_else(|| try_global().unwrap_or_else(|error| refuse_global(&error)))
}

/// Reports that the global pool is needed and cannot be started.
#[cold]
fn refuse_global(error: &io::Error) -> ! {
    panic!("reveille: could not start the global runtime: {error}")
}

/// The global pool, started by the first use.
///
/// # Errors
///
/// As [`start`].
pub(crate) fn try_global() -> io::Result<RuntimeRef> {
    match started_global() {
        Some(global) => Ok(global),
        None => start_unless_up(Config::global).map(|(global, _)| global),
    }
}

/// Makes a pool with this configuration the global one.
///
/// # Errors
///
/// Fails when there is a global pool, and as [`start`] does.
pub(crate) fn start_global(config: Config) -> io::Result<RuntimeRef> {
    match start_unless_up(|| config)? {
        (global, true) => Ok(global),
        (_, false) => Err(io::Error::new(io::ErrorKind::AlreadyExists, "the global runtime is up")),
    }
}

/// The global pool, and whether it was started by this call.
fn start_unless_up(config: impl FnOnce() -> Config) -> io::Result<(RuntimeRef, bool)> {
    let _starting = GlobalStart::begin();
    if let Some(global) = started_global() {
        return Ok((global, false));
    }
    let runtime = start(config())?;
    let mut slot = &GLOBAL;
    while let Some(global) = slot.get() {
        slot = &global.of_child;
    }
    let is_set = slot.set(Box::new(Global { runtime, of_child: OnceLock::new() })).is_ok();
    assert!(is_set, "one thread at a time starts it");
    Ok((runtime, true))
}
