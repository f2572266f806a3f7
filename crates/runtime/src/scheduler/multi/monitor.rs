//! The workers' side of a pool's monitor: they arm, defer and clear its timer.
//!
//! The code of the monitor's thread is in `sampling.rs`.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use reveille_primitive::atomic::{AtomicBool, Ordering};
use reveille_primitive::lock::Mutex;
use reveille_primitive::sys::Alarm;

use crate::config::Config;
use crate::scheduler::watchdog::Watchdog;
use crate::threads::{Thread, ThreadSpec};

/// The time between two samples while several workers are awake. A sample takes 14 us with cold
/// caches, which is 0.35 % of a core. [`ALARM`] and two periods are less than the delay that a user
/// notices, 25 ms.
pub(super) const PERIOD: Duration = Duration::from_millis(4);

/// How long the workers may poll before the timer wakes the monitor. On a busy machine a poll that
/// starts a child process takes several milliseconds.
pub(super) const ALARM: Duration = Duration::from_millis(8);

/// How often a worker that is alone defers the timer, in nanoseconds: a quarter of [`ALARM`].
pub(super) const DEFER_NS: u64 = 2_000_000;

#[derive(Debug)]
pub(crate) struct Monitor {
    watchdog: Watchdog<Arc<Alarm>>,
    is_running: AtomicBool,
    thread: Mutex<Option<Thread>>,
}

impl Monitor {
    pub(crate) fn new() -> Monitor {
        Monitor {
            watchdog: Watchdog::new(),
            is_running: AtomicBool::new(false),
            thread: Mutex::new(None),
        }
    }

    /// Starts the thread, which runs `body`, unless the configuration allows no spare threads.
    ///
    /// # Errors
    ///
    /// When the system refuses a thread.
    pub(super) fn start(
        &self,
        config: &Config,
        body: impl FnOnce(&Alarm) + Send + 'static,
    ) -> io::Result<()> {
        if config.max_spare_threads == 0 {
            return Ok(());
        }
        let alarm = Arc::new(Alarm::new());
        self.is_running.store(true, Ordering::SeqCst);
        self.watchdog.begin(Arc::clone(&alarm));
        // No lock is held here: the spawner is user code.
        let thread = (config.spawner)(ThreadSpec {
            name: config.thread_names.monitor(),
            stack_size: Some(128 * 1024),
            body: Box::new(move || body(&alarm)),
        });
        match thread {
            Ok(thread) => {
                *self.thread.lock() = Some(thread);
                Ok(())
            }
            Err(error) => {
                self.end();
                Err(error)
            }
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
        let thread = self.thread.lock().take();
        if let Some(thread) = thread {
            thread.join();
        }
    }

    /// Asks the thread to end, and does not wait for it. There may be none.
    pub(super) fn end(&self) {
        self.is_running.store(false, Ordering::SeqCst);
        self.watchdog.end();
    }

    /// Called before a worker polls.
    #[inline]
    pub(crate) fn arm(&self) {
        self.watchdog.set(ALARM);
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
