//! Fork-join: a recursion whose upper levels are tasks, against the same recursion without tasks.

use std::hint::black_box;
use std::pin::Pin;
use std::time::Instant;

use crate::measure::{Meter, RunConfig, Sample};
use crate::rt::Rt;

/// A recursion: Fibonacci of `number`, with tasks down to `leaf` and without below.
#[derive(Clone, Copy, Debug)]
pub struct Tree {
    number: u64,
    leaf: u64,
}

/// About 2,600 spawns with a few hundred nanoseconds of work each.
pub const FINE: Tree = Tree { number: 27, leaf: 12 };

/// About 230 spawns for eleven times as much work in total.
pub const COARSE: Tree = Tree { number: 32, leaf: 22 };

/// The whole recursion. `wall` and `cpu` are per recursion. `serial` is the time without tasks.
pub fn run<R: Rt>(config: &RunConfig, tree: Tree) -> Sample {
    let rt = R::start(config.workers);
    let started = Instant::now();
    let mut serials: u32 = 0;
    while serials < 3 || started.elapsed() < config.time / 5 {
        black_box(fibonacci(black_box(tree.number)));
        serials += 1;
    }
    let serial = started.elapsed() / serials;
    let mut meter = Meter::new(config);
    let sample = rt.block_on_task(async move {
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
