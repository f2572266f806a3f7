//! Models of the monitor that goes to sleep while workers poll: every polling worker is watched.
#![cfg(reveille_loom)]
#![expect(dead_code, reason = "the file is included whole, and a model uses a part of it")]

use reveille_watchdog as _;

#[path = "../src/scheduler/multi/idle.rs"]
mod idle;
#[path = "../src/scheduler/multi/observers.rs"]
mod observers;
#[path = "modelled/timer.rs"]
mod timer;
#[path = "../src/scheduler/watchdog.rs"]
mod watchdog;

// Not loom's: the time is not a part of the protocol.
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use idle::Idle;
use loom::sync::Arc;
use loom::thread;
use observers::Observers;
use timer::Timer;
use watchdog::Watchdog;

const SECOND_NS: u64 = 1_000_000_000;

/// A minimal pool: its idle workers, and the monitor's watchdog.
struct Pool {
    watchdog: Watchdog<Timer>,
    timer: Timer,
    idle: Idle,
    observers: Observers,
    workers: usize,
    /// The time of the last park that was long after the one before it.
    time_ns: AtomicU64,
}

impl Pool {
    /// All workers are parked, and the monitor is awake.
    fn new(workers: usize) -> Arc<Pool> {
        let timer = Timer::new();
        let watchdog = Watchdog::new();
        watchdog.begin(timer.clone());
        let idle = Idle::new(workers);
        (0..workers).for_each(|worker| idle.park(worker));
        let (observers, time_ns) = (Observers::new(), AtomicU64::new(0));
        Arc::new(Pool { watchdog, timer, idle, observers, workers, time_ns })
    }

    /// The workers have just begun, or are all parked. The monitor has no thread.
    fn without_monitor(workers: usize, are_parked: bool) -> Arc<Pool> {
        let timer = Timer::new();
        let watchdog = Watchdog::new();
        watchdog.begin_asleep(timer.clone());
        let (idle, observers) = (Idle::new(workers), Observers::new());
        (0..workers).filter(|_| are_parked).for_each(|worker| idle.park(worker));
        observers.reset(workers);
        Arc::new(Pool { watchdog, timer, idle, observers, workers, time_ns: AtomicU64::new(0) })
    }

    /// Like [`Pool::begin_poll`], for a worker that is an observer. Returns whether it starts the
    /// monitor.
    fn begin_poll_without_monitor(&self, worker: usize) -> bool {
        self.idle.unpark(worker);
        let is_last = self.observers.end();
        self.watchdog.set(Duration::from_millis(4));
        is_last
    }

    /// Like [`Pool::park`], for a worker that has polled.
    fn park_without_monitor(&self, worker: usize) {
        self.observers.begin();
        self.park(worker);
    }

    fn are_parked(&self) -> bool {
        self.idle.parked_count() == self.workers
    }

    fn is_one_awake(&self) -> bool {
        self.idle.parked_count() + 1 == self.workers
    }

    /// Like the end of `WorkerThread::park`, and `WorkerThread::poll`.
    fn begin_poll(&self, worker: usize) {
        self.idle.unpark(worker);
        self.watchdog.set(Duration::from_millis(4));
    }

    /// Like the start of `WorkerThread::park`, long after the last one.
    fn park(&self, worker: usize) {
        self.idle.park(worker);
        let later = || self.time_ns.fetch_add(SECOND_NS, Ordering::Relaxed) + SECOND_NS;
        self.watchdog.clear(|| self.are_parked(), later);
    }

    /// The same, too soon after the last park.
    fn park_again(&self, worker: usize) {
        self.idle.park(worker);
        self.watchdog.clear(|| self.are_parked(), || self.time_ns.load(Ordering::Relaxed));
    }

    fn sleep(&self) -> bool {
        self.watchdog.sleep(|| self.are_parked(), 0)
    }

    /// Checks the state after all threads have stopped.
    fn check(&self, is_resting: bool) {
        let will_ring = self.timer.is_set();
        if self.are_parked() {
            assert!(!(is_resting && will_ring), "the monitor will be woken without a reason");
        } else {
            assert!(!is_resting || will_ring, "a worker polls and no thread watches it");
        }
    }
}

fn run(pool: &Arc<Pool>, body: impl FnOnce(&Pool) + Send + 'static) -> thread::JoinHandle<()> {
    let pool = Arc::clone(pool);
    thread::spawn(move || body(&pool))
}

#[test]
fn a_worker_that_starts_to_poll_while_the_monitor_goes_to_sleep_is_watched() {
    loom::model(|| {
        let pool = Pool::new(1);
        let worker = run(&pool, |pool| pool.begin_poll(0));
        let is_resting = pool.sleep();
        worker.join().unwrap();
        pool.check(is_resting);
    });
}

#[test]
fn a_worker_that_parks_does_not_clear_the_alarm_of_one_that_starts_to_poll() {
    loom::model(|| {
        let pool = Pool::new(2);
        let is_resting = pool.sleep();
        assert!(is_resting);
        pool.begin_poll(0);
        let parks = run(&pool, |pool| pool.park(0));
        pool.begin_poll(1);
        parks.join().unwrap();
        pool.check(is_resting);
    });
}

#[test]
fn the_alarm_is_clear_when_all_workers_are_parked() {
    loom::model(|| {
        let pool = Pool::new(2);
        let is_resting = pool.sleep();
        assert!(is_resting);
        let other = run(&pool, |pool| {
            pool.begin_poll(0);
            pool.park(0);
        });
        pool.begin_poll(1);
        pool.park(1);
        other.join().unwrap();
        pool.check(is_resting);
    });
}

#[test]
fn workers_that_park_too_often_leave_the_alarm_set_for_one_that_starts_to_poll() {
    loom::model(|| {
        let pool = Pool::new(2);
        assert!(pool.sleep());
        pool.begin_poll(0);
        let parks = run(&pool, |pool| pool.park_again(0));
        pool.begin_poll(1);
        parks.join().unwrap();
        assert!(pool.timer.is_set(), "a worker polls and no thread watches it");
        pool.park_again(1);
        pool.watchdog.defer(Duration::from_millis(4), || pool.is_one_awake());
        assert!(pool.timer.ring(), "the monitor checks once more when all are parked");
        pool.watchdog.begin_sampling();
        assert!(pool.sleep(), "then it sleeps");
    });
}

#[test]
fn a_second_worker_is_watched_while_the_first_defers_the_alarm() {
    loom::model(|| {
        let pool = Pool::new(2);
        pool.begin_poll(0);
        assert!(pool.watchdog.defer_to_worker(Duration::from_millis(4)));
        let second = run(&pool, |pool| pool.begin_poll(1));
        // Either the timer fires, or the first worker defers it until the second one is awake.
        let first = run(&pool, |pool| {
            pool.watchdog.defer(Duration::from_millis(4), || pool.is_one_awake());
            pool.park(0);
        });
        second.join().unwrap();
        first.join().unwrap();
        assert!(pool.timer.ring(), "a worker polls and no thread watches it");
        let is_alone = || pool.is_one_awake() && !pool.idle.is_parked(0);
        pool.watchdog.defer(Duration::from_millis(4), is_alone);
        assert!(!pool.timer.is_set(), "the first worker is no longer the only one awake");
    });
}

#[test]
fn without_a_monitor_a_parked_worker_hears_the_alarm_of_one_that_polls() {
    for are_parked in [false, true] {
        loom::model(move || {
            let pool = Pool::without_monitor(2, are_parked);
            let shared = Arc::clone(&pool);
            let other = thread::spawn(move || {
                let is_started = shared.begin_poll_without_monitor(0);
                shared.park_without_monitor(0);
                is_started
            });
            let is_started = pool.begin_poll_without_monitor(1);
            let is_started = other.join().unwrap() | is_started;
            let is_heard = pool.idle.is_parked(0) && pool.timer.is_set();
            assert!(is_started || is_heard, "a worker polls and no thread watches it");
        });
    }
}

#[test]
fn without_a_monitor_the_last_of_all_workers_that_poll_starts_it() {
    loom::model(|| {
        let pool = Pool::without_monitor(2, true);
        let shared = Arc::clone(&pool);
        let other = thread::spawn(move || shared.begin_poll_without_monitor(0));
        let is_started = pool.begin_poll_without_monitor(1);
        assert!(other.join().unwrap() != is_started, "one of them starts it");
    });
}

#[test]
fn a_shutdown_wakes_the_monitor_whatever_the_workers_do() {
    loom::model(|| {
        let pool = Pool::new(1);
        pool.begin_poll(0);
        let worker = run(&pool, |pool| pool.park(0));
        let ender = run(&pool, |pool| pool.watchdog.end());
        let is_resting = pool.sleep();
        worker.join().unwrap();
        ender.join().unwrap();
        assert!(!is_resting || pool.timer.is_set(), "the monitor never wakes up");
        assert!(!pool.sleep());
    });
}
