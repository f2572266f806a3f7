//! Crossing threads: wakes from outside the runtime, `block_on`, the blocking pool.

use std::future::Future;
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use crate::measure::{Meter, RunConfig, Sample, percentile};
use crate::rt::Rt;
use crate::signal::{Notify, WaitGroup};

/// A thread outside the runtime wakes `count` waiting tasks in turn, then waits until all of them
/// have run. Per wake, including the poll of the task.
pub fn wake_foreign<R: Rt>(config: &RunConfig, count: usize) -> Sample {
    let rt = R::start(config.workers);
    let mut meter = Meter::new(config);
    rt.block_on_task(async move {
        let notifies: Arc<Vec<Notify>> = Arc::new((0..count).map(|_| Notify::default()).collect());
        let ran = Arc::new(WaitGroup::new(count));
        let finished = Arc::new(WaitGroup::new(1));
        let is_over = Arc::new(AtomicBool::new(false));
        let waiter = |index: usize| {
            let (notifies, ran, is_over) = (notifies.clone(), ran.clone(), is_over.clone());
            R::spawn(async move {
                while !is_over.load(Ordering::Acquire) {
                    notifies[index].notified().await;
                    ran.done();
                }
            })
        };
        let handles: Vec<_> = (0..count).map(waiter).collect();
        let waking_thread = thread::spawn({
            let finished = finished.clone();
            move || {
                while meter.is_running() {
                    ran.reset(count);
                    notifies.iter().for_each(Notify::notify);
                    while !ran.is_done() {
                        thread::yield_now();
                    }
                    meter.add(count);
                }
                let sample = meter.finish();
                is_over.store(true, Ordering::Release);
                ran.reset(count);
                notifies.iter().for_each(Notify::notify);
                finished.done();
                sample
            }
        });
        finished.wait().await;
        for handle in handles {
            handle.await;
        }
        waking_thread.join().expect("the waking thread does not panic")
    })
}

/// A thread outside the runtime wakes the only task of an idle runtime. `p50` and `p99`:
/// microseconds from before the wake until the task runs.
pub fn wake_idle_latency<R: Rt>(config: &RunConfig) -> Sample {
    let rt = R::start(config.workers);
    let times = config.scaled(500);
    let origin = Instant::now();
    let sent_at = Arc::new(AtomicU64::new(0));
    let notify = Arc::new(Notify::default());
    let (ran_sender, ran_receiver) = mpsc::channel();
    let waking_thread = thread::spawn({
        let (notify, sent_at) = (notify.clone(), sent_at.clone());
        move || {
            for _ in 0..times {
                thread::sleep(Duration::from_millis(1));
                sent_at.store(origin.elapsed().as_nanos() as u64, Ordering::Release);
                notify.notify();
                // Two wakes in a row would count as one, and the task would wait forever.
                ran_receiver.recv().expect("the task answers every wake");
            }
        }
    });
    let mut latencies = rt.block_on_task(async move {
        let mut latencies = Vec::with_capacity(times);
        for _ in 0..times {
            notify.notified().await;
            let now = origin.elapsed().as_nanos() as u64;
            latencies.push((now - sent_at.load(Ordering::Acquire)) as f64 / 1e3);
            ran_sender.send(()).expect("the waking thread waits for the answer");
        }
        latencies
    });
    waking_thread.join().expect("the waking thread does not panic");
    let p99 = percentile(&mut latencies, 0.99);
    Sample::default().with("p50", percentile(&mut latencies, 0.5)).with("p99", p99)
}

/// `block_on` of a ready future, on a plain thread.
pub fn block_on_ready<R: Rt>(config: &RunConfig) -> Sample {
    repeat_block_on::<R, _>(config, || std::future::ready(black_box(1_u64)))
}

/// `block_on` of a future that yields once.
pub fn block_on_yield<R: Rt>(config: &RunConfig) -> Sample {
    repeat_block_on::<R, _>(config, || async {
        futures_lite::future::yield_now().await;
        1
    })
}

fn repeat_block_on<R: Rt, F: Future<Output = u64>>(
    config: &RunConfig,
    make: impl Fn() -> F,
) -> Sample {
    let rt = R::start(config.workers);
    let mut meter = Meter::new(config);
    while meter.is_running() {
        for _ in 0..100 {
            black_box(rt.plain_block_on(make()));
        }
        meter.add(100);
    }
    meter.finish()
}

/// `block_on` of a task's handle: a round trip between a plain thread and the workers.
pub fn block_on_spawn<R: Rt>(config: &RunConfig) -> Sample {
    let rt = R::start(config.workers);
    let mut meter = Meter::new(config);
    while meter.is_running() {
        black_box(rt.block_on(rt.spawn_outside(async { 1 })));
        meter.add(1);
    }
    meter.finish()
}

/// Closures on the blocking pool; `at_once` of them start before the first is awaited. Per closure.
pub fn blocking<R: Rt>(config: &RunConfig, at_once: usize) -> Sample {
    let rt = R::start(config.workers);
    let mut meter = Meter::new(config);
    rt.block_on_task(async move {
        while meter.is_running() {
            let start = |index: usize| R::spawn_blocking(move || index as u64);
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
