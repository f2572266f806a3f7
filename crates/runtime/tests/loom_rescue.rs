//! Models of the watcher that goes to sleep while a thread in `block_on` wakes up: an awake thread
//! is always watched.
#![cfg(reveille_loom)]
#![expect(dead_code, reason = "the files are included whole, and a model uses a part of them")]

use reveille_watchdog as _;

#[path = "../src/scheduler/rescue/rounds.rs"]
mod rounds;
#[path = "modelled/timer.rs"]
mod timer;
#[path = "../src/scheduler/watchdog.rs"]
mod watchdog;

use std::time::Duration;

use loom::sync::Arc;
use loom::thread;
use rounds::Rounds;
use timer::Timer;
use watchdog::Watchdog;

/// The watcher and the threads that it checks.
struct Watch {
    watchdog: Watchdog<Timer>,
    timer: Timer,
    threads: [Rounds; 2],
}

impl Watch {
    /// All threads are parked, and the watcher is awake.
    fn new() -> Arc<Watch> {
        let timer = Timer::new();
        let watchdog = Watchdog::new();
        watchdog.begin(timer.clone());
        Arc::new(Watch { watchdog, timer, threads: [Rounds::new(), Rounds::new()] })
    }

    /// Like `BlockOnWatch::wake`.
    fn wake(&self, thread: usize) {
        self.threads[thread].wake(|| {
            // The watcher has a thread that waits for the alarm.
            self.watchdog.set(Duration::from_millis(4));
        });
    }

    /// Like `Watcher::run`. Returns whether the watcher sleeps until its alarm rings.
    fn sleep(&self) -> bool {
        self.watchdog.sleep(|| self.threads.iter().all(Rounds::is_quiet), 0)
    }

    fn is_watched(&self, is_asleep: bool) -> bool {
        !is_asleep || self.timer.is_set()
    }
}

#[test]
fn a_thread_that_wakes_while_the_watcher_goes_to_sleep_is_watched() {
    loom::model(|| {
        let watch = Watch::new();
        let other = Arc::clone(&watch);
        let watcher = thread::spawn(move || other.sleep());
        watch.wake(0);
        let is_asleep = watcher.join().unwrap();
        assert!(watch.is_watched(is_asleep));
    });
}

#[test]
fn a_thread_that_wakes_while_another_parks_is_watched() {
    loom::model(|| {
        let watch = Watch::new();
        watch.wake(1);
        let other = Arc::clone(&watch);
        let parking = thread::spawn(move || other.threads[1].sleep());
        let other = Arc::clone(&watch);
        let watcher = thread::spawn(move || other.sleep());
        watch.wake(0);
        parking.join().unwrap();
        let is_asleep = watcher.join().unwrap();
        assert!(watch.is_watched(is_asleep));
    });
}
