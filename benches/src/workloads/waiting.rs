//! Crossing threads: foreign wakes, `block_on`, the blocking pool.

use std::future::Future;
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use crate::measure::{Effort, Meter, Sample, percentile};
use crate::rt::Rt;
use crate::signal::{Baton, Countdown};

/// A foreign thread wakes `count` waiting tasks in turn, then waits until all of them ran. Per
/// wake, the run of the task included.
pub fn wake_foreign<R: Rt>(effort: &Effort, count: usize) -> Sample {
    let rt = R::start(effort.workers);
    let mut meter = Meter::new(effort);
    rt.inside(async move {
        let batons: Arc<Vec<Baton>> = Arc::new((0..count).map(|_| Baton::default()).collect());
        let ran = Arc::new(Countdown::new(count));
        let finished = Arc::new(Countdown::new(1));
        let is_over = Arc::new(AtomicBool::new(false));
        let waiter = |place: usize| {
            let (batons, ran, is_over) = (batons.clone(), ran.clone(), is_over.clone());
            R::spawn(async move {
                while !is_over.load(Ordering::Acquire) {
                    batons[place].take().await;
                    ran.done();
                }
            })
        };
        let handles: Vec<_> = (0..count).map(waiter).collect();
        let foreigner = thread::spawn({
            let finished = finished.clone();
            move || {
                while meter.is_running() {
                    ran.reset(count);
                    batons.iter().for_each(Baton::pass);
                    while !ran.is_over() {
                        thread::yield_now();
                    }
                    meter.add(count);
                }
                let sample = meter.finish();
                is_over.store(true, Ordering::Release);
                ran.reset(count);
                batons.iter().for_each(Baton::pass);
                finished.done();
                sample
            }
        });
        finished.wait().await;
        for handle in handles {
            handle.await;
        }
        foreigner.join().expect("the foreign thread does not panic")
    })
}

/// A foreign thread wakes the only task of an idle runtime. `p50` and `p99`: microseconds from
/// before the wake until the task runs.
pub fn wake_idle_latency<R: Rt>(effort: &Effort) -> Sample {
    let rt = R::start(effort.workers);
    let times = effort.scaled(500);
    let origin = Instant::now();
    let sent_at = Arc::new(AtomicU64::new(0));
    let baton = Arc::new(Baton::default());
    let (say_ran, hear_ran) = mpsc::channel();
    let foreigner = thread::spawn({
        let (baton, sent_at) = (baton.clone(), sent_at.clone());
        move || {
            for _ in 0..times {
                thread::sleep(Duration::from_millis(1));
                sent_at.store(origin.elapsed().as_nanos() as u64, Ordering::Release);
                baton.pass();
                // Two wakes in a row would be one, and the task would wait for the other for ever.
                hear_ran.recv().expect("the task answers every wake");
            }
        }
    });
    let mut latencies = rt.inside(async move {
        let mut latencies = Vec::with_capacity(times);
        for _ in 0..times {
            baton.take().await;
            let now = origin.elapsed().as_nanos() as u64;
            latencies.push((now - sent_at.load(Ordering::Acquire)) as f64 / 1e3);
            say_ran.send(()).expect("the foreign thread waits for the answer");
        }
        latencies
    });
    foreigner.join().expect("the foreign thread does not panic");
    let p99 = percentile(&mut latencies, 0.99);
    Sample::default().with("p50", percentile(&mut latencies, 0.5)).with("p99", p99)
}

/// `block_on` of a ready future, on a plain thread.
pub fn block_on_ready<R: Rt>(effort: &Effort) -> Sample {
    repeat_block_on::<R, _>(effort, || std::future::ready(black_box(1_u64)))
}

/// `block_on` of a future that yields once.
pub fn block_on_yield<R: Rt>(effort: &Effort) -> Sample {
    repeat_block_on::<R, _>(effort, || async {
        futures_lite::future::yield_now().await;
        1
    })
}

fn repeat_block_on<R: Rt, F: Future<Output = u64>>(
    effort: &Effort,
    make: impl Fn() -> F,
) -> Sample {
    let rt = R::start(effort.workers);
    let mut meter = Meter::new(effort);
    while meter.is_running() {
        for _ in 0..100 {
            black_box(rt.plain_block_on(make()));
        }
        meter.add(100);
    }
    meter.finish()
}

/// `block_on` of a task's handle: there and back between a plain thread and the workers.
pub fn block_on_spawn<R: Rt>(effort: &Effort) -> Sample {
    let rt = R::start(effort.workers);
    let mut meter = Meter::new(effort);
    while meter.is_running() {
        black_box(rt.block_on(rt.spawn_outside(async { 1 })));
        meter.add(1);
    }
    meter.finish()
}

/// Closures on the blocking pool, `at_once` of them started before the first is awaited. Per
/// closure.
pub fn blocking<R: Rt>(effort: &Effort, at_once: usize) -> Sample {
    let rt = R::start(effort.workers);
    let mut meter = Meter::new(effort);
    rt.inside(async move {
        while meter.is_running() {
            let start = |index: usize| R::unblock(move || index as u64);
            let running: Vec<_> = (0..at_once).map(start).collect();
            let mut sum = 0;
            for closure in running {
                sum += closure.await;
            }
            black_box(sum);
            meter.add(at_once);
        }
        meter.finish()
    })
}
