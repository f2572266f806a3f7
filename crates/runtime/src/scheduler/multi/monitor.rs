//! The workers' side of a pool's monitor: they arm, defer and clear its timer.
//!
//! The code of the monitor's thread is in `sampling.rs`.
//!
//! # The start of the thread
//!
//! A thread costs 0.2 ms of a process that runs one short task. So on Linux, and with two workers
//! or more, the thread starts when something needs it, which is one of these:
//!
//! * The alarm fires. Until the thread has started, the alarm's descriptor ends the wait of each
//!   parked worker, and the first that wakes starts the thread.
//! * A worker begins to poll and no other one could hear the alarm, because all of them poll.
//! * A worker is handed off.
//! * The system refuses to set the alarm.
//!
//! `observers.rs` counts the workers that can hear the alarm.

use std::fmt;
use std::io;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use reveille_primitive::atomic::{AtomicBool, Ordering};
use reveille_primitive::lock::Mutex;
use reveille_primitive::sys::Alarm;

use super::observers::Observers;
use crate::observe;
use crate::scheduler::watchdog::Watchdog;
use crate::threads::Thread;

/// The time between two samples while several workers are awake. A sample takes 14 us with cold
/// caches, which is 0.35 % of a core. [`ALARM`] and two periods are less than the delay that a user
/// notices, 25 ms.
pub(super) const PERIOD: Duration = Duration::from_millis(4);

/// How long the workers may poll before the timer wakes the monitor. On a busy machine a poll that
/// starts a child process takes several milliseconds.
pub(super) const ALARM: Duration = Duration::from_millis(8);

/// How often a worker that is alone defers the timer, in nanoseconds: a quarter of [`ALARM`].
pub(super) const DEFER_NS: u64 = 2_000_000;

/// When a thread that the system refused is requested again.
const RETRY: Duration = Duration::from_millis(64);

#[derive(Debug)]
pub(crate) struct Monitor {
    watchdog: Watchdog<Arc<Alarm>>,
    is_running: AtomicBool,
    /// Whether the thread has not started, and the workers observe each other instead.
    is_late: AtomicBool,
    /// Used while the thread has not started.
    observers: Observers,
    thread: Mutex<MonitorThread>,
}

#[derive(Debug)]
enum MonitorThread {
    /// There is none, and none will start.
    Absent,
    /// Nothing has needed it yet. Parked workers wait for the alarm.
    Late(Arc<Alarm>, Starter),
    /// A worker or the start of the runtime is starting it.
    Starting,
    Started(Thread),
}

/// Starts the thread, which waits for the alarm.
#[derive(Clone)]
pub(super) struct Starter(Arc<dyn Fn(Arc<Alarm>) -> io::Result<Thread> + Send + Sync>);

impl Starter {
    pub(super) fn new(
        start: impl Fn(Arc<Alarm>) -> io::Result<Thread> + Send + Sync + 'static,
    ) -> Starter {
        Starter(Arc::new(start))
    }
}

impl fmt::Debug for Starter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Starter").finish_non_exhaustive()
    }
}

impl Monitor {
    pub(crate) fn new() -> Monitor {
        Monitor {
            watchdog: Watchdog::new(),
            is_running: AtomicBool::new(false),
            is_late: AtomicBool::new(false),
            observers: Observers::new(),
            thread: Mutex::new(MonitorThread::Absent),
        }
    }

    /// Starts the thread.
    ///
    /// # Errors
    ///
    /// When the system refuses a thread.
    pub(super) fn start(&self, starter: &Starter) -> io::Result<()> {
        let alarm = Arc::new(Alarm::new());
        self.is_running.store(true, Ordering::SeqCst);
        self.watchdog.begin(Arc::clone(&alarm));
        *self.thread.lock() = MonitorThread::Starting;
        let started = self.start_with(starter, alarm);
        if started.is_err() {
            self.end();
        }
        started
    }

    /// Leaves the start of the thread to the workers, if `observe` makes them wait for the alarm.
    /// Called before they run. Returns whether it did.
    pub(super) fn start_late(
        &self,
        workers: usize,
        observe: impl FnOnce(&Alarm) -> bool,
        starter: Starter,
    ) -> bool {
        let alarm = Arc::new(Alarm::new());
        if !alarm.is_cheap() || !observe(&alarm) {
            return false;
        }
        self.is_running.store(true, Ordering::SeqCst);
        self.observers.reset(workers);
        self.watchdog.begin_asleep(Arc::clone(&alarm));
        *self.thread.lock() = MonitorThread::Late(alarm, starter);
        self.is_late.store(true, Ordering::SeqCst);
        true
    }

    /// Starts the thread if it is late. If the system refuses it, it is requested again later.
    #[cold]
    pub(super) fn start_now(&self) {
        let (alarm, starter) = {
            let mut thread = self.thread.lock();
            let MonitorThread::Late(alarm, starter) = &*thread else { return };
            let late = (Arc::clone(alarm), starter.clone());
            *thread = MonitorThread::Starting;
            late
        };
        match self.start_with(&starter, Arc::clone(&alarm)) {
            Ok(()) => self.is_late.store(false, Ordering::SeqCst),
            Err(error) => {
                observe::failed_monitor(&error);
                self.try_again_later(alarm, starter);
            }
        }
    }

    fn try_again_later(&self, alarm: Arc<Alarm>, starter: Starter) {
        let mut thread = self.thread.lock();
        if matches!(*thread, MonitorThread::Starting) {
            *thread = MonitorThread::Late(alarm, starter);
            self.watchdog.set_again(RETRY);
        }
    }

    /// Starts the thread. If the monitor has ended in the meantime, waits for the thread to end.
    fn start_with(&self, starter: &Starter, alarm: Arc<Alarm>) -> io::Result<()> {
        // No lock is held here: the spawner is user code.
        let started = (starter.0)(alarm)?;
        let mut thread = self.thread.lock();
        if matches!(*thread, MonitorThread::Starting) {
            *thread = MonitorThread::Started(started);
            return Ok(());
        }
        drop(thread);
        started.join();
        Ok(())
    }

    /// Whether the thread has not started, and the workers observe each other instead.
    #[inline]
    pub(super) fn is_late(&self) -> bool {
        self.is_late.load(Ordering::Relaxed)
    }

    /// The workers that can hear the alarm while the thread has not started.
    pub(super) fn observers(&self) -> &Observers {
        &self.observers
    }

    /// Whether the thread is late and the alarm rings for it.
    pub(super) fn is_called(&self) -> bool {
        match &*self.thread.lock() {
            MonitorThread::Late(alarm, _) => alarm.take_ring(),
            _ => false,
        }
    }

    /// Whether the monitor's thread has to continue.
    pub(super) fn is_running(&self) -> bool {
        self.is_running.load(Ordering::SeqCst)
    }

    /// When the thread samples, and when it sleeps.
    pub(super) fn watchdog(&self) -> &Watchdog<Arc<Alarm>> {
        &self.watchdog
    }

    /// Ends the thread and waits for it.
    pub(crate) fn stop(&self) {
        self.end();
        let thread = mem::replace(&mut *self.thread.lock(), MonitorThread::Absent);
        if let MonitorThread::Started(thread) = thread {
            thread.join();
        }
    }

    /// Asks the thread to end, and does not wait for it. There may be none.
    pub(super) fn end(&self) {
        self.is_running.store(false, Ordering::SeqCst);
        self.is_late.store(false, Ordering::SeqCst);
        let has_thread = {
            let mut thread = self.thread.lock();
            let has_thread = matches!(*thread, MonitorThread::Started(_) | MonitorThread::Starting);
            if !matches!(*thread, MonitorThread::Started(_)) {
                *thread = MonitorThread::Absent;
            }
            has_thread
        };
        if has_thread {
            self.watchdog.end();
        } else {
            drop(self.watchdog.stop());
        }
    }

    /// Called before a worker polls for the first time since it began or parked. Returns whether
    /// the alarm was set and only the thread of the monitor can wait for it.
    #[must_use = "the thread may be late"]
    pub(crate) fn arm(&self) -> bool {
        self.watchdog.set(ALARM)
    }

    /// Called by a worker between two polls or when it wakes, [`DEFER_NS`] after its last call.
    pub(super) fn defer(&self, is_one_awake: impl FnOnce() -> bool) {
        self.watchdog.defer(ALARM, is_one_awake);
    }

    /// Called after a worker has announced that it parks.
    #[inline]
    pub(super) fn disarm(&self, all_parked: impl Fn() -> bool, now_ns: impl FnOnce() -> u64) {
        self.watchdog.clear(all_parked, now_ns);
    }
}
