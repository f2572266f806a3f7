//! The thread that notices a blocked worker.
//!
//! A worker counts the beginning and the end of each poll ([`Pulse`]); the monitor compares two
//! readings, [`PERIOD`] apart. A worker seen in the same poll twice has its last-in task moved to
//! its run queue, where others can steal it; seen three times, its place is given to another
//! thread, if anybody waits there: a task, a deadline, a socket. So a poll may block for some
//! milliseconds before anybody else notices, and a long computation that is alone keeps its place.
//!
//! While it finds all workers parked it looks less and less often, down to [`PERIOD_MAX`]; when
//! nobody has polled for [`QUIET_LOOKS`] looks it sleeps. A worker that begins to poll looks at one
//! flag and wakes the monitor if it sleeps; before the monitor sleeps it clears the flag and looks
//! at the workers once more, so that one of the two sees the other.
//!
//! Rejected: to sleep as soon as all are parked. A runtime that wakes ten times a second for a
//! moment then wakes the monitor each time, which cost more than the work. A kernel timer per
//! worker, set when it wakes and stopped when it parks: two system calls of 600 ns for each park.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reveille_primitive::atomic::{AtomicBool, Ordering};
use reveille_primitive::lock::{Condvar, Mutex};

use super::Shared;
use super::place::Place;
use super::vacancy::{Pulse, Vacancy};
use crate::builder::Config;
use crate::context;
use crate::threads::{Thread, ThreadSpec};

/// How often the monitor looks while a worker is awake: 250 times a second cost about a thousandth
/// of a core, and three looks are half of what a user notices.
const PERIOD: Duration = Duration::from_millis(4);

/// The longest time between two looks: a poll that blocks in a runtime that was all but idle is
/// noticed after this and two short periods, still before a user does.
const PERIOD_MAX: Duration = Duration::from_millis(64);

/// Looks in a row that saw no poll before the monitor sleeps: about a quarter of a second.
const QUIET_LOOKS: u32 = 4;

/// Looks between two attempts to find a thread for the same place.
const ASK_EVERY: u32 = 16;

/// Looks at the same poll after which the place changes hands.
const LOOKS: u32 = 3;

#[derive(Debug)]
pub(crate) struct Monitor {
    /// The monitor is awake, or was woken.
    is_armed: AtomicBool,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    is_running: bool,
    thread: Option<Thread>,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").field("is_running", &self.is_running).finish_non_exhaustive()
    }
}

/// What the monitor remembers of one place.
#[derive(Clone, Default)]
struct Watch {
    pulse: Option<Arc<Pulse>>,
    reading: u64,
    looks: u32,
    /// Looks until another thread is asked for again.
    asked: u32,
}

impl Monitor {
    pub(crate) fn new() -> Monitor {
        // Armed as long as there is no monitor, so that nobody tries to wake it.
        Monitor {
            is_armed: AtomicBool::new(true),
            state: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// Starts the thread, unless the configuration does without.
    pub(crate) fn start(&self, shared: &'static Shared, config: &Config) -> std::io::Result<()> {
        if config.max_spare_threads == 0 {
            return Ok(());
        }
        self.state.lock().is_running = true;
        // Not under the lock: what starts a thread is handed in.
        let thread = (config.spawner)(ThreadSpec {
            name: format!("{}-monitor", config.thread_name),
            stack_size: Some(128 * 1024),
            body: Box::new(move || shared.monitor.watch(shared)),
        });
        let mut state = self.state.lock();
        match thread {
            Ok(thread) => {
                state.thread = Some(thread);
                Ok(())
            }
            Err(error) => {
                state.is_running = false;
                Err(error)
            }
        }
    }

    /// Ends the thread and waits for it.
    pub(crate) fn stop(&self) {
        let thread = {
            let mut state = self.state.lock();
            state.is_running = false;
            self.changed.notify_all();
            state.thread.take()
        };
        if let Some(thread) = thread {
            thread.join();
        }
        self.is_armed.store(true, Ordering::SeqCst);
    }

    /// A worker is about to poll.
    #[inline]
    pub(crate) fn arm(&self) {
        if !self.is_armed.load(Ordering::SeqCst) {
            self.arm_slow();
        }
    }

    #[cold]
    fn arm_slow(&self) {
        if !self.is_armed.swap(true, Ordering::SeqCst) {
            let _state = self.state.lock();
            self.changed.notify_one();
        }
    }

    /// The life of the monitor's thread.
    fn watch(&self, shared: &'static Shared) {
        let mut watches = vec![Watch::default(); shared.places.len()];
        let mut pace = Pace::new();
        let mut state = self.state.lock();
        while state.is_running {
            if pace.is_quiet() && self.rest(shared) {
                // Nobody is awake. Whoever wakes up finds the flag clear and notifies.
                state = self.changed.wait(state);
                pace = Pace::new();
                continue;
            }
            (state, _) = self.changed.wait_timeout(state, pace.period);
            if !state.is_running {
                break;
            }
            drop(state);
            let mut has_polled = false;
            for (place, watch) in shared.places.iter().zip(&mut watches) {
                let before = watch.reading;
                look(shared, place, watch);
                has_polled |= watch.reading != before;
            }
            shared.staff.make_good(shared);
            pace.record(all_parked(shared), has_polled);
            state = self.state.lock();
        }
    }

    /// Disarms if every worker sleeps. `true` if the monitor may sleep too.
    fn rest(&self, shared: &'static Shared) -> bool {
        if !all_parked(shared) {
            self.is_armed.store(true, Ordering::SeqCst);
            return false;
        }
        self.is_armed.store(false, Ordering::SeqCst);
        if all_parked(shared) {
            return !self.is_armed.load(Ordering::SeqCst);
        }
        self.is_armed.store(true, Ordering::SeqCst);
        false
    }
}

fn all_parked(shared: &Shared) -> bool {
    shared.idle.parked_count() == shared.places.len()
}

/// How often the monitor looks.
#[derive(Debug)]
struct Pace {
    period: Duration,
    quiet_looks: u32,
}

impl Pace {
    fn new() -> Pace {
        Pace { period: PERIOD, quiet_looks: 0 }
    }

    /// Whether nobody has polled for so long that the monitor may sleep.
    fn is_quiet(&self) -> bool {
        self.quiet_looks >= QUIET_LOOKS
    }

    /// Notes what a look has seen.
    fn record(&mut self, all_parked: bool, has_polled: bool) {
        self.period = if all_parked { (self.period * 2).min(PERIOD_MAX) } else { PERIOD };
        let is_quiet = all_parked && !has_polled;
        self.quiet_looks = if is_quiet { self.quiet_looks + 1 } else { 0 };
    }
}

/// Looks at one place and acts if its worker is still in the poll it was in before.
fn look(shared: &'static Shared, place: &'static Place, watch: &mut Watch) {
    let pulse = place.pulse.lock().clone();
    let reading = pulse.as_ref().map_or(0, |pulse| pulse.read());
    let is_same_thread = match (&watch.pulse, &pulse) {
        (Some(before), Some(now)) => Arc::ptr_eq(before, now),
        _ => false,
    };
    let is_same_poll = is_same_thread && reading == watch.reading && reading % 2 == 1;
    watch.looks = if is_same_poll { watch.looks.saturating_add(1) } else { 0 };
    if !is_same_poll {
        watch.asked = 0;
    }
    watch.reading = reading;
    watch.pulse.clone_from(&pulse);
    if watch.looks == 1 {
        expose_last_in(shared, place);
    }
    watch.asked = watch.asked.saturating_sub(1);
    if watch.looks < LOOKS - 1 || watch.asked > 0 || !has_waiting(shared, place) {
        return;
    }
    if let Some(pulse) = pulse {
        // Asked again later: the first thread may have come too late, or there was none.
        watch.asked = ASK_EVERY;
        shared.staff.fill(shared, Vacancy::stuck(place.index, pulse, reading));
    }
}

/// Whether anybody waits for the place of a blocked worker: a task, a deadline, a socket. If not,
/// a long computation keeps its place.
fn has_waiting(shared: &'static Shared, place: &'static Place) -> bool {
    if place.queued() > 0 || !shared.injector.is_empty() {
        return true;
    }
    let has_sources = place.driver.lock().as_ref().is_some_and(|driver| driver.sources() > 0);
    has_sources
        || place.core.with(|core, _| core.next.is_some())
        || place.timers.is_due(context::system_clock().now_ns())
}

/// Moves the last-in task of a worker in a long poll to where others can steal it.
fn expose_last_in(shared: &'static Shared, place: &'static Place) {
    place.core.with(|core, _| {
        if let Some(task) = core.next.take() {
            place.queue.push(&mut core.ownership, task);
        }
    });
    // Also with an empty queue: the searcher turns the driver of the blocked worker.
    shared.wake_one();
}

#[cfg(all(test, not(reveille_loom)))]
mod tests {
    use reveille_primitive::biased::Identity;

    use super::super::bad_days_tests::task;
    use super::super::place::Seat;
    use super::*;

    #[test]
    fn looks_become_rare_while_all_are_parked_and_often_when_one_is_awake() {
        let mut pace = Pace::new();
        let periods: Vec<_> = (0..5)
            .map(|_| {
                pace.record(true, true);
                pace.period.as_millis()
            })
            .collect();
        assert_eq!(periods, [8, 16, 32, 64, 64]);
        assert!(!pace.is_quiet(), "somebody polls between the looks");
        pace.record(false, true);
        assert_eq!(pace.period, PERIOD);
    }

    #[test]
    fn it_may_sleep_when_nobody_has_polled_for_a_while() {
        let mut pace = Pace::new();
        (1..QUIET_LOOKS).for_each(|_| pace.record(true, false));
        assert!(!pace.is_quiet());
        pace.record(true, false);
        assert!(pace.is_quiet());
        pace.record(true, true);
        assert!(!pace.is_quiet());
    }

    #[test]
    fn the_last_in_task_is_out_of_a_thief_s_reach_until_the_poll_was_seen_twice() {
        let shared = Shared::unused(1);
        let place = shared.place(0);
        let (config, identity) = (Config::default(), Identity::unique());
        place.give(Some(&identity.recipient()));
        let pulse = Arc::new(Pulse::new());
        *place.pulse.lock() = Some(Arc::clone(&pulse));
        let driver = config.driver().expect("a driver");
        let seat = Seat::new(place, identity, driver, &config, Arc::clone(&pulse));
        let (mut watch, mut stolen) = (Watch::default(), Vec::new());

        pulse.beat();
        look(shared, place, &mut watch);
        seat.push(task(shared), true).expect("the place is ours");
        assert_eq!(place.queue.steal(&mut stolen), 0, "it was woken a moment ago");
        pulse.beat();
        pulse.beat();
        look(shared, place, &mut watch);
        assert_eq!(place.queue.steal(&mut stolen), 0, "the poll is another");
        look(shared, place, &mut watch);
        assert_eq!(place.queue.steal(&mut stolen), 1, "the poll is the same");

        drop(stolen);
        place.give(None);
    }
}
