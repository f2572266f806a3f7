//! Spawning: what a task costs from its making to its end. Per task.

use std::hint::black_box;
use std::sync::Arc;

use crate::measure::{Effort, Meter, Sample};
use crate::rt::Rt;
use crate::signal::Countdown;

/// Spawns `count` tasks and awaits them in order, again and again, from inside a task.
pub fn join<R: Rt>(effort: &Effort, count: usize) -> Sample {
    let rt = R::start(effort.workers);
    let mut meter = Meter::new(effort);
    rt.inside(async move {
        let mut handles = Vec::with_capacity(count);
        while meter.is_running() {
            handles.extend((0..count).map(|index| R::spawn(async move { index })));
            let mut sum = 0;
            for handle in handles.drain(..) {
                sum += handle.await;
            }
            black_box(sum);
            meter.add(count);
        }
        meter.finish()
    })
}

/// Spawns one task and awaits it.
pub fn one<R: Rt>(effort: &Effort) -> Sample {
    let rt = R::start(effort.workers);
    let mut meter = Meter::new(effort);
    rt.inside(async move {
        while meter.is_running() {
            for index in 0..1_000 {
                black_box(R::spawn(async move { index }).await);
            }
            meter.add(1_000);
        }
        meter.finish()
    })
}

/// Spawns `count` detached tasks; the last of them to run wakes the spawner.
pub fn detached<R: Rt>(effort: &Effort, count: usize) -> Sample {
    let rt = R::start(effort.workers);
    let mut meter = Meter::new(effort);
    rt.inside(async move {
        let countdown = Arc::new(Countdown::default());
        while meter.is_running() {
            countdown.reset(count);
            for _ in 0..count {
                let countdown = countdown.clone();
                R::detach(R::spawn(async move { countdown.done() }));
            }
            countdown.wait().await;
            meter.add(count);
        }
        meter.finish()
    })
}

/// Each task spawns the next one, `length` times, then the last one wakes the first.
pub fn chained<R: Rt>(effort: &Effort, length: usize) -> Sample {
    fn link<R: Rt>(left: usize, end: Arc<Countdown>) {
        R::detach(R::spawn(async move {
            if left == 0 { end.done() } else { link::<R>(left - 1, end) }
        }));
    }

    let rt = R::start(effort.workers);
    let mut meter = Meter::new(effort);
    rt.inside(async move {
        let end = Arc::new(Countdown::default());
        while meter.is_running() {
            end.reset(1);
            link::<R>(length - 1, end.clone());
            end.wait().await;
            meter.add(length);
        }
        meter.finish()
    })
}

/// Spawns `count` detached tasks from a thread outside the runtime, which sleeps until all ran.
///
/// The runtime is kept running by a second thread inside `block_on`, without which a
/// current-thread runtime would not run at all.
pub fn remote<R: Rt>(effort: &Effort, count: usize) -> Sample {
    let rt = Arc::new(R::start(effort.workers));
    let stop = Arc::new(Countdown::new(1));
    let host = std::thread::spawn({
        let (rt, stop) = (rt.clone(), stop.clone());
        move || rt.block_on(stop.wait())
    });
    let countdown = Arc::new(Countdown::default());
    let mut meter = Meter::new(effort);
    while meter.is_running() {
        countdown.reset(count);
        for _ in 0..count {
            let countdown = countdown.clone();
            R::detach(rt.spawn_outside(async move { countdown.done() }));
        }
        futures_lite::future::block_on(countdown.wait());
        meter.add(count);
    }
    let sample = meter.finish();
    stop.done();
    host.join().expect("the hosting thread does not panic");
    sample
}
