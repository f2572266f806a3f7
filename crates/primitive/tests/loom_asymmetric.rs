//! A model of the asymmetric barriers when the system begins to refuse the heavy one. Each side
//! stores, executes its barrier and loads, as in the biased lock.
#![cfg(reveille_loom)]

use reveille_watchdog as _;

use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, Ordering, fence};
use loom::thread;
use reveille_primitive::model::{Asymmetric, System};

/// A system that refuses its barrier. Its sweep waits until the core of the light side has switched
/// threads, which executes a full barrier there.
#[derive(Clone)]
struct Sandbox {
    is_sweeping: Arc<AtomicBool>,
    has_switched: Arc<AtomicBool>,
}

impl System for Sandbox {
    fn compiler_fence(&self) {}

    fn register(&self) -> bool {
        true
    }

    fn barrier(&self) -> bool {
        false
    }

    fn sweep(&self) {
        self.is_sweeping.store(true, Ordering::Release);
        while !self.has_switched.load(Ordering::Acquire) {
            thread::yield_now();
        }
    }
}

/// The light side stores, executes its barrier and loads. Its core switches threads at one of three
/// points if the sweep has begun by then, and otherwise at the end.
fn at_least_one_sees_the_other(switches_at: usize, closes_at: usize) {
    loom::model(move || {
        let unset = || Arc::new(AtomicBool::new(false));
        let system = Sandbox { is_sweeping: unset(), has_switched: unset() };
        let pair = Arc::new(Asymmetric::new(system.clone()));
        pair.prepare();
        let (inside, closed) = (unset(), unset());
        let heavy = {
            let (pair, inside, closed) = (pair.clone(), inside.clone(), closed.clone());
            thread::spawn(move || {
                // The barrier that the system refuses, and one after it.
                for round in 0..2 {
                    if round == closes_at {
                        closed.store(true, Ordering::Relaxed);
                    }
                    pair.heavy();
                }
                inside.load(Ordering::Acquire)
            })
        };
        let switch = |point| {
            if point == switches_at && system.is_sweeping.load(Ordering::Acquire) {
                fence(Ordering::SeqCst);
                system.has_switched.store(true, Ordering::Release);
            }
        };
        switch(0);
        inside.store(true, Ordering::Relaxed);
        switch(1);
        pair.light();
        switch(2);
        let is_closed = closed.load(Ordering::Acquire);
        while !system.is_sweeping.load(Ordering::Acquire) {
            thread::yield_now();
        }
        system.has_switched.store(true, Ordering::Release);
        let is_inside = heavy.join().unwrap();
        assert!(is_closed || is_inside, "both would be inside");
    });
}

#[test]
fn one_side_sees_the_other_whenever_the_light_core_is_swept() {
    for closes_at in 0..2 {
        (0..3).for_each(|switches_at| at_least_one_sees_the_other(switches_at, closes_at));
    }
}
