//! Spawning: the cost of a task from creation to completion. Per task.

use std::hint::black_box;
use std::sync::Arc;

use crate::measure::{Meter, RunConfig, Sample};
use crate::rt::Rt;
use crate::signal::WaitGroup;

/// Spawns `count` tasks from inside a task and awaits them in order, repeatedly.
pub fn join<R: Rt>(config: &RunConfig, count: usize) -> Sample {
    let rt = R::start(config.workers);
    let mut meter = Meter::new(config);
    rt.block_on_task(async move {
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
pub fn one<R: Rt>(config: &RunConfig) -> Sample {
    let rt = R::start(config.workers);
    let mut meter = Meter::new(config);
    rt.block_on_task(async move {
        while meter.is_running() {
            for index in 0..1_000 {
                black_box(R::spawn(async move { index }).await);
            }
            meter.add(1_000);
        }
        meter.finish()
    })
}

/// Spawns `count` detached tasks. The last one to run wakes the spawning task.
pub fn detached<R: Rt>(config: &RunConfig, count: usize) -> Sample {
    let rt = R::start(config.workers);
    let mut meter = Meter::new(config);
    rt.block_on_task(async move {
        let group = Arc::new(WaitGroup::default());
        while meter.is_running() {
            group.reset(count);
            for _ in 0..count {
                let group = group.clone();
                R::detach(R::spawn(async move { group.done() }));
            }
            group.wait().await;
            meter.add(count);
        }
        meter.finish()
    })
}

/// Each task spawns the next one, `length` times. The last one wakes the first.
pub fn chained<R: Rt>(config: &RunConfig, length: usize) -> Sample {
    fn link<R: Rt>(left: usize, end: Arc<WaitGroup>) {
        R::detach(R::spawn(async move {
            if left == 0 { end.done() } else { link::<R>(left - 1, end) }
        }));
    }

    let rt = R::start(config.workers);
    let mut meter = Meter::new(config);
    rt.block_on_task(async move {
        let end = Arc::new(WaitGroup::default());
        while meter.is_running() {
            end.reset(1);
            link::<R>(length - 1, end.clone());
            end.wait().await;
            meter.add(length);
        }
        meter.finish()
    })
}

/// Spawns `count` detached tasks from a thread outside the runtime, which sleeps until all have
/// run.
///
/// A second thread stays in `block_on`, because a current-thread runtime would not run otherwise.
pub fn remote<R: Rt>(config: &RunConfig, count: usize) -> Sample {
    let rt = Arc::new(R::start(config.workers));
    let stop = Arc::new(WaitGroup::new(1));
    let host = std::thread::spawn({
        let (rt, stop) = (rt.clone(), stop.clone());
        move || rt.block_on(stop.wait())
    });
    let group = Arc::new(WaitGroup::default());
    let mut meter = Meter::new(config);
    while meter.is_running() {
        group.reset(count);
        for _ in 0..count {
            let group = group.clone();
            R::detach(rt.spawn_outside(async move { group.done() }));
        }
        futures_lite::future::block_on(group.wait());
        meter.add(count);
    }
    let sample = meter.finish();
    stop.done();
    host.join().expect("the hosting thread does not panic");
    sample
}
