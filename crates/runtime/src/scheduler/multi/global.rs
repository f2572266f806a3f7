//! The global runtime, started by its first use.
//!
//! It ends when the program asks for it, and does not start again. A child process made by `fork`
//! has none of its threads, and starts a global runtime of its own when it needs one.

use std::io;
use std::sync::OnceLock;
use std::task::Waker;

use reveille_primitive::atomic::{AtomicBool, Ordering};
use reveille_primitive::fork::{self, ForkHook};
use reveille_primitive::lock::Mutex;
use reveille_primitive::thread::backoff;

use super::drain::ShutdownReport;
use super::runtime_ref::RuntimeRef;
use super::start::start;
use crate::config::Config;

/// The default pool, and behind it that of the child process that was made by `fork`, and so on.
static GLOBAL: OnceLock<Box<Global>> = OnceLock::new();

struct Global {
    runtime: RuntimeRef,
    end: GlobalEnd,
    of_child: OnceLock<Box<Global>>,
}

/// The shutdown of a global runtime, which the program may ask for once.
#[derive(Debug, Default)]
pub(crate) struct GlobalEnd {
    has_begun: AtomicBool,
    outcome: Mutex<EndOutcome>,
}

#[derive(Debug, Default)]
struct EndOutcome {
    report: Option<ShutdownReport>,
    waiting: Vec<Waker>,
}

impl GlobalEnd {
    /// Whether the caller is the first, which ends the runtime.
    pub(crate) fn begin(&self) -> bool {
        !self.has_begun.swap(true, Ordering::AcqRel)
    }

    /// Publishes the report. Returns the wakers of those that wait for it.
    #[must_use = "tasks wait for the report"]
    pub(crate) fn finish(&self, report: ShutdownReport) -> Vec<Waker> {
        let mut outcome = self.outcome.lock();
        outcome.report = Some(report);
        std::mem::take(&mut outcome.waiting)
    }

    /// The report. If there is none yet, `waker` is woken when there is.
    pub(crate) fn report(&self, waker: &Waker) -> Option<ShutdownReport> {
        // User code, as is its drop, so neither is under the lock.
        let own = waker.clone();
        let (report, unused) = {
            let mut outcome = self.outcome.lock();
            let is_known = outcome.waiting.iter().any(|other| other.will_wake(&own));
            match &outcome.report {
                Some(report) => (Some(report.clone()), Some(own)),
                None if is_known => (None, Some(own)),
                None => {
                    outcome.waiting.push(own);
                    (None, None)
                }
            }
        };
        drop(unused);
        report
    }
}

/// The end of the global pool, if that has started.
pub(crate) fn global_end() -> Option<&'static GlobalEnd> {
    started().map(|global| &global.end)
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
    started().map(|global| global.runtime)
}

#[inline]
fn started() -> Option<&'static Global> {
    let mut slot = &GLOBAL;
    while let Some(global) = slot.get() {
        if !global.runtime.is_inherited() {
            return Some(&**global);
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
    let is_set = slot
        .set(Box::new(Global { runtime, end: GlobalEnd::default(), of_child: OnceLock::new() }))
        .is_ok();
    assert!(is_set, "one thread at a time starts it");
    Ok((runtime, true))
}
