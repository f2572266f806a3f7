//! Fork and join: a recursion whose upper levels are tasks, against the same one serial.

use std::hint::black_box;
use std::pin::Pin;
use std::time::Instant;

use crate::measure::{Effort, Meter, Sample};
use crate::rt::Rt;

/// A recursion: Fibonacci of `number`, by tasks down to `leaf`, serial below.
#[derive(Clone, Copy, Debug)]
pub struct Tree {
    number: u64,
    leaf: u64,
}

/// About 2,600 spawns of some hundred nanoseconds' work each.
pub const FINE: Tree = Tree { number: 27, leaf: 12 };

/// About 230 spawns over eleven times that work.
pub const COARSE: Tree = Tree { number: 32, leaf: 22 };

/// The whole recursion. `wall` and `cpu` per recursion, `serial` the same work without a task.
pub fn run<R: Rt>(effort: &Effort, tree: Tree) -> Sample {
    let rt = R::start(effort.workers);
    let started = Instant::now();
    let mut serials: u32 = 0;
    while serials < 3 || started.elapsed() < effort.time / 5 {
        black_box(fibonacci(black_box(tree.number)));
        serials += 1;
    }
    let serial = started.elapsed() / serials;
    let mut meter = Meter::new(effort);
    let sample = rt.inside(async move {
        while meter.is_running() {
            black_box(fork::<R>(tree).await);
            meter.add(1);
        }
        meter.finish()
    });
    sample.with("serial", serial.as_nanos() as f64)
}

fn fork<R: Rt>(tree: Tree) -> Pin<Box<dyn Future<Output = u64> + Send>> {
    Box::pin(async move {
        let Tree { number, leaf } = tree;
        if number < leaf {
            return fibonacci(number);
        }
        let left = R::spawn(fork::<R>(Tree { number: number - 1, leaf }));
        let right = fork::<R>(Tree { number: number - 2, leaf }).await;
        left.await + right
    })
}

#[inline(never)]
fn fibonacci(number: u64) -> u64 {
    if number < 2 { number } else { fibonacci(number - 1) + fibonacci(number - 2) }
}
