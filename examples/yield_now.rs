//! A long computation yields: `yield_now`.
//!
//! A task keeps its thread until it awaits something that is not ready. A computation without an
//! await keeps the thread until it ends. On a single thread, all other tasks starve until then. An
//! occasional `yield_now().await` lets them run.
//!
//! Here a computation and a heart share one thread. The heart beats each time it is polled. The
//! example counts the beats during the computation. It counts polls, not time, so the result is the
//! same on every machine.

use std::cell::Cell;
use std::rc::Rc;

use reveille::task;

/// The number of steps of the computation.
const STEPS: u64 = 100_000;

/// The steps between two yields. Yields this rare cost almost nothing, and the heart still beats.
const STEPS_PER_TURN: u64 = 1_000;

/// Returns the number of Collatz steps from `number` to one.
fn collatz(mut number: u64) -> u32 {
    let mut steps = 0;
    while number != 1 {
        number = if number.is_multiple_of(2) { number / 2 } else { 3 * number + 1 };
        steps += 1;
    }
    steps
}

/// Returns the number below [`STEPS`] that takes the most Collatz steps.
async fn longest(yields: bool) -> u64 {
    let mut best = (0, 0);
    for number in 1..STEPS {
        best = best.max((collatz(number), number));
        if yields && number % STEPS_PER_TURN == 0 {
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

/// Runs the computation and the heart side by side, and counts the beats during the computation.
async fn beats_during(yields: bool) -> u32 {
    let beats = Rc::new(Cell::new(0));
    let heart = task::spawn_local(beat(beats.clone()));
    let work = task::spawn_local(async move {
        let before = beats.get();
        let number = longest(yields).await;
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
