//! The monitor goes to sleep while workers poll, under loom: every polling worker is watched.
#![cfg(reveille_loom)]
#![expect(dead_code, reason = "the file is included whole, and a model uses a part of it")]

use reveille_watchdog as _;

#[path = "../src/scheduler/multi/idle.rs"]
mod idle;
#[path = "modelled/timer.rs"]
mod timer;
#[path = "../src/scheduler/multi/watchdog.rs"]
mod watchdog;

use std::time::Duration;

use idle::Idle;
use loom::sync::Arc;
use loom::thread;
use timer::Timer;
use watchdog::Watchdog;

/// A pool in miniature: its sleepers, and the monitor's watchdog.
struct Pool {
    watchdog: Watchdog<Timer>,
    timer: Timer,
    idle: Idle,
    workers: usize,
}

impl Pool {
    /// All workers are parked, and the monitor looks.
    fn new(workers: usize) -> Arc<Pool> {
        let timer = Timer::new();
        let watchdog = Watchdog::new();
        watchdog.begin(timer.clone());
        let idle = Idle::new(workers);
        (0..workers).for_each(|worker| idle.park(worker));
        Arc::new(Pool { watchdog, timer, idle, workers })
    }

    fn are_parked(&self) -> bool {
        self.idle.parked_count() == self.workers
    }

    fn is_one_awake(&self) -> bool {
        self.idle.parked_count() + 1 == self.workers
    }

    /// As `WorkerThread::park` when it ends, and `WorkerThread::poll`.
    fn begin_poll(&self, worker: usize) {
        self.idle.unpark(worker);
        self.watchdog.set(Duration::from_millis(4));
    }

    /// As `WorkerThread::park` when it begins.
    fn park(&self, worker: usize) {
        self.idle.park(worker);
        self.watchdog.clear(|| self.are_parked(), || 0);
    }

    fn sleep(&self) -> bool {
        self.watchdog.sleep(|| self.are_parked(), 0)
    }

    /// What holds once every thread stands still.
    fn check(&self, is_resting: bool) {
        let will_ring = self.timer.is_set();
        if self.are_parked() {
            assert!(!(is_resting && will_ring), "the monitor is woken for nothing");
        } else {
            assert!(!is_resting || will_ring, "a worker polls and nobody watches it");
        }
    }
}

fn run(pool: &Arc<Pool>, body: impl FnOnce(&Pool) + Send + 'static) -> thread::JoinHandle<()> {
    let pool = Arc::clone(pool);
    thread::spawn(move || body(&pool))
}

#[test]
fn a_worker_that_begins_while_the_monitor_goes_to_rest_is_watched() {
    loom::model(|| {
        let pool = Pool::new(1);
        let worker = run(&pool, |pool| pool.begin_poll(0));
        let is_resting = pool.sleep();
        worker.join().unwrap();
        pool.check(is_resting);
    });
}

#[test]
fn a_worker_that_parks_does_not_clear_the_alarm_of_one_that_begins() {
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
fn when_the_last_has_parked_the_alarm_is_clear() {
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
        assert!(!pool.timer.is_set(), "the first is no longer alone");
    });
}

#[test]
fn the_end_wakes_the_monitor_whatever_the_workers_do() {
    loom::model(|| {
        let pool = Pool::new(1);
        pool.begin_poll(0);
        let worker = run(&pool, |pool| pool.park(0));
        let ender = run(&pool, |pool| pool.watchdog.end());
        let is_resting = pool.sleep();
        worker.join().unwrap();
        ender.join().unwrap();
        assert!(!is_resting || pool.timer.is_set(), "it sleeps for ever");
        assert!(!pool.sleep());
    });
}
