//! Rescue of threads in `block_on` whose poll does not end.
//!
//! A thread in `block_on` turns its own timers and its own driver between polls. It cannot do so
//! during a poll that blocks, or that runs another executor: a GUI's event loop, `pollster`, a
//! second runtime. One thread of the process, the *watcher*, detects this, as the monitor of a pool
//! does for workers. Each thread counts its rounds (`rounds.rs`), and the watcher compares two
//! counts. If it finds a thread in the same round twice, it *evacuates* the thread: it takes away
//! the thread's timers and driver and wakes everything that waits there, as if the thread had left
//! `block_on`. Until the poll ends, operations on that thread register with the host (`host.rs`),
//! which another thread turns. After the poll, the thread takes its timers and driver back.
//!
//! The watcher starts when a thread in `block_on` first waits for a timer or a socket. It sleeps
//! while all these threads are parked or evacuated. A thread that wakes up sets the watcher's
//! alarm, as workers do for the monitor ([`Watchdog`]): at most one system call per [`PERIOD`].
//!
//! # Invariants
//!
//! 1. A thread is evacuated, and takes its timers and driver back, under the lock `held`. The
//!    watcher compares the counts again under that lock, so it never evacuates a thread that has
//!    left `block_on`. Timers and drivers made while the thread is evacuated start out evacuated.
//! 2. Evacuating a thread that is not stuck loses nothing: every waiter was woken, and the host
//!    serves what registers until the thread notices.
//!
//! Rejected: the watcher turns the drivers of stuck threads itself. With several stuck threads it
//! would poll them in turn, each some milliseconds late. Also rejected: recognising another
//! executor by its waker. Combinators have their own wakers too, and a stuck thread may have
//! registered everything earlier.

mod rounds;

use std::io;
use std::sync::{Arc, OnceLock};
use std::task::Waker;
use std::time::Duration;

use reveille_driver::Driver;
use reveille_primitive::atomic::{AtomicU64, Ordering};
use reveille_primitive::biased::OwnerId;
use reveille_primitive::lock::Mutex;
use reveille_primitive::simulation;
use reveille_primitive::sys::Alarm;

use self::rounds::Rounds;
use super::host;
use super::wake;
use super::watchdog::Watchdog;
use crate::observe;
use crate::threads::{ThreadSpec, system_spawner};
use crate::timer::{Notify, Timers};

/// How often the watcher checks while a thread may be stuck, and the delay of its first check.
const PERIOD: Duration = Duration::from_millis(4);

/// The longest time between two checks while every thread makes progress.
const PERIOD_MAX: Duration = Duration::from_millis(16);

/// The name of the watcher's thread.
const THREAD_NAME: &str = "reveille-watch";

/// The watcher's record of one thread.
pub(crate) struct BlockOnWatch {
    rounds: Rounds,
    held: Mutex<TurnedByThread>,
    /// Wakes the futures that, inside a poll of this thread, await one of its local tasks.
    awaiting: Mutex<Option<Notify>>,
}

/// The timers and the driver that a thread in `block_on` turns.
#[derive(Debug, Default)]
struct TurnedByThread {
    timers: Option<&'static Timers>,
    driver: Option<Arc<Driver>>,
}

impl BlockOnWatch {
    /// Adds a thread to those that the watcher checks. It is not in `block_on` yet.
    pub(crate) fn new() -> Arc<BlockOnWatch> {
        let watched = Arc::new(BlockOnWatch {
            rounds: Rounds::new(),
            held: Mutex::default(),
            awaiting: Mutex::new(None),
        });
        watch().threads.lock().push(Arc::clone(&watched));
        watched
    }

    /// Removes a thread that ends.
    pub(crate) fn forget(self: &Arc<BlockOnWatch>) {
        let mut threads = watch().threads.lock();
        if let Some(index) = threads.iter().position(|other| Arc::ptr_eq(other, self)) {
            threads.swap_remove(index);
        }
    }

    /// Adds the thread's timers. If it is evacuated, it does not own them.
    pub(crate) fn set_timers(&self, timers: &'static Timers) {
        let mut held = self.held.lock();
        held.timers = Some(timers);
        if self.is_evacuated() {
            timers.set_owner(None);
        }
    }

    /// Adds the thread's driver. If the thread is evacuated, no thread turns it.
    pub(crate) fn set_driver(&self, driver: &Arc<Driver>) {
        let mut held = self.held.lock();
        held.driver = Some(Arc::clone(driver));
        if self.is_evacuated() {
            driver.set_driven(false);
        } else {
            driver.set_driven_here();
        }
    }

    /// The watcher calls `wake` after it has evacuated the thread.
    pub(crate) fn set_awaiting(&self, wake: impl Fn() + Send + Sync + 'static) {
        self.awaiting.lock().get_or_insert_with(|| Arc::new(wake));
    }

    /// Counts a round. Returns whether the thread was evacuated. Called by the thread itself.
    #[inline]
    pub(crate) fn pass(&self) -> bool {
        self.rounds.pass()
    }

    /// Records that the thread is awake in `block_on`. Called by the thread itself.
    pub(crate) fn wake(&self) {
        self.rounds.wake(|| watch().arm());
    }

    /// Records that the thread is about to park or leaves `block_on`. Called by the thread itself.
    pub(crate) fn sleep(&self) {
        self.rounds.sleep();
    }

    #[inline]
    pub(crate) fn is_evacuated(&self) -> bool {
        self.rounds.is_evacuated()
    }

    /// Takes timers and driver back after an evacuation. Called by the thread itself.
    #[cold]
    pub(crate) fn take_back(&self, recipient: &OwnerId) {
        let held = self.held.lock();
        if !self.is_evacuated() {
            return;
        }
        if let Some(timers) = held.timers {
            timers.set_owner(Some(recipient.clone()));
        }
        if let Some(driver) = &held.driver {
            driver.set_driven_here();
        }
        self.rounds.set_evacuated(false);
    }

    /// Takes timers and driver away if the thread is still in the round of `count`.
    fn evacuate(&self, count: u64, woken: &mut Vec<Waker>, dropped: &mut Vec<Waker>) {
        let held = self.held.lock();
        if !self.rounds.is_in(count) || self.is_evacuated() {
            return;
        }
        self.rounds.set_evacuated(true);
        if let Some(driver) = &held.driver {
            driver.disarm(woken);
        }
        if let Some(timers) = held.timers {
            timers.evacuate(woken, dropped);
        }
    }
}

/// The watcher of this process.
struct Watcher {
    threads: Mutex<Vec<Arc<BlockOnWatch>>>,
    watchdog: Watchdog<Arc<Alarm>>,
    /// The process that the watcher's thread runs in. A forked child has no such thread.
    process: Mutex<Option<u32>>,
    period_ms: AtomicU64,
}

fn watch() -> &'static Watcher {
    static WATCH: OnceLock<Watcher> = OnceLock::new();
    WATCH.get_or_init(|| Watcher {
        threads: Mutex::default(),
        watchdog: Watchdog::new(),
        process: Mutex::new(None),
        period_ms: AtomicU64::new(PERIOD.as_millis() as u64),
    })
}

/// Starts the watcher if it is not running. If the system refuses the thread, stuck threads are not
/// rescued until a later call succeeds.
pub(crate) fn start() {
    simulation::for_all_hosts(start_in_process);
}

fn start_in_process() {
    let watch = watch();
    let this = std::process::id();
    let mut process = watch.process.lock();
    if *process == Some(this) {
        return;
    }
    let alarm = Arc::new(Alarm::new());
    watch.watchdog.begin(Arc::clone(&alarm));
    let spec = ThreadSpec {
        name: THREAD_NAME.to_owned(),
        stack_size: Some(128 * 1024),
        body: Box::new(move || watch.run(&alarm)),
    };
    match system_spawner()(spec) {
        Ok(_detached) => *process = Some(this),
        Err(_) => watch.watchdog.end(),
    }
}

/// The host's driver, for a thread that has none of its own.
///
/// # Errors
///
/// As for [`host::host`].
pub(crate) fn shared_driver() -> io::Result<Arc<Driver>> {
    host::host().map(|host| Arc::clone(host.driver()))
}

impl Watcher {
    fn arm(&self) {
        let period = Duration::from_millis(self.period_ms.load(Ordering::Relaxed));
        self.watchdog.set(period);
    }

    fn are_quiet(&self) -> bool {
        self.threads.lock().iter().all(|thread| thread.rounds.is_quiet())
    }

    /// The main loop of the watcher's thread, which runs until the process ends.
    fn run(&self, alarm: &Alarm) {
        let mut period = PERIOD;
        loop {
            self.period_ms.store(period.as_millis() as u64, Ordering::Relaxed);
            if self.watchdog.sleep(|| self.are_quiet(), 0) {
                alarm.wait(None);
                self.watchdog.begin_sampling();
            } else {
                alarm.wait(Some(period));
            }
            period = if self.check() { PERIOD } else { (period * 2).min(PERIOD_MAX) };
        }
    }

    /// Evacuates the threads that are in the same round as at the last check. Returns whether there
    /// was one.
    fn check(&self) -> bool {
        let stuck = |thread: &Arc<BlockOnWatch>| Some((Arc::clone(thread), thread.rounds.check()?));
        let stuck: Vec<_> = {
            let threads = self.threads.lock();
            let awake = threads.iter().filter(|thread| !thread.rounds.is_quiet());
            awake.filter_map(stuck).collect()
        };
        if stuck.is_empty() {
            return false;
        }
        if let Err(error) = host::host() {
            // The next check finds the threads again.
            observe::failed_rescue(&error);
            return true;
        }
        let (mut woken, mut dropped) = (Vec::new(), Vec::new());
        for (thread, count) in &stuck {
            thread.evacuate(*count, &mut woken, &mut dropped);
        }
        observe::drop_wakers(dropped);
        wake::wake_all(&mut woken);
        for (thread, _) in stuck {
            let wake = thread.awaiting.lock().clone();
            wake.inspect(|wake| wake());
        }
        true
    }
}
