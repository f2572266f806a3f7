//! The global runtime, which its first use starts.
//!
//! It ends when the program shuts it down, and does not start again. A child process made by `fork`
//! has none of the runtime's threads. It starts a global runtime of its own when it needs one.

use std::io;
use std::sync::OnceLock;
use std::task::Waker;

use reveille_primitive::atomic::{AtomicBool, Ordering};
use reveille_primitive::fork::{self, ForkHook};
use reveille_primitive::lock::Mutex;
use reveille_primitive::simulation;
use reveille_primitive::thread::backoff;

use super::inspect::{deadlock, dump_on, show_thread_stacks};
use super::multi::{self, RuntimeRef, ShutdownReport};
use super::recording;
use crate::config::Config;
use crate::lint;
use crate::record;

/// The slot of a global pool. The slot of a child process made by `fork` is in the field
/// `of_child`, and so on.
struct GlobalSlot {
    global: OnceLock<Box<Global>>,
    /// Whether a thread is starting it.
    is_starting: AtomicBool,
}

impl GlobalSlot {
    const fn new() -> GlobalSlot {
        GlobalSlot { global: OnceLock::new(), is_starting: AtomicBool::new(false) }
    }
}

/// The slot of the process.
static GLOBAL: GlobalSlot = GlobalSlot::new();

/// The slots of the hosts of a simulation, by their keys. Never freed, like the pools.
static OF_HOSTS: Mutex<Vec<(u64, &'static GlobalSlot)>> = Mutex::new(Vec::new());

#[inline]
fn own_slot() -> &'static GlobalSlot {
    match simulation::host_key() {
        0 => &GLOBAL,
        key => slot_of_host(key),
    }
}

#[cold]
fn slot_of_host(key: u64) -> &'static GlobalSlot {
    let mut hosts = OF_HOSTS.lock();
    if let Some((_, slot)) = hosts.iter().find(|(other, _)| *other == key) {
        return slot;
    }
    let slot: &'static GlobalSlot = Box::leak(Box::new(GlobalSlot::new()));
    hosts.push((key, slot));
    slot
}

struct Global {
    runtime: RuntimeRef,
    end: GlobalEnd,
    of_child: OnceLock<Box<Global>>,
}

/// The shutdown of a global runtime, which happens once.
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
    /// `true` for the first caller, which has to end the runtime.
    pub(crate) fn begin(&self) -> bool {
        !self.has_begun.swap(true, Ordering::AcqRel)
    }

    /// Publishes the report. Returns the wakers of its waiters.
    #[must_use = "tasks wait for the report"]
    pub(crate) fn finish(&self, report: ShutdownReport) -> Vec<Waker> {
        let mut outcome = self.outcome.lock();
        outcome.report = Some(report);
        std::mem::take(&mut outcome.waiting)
    }

    /// The report. If there is none yet, `waker` is woken when there is.
    pub(crate) fn report(&self, waker: &Waker) -> Option<ShutdownReport> {
        // Cloning or dropping a waker is user code, so neither happens under the lock.
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

/// Guards the start of the global pool. It is a flag and not a mutex, because a child process has
/// to clear it if a thread of its parent set it.
struct GlobalStart(&'static GlobalSlot);

impl GlobalStart {
    fn begin() -> GlobalStart {
        fork::watch(&FORK_HOOK);
        let slot = own_slot();
        let mut times = 0;
        while slot.is_starting.swap(true, Ordering::Acquire) {
            backoff(times);
            times += 1;
        }
        GlobalStart(slot)
    }
}

impl Drop for GlobalStart {
    fn drop(&mut self) {
        self.0.is_starting.store(false, Ordering::Release);
    }
}

static FORK_HOOK: ForkHook = ForkHook::new(forget_start);

/// Called in a child process made by `fork`. If a start was in progress, its thread exists only in
/// the parent. Simulations do not fork.
fn forget_start() {
    GLOBAL.is_starting.store(false, Ordering::Release);
}

/// The global pool, if it has started.
#[inline]
pub(crate) fn started_global() -> Option<RuntimeRef> {
    started().map(|global| global.runtime)
}

#[inline]
fn started() -> Option<&'static Global> {
    let mut slot = &own_slot().global;
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
/// As for [`start`].
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
        (_, false) => {
            Err(io::Error::new(io::ErrorKind::AlreadyExists, "the global runtime has started"))
        }
    }
}

/// Starts a runtime.
///
/// # Errors
/// As for [`multi::start`]. Also fails if a dump on a signal was asked for and the system refuses
/// it.
pub(crate) fn start(mut config: Config) -> io::Result<RuntimeRef> {
    record::start_from_environment();
    if let Some(path) = &config.record_to {
        config.recording = Some(recording::record_to(path)?);
    }
    if let Some(start) = config.start_flight.take() {
        config.flight = Some(start()?);
    }
    config.dump_signals.iter().try_for_each(|&signal| dump_on(signal))?;
    if config.has_thread_stacks {
        show_thread_stacks();
    }
    config.lint_hook = config.on_lint.take().map(lint::add_hook);
    let runtime = multi::start(config)?;
    deadlock::watch_for_lints();
    Ok(runtime)
}

/// The global pool, and whether it was started by this call.
fn start_unless_up(config: impl FnOnce() -> Config) -> io::Result<(RuntimeRef, bool)> {
    let starting = GlobalStart::begin();
    if let Some(global) = started_global() {
        return Ok((global, false));
    }
    let runtime = start(config())?;
    let mut slot = &starting.0.global;
    while let Some(global) = slot.get() {
        slot = &global.of_child;
    }
    let is_set = slot
        .set(Box::new(Global { runtime, end: GlobalEnd::default(), of_child: OnceLock::new() }))
        .is_ok();
    assert!(is_set, "one thread at a time starts it");
    Ok((runtime, true))
}
