//! Prints how late a sleep of 1 ms ends: the system's own, and reveille's.
//!
//! ```text
//! sleep_overshoot [ROUNDS]
//! ```
//!
//! The system's own is `std::thread::sleep`: `clock_nanosleep` on Linux, and a waitable timer of
//! high resolution on Windows. No check depends on the figures.
#![expect(clippy::disallowed_methods, reason = "the system's clock and sleep are what it measures")]

use std::time::{Duration, Instant};

use reveille::task;

const TIME: Duration = Duration::from_millis(1);

fn main() {
    let rounds = std::env::args().nth(1).map_or(300, |text| text.parse().expect("a number"));
    let mut bare = Vec::new();
    for _ in 0..rounds {
        let start = Instant::now();
        std::thread::sleep(TIME);
        bare.push(start.elapsed());
    }
    print("the system's own", bare);
    print("in block_on", task::block_on(sleeps(rounds)));
    print("in a task", task::block_on(task::spawn(sleeps(rounds))));
}

async fn sleeps(rounds: usize) -> Vec<Duration> {
    let mut times = Vec::new();
    for _ in 0..rounds {
        let start = Instant::now();
        task::sleep(TIME).await;
        times.push(start.elapsed());
    }
    times
}

fn print(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let late_us = |part: usize| (times[times.len() * part / 100] - TIME).as_micros();
    let (median, most) = (late_us(50), late_us(99));
    println!("sleep(1 ms), {what}: median {median} us late, 99 % at most {most} us late");
}
