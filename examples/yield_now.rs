//! A long computation gives way: `yield_now`.
//!
//! A task keeps its thread until it awaits something that is not ready. A computation without an
//! await keeps it to the end: on a single thread, everything else starves meanwhile. An await of
//! `yield_now` now and then lets the others have their turn.
//!
//! Here a computation and a heart share one thread. The heart beats each time it is polled. How
//! often it beats while the computation runs is counted in polls, not in time, so the figures are
//! the same on every machine.

use std::cell::Cell;
use std::rc::Rc;

use reveille::task;

/// Steps of the computation.
const STEPS: u64 = 100_000;

/// How many steps between two yields: rarely enough to cost nothing, often enough to be polite.
const STEPS_PER_TURN: u64 = 1_000;

/// Finds how many steps the number needs to come down to one by the rule of Collatz.
fn collatz(mut number: u64) -> u32 {
    let mut steps = 0;
    while number != 1 {
        number = if number.is_multiple_of(2) { number / 2 } else { 3 * number + 1 };
        steps += 1;
    }
    steps
}

/// Finds the number below [`STEPS`] that takes longest.
async fn longest(is_polite: bool) -> u64 {
    let mut best = (0, 0);
    for number in 1..STEPS {
        best = best.max((collatz(number), number));
        if is_polite && number % STEPS_PER_TURN == 0 {
            task::yield_now().await;
        }
    }
    best.1
}

async fn beat(beats: Rc<Cell<u32>>) {
    loop {
        beats.set(beats.get() + 1);
        task::yield_now().await;
    }
}

/// Runs computation and heart side by side and counts the beats in between.
async fn beats_during(is_polite: bool) -> u32 {
    let beats = Rc::new(Cell::new(0));
    let heart = task::spawn_local(beat(beats.clone()));
    let work = task::spawn_local(async move {
        let before = beats.get();
        let number = longest(is_polite).await;
        (number, beats.get() - before)
    });
    let (number, during) = work.await;
    heart.cancel().await;
    println!("  the number that takes longest is {number}");
    during
}

fn main() {
    task::block_on(async {
        println!("without yield_now:");
        let starved = beats_during(false).await;
        println!("  the heart stood still: {}", starved == 0);

        println!("with yield_now:");
        let fed = beats_during(true).await;
        println!("  the heart went on: {}", fed >= (STEPS / STEPS_PER_TURN / 2) as u32);
    });
}
