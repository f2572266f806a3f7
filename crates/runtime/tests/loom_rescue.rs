//! The watcher's rest against a thread in `block_on` that wakes up, under loom: an awake thread is
//! watched.
#![cfg(reveille_loom)]
#![expect(dead_code, reason = "the files are included whole, and a model uses a part of them")]

use reveille_watchdog as _;

#[path = "../src/scheduler/rescue/rounds.rs"]
mod rounds;
#[path = "../src/scheduler/multi/watchdog.rs"]
mod watchdog;

use std::time::Duration;

use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;
use rounds::Rounds;
use watchdog::{Watchdog, WatchdogTimer};

/// Whether the alarm will ring.
#[derive(Clone)]
struct Bell(Arc<AtomicBool>);

impl WatchdogTimer for Bell {
    fn set(&self, _: Duration) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn clear(&self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// The watcher and the threads that it checks.
struct Watch {
    duty: Watchdog<Bell>,
    bell: Bell,
    threads: [Rounds; 2],
}

impl Watch {
    /// No thread is awake, and the watcher does not sleep.
    fn new() -> Arc<Watch> {
        let bell = Bell(Arc::new(AtomicBool::new(false)));
        let duty = Watchdog::new();
        duty.begin(bell.clone());
        Arc::new(Watch { duty, bell, threads: [Rounds::new(), Rounds::new()] })
    }

    /// As `Watched::wake`.
    fn wake(&self, thread: usize) {
        self.threads[thread].wake(|| self.duty.set(Duration::from_millis(4)));
    }

    /// As `Watch::run`. Returns whether the watcher sleeps until its alarm rings.
    fn sleep(&self) -> bool {
        self.duty.sleep(|| self.threads.iter().all(Rounds::is_quiet), 0)
    }

    fn is_watched(&self, is_asleep: bool) -> bool {
        !is_asleep || self.bell.0.load(Ordering::Relaxed)
    }
}

#[test]
fn a_thread_that_wakes_while_the_watcher_goes_to_rest_is_watched() {
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
