//! A clock that jumps, which only a virtual clock does on demand.

use std::sync::Arc;
use std::time::Duration;

use super::start::start;
use crate::config::Config;
use crate::runtime::Runtime;
use crate::scheduler::sleep::Sleep;
use crate::timer::clock::{Clock, VirtualClock};
use crate::yield_now;

/// A runtime of one worker, with a clock that moves only when it is set.
fn with_virtual_clock() -> (Runtime, Arc<VirtualClock>) {
    let (clock, hands) = Clock::virtual_at_origin();
    let config = Config { workers: Some(1), max_spare_threads: 0, clock, ..Config::default() };
    (Runtime::new(start(config).unwrap()), hands)
}

/// Makes the worker read its clock, which it does when it has nothing to do.
fn read_clock(runtime: &Runtime) {
    for _ in 0..3 {
        runtime.block_on(runtime.spawn(yield_now()));
    }
}

#[test]
fn a_clock_that_jumps_forward_ends_the_sleeps_it_passed_and_no_other() {
    let (runtime, hands) = with_virtual_clock();
    let sleep = |hours: u64| {
        runtime.spawn(async move {
            Sleep::after(Duration::from_secs(3_600 * hours)).await;
        })
    };
    let sleeps: Vec<_> = [1, 2, 24 * 365 * 100].map(sleep).into_iter().collect();
    read_clock(&runtime);
    hands.advance(Duration::from_secs(3_599));
    read_clock(&runtime);
    assert!(sleeps.iter().all(|sleep| !sleep.is_finished()));
    hands.advance(Duration::from_secs(3_602));
    while !sleeps[0].is_finished() || !sleeps[1].is_finished() {
        read_clock(&runtime);
    }
    assert!(!sleeps[2].is_finished());
    hands.advance(Duration::MAX);
    while !sleeps[2].is_finished() {
        read_clock(&runtime);
    }
    println!("jumps of 3,602 s and of {:?}: 3 sleeps, none early, none lost", Duration::MAX);
}

#[test]
fn a_clock_that_jumps_back_ends_no_sleep_early_and_stops_no_task() {
    let (runtime, hands) = with_virtual_clock();
    hands.set_ns(10_000_000_000);
    let before = runtime.spawn(async { Sleep::after(Duration::from_millis(100)).await });
    read_clock(&runtime);
    hands.jump_back_to_ns(5_000_000_000);
    read_clock(&runtime);
    let after = runtime.spawn(async { Sleep::after(Duration::from_millis(100)).await });
    read_clock(&runtime);
    assert!(!before.is_finished() && !after.is_finished());
    hands.set_ns(5_100_000_000);
    while !after.is_finished() {
        read_clock(&runtime);
    }
    hands.set_ns(10_099_999_999);
    read_clock(&runtime);
    assert!(!before.is_finished());
    hands.set_ns(10_100_000_000);
    while !before.is_finished() {
        read_clock(&runtime);
    }
    println!("a jump back of 5 s: 2 sleeps of 100 ms, none early by the clock of their deadline");
}

#[test]
fn a_clock_that_jumps_back_between_a_wake_and_its_poll_ends_no_sleep_early() {
    let (runtime, hands) = with_virtual_clock();
    hands.set_ns(10_000_000_000);
    // One turn wakes both tasks. The one that is polled first sets the clock back.
    let sleeps = [(); 2].map(|()| {
        let hands = Arc::clone(&hands);
        runtime.spawn(async move {
            Sleep::after(Duration::from_millis(100)).await;
            hands.jump_back_to_ns(5_000_000_000);
        })
    });
    let ended = || sleeps.iter().filter(|sleep| sleep.is_finished()).count();
    read_clock(&runtime);
    hands.set_ns(10_100_000_000);
    while ended() == 0 {
        read_clock(&runtime);
    }
    read_clock(&runtime);
    assert_eq!(ended(), 1);
    hands.set_ns(10_100_000_000);
    while ended() == 1 {
        read_clock(&runtime);
    }
}
