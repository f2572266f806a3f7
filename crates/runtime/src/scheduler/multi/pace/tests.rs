//! Tests of a worker's pace, with given times.

use super::*;

const START_NS: u64 = 1_000_000_000;

/// A worker that has run for a while, with polls of `poll_ns`. The time of its last clock read.
fn running(poll_ns: u64) -> (WorkerPace, u64) {
    let (mut pace, mut now_ns) = (WorkerPace::new(START_NS), START_NS);
    for _ in 0..10_000 {
        poll(&mut pace, &mut now_ns, poll_ns);
    }
    while !pace.is_maintenance_due() {
        poll(&mut pace, &mut now_ns, poll_ns);
    }
    pace.read_clock(now_ns);
    (pace, now_ns)
}

fn poll(pace: &mut WorkerPace, now_ns: &mut u64, poll_ns: u64) {
    if pace.is_maintenance_due() {
        pace.read_clock(*now_ns);
    }
    pace.count_poll();
    *now_ns += poll_ns;
}

/// Polls until the next read of the clock.
fn polls_until_maintenance(pace: &mut WorkerPace) -> u32 {
    let first = pace.tick;
    while !pace.is_maintenance_due() {
        pace.count_poll();
    }
    pace.tick - first
}

#[test]
fn the_mean_follows_the_polls() {
    for poll_ns in [10, 1_000, 100_000] {
        let (pace, _) = running(poll_ns);
        assert!(pace.mean_poll_ns.abs_diff(poll_ns) <= poll_ns / 10 + 4, "{pace:?}");
    }
}

#[test]
fn a_long_poll_among_short_ones_has_a_weight_of_a_quarter_at_most() {
    assert_eq!(next_mean(1_000, 1_000_000, 1), (63 * 1_000 + 1_000_000) / 64);
    assert_eq!(next_mean(1_000, 1_000_000, 16), (3 * 1_000 + 1_000_000) / 4);
    assert_eq!(next_mean(1_000, 1_000_000, 64), next_mean(1_000, 1_000_000, 16));
}

#[test]
fn the_lifo_slot_comes_first_for_ten_microseconds_within_bounds() {
    let limits = [0, 100, 1_000, 2_000, 10_000_000].map(lifo_polls_max);
    assert_eq!(limits, [15, 15, 10, 5, 3]);
    let (mut pace, _) = running(2_000);
    pace.set_lifo_polls(4);
    assert!(pace.may_take_lifo());
    pace.set_lifo_polls(5);
    assert!(!pace.may_take_lifo());
}

#[test]
fn the_clock_is_read_every_64_short_polls_and_every_millisecond_of_long_ones() {
    assert_eq!(polls_until_maintenance(&mut running(100).0), 64);
    assert_eq!(polls_until_maintenance(&mut running(100_000).0), 10);
    assert_eq!(polls_until_maintenance(&mut running(5_000_000).0), 1);
}

#[test]
fn one_long_poll_shortens_the_interval_at_once_and_it_grows_by_doubling() {
    let (mut pace, mut now_ns) = running(100);
    polls_until_maintenance(&mut pace);
    now_ns += 64 * 2_000_000;
    pace.read_clock(now_ns);
    assert_eq!(polls_until_maintenance(&mut pace), 1);
    let intervals = [2, 4, 8, 16].map(|_| next_interval(100, pace.maintenance_interval));
    assert_eq!(intervals, [2; 4]);
    assert_eq!(next_interval(100, 32), 64);
    assert_eq!(next_interval(100, 64), 64);
}

#[test]
fn a_sibling_is_woken_for_enough_queued_work() {
    let (mut short, _) = running(100);
    assert!(!short.is_worth_sharing(250));
    let (mut long, _) = running(100_000);
    assert!(long.is_worth_sharing(1));
    assert!(!long.is_worth_sharing(0));
}

#[test]
fn no_sibling_is_woken_for_a_queue_that_was_empty_once_in_its_window() {
    let window = |lengths: [u64; 4]| {
        let (mut pace, mut now_ns) = running(1_000);
        // The end of a window that began elsewhere.
        pace.window_checks = WINDOW_CHECKS - 1;
        pace.window_tick = pace.tick;
        pace.is_lasting_worth_sharing();
        let mut results = Vec::new();
        for length in lengths {
            for _ in 0..CLOCK_EVERY {
                poll(&mut pace, &mut now_ns, 1_000);
                pace.is_worth_sharing(length);
            }
            pace.read_clock(now_ns);
            results.push(pace.is_lasting_worth_sharing());
        }
        results
    };
    assert_eq!(window([10; 4]), [false, false, false, true]);
    assert_eq!(window([10, 0, 10, 10]), [false; 4]);
}

#[test]
fn the_first_polls_after_a_sleep_are_not_taken_to_be_long() {
    let (mut pace, mut now_ns) = running(1_000);
    pace.waited(now_ns, now_ns + 100_000_000, 1);
    now_ns += 100_000_000;
    for _ in 0..10 {
        pace.count_poll();
    }
    let mean_ns = pace.read_clock(now_ns + 100_000).expect("polls were counted");
    assert!(mean_ns <= 1_100, "{mean_ns}");
}

#[test]
fn a_read_of_the_clock_without_polls_changes_no_mean() {
    let (mut pace, now_ns) = running(1_000);
    assert_eq!(pace.read_clock(now_ns + 5_000_000), None);
}

#[test]
fn events_that_were_there_already_start_a_busy_poll() {
    let (mut pace, now_ns) = running(1_000);
    let after_wait = |pace: &mut WorkerPace, length_ns, events| {
        pace.waited(now_ns, now_ns + length_ns, events);
        pace.turned(now_ns + length_ns);
        pace.is_busy_polling()
    };
    assert!(after_wait(&mut pace, 1_000, 3));
    pace.turned(now_ns + 2_000_000);
    assert!(!pace.is_busy_polling());
    assert!(!after_wait(&mut pace, 1_000, 0));
    assert!(!after_wait(&mut pace, 10_000, 3));
    assert!(after_wait(&mut pace, 1_000, 3));
    pace.end_busy_poll();
    assert!(!pace.is_busy_polling());
}

#[test]
fn driver_and_timers_are_turned_every_hundred_microseconds() {
    let (mut pace, now_ns) = running(1_000);
    pace.turned(now_ns);
    pace.timed(now_ns);
    assert!(!pace.is_turn_due(now_ns + 99_999) && !pace.are_timers_due(now_ns + 99_999));
    assert!(pace.is_turn_due(now_ns + 100_000) && pace.are_timers_due(now_ns + 100_000));
}
