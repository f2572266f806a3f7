//! Timers: their cost and their lateness.

use std::future::{Future, poll_fn};
use std::hint::black_box;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

use crate::measure::{Meter, RunConfig, Sample, Stopwatch, percentile};
use crate::rt::Rt;

/// A sleep that is polled once and dropped, like every timeout that does not expire.
pub fn made_and_dropped<R: Rt>(config: &RunConfig) -> Sample {
    let rt = R::start(config.workers);
    let mut meter = Meter::new(config);
    rt.block_on_task(async move {
        while meter.is_running() {
            for _ in 0..1_000 {
                let mut sleep = pin!(R::sleep(Duration::from_secs(3_600)));
                poll_fn(|cx| Poll::Ready(sleep.as_mut().poll(cx).is_ready())).await;
            }
            meter.add(1_000);
        }
        meter.finish()
    })
}

/// The runtime's `timeout` around a ready future.
pub fn timeout_ready<R: Rt>(config: &RunConfig) -> Sample {
    let rt = R::start(config.workers);
    let mut meter = Meter::new(config);
    rt.block_on_task(async move {
        while meter.is_running() {
            for index in 0..1_000 {
                let _ =
                    black_box(R::timeout(Duration::from_secs(3_600), async move { index }).await);
            }
            meter.add(1_000);
        }
        meter.finish()
    })
}

/// The runtime's `timeout` around a future that waits once, so that a timer is set and cancelled.
pub fn timeout_yield<R: Rt>(config: &RunConfig) -> Sample {
    let rt = R::start(config.workers);
    let mut meter = Meter::new(config);
    rt.block_on_task(async move {
        while meter.is_running() {
            for _ in 0..1_000 {
                let work = futures_lite::future::yield_now();
                let _ = black_box(R::timeout(Duration::from_secs(3_600), work).await);
            }
            meter.add(1_000);
        }
        meter.finish()
    })
}

/// `count` tasks sleep once, with deadlines spread over 100 ms. `cpu` is per timer with its task;
/// `late_p50` and `late_p99` are in microseconds. `wall` says nothing: it follows from the
/// deadlines.
pub fn many<R: Rt>(config: &RunConfig, count: usize) -> Sample {
    let rt = R::start(config.workers);
    let rounds = config.scaled(10);
    rt.block_on_task(async move {
        let stopwatch = Stopwatch::start();
        let mut lateness = Vec::with_capacity(count * rounds);
        for _ in 0..rounds {
            let start = Instant::now() + Duration::from_millis(30);
            let sleeper = |index: usize| {
                // A stride through the 100 ms, so that the deadlines are not in spawn order.
                let share = (index * 7_919 % count) as u32;
                let deadline = start + Duration::from_millis(100) * share / count as u32;
                R::spawn(async move {
                    R::sleep(deadline.saturating_duration_since(Instant::now())).await;
                    deadline.elapsed().as_nanos() as f64 / 1e3
                })
            };
            let handles: Vec<_> = (0..count).map(sleeper).collect();
            for handle in handles {
                lateness.push(handle.await);
            }
        }
        let p99 = percentile(&mut lateness, 0.99);
        stopwatch
            .per_op((count * rounds) as u64)
            .with("late_p50", percentile(&mut lateness, 0.5))
            .with("late_p99", p99)
    })
}

/// One task repeats `sleep(1 ms)`. `over`: mean overshoot in microseconds. `cpu` is per sleep.
pub fn sleep_alone<R: Rt>(config: &RunConfig) -> Sample {
    let rt = R::start(config.workers);
    let times = config.scaled(500);
    rt.block_on_task(async move {
        let stopwatch = Stopwatch::start();
        let mut over = Duration::ZERO;
        for _ in 0..times {
            let start = Instant::now();
            R::sleep(Duration::from_millis(1)).await;
            over += start.elapsed().saturating_sub(Duration::from_millis(1));
        }
        stopwatch.per_op(times as u64).with("over", over.as_nanos() as f64 / 1e3 / times as f64)
    })
}

/// Ten tasks sleep 5 ms at a time beside four that yield in a loop. `late_p50` and `late_p99` are
/// in microseconds.
pub fn beside_yield<R: Rt>(config: &RunConfig) -> Sample {
    let rt = R::start(config.workers);
    let times = if config.is_quick { 40 } else { 200 };
    rt.block_on_task(async move {
        let is_over = Arc::new(AtomicBool::new(false));
        let yielder = |_| {
            let is_over = is_over.clone();
            R::spawn(async move {
                while !is_over.load(Ordering::Relaxed) {
                    R::yield_now().await;
                }
            })
        };
        let yielders: Vec<_> = (0..4).map(yielder).collect();
        let sleepers: Vec<_> = (0..10)
            .map(|_| {
                R::spawn(async move {
                    let mut late = Vec::with_capacity(times);
                    for _ in 0..times {
                        let deadline = Instant::now() + Duration::from_millis(5);
                        R::sleep(Duration::from_millis(5)).await;
                        late.push(deadline.elapsed().as_nanos() as f64 / 1e3);
                    }
                    late
                })
            })
            .collect();
        let mut lateness = Vec::new();
        for sleeper in sleepers {
            lateness.extend(sleeper.await);
        }
        is_over.store(true, Ordering::Relaxed);
        for yielder in yielders {
            yielder.await;
        }
        let p99 = percentile(&mut lateness, 0.99);
        let p50 = percentile(&mut lateness, 0.5);
        Sample::default().with("late_p50", p50).with("late_p99", p99)
    })
}

/// Ten tasks that start together wake ten times a second each. `cpu_share`: CPU microseconds per
/// second. `bare`: the same for a plain thread that wakes ten times a second, as if one wake served
/// all tasks. It is the lower bound for a runtime.
pub fn idle<R: Rt>(config: &RunConfig) -> Sample {
    let ticks = if config.is_quick { 10 } else { 30 };
    tickers::<R>(config, ticks, Duration::ZERO)
        .with("bare", bare_sleeper(ticks, Duration::from_millis(100)))
}

/// The same, but each task starts 9.7 ms after the previous one, so that no wake serves two tasks.
pub fn idle_spread<R: Rt>(config: &RunConfig) -> Sample {
    let ticks = if config.is_quick { 10 } else { 30 };
    let gap = Duration::from_micros(9_700);
    tickers::<R>(config, ticks, gap).with("bare", bare_sleeper(10 * ticks, gap))
}

fn tickers<R: Rt>(config: &RunConfig, ticks: u32, gap: Duration) -> Sample {
    let rt = R::start(config.workers);
    let share = rt.block_on_task(async move {
        let stopwatch = Stopwatch::start();
        let ticker = |index: u32| {
            R::spawn(async move {
                if !gap.is_zero() {
                    R::sleep(gap * index).await;
                }
                for _ in 0..ticks {
                    R::sleep(Duration::from_millis(100)).await;
                }
            })
        };
        let handles: Vec<_> = (0..10).map(ticker).collect();
        for handle in handles {
            handle.await;
        }
        cpu_share(&stopwatch)
    });
    Sample::default().with("cpu_share", share)
}

/// The CPU share of a plain thread that sleeps `sleeps` times for `each`.
fn bare_sleeper(sleeps: u32, each: Duration) -> f64 {
    let stopwatch = Stopwatch::start();
    for _ in 0..sleeps {
        thread::sleep(each);
    }
    cpu_share(&stopwatch)
}

/// CPU microseconds per second since `stopwatch`.
fn cpu_share(stopwatch: &Stopwatch) -> f64 {
    let seconds = stopwatch.elapsed().as_secs_f64();
    let cpu = stopwatch.per_op(1).get("cpu").expect("a stopwatch reports CPU time");
    cpu / 1e3 / seconds
}
