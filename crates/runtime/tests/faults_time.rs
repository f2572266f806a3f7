//! Faults of other runtimes' timers, which this one must not have. `tests/FAULTS.md` lists them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use reveille_runtime::Builder;
use reveille_runtime::time::Sleep;

#[test]
fn a_loop_of_sleeps_that_are_over_at_once_lets_others_run() {
    let runtime = Builder::new().workers(1).max_spare_threads(0).build().unwrap();
    let is_over = Arc::new(AtomicBool::new(false));
    let watched = Arc::clone(&is_over);
    let looping = runtime.spawn(async move {
        while !watched.load(Ordering::Relaxed) {
            Sleep::after(Duration::ZERO).await;
        }
    });
    runtime.block_on(runtime.spawn(async move { is_over.store(true, Ordering::Relaxed) }));
    runtime.block_on(looping);
}
